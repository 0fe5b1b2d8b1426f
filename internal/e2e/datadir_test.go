package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a studio and its processes write is for their user only, and a data directory that others could have changed is
// refused.
func TestDataDirectoryIsClosedToOthers(t *testing.T) {
	s := newStudio(t)
	s.dir = filepath.Join(s.dir, "data")
	before := syscall.Umask(0)
	s.launch()
	syscall.Umask(before)
	s.awaitReady()
	s.run(
		"speech",
		"Olá!",
		"--voice",
		"Clara (rascunho)",
		"--quality",
		"draft",
		"-o",
		filepath.Join(t.TempDir(), "a.wav"),
	)
	require.NoError(t, filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		info, statErr := os.Lstat(path)
		if os.IsNotExist(err) || os.IsNotExist(statErr) { // it has gone meanwhile
			return nil
		}
		require.NoError(t, err)
		passable := info.Mode().Perm() &^ 0o011 // for the user that Postgres may run as
		if path == s.dir {
			require.Equal(t, fs.FileMode(0o700), passable)
		} else if info.Mode().IsRegular() || info.IsDir() {
			require.Zero(t, info.Mode().Perm()&0o077, "%s is %v", entry.Name(), info.Mode())
		}
		return nil
	}))
	require.FileExists(t, filepath.Join(s.dir, "address"))
	s.stop()
	require.NoFileExists(t, filepath.Join(s.dir, "address"))

	for _, c := range []struct {
		spoil, mend func() error
		says        map[string]string
	}{
		{func() error { return os.Chmod(s.dir, 0o777) }, func() error { return os.Chmod(s.dir, 0o700) },
			map[string]string{"en": "chmod go-w " + s.dir, "pt-BR": "outros usuários podem escrever no diretório " +
				"de dados"}},
		{func() error {
			if err := os.Rename(filepath.Join(s.dir, "work"), filepath.Join(s.dir, "kept")); err != nil {
				return err
			}
			return os.Symlink(t.TempDir(), filepath.Join(s.dir, "work"))
		}, func() error { return os.Remove(filepath.Join(s.dir, "work")) },
			map[string]string{"en": "work is a symbolic link", "pt-BR": "work é um link simbólico"}},
	} {
		require.NoError(t, c.spoil())
		for language, says := range c.says {
			s.env = []string{"APIBR_LANG=" + language}
			s.log = &logBuffer{}
			s.launch()
			select {
			case <-s.done:
			case <-time.After(patience):
				t.Fatal("the studio started in a directory that it cannot trust")
			}
			require.Equal(t, 1, s.cmd.ProcessState.ExitCode())
			require.Contains(t, s.log.String(), says)
		}
		require.NoError(t, c.mend())
	}
	s.env = nil
	s.start()
}
