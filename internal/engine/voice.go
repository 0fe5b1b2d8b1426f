package engine

import (
	"slices"
	"strings"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// Voice is what the choice of an engine needs to know of a voice that the request names.
type Voice struct {
	Name string // Name for people.
	// Owner is the engine that a built-in voice belongs to; empty for a cloned voice.
	Owner ID
}

// The codes of warnings about who speaks a voice.
const (
	CodeNaturalVoiceMissing = "natural_voice_missing"
	CodeVoiceLanguage       = "voice_language"
	CodeMixedVoices         = "mixed_voices"
)

// byVoices decides what depends on the voices alone. Voices that all belong to one engine are spoken by that engine,
// whatever the quality, unless another model was asked for. Where the engine cannot do it, the request goes on to the
// others: changed is what is left to choose from, and the warnings say why.
//
// It fails with *NotInstalledError or *LanguageError when final quality or the engine's own model was asked for, and
// with *VoiceError for a model that speaks none but its own voices.
func (c *Catalogue) byVoices(req Choice) (found Selection, changed Choice, warnings []report.Warning, err error) {
	owner := c.owner(req)
	switch {
	case owner == nil:
		return c.byOthers(req)
	case req.Model != "" && !owner.HasModel(req.Model),
		req.Quality != "" && req.Quality != owner.Quality && !owner.EveryQuality:
		return found, req, nil, nil
	}
	name := req.Voices[0].Name
	if !owner.Speaks(req.Language) {
		if req.Quality == Final || req.Model != "" {
			return found, req, nil, c.unspoken(owner, req)
		}
		req.exclude = owner.ID
		return found, req, []report.Warning{{Code: CodeVoiceLanguage, Message: i18n.Say(
			"the voice %s does not speak %s: another engine speaks in its place", name, req.Language)}}, nil
	}
	if c.installed(owner) {
		if model, ok := c.usable(owner, req); ok {
			return Selection{Manifest: owner, Model: model}, req, nil, c.refuse(owner, model, req)
		}
	}
	missing := c.missing(owner, req)
	if req.Quality == Final {
		return found, req, nil, missing
	}
	req.Quality, req.exclude = Draft, owner.ID
	return found, req, []report.Warning{{Code: CodeNaturalVoiceMissing, Message: i18n.Say(
		"made in draft quality: the model of the voice %s is not installed: %s", name, c.toInstall(owner, missing),
	)}}, nil
}

// byOthers is byVoices for a request whose voices do not all belong to one engine.
func (c *Catalogue) byOthers(req Choice) (found Selection, changed Choice, warnings []report.Warning, err error) {
	if m, ok := c.ownOnly(req); ok {
		if len(req.Voices) == 0 && !m.Speaks(req.Language) {
			return found, req, nil, c.unspoken(m, req)
		}
		e := &VoiceError{Model: req.Model}
		if i := slices.IndexFunc(req.Voices, func(v Voice) bool { return v.Owner != m.ID }); i >= 0 {
			e.Voice = req.Voices[i].Name
		}
		return found, req, nil, e
	}
	natural := slices.IndexFunc(req.Voices, func(v Voice) bool { return c.speaksOwn(v.Owner, req.Task) })
	if natural < 0 || req.Quality != "" || req.Model != "" {
		return found, req, nil, nil
	}
	// An engine that clones voices would speak the built-in ones in a voice of its own. The draft engine knows both.
	other := slices.IndexFunc(req.Voices, func(v Voice) bool { return v.Owner != req.Voices[natural].Owner })
	req.Quality = Draft
	return found, req, []report.Warning{{Code: CodeMixedVoices, Message: i18n.Say(
		"made in draft quality: no final engine speaks both %s and %s; make their lines in requests of their own",
		req.Voices[natural].Name, req.Voices[other].Name)}}, nil
}

// owner is the engine that all voices of the request belong to; nil when there is none, or when it does not do the
// task.
func (c *Catalogue) owner(req Choice) *Manifest {
	if len(req.Voices) == 0 {
		return nil
	}
	id := req.Voices[0].Owner
	if !c.speaksOwn(id, req.Task) || slices.ContainsFunc(req.Voices, func(v Voice) bool { return v.Owner != id }) {
		return nil
	}
	return c.byID[id]
}

// speaksOwn says whether the engine exists and does the task in voices of its own.
func (c *Catalogue) speaksOwn(id ID, task string) bool {
	m, ok := c.Get(id)
	return ok && m.BuiltinVoices != "" && m.Does(task)
}

// ownOnly is the engine of the model asked for, when it speaks its own voices only.
func (c *Catalogue) ownOnly(req Choice) (*Manifest, bool) {
	if req.Model == "" {
		return nil, false
	}
	i := slices.IndexFunc(c.all, func(m *Manifest) bool { return m.Does(req.Task) && m.HasModel(req.Model) })
	if i < 0 || !c.all[i].OwnVoicesOnly {
		return nil, false
	}
	return c.all[i], true
}

// leftOut says whether the engine is none for a request that byVoices has let pass.
func (req Choice) leftOut(m *Manifest) bool {
	return m.OwnVoicesOnly || m.ID == req.exclude && m.ID != ""
}

// Speaks says whether the engine speaks the language of the tag: that tag, or the language without its region. An
// engine to which languages mean nothing speaks all.
func (m *Manifest) Speaks(tag string) bool {
	return tag == "" || strings.EqualFold(baseOf(tag), "und") || len(m.Languages) == 0 ||
		slices.ContainsFunc(m.Languages, func(known string) bool {
			return strings.EqualFold(known, tag) || strings.EqualFold(known, baseOf(tag))
		})
}

// unspoken names what speaks the language that an engine does not.
func (c *Catalogue) unspoken(m *Manifest, req Choice) error {
	e := &LanguageError{Model: m.ModelFor(req.Model), Language: req.Language, Speaks: m.Languages}
	for _, other := range c.all {
		if other.ID == m.ID || !other.Does(req.Task) || !other.Speaks(req.Language) {
			continue
		}
		for i := range other.Models {
			if model := &other.Models[i]; model.does(req) && model.Speaks(req.Language) {
				e.Others = append(e.Others, model.ID)
			}
		}
	}
	return e
}

// toInstall is what a person types to get the engine's model.
func (c *Catalogue) toInstall(m *Manifest, missing *NotInstalledError) i18n.Sentence {
	if missing.Model == "" || !c.installed(m) {
		return missing.How
	}
	return i18n.Say("run `make setup`, or `apibr models install %s`", missing.Model)
}

// Honouring are the models of the task whose engines take the parameter, sorted.
func (c *Catalogue) Honouring(task, parameter string) (models []string) {
	for _, m := range c.all {
		properties, _ := m.Tasks[task].Parameters["properties"].(map[string]any)
		if _, has := properties[parameter]; !has {
			continue
		}
		for _, model := range m.Models {
			models = append(models, model.ID)
		}
	}
	slices.Sort(models)
	return slices.Compact(models)
}
