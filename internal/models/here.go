package models

import (
	"context"
	"os"
	"path/filepath"
)

// findHere finds the files that need not be fetched: those of an earlier try, those that are installed as they should
// be, and those that are installed under another part's name.
func (o *order) findHere(ctx context.Context) error {
	came := o.arrivedBefore()
	again := o.old != nil && o.old.Variants[o.variant] != nil
	others, _ := o.store.installed() // one that cannot be read only has nothing to share
	for _, item := range o.items {
		if before, ok := came[item.path]; ok && before.Source == item.source &&
			sizeOf(filepath.Join(o.incoming, filepath.FromSlash(item.path))) == before.Size {
			item.have, item.arrived = &before, true
			continue
		}
		if err := o.findInstalled(ctx, item, again); err != nil {
			return err
		}
		if item.have == nil {
			if err := o.findElsewhere(ctx, item, others); err != nil {
				return err
			}
		}
	}
	return nil
}

// findElsewhere looks for the same file among the other models, as a part that several models of one maker share. It
// is read before it is taken.
func (o *order) findElsewhere(ctx context.Context, item *item, others []*Record) error {
	for _, record := range others {
		for _, file := range record.Files {
			same := file.Source == item.source || file.SHA256 == item.file.SHA256
			if record.Model == o.model.ID || !same || file.Source == "" || file.Size != item.file.Size {
				continue
			}
			full := filepath.Join(o.store.dir, record.Model, filepath.FromSlash(file.Path))
			if why, err := compare(ctx, full, file); err != nil {
				return err
			} else if why != "" {
				continue
			}
			file.Source = item.source
			if o.link(full, item, file) {
				return nil
			}
		}
	}
	return nil
}

func (o *order) findInstalled(ctx context.Context, item *item, again bool) error {
	if o.old == nil {
		return nil
	}
	home := filepath.Join(o.store.dir, o.model.ID)
	for _, file := range o.old.Files {
		switch {
		case file.Path == item.path && file.Source != item.source:
			return inputError("%s comes from another source by now: remove the model and install it again", item.path)
		case file.Source != item.source:
			continue
		case item.file.SHA256 != "" && item.file.SHA256 != file.SHA256:
			continue
		}
		full := filepath.Join(home, filepath.FromSlash(file.Path))
		if sizeOf(full) != file.Size {
			continue
		}
		if again {
			if why, err := compare(ctx, full, file); err != nil || why != "" {
				if err != nil {
					return err
				}
				continue
			}
		}
		if file.Path == item.path {
			item.have = &file
			return nil
		}
		if o.link(full, item, file) {
			return nil
		}
	}
	return nil
}

// link lets an installed file have a second name, which takes no space. Where the file system cannot, the file is
// fetched.
func (o *order) link(full string, item *item, file File) bool {
	dest := filepath.Join(o.incoming, filepath.FromSlash(item.path))
	if os.MkdirAll(filepath.Dir(dest), 0o700) != nil {
		return false
	}
	_ = os.Remove(dest)
	if os.Link(full, dest) != nil {
		return false
	}
	file.Path = item.path
	item.have, item.arrived = &file, true
	return true
}

func sizeOf(name string) int64 {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}
