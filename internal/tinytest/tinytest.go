// Package tinytest gives tests the tiny checkpoints of `python -m tiny_checkpoints`: random weights in the released
// formats.
package tinytest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Dir is a folder of tiny checkpoints, to be read only. It is written once for all packages and test runs, and anew
// when the program that writes it has changed.
func Dir(t testing.TB) string {
	t.Helper()
	root := Root()
	cache := filepath.Join(root, ".cache")
	require.NoError(t, os.MkdirAll(cache, 0o755))
	lock, err := os.OpenFile(filepath.Join(cache, "tiny.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	dir := filepath.Join(cache, "tiny-"+digest(t, filepath.Join(root, "pyworkers", "tiny_checkpoints")))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	old, err := filepath.Glob(filepath.Join(cache, "tiny-*"))
	require.NoError(t, err)
	for _, stale := range old {
		require.NoError(t, os.RemoveAll(stale))
	}
	staged := dir + ".part"
	cmd := exec.Command(Python(t), "-m", "tiny_checkpoints", staged)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(root, "pyworkers"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Rename(staged, dir))
	return dir
}

// Python of the models venv. A checkout without one fails the test.
func Python(t testing.TB) string {
	t.Helper()
	python := filepath.Join(Root(), ".venv-models", "bin", "python")
	_, err := os.Stat(python)
	require.NoError(t, err, "the models' environment is missing: run `scripts/setup.sh test`")
	return python
}

// Root of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// digest of the writer's sources.
func digest(t testing.TB, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.py"))
	require.NoError(t, err)
	slices.Sort(files)
	sum := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
