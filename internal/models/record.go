package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apibr/studio/internal/engine"
)

const (
	recordName = "installed.json"
	// maxRecord bounds installed.json and model.yaml, in bytes.
	maxRecord = 16 << 20
)

// File is one file of a model.
type File struct {
	Path   string `json:"path"` // Path below the model's folder, with slashes.
	Size   int64  `json:"size"` // Bytes.
	SHA256 string `json:"sha256"`

	// Source is where it came from: repository@commit:path, or an address. Empty for what was imported.
	Source string `json:"source,omitempty"`
}

// Record is what is known of an installed model: the content of its installed.json.
type Record struct {
	Model  string `json:"model"`
	Engine string `json:"engine"`

	// Variants say for each variant where its parts are: a file, or a folder of files, below the model's folder.
	Variants map[string]map[string]string `json:"variants"`
	Files    []File                       `json:"files"`

	// Source is how it came: "import", "hub", or "bundled" for a model that came with the studio.
	Source string `json:"source"`

	// Revisions are the commits of the repositories from which it came.
	Revisions         map[string]string `json:"revisions,omitempty"`
	InstalledAt       time.Time         `json:"installed_at"`
	LicenceAcceptedAt *time.Time        `json:"licence_accepted_at,omitempty"`
	Pinned            bool              `json:"pinned"` // Pinned models are never removed to free space.

	home string // home is the model's folder.
}

const (
	sourceHub     = "hub"
	sourceImport  = "import"
	sourceBundled = "bundled"
)

// Bundled says whether the model came with the studio: its folder is not the store's to change.
func (r *Record) Bundled() bool { return r.Source == sourceBundled }

// Bytes that the files take.
func (r *Record) Bytes() (total int64) {
	for _, file := range r.Files {
		total += file.Size
	}
	return total
}

// VariantIDs in alphabetical order.
func (r *Record) VariantIDs() []string {
	ids := make([]string, 0, len(r.Variants))
	for id := range r.Variants {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// check finds what would let a path leave the folder, or a variant name what is not there.
func (r *Record) check() error {
	if !engine.SafeID(r.Model) {
		return fmt.Errorf("model id %q: use lower-case letters, digits, dots and dashes", r.Model)
	}
	if len(r.Variants) == 0 {
		return errors.New("it names no variants")
	}
	for _, file := range r.Files {
		if !filepath.IsLocal(filepath.FromSlash(file.Path)) {
			return fmt.Errorf("the file %q lies outside the model's folder", file.Path)
		}
	}
	for variant, parts := range r.Variants {
		if len(parts) == 0 {
			return fmt.Errorf("variant %s names no parts", variant)
		}
		for part, path := range parts {
			if !filepath.IsLocal(filepath.FromSlash(path)) {
				return fmt.Errorf("part %s of variant %s lies outside the model's folder", part, variant)
			}
			if !slices.ContainsFunc(
				r.Files,
				func(f File) bool { return f.Path == path || strings.HasPrefix(f.Path, path+"/") },
			) {
				return fmt.Errorf("part %s of variant %s is not there", part, variant)
			}
		}
	}
	return nil
}

func readRecord(folder string) (*Record, error) {
	file, err := os.Open(filepath.Join(folder, recordName))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() > maxRecord || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s cannot be used: %w", recordName, errors.Join(fs.ErrInvalid, err))
	}
	record := &Record{}
	if err := json.NewDecoder(file).Decode(record); err != nil {
		return nil, fmt.Errorf("%s: %w", recordName, err)
	}
	if err := record.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", recordName, err)
	}
	return record, nil
}

// writeRecord replaces installed.json as a whole.
func writeRecord(folder string, record *Record) error {
	content, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(folder, ".installed-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if _, err := temp.Write(content); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(folder, recordName))
}
