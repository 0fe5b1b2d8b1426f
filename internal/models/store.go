package models

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
)

// ErrNotInstalled says that the model, or the variant of it, has no files here.
var ErrNotInstalled = errors.New("models: not installed")

func notInstalled(model string) error {
	return i18n.Wrap(ErrNotInstalled, i18n.Say("the model %s is not installed", model))
}

// Store is a models directory, and the models that came with the studio. Safe for concurrent use, also by several
// processes.
type Store struct {
	dir       string
	bundled   string // models that came with the studio, which are read only; "" for none
	catalogue *engine.Catalogue
	free      func(dir string) (bytes int64, err error) // replaced by tests

	mu    sync.Mutex
	known map[string]cached // by folder

	trusting sync.Mutex // held while files are checked, so that two loads of one model read it once
}

// cached is a record and how its file looked when it was read.
type cached struct {
	record  *Record
	changed time.Time
	size    int64
}

// New opens the directory; it is made when the first model comes. The catalogue says which models there can be.
func New(dir string, catalogue *engine.Catalogue) *Store {
	return &Store{dir: dir, catalogue: catalogue, known: map[string]cached{}, free: disk.Free}
}

// WithBundled adds a directory of models that came with the studio. They are read as installed ones and never written,
// removed or counted; a model of the same id that is installed comes before them. "" is none. Returns s, which must not
// be in use yet.
func (s *Store) WithBundled(dir string) *Store {
	s.bundled = dir
	return s
}

// Get is the record of an installed model, else of one that came with the studio. Fails with ErrNotInstalled.
func (s *Store) Get(model string) (*Record, error) {
	record, err := s.read(s.dir, model)
	if errors.Is(err, ErrNotInstalled) && s.bundled != "" {
		return s.read(s.bundled, model)
	}
	return record, err
}

// read is the record of a model below one of the two directories.
func (s *Store) read(root, model string) (*Record, error) {
	if !engine.SafeID(model) {
		return nil, notInstalled(model)
	}
	folder := filepath.Join(root, model)
	info, err := os.Stat(filepath.Join(folder, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notInstalled(model)
	}
	if err != nil {
		return nil, fmt.Errorf("models: read %s: %w", model, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.known[folder]; ok && found.changed.Equal(info.ModTime()) && found.size == info.Size() {
		return found.record, nil
	}
	record, err := readRecord(folder)
	if err != nil {
		return nil, fmt.Errorf("models: read %s: %w", model, err)
	}
	record.home = folder
	switch {
	case root == s.bundled:
		record.Source, record.Pinned = sourceBundled, false
	case record.Source == sourceBundled: // its folder was copied into the directory by hand
		record.Source = sourceImport
	}
	s.known[folder] = cached{record, info.ModTime(), info.Size()}
	return record, nil
}

// Has says whether the model is installed in any variant.
func (s *Store) Has(model string) bool {
	_, err := s.Get(model)
	return err == nil
}

// Variants are the installed variants of the model, in alphabetical order; nil when there are none.
func (s *Store) Variants(model string) []string {
	record, err := s.Get(s.filesOf(model))
	if err != nil {
		return nil
	}
	return record.VariantIDs()
}

// VariantBytes is what the files of a variant take, the parts that it shares with others too; 0 when it is not
// installed.
func (s *Store) VariantBytes(model, variant string) (total int64) {
	record, err := s.Get(s.filesOf(model))
	if err != nil {
		return 0
	}
	for _, file := range record.Files {
		for _, part := range record.Variants[variant] {
			if file.Path == part || strings.HasPrefix(file.Path, part+"/") {
				total += file.Size
				break
			}
		}
	}
	return total
}

// Files are the absolute paths of a variant's parts, as a load needs them, after a check that they are what was
// installed: files that the disk says were touched since are read. Fails with ErrNotInstalled when the variant is not
// installed, and with *FileError when a file is missing or another.
func (s *Store) Files(ctx context.Context, model, variant string) (map[string]string, error) {
	home := s.filesOf(model)
	record, err := s.Get(home)
	if err != nil {
		return nil, err
	}
	parts, ok := record.Variants[variant]
	if !ok {
		return nil, i18n.Wrap(ErrNotInstalled,
			i18n.Say("the model %s is not installed in the variant %s", model, variant))
	}
	if err := s.trust(ctx, record, variant); err != nil {
		return nil, err
	}
	files := make(map[string]string, len(parts))
	for part, path := range parts {
		files[part] = filepath.Join(record.home, filepath.FromSlash(path))
	}
	if _, m, ok := s.catalogue.Model(model); ok && m.Adapter != nil {
		if _, err := os.Stat(m.Adapter.File); err != nil {
			return nil, inputError("the file of the LoRA %s is gone: put it back where models.extra names it", model)
		}
		files[loraPart] = m.Adapter.File
	}
	return files, nil
}

// loraPart is the name under which an engine gets the file of a LoRA.
const loraPart = "lora"

// filesOf is the id of the model whose files are used: that of its base for a LoRA.
func (s *Store) filesOf(model string) string {
	if _, m, ok := s.catalogue.Model(model); ok {
		return m.Files()
	}
	return model
}

// usedName is touched when a model is loaded.
const usedName = ".used"

// Used notes that the model is in use now: what has not been used for longest is the first to be removed.
func (s *Store) Used(model string) {
	record, err := s.Get(s.filesOf(model))
	if err != nil || record.Bundled() {
		return
	}
	file, now := filepath.Join(record.home, usedName), time.Now()
	if os.Chtimes(file, now, now) == nil {
		return
	}
	if touched, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = touched.Close()
	}
}

// LastUsed is when the model was loaded last, or installed if it never was. For one that came with the studio it is
// when that came.
func (s *Store) LastUsed(record *Record) time.Time {
	if info, err := os.Stat(filepath.Join(record.home, usedName)); err == nil && !record.Bundled() {
		return info.ModTime()
	}
	return record.InstalledAt
}

// Pinned says whether the user keeps the model.
func (s *Store) Pinned(model string) bool {
	record, err := s.Get(model)
	return err == nil && record.Pinned
}

// List is every installed model by its id's order, those that came with the studio too. What cannot be read is left
// out and told in the error.
func (s *Store) List() ([]*Record, error) {
	list, err := s.installed()
	if s.bundled == "" {
		return list, err
	}
	bundled, other := s.list(s.bundled)
	for _, record := range bundled {
		if !slices.ContainsFunc(list, func(own *Record) bool { return own.Model == record.Model }) {
			list = append(list, record)
		}
	}
	slices.SortFunc(list, func(a, b *Record) int { return strings.Compare(a.Model, b.Model) })
	return list, errors.Join(err, other)
}

// installed are the models of the directory alone.
func (s *Store) installed() ([]*Record, error) { return s.list(s.dir) }

func (s *Store) list(root string) ([]*Record, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("models: list: %w", err)
	}
	var list []*Record
	var errs []error
	for _, entry := range entries {
		if !entry.IsDir() || !engine.SafeID(entry.Name()) {
			continue
		}
		switch record, err := s.read(root, entry.Name()); {
		case err == nil:
			list = append(list, record)
		case !errors.Is(err, ErrNotInstalled):
			errs = append(errs, err)
		}
	}
	return list, errors.Join(errs...)
}

// Remove takes a model with all its files away. Fails with ErrNotInstalled, and with *InputError when the model came
// with the studio.
func (s *Store) Remove(model string) error {
	return s.change(func() error {
		record, err := s.Get(model)
		if err != nil {
			return err
		}
		if record.Bundled() {
			return inputError("the model %s came with the studio: to be rid of it, delete its folder below "+
				"models.bundled, or set models.bundled to none", model)
		}
		return s.discard(model)
	})
}

// Pin keeps a model from being removed for another, or lets it go. Fails with ErrNotInstalled, and with *InputError
// when the model came with the studio.
func (s *Store) Pin(model string, pinned bool) error {
	return s.change(func() error {
		record, err := s.Get(model)
		if err != nil {
			return err
		}
		if record.Bundled() {
			return inputError("the model %s came with the studio: it is never removed to free disk space", model)
		}
		changed := *record
		changed.Pinned = pinned
		if err := writeRecord(record.home, &changed); err != nil {
			return fmt.Errorf("models: pin %s: %w", model, err)
		}
		return nil
	})
}

// discard moves the model's folder away, where nobody finds it, and removes it there.
func (s *Store) discard(model string) error {
	gone, err := os.MkdirTemp(s.dir, partialPrefix)
	if err != nil {
		return fmt.Errorf("models: remove %s: %w", model, err)
	}
	defer os.RemoveAll(gone)
	err = os.Rename(filepath.Join(s.dir, model), filepath.Join(gone, model))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("models: remove %s: %w", model, err)
	}
	return nil
}

// change runs f while no other process changes the directory.
func (s *Store) change(f func() error) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("models: make the directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, ".lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("models: lock: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("models: lock: %w", err)
	}
	return f()
}
