package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/apibr/studio/internal/ctxio"
	"github.com/apibr/studio/internal/disk"
)

// copyBuffer is what one Put or Import holds in memory, whatever the size of the file.
const copyBuffer = 256 << 10

// lockFile lies in the directory for temporary files.
const lockFile = ".lock"

// Disk is a Store in a local directory: DIR/ab/cd/<hash>, with DIR/tmp for what is being written.
type Disk struct {
	dir  string
	gate sync.RWMutex // see lock
}

var _ Store = (*Disk)(nil)

// NewDisk opens the store in dir and makes the directory when it is missing.
func NewDisk(dir string) (*Disk, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("blob directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", DiskError(err))
	}
	if err := makeOuter(dir); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", DiskError(err))
	}
	return &Disk{dir: dir}, nil
}

// makeOuter makes the 256 directories of the first level and flushes their names, once, so that keeping a file need
// not.
func makeOuter(dir string) error {
	made := false
	for i := range 256 {
		err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("%02x", i)), 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		made = made || err == nil
	}
	if !made {
		return nil
	}
	return disk.SyncDir(dir)
}

// TempDir implements Store. It lies on the store's own filesystem: a file made there is imported by a rename.
func (d *Disk) TempDir() string { return filepath.Join(d.dir, "tmp") }

// Put implements Store.
func (d *Disk) Put(ctx context.Context, r io.Reader, limit int64) (Ref, error) {
	f, err := os.CreateTemp(d.TempDir(), "put-*")
	if err != nil {
		return Ref{}, fmt.Errorf("store file: %w", DiskError(err))
	}
	defer os.Remove(f.Name()) // after the rename there is nothing left to remove
	defer f.Close()
	ref, err := fill(ctx, f, r, limit)
	if err != nil {
		return Ref{}, fmt.Errorf("store file: %w", DiskError(err))
	}
	if err := f.Sync(); err != nil {
		return Ref{}, fmt.Errorf("store file: %w", DiskError(err))
	}
	return ref, d.keep(ctx, f.Name(), ref)
}

// fill copies r to the new file f. A file on a filesystem that can do so is cloned, which moves no bytes; its clone is
// then hashed.
func fill(ctx context.Context, f *os.File, r io.Reader, limit int64) (Ref, error) {
	if from, ok := r.(*os.File); ok {
		if at, err := from.Seek(0, io.SeekCurrent); err == nil && at == 0 && clone(f, from) {
			return copyHashed(ctx, io.Discard, f, limit)
		}
	}
	return copyHashed(ctx, f, r, limit)
}

// Import implements Store.
func (d *Disk) Import(ctx context.Context, path string) (Ref, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Ref{}, fmt.Errorf("import file: %w", DiskError(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Ref{}, fmt.Errorf("import file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Ref{}, errors.New("import file: not a regular file")
	}
	// A second name of the same inode could change the bytes after they were hashed, so such a file is copied.
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return d.importCopy(ctx, f, path)
	}
	ref, err := copyHashed(ctx, io.Discard, f, 0)
	if err != nil {
		return Ref{}, fmt.Errorf("import file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return Ref{}, fmt.Errorf("import file: %w", DiskError(err))
	}
	err = d.keep(ctx, path, ref)
	if errors.Is(err, syscall.EXDEV) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return Ref{}, fmt.Errorf("import file: %w", err)
		}
		return d.importCopy(ctx, f, path)
	}
	return ref, err
}

func (d *Disk) importCopy(ctx context.Context, f *os.File, path string) (Ref, error) {
	ref, err := d.Put(ctx, f, 0)
	if err != nil {
		return Ref{}, err
	}
	if err := os.Remove(path); err != nil {
		return Ref{}, fmt.Errorf("import file: %w", err)
	}
	return ref, nil
}

// keep gives the flushed file at path its final name.
func (d *Disk) keep(ctx context.Context, path string, ref Ref) error {
	unlock, err := d.lock(false)
	if err != nil {
		return err
	}
	defer unlock()
	final := d.file(ref.SHA256)
	inner, fresh, err := makeInner(final)
	if err != nil {
		return fmt.Errorf("store file: %w", DiskError(err))
	}
	// Already kept: only its age is renewed, so that a sweep does not take it before its new row is there. A file that
	// is not what its name says was damaged (a broken disk, another program) and is replaced by the good one.
	if same, err := holds(ctx, final, ref); err != nil {
		return fmt.Errorf("store file: %w", err)
	} else if same {
		now := time.Now()
		if err := os.Chtimes(final, now, now); err != nil {
			return fmt.Errorf("store file: %w", err)
		}
		return os.Remove(path)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		return fmt.Errorf("store file: %w", err)
	}
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		return fmt.Errorf("store file: %w", err)
	}
	if err := os.Rename(path, final); err != nil {
		return fmt.Errorf("store file: %w", DiskError(err))
	}
	// The file's name first: a journaling filesystem then flushes the new directory's name with it.
	err = disk.SyncDir(inner)
	if err == nil && fresh {
		err = disk.SyncDir(filepath.Dir(inner))
	}
	if err != nil {
		return fmt.Errorf("store file: %w", DiskError(err))
	}
	return nil
}

// holds says whether the file at path is there and has the bytes that ref names. A file that cannot be read does not.
func holds(ctx context.Context, path string, ref Ref) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != ref.Size {
		return false, nil
	}
	found, err := copyHashed(ctx, io.Discard, f, 0)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return false, ctxErr
	}
	return err == nil && found == ref, nil
}

// Open implements Store.
func (d *Disk) Open(_ context.Context, sha string) (io.ReadSeekCloser, int64, error) {
	path, err := d.path(sha)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("open blob: %w", err)
	}
	return f, info.Size(), nil
}

// Stage implements Store.
func (d *Disk) Stage(ctx context.Context, sha, path string) error {
	kept, err := d.path(sha)
	if err != nil {
		return err
	}
	return stage(ctx, kept, path)
}

// stage copies a kept file to a new one.
func stage(ctx context.Context, kept, path string) error {
	from, err := os.Open(kept)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("stage file: %w", err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return fmt.Errorf("stage file: %w", DiskError(err))
	}
	defer to.Close()
	if clone(to, from) {
		return nil
	}
	// Large steps from file to file: the kernel copies them by itself, and between two a canceled job is seen.
	const step = 64 << 20
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(to, from, step)
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("stage file: %w", DiskError(err))
	}
	return nil
}

// path is where the file lies: never to be written to, nor linked to from where another process could. It fails with
// ErrNotFound when the file is not there.
func (d *Disk) path(sha string) (string, error) {
	if !validHash(sha) {
		return "", ErrNotFound
	}
	path := d.file(sha)
	if _, err := os.Lstat(path); err != nil {
		return "", ErrNotFound
	}
	return path, nil
}

// lock takes the store's gate: shared for keeping, exclusive for sweeping.
func (d *Disk) lock(exclusive bool) (unlock func(), err error) {
	how, release := syscall.LOCK_SH, d.gate.RUnlock
	if exclusive {
		how, release = syscall.LOCK_EX, d.gate.Unlock
		d.gate.Lock()
	} else {
		d.gate.RLock()
	}
	f, err := os.OpenFile(filepath.Join(d.TempDir(), lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		release()
		return nil, fmt.Errorf("lock blob store: %w", DiskError(err))
	}
	for err = syscall.Flock(int(f.Fd()), how); errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), how)
	}
	if err != nil {
		f.Close()
		release()
		return nil, fmt.Errorf("lock blob store: %w", err)
	}
	return func() { f.Close(); release() }, nil // closing drops the flock
}

func (d *Disk) file(sha string) string { return filepath.Join(d.dir, sha[:2], sha[2:4], sha) }

// makeInner makes the directory above a file; fresh says that it was not there.
func makeInner(file string) (inner string, fresh bool, err error) {
	inner = filepath.Dir(file)
	if _, err := os.Lstat(inner); err == nil {
		return inner, false, nil
	}
	return inner, true, os.MkdirAll(inner, 0o700)
}

func copyHashed(ctx context.Context, w io.Writer, r io.Reader, limit int64) (Ref, error) {
	h := sha256.New()
	src := ctxio.NewReader(ctx, r)
	if limit > 0 {
		src = io.LimitReader(src, limit+1)
	}
	// The plain structs hide ReadFrom and WriteTo, which would bring buffers of their own.
	n, err := io.CopyBuffer(
		struct{ io.Writer }{io.MultiWriter(w, h)},
		struct{ io.Reader }{src},
		make([]byte, copyBuffer),
	)
	if err != nil {
		return Ref{}, err
	}
	if limit > 0 && n > limit {
		return Ref{}, ErrTooLarge
	}
	return Ref{SHA256: hex.EncodeToString(h.Sum(nil)), Size: n}, nil
}

// DiskError turns the errors of a full disk into ErrDiskFull.
func DiskError(err error) error {
	if disk.Full(err) {
		return ErrDiskFull
	}
	return err
}

// hashLength is that of a SHA-256 in hexadecimal digits.
const hashLength = 64

func validHash(s string) bool {
	if len(s) != hashLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
