package auth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Channel is the Postgres channel on which nodes tell each other that a key or session has ended.
const Channel = "apibr_auth"

const notifySQL = `select pg_notify($1, '')`

// activeSQL reads the state of credentials: one row for each, in the order of the question.
const activeSQL = `
	select case when k.id is null or k.revoked_at is not null then 'revoked'
	            when k.expires_at <= $4 then 'expired'
	            when w.session_id is not null and t.id is null then 'revoked'
	            when t.expires_at <= $4 then 'expired'
	            when not (string_to_array(w.scopes, ',') <@ k.scopes or 'admin' = any(k.scopes)) then 'revoked'
	            else '' end,
	       least(k.expires_at, t.expires_at)
	  from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as w (key_id, session_id, scopes, ord)
	  left join api_keys k on k.id = w.key_id
	  left join auth_tokens t on t.id = w.session_id and t.kind = 'session'
	 order by w.ord`

// retryAfter is the pause before credentials are checked again when the database did not answer.
const retryAfter = time.Second

// watch is a request, stream or socket that depends on a credential.
type watch struct {
	p      Principal
	cancel context.CancelCauseFunc
	timer  *time.Timer // at the credential's end; nil for none
	exempt bool        // it ended the credential itself and has still to say so
}

type watchKey struct{}

// Watch returns a context that ends with the credential of p: at once when this process ends it, on a notification
// when another does, at its expiry, and at the latest at the next check by Run. EndedBy says whether the credential was
// the reason. Call stop when the request, stream or socket is over.
func (s *Service) Watch(ctx context.Context, p Principal) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	w := &watch{p: p, cancel: cancel}
	s.mu.Lock()
	s.watches[w] = struct{}{}
	// A credential that ended after it was looked up and before this line has no watch yet that could have been ended.
	late := p.asOf != s.generation
	s.arm(w, p.ExpiresAt)
	s.mu.Unlock()
	if late {
		s.check(ctx, w)
	}
	return context.WithValue(watched, watchKey{}, w), func() {
		s.mu.Lock()
		delete(s.watches, w)
		if w.timer != nil {
			w.timer.Stop()
		}
		s.mu.Unlock()
		cancel(nil)
	}
}

// EndedBy is the *CredentialError that ended a context of Watch; nil while the context lives or when it ended for
// another reason.
func EndedBy(ctx context.Context) error {
	var refused *CredentialError
	if errors.As(context.Cause(ctx), &refused) {
		return refused
	}
	return nil
}

// arm lets the watch be checked when its credential expires. The caller holds the lock.
func (s *Service) arm(w *watch, end *time.Time) {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if end == nil {
		return
	}
	const margin = time.Millisecond // so that the clock is past the end when it is asked
	w.timer = time.AfterFunc(end.Sub(s.cfg.Now())+margin, func() { s.check(context.Background(), w) })
}

// ended empties the cache and ends the watches of the credentials that match, except that of ctx itself.
func (s *Service) ended(ctx context.Context, cause Cause, match func(Principal) bool) {
	own, _ := ctx.Value(watchKey{}).(*watch)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	clear(s.cache)
	for w := range s.watches {
		if match(w.p) {
			w.exempt = w.exempt || w == own
			s.end(w, cause)
		}
	}
}

// end cancels one watch. The caller holds the lock.
func (s *Service) end(w *watch, cause Cause) {
	if !w.exempt {
		w.cancel(&CredentialError{Kind: w.p.Via, Cause: cause})
	}
}

// Changed says that a key or session was ended elsewhere. It does not block.
func (s *Service) Changed() {
	s.forget()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run writes failed sign-ins to the audit log until ctx ends. It also checks the credentials of all watches: when one
// was ended elsewhere, and every Recheck.
func (s *Service) Run(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Recheck)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry := <-s.notes:
			s.note(ctx, entry)
			continue
		case <-s.changed:
		case <-timer.C:
		}
		next := s.cfg.Recheck
		if err := s.recheck(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("the keys of open connections could not be checked; trying again", "err", err)
			next = min(next, retryAfter)
		}
		timer.Reset(next)
	}
}

func (s *Service) recheck(ctx context.Context) error {
	s.mu.RLock()
	all := make([]*watch, 0, len(s.watches))
	for w := range s.watches {
		all = append(all, w)
	}
	s.mu.RUnlock()
	return s.checkAll(ctx, all)
}

// check checks one watch. When the database does not answer, Run tries again.
func (s *Service) check(ctx context.Context, w *watch) {
	looking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.checkAll(looking, []*watch{w}); err != nil && ctx.Err() == nil {
		s.Changed()
	}
}

// standing is the state of one credential.
type standing struct {
	cause Cause
	end   *time.Time
}

// identity of a credential: many watches share one.
type identity struct {
	key, session uuid.UUID
	scopes       string
}

func identityOf(p Principal) (id identity) {
	if p.KeyID != nil {
		id.key = *p.KeyID
	}
	if p.SessionID != nil {
		id.session = *p.SessionID
	}
	id.scopes = strings.Join(words(p.Scopes), ",")
	return id
}

func (s *Service) checkAll(ctx context.Context, all []*watch) error {
	if len(all) == 0 {
		return nil
	}
	found, err := s.standings(ctx, all)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range all {
		if _, open := s.watches[w]; !open {
			continue
		}
		if now := found[identityOf(w.p)]; now.cause != "" {
			s.end(w, now.cause)
		} else {
			s.arm(w, now.end)
		}
	}
	return nil
}

func (s *Service) standings(ctx context.Context, all []*watch) (map[identity]standing, error) {
	found := map[identity]standing{}
	var order []identity
	var keys []uuid.UUID
	var sessions []*uuid.UUID
	var scopes []string
	for _, w := range all {
		id := identityOf(w.p)
		if _, there := found[id]; there {
			continue
		}
		found[id] = standing{}
		order, keys, sessions, scopes = append(order, id), append(keys,
			id.key), append(sessions, w.p.SessionID), append(
			scopes,
			id.scopes,
		)
	}
	rows, err := s.cfg.Pool.Query(ctx, activeSQL, keys, sessions, scopes, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (one standing, err error) {
		return one, row.Scan(&one.cause, &one.end)
	})
	if err != nil {
		return nil, err
	}
	for i, one := range list {
		found[order[i]] = one
	}
	return found, nil
}
