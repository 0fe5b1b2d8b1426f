package datadir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/i18n"
)

// longestSecret is far above the length of any key.
const longestSecret = 4096

const (
	othersWrite = 0o022
	othersAny   = 0o077
	secretMode  = 0o600
)

// ReadSecret reads a file that only its owner may know. It fails with *Error when the file is a link or not a plain
// file, when it belongs to neither this user nor root, or when others can write it. One that others could only read is
// closed to them.
func ReadSecret(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, refusal(
			"%s is a symbolic link: remove it with `rm %s`, and a new one is made",
			filepath.Base(path),
			path,
		)
	}
	if err != nil {
		return nil, cannotRead(filepath.Base(path), err)
	}
	file := os.NewFile(uintptr(fd), filepath.Base(path))
	defer file.Close()
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, cannotRead(filepath.Base(path), err)
	}
	if err := checkSecret(path, info); err != nil {
		return nil, err
	}
	if info.Mode&othersAny != 0 && info.Uid == uint32(os.Geteuid()) {
		if err := file.Chmod(secretMode); err != nil {
			return nil, i18n.Wrap(
				err,
				i18n.Say("%s cannot be closed to others: %s", filepath.Base(path), FileProblem(err)),
			)
		}
	}
	content, err := io.ReadAll(io.LimitReader(file, longestSecret))
	if err != nil {
		return nil, cannotRead(filepath.Base(path), err)
	}
	return content, nil
}

func checkSecret(path string, info unix.Stat_t) error {
	switch {
	case info.Mode&unix.S_IFMT != unix.S_IFREG:
		return refusal(
			"%s is not a plain file: remove it with `rm -r %s`, and a new one is made",
			filepath.Base(path),
			path,
		)
	case !trusted(info.Uid):
		return foreign(path, info.Uid)
	case info.Mode&othersWrite != 0:
		return refusal(
			"%s can be written by other users, so its content cannot be trusted: remove it with `rm %s`, and a new "+
				"one is made",
			filepath.Base(path),
			path,
		)
	}
	return nil
}

// WriteSecret replaces the file whole, with mode 0600 whatever the umask: who reads at this moment gets the old secret
// or the new.
func WriteSecret(path string, content []byte) error {
	return write(path, content, os.Rename)
}

// CreateSecret is WriteSecret that never replaces a file: one that is there already stays, and that is not an error.
func CreateSecret(path string, content []byte) error {
	return write(path, content, func(from, to string) error {
		if err := os.Link(from, to); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}

func write(path string, content []byte, place func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made with mode 0600, and never through a link
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err = f.Chmod(secretMode); err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return place(f.Name(), path)
}

// trusted says that a file of this user cannot have been written by a third.
func trusted(uid uint32) bool { return uid == 0 || uid == uint32(effectiveUser()) }

// effectiveUser is replaced by tests that cannot give files away.
var effectiveUser = os.Geteuid

func foreign(path string, uid uint32) *Error {
	me := effectiveUser()
	return refusal(
		"%[1]s belongs to user %[2]d, and the studio runs as user %[3]d: if you trust what is in it, "+
			"type `chown -R %[3]d %[4]s`",
		filepath.Base(path),
		uid,
		me,
		path,
	)
}
