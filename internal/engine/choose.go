package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// Choice is what a caller asked for. All but Task may be empty.
type Choice struct {
	Task     string
	Quality  string
	Model    string
	Language string         // Language as a BCP 47 tag.
	Inputs   []string       // Inputs are the files that come with it, by the engine's names, as in "image".
	Params   map[string]any // Params that may speak for one model or another, as `scale`.
}

// Selection is the engine that answers a Choice.
type Selection struct {
	Manifest *Manifest

	// Model is what the engine loads. It differs from Choice.Model when a draft engine stands in.
	Model    string
	Warnings []report.Warning
}

// NotInstalledError says that final quality was asked for and its engine is not there.
type NotInstalledError struct {
	Engine ID
	Model  string
	How    Text // How is what to install.
}

func (e *NotInstalledError) Error() string {
	if e.Model != "" {
		return fmt.Sprintf("the engine %s of model %s is not installed: %s", e.Engine, e.Model, e.How.En)
	}
	return fmt.Sprintf("the engine %s is not installed: %s", e.Engine, e.How.En)
}

// NeedsInputError says that the model asked for does the task only with a file that did not come.
type NeedsInputError struct {
	Model, Task string
	Inputs      []string
	Others      []string // Others are models that do it without.
}

func (e *NeedsInputError) Error() string {
	inputs := strings.Join(e.Inputs, " and ")
	if len(e.Others) == 0 {
		return fmt.Sprintf("model %s does %s only with %s: send it", e.Model, e.Task, inputs)
	}
	return fmt.Sprintf("model %s does %s only with %s: send it, or choose the model %s", e.Model, e.Task, inputs, strings.Join(e.Others, ", "))
}

// UnknownModelError says that no engine of the task has a model of that name.
type UnknownModelError struct {
	Task  string
	Model string
	Known []string
}

func (e *UnknownModelError) Error() string {
	return fmt.Sprintf("model %q is not known for %s; known: %s", e.Model, e.Task, strings.Join(e.Known, ", "))
}

// UnknownTaskError says that no engine does the task in the quality asked for.
type UnknownTaskError struct{ Task, Quality string }

func (e *UnknownTaskError) Error() string {
	if e.Quality == "" {
		return fmt.Sprintf("no engine does %s", e.Task)
	}
	return fmt.Sprintf("no %s engine does %s", e.Quality, e.Task)
}

// finalModels are the models that callers may name, each with the engines that can answer, best first. The Kontext
// model runs at its maker's API when a key is set, else here.
var finalModels = []struct {
	model   string
	tasks   []string
	engines []ID
}{
	{"flux-dev", []string{"image.generate"}, []ID{"flux"}},
	{"flux-kontext", []string{"image.generate", "image.edit"}, []ID{"bfl", "flux"}},
	{"sd3.5-large", []string{"image.generate"}, []ID{"sd35"}},
	{"chatterbox", []string{"audio.speech", "audio.clone_voice"}, []ID{"chatterbox"}},
	{"multitalk", []string{"video.avatar", "video.animate"}, []ID{"multitalk"}},
}

// finalEngines are the engines of final quality for a request that names no model.
var finalEngines = map[string][]ID{
	"audio.speech":      {"chatterbox"},
	"audio.clone_voice": {"chatterbox"},
	"image.generate":    {"flux", "sd35", "bfl"},
	"image.edit":        {"flux", "bfl"},
	"image.upscale":     {"upscale"},
	"video.avatar":      {"multitalk"},
	"video.animate":     {"multitalk", "wav2lip"},
}

// Choose finds the engine and the model for a request.
//
// Without a quality it takes final when that engine is installed, else draft with the warning `draft_quality`. It fails
// with *UnknownModelError, with *NotInstalledError (only when final was asked for), with *NeedsInputError when the model asked
// for needs a file that did not come, with *LanguageError when it does not speak the language, with *IdleParameterError when a
// parameter could only be ignored, or with *UnknownTaskError.
func (c *Catalogue) Choose(req Choice) (Selection, error) {
	if req.Model != "" && !slices.Contains(c.ModelsOf(req.Task), req.Model) {
		return Selection{}, &UnknownModelError{Task: req.Task, Model: req.Model, Known: c.ModelsOf(req.Task)}
	}
	quality := req.Quality
	if quality == "" && c.isDraftModel(req.Task, req.Model) {
		quality = Draft
	}
	if quality != Draft {
		selection, err := c.final(req)
		if err != nil || selection.Manifest != nil {
			return selection, err
		}
	}
	if quality == Final {
		return Selection{}, c.notInstalled(req)
	}
	m := c.draftFor(req.Task)
	if m == nil {
		return Selection{}, &UnknownTaskError{Task: req.Task, Quality: req.Quality}
	}
	sel := Selection{Manifest: m, Model: m.ModelFor(req.Model)}
	if quality == "" {
		sel.Warnings = append(sel.Warnings, draftWarning(c.notInstalled(req)))
	}
	return sel, nil
}

// final is the first engine of final quality that can answer with one of its installed models; none leaves Manifest nil.
func (c *Catalogue) final(req Choice) (Selection, error) {
	for _, candidate := range c.finalCandidates(req) {
		m, ok := c.Get(candidate)
		if !ok || !c.installed(m) || !m.Does(req.Task) || !m.takes(req) && c.taken(req) {
			continue
		}
		if asked, ok := m.Model(req.Model); ok && c.HasFiles(m, asked) && len(asked.lacks(req)) > 0 {
			return Selection{}, &NeedsInputError{Model: asked.ID, Task: req.Task, Inputs: asked.lacks(req), Others: c.without(req)}
		}
		if err := c.mute(m, req); err != nil {
			return Selection{}, err
		}
		if model, ok := c.usable(m, req); ok {
			return Selection{Manifest: m, Model: model}, c.refuse(m, model, req)
		}
	}
	if m, ok := c.byID["flux"]; ok && req.Model == kontext && req.Task == "image.generate" && !slices.Contains(req.Inputs, "image") && c.installed(m) {
		if dev, ok := m.Model("flux-dev"); ok && c.HasFiles(m, dev) {
			return Selection{Manifest: m, Model: dev.ID, Warnings: []report.Warning{{Code: "model_substituted",
				Message: i18n.Plain("flux-kontext is not installed and no key of its maker's API is set: made with flux-dev, which does the same without an image")}}}, c.refuse(m, dev.ID, req)
		}
	}
	return Selection{}, nil
}

// takes says whether the engine has an input for every file of the request.
func (m *Manifest) takes(req Choice) bool {
	for _, input := range req.Inputs {
		if !slices.ContainsFunc(m.Tasks[req.Task].Inputs, func(port Port) bool { return port.Name == input }) {
			return false
		}
	}
	return true
}

// taken says whether some engine that could answer takes every file of the request. Where none does, the first refuses it by name.
func (c *Catalogue) taken(req Choice) bool {
	return slices.ContainsFunc(c.finalCandidates(req), func(id ID) bool {
		m, ok := c.Get(id)
		if !ok || !c.installed(m) || !m.Does(req.Task) || !m.takes(req) {
			return false
		}
		_, usable := c.usable(m, req)
		return usable
	})
}

// kontext is the model that has three ways to be answered: its maker's API, this computer, and FLUX.1 [dev] where there is no image.
const kontext = "flux-kontext"

// usable is the model with which the engine answers the request: the one asked for, else the most suitable one that is installed.
// An engine whose manifest names no model has one of its own.
func (c *Catalogue) usable(m *Manifest, req Choice) (string, bool) {
	if len(m.Models) == 0 {
		return string(m.ID), true
	}
	models := m.ModelsFor(req)
	spoken := slices.ContainsFunc(models, func(model *Model) bool { return model.Speaks(req.Language) })
	for _, model := range models {
		if spoken && !model.Speaks(req.Language) {
			continue // another one does; a language that none speaks is refused with all their languages
		}
		if (req.Model == "" || req.Model == model.ID || !m.HasModel(req.Model)) && c.HasFiles(m, model) {
			return model.ID, true
		}
	}
	return "", false
}

// without are the models of the task that do it with what came.
func (c *Catalogue) without(req Choice) (models []string) {
	for _, m := range c.all {
		if m.Quality != Final || !m.Does(req.Task) {
			continue
		}
		for _, model := range m.ModelsFor(req) {
			models = append(models, model.ID)
		}
	}
	slices.Sort(models)
	return slices.Compact(models)
}

// ToLoad is the model that the engine loads for a job that was chosen earlier: the one stored with the job when the engine has it
// and its files, else the most suitable that is installed, else the engine's default.
func (c *Catalogue) ToLoad(m *Manifest, req Choice) string {
	if model, ok := m.Model(req.Model); ok && c.HasFiles(m, model) {
		return req.Model
	}
	if model, ok := c.usable(m, Choice{Task: req.Task, Language: req.Language, Inputs: req.Inputs, Params: req.Params}); ok {
		return model
	}
	return m.ModelFor(req.Model)
}

// ModelsOf are the models that a request of the task may name, sorted.
func (c *Catalogue) ModelsOf(task string) []string {
	var known []string
	for _, entry := range finalModels {
		if slices.Contains(entry.tasks, task) {
			known = append(known, entry.model)
		}
	}
	for _, m := range c.all {
		if m.Does(task) {
			for _, model := range m.Models {
				known = append(known, model.ID)
			}
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// Does says whether the engine does the task.
func (m *Manifest) Does(task string) bool {
	_, ok := m.Tasks[task]
	return ok
}

func (c *Catalogue) finalCandidates(req Choice) []ID {
	var found []ID
	if req.Model == "" {
		found = append(found, finalEngines[req.Task]...)
	}
	for _, entry := range finalModels {
		if entry.model == req.Model && slices.Contains(entry.tasks, req.Task) {
			found = append(found, entry.engines...)
		}
	}
	for _, m := range c.all {
		if m.Quality == Final && m.Does(req.Task) && (req.Model == "" || m.HasModel(req.Model)) && !slices.Contains(found, m.ID) {
			found = append(found, m.ID)
		}
	}
	return found
}

func (c *Catalogue) draftFor(task string) *Manifest {
	for _, m := range c.all {
		if m.Quality == Draft && m.Does(task) {
			return m
		}
	}
	return nil
}

func (c *Catalogue) isDraftModel(task, model string) bool {
	m := c.draftFor(task)
	return m != nil && model != "" && m.HasModel(model)
}

func (c *Catalogue) notInstalled(req Choice) error {
	candidates := c.finalCandidates(req)
	if len(candidates) == 0 {
		return &UnknownTaskError{Task: req.Task, Quality: Final}
	}
	id := candidates[0]
	for _, candidate := range candidates {
		// An engine that lacks nothing but a model's files is the nearest to being there.
		if m, ok := c.Get(candidate); ok && c.installed(m) && len(m.ModelsFor(req)) > 0 {
			id = candidate
			break
		}
	}
	m, known := c.Get(id)
	if known && c.installed(m) {
		if models := m.ModelsFor(req); len(models) > 0 {
			model := models[0].ID
			if m.HasModel(req.Model) {
				model = req.Model
			}
			return &NotInstalledError{Engine: id, Model: model, How: Text{
				En:   fmt.Sprintf("install its files with `apibr models install %s`, or ask for quality draft", model),
				PtBR: fmt.Sprintf("instale os arquivos com `apibr models install %s`, ou peça a qualidade draft", model),
			}}
		}
	}
	how := Text{
		En:   fmt.Sprintf("install the models environment and the engine %s, or ask for quality draft", id),
		PtBR: fmt.Sprintf("instale o ambiente de modelos e o motor %s, ou peça a qualidade draft", id),
	}
	if known && m.Install.En != "" {
		how = m.Install
	}
	return &NotInstalledError{Engine: id, Model: req.Model, How: how}
}

func draftWarning(why error) report.Warning {
	detail := "no final engine exists for it"
	if missing, ok := why.(*NotInstalledError); ok {
		detail = fmt.Sprintf("the engine %s is not installed", missing.Engine)
	}
	return report.Warning{Code: "draft_quality", Message: i18n.Plain("made in draft quality: " + detail)}
}
