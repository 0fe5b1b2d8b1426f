package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SessionCookie is the name of the browser's cookie.
const SessionCookie = "apibr_session"

const (
	linkLife    = 10 * time.Minute
	ticketLife  = 30 * time.Second
	sessionLife = 30 * 24 * time.Hour // sliding
)

const createTokenSQL = `
	insert into auth_tokens (hash, kind, owner_id, scopes, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)`

// One update decides who of two that come at once has it.
const spendSQL = `
	update auth_tokens set used_at = $3 where hash = $1 and kind = $2 and used_at is null and expires_at > $3
	returning owner_id, scopes`

const closeSessionSQL = `delete from auth_tokens where hash = $1 and kind = 'session'`

// Spent and expired tokens stay for a day, for whoever asks why a link did not work.
const pruneSQL = `delete from auth_tokens where expires_at < $1::timestamptz - interval '1 day'`

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (commandTag, error)
}

// CreateLink makes a one-time login token, valid for 10 minutes. The caller makes the URL, with the token behind the #
// or in the body, so that it is in no log.
func (s *Service) CreateLink(ctx context.Context, owner uuid.UUID, scopes []Scope) (token string, err error) {
	token, _, err = s.createToken(ctx, s.cfg.Pool, "link", owner, scopes, linkLife)
	return token, err
}

// RedeemLink spends a login token and returns the cookie of a new session. ErrUsed.
func (s *Service) RedeemLink(ctx context.Context, token string) (*http.Cookie, Principal, error) {
	p := Principal{Via: ViaSession}
	var secret string
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		h := hash(token)
		if err := tx.QueryRow(ctx, spendSQL, h[:], "link", s.cfg.Now()).Scan(&p.Owner, &p.Scopes); err != nil {
			return err
		}
		var expires time.Time
		var err error
		secret, expires, err = s.createToken(ctx, tx, "session", p.Owner, p.Scopes, sessionLife)
		p.ExpiresAt = &expires
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, Principal{}, ErrUsed
	}
	if err != nil {
		return nil, Principal{}, fmt.Errorf("redeem link: %w", err)
	}
	p.Admin = hasAdmin(p.Scopes)
	return s.cookie(secret, int(sessionLife/time.Second)), p, nil
}

// CloseSession ends the session of a request's cookie and returns the cookie that removes it from the browser.
func (s *Service) CloseSession(ctx context.Context, r *http.Request) (*http.Cookie, error) {
	c, err := r.Cookie(SessionCookie)
	if err != nil {
		return nil, ErrUnauthenticated
	}
	if err := s.checkOrigin(r); err != nil {
		return nil, err
	}
	h := hash(c.Value)
	if _, err := s.cfg.Pool.Exec(ctx, closeSessionSQL, h[:]); err != nil {
		return nil, fmt.Errorf("close session: %w", err)
	}
	s.forget()
	return s.cookie("", -1), nil
}

// CreateTicket makes a one-time WebSocket ticket for the principal, valid for 30 s.
func (s *Service) CreateTicket(ctx context.Context, p Principal) (token string, expires time.Time, err error) {
	return s.createToken(ctx, s.cfg.Pool, "ticket", p.Owner, p.Scopes, ticketLife)
}

// RedeemTicket spends a ticket. ErrUnauthenticated.
func (s *Service) RedeemTicket(ctx context.Context, token string) (Principal, error) {
	p := Principal{Via: ViaTicket}
	h := hash(token)
	err := s.cfg.Pool.QueryRow(ctx, spendSQL, h[:], "ticket", s.cfg.Now()).Scan(&p.Owner, &p.Scopes)
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, ErrUnauthenticated
	}
	if err != nil {
		return Principal{}, fmt.Errorf("redeem ticket: %w", err)
	}
	p.Admin = hasAdmin(p.Scopes)
	return p, nil
}

// Prune deletes expired sessions, links and tickets and returns how many. For a util job.
func (s *Service) Prune(ctx context.Context) (int64, error) {
	tag, err := s.cfg.Pool.Exec(ctx, pruneSQL, s.cfg.Now())
	if err != nil {
		return 0, fmt.Errorf("prune tokens: %w", err)
	}
	return tag.RowsAffected(), nil
}

func (s *Service) createToken(ctx context.Context, db execer, kind string, owner uuid.UUID, scopes []Scope, life time.Duration) (string, time.Time, error) {
	if err := checkScopes(scopes); err != nil {
		return "", time.Time{}, err
	}
	token := newSecret("", tokenBytes)
	h := hash(token)
	now := s.cfg.Now()
	expires := now.Add(life)
	if _, err := db.Exec(ctx, createTokenSQL, h[:], kind, owner, words(scopes), now, expires); err != nil {
		return "", time.Time{}, fmt.Errorf("create %s: %w", kind, err)
	}
	return token, expires, nil
}

func (s *Service) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: SessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.cfg.SecureCookie, SameSite: http.SameSiteStrictMode,
	}
}
