package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/i18n"
)

// ErrDataDirInUse says that another studio runs on the data directory.
var ErrDataDirInUse = i18n.NewError(
	"another studio uses this data directory: stop it, or choose another with --data-dir",
)

// lockDataDir makes the data directory, checks whether others could have changed it, and locks it for this process.
// The lock ends with the process, however that ends.
func lockDataDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, i18n.Wrap(err, i18n.Say("the data directory %s cannot be made: %s", dir, datadir.FileProblem(err)))
	}
	if err := datadir.Check(dir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, i18n.Wrap(
			err,
			i18n.Say("the data directory %s cannot be written: %s", dir, datadir.FileProblem(err)),
		)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, ErrDataDirInUse
	}
	return lock, nil
}

// nodeID returns the id of the data directory, which names this node's jobs across restarts.
func nodeID(dir string) (uuid.UUID, error) {
	path := filepath.Join(dir, "node_id")
	content, err := datadir.ReadSecret(path) // not a secret, but others may not choose it
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return uuid.Nil, err
	}
	if id, err := uuid.Parse(strings.TrimSpace(string(content))); err == nil {
		return id, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("node id: %w", err)
	}
	if err := datadir.WriteSecret(path, []byte(id.String()+"\n")); err != nil {
		return uuid.Nil, fmt.Errorf("node id: %w", err)
	}
	return id, nil
}
