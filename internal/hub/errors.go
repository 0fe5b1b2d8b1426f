package hub

import (
	"errors"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Kind says what went wrong, for code.
type Kind string

// The kinds of errors.
const (
	Unreachable  Kind = "hub_unreachable"
	Unauthorized Kind = "hub_token"
	Gated        Kind = "hub_gated"
	NotFound     Kind = "hub_not_found"
	RateLimited  Kind = "hub_rate_limited"
	ServerFault  Kind = "hub_fault"
	BadAnswer    Kind = "hub_answer"
	Truncated    Kind = "hub_truncated"
	WrongSize    Kind = "wrong_size"
	WrongHash    Kind = "wrong_hash"
	DiskFull     Kind = "disk_full"
	Refused      Kind = "address_refused"
)

// Error is a failure that a user can read: it names no path of this machine, no token and no signed address.
type Error struct {
	Kind   Kind
	Detail i18n.Sentence

	// RetryAfter is how long the server asks to be left alone. Zero: it said nothing.
	RetryAfter time.Duration

	// again says that the same request may succeed a little later.
	again bool
	// cause is for the log. It may name a host, never a query or a header.
	cause error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Detail.String() + " (" + e.cause.Error() + ")"
	}
	return e.Detail.String()
}

// Sentence is the error for people: without its cause.
func (e *Error) Sentence() i18n.Sentence { return e.Detail }

func (e *Error) Unwrap() error { return e.cause }

// Is lets errors.Is(err, &Error{Kind: k}) ask for a kind.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Kind == e.Kind && other.Detail.Empty()
}

// IsKind says whether err is an Error of that kind.
func IsKind(err error, kind Kind) bool {
	var own *Error
	return errors.As(err, &own) && own.Kind == kind
}

func fail(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: i18n.Say(format, args...)}
}

func (e *Error) because(cause error) *Error { e.cause = cause; return e }

func (e *Error) retryable(after time.Duration) *Error {
	e.again, e.RetryAfter = true, after
	return e
}
