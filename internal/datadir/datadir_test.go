package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
)

// foreignTo gives a path to another user. Where the test may not do that, it runs as another user from here on: then
// everything is foreign.
func foreignTo(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() == 0 {
		require.NoError(t, os.Lchown(path, 12345, 12345))
		return
	}
	effectiveUser = func() int { return os.Geteuid() + 1 }
	t.Cleanup(func() { effectiveUser = os.Geteuid })
}

func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	return dir
}

func TestADataDirectoryThatOthersCanChangeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		says string // what to type
	}{
		"the group can write": {mode(0o770), "chmod go-w DIR"},
		"all can write":       {mode(0o707), "chmod go-w DIR"},
		"all can write, and it is sticky": {func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
		}, "chmod go-w DIR"},
		"it is another's": {foreignTo, "chown -R 0 DIR"},
		"all can write above it": {func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o777))
		}, "chmod o-w UP"},
		"work leads elsewhere":          {link("work"), "rm DIR/work"},
		"blobs leads elsewhere":         {link("blobs"), "rm DIR/blobs"},
		"pg leads elsewhere":            {link("pg"), "rm DIR/pg"},
		"cache leads elsewhere":         {link("cache"), "rm DIR/cache"},
		"the lock leads elsewhere":      {link("lock"), "rm DIR/lock"},
		"the address leads elsewhere":   {link("address"), "rm DIR/address"},
		"the node's id leads elsewhere": {link("node_id"), "rm DIR/node_id"},
		"the key leads elsewhere":       {link("signing.key"), "rm DIR/signing.key"},
		"models leads elsewhere":        {link("models"), "models.cache_dir"},
		"a folder of blobs leads elsewhere": {func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "blobs"), 0o700))
			link("blobs/ab")(t, dir)
		}, "rm DIR/blobs/ab"},
		"a folder of work is another's": {func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "work", "job"), 0o700))
			foreignTo(t, filepath.Join(dir, "work", "job"))
		}, "chown -R 0 DIR/work/job"},
		"a foreign key":           {foreignFile("signing.key"), "chown -R 0 DIR/signing.key"},
		"a foreign token":         {foreignFile("cli.token"), "chown -R 0 DIR/cli.token"},
		"a foreign configuration": {foreignFile("config.yaml"), "chown -R 0 DIR/config.yaml"},
		"a configuration that all can write, where all can enter": {func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yaml"), nil, 0o600))
			require.NoError(t, os.Chmod(filepath.Join(dir, "config.yaml"), 0o666))
		}, "chmod -R go-w DIR/config.yaml"},
		"it is a file": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
		}, "--data-dir"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			c.make(t, dir)
			err := Check(dir)
			var refused *Error
			require.ErrorAs(t, err, &refused)
			says := strings.NewReplacer("DIR", dir, "UP", filepath.Dir(dir)).Replace(c.says)
			if os.Geteuid() != 0 && strings.HasPrefix(says, "chown") {
				says = "chown -R"
			}
			english, portuguese := refused.Error(), refused.Sentence().In(language.BrazilianPortuguese)
			require.Contains(t, english, says)
			require.Contains(t, portuguese, says)
			require.NotEqual(t, english, portuguese)
			require.NotContains(t, english+portuguese, "%!")
		})
	}
}

func mode(rights os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, rights)) }
}

func link(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(dir, name)))
	}
}

func foreignFile(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
		foreignTo(t, filepath.Join(dir, name))
	}
}

func TestUsualDataDirectoriesAreTrusted(t *testing.T) {
	for name, place := range map[string]func(t *testing.T) string{
		"private": folder,
		"readable by all": func(t *testing.T) string {
			dir := folder(t)
			require.NoError(t, os.Chmod(dir, 0o755))
			return dir
		},
		"in a sticky folder, as /tmp is": func(t *testing.T) string {
			dir := folder(t)
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o777|os.ModeSticky))
			return dir
		},
		"through a link of one's own": func(t *testing.T) string {
			at := filepath.Join(t.TempDir(), "link")
			require.NoError(t, os.Symlink(folder(t), at))
			return at
		},
		"with everything in it": func(t *testing.T) string {
			dir := folder(t)
			for _, name := range []string{"blobs/ab", "work/job", "cache", "models", "pg"} {
				require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
			}
			if os.Geteuid() == 0 { // then Postgres runs as another user
				foreignTo(t, filepath.Join(dir, "pg"))
			}
			require.NoError(t, os.Chmod(filepath.Join(dir, "cache"), 0o775))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o666))
			return dir
		},
		"with a configuration kept elsewhere": func(t *testing.T) string {
			dir, kept := folder(t), filepath.Join(t.TempDir(), "apibr.yaml")
			require.NoError(t, os.WriteFile(kept, nil, 0o600))
			require.NoError(t, os.Symlink(kept, filepath.Join(dir, "config.yaml")))
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, Check(place(t))) })
	}
}

func TestSecretsAreReadOnlyWhenNobodyElseWroteThem(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "secret")
	_, err := ReadSecret(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, CreateSecret(path, []byte("one")))
	require.NoError(t, CreateSecret(path, []byte("two")), "what is there stays")
	content, err := ReadSecret(path)
	require.NoError(t, err)
	require.Equal(t, "one", string(content))
	require.NoError(t, WriteSecret(path, []byte("three")))

	require.NoError(t, os.Chmod(path, 0o644))
	content, err = ReadSecret(path)
	require.NoError(t, err)
	require.Equal(t, "three", string(content))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode(), "others read it no more")

	for name, spoil := range map[string]func(){
		"writable": func() { require.NoError(t, os.Chmod(path, 0o620)) },
		"foreign":  func() { foreignTo(t, path) },
		"a link": func() {
			require.NoError(t, os.Rename(path, path+".real"))
			require.NoError(t, os.Symlink(path+".real", path))
		},
		"a folder": func() { require.NoError(t, os.Mkdir(path, 0o700)) },
	} {
		require.NoError(t, os.RemoveAll(path))
		if name != "a folder" {
			require.NoError(t, WriteSecret(path, []byte("x")))
		}
		spoil()
		_, err := ReadSecret(path)
		var refused *Error
		require.ErrorAs(t, err, &refused, name)
		require.False(t, errors.Is(err, os.ErrNotExist))
	}
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
