package models

import (
	"os"
	"path/filepath"
	"time"

	"github.com/apibr/studio/internal/engine"
)

// usedName is a file beside installed.json whose time is that of the last use. A file of its own, since a note for each load would
// make every reader read installed.json again.
const usedName = ".used"

// Used notes that the model was loaded just now. That it cannot be noted is no reason to fail: it only makes the model look older.
func (s *Store) Used(model string) {
	if !engine.SafeID(model) || !s.Has(model) {
		return
	}
	name, now := filepath.Join(s.dir, model, usedName), time.Now()
	if os.Chtimes(name, now, now) == nil {
		return
	}
	if file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = file.Close()
	}
}

// LastUsed is when the model was last loaded, or installed if it never was. Zero for a model that is not installed.
func (s *Store) LastUsed(model string) time.Time {
	record, err := s.Get(model)
	if err != nil {
		return time.Time{}
	}
	if info, err := os.Stat(filepath.Join(s.dir, model, usedName)); err == nil && info.ModTime().After(record.InstalledAt) {
		return info.ModTime()
	}
	return record.InstalledAt
}
