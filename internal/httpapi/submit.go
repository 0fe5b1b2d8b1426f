package httpapi

import (
	"context"
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
)

// submit binds, resolves and queues one request; the same Idempotency-Key gets the same job. Files of a request that
// makes no job are deleted.
func (s *Server) submit(
	ctx context.Context, c echo.Context, p auth.Principal, m maker, key string,
) (job *jobs.Job, replayed bool, err error) {
	f, err := m.bind(c, p)
	defer func() {
		if err != nil || replayed {
			s.discard(ctx, p, f)
		}
	}()
	if err != nil {
		if f.checked {
			_, err = s.spec(ctx, p, m, f) // the other faults
		}
		return nil, false, err
	}
	once, replay, err := s.begin(ctx, p, string(m.Type), key, f)
	if err != nil {
		return nil, false, err
	}
	if replay != nil && replay.ResourceID != nil {
		job, err := s.cfg.Jobs.Get(ctx, p.Owner, *replay.ResourceID)
		return job, true, err
	}
	defer func() {
		if job == nil { // a panic included
			s.abandon(ctx, once)
		}
	}()
	spec, err := s.spec(ctx, p, m, f)
	if err != nil {
		return nil, false, err
	}
	spec.Idempotency = once
	job, err = s.cfg.Jobs.Submit(ctx, spec)
	return job, false, s.ofField(m.Type, err)
}

// ofField gives a refused input the name that the request has for it.
func (s *Server) ofField(t jobs.Type, err error) error {
	var input *jobs.InputError
	if !errors.As(err, &input) {
		return err
	}
	renamed := *input
	renamed.Name = s.generation.FieldOf(t, input.Name)
	return &renamed
}

// begin reserves an Idempotency-Key. Without a key it returns nil, nil, nil.
func (s *Server) begin(
	ctx context.Context,
	p auth.Principal,
	route, key string,
	f *fields,
) (*jobs.IdempotencyKey, *jobs.Replay, error) {
	if key == "" {
		return nil, nil, nil
	}
	const longest = 255
	if len(key) > longest || !storable(key) {
		return nil, nil, newProblem(422, codeInvalid, cannotHonour,
			i18n.Say("Idempotency-Key must be 1 to 255 characters of UTF-8"))
	}
	hash, err := jobs.RequestHash(f.values, f.hashes()...)
	if err != nil {
		return nil, nil, err
	}
	once := &jobs.IdempotencyKey{Scope: p.IdempotencyScope(), Route: route, Key: key}
	replay, err := s.cfg.Jobs.BeginIdempotent(ctx, *once, hash)
	return once, replay, err
}

// abandon frees the key of a refused request, also when the request's own context has ended.
func (s *Server) abandon(ctx context.Context, once *jobs.IdempotencyKey) {
	if once == nil {
		return
	}
	if err := s.cfg.Jobs.AbandonIdempotent(context.WithoutCancel(ctx), *once); err != nil {
		s.cfg.Log.WarnContext(ctx, "the row of an idempotency key was not removed; the key is free all the same", "err",
			err)
	}
}
