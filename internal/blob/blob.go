package blob

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

var (
	// ErrNotFound is returned for a hash that the store does not hold, and for a malformed one.
	ErrNotFound = errors.New("blob: not found")

	// ErrTooLarge is returned by Put when the reader holds more than the limit. Nothing is kept.
	ErrTooLarge = errors.New("blob: larger than the limit")

	// ErrDiskFull says that the disk of the data directory is full, or the user's quota on it used up. Nothing is kept;
	// the same call can succeed once there is free space.
	ErrDiskFull = i18n.NewError("the disk that holds the studio's data is full: free some space or move the data " +
		"directory, then try again")
)

// Ref names a stored file.
type Ref struct {
	SHA256 string // 64 lower-case hexadecimal digits
	Size   int64  // bytes
}

// Info is a stored file with its age.
type Info struct {
	Ref

	// KeptAt is when the file was last given to the store; the same bytes given again renew it.
	KeptAt time.Time
}

// Store is a content-addressed file store. All methods are safe for concurrent use, also by several processes.
//
// Only the store knows where its files lie. A program that works on paths gets a copy by Stage. Package blobtest
// holds each implementation to what is promised here.
type Store interface {
	// Put streams r into the store in constant memory and returns its hash. It fails with ErrTooLarge past limit bytes
	// (0 or less: no limit) and with ErrDiskFull; an error of r is returned wrapped. Nothing is kept on error. Bytes
	// that the store holds already are kept once; a stored file that was damaged since is replaced by the good one.
	Put(ctx context.Context, r io.Reader, limit int64) (Ref, error)

	// Import takes over the regular file at path, a file of this machine. It costs least for a file in TempDir. After
	// success the path no longer exists. A symbolic link is refused. Another process that still has the file open could
	// change the bytes under their hash; store such a file by Put.
	Import(ctx context.Context, path string) (Ref, error)

	// Open returns the file and its size in bytes. A store that is not on this machine fetches only what is read, from
	// where it was sought to. It fails with ErrNotFound.
	Open(ctx context.Context, sha256 string) (io.ReadSeekCloser, int64, error)

	// Stat tells the size and the age of a file. It fails with ErrNotFound.
	Stat(ctx context.Context, sha256 string) (Info, error)

	// Stage puts a copy of the file at path, which must not exist, for a process that is not trusted: whatever it does
	// to the copy, the stored file stays as it is. Nothing is flushed, and the mode of the copy does not allow
	// writing. It fails with ErrNotFound and ErrDiskFull.
	Stage(ctx context.Context, sha256, path string) error

	// Delete removes the file unless it was kept at or after before, and returns what it has removed: nil when the file
	// is younger or not there. No Put or Import of the same bytes falls between the check and the removal.
	Delete(ctx context.Context, sha256 string, before time.Time) (*Info, error)

	// List returns up to limit files whose hashes are greater than after, in the order of their hashes. A short page is
	// the last one.
	List(ctx context.Context, after string, limit int) ([]Info, error)

	// TempDir is a directory of this machine for files on their way to Import.
	TempDir() string

	// Tidy removes files in TempDir, and the store's own unfinished work, that are older than before.
	Tidy(ctx context.Context, before time.Time) (Swept, error)
}
