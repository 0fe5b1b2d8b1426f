package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
)

// Catalogue is the set of engines that this installation knows. It does not change after Load.
type Catalogue struct {
	known []*Manifest // known are all, sorted by their ids.
	all   []*Manifest // all are those that this version has: known without the planned ones.
	byID  map[ID]*Manifest

	// Settings are the configured values of the engines' settings. The application sets them before the catalogue is
	// used. Default: what the manifests say.
	Settings map[ID]map[string]any

	// Installed says whether an engine can be started here: its environment is there, or a command replaces it. The
	// application sets it before the catalogue is used. Nil means that every engine with a manifest is installed.
	Installed func(*Manifest) bool

	// Replaced says that a command of the user's takes the place of the engine's process: it brings its own files. Nil
	// is none.
	Replaced func(ID) bool

	// Variants are the installed variants of a model's files, none of a model that is not installed. Nil means that
	// every model is installed in every variant.
	Variants func(model string) []string
}

// Load reads every manifest below the directories: of a pyworkers directory the engines' folders, of any other its
// <name>/manifest.yaml and <name>.yaml files. A later directory replaces an engine of an earlier one.
//
// It fails with the file's name and what to change when a manifest cannot be read, has an unknown key or contradicts
// itself, and with both names when two engines claim the same place. A directory without any engine is an error too.
func Load(dir string, extra ...string) (*Catalogue, error) {
	c := &Catalogue{byID: map[ID]*Manifest{}}
	for _, d := range append([]string{dir}, extra...) {
		files, err := manifestFiles(d)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := c.add(file); err != nil {
				return nil, manifestError(file, err)
			}
		}
	}
	for _, id := range sortedKeys(c.byID) {
		m := c.byID[id]
		c.known = append(c.known, m)
		if !m.Planned {
			c.all = append(c.all, m)
		}
	}
	if err := c.checkOrder(); err != nil {
		return nil, fmt.Errorf("engine manifests: %w", err)
	}
	return c, nil
}

// manifestError names the file and not its path, which says nothing to whoever reads the log of another computer.
func manifestError(file string, err error) error {
	return fmt.Errorf("engine manifest %s: %w", shortName(file), err)
}

// Get returns the engine of that id. Planned engines are not found.
func (c *Catalogue) Get(id ID) (*Manifest, bool) {
	m, ok := c.byID[id]
	if !ok || m.Planned {
		return nil, false
	}
	return m, true
}

// All are the engines in the order of their ids. The slice is the caller's.
func (c *Catalogue) All() []*Manifest { return slices.Clone(c.all) }

// IsInstalled says whether the engine could be started here with at least one of its models.
func (c *Catalogue) IsInstalled(id ID) bool {
	m, ok := c.Get(id)
	if !ok || !c.installed(m) {
		return false
	}
	return len(m.Models) == 0 || slices.ContainsFunc(m.Models, func(model Model) bool { return c.HasFiles(m, &model) })
}

// installed says whether the engine can be started: this version has it, its required settings have values, or a
// command replaces it, and Installed says so.
func (c *Catalogue) installed(m *Manifest) bool {
	if m.Planned || !c.Configured(m) && !c.IsReplaced(m.ID) {
		return false
	}
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

// Model finds a model and its engine by the model's id. Of several engines that answer to it (one here, one at its
// maker's API) it is the one that has its files.
func (c *Catalogue) Model(id string) (engine *Manifest, model *Model, ok bool) {
	for _, m := range c.all {
		if found, has := m.Model(id); has && (model == nil || found.NeedsFiles() && !model.NeedsFiles()) {
			engine, model = m, found
		}
	}
	return engine, model, model != nil
}

// manifestName is what the manifest in an engine's folder is called.
const manifestName = "manifest.yaml"

func manifestFiles(dir string) ([]string, error) {
	inWorkers := filepath.Join(dir, "apibr_worker", "engines")
	if info, err := os.Stat(inWorkers); err == nil && info.IsDir() {
		dir = inWorkers
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("engine: read manifests: %w", err)
	}
	var files []string
	for _, pattern := range []string{"*/" + manifestName, "*.yaml"} {
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
		return err
	}
	for task, spec := range m.Tasks {
		if m.Planned {
			continue
		}
		schema, err := compileSchema(spec.Parameters)
		if err != nil {
			return fmt.Errorf("parameters of %s: %w", task, err)
		}
		m.schemas[task] = schema
	}
	c.byID[m.ID] = m
	return nil
}

func readManifest(file string) (*Manifest, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	m := &Manifest{BlockSeconds: 1, Version: 1, schemas: map[string]*jsonschema.Schema{}, file: file}
	if err := strict(content, m); err != nil {
		return nil, err
	}
	return m, m.check()
}

// Beside is a path beside the manifest.
func (m *Manifest) Beside(name string) string { return filepath.Join(filepath.Dir(m.file), name) }

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
	if m.OwnVoicesOnly && m.BuiltinVoices == "" {
		bad("own_voices_only needs builtin_voices: without them the engine has nothing to speak")
	}
	for _, name := range sortedKeys(m.Settings) {
		setting := m.Settings[name]
		errs = append(errs, setting.check(name))
	}
	for i := range m.Models {
		errs = append(errs, m.checkModel(&m.Models[i]))
	}
	if !m.Planned {
		for _, name := range sortedKeys(m.Tasks) {
			task := m.Tasks[name]
			errs = append(errs, task.check(name))
		}
	}
	return errors.Join(errs...)
}

// checkModel compares a model with its engine.
func (m *Manifest) checkModel(model *Model) error {
	errs := []error{model.check()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if model.Like != "" && !m.HasModel(model.Like) {
		bad("model %s is like %s, which the engine does not have", model.ID, model.Like)
	}
	for _, task := range model.Tasks {
		if !m.Does(task) {
			bad("model %s does %s, which the engine does not", model.ID, task)
		}
	}
	if s := model.StandIn; s != nil {
		if !m.HasModel(s.Model) || s.Model == model.ID {
			bad("stand_in of model %s names %q: name another model of the engine", model.ID, s.Model)
		}
		if s.Warning.In(language.English) == "" {
			bad("stand_in of model %s has no warning in English", model.ID)
		}
	}
	return errors.Join(errs...)
}

// check finds contradictions of a task.
func (t *Task) check(name string) error {
	var errs []error
	if t.Parameters == nil {
		errs = append(errs, fmt.Errorf("task %s has no parameters schema", name))
	}
	if len(t.Phases) == 0 {
		errs = append(errs, fmt.Errorf("task %s has no phases", name))
	}
	for _, phase := range t.Phases {
		if phase.Weight < 0 {
			errs = append(errs, fmt.Errorf("phase %s of %s has a negative weight", phase.Name, name))
		}
	}
	return errors.Join(errs...)
}
