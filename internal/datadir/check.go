package datadir

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/i18n"
)

// The studio's own folders and files in the data directory. Files of other names are not checked: nothing reads them.
const (
	postgresDir = "pg"
	modelsDir   = "models"
	configFile  = "config.yaml"
)

var own = []string{
	"address",
	"blobs",
	"cache",
	"cli.token",
	configFile,
	"lock",
	modelsDir,
	"node_id",
	postgresDir,
	"serve.log",
	"sidecars",
	"signing.key",
	"work",
}

// deep are the folders whose entries the studio makes and opens by name.
var deep = []string{"blobs", "work"}

// othersEnter is the right to go through a folder.
const othersEnter = 0o011

// Check says whether the folder can be trusted as a data directory. The folder may be reached through a link of this
// user. It fails with *Error when others can write in it, when it or something of the studio's in it belongs to
// another user, when something of the studio's is a symbolic link, and when others could put another folder in its
// place.
func Check(dir string) error {
	if err := checkWay(dir); err != nil {
		return err
	}
	var info unix.Stat_t
	if err := unix.Stat(dir, &info); err != nil {
		return i18n.Wrap(err, i18n.Say("the data directory cannot be read: %s", FileProblem(err)))
	}
	switch {
	case info.Mode&unix.S_IFMT != unix.S_IFDIR:
		return refusal("the data directory %s is not a folder: choose another with --data-dir", dir)
	case !trusted(info.Uid):
		return foreign(dir, info.Uid)
	case info.Mode&othersWrite != 0:
		return refusal(
			"other users can write in the data directory, so they could sign links and start programs: type "+
				"`chmod go-w %s`",
			dir,
		)
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

// checkWay checks the folders above. A user who can write in one of them can replace the data directory, unless the
// folder's sticky bit protects the files of others, as that of /tmp does.
func checkWay(dir string) error {
	var link unix.Stat_t
	if err := unix.Lstat(dir, &link); err == nil && link.Mode&unix.S_IFMT == unix.S_IFLNK && !trusted(link.Uid) {
		return refusal(
			"the data directory %s is a symbolic link of user %d: name the folder itself with --data-dir",
			dir,
			link.Uid,
		)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return i18n.Wrap(err, i18n.Say("the data directory cannot be read: %s", FileProblem(err)))
	}
	for _, start := range []string{dir, real} {
		for above := filepath.Dir(start); ; above = filepath.Dir(above) {
			var info unix.Stat_t
			if err := unix.Stat(above, &info); err == nil && info.Mode&unix.S_IWOTH != 0 &&
				info.Mode&unix.S_ISVTX == 0 {
				return refusal(
					"any user can write in %[1]s and could replace the data directory: type `chmod o-w %[1]s`, "+
						"or choose another with --data-dir",
					above,
				)
			}
			if above == filepath.Dir(above) {
				break
			}
		}
	}
	return nil
}

// checkOwn checks one of the studio's folders or files. If others cannot enter the data directory, the rights inside do
// not matter.
func checkOwn(path, name string, entered bool) error {
	var info unix.Stat_t
	err := unix.Lstat(path, &info)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return cannotRead(name, err)
	}
	isLink := info.Mode&unix.S_IFMT == unix.S_IFLNK
	switch {
	case !trusted(info.Uid) && !(name == postgresDir && os.Geteuid() == 0): // as root, Postgres runs as another user
		return foreign(path, info.Uid)
	case isLink && name == configFile:
		return checkLinkedConfig(path)
	case isLink && name == modelsDir:
		return refusal(
			"models is a symbolic link: remove it with `rm %s`, and name the folder that it leads to in "+
				"models.cache_dir",
			path,
		)
	case isLink:
		return linked(path)
	case entered && info.Mode&othersWrite != 0:
		return refusal(
			"%s can be written by other users: if you trust what is in it, type `chmod -R go-w %s`",
			name,
			path,
		)
	}
	return nil
}

func linked(path string) error {
	return refusal(
		"%s is a symbolic link, and what the studio writes would go elsewhere: remove it with `rm %s`",
		filepath.Base(path),
		path,
	)
}

// checkLinkedConfig allows a link to a configuration that only this user or root can change.
func checkLinkedConfig(path string) error {
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return cannotRead(configFile, err)
	}
	if !trusted(info.Uid) {
		return foreign(path, info.Uid)
	}
	if info.Mode&unix.S_IWOTH != 0 {
		return refusal("%s can be written by other users: type `chmod go-w %s`", configFile, path)
	}
	return nil
}

// checkEntries refuses a folder with links or files of other users in it.
func checkEntries(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cannotRead(filepath.Base(dir), err)
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
