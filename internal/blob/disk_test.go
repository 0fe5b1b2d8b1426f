package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func newDisk(t *testing.T) *Disk {
	t.Helper()
	d, err := NewDisk(filepath.Join(t.TempDir(), "blobs"))
	require.NoError(t, err)
	return d
}

// files lists every regular file of the store, temporary ones too.
func files(t *testing.T, d *Disk) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != ".lock" {
			out = append(out, path)
		}
		return err
	}))
	return out
}

func content(t *testing.T, d *Disk, sha string) []byte {
	t.Helper()
	r, size, err := d.Open(context.Background(), sha)
	require.NoError(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Len(t, b, int(size))
	return b
}

func TestAFailedPutLeavesNoTemporaryFile(t *testing.T) {
	t.Parallel()
	d, ctx := newDisk(t), context.Background()
	gone := errors.New("client gone")
	_, err := d.Put(ctx, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(gone)), 0)
	require.ErrorIs(t, err, gone)
	_, err = d.Put(ctx, strings.NewReader("12345"), 4)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = d.Put(ctx, strings.NewReader("1234"), 4)
	require.NoError(t, err, "exactly the limit")
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = d.Put(canceled, strings.NewReader("x"), 0)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, files(t, d), 1)
}

// Package blobtest tests every store; these tests are for a disk only.
func TestImportRenamesOnTheSameFilesystem(t *testing.T) {
	t.Parallel()
	d, ctx := newDisk(t), context.Background()
	write := func(dir, text string) string {
		path := filepath.Join(dir, "f")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	same := write(d.TempDir(), "same filesystem")
	before, err := os.Stat(same)
	require.NoError(t, err)
	ref, err := d.Import(ctx, same)
	require.NoError(t, err)
	require.NoFileExists(t, same)
	path, err := d.path(ref.SHA256)
	require.NoError(t, err)
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "renamed, not copied")
	require.Zero(t, after.Mode()&0o222, "nobody writes to it by accident")

	again := write(d.TempDir(), "same filesystem")
	ref2, err := d.Import(ctx, again)
	require.NoError(t, err)
	require.Equal(t, ref, ref2)
	require.NoFileExists(t, again)

	linked := write(t.TempDir(), "two names")
	require.NoError(t, os.Link(linked, linked+"2"))
	ref, err = d.Import(ctx, linked)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(linked+"2", []byte("changed!!"), 0o644))
	require.Equal(t, "two names", string(content(t, d, ref.SHA256)), "a second name cannot change what was kept")

	target := write(t.TempDir(), "elsewhere")
	link := target + "-link"
	require.NoError(t, os.Symlink(target, link))
	_, err = d.Import(ctx, link)
	require.Error(t, err)
	_, err = d.Import(ctx, t.TempDir())
	require.Error(t, err)
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	_, err = d.Import(ctx, fifo)
	require.Error(t, err, "and it does not wait for a writer")

	if shm, err := os.MkdirTemp("/dev/shm", "blob-test-*"); err == nil {
		defer os.RemoveAll(shm)
		ref, err := d.Import(ctx, write(shm, "another filesystem"))
		require.NoError(t, err)
		require.Equal(t, "another filesystem", string(content(t, d, ref.SHA256)))
		require.NoFileExists(t, filepath.Join(shm, "f"))
	}
}

func TestFullDiskFailsWithASentenceAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small tmpfs: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	d, err := NewDisk(dir)
	require.NoError(t, err)
	_, err = d.Put(context.Background(), io.LimitReader(zeros{}, 8<<20), 0)
	require.ErrorIs(t, err, ErrDiskFull)
	require.Contains(t, err.Error(), "free some space")
	require.NotContains(t, err.Error(), dir)
	_, err = d.Put(context.Background(), io.LimitReader(zeros{}, 512<<10), 0)
	require.NoError(t, err, "what did not fit was removed again")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A stored file whose bytes are not those of its name is replaced when the good bytes come again, by whichever way.
func TestSameUploadReplacesADamagedFile(t *testing.T) {
	t.Parallel()
	d, ctx := newDisk(t), context.Background()
	for name, damage := range map[string]func(path string) error{
		"another byte": func(path string) error { return os.WriteFile(path, []byte("THE bytes"), 0o600) },
		"cut":          func(path string) error { return os.Truncate(path, 3) },
		"empty":        func(path string) error { return os.Truncate(path, 0) },
		"a link": func(path string) error {
			return errors.Join(os.Rename(path, path+".x"), os.WriteFile(path+".y", []byte("THE bytes"), 0o600),
				os.Symlink(path+".y", path))
		},
	} {
		ref, err := d.Put(ctx, strings.NewReader("the bytes"), 0)
		require.NoError(t, err)
		path, err := d.path(ref.SHA256)
		require.NoError(t, err)
		for _, way := range []func() (Ref, error){
			func() (Ref, error) { return d.Put(ctx, strings.NewReader("the bytes"), 0) },
			func() (Ref, error) {
				file := filepath.Join(d.TempDir(), "again")
				require.NoError(t, os.WriteFile(file, []byte("the bytes"), 0o600))
				return d.Import(ctx, file)
			},
			func() (Ref, error) {
				f, err := os.Open(writeTemp(t, "the bytes"))
				require.NoError(t, err)
				defer f.Close()
				return d.Put(ctx, f, 0)
			},
		} {
			require.NoError(t, os.Chmod(path, 0o600))
			require.NoError(t, damage(path), name)
			again, err := way()
			require.NoError(t, err, name)
			require.Equal(t, ref, again)
			require.Equal(t, "the bytes", string(content(t, d, ref.SHA256)), name)
			info, err := os.Lstat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o400), info.Mode(), name)
			_, _ = os.Remove(path+".x"), os.Remove(path+".y")
		}
	}
}

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// BenchmarkStage tells what staging an input of 500 MB costs.
func BenchmarkStage(b *testing.B) {
	d, err := NewDisk(b.TempDir())
	require.NoError(b, err)
	block := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var blocks []io.Reader
	for range 500 {
		blocks = append(blocks, bytes.NewReader(block))
	}
	ref, err := d.Put(context.Background(), io.MultiReader(blocks...), 0)
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "staged")
	for b.Loop() {
		require.NoError(b, d.Stage(context.Background(), ref.SHA256, path))
		require.NoError(b, os.Remove(path))
	}
}
