package auth

import (
	"errors"

	"github.com/apibr/studio/internal/i18n"
)

// Cause says why a credential was refused.
type Cause string

// The causes.
const (
	CauseMissing   Cause = "missing"   // none was sent
	CauseMalformed Cause = "malformed" // it does not look like one of ours
	CauseUnknown   Cause = "unknown"   // it looks like one and is none
	CauseExpired   Cause = "expired"
	CauseRevoked   Cause = "revoked" // the key was revoked, or the session was ended
	CauseUsed      Cause = "used"    // a link or ticket that was used, has expired or never was one
)

// CredentialError refuses a credential. It is ErrUnauthenticated, or ErrUsed for a link.
type CredentialError struct {
	// Kind of credential: a key, a session, a ticket; empty when none was sent.
	Kind  Via
	Cause Cause
	// Detail is a sentence that says more than the cause does; empty when there is none.
	Detail i18n.Sentence
}

func (e *CredentialError) Error() string { return e.Sentence().String() }

// Sentence says what is wrong with the credential, and how to get another.
func (e *CredentialError) Sentence() i18n.Sentence {
	if !e.Detail.Empty() {
		return e.Detail
	}
	if s, ok := causes[e.Cause]; ok {
		return s
	}
	return ErrUnauthenticated.Sentence()
}

// Is makes it ErrUnauthenticated for callers that do not need the cause.
func (e *CredentialError) Is(target error) bool { return target == ErrUnauthenticated }

var causes = map[Cause]i18n.Sentence{
	CauseMalformed: i18n.Say(
		"this is not an API key: send one that begins with apibr_ as `Authorization: Bearer apibr_...` or `X-API-Key`",
	),
	CauseUnknown: i18n.Say(
		"this studio does not know this key or session: make a key with `apibr keys create`, or sign in with " +
			"`apibr open`",
	),
	CauseExpired: i18n.Say(
		"this key or session has expired: make a key with `apibr keys create`, or sign in with `apibr open`",
	),
	CauseRevoked: i18n.Say(
		"this key was revoked or its session was ended: make a key with `apibr keys create`, or sign in with " +
			"`apibr open`",
	),
	CauseUsed: i18n.Say("this ticket was used already or has expired: ask for a new one"),
}

// CauseOf is why an error refuses a credential; "" for other errors.
func CauseOf(err error) Cause {
	var refused *CredentialError
	switch {
	case errors.As(err, &refused):
		return refused.Cause
	case errors.Is(err, ErrUsed):
		return CauseUsed
	default:
		return ""
	}
}
