// Package disk measures the free space of a disk.
package disk

import "golang.org/x/sys/unix"

// Free is what the disk of a folder or file has left for this user, in bytes. Fails when the path is not there.
func Free(path string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}
