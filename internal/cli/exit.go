package cli

import (
	"context"
	"errors"

	"github.com/apibr/studio/internal/i18n"
)

// Exit codes of apibr. They are listed in `apibr --help` and never change their meaning.
const (
	ExitOK          = 0
	ExitError       = 1   // anything not named below
	ExitUsage       = 2   // unknown command or flag, or a flag's value is wrong
	ExitJobFailed   = 3   // the job ended as failed
	ExitJobCanceled = 4   // the job ended as canceled
	ExitUnreachable = 5   // no studio answers at the server address
	ExitRefused     = 6   // the studio refused the request (what to change is on stderr)
	ExitDiskFull    = 7   // the studio could not start because the disk of its data directory is full
	ExitInterrupted = 130 // Ctrl-C; the job was left running
)

// exitError is a failure with its sentence and the exit code that it ends the program with.
type exitError struct {
	code     int
	sentence i18n.Sentence
	cause    error // nil when the sentence says it all
}

// Error is the sentence in English.
func (e *exitError) Error() string { return e.sentence.String() }

// Sentence is what the user reads.
func (e *exitError) Sentence() i18n.Sentence { return e.sentence }

func (e *exitError) Unwrap() error { return e.cause }

// exitWith makes an error of a sentence; the format must be a constant.
func exitWith(code int, format string, args ...any) error {
	return &exitError{code: code, sentence: i18n.Say(format, args...)}
}

// withCode gives an error an exit code and keeps its sentence.
func withCode(code int, err error) error {
	return &exitError{code: code, sentence: i18n.For(err), cause: err}
}

// exitCode is the code that err ends the program with.
func exitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitError
	}
}
