package engine

import (
	"cmp"
	"maps"
	"slices"
)

// refuse looks for what the model that was found could only ignore.
func (c *Catalogue) refuse(m *Manifest, id string, req Choice) error {
	model, ok := m.Model(id)
	if !ok {
		return nil
	}
	for _, parameter := range sortedKeys(model.With) {
		inputs := model.With[parameter]
		if _, sent := req.Params[parameter]; sent && slices.ContainsFunc(inputs, req.lacks) {
			return &IdleParameterError{Model: id, Parameter: parameter, Inputs: inputs}
		}
	}
	return nil
}

// mute is an error when the model is installed, was asked for by its name, and does not speak the language.
func (c *Catalogue) mute(m *Manifest, req Choice) error {
	model, ok := m.Model(req.Model)
	if !ok || !c.HasFiles(m, model) || model.Speaks(req.Language) {
		return nil
	}
	e := &LanguageError{Model: model.ID, Language: req.Language, Speaks: model.Languages}
	for i := range m.Models {
		if other := &m.Models[i]; other.does(req) && other.Speaks(req.Language) {
			e.Others = append(e.Others, other.ID)
		}
	}
	return e
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
