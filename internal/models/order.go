package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/hub"
)

// order is one installation: what is wanted, what of it is here, and how it becomes a record.
type order struct {
	store    *Store
	engine   *engine.Manifest
	model    *engine.Model
	variant  string
	accepted *time.Time
	incoming string

	old       *Record // as installed from the hub before; nil when the model is new here
	items     []*item
	parts     map[string]string // part to its place, for the record
	revisions map[string]string
	total     int64
}

// item is one file of an order.
type item struct {
	file    hub.File
	path    string // below the model's folder
	source  string
	have    *File // as it lies in the incoming or the model's folder; nil while it must be fetched
	arrived bool  // it lies in the incoming folder
}

// onlyVariant is the name of the variant of a model that has none.
const onlyVariant = "default"

// order lists the files of a request from their sources.
func (in *Installer) order(ctx context.Context, req Request) (*order, error) {
	s := in.cfg.Store
	manifest, model, ok := s.catalogue.Model(req.Model)
	if !ok {
		return nil, inputError(
			"%s is not a model of the catalogue; known are %s",
			req.Model,
			strings.Join(s.ids(), ", "),
		)
	}
	if !model.NeedsFiles() {
		return nil, inputError("%s needs no files: it can be used as it is", req.Model)
	}
	if model.Adapter != nil {
		return nil, inputError(
			"%s is a LoRA of your own: it needs the files of %s only, install that",
			req.Model,
			model.Like,
		)
	}
	o := &order{
		store:     s,
		engine:    manifest,
		model:     model,
		variant:   onlyVariant,
		accepted:  req.LicenceAcceptedAt,
		parts:     map[string]string{},
		revisions: map[string]string{},
		incoming:  filepath.Join(s.dir, incomingPrefix+req.Model),
	}
	if old, err := s.Get(req.Model); err == nil && old.Source == sourceHub {
		o.old = old
		if o.accepted == nil {
			o.accepted = old.LicenceAcceptedAt
		}
	}
	if model.Licence.Accept && o.accepted == nil {
		return nil, &LicenceError{req.Model, model.Licence}
	}
	return o, in.list(ctx, o, req.Variant)
}

func (in *Installer) list(ctx context.Context, o *order, variant string) error {
	wanted := map[string]engine.Part{}
	maps.Copy(wanted, o.model.Parts)
	places := map[string]string{}
	for name := range o.model.Parts {
		places[name] = path.Join("parts", name)
	}
	if len(o.model.Variants) > 0 {
		chosen, ok := o.model.Variant(variant)
		if !ok {
			return inputError(
				"%s has no variant %s; it has %s",
				o.model.ID,
				variant,
				strings.Join(variantIDs(o.model), ", "),
			)
		}
		o.variant = chosen.ID
		for name, part := range chosen.Parts {
			wanted[name], places[name] = part, path.Join("variants", chosen.ID, name)
		}
	} else if variant != "" && variant != onlyVariant {
		return inputError("%s has no variants: leave the variant out", o.model.ID)
	}
	listings := map[string]*hub.Listing{}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		files, err := in.filesOf(ctx, o, name, wanted[name], listings)
		if err != nil {
			return err
		}
		if err := o.add(name, places[name], wanted[name], files); err != nil {
			return err
		}
	}
	if len(o.items) > maxFiles {
		return inputError("the model has more than %d files", maxFiles)
	}
	return nil
}

func variantIDs(model *engine.Model) (ids []string) {
	for _, v := range model.Variants {
		ids = append(ids, v.ID)
	}
	return ids
}

// sourced is a file with the name by which it is pinned.
type sourced struct {
	hub.File
	source string
}

// filesOf asks a part's source. A repository that is installed already is asked for at the commit that was installed:
// parts that variants share are the same then.
func (in *Installer) filesOf(
	ctx context.Context,
	o *order,
	name string,
	part engine.Part,
	listings map[string]*hub.Listing,
) (files []sourced, err error) {
	if part.Import {
		return nil, inputError(
			"the files of %s have no source to install from: use `apibr models import` with a folder that has them",
			o.model.ID,
		)
	}
	for _, address := range part.URLs {
		file, err := in.cfg.Hub.Address(ctx, address)
		if err != nil {
			return nil, err
		}
		if file, err = pinned(file, part); err != nil {
			return nil, err
		}
		files = append(files, sourced{file, withoutQuery(address)})
	}
	if part.Repo == "" {
		return files, nil
	}
	listing := listings[part.Repo]
	if listing == nil {
		revision := ""
		if o.old != nil {
			revision = o.old.Revisions[part.Repo]
		}
		if listing, err = in.cfg.Hub.List(ctx, part.Repo, revision); err != nil {
			return nil, err
		}
		listings[part.Repo], o.revisions[part.Repo] = listing, listing.Commit
	}
	for _, file := range listing.Files {
		if part.Matches(file.Path) {
			if file, err = pinned(file, part); err != nil {
				return nil, err
			}
			files = append(files, sourced{file, part.Repo + "@" + listing.Commit + ":" + file.Path})
		}
	}
	if len(files) == 0 {
		return nil, inputError(
			"the repository %s has no file for the part %s of %s any more: install a newer version of the studio, "+
				"or import the model from a folder",
			part.Repo,
			name,
			o.model.ID,
		)
	}
	return files, nil
}

// pinned adds the hash that the manifest pins to a file, which is then refused when it arrives with another one. Fails
// with *InputError when its source says already that it has another.
func pinned(file hub.File, part engine.Part) (hub.File, error) {
	want := part.SHA256[file.Path]
	if want != "" && file.SHA256 != "" && file.SHA256 != want {
		return file, inputError(
			"%s is not the file that this version of the studio knows: its maker has replaced it; "+
				"install a newer version of the studio, or import the model from a folder",
			file.Path,
		)
	}
	if want != "" {
		file.SHA256 = want
	}
	return file, nil
}

// withoutQuery leaves out what may be a signature.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// add puts the files of a part into the order. One file is the part itself; several are the folder that all of them
// are in.
func (o *order) add(name, place string, part engine.Part, files []sourced) error {
	folder := path.Dir(files[0].Path)
	for _, file := range files {
		if err := checkName(file.Path, part.Numbers); err != nil {
			return err
		}
		if torchFile(file.Path) && !part.Torch {
			return inputError(
				"%s may hold a pickle, which can run programs when it is read: use a file in safetensors or GGUF",
				file.Path,
			)
		}
		for folder != "." && !strings.HasPrefix(file.Path, folder+"/") {
			folder = path.Dir(folder)
		}
		o.items = append(o.items, &item{file: file.File, path: path.Join(place, file.Path), source: file.source})
		o.total += max(file.Size, 0)
	}
	o.parts[name] = path.Join(place, folder)
	if len(files) == 1 {
		o.parts[name] = path.Join(place, files[0].Path)
	}
	return nil
}

// arrivedName lists what has come, in the incoming folder.
const arrivedName = ".arrived.json"

func (o *order) arrivedBefore() map[string]File {
	content, err := os.ReadFile(filepath.Join(o.incoming, arrivedName))
	files := map[string]File{}
	if err != nil || json.Unmarshal(content, &files) != nil {
		return map[string]File{} // what came is fetched anew then
	}
	return files
}

func (o *order) remember() error {
	files := map[string]File{}
	for _, item := range o.items {
		if item.arrived {
			files[item.path] = *item.have
		}
	}
	content, err := json.Marshal(files)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(o.incoming, arrivedName), content); err != nil {
		return fmt.Errorf("models: install: %w", err)
	}
	return nil
}

// take lets the model appear: a new one by the rename of its folder, another variant by that of its files and then of
// installed.json.
func (o *order) take() (record *Record, err error) {
	err = o.store.change(func() error {
		if o.old != nil {
			// Pins may have changed meanwhile.
			if o.old, err = o.store.Get(o.model.ID); err != nil || o.old.Source != sourceHub {
				return inputError("%s was removed or replaced while it was installed: install it again", o.model.ID)
			}
		}
		record = o.record()
		if err := record.check(); err != nil {
			return inputError("%s cannot be installed: %v", o.model.ID, err)
		}
		if err := o.store.pinFiles(record.Files); err != nil {
			return err
		}
		if err := o.move(record); err != nil {
			return fmt.Errorf("models: install %s: %w", o.model.ID, err)
		}
		o.noteFacts()
		return os.RemoveAll(o.incoming)
	})
	if err != nil {
		return nil, err
	}
	return record, nil
}

// noteFacts adds the looks of the files that have just come to those of the others.
func (o *order) noteFacts() {
	home := filepath.Join(o.store.dir, o.model.ID)
	facts := readFacts(filepath.Join(home, factsName))
	for _, item := range o.items {
		if info, err := os.Stat(filepath.Join(home, filepath.FromSlash(item.path))); item.arrived && err == nil {
			facts[item.path] = factOf(info)
		}
	}
	writeFacts(filepath.Join(home, factsName), facts)
}

func (o *order) move(record *Record) error {
	home := filepath.Join(o.store.dir, o.model.ID)
	if o.old == nil {
		if err := errors.Join(o.prune(), writeRecord(o.incoming, record)); err != nil {
			return err
		}
		if err := o.store.discard(o.model.ID); err != nil {
			return err
		}
		return os.Rename(o.incoming, home)
	}
	for _, item := range o.items {
		if !item.arrived {
			continue
		}
		name := filepath.FromSlash(item.path)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o700); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(o.incoming, name), filepath.Join(home, name)); err != nil {
			return err
		}
	}
	return writeRecord(home, record)
}

// prune removes what earlier tries left in the incoming folder and this one does not want, as files of another
// revision.
func (o *order) prune() error {
	wanted := map[string]bool{}
	for _, item := range o.items {
		wanted[filepath.Join(o.incoming, filepath.FromSlash(item.path))] = true
	}
	return filepath.WalkDir(o.incoming, func(full string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || wanted[full] {
			return err
		}
		return os.Remove(full)
	})
}

// record as it will be: the earlier variants with their files, and the new one.
func (o *order) record() *Record {
	record := &Record{
		Model:             o.model.ID,
		Engine:            string(o.engine.ID),
		Variants:          map[string]map[string]string{},
		Source:            sourceHub,
		Revisions:         map[string]string{},
		InstalledAt:       time.Now().UTC(),
		LicenceAcceptedAt: o.accepted,
	}
	files := map[string]File{}
	if o.old != nil {
		record.Pinned = o.old.Pinned
		maps.Copy(record.Variants, o.old.Variants)
		maps.Copy(record.Revisions, o.old.Revisions)
		for _, file := range o.old.Files {
			files[file.Path] = file
		}
	}
	maps.Copy(record.Revisions, o.revisions)
	record.Variants[o.variant] = o.parts
	for _, item := range o.items {
		files[item.path] = *item.have
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		record.Files = append(record.Files, files[name])
	}
	return record
}

// missing is what must still be written to the disk, in bytes.
func (o *order) missing() (bytes int64) {
	for _, item := range o.items {
		if item.have == nil {
			bytes += max(item.file.Size, 0)
		}
	}
	return bytes
}

// adds is by how much the models grow, in bytes: what is missing and what has arrived and is not yet counted with a
// record.
func (o *order) adds() (bytes int64) {
	bytes = o.missing()
	for _, item := range o.items {
		if item.arrived {
			bytes += item.have.Size
		}
	}
	return bytes
}
