package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Fault is a file that is not what it was when it came.
type Fault struct {
	Path string `json:"path"`
	// Why is missing, size or content.
	Why string `json:"why"`
}

// Verify reads every file of a model again and compares it with its record. No faults means that all is as it came.
func (s *Store) Verify(ctx context.Context, model string, progress Progress) ([]Fault, error) {
	record, err := s.Get(model)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	faults := []Fault{}
	total, done := record.Bytes(), int64(0)
	for _, file := range record.Files {
		why, err := compare(ctx, filepath.Join(record.home, filepath.FromSlash(file.Path)), file)
		if err != nil {
			return nil, err
		}
		if why != "" {
			faults = append(faults, Fault{file.Path, why})
		}
		done += file.Size
		progress(model, done, total)
	}
	if len(faults) == 0 {
		noteFacts(record.home, s.factsFile(record), record)
	}
	return faults, nil
}

func compare(ctx context.Context, path string, want File) (why string, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "missing", nil
	}
	if err != nil {
		return "", fmt.Errorf("models: verify: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() != want.Size {
		return "size", err
	}
	sum, err := hashed(ctx, io.Discard, file)
	switch {
	case err != nil:
		return "", fmt.Errorf("models: verify: %w", err)
	case sum != want.SHA256:
		return "content", nil
	default:
		return "", nil
	}
}

// copyHashed copies a file of that size and returns its SHA-256. The copy is on the disk when it returns.
func copyHashed(ctx context.Context, from, to string, size int64) (sum string, err error) {
	source, err := os.Open(from)
	if err != nil {
		return "", fmt.Errorf("models: copy: %w", err)
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", fmt.Errorf("models: copy: %w", err)
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("models: copy: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if sum, err = hashed(ctx, target, io.LimitReader(source, size)); err != nil {
		return "", fmt.Errorf("models: copy: %w", err)
	}
	if err := target.Sync(); err != nil {
		return "", fmt.Errorf("models: copy: %w", err)
	}
	return sum, nil
}

// hashed copies until the end or until ctx ends.
func hashed(ctx context.Context, to io.Writer, from io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.CopyBuffer(to, &watched{ctx, from, sum}, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// watched hashes what is read through it and fails when its context has ended.
type watched struct {
	ctx  context.Context //nolint:containedctx // lives as long as one copy
	from io.Reader
	sum  hash.Hash
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.from.Read(p)
	w.sum.Write(p[:n])
	return n, err
}
