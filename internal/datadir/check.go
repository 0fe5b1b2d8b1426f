package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The studio's own folders and files in the data directory. A file of another name is nobody's concern: nothing reads it.
const (
	postgresDir = "pg"
	modelsDir   = "models"
	configFile  = "config.yaml"
)

var own = []string{"address", "blobs", "cache", "cli.token", configFile, "lock", modelsDir, "node_id", postgresDir, "serve.log", "sidecars",
	"signing.key", "work"}

// deep are the folders whose entries the studio makes by itself and follows by name.
var deep = []string{"blobs", "work"}

// othersEnter is the right to go through a folder.
const othersEnter = 0o011

// Check says whether the folder can be trusted as a data directory. The folder may be reached through a link of this user. It fails with
// *Error when others can write in it, when it or something of the studio's in it belongs to another user, when something of the
// studio's is a symbolic link, and when others could put another folder in its place.
func Check(dir string) error {
	if err := checkWay(dir); err != nil {
		return err
	}
	var info unix.Stat_t
	if err := unix.Stat(dir, &info); err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	switch {
	case info.Mode&unix.S_IFMT != unix.S_IFDIR:
		return refusal("the data directory %[1]s is not a folder: choose another with --data-dir",
			"o diretório de dados %[1]s não é uma pasta: escolha outro com --data-dir", dir)
	case !trusted(info.Uid):
		return foreign(dir, info.Uid)
	case info.Mode&othersWrite != 0:
		return refusal("other users can write in the data directory, and so have links signed and programs started: type `chmod go-w %[1]s`",
			"outros usuários podem escrever no diretório de dados, e assim assinar links e iniciar programas: digite `chmod go-w %[1]s`", dir)
	}
	entered := info.Mode&othersEnter != 0
	for _, name := range own {
		if err := checkOwn(filepath.Join(dir, name), name, entered); err != nil {
			return err
		}
	}
	for _, name := range deep {
		if err := checkEntries(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// checkWay looks at the folders above: who can write in one of them can put another data directory in the place of this one, unless its
// sticky bit keeps what belongs to others, as that of /tmp does.
func checkWay(dir string) error {
	var link unix.Stat_t
	if err := unix.Lstat(dir, &link); err == nil && link.Mode&unix.S_IFMT == unix.S_IFLNK && !trusted(link.Uid) {
		return refusal("the data directory %[1]s is a symbolic link of user %[2]d: name the folder itself with --data-dir",
			"o diretório de dados %[1]s é um link simbólico do usuário %[2]d: informe a própria pasta com --data-dir", dir, link.Uid)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	for _, start := range []string{dir, real} {
		for above := filepath.Dir(start); ; above = filepath.Dir(above) {
			var info unix.Stat_t
			if err := unix.Stat(above, &info); err == nil && info.Mode&unix.S_IWOTH != 0 && info.Mode&unix.S_ISVTX == 0 {
				return refusal("every user can write in %[1]s, and so put another folder in the data directory's place: type `chmod o-w %[1]s`, or choose another with --data-dir",
					"qualquer usuário pode escrever em %[1]s, e assim trocar o diretório de dados: digite `chmod o-w %[1]s`, ou escolha outro com --data-dir", above)
			}
			if above == filepath.Dir(above) {
				break
			}
		}
	}
	return nil
}

// checkOwn looks at one folder or file of the studio's. Where others cannot enter the data directory, the rights inside do not matter.
func checkOwn(path, name string, entered bool) error {
	var info unix.Stat_t
	err := unix.Lstat(path, &info)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be looked at: %w", name, err)
	}
	isLink := info.Mode&unix.S_IFMT == unix.S_IFLNK
	switch {
	case !trusted(info.Uid) && !(name == postgresDir && os.Geteuid() == 0): // as root, Postgres runs as another user
		return foreign(path, info.Uid)
	case isLink && name == configFile:
		return checkLinkedConfig(path)
	case isLink && name == modelsDir:
		return refusal("models is a symbolic link: remove it with `rm %[1]s`, and name the folder that it leads to in models.cache_dir",
			"models é um link simbólico: remova com `rm %[1]s`, e informe em models.cache_dir a pasta a que ele leva", path)
	case isLink:
		return linked(path)
	case entered && info.Mode&othersWrite != 0:
		return refusal("%[1]s can be written by other users: if you trust what is in it, type `chmod -R go-w %[2]s`",
			"%[1]s pode ser alterado por outros usuários: se o conteúdo é confiável, digite `chmod -R go-w %[2]s`", name, path)
	}
	return nil
}

func linked(path string) error {
	return refusal("%[1]s is a symbolic link, and what the studio writes would go elsewhere: remove it with `rm %[2]s`",
		"%[1]s é um link simbólico, e o que o estúdio grava iria para outro lugar: remova com `rm %[2]s`", filepath.Base(path), path)
}

// checkLinkedConfig allows a configuration that is kept elsewhere, if only this user or root can change it there.
func checkLinkedConfig(path string) error {
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return fmt.Errorf("%s cannot be read: %w", configFile, err)
	}
	if !trusted(info.Uid) {
		return foreign(path, info.Uid)
	}
	if info.Mode&unix.S_IWOTH != 0 {
		return refusal("%[1]s can be written by other users: type `chmod go-w %[2]s`", "%[1]s pode ser alterado por outros usuários: digite `chmod go-w %[2]s`",
			configFile, path)
	}
	return nil
}

// checkEntries refuses links and what belongs to others among the entries of a folder.
func checkEntries(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", filepath.Base(dir), err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		var info unix.Stat_t
		if err := unix.Lstat(path, &info); err != nil {
			continue // it has gone meanwhile
		}
		if info.Mode&unix.S_IFMT == unix.S_IFLNK {
			return linked(path)
		}
		if !trusted(info.Uid) {
			return foreign(path, info.Uid)
		}
	}
	return nil
}
