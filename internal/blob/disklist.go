package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// List implements Store. It holds the names of one directory of 65,536 and a page in memory.
func (d *Disk) List(ctx context.Context, after string, limit int) ([]Info, error) {
	page := make([]Info, 0, limit)
	outer, err := names(d.dir, 2, after)
	if err != nil {
		return nil, err
	}
	for _, first := range outer {
		inner, err := names(filepath.Join(d.dir, first), 2, rest(after, first))
		if err != nil {
			return nil, err
		}
		for _, second := range inner {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if page, err = d.appendDir(page, first+second, after, limit); err != nil || len(page) == limit {
				return page, err
			}
		}
	}
	return page, nil
}

// appendDir adds the files whose hashes begin with the prefix.
func (d *Disk) appendDir(page []Info, prefix, after string, limit int) ([]Info, error) {
	hashes, err := names(filepath.Join(d.dir, prefix[:2], prefix[2:]), hashLength, after)
	if err != nil {
		return nil, err
	}
	for _, sha := range hashes {
		if len(page) == limit {
			break
		}
		if sha <= after || sha[:4] != prefix || !validHash(sha) {
			continue
		}
		if info, err := d.stat(sha); err == nil {
			page = append(page, info)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return page, nil
}

// names returns the entries of a directory in order that have that length and are not less than the start of after. A
// directory that is gone has none.
func names(dir string, length int, after string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	var found []string
	for _, e := range entries {
		if name := e.Name(); len(name) == length && name >= after[:min(length, len(after))] {
			found = append(found, name)
		}
	}
	return found, nil
}

// rest is what is left of a cursor inside the directory of that name: all of it is listed unless the cursor lies in it.
func rest(after, name string) string {
	if len(after) > len(name) && after[:len(name)] == name {
		return after[len(name):]
	}
	return ""
}

// Stat implements Store.
func (d *Disk) Stat(_ context.Context, sha string) (Info, error) {
	if !validHash(sha) {
		return Info{}, ErrNotFound
	}
	return d.stat(sha)
}

func (d *Disk) stat(sha string) (Info, error) {
	file, err := os.Lstat(d.file(sha))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !file.Mode().IsRegular() {
		return Info{}, ErrNotFound
	}
	if err != nil {
		return Info{}, fmt.Errorf("stat blob: %w", err)
	}
	return Info{Ref: Ref{SHA256: sha, Size: file.Size()}, KeptAt: file.ModTime()}, nil
}

// Delete implements Store. It excludes every keep, also of another process on this directory: without that, a file
// could go between "it is there already" and the row that refers to it.
func (d *Disk) Delete(_ context.Context, sha string, before time.Time) (*Info, error) {
	if !validHash(sha) {
		return nil, nil
	}
	unlock, err := d.lock(true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	info, err := d.stat(sha)
	if errors.Is(err, ErrNotFound) || err == nil && !info.KeptAt.Before(before) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := os.Remove(d.file(sha)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("delete blob: %w", err)
	}
	return &info, nil
}

// Tidy implements Store. Files that cannot be read or removed are left for the next time.
func (d *Disk) Tidy(_ context.Context, before time.Time) (Swept, error) {
	entries, err := os.ReadDir(d.TempDir())
	if err != nil {
		return Swept{}, fmt.Errorf("tidy blobs: %w", err)
	}
	var out Swept
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.Name() == lockFile || !info.ModTime().Before(before) {
			continue
		}
		if os.RemoveAll(filepath.Join(d.TempDir(), e.Name())) == nil {
			out.Files++
			out.Bytes += info.Size()
		}
	}
	return out, nil
}
