package models

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/apibr/studio/internal/hub"
)

// evict keeps MaxCache: the models that were not used for longest go, but for those that are pinned or loaded.
// Nothing goes when that would not be enough. Then the disk is looked at.
func (in *Installer) evict(o *order) error {
	s := in.cfg.Store
	installed, err := s.installed()
	if err != nil && len(installed) == 0 {
		return err
	}
	total := o.adds()
	var free []*Record
	freeable := int64(0)
	for _, record := range installed {
		replaced := record.Model == o.model.ID && o.old == nil
		if !replaced {
			total += record.Bytes()
		}
		if record.Model != o.model.ID && !record.Pinned && !slices.Contains(in.cfg.InUse(), record.Model) {
			free = append(free, record)
			freeable += record.Bytes()
		}
	}
	if in.cfg.MaxCache > 0 && total-freeable > in.cfg.MaxCache {
		return inputError(
			"with %s all models would take %s, and models.max_cache_size is %s: raise it, "+
				"or remove models that are pinned or in use",
			o.model.ID,
			hub.Bytes(total-freeable),
			hub.Bytes(in.cfg.MaxCache),
		)
	}
	slices.SortFunc(free, func(a, b *Record) int { return s.LastUsed(a).Compare(s.LastUsed(b)) })
	for _, record := range free {
		if in.cfg.MaxCache <= 0 || total <= in.cfg.MaxCache {
			break
		}
		if err := s.Remove(record.Model); err != nil && !errors.Is(err, ErrNotInstalled) {
			return err
		}
		total -= record.Bytes()
		in.cfg.Removed(record.Model)
	}
	return s.freeSpace(max(o.missing()-s.partBytes(o), 0))
}

// partBytes is what lies there of the file that an earlier try did not finish.
func (s *Store) partBytes(o *order) (bytes int64) {
	for _, item := range o.items {
		if item.have == nil {
			bytes += max(sizeOf(filepath.Join(o.incoming, filepath.FromSlash(item.path)+".part")), 0)
		}
	}
	return bytes
}
