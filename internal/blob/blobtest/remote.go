package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/apibr/studio/internal/blob"
)

// Remote is a store without paths, as an object store behind a network is: its files are objects in memory, and reading
// is done by ranges. It shows that nothing outside package blob needs a disk.
type Remote struct {
	temp string

	mu      sync.Mutex
	objects map[string]object
	ranges  int
}

type object struct {
	content []byte
	keptAt  time.Time
}

var _ blob.Store = (*Remote)(nil)

// NewRemote makes an empty store. The directory is for files on their way into it.
func NewRemote(temp string) *Remote { return &Remote{temp: temp, objects: map[string]object{}} }

// Ranges is how many ranges of objects were fetched.
func (r *Remote) Ranges() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ranges
}

// Put implements blob.Store.
func (r *Remote) Put(ctx context.Context, from io.Reader, limit int64) (blob.Ref, error) {
	var content bytes.Buffer
	for part := make([]byte, 32<<10); ; {
		if err := ctx.Err(); err != nil {
			return blob.Ref{}, err
		}
		n, err := from.Read(part)
		content.Write(part[:n])
		if limit > 0 && int64(content.Len()) > limit {
			return blob.Ref{}, blob.ErrTooLarge
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return blob.Ref{}, fmt.Errorf("put: %w", err)
		}
	}
	sum := sha256.Sum256(content.Bytes())
	sha := hex.EncodeToString(sum[:])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects[sha] = object{content.Bytes(), time.Now()}
	return blob.Ref{SHA256: sha, Size: int64(content.Len())}, nil
}

// Import implements blob.Store.
func (r *Remote) Import(ctx context.Context, path string) (blob.Ref, error) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return blob.Ref{}, errors.Join(err, errors.New("import: not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return blob.Ref{}, err
	}
	defer f.Close()
	ref, err := r.Put(ctx, f, 0)
	if err != nil {
		return blob.Ref{}, err
	}
	return ref, os.Remove(path)
}

func (r *Remote) get(sha string) (object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.objects[sha]
	if !ok {
		return object{}, blob.ErrNotFound
	}
	return found, nil
}

// Open implements blob.Store.
func (r *Remote) Open(_ context.Context, sha string) (io.ReadSeekCloser, int64, error) {
	found, err := r.get(sha)
	if err != nil {
		return nil, 0, err
	}
	size := int64(len(found.content))
	return &download{store: r, sha: sha, size: size}, size, nil
}

// Stat implements blob.Store.
func (r *Remote) Stat(_ context.Context, sha string) (blob.Info, error) {
	found, err := r.get(sha)
	if err != nil {
		return blob.Info{}, err
	}
	return infoOf(sha, found), nil
}

func infoOf(sha string, o object) blob.Info {
	return blob.Info{Ref: blob.Ref{SHA256: sha, Size: int64(len(o.content))}, KeptAt: o.keptAt}
}

// Stage implements blob.Store.
func (r *Remote) Stage(ctx context.Context, sha, path string) error {
	found, err := r.get(sha)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	_, err = f.Write(found.content)
	return errors.Join(err, f.Close())
}

// Delete implements blob.Store.
func (r *Remote) Delete(_ context.Context, sha string, before time.Time) (*blob.Info, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.objects[sha]
	if !ok || !found.keptAt.Before(before) {
		return nil, nil
	}
	delete(r.objects, sha)
	info := infoOf(sha, found)
	return &info, nil
}

// List implements blob.Store.
func (r *Remote) List(ctx context.Context, after string, limit int) ([]blob.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var page []blob.Info
	for _, sha := range slices.Sorted(maps.Keys(r.objects)) {
		if sha > after && len(page) < limit {
			page = append(page, infoOf(sha, r.objects[sha]))
		}
	}
	return page, nil
}

// TempDir implements blob.Store.
func (r *Remote) TempDir() string { return r.temp }

// Tidy implements blob.Store.
func (r *Remote) Tidy(_ context.Context, before time.Time) (blob.Swept, error) {
	var out blob.Swept
	entries, err := os.ReadDir(r.temp)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.ModTime().Before(before) && os.RemoveAll(filepath.Join(r.temp, e.Name())) == nil {
			out.Files++
			out.Bytes += info.Size()
		}
	}
	return out, err
}

// Age makes a file older, for tests of sweeps.
func (r *Remote) Age(sha string, by time.Duration) {
	r.change(sha, func(o *object) { o.keptAt = o.keptAt.Add(-by) })
}

// Damage changes the bytes of a stored file, as a broken disk does.
func (r *Remote) Damage(sha string) {
	r.change(sha, func(o *object) { o.content = []byte("damaged") })
}

func (r *Remote) change(sha string, how func(*object)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.objects[sha]
	how(&changed)
	r.objects[sha] = changed
}

// download reads an object by ranges.
type download struct {
	store *Remote
	sha   string
	at    int64
	size  int64
}

// Read fetches the next range.
func (d *download) Read(p []byte) (int, error) {
	if d.at >= d.size {
		return 0, io.EOF
	}
	found, err := d.store.get(d.sha)
	if err != nil {
		return 0, err
	}
	d.store.mu.Lock()
	d.store.ranges++
	d.store.mu.Unlock()
	n := copy(p, found.content[min(d.at, int64(len(found.content))):])
	d.at += int64(n)
	return n, nil
}

// Seek moves to where the next range begins.
func (d *download) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += d.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	d.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (d *download) Close() error { return nil }
