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

	// CacheTTL is how long an answer is remembered, and so how long a key that another process revoked still works here.
	// Default 5 s. A revocation in this process works at once.
	CacheTTL time.Duration

	// SecureCookie sets the cookie's Secure flag: for a public_base_url of https. Default false.
	SecureCookie bool

	// AllowedOrigins are origins besides the request's own Host that may use the cookie: public_base_url's. Default none.
	AllowedOrigins []string

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
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Service{cfg: cfg, cache: map[[32]byte]cached{}}
}

// last_used_at is written at most once a minute, and in the statement that looks the key up: no second round trip.
const keySQL = `
	with k as (
		select id, owner_id, scopes, limits, expires_at, last_used_at from api_keys
		 where hash = $1 and revoked_at is null and (expires_at is null or expires_at > $2)),
	     touch as (
		update api_keys a set last_used_at = $2 from k
		 where a.id = k.id and (k.last_used_at is null or k.last_used_at < $2::timestamptz - interval '1 minute'))
	select id, owner_id, scopes, limits, expires_at from k`

// A session that is used lives for another $3; its row is written at most once a day.
const sessionSQL = `
	with t as (
		select hash, owner_id, scopes, expires_at from auth_tokens where hash = $1 and kind = 'session' and expires_at > $2),
	     slide as (
		update auth_tokens a set expires_at = $2::timestamptz + $3::interval, used_at = $2 from t
		 where a.hash = t.hash and t.expires_at < $2::timestamptz + $3::interval - interval '1 day'
		returning a.expires_at)
	select owner_id, scopes, coalesce((select expires_at from slide), expires_at), exists (select 1 from slide) from t`

// Authenticate says who a request is from: by Authorization, X-API-Key or the session cookie, in this order. A
// credential that is there and wrong is an error, whatever else came with it. ErrUnauthenticated, or ErrOrigin for a
// cookie on a request of another site that could change something.
func (s *Service) Authenticate(ctx context.Context, r *http.Request) (Principal, error) {
	p, _, err := s.authenticate(ctx, r)
	return p, err
}

// authenticate also tells whether the session was prolonged, so that its cookie is to be sent again.
func (s *Service) authenticate(ctx context.Context, r *http.Request) (p Principal, renewed bool, err error) {
	if secret, ok := headerKey(r); ok {
		if !looksLikeKey(secret) {
			return Principal{}, false, ErrUnauthenticated
		}
		p, err = s.byKey(ctx, secret)
		return p, false, err
	}
	c, err := r.Cookie(SessionCookie)
	if err != nil || c.Value == "" {
		return Principal{}, false, ErrUnauthenticated
	}
	if mayChange(r) {
		if err := s.checkOrigin(r); err != nil {
			return Principal{}, false, err
		}
	}
	return s.bySession(ctx, c.Value)
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
	p = Principal{Via: ViaKey, KeyID: new(uuid.UUID)}
	var limits json.RawMessage
	err := s.cfg.Pool.QueryRow(ctx, keySQL, h[:], s.cfg.Now()).Scan(p.KeyID, &p.Owner, &p.Scopes, &limits, &p.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, ErrUnauthenticated
	}
	if err != nil {
		return Principal{}, fmt.Errorf("check API key: %w", err)
	}
	p.Limits, p.Admin = limits, hasAdmin(p.Scopes)
	s.remember(h, p, generation)
	return p, nil
}

func (s *Service) bySession(ctx context.Context, secret string) (p Principal, renewed bool, err error) {
	h := hash(secret)
	p, generation, ok := s.remembered(h)
	if ok {
		return p, false, nil
	}
	p = Principal{Via: ViaSession}
	err = s.cfg.Pool.QueryRow(ctx, sessionSQL, h[:], s.cfg.Now(), sessionLife).Scan(&p.Owner, &p.Scopes, &p.ExpiresAt, &renewed)
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, false, ErrUnauthenticated
	}
	if err != nil {
		return Principal{}, false, fmt.Errorf("check session: %w", err)
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

// remember keeps an answer, never beyond the credential's own end. Unknown credentials are not kept: they would let
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

func (s *Service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	clear(s.cache)
}

func hasAdmin(scopes []Scope) bool { return Principal{Scopes: scopes}.Can(Admin) }
