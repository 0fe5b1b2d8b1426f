// Package blobtest holds every blob.Store to the same promises, and has a store without a disk to test others with.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
)

// Driver makes stores of one kind, and does to their files what only that kind knows how to do.
type Driver struct {
	// New makes an empty store.
	New func(t *testing.T) blob.Store

	// Damage changes the bytes of a stored file.
	Damage func(t *testing.T, store blob.Store, sha256 string)

	// Age makes a stored file older.
	Age func(t *testing.T, store blob.Store, sha256 string, by time.Duration)
}

// Test holds stores of this kind to what blob.Store promises.
func Test(t *testing.T, d Driver) {
	for name, test := range map[string]func(*testing.T, Driver){
		"equal bytes are kept once":            keptOnce,
		"a failed put leaves nothing":          failedPut,
		"an import takes the file over":        importing,
		"ranges are read":                      ranges,
		"a staged file is a copy":              staging,
		"a damaged file is mended":             mending,
		"only hashes are names":                onlyHashes,
		"a file is deleted by its age":         deleting,
		"files are listed in pages":            listing,
		"forgotten temporary files are tidied": tidying,
		"many may put at once":                 manyAtOnce,
		"canceled work ends":                   canceled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

func sum(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }

func put(t *testing.T, s blob.Store, text string) blob.Ref {
	t.Helper()
	ref, err := s.Put(t.Context(), strings.NewReader(text), 0)
	require.NoError(t, err)
	require.Equal(t, blob.Ref{SHA256: sum(text), Size: int64(len(text))}, ref)
	return ref
}

func content(t *testing.T, s blob.Store, sha string) string {
	t.Helper()
	r, size, err := s.Open(t.Context(), sha)
	require.NoError(t, err)
	defer r.Close()
	read, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Len(t, read, int(size))
	return string(read)
}

func all(t *testing.T, s blob.Store) []blob.Info {
	t.Helper()
	files, err := s.List(t.Context(), "", 1000)
	require.NoError(t, err)
	return files
}

func writeFile(t *testing.T, dir, text string) string {
	t.Helper()
	f, err := os.CreateTemp(dir, "import-*")
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString(text)
	require.NoError(t, err)
	return f.Name()
}

func keptOnce(t *testing.T, d Driver) {
	s := d.New(t)
	for _, text := range []string{"", "x", strings.Repeat("voz", 300_000)} {
		for range 2 {
			ref, err := s.Put(t.Context(), iotest.HalfReader(strings.NewReader(text)), 0)
			require.NoError(t, err)
			require.Equal(t, sum(text), ref.SHA256)
			require.Equal(t, text, content(t, s, ref.SHA256))
			info, err := s.Stat(t.Context(), ref.SHA256)
			require.NoError(t, err)
			require.Equal(t, ref, info.Ref)
		}
	}
	require.Len(t, all(t, s), 3)
}

func failedPut(t *testing.T, d Driver) {
	s := d.New(t)
	gone := errors.New("client gone")
	_, err := s.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(gone)), 0)
	require.ErrorIs(t, err, gone)
	_, err = s.Put(t.Context(), strings.NewReader("12345"), 4)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	require.Empty(t, all(t, s))
	_, err = s.Put(t.Context(), strings.NewReader("1234"), 4)
	require.NoError(t, err, "exactly the limit")
}

func importing(t *testing.T, d Driver) {
	s := d.New(t)
	for _, dir := range []string{s.TempDir(), s.TempDir(), t.TempDir()} {
		path := writeFile(t, dir, "imported")
		ref, err := s.Import(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, sum("imported"), ref.SHA256)
		require.NoFileExists(t, path)
		require.Equal(t, "imported", content(t, s, ref.SHA256))
	}
	target := writeFile(t, t.TempDir(), "elsewhere")
	require.NoError(t, os.Symlink(target, target+"-link"))
	for _, path := range []string{target + "-link", t.TempDir(), target + "-gone"} {
		_, err := s.Import(t.Context(), path)
		require.Error(t, err, path)
	}
	require.Len(t, all(t, s), 1)
}

func ranges(t *testing.T, d Driver) {
	s := d.New(t)
	ref := put(t, s, "0123456789")
	r, _, err := s.Open(t.Context(), ref.SHA256)
	require.NoError(t, err)
	defer r.Close()
	for _, c := range []struct {
		offset int64
		whence int
		want   string
	}{{4, io.SeekStart, "456"}, {-3, io.SeekEnd, "789"}, {-5, io.SeekCurrent, "567"}, {10, io.SeekStart, ""}} {
		_, err := r.Seek(c.offset, c.whence)
		require.NoError(t, err)
		read, err := io.ReadAll(io.LimitReader(r, 3))
		require.NoError(t, err)
		require.Equal(t, c.want, string(read))
	}
}

func staging(t *testing.T, d Driver) {
	s := d.New(t)
	ref := put(t, s, "the bytes")
	path := filepath.Join(t.TempDir(), "staged")
	require.NoError(t, s.Stage(t.Context(), ref.SHA256, path))
	staged, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "the bytes", string(staged))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o400), info.Mode())
	require.Error(t, s.Stage(t.Context(), ref.SHA256, path), "it must not exist")
	require.ErrorIs(t, s.Stage(t.Context(), sum("unknown"), path+"2"), blob.ErrNotFound)

	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("changed!!"), 0o600))
	require.Equal(t, "the bytes", content(t, s, ref.SHA256), "a process that changes its copy changes nothing else")
}

func mending(t *testing.T, d Driver) {
	s := d.New(t)
	ref := put(t, s, "the bytes")
	for name, again := range map[string]func() (blob.Ref, error){
		"put":    func() (blob.Ref, error) { return s.Put(t.Context(), strings.NewReader("the bytes"), 0) },
		"import": func() (blob.Ref, error) { return s.Import(t.Context(), writeFile(t, s.TempDir(), "the bytes")) },
	} {
		d.Damage(t, s, ref.SHA256)
		require.NotEqual(t, "the bytes", content(t, s, ref.SHA256))
		kept, err := again()
		require.NoError(t, err, name)
		require.Equal(t, ref, kept)
		require.Equal(t, "the bytes", content(t, s, ref.SHA256), name)
	}
}

func onlyHashes(t *testing.T, d Driver) {
	s := d.New(t)
	for _, bad := range []string{"", "..", "../../etc/passwd", strings.Repeat("a", 63), strings.Repeat("A", 64),
		strings.Repeat("../", 21) + "a", strings.Repeat("a", 63) + "/", strings.Repeat("a", 64)} {
		_, _, err := s.Open(t.Context(), bad)
		require.ErrorIs(t, err, blob.ErrNotFound, bad)
		_, err = s.Stat(t.Context(), bad)
		require.ErrorIs(t, err, blob.ErrNotFound, bad)
		require.ErrorIs(t, s.Stage(t.Context(), bad, filepath.Join(t.TempDir(), "f")), blob.ErrNotFound, bad)
		removed, err := s.Delete(t.Context(), bad, time.Now())
		require.NoError(t, err)
		require.Nil(t, removed, bad)
	}
}

func deleting(t *testing.T, d Driver) {
	s := d.New(t)
	old, again := put(t, s, "old"), put(t, s, "kept again")
	for _, ref := range []blob.Ref{old, again} {
		d.Age(t, s, ref.SHA256, time.Hour)
	}
	put(t, s, "kept again")
	before := time.Now().Add(-time.Minute)
	removed, err := s.Delete(t.Context(), again.SHA256, before)
	require.NoError(t, err)
	require.Nil(t, removed, "the same bytes given again renew the age")
	removed, err = s.Delete(t.Context(), old.SHA256, before)
	require.NoError(t, err)
	require.Equal(t, old, removed.Ref)
	_, err = s.Stat(t.Context(), old.SHA256)
	require.ErrorIs(t, err, blob.ErrNotFound)
	removed, err = s.Delete(t.Context(), old.SHA256, before)
	require.NoError(t, err)
	require.Nil(t, removed)
}

func listing(t *testing.T, d Driver) {
	s := d.New(t)
	const count = 25
	want := map[string]bool{}
	for i := range count {
		want[put(t, s, strings.Repeat("x", i)).SHA256] = true
	}
	old := sum("xxx")
	d.Age(t, s, old, time.Hour)
	writeFile(t, s.TempDir(), "not stored")
	for _, limit := range []int{1, 7, count, count + 1} {
		after, found := "", map[string]bool{}
		for {
			page, err := s.List(t.Context(), after, limit)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), limit)
			for _, file := range page {
				require.Greater(t, file.SHA256, after, "in order")
				after = file.SHA256
				found[file.SHA256] = true
				age := time.Since(file.KeptAt)
				require.Equal(t, file.SHA256 == old, age > 30*time.Minute, "%s is %s old", file.SHA256, age)
			}
			if len(page) < limit {
				break
			}
		}
		require.Equal(t, want, found, "limit %d", limit)
	}
}

func tidying(t *testing.T, d Driver) {
	s := d.New(t)
	kept := put(t, s, "kept")
	d.Age(t, s, kept.SHA256, time.Hour)
	stale, fresh := writeFile(t, s.TempDir(), "stale"), writeFile(t, s.TempDir(), "fresh")
	past := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(stale, past, past))
	swept, err := s.Tidy(t.Context(), time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Equal(t, blob.Swept{Files: 1, Bytes: 5}, swept)
	require.NoFileExists(t, stale)
	require.FileExists(t, fresh)
	require.Equal(t, "kept", content(t, s, kept.SHA256))
}

func manyAtOnce(t *testing.T, d Driver) {
	s := d.New(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			text := strings.Repeat("a", i%5)
			ref, err := s.Put(context.Background(), strings.NewReader(text), 0)
			if err != nil || ref.SHA256 != sum(text) {
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	require.Len(t, all(t, s), 5)
}

func canceled(t *testing.T, d Driver) {
	s := d.New(t)
	ref := put(t, s, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, bytes.NewReader([]byte("y")), 0)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.List(ctx, "", 10)
	require.ErrorIs(t, err, context.Canceled)
	path := filepath.Join(t.TempDir(), "staged")
	if err := s.Stage(ctx, ref.SHA256, path); err != nil {
		require.ErrorIs(t, err, context.Canceled) // a store that clones is done at once
	}
	require.Len(t, all(t, s), 1)
}
