package engine

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// Model is one set of weights (or one recipe) that an engine can load.
type Model struct {
	ID          string    `yaml:"id"`
	Default     bool      `yaml:"default"`
	Name        string    `yaml:"name"` // Name as its maker writes it. Default: the id.
	Description i18n.Text `yaml:"description"`

	// Priority is the engine's place among those that have a model of this id: the lowest is asked first. No two
	// engines may have the same. Default 100.
	Priority int `yaml:"priority"`

	// StandIn answers for the model where no engine that has it can. Default: nothing does.
	StandIn *StandIn `yaml:"stand_in"`

	// Tasks that the model does. Default: all of its engine.
	Tasks   []string `yaml:"tasks"`
	Licence Licence  `yaml:"licence"`

	// Gated says that the hub gives the files only to those who accepted the licence there.
	Gated bool `yaml:"gated"`

	// Languages of a speech model, as BCP 47 tags. Default: those of its engine.
	Languages []string `yaml:"languages"`

	// For are parameters of a request for which this model comes before the engine's others, as `scale: 4`.
	For map[string]any `yaml:"for"`

	// Needs are the inputs without which the model does not do a task, by task, as `image.edit: [mask]`.
	Needs map[string][]string `yaml:"needs"`

	// With are the parameters that mean something only with files of the request, as `strength: [image]`.
	With map[string][]string `yaml:"with"`

	// Borrows are other models whose files the engine uses where they are installed: it gets each of their parts as
	// <model>/<part>. It does without those that are missing. Default: none.
	Borrows []string `yaml:"borrows"`

	// LoRA says that the model takes LoRAs.
	LoRA bool `yaml:"lora"`

	// Like is the engine's own model of which this one is a fine-tune: what the engine is asked to load, with other
	// files. Default: none.
	Like string `yaml:"like"`

	// Adapter is set for a LoRA: its files are those of the model that it is like, and its own.
	Adapter *Adapter `yaml:"-"`

	// Parts that every variant needs, by the name under which the engine gets them.
	Parts map[string]Part `yaml:"parts"`

	// Variants of the weights, best known first. A model without parts and variants needs no files.
	Variants []Variant `yaml:"variants"`
	// DefaultVariant is installed when none is named. Default: the first.
	DefaultVariant string `yaml:"default_variant"`
}

// StandIn is another model of the same engine that does what the request asks of this one.
type StandIn struct {
	Model   string    `yaml:"model"`
	Tasks   []string  `yaml:"tasks"`   // Tasks in which it does. Default: all.
	Without []string  `yaml:"without"` // Without are inputs that only the model itself can use.
	Warning i18n.Text `yaml:"warning"` // Warning is told to the user on the job.
}

// fits says whether it can answer the request.
func (s *StandIn) fits(req Choice) bool {
	return (len(s.Tasks) == 0 || slices.Contains(s.Tasks, req.Task)) &&
		!slices.ContainsFunc(s.Without, func(input string) bool { return slices.Contains(req.Inputs, input) })
}

// Licence of a model.
type Licence struct {
	ID   string `yaml:"id"   json:"id"`
	Name string `yaml:"name" json:"name"`
	URL  string `yaml:"url"  json:"url"`

	// Commercial says whether what the model makes may be sold without asking its maker.
	Commercial bool `yaml:"commercial" json:"commercial"`

	// Accept says that the user must accept the text before the model is installed.
	Accept bool `yaml:"accept" json:"accept"`
}

// Variant is the weights in one precision.
type Variant struct {
	ID    string          `yaml:"id"`
	Parts map[string]Part `yaml:"parts"`

	// DiskBytes is about what an installation takes; the exact sizes come from the hub. Default 0: not known.
	DiskBytes int64 `yaml:"disk_bytes"`
}

// Part is a group of files of one repository. Which files match is listed from the repository at the time of
// installing.
type Part struct {
	Repo     string   `yaml:"repo"`
	Patterns []string `yaml:"patterns"` // Patterns in the manner of path.Match over the file's path.

	// URLs name files of other sources than the hub, as a release page. Repo is empty then.
	URLs []string `yaml:"urls"`

	// Import says that the files have no source: they come from a folder, by `apibr models import`.
	Import bool `yaml:"import"`

	// Torch says that the part may have .pt and .pth files: the engine reads them as weights only. They are looked
	// into before they are taken. Default false: such a file is refused.
	Torch bool `yaml:"torch"`

	// Numbers says that the part may have .bin files that hold numbers only, as raw arrays and CTranslate2's weights.
	// They are looked into before they are taken. Default false: such a file is refused.
	Numbers bool `yaml:"numbers"`

	// SHA256 pins files by their path in the repository, or by the name in which their address ends: 64 hexadecimal
	// digits each. Another file from the same source is refused. Default: what the source states.
	SHA256 map[string]string `yaml:"sha256"`
}

// NeedsFiles says whether the model must be installed before it can run.
func (m *Model) NeedsFiles() bool { return len(m.Parts) > 0 || len(m.Variants) > 0 || m.Adapter != nil }

// Loads is the id under which the engine knows the model.
func (m *Model) Loads() string {
	if m.Like != "" {
		return m.Like
	}
	return m.ID
}

// Files is the id of the model whose installed files this one uses.
func (m *Model) Files() string {
	if m.Adapter != nil {
		return m.Like
	}
	return m.ID
}

// Repositories of the model's files, each once: those of the parts that all variants share first, which are its
// maker's own.
func (m *Model) Repositories() (repos []string) {
	add := func(parts map[string]Part) {
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			if repo := parts[name].Repo; repo != "" && !slices.Contains(repos, repo) {
				repos = append(repos, repo)
			}
		}
	}
	add(m.Parts)
	for _, variant := range m.Variants {
		add(variant.Parts)
	}
	return repos
}

// Title is the model's name for people.
func (m *Model) Title() string {
	if m.Name != "" {
		return m.Name
	}
	return m.ID
}

// Variant of that id; "" is the default one.
func (m *Model) Variant(id string) (*Variant, bool) {
	if id == "" {
		id = m.DefaultVariant
	}
	for i := range m.Variants {
		if m.Variants[i].ID == id || id == "" {
			return &m.Variants[i], true
		}
	}
	return nil, false
}

// Matches says whether the file belongs to the part.
func (p Part) Matches(file string) bool {
	return slices.ContainsFunc(p.Patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, file)
		return ok && err == nil
	})
}

// Model of that id.
func (m *Manifest) Model(id string) (*Model, bool) {
	for i := range m.Models {
		if m.Models[i].ID == id {
			return &m.Models[i], true
		}
	}
	return nil, false
}

// does says whether the model does the task with the inputs that a request has.
func (m *Model) does(req Choice) bool {
	if len(m.Tasks) > 0 && !slices.Contains(m.Tasks, req.Task) {
		return false
	}
	return len(m.lacks(req)) == 0
}

// lacks are the inputs that the model needs for the task and the request does not have.
func (m *Model) lacks(req Choice) []string {
	return slices.DeleteFunc(
		slices.Clone(m.Needs[req.Task]),
		func(input string) bool { return slices.Contains(req.Inputs, input) },
	)
}

// suits ranks how well the model fits the request: the language it was made for, then the parameters, then the
// engine's default.
func (m *Model) suits(req Choice) (rank int) {
	base := baseOf(req.Language)
	for _, spoken := range m.Languages {
		switch {
		case req.Language == "":
		case strings.EqualFold(spoken, req.Language):
			rank = max(rank, 8)
		case strings.EqualFold(spoken, base):
			rank = max(rank, 4)
		case strings.EqualFold(baseOf(spoken), base):
			rank = max(rank, 2)
		}
	}
	for name, value := range m.For {
		if fmt.Sprint(req.Params[name]) == fmt.Sprint(value) {
			rank += 2
		}
	}
	if m.Default {
		rank++
	}
	return rank
}

// Speaks says whether the model speaks the language of the tag, in whatever region.
func (m *Model) Speaks(tag string) bool {
	return tag == "" || strings.EqualFold(baseOf(tag), "und") || len(m.Languages) == 0 ||
		slices.ContainsFunc(m.Languages, func(spoken string) bool {
			return strings.EqualFold(baseOf(spoken), baseOf(tag))
		})
}

// baseOf a BCP 47 tag is the language without its region.
func baseOf(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return base
}

// ModelsFor are the models that can answer the request, the most suitable first.
func (m *Manifest) ModelsFor(req Choice) []*Model {
	var found []*Model
	for i := range m.Models {
		if model := &m.Models[i]; model.does(req) {
			found = append(found, model)
		}
	}
	slices.SortStableFunc(found, func(a, b *Model) int { return b.suits(req) - a.suits(req) })
	return found
}

// DefaultModel is the model loaded when nobody asks for another: the marked one, else the first, else the engine's id.
func (m *Manifest) DefaultModel() string {
	for _, model := range m.Models {
		if model.Default {
			return model.ID
		}
	}
	if len(m.Models) > 0 {
		return m.Models[0].ID
	}
	return string(m.ID)
}

// HasModel says whether the engine can load the model.
func (m *Manifest) HasModel(id string) bool { _, ok := m.Model(id); return ok }

// ModelFor is the model that the engine loads for what was asked: that one when it has it, else its default. A draft
// engine stands in for models that it cannot load, so a job's model and the loaded one may differ.
func (m *Manifest) ModelFor(asked string) string {
	if m.HasModel(asked) {
		return asked
	}
	return m.DefaultModel()
}

// ids become names of folders.
var safeID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// safeVariant allows the capitals of quantisations.
var safeVariant = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// SafeID says whether a model's or part's id can be a folder's name.
func SafeID(id string) bool { return safeID.MatchString(id) && !strings.Contains(id, "..") }

func (m *Model) check() error {
	var errs []error
	if !SafeID(m.ID) {
		errs = append(errs, fmt.Errorf("model id %q: use lower-case letters, digits, dots and dashes", m.ID))
	}
	for name, part := range m.Parts {
		errs = append(errs, part.check(m.ID, name))
	}
	for _, variant := range m.Variants {
		if !safeVariant.MatchString(variant.ID) {
			errs = append(
				errs,
				fmt.Errorf("variant %q of %s: use letters, digits, dots, dashes and underscores", variant.ID, m.ID),
			)
		}
		for name, part := range variant.Parts {
			errs = append(errs, part.check(m.ID, name))
		}
	}
	if _, ok := m.Variant(m.DefaultVariant); !ok && m.DefaultVariant != "" {
		errs = append(errs, fmt.Errorf("default_variant %q of %s is none of its variants", m.DefaultVariant, m.ID))
	}
	return errors.Join(errs...)
}

// sources counts where the files come from.
func (p Part) sources() (n int) {
	for _, given := range []bool{p.Repo != "", len(p.URLs) > 0, p.Import} {
		if given {
			n++
		}
	}
	return n
}

func (p Part) check(model, name string) error {
	switch {
	case !SafeID(name):
		return fmt.Errorf("part %q of %s: use lower-case letters, digits and dashes", name, model)
	case p.sources() != 1:
		return fmt.Errorf("part %s of %s needs a repo, or urls, or import: true", name, model)
	case p.Repo != "" && len(p.Patterns) == 0:
		return fmt.Errorf("part %s of %s names no patterns", name, model)
	}
	for _, pattern := range p.Patterns {
		if _, err := path.Match(pattern, "x"); err != nil {
			return fmt.Errorf("part %s of %s: pattern %q: %w", name, model, pattern, err)
		}
	}
	for file, hash := range p.SHA256 {
		if !sha256Digits.MatchString(hash) {
			return fmt.Errorf("part %s of %s: sha256 of %s: write its 64 hexadecimal digits", name, model, file)
		}
		if !p.names(file) {
			return fmt.Errorf("part %s of %s: sha256 of %s: the part has no such file", name, model, file)
		}
	}
	return nil
}

var sha256Digits = regexp.MustCompile(`^[0-9a-f]{64}$`)

// names says whether a file can be one of the part's.
func (p Part) names(file string) bool {
	return p.Import || p.Matches(file) || slices.ContainsFunc(p.URLs, func(address string) bool {
		u, err := url.Parse(address)
		return err == nil && path.Base(u.Path) == file
	})
}
