package jobs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const getSQL = `select ` + viewCols + viewFrom + ` where j.id = $1 and ($2::uuid is null or j.owner_id = $2)`

const getManySQL = `select ` + viewCols + viewFrom + ` where j.id = any($1)`

const activeSQL = `select ` + viewCols + viewFrom + `
	 where j.status in ('queued', 'processing') and ($1::uuid is null or j.owner_id = $1) order by j.created_at, j.id`

const lastSeqSQL = `select seq from event_counter`

const listSQL = `select ` + viewCols + viewFrom + `
	 where j.owner_id = $1
	   and ($2::text[] is null or j.status = any($2))
	   and ($3::text[] is null or j.type = any($3))
	   and ($4::uuid is null or j.project_id = $4)
	   and ($5::uuid is null or j.content_id = $5)
	   and ($6::uuid is null or j.parent_id = $6)
	   and ($7::timestamptz is null or (j.created_at, j.id) < ($7, $8::uuid))
	 order by j.created_at desc, j.id desc
	 limit $9`

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

// GetMany returns the jobs of these ids that exist, whoever owns them, in the order of ids.
func (s *Service) GetMany(ctx context.Context, ids []uuid.UUID) ([]*Job, error) {
	rows, err := s.cfg.Pool.Query(ctx, getManySQL, ids)
	if err != nil {
		return nil, fmt.Errorf("jobs: get many: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanView)
	if err != nil {
		return nil, fmt.Errorf("jobs: get many: %w", err)
	}
	byID := make(map[uuid.UUID]*Job, len(found))
	for _, j := range found {
		byID[j.ID] = j
	}
	ordered := make([]*Job, 0, len(found))
	for _, id := range ids {
		if j, ok := byID[id]; ok {
			ordered = append(ordered, j)
		}
	}
	return ordered, nil
}

// Active returns the unfinished jobs (owner nil: of all), oldest first, and the number of the last event that they include:
// both are read in one snapshot.
func (s *Service) Active(ctx context.Context, owner *uuid.UUID) (jobs []*Job, asOf int64, err error) {
	err = pgx.BeginTxFunc(ctx, s.cfg.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, lastSeqSQL).Scan(&asOf); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, activeSQL, owner)
		if err != nil {
			return err
		}
		jobs, err = pgx.CollectRows(rows, scanView)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("jobs: active: %w", err)
	}
	return jobs, asOf, nil
}

// List returns a page of the owner's jobs, newest first. Fails with ErrBadCursor.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) (Page, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	var (
		before   *time.Time
		beforeID *uuid.UUID
	)
	if f.Cursor != "" {
		at, id, err := parseCursor(f.Cursor)
		if err != nil {
			return Page{}, err
		}
		before, beforeID = &at, &id
	}
	rows, err := s.cfg.Pool.Query(ctx, listSQL, owner, f.Statuses, f.Types, f.Project, f.Content, f.Parent, before, beforeID, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("jobs: list: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanView)
	if err != nil {
		return Page{}, fmt.Errorf("jobs: list: %w", err)
	}
	if len(found) <= limit {
		return Page{Jobs: found}, nil
	}
	last := found[limit-1]
	return Page{Jobs: found[:limit], Next: cursorOf(last)}, nil
}

func cursorOf(j *Job) string {
	return base64.RawURLEncoding.EncodeToString([]byte(j.CreatedAt.UTC().Format(time.RFC3339Nano) + " " + j.ID.String()))
}

func parseCursor(c string) (time.Time, uuid.UUID, error) {
	raw, err := base64.RawURLEncoding.DecodeString(c)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	atText, idText, _ := strings.Cut(string(raw), " ")
	at, err := time.Parse(time.RFC3339Nano, atText)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	id, err := uuid.Parse(idText)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	return at, id, nil
}
