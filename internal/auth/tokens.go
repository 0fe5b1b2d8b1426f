package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
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

// A token is made only while its key, and the session that it is made in, have not ended; it never outlives the key.
const createTokenSQL = `
	insert into auth_tokens (id, hash, kind, owner_id, scopes, key_id, parent_id, user_agent, created_at, expires_at)
	select $1, $2, $3, $4, $5, k.id, $7, $8, $9, least($10::timestamptz, k.expires_at)
	  from api_keys k
	 where k.id = $6 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $9)
	   and ($7::uuid is null or exists (select 1 from auth_tokens p where p.id = $7 and p.expires_at > $9))
	returning expires_at`

// keptScopes are those of a token that its key still has.
const keptScopes = `array(select s from unnest(t.scopes) s where s = any(k.scopes) or 'admin' = any(k.scopes))`

// One update decides which of two concurrent callers gets it. A scope that its key or session has lost since is lost
// here too.
const spendSQL = `
	update auth_tokens t set used_at = $3 from api_keys k
	 where t.hash = $1 and t.kind = $2 and t.used_at is null and t.expires_at > $3
	   and k.id = t.key_id and k.revoked_at is null and (k.expires_at is null or k.expires_at > $3)
	   and (t.parent_id is null or exists (select 1 from auth_tokens p where p.id = t.parent_id and p.expires_at > $3))
	returning t.owner_id, ` + keptScopes + `, t.key_id, t.parent_id, k.expires_at`

// Spent and expired tokens stay for a day, for whoever asks why a link did not work.
const pruneSQL = `delete from auth_tokens where expires_at < $1::timestamptz - interval '1 day'`

// longestUserAgent is the most that is kept of a browser's User-Agent.
const longestUserAgent = 200

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (commandTag, error)
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// CreateLink makes a one-time login token with the scopes of p, valid for 10 minutes. The caller makes the URL, with
// the token behind the # or in the body, so that it is in no log. id names the link in the audit log.
func (s *Service) CreateLink(ctx context.Context, p Principal) (token string, id uuid.UUID, err error) {
	t, err := s.createToken(ctx, s.cfg.Pool, newToken{kind: "link", p: p, life: linkLife})
	return t.secret, t.id, err
}

// RedeemLink spends a login token and returns the cookie of a new session, which a browser that calls itself userAgent
// opens. ErrUsed.
func (s *Service) RedeemLink(ctx context.Context, token, userAgent string) (*http.Cookie, Principal, error) {
	p := Principal{Via: ViaSession, asOf: s.asOf()}
	var made madeToken
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		if err := s.spend(ctx, tx, "link", token, &p); err != nil {
			return err
		}
		var err error
		made, err = s.createToken(ctx, tx, newToken{kind: "session", p: p, life: sessionLife, userAgent: userAgent})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, ErrUnauthenticated) || errors.Is(err, ErrBadScope) {
		return nil, Principal{}, ErrUsed
	}
	if err != nil {
		return nil, Principal{}, fmt.Errorf("redeem link: %w", err)
	}
	p.SessionID, p.ExpiresAt = &made.id, &made.expires
	return s.cookie(made.secret, int(sessionLife/time.Second)), p, nil
}

// spend uses up a one-time token and sets p to the principal it was made for. Fails with pgx.ErrNoRows when it cannot
// be used.
func (s *Service) spend(ctx context.Context, db querier, kind, token string, p *Principal) error {
	h := hash(token)
	p.KeyID = new(uuid.UUID)
	err := db.QueryRow(ctx, spendSQL, h[:], kind, s.cfg.Now()).
		Scan(&p.Owner, &p.Scopes, p.KeyID, &p.SessionID, &p.KeyExpiresAt)
	p.Admin, p.ExpiresAt = hasAdmin(p.Scopes), p.KeyExpiresAt
	return err
}

// CreateTicket makes a one-time WebSocket ticket for the principal, valid for 30 s.
func (s *Service) CreateTicket(ctx context.Context, p Principal) (token string, expires time.Time, err error) {
	t, err := s.createToken(ctx, s.cfg.Pool, newToken{kind: "ticket", p: p, life: ticketLife})
	return t.secret, t.expires, err
}

// RedeemTicket spends a ticket. ErrUnauthenticated.
func (s *Service) RedeemTicket(ctx context.Context, token string) (Principal, error) {
	p := Principal{Via: ViaTicket, asOf: s.asOf()}
	err := s.spend(ctx, s.cfg.Pool, "ticket", token, &p)
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, &CredentialError{Kind: ViaTicket, Cause: CauseUsed}
	}
	if err != nil {
		return Principal{}, fmt.Errorf("redeem ticket: %w", err)
	}
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

// newToken holds the properties of a new session, link or ticket.
type newToken struct {
	kind      string
	p         Principal // whose key and session are behind it
	life      time.Duration
	userAgent string
}

type madeToken struct {
	id      uuid.UUID
	secret  string
	expires time.Time
}

// createToken fails with ErrUnauthenticated when the key or session of p has ended meanwhile.
func (s *Service) createToken(ctx context.Context, db querier, n newToken) (madeToken, error) {
	if err := checkScopes(n.p.Scopes); err != nil {
		return madeToken{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return madeToken{}, fmt.Errorf("create %s: %w", n.kind, err)
	}
	made := madeToken{id: id, secret: newSecret("", tokenBytes)}
	h, now := hash(made.secret), s.cfg.Now()
	err = db.QueryRow(ctx, createTokenSQL, id, h[:], n.kind, n.p.Owner, words(n.p.Scopes), n.p.KeyID, n.p.SessionID,
		userAgentOf(n.userAgent),
		now, now.Add(n.life)).
		Scan(&made.expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return madeToken{}, &CredentialError{Kind: n.p.Via, Cause: CauseRevoked}
	}
	if err != nil {
		return madeToken{}, fmt.Errorf("create %s: %w", n.kind, err)
	}
	return made, nil
}

// userAgentOf returns the part of the User-Agent that is kept: printable, and short.
func userAgentOf(text string) *string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return nil
	}
	text = text[:min(len(text), longestUserAgent)]
	return &text
}

func (s *Service) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: SessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.cfg.SecureCookie, SameSite: http.SameSiteStrictMode,
	}
}
