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

// Session is a browser that is signed in.
type Session struct {
	ID        uuid.UUID  `db:"id"`
	KeyID     uuid.UUID  `db:"key_id"`    // the key that it comes from
	ParentID  *uuid.UUID `db:"parent_id"` // the session whose link opened it
	Scopes    []Scope    `db:"scopes"`
	UserAgent *string    `db:"user_agent"` // of the browser, as it was when it signed in
	CreatedAt time.Time  `db:"created_at"`
	ExpiresAt time.Time  `db:"expires_at"`
	UsedAt    *time.Time `db:"used_at"` // to the day
}

const listSessionsSQL = `
	select t.id, t.key_id, t.parent_id, t.scopes, t.user_agent, t.created_at, t.expires_at, t.used_at
	  from auth_tokens t join api_keys k on k.id = t.key_id
	 where t.kind = 'session' and t.owner_id = $1 and t.expires_at > $2 and k.revoked_at is null
	   and (k.expires_at is null or k.expires_at > $2)
	 order by t.created_at desc, t.id desc`

// Ending a session also ends everything made in it: tickets, links, and the sessions that those links opened.
const endSessionSQL = `
	with recursive gone as (
		select id from auth_tokens where id = $1 and owner_id = $2 and kind = 'session'
		union select t.id from auth_tokens t join gone g on t.parent_id = g.id)
	delete from auth_tokens where id in (select id from gone) returning id`

// ListSessions returns the owner's sessions that have not ended, newest first.
func (s *Service) ListSessions(ctx context.Context, owner uuid.UUID) ([]*Session, error) {
	rows, err := s.cfg.Pool.Query(ctx, listSessionsSQL, owner, s.cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Session])
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return sessions, nil
}

// EndSession ends a session and everything made in it: tickets, links, the sessions that those opened, sockets and
// requests. The request that asks for it is not cut off. Fails with ErrNoSession.
func (s *Service) EndSession(ctx context.Context, owner, id uuid.UUID) error {
	gone := map[uuid.UUID]bool{}
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, endSessionSQL, id, owner)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		for _, one := range ids {
			gone[one] = true
		}
		if len(ids) == 0 {
			return ErrNoSession
		}
		_, err = tx.Exec(ctx, notifySQL, Channel)
		return err
	})
	if errors.Is(err, ErrNoSession) {
		return ErrNoSession
	}
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	s.ended(ctx, CauseRevoked, func(p Principal) bool { return p.SessionID != nil && gone[*p.SessionID] })
	return nil
}

// SignOut ends the session that a request came with and returns the cookie that removes it from the browser.
// ErrNotASession for a request with a key.
func (s *Service) SignOut(ctx context.Context, p Principal) (*http.Cookie, error) {
	if p.Via != ViaSession {
		return nil, ErrNotASession
	}
	if err := s.EndSession(ctx, p.Owner, *p.SessionID); err != nil && !errors.Is(err, ErrNoSession) {
		return nil, err
	}
	return s.cookie("", -1), nil
}
