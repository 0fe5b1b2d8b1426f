package blob

import (
	"context"
	"errors"
	"io"
)

var (
	// ErrNotFound is returned for a hash that the store does not hold, and for one that is no hash at all.
	ErrNotFound = errors.New("blob: not found")

	// ErrTooLarge is returned by Put when the reader holds more than the limit. Nothing is kept.
	ErrTooLarge = errors.New("blob: larger than the limit")

	// ErrDiskFull says that the disk of the data directory (or the user's quota on it) has no room. Nothing is kept;
	// the same call can succeed once there is room. Its text may be shown to users.
	ErrDiskFull = errors.New("the disk that holds the studio's data is full: free some space or move the data directory, then try again")
)

// Ref names a stored file.
type Ref struct {
	SHA256 string // 64 lower-case hexadecimal digits
	Size   int64  // bytes
}

// Store is a content-addressed file store. All methods are safe for concurrent use.
type Store interface {
	// Put streams r into the store in constant memory and returns its hash. It fails with ErrTooLarge past limit bytes
	// (0 or less: no limit) and with ErrDiskFull; an error of r is returned wrapped. Nothing is kept on error.
	Put(ctx context.Context, r io.Reader, limit int64) (Ref, error)

	// Import takes over the regular file at path: it is hashed, flushed and renamed into the store when both lie on one
	// filesystem, else copied and then removed. After success the path no longer exists. A symbolic link is refused.
	// Only for files that no other process may still have open: one that has could change the bytes under their hash. Others
	// are stored by Put, which copies (or clones) them.
	Import(ctx context.Context, path string) (Ref, error)

	// Open returns the file and its size in bytes. It fails with ErrNotFound.
	Open(ctx context.Context, sha256 string) (io.ReadSeekCloser, int64, error)

	// Stage puts a copy of the file at path, which must not exist, for a process that is not trusted: whatever it does to the
	// copy, the stored file stays as it is. It is a clone where the filesystem can make one. Nothing is flushed, and the copy
	// is not writable by its mode. It fails with ErrNotFound and ErrDiskFull.
	Stage(ctx context.Context, sha256, path string) error

	// Delete removes the file. A file that is not there is no error.
	Delete(ctx context.Context, sha256 string) error
}
