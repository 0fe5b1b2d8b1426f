package engine

import (
	"github.com/apibr/studio/internal/i18n"
)

// NotInstalledError says that final quality was asked for and its engine is not there.
type NotInstalledError struct {
	Engine ID
	Model  string
	How    i18n.Sentence // How is what to install.
}

func (e *NotInstalledError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *NotInstalledError) Sentence() i18n.Sentence {
	if e.Model != "" {
		return i18n.Say("the engine %s of model %s is not installed: %s", e.Engine, e.Model, e.How)
	}
	return i18n.Say("the engine %s is not installed: %s", e.Engine, e.How)
}

// NeedsInputError says that the model asked for does the task only with a file that did not come.
type NeedsInputError struct {
	Model, Task string
	Inputs      []string
	Others      []string // Others are models that do it without.
}

func (e *NeedsInputError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *NeedsInputError) Sentence() i18n.Sentence {
	inputs := i18n.And(e.Inputs...)
	if len(e.Others) == 0 {
		return i18n.Say("model %s does %s only with %s: send it", e.Model, e.Task, inputs)
	}
	return i18n.Say("model %s does %s only with %s: send it, or choose the model %s", e.Model, e.Task, inputs,
		i18n.Commas(e.Others...))
}

// UnknownModelError says that no engine of the task has a model of that name.
type UnknownModelError struct {
	Task  string
	Model string
	Known []string
}

func (e *UnknownModelError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *UnknownModelError) Sentence() i18n.Sentence {
	return i18n.Say("model %q is not known for %s; known: %s", e.Model, e.Task, i18n.Commas(e.Known...))
}

// UnknownTaskError says that no engine does the task in the quality asked for.
type UnknownTaskError struct{ Task, Quality string }

func (e *UnknownTaskError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *UnknownTaskError) Sentence() i18n.Sentence {
	if e.Quality == "" {
		return i18n.Say("no engine does %s", e.Task)
	}
	return i18n.Say("no %s engine does %s", e.Quality, e.Task)
}

// LanguageError says that the model asked for does not speak the language of the request or of its voice.
type LanguageError struct {
	Model, Language string
	Speaks          []string
	Others          []string // Others are models of the task that speak it.
}

func (e *LanguageError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *LanguageError) Sentence() i18n.Sentence {
	speaks := i18n.Commas(e.Speaks...)
	if len(e.Others) == 0 {
		return i18n.Say("model %s does not speak %s; it speaks %s", e.Model, e.Language, speaks)
	}
	return i18n.Say("model %s does not speak %s; it speaks %s: choose the model %s", e.Model, e.Language, speaks,
		i18n.Or(e.Others...))
}

// IdleParameterError says that a parameter means nothing without a file that did not come.
type IdleParameterError struct {
	Model, Parameter string
	Inputs           []string
}

func (e *IdleParameterError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *IdleParameterError) Sentence() i18n.Sentence {
	return i18n.Say("%s means nothing to model %s without %s: send it, or leave %s out", e.Parameter, e.Model,
		i18n.And(e.Inputs...), e.Parameter)
}

// VoiceError says that the model asked for speaks only its own voices.
type VoiceError struct {
	Model string
	Voice string // Voice that is not one of them; empty when the request names none.
}

func (e *VoiceError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *VoiceError) Sentence() i18n.Sentence {
	if e.Voice == "" {
		return i18n.Say("the model %s speaks only its own voices: choose one of them, or leave the model out", e.Model)
	}
	return i18n.Say("the model %s speaks only its own voices, and %s is not one of them: "+
		"choose one of them, or leave the model out", e.Model, e.Voice)
}
