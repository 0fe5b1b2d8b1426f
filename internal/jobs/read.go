package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const getSQL = `select ` + viewCols + viewFrom + ` where j.id = $1 and ($2::uuid is null or j.owner_id = $2)`

const activeSQL = `select ` + viewCols + viewFrom + `
	 where j.status in ('queued', 'processing') and j.owner_id = $1 order by j.created_at, j.id`

const lastSeqSQL = `select seq from event_counter`

// Get returns a job of the owner; ErrNotFound for every other id.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Job, error) {
	return s.get(ctx, &owner, id)
}

// GetAny returns a job whoever owns it: for events, links and the runner.
func (s *Service) GetAny(ctx context.Context, id uuid.UUID) (*Job, error) {
	return s.get(ctx, nil, id)
}

func (s *Service) get(ctx context.Context, owner *uuid.UUID, id uuid.UUID) (*Job, error) {
	rows, err := s.cfg.Pool.Query(ctx, getSQL, id, owner)
	if err != nil {
		return nil, fmt.Errorf("jobs: get: %w", err)
	}
	j, err := pgx.CollectExactlyOneRow(rows, scanView)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("jobs: get: %w", err)
	}
	return j, nil
}

// Active returns the owner's unfinished jobs, oldest first, and the number of the last event that they include:
// both are read in one snapshot.
func (s *Service) Active(ctx context.Context, owner uuid.UUID) (jobs []*Job, asOf int64, err error) {
	err = pgx.BeginTxFunc(
		ctx,
		s.cfg.Pool,
		pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
		func(tx pgx.Tx) error {
			if err := tx.QueryRow(ctx, lastSeqSQL).Scan(&asOf); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, activeSQL, owner)
			if err != nil {
				return err
			}
			jobs, err = pgx.CollectRows(rows, scanView)
			return err
		},
	)
	if err != nil {
		return nil, 0, fmt.Errorf("jobs: active: %w", err)
	}
	return jobs, asOf, nil
}
