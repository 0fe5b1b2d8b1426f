package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/store"
)

// A key is taken over in place when its retention is over, and when nobody works on its first request any more: a
// request of this start that is still at work is known in memory (held), so that a row of this start ($6) has lost its
// own; any other start must be that of a node that lives.
const beginKeySQL = `
	insert into idempotency as i (scope, route, key, request_hash, boot_id) values ($1, $2, $3, $4, $6)
	on conflict (scope, route, key) do update
	   set request_hash = excluded.request_hash, status_code = null, resource_id = null, body = null,
	       boot_id = excluded.boot_id, created_at = now()
	 where i.status_code is not null and i.created_at < now() - make_interval(secs => $5)
	    or i.status_code is null and (i.boot_id is null or i.boot_id = $6
	       or not exists (select from nodes n where n.boot_id = i.boot_id
	                        and n.seen_at > now() - make_interval(secs => $7)))
	returning true`

const readKeySQL = `
	select request_hash, status_code, resource_id, body from idempotency where scope = $1 and route = $2 and key = $3`

const endKeySQL = `
	update idempotency set status_code = $4, resource_id = $5, body = $6
	 where scope = $1 and route = $2 and key = $3 and status_code is null`

const abandonKeySQL = `delete from idempotency where scope = $1 and route = $2 and key = $3 and status_code is null`

// RequestHash is the hash of normalised fields (anything JSON) and the SHA-256 of the request's files, in order. Maps
// hash the same in any order of their keys.
func RequestHash(fields any, files ...string) ([]byte, error) {
	b, err := json.Marshal([]any{fields, files})
	if err != nil {
		return nil, fmt.Errorf("jobs: hash request: %w", err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

// held are the keys of the requests that this process works on.
type held struct {
	mu   sync.Mutex
	keys map[IdempotencyKey]struct{}
}

// take is false when another request has the key.
func (h *held) take(key IdempotencyKey) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.keys[key]; taken {
		return false
	}
	if h.keys == nil {
		h.keys = map[IdempotencyKey]struct{}{}
	}
	h.keys[key] = struct{}{}
	return true
}

func (h *held) letGo(key IdempotencyKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.keys, key)
}

// BeginIdempotent takes a key before a create. nil, nil: go on, and end with Spec.Idempotency, EndIdempotent or
// AbandonIdempotent; until then, or the death of this process, others get ErrInFlight. A Replay: the answer exists.
// Fails with ErrKeyReused or ErrInFlight.
func (s *Service) BeginIdempotent(ctx context.Context, key IdempotencyKey, hash []byte) (*Replay, error) {
	if !s.held.take(key) {
		replay, err := s.replay(ctx, key, hash)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, ErrInFlight
		}
		return replay, err
	}
	taken, replay, err := s.takeKey(ctx, key, hash)
	if !taken {
		s.held.letGo(key)
	}
	return replay, err
}

func (s *Service) takeKey(
	ctx context.Context,
	key IdempotencyKey,
	hash []byte,
) (taken bool, replay *Replay, err error) {
	var node NodeConfig
	node.setDefaults()
	// Twice: the row may be abandoned between the insert that found it and the read.
	for range 2 {
		err := s.cfg.Pool.QueryRow(ctx, beginKeySQL, key.Scope, key.Route, key.Key, hash,
			s.cfg.IdempotencyTTL.Seconds(), s.cfg.BootID, node.DeadAfter.Seconds()).
			Scan(&taken)
		if err == nil {
			return true, nil, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return false, nil, fmt.Errorf("jobs: begin idempotent: %w", err)
		}
		replay, err := s.replay(ctx, key, hash)
		if !errors.Is(err, pgx.ErrNoRows) {
			return false, replay, err
		}
	}
	return false, nil, ErrInFlight
}

func (s *Service) replay(ctx context.Context, key IdempotencyKey, hash []byte) (*Replay, error) {
	var (
		first  []byte
		status *int
		id     *uuid.UUID
		body   json.RawMessage
	)
	err := s.cfg.Pool.QueryRow(ctx, readKeySQL, key.Scope, key.Route, key.Key).Scan(&first, &status, &id, &body)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("jobs: read idempotency key: %w", err)
	case hex.EncodeToString(first) != hex.EncodeToString(hash):
		return nil, ErrKeyReused
	case status == nil:
		return nil, ErrInFlight
	}
	return &Replay{StatusCode: *status, ResourceID: id, Body: body}, nil
}

// EndIdempotent stores the answer of a create that is not a job. The created thing exists already: when the database is
// away it keeps trying in the background for a minute, in which the key stays taken.
func (s *Service) EndIdempotent(ctx context.Context, key IdempotencyKey, r Replay) error {
	var body any
	if len(r.Body) > 0 {
		body = json.RawMessage(r.Body)
	}
	end := func(ctx context.Context) error {
		_, err := s.cfg.Pool.Exec(ctx, endKeySQL, key.Scope, key.Route, key.Key, r.StatusCode, r.ResourceID, body)
		return err
	}
	err := end(ctx)
	if err != nil && store.Unavailable(err) {
		s.cfg.Log.WarnContext(ctx, "the answer to a request with an Idempotency-Key was not stored; trying again",
			"err", err)
		go s.endLater(context.WithoutCancel(ctx), key, end)
		return nil
	}
	s.held.letGo(key)
	if err != nil {
		return fmt.Errorf("jobs: end idempotent: %w", err)
	}
	return nil
}

func (s *Service) endLater(ctx context.Context, key IdempotencyKey, end func(context.Context) error) {
	defer s.held.letGo(key)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		select {
		case <-ctx.Done():
			s.cfg.Log.ErrorContext(ctx,
				"the answer to a request with an Idempotency-Key could not be stored: a repeated request is a new one")
			return
		case <-time.After(pause):
		}
		if err := end(ctx); err == nil || !store.Unavailable(err) {
			return
		}
	}
}

// AbandonIdempotent frees a key whose request was refused, or ended without an answer; a key that was ended stays. Even
// when it fails the key is free from now on, because nobody works on its request.
func (s *Service) AbandonIdempotent(ctx context.Context, key IdempotencyKey) error {
	defer s.held.letGo(key)
	if _, err := s.cfg.Pool.Exec(ctx, abandonKeySQL, key.Scope, key.Route, key.Key); err != nil {
		return fmt.Errorf("jobs: abandon idempotency key: %w", err)
	}
	return nil
}
