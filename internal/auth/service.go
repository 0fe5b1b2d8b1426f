package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxCached bounds the memory of the cache; it is far above the number of keys that one studio has.
const maxCached = 4096

// Config of a Service. Pool is needed.
type Config struct {
	Pool *pgxpool.Pool

	// CacheTTL is how long an answer is remembered, and so how long a key that another process revoked still works
	// here when its notification got lost. Default 5 s. A revocation in this process works at once.
	CacheTTL time.Duration

	// Recheck is how often the credentials of open sockets, streams and requests are checked again. Default 1 minute.
	Recheck time.Duration

	// SecureCookie sets the cookie's Secure flag: for a public_base_url of https. Default false.
	SecureCookie bool

	// AllowedOrigins are origins besides the request's own Host that may use the cookie: public_base_url's. Default
	// none.
	AllowedOrigins []string

	// Limits of failed sign-ins.
	Limits Limits

	// TrustForwarded believes X-Forwarded-For of a proxy in front. Default false.
	TrustForwarded bool

	// OnFailed is called for each failed sign-in, for metrics. Default: nothing.
	OnFailed func(kind, cause string, slowed bool)

	// Now is replaced by tests. Default time.Now.
	Now func() time.Time

	Log *slog.Logger
}

// Service checks credentials. Safe for concurrent use.
type Service struct {
	cfg Config

	mu    sync.RWMutex
	cache map[[32]byte]cached
	// generation grows with every revocation: an answer that was read before one is not remembered after it.
	generation uint64
	// watches are the requests, streams and sockets that depend on a credential.
	watches map[*watch]struct{}

	attempts *attempts
	slow     chan struct{} // a place for each look at a credential from a slowed address
	notes    chan Entry    // for the audit log

	changed chan struct{} // has a place for one: a credential was ended elsewhere
}

type cached struct {
	p     Principal
	until time.Time
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.CacheTTL <= 0 {
		cfg.CacheTTL = 5 * time.Second
	}
	if cfg.Recheck <= 0 {
		cfg.Recheck = time.Minute
	}
	if cfg.OnFailed == nil {
		cfg.OnFailed = func(string, string, bool) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Service{
		cfg:      cfg,
		cache:    map[[32]byte]cached{},
		watches:  map[*watch]struct{}{},
		changed:  make(chan struct{}, 1),
		attempts: newAttempts(cfg.Limits),
		slow:     make(chan struct{}, slowLookups),
		notes:    make(chan Entry, mostAudited),
	}
}

// keySQL distinguishes an ended key from an unknown one. It also writes last_used_at, at most once a minute: that saves
// a round trip.
const keySQL = `
	with k as (
		select id, owner_id, scopes, limits, expires_at, last_used_at,
		       case when revoked_at is not null then 'revoked' when expires_at <= $2 then 'expired' else '' end as cause
		  from api_keys where hash = $1),
	     touch as (
		update api_keys a set last_used_at = $2 from k
		 where a.id = k.id and k.cause = ''
		   and (k.last_used_at is null or k.last_used_at < $2::timestamptz - interval '1 minute'))
	select id, owner_id, scopes, limits, expires_at, cause from k`

// sessionSQL prolongs a session to $3 from now, but not beyond its key, and at most once a day. The session has only
// the scopes that its key still has.
const sessionSQL = `
	with t as (
		select t.id, t.hash, t.owner_id, t.key_id, ` + keptScopes + ` as scopes, t.expires_at, k.expires_at as key_ends,
		       case when k.revoked_at is not null then 'revoked'
		            when least(t.expires_at, k.expires_at) <= $2 then 'expired' else '' end as cause
		  from auth_tokens t join api_keys k on k.id = t.key_id where t.hash = $1 and t.kind = 'session'),
	     slide as (
		update auth_tokens a set expires_at = least($2::timestamptz + $3::interval, t.key_ends), used_at = $2 from t
		 where a.hash = t.hash and t.cause = ''
		   and t.expires_at < least($2::timestamptz + $3::interval, t.key_ends) - interval '1 day'
		returning a.expires_at)
	select id, owner_id, key_id, scopes, coalesce((select expires_at from slide), expires_at), key_ends, cause,
	       exists (select 1 from slide)
	  from t`

// Authenticate finds the sender of a request: by Authorization, X-API-Key or the session cookie, in this order. A wrong
// credential is an error, even next to a right one. Fails with ErrUnauthenticated, or ErrOrigin for a cookie on a
// request of another site that could change something.
func (s *Service) Authenticate(ctx context.Context, r *http.Request) (Principal, error) {
	p, _, err := s.authenticate(ctx, r)
	return p, err
}

// authenticate also says whether the session was prolonged: then its cookie must be sent again.
func (s *Service) authenticate(ctx context.Context, r *http.Request) (p Principal, renewed bool, err error) {
	if secret, ok := headerKey(r); ok {
		if !looksLikeKey(secret) {
			return Principal{}, false, s.Failed(s.From(r), ViaKey,
				&CredentialError{Kind: ViaKey, Cause: CauseMalformed, Detail: malformedDetail(r)})
		}
		err = s.checked(ctx, r, ViaKey, secret, func() (err error) {
			p, err = s.byKey(ctx, secret)
			return err
		})
		return p, false, err
	}
	c, err := r.Cookie(SessionCookie)
	if err != nil || c.Value == "" {
		return Principal{}, false, s.Failed(s.From(r), "",
			&CredentialError{Cause: CauseMissing, Detail: missingDetail(r)})
	}
	if mayChange(r) {
		if err := s.checkOrigin(r); err != nil {
			return Principal{}, false, err
		}
	}
	err = s.checked(ctx, r, ViaSession, c.Value, func() (err error) {
		p, renewed, err = s.bySession(ctx, c.Value)
		return err
	})
	return p, renewed, err
}

func headerKey(r *http.Request) (string, bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, value, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", true
		}
		return strings.TrimSpace(value), true
	}
	if h := r.Header.Get("X-API-Key"); h != "" {
		return strings.TrimSpace(h), true
	}
	return "", false
}

func (s *Service) byKey(ctx context.Context, secret string) (Principal, error) {
	h := hash(secret)
	p, generation, ok := s.remembered(h)
	if ok {
		return p, nil
	}
	p = Principal{Via: ViaKey, KeyID: new(uuid.UUID), asOf: generation}
	var limits json.RawMessage
	var cause Cause
	err := s.cfg.Pool.QueryRow(ctx, keySQL, h[:], s.cfg.Now()).
		Scan(p.KeyID, &p.Owner, &p.Scopes, &limits, &p.ExpiresAt, &cause)
	if errors.Is(err, pgx.ErrNoRows) {
		cause, err = CauseUnknown, nil
	}
	if err != nil {
		return Principal{}, fmt.Errorf("check API key: %w", err)
	}
	if cause != "" {
		refused := &CredentialError{Kind: ViaKey, Cause: cause}
		if cause == CauseUnknown {
			refused.Detail = faultOf(secret)
		}
		return Principal{}, refused
	}
	p.Limits, p.Admin, p.KeyExpiresAt = limits, hasAdmin(p.Scopes), p.ExpiresAt
	s.remember(h, p, generation)
	return p, nil
}

func (s *Service) bySession(ctx context.Context, secret string) (p Principal, renewed bool, err error) {
	h := hash(secret)
	p, generation, ok := s.remembered(h)
	if ok {
		return p, false, nil
	}
	p = Principal{Via: ViaSession, SessionID: new(uuid.UUID), KeyID: new(uuid.UUID), asOf: generation}
	var cause Cause
	err = s.cfg.Pool.QueryRow(ctx, sessionSQL, h[:], s.cfg.Now(), sessionLife).
		Scan(p.SessionID, &p.Owner, p.KeyID, &p.Scopes, &p.ExpiresAt, &p.KeyExpiresAt, &cause, &renewed)
	if errors.Is(err, pgx.ErrNoRows) {
		cause, err = CauseUnknown, nil
	}
	if err != nil {
		return Principal{}, false, fmt.Errorf("check session: %w", err)
	}
	if cause != "" {
		return Principal{}, false, &CredentialError{Kind: ViaSession, Cause: cause}
	}
	p.Admin = hasAdmin(p.Scopes)
	s.remember(h, p, generation)
	return p, renewed, nil
}

func (s *Service) remembered(h [32]byte) (Principal, uint64, bool) {
	now := s.cfg.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.cache[h]
	return c.p, s.generation, ok && now.Before(c.until)
}

// remember caches an answer, but not beyond the credential's expiry. Unknown credentials are not cached: they would let
// anybody fill the memory.
func (s *Service) remember(h [32]byte, p Principal, generation uint64) {
	until := s.cfg.Now().Add(s.cfg.CacheTTL)
	if p.ExpiresAt != nil && p.ExpiresAt.Before(until) {
		until = *p.ExpiresAt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation != s.generation {
		return
	}
	if len(s.cache) >= maxCached {
		clear(s.cache)
	}
	s.cache[h] = cached{p: p, until: until}
}

// asOf is the count of ended credentials now.
func (s *Service) asOf() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.generation
}

func (s *Service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	clear(s.cache)
}

func hasAdmin(scopes []Scope) bool { return Principal{Scopes: scopes}.Can(Admin) }
