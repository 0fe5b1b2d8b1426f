package generation

import (
	"errors"
	"strings"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/plan"
)

// Codes of this package's own refusals. Refusals of another package keep their code: see FieldError.Err.
const (
	CodeInvalid             = "invalid_request"
	CodeUnsupportedField    = "unsupported_field"
	CodeUnsupportedLanguage = "unsupported_language"
	CodeUnknownModel        = "unknown_model"
)

// ErrRefused says that a request has no faults besides those that its transport has reported: see Input.Refused.
var ErrRefused = errors.New("generation: the request was refused before")

// FieldError is one thing that is wrong with a request.
type FieldError struct {
	// Field is the place below the request, as in "lines/0/voice_id"; "" for the request as a whole.
	Field string
	// Code is one of the above; "" when Err has one.
	Code string
	// Say is the sentence for the caller; empty when Err has one.
	Say i18n.Sentence
	// Err is the refusal of another package, nil when this package refuses.
	Err error
}

// Error is the sentence in English.
func (e *FieldError) Error() string { return e.Sentence().String() }

// Sentence returns the sentence to show.
func (e *FieldError) Sentence() i18n.Sentence {
	if e.Say.Empty() && e.Err != nil {
		return i18n.For(e.Err)
	}
	return e.Say
}

// Unwrap returns the refusal of another package.
func (e *FieldError) Unwrap() error { return e.Err }

// Errors are all complaints about one request, in the order in which they were found.
type Errors []*FieldError

// Error returns the fault in English.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the complaints.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}

// refusal says whether an error is about the caller's values. Other errors are failures of the studio.
func refusal(err error) bool {
	var kind *assets.KindError
	var file *media.InputError
	var limit *media.LimitError
	var fetching *fetch.Error
	var large *plan.TooLargeError
	return errors.As(err, &kind) || errors.As(err, &file) || errors.As(err, &limit) || errors.As(err, &fetching) ||
		errors.As(err, &large)
}

// complaints gathers the faults of a request over all steps that check it.
type complaints struct {
	list Errors
	// told are the top fields that were reported already: faults that follow from those are left out.
	told map[string]bool
	// refused says that the transport has reported faults already.
	refused bool
	// failure is an error of the studio, not of the request: the checks stop there.
	failure error
}

func (c *complaints) none() bool { return len(c.list) == 0 && c.failure == nil && !c.refused }

// add complaints that were found together. A complaint about a field that was reported before is left out.
func (c *complaints) add(found ...*FieldError) {
	before := len(c.list)
	for _, one := range found {
		if one.Field == "" || !c.told[top(one.Field)] {
			c.list = append(c.list, one)
		}
	}
	for _, one := range c.list[before:] {
		c.told[top(one.Field)] = true
	}
}

// err is the outcome; nil when nothing is wrong.
func (c *complaints) err() error {
	switch {
	case c.failure != nil:
		return c.failure
	case len(c.list) > 0:
		return c.list
	case c.refused:
		return ErrRefused
	default:
		return nil
	}
}

// top is the member of the request that a place is in.
func top(field string) string {
	name, _, _ := strings.Cut(field, "/")
	return name
}
