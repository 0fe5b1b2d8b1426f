package datadir

import "github.com/apibr/studio/internal/i18n"

// Error says why a file or folder is not trusted, and what to type.
type Error struct{ sentence i18n.Sentence }

// Error is the sentence in English.
func (e *Error) Error() string { return e.sentence.String() }

// Sentence is what the user reads.
func (e *Error) Sentence() i18n.Sentence { return e.sentence }

func refusal(format string, args ...any) *Error { return &Error{i18n.Say(format, args...)} }

func cannotRead(name string, err error) error {
	return i18n.Wrap(err, i18n.Say("%s cannot be read: %s", name, FileProblem(err)))
}
