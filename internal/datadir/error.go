package datadir

import "github.com/apibr/studio/internal/i18n"

// Error says why a file or folder is not trusted, and what to type.
type Error struct{ sentence i18n.Sentence }

// Error is the sentence in English.
func (e *Error) Error() string { return e.sentence.String() }

// Sentence is what the user reads.
func (e *Error) Sentence() i18n.Sentence { return e.sentence }

func refusal(format string, args ...any) *Error { return &Error{i18n.Say(format, args...)} }

// unreadable is a file that the system does not let this user read or change.
type unreadable struct {
	sentence i18n.Sentence
	cause    error
}

func (u *unreadable) Error() string           { return u.sentence.String() }
func (u *unreadable) Sentence() i18n.Sentence { return u.sentence }
func (u *unreadable) Unwrap() error           { return u.cause }

func cannotRead(name string, err error) error {
	return &unreadable{i18n.Say("%s cannot be read: %s", name, FileProblem(err)), err}
}
