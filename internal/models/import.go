package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/i18n"
)

const (
	partialPrefix = ".partial-"
	describedName = "model.yaml"
	// maxFiles of one model.
	maxFiles = 10_000
	// diskReserve stays free on the disk.
	diskReserve = 1 << 30
)

// InputError tells the user what to change about a folder or a request.
type InputError struct{ Detail i18n.Sentence }

func (e *InputError) Error() string { return e.Detail.String() }

// Sentence is the error for people.
func (e *InputError) Sentence() i18n.Sentence { return e.Detail }

func inputError(format string, args ...any) error { return &InputError{i18n.Say(format, args...)} }

// described is model.yaml, by which a folder says what it holds.
type described struct {
	ID       string                       `yaml:"id"`
	Engine   string                       `yaml:"engine"`
	Variants map[string]map[string]string `yaml:"variants"`
}

// Progress is told of bytes as they are taken in.
type Progress func(model string, done, total int64)

// Import takes in the models of a folder: each of its folders that has a model.yaml, or the folder itself if it has
// one. The files are copied and hashed; a model that was installed is replaced. Returns what came in; fails with
// *InputError when there is nothing to take, a model is not in the catalogue, a file is of a kind that is not taken,
// or the disk has too little free space.
func (s *Store) Import(ctx context.Context, folder string, progress Progress) ([]*Record, error) {
	folders, err := describedFolders(folder)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	var taken []*Record
	err = s.change(func() error {
		for _, one := range folders {
			record, err := s.importOne(ctx, one, progress)
			if err != nil {
				return err
			}
			taken = append(taken, record)
		}
		return nil
	})
	return taken, err
}

func describedFolders(folder string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(folder, describedName)); err == nil {
		return []string{folder}, nil
	}
	found, err := filepath.Glob(filepath.Join(escape(folder), "*", describedName))
	if err != nil || len(found) == 0 {
		return nil, inputError(
			"%s holds no model: there is no %s in it or in one of its folders",
			filepath.Base(folder),
			describedName,
		)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found, nil
}

// escape lets a path stand for itself in a glob.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func (s *Store) importOne(ctx context.Context, folder string, progress Progress) (*Record, error) {
	about, err := readDescribed(folder)
	if err != nil {
		return nil, err
	}
	manifest, model, ok := s.catalogue.Model(about.ID)
	if !ok {
		return nil, inputError(
			"%s is not a model of the catalogue; known are %s",
			about.ID,
			strings.Join(s.ids(), ", "),
		)
	}
	if model.Adapter != nil {
		return nil, inputError(
			"%s is a LoRA of your own: it needs the files of %s only, install that",
			about.ID,
			model.Like,
		)
	}
	if about.Engine != "" && about.Engine != string(manifest.ID) {
		return nil, inputError("the model %s is for the engine %s, not for %s", about.ID, manifest.ID, about.Engine)
	}
	files, err := scan(folder, about.mayHold(model))
	if err != nil {
		return nil, err
	}
	record := &Record{
		Model:       about.ID,
		Engine:      string(manifest.ID),
		Variants:    about.Variants,
		Files:       files,
		Source:      sourceImport,
		InstalledAt: time.Now().UTC(),
	}
	if err := record.check(); err != nil {
		return nil, inputError("model.yaml of %s: %v", about.ID, err)
	}
	for _, file := range files {
		if err := checkWeights(filepath.Join(folder, filepath.FromSlash(file.Path)), file.Path); err != nil {
			return nil, err
		}
	}
	if err := s.freeSpace(record.Bytes()); err != nil {
		return nil, err
	}
	return record, s.take(ctx, folder, record, progress)
}

func readDescribed(folder string) (*described, error) {
	file, err := os.Open(filepath.Join(folder, describedName))
	if err != nil {
		return nil, fmt.Errorf("models: import: %w", err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(io.LimitReader(file, maxRecord))
	decoder.KnownFields(true)
	about := &described{}
	if err := decoder.Decode(about); err != nil {
		return nil, inputError("model.yaml of %s cannot be read: %v", filepath.Base(folder), err)
	}
	return about, nil
}

func (s *Store) ids() (ids []string) {
	for _, manifest := range s.catalogue.All() {
		for _, model := range manifest.Models {
			if model.NeedsFiles() {
				ids = append(ids, model.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// mayHold says whether a file of the folder belongs to a part that may have .bin files of numbers.
func (d *described) mayHold(model *engine.Model) func(file string) bool {
	var places []string
	for id, parts := range d.Variants {
		own := map[string]engine.Part{}
		maps.Copy(own, model.Parts)
		if variant, ok := model.Variant(id); ok && id != "" {
			maps.Copy(own, variant.Parts)
		}
		for name, place := range parts {
			if own[name].Numbers {
				places = append(places, path.Clean(place))
			}
		}
	}
	return func(file string) bool {
		return slices.ContainsFunc(places, func(place string) bool {
			return file == place || strings.HasPrefix(file, place+"/")
		})
	}
}

// scan lists the files of a folder. A link could lead anywhere and a pickle could run anything when it is read, so
// both are refused; numbers says which .bin files are taken nevertheless.
func scan(folder string, numbers func(file string) bool) ([]File, error) {
	var files []File
	err := filepath.WalkDir(folder, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, full)
		if err != nil || entry.IsDir() || relative == describedName || relative == recordName || relative == factsName {
			return err
		}
		name := filepath.ToSlash(relative)
		if !entry.Type().IsRegular() {
			return inputError("%s is not an ordinary file: links are not taken", name)
		}
		if err := checkName(name, numbers(name)); err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if files = append(files, File{Path: name, Size: info.Size()}); len(files) > maxFiles {
			return inputError("the model has more than %d files", maxFiles)
		}
		return nil
	})
	var input *InputError
	if err != nil && !errors.As(err, &input) {
		err = fmt.Errorf("models: read the folder: %w", err)
	}
	return files, err
}

// taken are the kinds of files that a model may have. Weights are safetensors, GGUF or ONNX; .pt and .pth are read by
// weights-only loaders.
var taken = []string{".safetensors", ".gguf", ".onnx", ".json", ".txt", ".model", ".yaml", ".yml", ".md", ".pt", ".pth"}

// checkName refuses a file by its name: one that is of a kind that is not taken, as the pickles of older repositories.
// numbers says that its part may have .bin files of numbers.
func checkName(name string, numbers bool) error {
	extension := strings.ToLower(path.Ext(name))
	switch {
	case extension == ".bin" && numbers:
		return nil
	case slices.Contains(taken, extension):
		return nil
	case slices.Contains([]string{".bin", ".ckpt", ".pkl", ".pickle"}, extension):
		return inputError(
			"%s may hold a pickle, which can run programs when it is read: use a file in safetensors or GGUF",
			name,
		)
	default:
		return inputError("%s is of a kind that no engine reads: the kinds are %s", name, strings.Join(taken, ", "))
	}
}

// freeSpace looks for place on the disk before anything is written.
func (s *Store) freeSpace(bytes int64) error {
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("models: look at the disk: %w", err)
	}
	if free < bytes+diskReserve {
		return inputError(
			"the model takes %s and the disk of models.cache_dir has %s free, of which %s stay free: "+
				"free some space or name another directory",
			hub.Bytes(bytes),
			hub.Bytes(free),
			hub.Bytes(diskReserve),
		)
	}
	return nil
}

// take copies the files beside the other models, and lets the model appear when all of them are there.
func (s *Store) take(ctx context.Context, folder string, record *Record, progress Progress) error {
	staged, err := os.MkdirTemp(s.dir, partialPrefix)
	if err != nil {
		return fmt.Errorf("models: import: %w", err)
	}
	defer os.RemoveAll(staged)
	home := filepath.Join(staged, record.Model)
	total, done := record.Bytes(), int64(0)
	for i := range record.Files {
		file := &record.Files[i]
		sum, err := copyHashed(
			ctx,
			filepath.Join(folder, filepath.FromSlash(file.Path)),
			filepath.Join(home, filepath.FromSlash(file.Path)),
			file.Size,
		)
		if err != nil {
			return err
		}
		file.SHA256 = sum
		done += file.Size
		progress(record.Model, done, total)
	}
	if err := writeRecord(home, record); err != nil {
		return fmt.Errorf("models: import: %w", err)
	}
	if err := s.discard(record.Model); err != nil {
		return err
	}
	noteFacts(home, filepath.Join(home, factsName), record)
	if err := os.Rename(home, filepath.Join(s.dir, record.Model)); err != nil {
		return fmt.Errorf("models: import: %w", err)
	}
	return nil
}
