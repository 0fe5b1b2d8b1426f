package models

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/i18n"
)

// incomingPrefix begins the folder in which a model's files arrive. It stays when an installation ends early: the next
// one goes on.
const incomingPrefix = ".incoming-"

// LicenceError says that the licence must be accepted before the model is installed.
type LicenceError struct {
	Model   string
	Licence engine.Licence
}

func (e *LicenceError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *LicenceError) Sentence() i18n.Sentence {
	return i18n.Say("%s comes under the licence %s, which must be accepted once: read it at %s", e.Model,
		e.Licence.Name, e.Licence.URL)
}

// InstallerConfig is what an Installer needs. Store and Hub are needed.
type InstallerConfig struct {
	Store *Store
	Hub   *hub.Client

	// MaxCache is what all models together may take, in bytes; those that were not used for longest are removed.
	// Default 0: no limit.
	MaxCache int64

	// InUse are the models that are loaded now and must stay. Default: none.
	InUse func() []string

	// Removed is told of a model that was removed to free space. Default: nothing.
	Removed func(model string)
}

// Installer brings models from the hub into a Store.
type Installer struct {
	cfg InstallerConfig
}

// NewInstaller makes an Installer.
func NewInstaller(cfg InstallerConfig) *Installer {
	if cfg.InUse == nil {
		cfg.InUse = func() []string { return nil }
	}
	if cfg.Removed == nil {
		cfg.Removed = func(string) {}
	}
	return &Installer{cfg}
}

// Request is what to install.
type Request struct {
	Model   string
	Variant string // Variant "" is the model's default.

	// LicenceAcceptedAt is when the user accepted the licence; nil when they did not.
	LicenceAcceptedAt *time.Time

	// Progress is told of bytes that are there and in all, from the goroutine of Install. Default: nothing.
	Progress func(done, total int64)
}

// Install brings a variant of a model: its files are listed from their sources, what is not here yet is downloaded,
// and the model appears when all of it has come. Parts that several variants share come once. Installing what is
// installed reads it again and fetches what is missing or damaged.
//
// It fails with *InputError, *LicenceError or *hub.Error, each a sentence for the user. What has come stays for the
// next try.
func (in *Installer) Install(ctx context.Context, req Request) (*Record, error) {
	if req.Progress == nil {
		req.Progress = func(int64, int64) {}
	}
	s := in.cfg.Store
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("models: make the directory: %w", err)
	}
	release, err := s.lockIncoming(req.Model)
	if err != nil {
		return nil, err
	}
	defer release()
	order, err := in.order(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := order.findHere(ctx); err != nil {
		return nil, err
	}
	if err := in.evict(order); err != nil {
		return nil, err
	}
	if err := in.fetch(ctx, order, req.Progress); err != nil {
		return nil, err
	}
	return order.take()
}

// Incoming is what an unfinished installation has left of the model, in bytes.
func (s *Store) Incoming(model string) (bytes int64) {
	_ = filepath.WalkDir(
		filepath.Join(s.dir, incomingPrefix+model),
		func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				if info, err := entry.Info(); err == nil {
					bytes += info.Size()
				}
			}
			return nil
		},
	)
	return bytes
}

// Forget removes what an unfinished installation has left of the model. Fails with *InputError while one is under way.
func (s *Store) Forget(model string) error {
	if !engine.SafeID(model) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(s.dir, incomingPrefix+model)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	release, err := s.lockIncoming(model)
	if err != nil {
		return err
	}
	defer release()
	if err := os.RemoveAll(filepath.Join(s.dir, incomingPrefix+model)); err != nil {
		return fmt.Errorf("models: remove what is left of %s: %w", model, err)
	}
	return nil
}

// lockIncoming holds the place where the model arrives, against other processes too.
func (s *Store) lockIncoming(model string) (release func(), err error) {
	if !engine.SafeID(model) {
		return nil, inputError("%q is not a model's id", model)
	}
	lock, err := os.OpenFile(
		filepath.Join(s.dir, incomingPrefix+model+".lock"),
		os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC,
		0o600,
	)
	if err != nil {
		return nil, fmt.Errorf("models: lock: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, inputError("%s is being installed already: wait for that, or cancel it", model)
		}
		return nil, fmt.Errorf("models: lock: %w", err)
	}
	return func() { _ = lock.Close() }, nil
}

// fetch downloads what is not here. A file that has come is kept with its hash beside it.
func (in *Installer) fetch(ctx context.Context, o *order, progress func(done, total int64)) error {
	if err := os.MkdirAll(o.incoming, 0o700); err != nil {
		return fmt.Errorf("models: install: %w", err)
	}
	pins, err := o.store.readPins()
	if err != nil {
		return err
	}
	before := int64(0)
	for _, item := range o.items {
		if pin, ok := pins[item.source]; ok {
			if err := pin.compare(item.file.Path, item.file.SHA256); err != nil {
				return err
			}
		}
		if item.have == nil {
			err := in.fetchOne(
				ctx,
				o,
				item,
				pins,
				func(done int64) { progress(before+done, max(o.total, before+done)) },
			)
			if err != nil {
				return err
			}
		}
		before += item.have.Size
		progress(before, max(o.total, before))
	}
	return nil
}

func (in *Installer) fetchOne(
	ctx context.Context,
	o *order,
	item *item,
	pins map[string]filePin,
	progress func(done int64),
) error {
	dest := filepath.Join(o.incoming, filepath.FromSlash(item.path))
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return fmt.Errorf("models: install: %w", err)
	}
	if err := os.Remove(dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("models: install: %w", err)
	}
	got, err := in.cfg.Hub.Download(ctx, item.file, dest, progress)
	if err != nil {
		return err
	}
	err = pins[item.source].compare(item.file.Path, got.SHA256)
	if err == nil {
		err = checkWeights(dest, item.file.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(dest))
	}
	item.have, item.arrived = &File{Path: item.path, Size: got.Size, SHA256: got.SHA256, Source: item.source}, true
	return o.remember()
}

func torchFile(name string) bool {
	extension := strings.ToLower(path.Ext(name))
	return extension == ".pt" || extension == ".pth"
}
