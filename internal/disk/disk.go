// Package disk measures the free space of a disk and flushes directories.
package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Free is what the disk of a folder or file has left for this user, in bytes. Fails when the path is not there.
func Free(path string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// SyncDir flushes a directory, so that the names in it outlast a power loss: a rename lasts only then.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
