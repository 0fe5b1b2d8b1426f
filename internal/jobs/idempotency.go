package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A key whose first request never came to an end (its server died) or is past its keeping is taken over in place.
const beginKeySQL = `
	insert into idempotency as i (scope, route, key, request_hash) values ($1, $2, $3, $4)
	on conflict (scope, route, key) do update
	   set request_hash = excluded.request_hash, status_code = null, resource_id = null, body = null, created_at = now()
	 where i.created_at < now() - make_interval(secs => $5)
	    or i.status_code is null and i.created_at < now() - make_interval(secs => $6)
	returning true`

const readKeySQL = `
	select request_hash, status_code, resource_id, body from idempotency where scope = $1 and route = $2 and key = $3`

const endKeySQL = `
	update idempotency set status_code = $4, resource_id = $5, body = $6
	 where scope = $1 and route = $2 and key = $3 and status_code is null`

const abandonKeySQL = `delete from idempotency where scope = $1 and route = $2 and key = $3 and status_code is null`

// RequestHash is the hash of normalised fields (anything JSON) and the SHA-256 of the request's files, in order. Maps hash the
// same in any order of their keys.
func RequestHash(fields any, files ...string) ([]byte, error) {
	b, err := json.Marshal([]any{fields, files})
	if err != nil {
		return nil, fmt.Errorf("jobs: hash request: %w", err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

// BeginIdempotent takes a key before a create. nil, nil: go on, and end with Spec.Idempotency, EndIdempotent or
// AbandonIdempotent. A Replay: the answer exists. Fails with ErrKeyReused or ErrInFlight.
func (s *Service) BeginIdempotent(ctx context.Context, key IdempotencyKey, hash []byte) (*Replay, error) {
	// Twice: the row may be abandoned between the insert that found it and the read.
	for range 2 {
		var taken bool
		err := s.cfg.Pool.QueryRow(ctx, beginKeySQL, key.Scope, key.Route, key.Key, hash,
			s.cfg.IdempotencyTTL.Seconds(), s.cfg.InFlightTTL.Seconds()).Scan(&taken)
		if err == nil {
			return nil, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("jobs: begin idempotent: %w", err)
		}
		replay, err := s.replay(ctx, key, hash)
		if !errors.Is(err, pgx.ErrNoRows) {
			return replay, err
		}
	}
	return nil, ErrInFlight
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

// EndIdempotent stores the answer of a create that is not a job.
func (s *Service) EndIdempotent(ctx context.Context, key IdempotencyKey, r Replay) error {
	var body any
	if len(r.Body) > 0 {
		body = json.RawMessage(r.Body)
	}
	_, err := s.cfg.Pool.Exec(ctx, endKeySQL, key.Scope, key.Route, key.Key, r.StatusCode, r.ResourceID, body)
	if err != nil {
		return fmt.Errorf("jobs: end idempotent: %w", err)
	}
	return nil
}

// AbandonIdempotent frees a key whose request was refused.
func (s *Service) AbandonIdempotent(ctx context.Context, key IdempotencyKey) error {
	if _, err := s.cfg.Pool.Exec(ctx, abandonKeySQL, key.Scope, key.Route, key.Key); err != nil {
		return fmt.Errorf("jobs: abandon idempotency key: %w", err)
	}
	return nil
}
