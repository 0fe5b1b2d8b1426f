package engine

import (
	"fmt"
	"slices"
	"strings"
)

// LanguageError says that the model asked for does not speak the language of the request or of its voice.
type LanguageError struct {
	Model, Language string
	Speaks          []string
	Others          []string // Others are models of the task that speak it.
}

func (e *LanguageError) Error() string {
	if len(e.Others) == 0 {
		return fmt.Sprintf("model %s does not speak %s; it speaks %s", e.Model, e.Language, strings.Join(e.Speaks, ", "))
	}
	return fmt.Sprintf("model %s does not speak %s; it speaks %s: choose the model %s", e.Model, e.Language, strings.Join(e.Speaks, ", "), strings.Join(e.Others, ", "))
}

// IdleParameterError says that a parameter means nothing without a file that did not come.
type IdleParameterError struct {
	Model, Parameter string
	Inputs           []string
}

func (e *IdleParameterError) Error() string {
	return fmt.Sprintf("%s means nothing to model %s without %s: send it, or leave %s out", e.Parameter, e.Model, strings.Join(e.Inputs, " and "), e.Parameter)
}

// refuse looks for what the model that was found could only ignore.
func (c *Catalogue) refuse(m *Manifest, id string, req Choice) error {
	model, ok := m.Model(id)
	if !ok {
		return nil
	}
	for _, parameter := range sortedKeys(model.With) {
		inputs := model.With[parameter]
		if _, sent := req.Params[parameter]; sent && slices.ContainsFunc(inputs, func(input string) bool { return !slices.Contains(req.Inputs, input) }) {
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

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
