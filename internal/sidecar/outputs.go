package sidecar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/ctxio"
)

// verify checks a file that a sidecar names: a relative path inside dir, no link on the way, a regular file, and size
// and hash as the bytes on disk have them. The files that it returns have absolute paths. A file is read only when it
// has the size that was announced and *left, the bytes that the run may still have, holds it; *left is less by it
// then.
//
// It fails with an EngineError of ProtocolError whose sentence names the file by its last element only: the rest may be
// this machine's.
func verify(ctx context.Context, dir string, sent fileSent, left *int64) (File, error) {
	f, err := openInside(dir, sent.Path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, fmt.Errorf("sidecar: read an output: %w", err)
	}
	if size := info.Size(); size != sent.Size {
		return File{}, protocolError(
			"output %q has %d bytes where %d were announced",
			fileName(sent.Path),
			size,
			sent.Size,
		)
	}
	if *left -= sent.Size; *left < 0 {
		return File{}, protocolError(
			"with output %q the files of the run are too large, see supervisor.limits.output_bytes",
			fileName(sent.Path),
		)
	}
	hash := sha256.New()
	size, err := io.Copy(hash, ctxio.NewReader(ctx, io.LimitReader(f, sent.Size+1))) // one byte more tells that it grew
	if err != nil {
		return File{}, fmt.Errorf("sidecar: read an output: %w", err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if !strings.EqualFold(sum, sent.SHA256) {
		return File{}, protocolError("output %q has another SHA-256 than was announced", fileName(sent.Path))
	}
	return File{
		Name: sent.Name, Path: filepath.Join(dir, sent.Path), MIME: sent.MIME, Size: size, SHA256: sum,
		Metadata: sent.Metadata,
	}, nil
}

// openInside opens dir/name element by element, so that no link, swapped in at any moment, can lead out of dir.
func openInside(dir, name string) (*os.File, error) {
	if !filepath.IsLocal(name) || name != filepath.Clean(name) || name == "." || strings.ContainsRune(name, 0) {
		return nil, protocolError("the path of an output is not a path inside the run's folder")
	}
	at, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sidecar: open the run's folder: %w", err)
	}
	elements := strings.Split(name, "/")
	for i, element := range elements {
		// O_NONBLOCK: opening a pipe without a writer must not stop us.
		flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
		if i < len(elements)-1 {
			flags |= unix.O_DIRECTORY
		}
		next, err := unix.Openat(at, element, flags, 0)
		_ = unix.Close(at)
		switch {
		case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
			return nil, protocolError("output %q goes through a link or a file", fileName(name))
		case errors.Is(err, unix.ENOENT):
			return nil, protocolError("output %q does not exist", fileName(name))
		case errors.Is(err, unix.ENAMETOOLONG):
			return nil, protocolError("the name of an output is too long")
		case err != nil:
			return nil, fmt.Errorf("sidecar: open an output: %w", err)
		}
		at = next
	}
	f := os.NewFile(uintptr(at), filepath.Base(name))
	var stat unix.Stat_t
	if err := unix.Fstat(at, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = f.Close()
		return nil, protocolError("output %q is not a regular file", fileName(name))
	}
	return f, nil
}

// Open opens a file that a run has made, by the absolute path of a File or of a preview. As at its check, no link leads
// out of dir.
func Open(dir, path string) (*os.File, error) {
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return nil, fmt.Errorf("sidecar: open an output: %w", err)
	}
	return openInside(dir, name)
}
