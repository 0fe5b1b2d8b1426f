package auth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/i18n"
)

// LocalAdmin owns everything that is made by the CLI and by browsers that the one-time link signs in.
var LocalAdmin = uuid.MustParse("00000000-0000-7000-8000-000000000001")

var (
	// ErrUnauthenticated matches every *CredentialError, and the sentence for a request without a credential.
	ErrUnauthenticated = i18n.NewError(
		"send an API key as `Authorization: Bearer apibr_...` or `X-API-Key`, " +
			"or open the studio with the link that `apibr open` prints",
	)
	// ErrOrigin: a cookie came with a request of another site.
	ErrOrigin = i18n.NewError(
		"this request comes from another site than the studio's own page; programs use an API key instead of " +
			"the cookie",
	)
	// ErrUsed: a one-time link or ticket that was used, expired or never given out.
	ErrUsed = i18n.NewError("this link was used already or has expired: `apibr open` prints a new one")
	// ErrNotFound: no such key, or another owner's.
	ErrNotFound = errors.New("auth: no such key")
	// ErrNoSession: no such session, or another owner's.
	ErrNoSession = errors.New("auth: no such session")
	// ErrNotASession refuses to sign out a request that came with a key.
	ErrNotASession = i18n.NewError("only a browser's session can be signed out: a key is ended by revoking it")
	// ErrBadScope: a scope that does not exist, or that the caller may not give away.
	ErrBadScope = i18n.NewError(
		"scopes are read, generate, admin and scrape_script, and a key can give away only those that it has",
	)
)

// ScopeError says which scope a caller lacks.
type ScopeError struct{ Missing Scope }

func (e *ScopeError) Error() string { return e.Sentence().String() }

// Sentence says which scope, and how to get a key that has it.
func (e *ScopeError) Sentence() i18n.Sentence {
	return i18n.Say("this key lacks the scope %s: use a key that has it; one with the scope admin makes others: %s",
		e.Missing, i18n.See{Route: "POST /api/v1/keys", Command: "apibr keys create"})
}

// Scope is a right.
type Scope string

// The scopes. Admin includes every other one.
const (
	Read         Scope = "read"
	Generate     Scope = "generate"
	Admin        Scope = "admin"
	ScrapeScript Scope = "scrape_script"
)

// AllScopes in the order in which they are shown.
var AllScopes = []Scope{Read, Generate, Admin, ScrapeScript}

// Via is the kind of credential that a request came with.
type Via string

// The kinds of credential.
const (
	ViaKey     Via = "key"
	ViaSession Via = "session"
	ViaTicket  Via = "ticket"
	ViaLink    Via = "link" // a one-time link, or the signed link of a file
)

// Principal is the sender of a request.
type Principal struct {
	Owner  uuid.UUID
	Scopes []Scope
	Via    Via
	// KeyID is the key itself, or the one that the session or ticket comes from.
	KeyID *uuid.UUID
	// SessionID is the session itself, or the one that made the ticket; nil when only a key is behind the request.
	SessionID *uuid.UUID
	Admin     bool // has the scope admin
	// Limits are the key's own limits (column api_keys.limits), nil for a session.
	Limits json.RawMessage
	// ExpiresAt is when the credential ends, nil for never. KeyExpiresAt is when its key does.
	ExpiresAt    *time.Time
	KeyExpiresAt *time.Time

	// asOf is the Service's count of ended credentials when this was read (see Watch).
	asOf uint64
}

// Can says whether the principal has a scope; admin has all.
func (p Principal) Can(s Scope) bool { return p.Admin || slices.Contains(p.Scopes, s) }

// Require returns a *ScopeError when the principal lacks the scope.
func (p Principal) Require(s Scope) error {
	if p.Can(s) {
		return nil
	}
	return &ScopeError{Missing: s}
}

// IdempotencyScope is the scope under which an Idempotency-Key of this principal is kept: owner and key.
func (p Principal) IdempotencyScope() string {
	if p.Via == ViaKey {
		return p.Owner.String() + "/" + p.KeyID.String()
	}
	return p.Owner.String() + "/" + string(p.Via)
}

type principalKey struct{}

// WithPrincipal puts the principal into a context.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the principal that Admit put there.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// Key is a row of api_keys, without its secret.
type Key struct {
	ID         uuid.UUID       `db:"id"`
	OwnerID    uuid.UUID       `db:"owner_id"`
	Name       string          `db:"name"`
	Prefix     string          `db:"prefix"` // the first characters, so that users can distinguish keys
	Scopes     []Scope         `db:"scopes"`
	Limits     json.RawMessage `db:"limits"`
	CreatedAt  time.Time       `db:"created_at"`
	ExpiresAt  *time.Time      `db:"expires_at"`
	LastUsedAt *time.Time      `db:"last_used_at"`
	RevokedAt  *time.Time      `db:"revoked_at"`
	// MadeBy is the key that made this one, directly or through a session; nil for keys of the studio itself.
	MadeBy *uuid.UUID `db:"made_by"`
}

// NewKey holds the properties of a new key.
type NewKey struct {
	Owner     uuid.UUID
	Name      string
	Scopes    []Scope    // at least one
	ExpiresAt *time.Time // nil: never
	Limits    json.RawMessage
	// By makes the key, which cannot outlive the key behind By. Nil: the studio itself.
	By *Principal
}

// Entry is a row of audit_log.
type Entry struct {
	Owner     *uuid.UUID
	Actor     string // "key:<id>", "session:<id>", "cli", "system"
	Action    string // "key.create", "key.revoke", "session.open" ...
	Subject   string
	RequestID string
	Detail    map[string]any
}
