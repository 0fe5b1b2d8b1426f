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
)

// ErrDataDirInUse says that another studio runs on the data directory.
var ErrDataDirInUse = errors.New("another studio runs on this data directory: stop it, or choose another with --data-dir")

// lockDataDir makes the data directory, looks whether others could have changed it, and takes it for this process; the lock ends with the process, however that ends.
func lockDataDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	if err := datadir.Check(dir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, ErrDataDirInUse
	}
	return lock, nil
}

// nodeID is the data directory's own: it names this node's jobs across restarts.
func nodeID(dir string) (uuid.UUID, error) {
	path := filepath.Join(dir, "node_id")
	content, err := datadir.ReadSecret(path) // no secret, but nobody else's to choose
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
