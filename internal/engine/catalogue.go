package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Catalogue is the set of engines that this installation knows. It does not change after Load.
type Catalogue struct {
	all  []*Manifest
	byID map[ID]*Manifest

	// Installed says whether an engine can be started here: its environment is there, or a command replaces it. The
	// application sets it before the catalogue is used. Nil means that every engine with a manifest is installed.
	Installed func(*Manifest) bool

	// Replaced says that a command of the user's takes the place of the engine's process: it brings its own files. Nil is none.
	Replaced func(ID) bool

	// Variants are the installed variants of a model's files, none of a model that is not installed. Nil means that every model
	// is installed in every variant.
	Variants func(model string) []string
}

// Load reads every manifest below the directories: of a pyworkers directory the engines' folders, of any other its
// <name>/manifest.yaml and <name>.yaml files. A later directory replaces an engine of an earlier one.
//
// It fails with the file's name when a manifest cannot be read, has an unknown key or contradicts itself. A first
// directory without any engine is an error too, since nothing could ever run.
func Load(dir string, extra ...string) (*Catalogue, error) {
	c := &Catalogue{byID: map[ID]*Manifest{}}
	for _, d := range append([]string{dir}, extra...) {
		files, err := manifestFiles(d)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := c.add(file); err != nil {
				return nil, err
			}
		}
	}
	for _, m := range c.byID {
		c.all = append(c.all, m)
	}
	slices.SortFunc(c.all, func(a, b *Manifest) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return c, nil
}

// Get is the engine of that id.
func (c *Catalogue) Get(id ID) (*Manifest, bool) {
	m, ok := c.byID[id]
	return m, ok
}

// All are the engines in the order of their ids. The slice is the caller's.
func (c *Catalogue) All() []*Manifest { return slices.Clone(c.all) }

// IsInstalled says whether the engine could be started here with at least one of its models.
func (c *Catalogue) IsInstalled(id ID) bool {
	m, ok := c.byID[id]
	if !ok || !c.installed(m) {
		return false
	}
	return len(m.Models) == 0 || slices.ContainsFunc(m.Models, func(model Model) bool { return c.HasFiles(m, &model) })
}

func (c *Catalogue) installed(m *Manifest) bool {
	return c.Installed == nil || c.Installed(m)
}

// IsReplaced says whether a command of the user's takes the place of the engine's process.
func (c *Catalogue) IsReplaced(id ID) bool { return c.Replaced != nil && c.Replaced(id) }

// HasFiles says whether the model can be loaded here: its files are installed, or it needs none.
func (c *Catalogue) HasFiles(m *Manifest, model *Model) bool {
	return !model.NeedsFiles() || c.Variants == nil || c.IsReplaced(m.ID) || len(c.Variants(model.ID)) > 0
}

// VariantsOf are the variants of the model to choose from; nil stands for all that its manifest plans.
func (c *Catalogue) VariantsOf(m *Manifest, model string) []string {
	known, ok := m.Model(model)
	if !ok || !known.NeedsFiles() || c.Variants == nil || c.IsReplaced(m.ID) {
		return nil
	}
	return c.Variants(model)
}

// Model finds a model and its engine by the model's id. Of several engines that answer to it (one here, one at its maker's API) it is
// the one that has its files.
func (c *Catalogue) Model(id string) (engine *Manifest, model *Model, ok bool) {
	for _, m := range c.all {
		if found, has := m.Model(id); has && (model == nil || found.NeedsFiles() && !model.NeedsFiles()) {
			engine, model = m, found
		}
	}
	return engine, model, model != nil
}

func manifestFiles(dir string) ([]string, error) {
	inWorkers := filepath.Join(dir, "apibr_worker", "engines")
	if info, err := os.Stat(inWorkers); err == nil && info.IsDir() {
		dir = inWorkers
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("engine: read manifests: %w", err)
	}
	var files []string
	for _, pattern := range []string{"*/manifest.yaml", "*.yaml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("engine: read manifests of %s: %w", dir, err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("engine: %s holds no manifest: %w", dir, fs.ErrNotExist)
	}
	return files, nil
}

func (c *Catalogue) add(file string) error {
	m, err := readManifest(file)
	if err != nil {
		return fmt.Errorf("engine: %s: %w", file, err)
	}
	for task, spec := range m.Tasks {
		schema, err := compileSchema(spec.Parameters)
		if err != nil {
			return fmt.Errorf("engine: %s: parameters of %s: %w", file, task, err)
		}
		m.schemas[task] = schema
	}
	c.byID[m.ID] = m
	return nil
}

func readManifest(file string) (*Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &Manifest{BlockSeconds: 1, Version: 1, schemas: map[string]*jsonschema.Schema{}}
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(m); err != nil {
		return nil, err
	}
	return m, m.check()
}

// check finds contradictions that would otherwise surface in the middle of a job.
func (m *Manifest) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if m.ID == "" {
		bad("id is missing")
	}
	if m.Quality != Draft && m.Quality != Final {
		bad("quality is %q: write draft or final", m.Quality)
	}
	if m.BlockSeconds <= 0 {
		bad("block_seconds must be above 0")
	}
	if len(m.Tasks) == 0 {
		bad("no task")
	}
	for i := range m.Models {
		errs = append(errs, m.Models[i].check())
		if like := m.Models[i].Like; like != "" && !m.HasModel(like) {
			bad("model %s is like %s, which the engine does not have", m.Models[i].ID, like)
		}
		for _, task := range m.Models[i].Tasks {
			if _, ok := m.Tasks[task]; !ok {
				bad("model %s does %s, which the engine does not", m.Models[i].ID, task)
			}
		}
	}
	for name, task := range m.Tasks {
		if task.Parameters == nil {
			bad("task %s has no parameters schema", name)
		}
		if len(task.Phases) == 0 {
			bad("task %s has no phases", name)
		}
		for _, phase := range task.Phases {
			if phase.Weight < 0 {
				bad("phase %s of %s has a negative weight", phase.Name, name)
			}
		}
	}
	return errors.Join(errs...)
}
