package sidecar

import (
	"io/fs"
	"syscall"
)

// inode of a file, by which a folder that replaced another of its name is known.
func inode(info fs.FileInfo) (uint64, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Ino, true
}
