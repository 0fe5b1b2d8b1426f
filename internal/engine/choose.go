package engine

import (
	"errors"
	"slices"

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
	Params   map[string]any // Params by which one model may suit better than another, as `scale`.

	// Voices that speak, those of all lines. None: the request has no speech, or the engine's own voice speaks.
	Voices []Voice

	exclude ID // exclude is an engine that cannot answer.
}

func (req Choice) lacks(input string) bool { return !slices.Contains(req.Inputs, input) }

// Selection is the engine that answers a Choice.
type Selection struct {
	Manifest *Manifest
	// Model is what the engine loads. It differs from Choice.Model when another model stands in.
	Model    string
	Warnings []report.Warning
}

// Choose finds the engine and the model for a request.
//
// Voices that belong to an engine are spoken by it; see byVoices. Else, without a quality, it takes final when that
// engine is installed, else draft with the warning `draft_quality`.
//
// It fails with *UnknownModelError, with *NotInstalledError (only when final was asked for), with *NeedsInputError when
// the model asked for needs a file that did not come, with *LanguageError when it does not speak the language, with
// *VoiceError when it does not speak the voice, with *IdleParameterError when a parameter could only be ignored, or
// with *UnknownTaskError.
func (c *Catalogue) Choose(req Choice) (Selection, error) {
	if req.Model != "" && !slices.Contains(c.ModelsOf(req.Task), req.Model) {
		return Selection{}, &UnknownModelError{Task: req.Task, Model: req.Model, Known: c.ModelsOf(req.Task)}
	}
	selection, req, warnings, err := c.byVoices(req)
	if err != nil || selection.Manifest != nil {
		return selection, err
	}
	if selection, err = c.byQuality(req); err == nil {
		selection.Warnings = append(warnings, selection.Warnings...)
	}
	return selection, err
}

// byQuality chooses among the engines that speak any voice.
func (c *Catalogue) byQuality(req Choice) (Selection, error) {
	quality := req.Quality
	if quality == "" && c.isDraftModel(req) {
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
	m := c.draftFor(req)
	if m == nil {
		return c.onlyFinal(req)
	}
	selection := Selection{Manifest: m, Model: m.ModelFor(req.Model)}
	if quality == "" {
		selection.Warnings = append(selection.Warnings, draftWarning(c.notInstalled(req)))
	}
	return selection, nil
}

// onlyFinal answers for a task that no draft engine does, by an engine that answers every quality.
func (c *Catalogue) onlyFinal(req Choice) (Selection, error) {
	if !slices.ContainsFunc(c.candidates(req), func(m *Manifest) bool { return m.EveryQuality }) {
		return Selection{}, &UnknownTaskError{Task: req.Task, Quality: req.Quality}
	}
	selection, err := c.final(req)
	switch {
	case err != nil:
	case selection.Manifest == nil:
		err = c.notInstalled(req)
	case req.Quality == Draft:
		selection.Warnings = append(selection.Warnings, report.Warning{
			Code: "final_quality", Message: i18n.Say("made in final quality: there is no draft of it"),
		})
	}
	return selection, err
}

// final is the first engine of final quality that can answer with one of its installed models; none leaves Manifest
// nil.
func (c *Catalogue) final(req Choice) (Selection, error) {
	candidates := c.candidates(req)
	for _, m := range candidates {
		if !c.installed(m) || !m.takes(req) && c.taken(req) {
			continue
		}
		if asked, ok := m.Model(req.Model); ok && c.HasFiles(m, asked) && len(asked.lacks(req)) > 0 {
			return Selection{}, &NeedsInputError{
				Model:  asked.ID,
				Task:   req.Task,
				Inputs: asked.lacks(req),
				Others: c.without(req),
			}
		}
		if err := c.mute(m, req); err != nil {
			return Selection{}, err
		}
		if model, ok := c.usable(m, req); ok {
			return Selection{Manifest: m, Model: model}, c.refuse(m, model, req)
		}
	}
	for _, m := range candidates {
		if selection, ok := c.standIn(m, req); ok {
			return selection, c.refuse(m, selection.Model, req)
		}
	}
	return Selection{}, nil
}

// standIn answers with the model that the engine's manifest names for the one that was asked for and is not there.
func (c *Catalogue) standIn(m *Manifest, req Choice) (Selection, bool) {
	asked, ok := m.Model(req.Model)
	if !ok || asked.StandIn == nil || !asked.StandIn.fits(req) || !c.installed(m) {
		return Selection{}, false
	}
	model, ok := m.Model(asked.StandIn.Model)
	if !ok || !c.HasFiles(m, model) {
		return Selection{}, false
	}
	warning := report.Warning{Code: "model_substituted", Message: asked.StandIn.Warning.Sentence()}
	return Selection{Manifest: m, Model: model.ID, Warnings: []report.Warning{warning}}, true
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

// taken says whether some engine that could answer takes every file of the request. Where none does, the first refuses
// it by name.
func (c *Catalogue) taken(req Choice) bool {
	return slices.ContainsFunc(c.candidates(req), func(m *Manifest) bool {
		if !c.installed(m) || !m.takes(req) {
			return false
		}
		_, usable := c.usable(m, req)
		return usable
	})
}

// usable is the model with which the engine answers the request: the one asked for, else the most suitable one that is
// installed. An engine whose manifest names no model has one of its own.
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

// ToLoad is the model that the engine loads for a job that was chosen earlier: the one stored with the job when the
// engine has it and its files, else the most suitable that is installed, else the engine's default.
func (c *Catalogue) ToLoad(m *Manifest, req Choice) string {
	if model, ok := m.Model(req.Model); ok && c.HasFiles(m, model) {
		return req.Model
	}
	any := req
	any.Model, any.Quality = "", ""
	if model, ok := c.usable(m, any); ok {
		return model
	}
	return m.ModelFor(req.Model)
}

// ModelsOf are the models that a request of the task may name, sorted. Those of planned engines are among them.
func (c *Catalogue) ModelsOf(task string) (known []string) {
	for _, m := range c.known {
		if m.Does(task) {
			for _, model := range m.Models {
				known = append(known, model.ID)
			}
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// draftFor is the first engine of draft quality that does the task; nil when none does.
func (c *Catalogue) draftFor(req Choice) *Manifest {
	for _, m := range c.engines(Draft, req.Task) {
		if !m.Planned && !req.leftOut(m) {
			return m
		}
	}
	return nil
}

func (c *Catalogue) isDraftModel(req Choice) bool {
	m := c.draftFor(req)
	return m != nil && req.Model != "" && m.HasModel(req.Model)
}

// notInstalled says what to install for the request to be answered in final quality.
func (c *Catalogue) notInstalled(req Choice) error {
	candidates := c.candidates(req)
	if len(candidates) == 0 {
		return &UnknownTaskError{Task: req.Task, Quality: Final}
	}
	m := candidates[0]
	for _, candidate := range candidates {
		// An engine that lacks nothing but a model's files is the nearest to being there.
		if c.installed(candidate) && len(candidate.ModelsFor(req)) > 0 {
			m = candidate
			break
		}
	}
	return c.missing(m, req)
}

// missing says what of an engine is to be installed.
func (c *Catalogue) missing(m *Manifest, req Choice) *NotInstalledError {
	if models := m.ModelsFor(req); c.installed(m) && len(models) > 0 {
		model := models[0].ID
		if m.HasModel(req.Model) {
			model = req.Model
		}
		how := i18n.Say("install its files with `apibr models install %s`, or ask for quality draft", model)
		if c.draftFor(req) == nil {
			how = i18n.Say("install its files with `apibr models install %s`", model)
		}
		return &NotInstalledError{Engine: m.ID, Model: model, How: how}
	}
	how := i18n.Say("install the models environment and the engine %s, or ask for quality draft", m.ID)
	if len(m.Install) > 0 {
		how = m.Install.Sentence()
	}
	return &NotInstalledError{Engine: m.ID, Model: req.Model, How: how}
}

func draftWarning(why error) report.Warning {
	message := i18n.Say("made in draft quality: no final engine exists for it")
	var missing *NotInstalledError
	if errors.As(why, &missing) {
		message = i18n.Say("made in draft quality: the engine %s is not installed", missing.Engine)
	}
	return report.Warning{Code: "draft_quality", Message: message}
}
