package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/report"
)

const segmentBlobSQL = `
	insert into blobs (sha256, size_bytes, mime_type) values ($1, $2, $3) on conflict do nothing`

// A stored segment is not overwritten: the same input makes the same piece, and its fence names the run that made it
// first.
const segmentSQL = `
	insert into job_segments (job_id, idx, sha256, fence, mime_type, size_bytes, duration_seconds)
	select id, $3, $4, fence, $5, $6, $7 from generation_jobs
	 where id = $1 and fence = $2 and status = 'processing' for share
	on conflict (job_id, idx) do update set job_id = excluded.job_id
	returning idx`

const oneSegmentSQL = `
	select idx, sha256, mime_type, size_bytes, fence, duration_seconds
	  from job_segments where job_id = $1 and idx = $2`

const progressSQL = `
	insert into job_progress (job_id, fence, progress, detail)
	select id, fence, $3, $4 from generation_jobs where id = $1 and fence = $2 and status = 'processing'
	on conflict (job_id) do update
	   set fence = excluded.fence, progress = excluded.progress, detail = excluded.detail, updated_at = now()
	returning 1`

const cancelRequestedSQL = `
	select cancel_requested_at is not null from generation_jobs where id = $1 and fence = $2 and status = 'processing'`

// AddSegment keeps a finished segment, and makes the row of its blob. Fails with ErrFenced.
func (s *Service) AddSegment(ctx context.Context, id uuid.UUID, fence int64, seg Segment) error {
	// One batch is one implicit transaction; the blob's row of a fenced segment has no reference and is swept.
	var b pgx.Batch
	b.Queue(segmentBlobSQL, seg.SHA256, seg.Size, seg.MIME)
	added := b.Queue(segmentSQL, id, fence, seg.Index, seg.SHA256, seg.MIME, seg.Size, seg.Seconds)
	added.QueryRow(func(row pgx.Row) error {
		var idx int
		return row.Scan(&idx)
	})
	if err := s.cfg.Pool.SendBatch(ctx, &b).Close(); err != nil {
		return fencedIfNone("add segment", id, fence, err)
	}
	return nil
}

// Segments returns the finished segments of a job from index 0 without a hole.
func (s *Service) Segments(ctx context.Context, id uuid.UUID) ([]Segment, error) {
	rows, err := s.cfg.Pool.Query(ctx, segmentsSQL, id)
	if err != nil {
		return nil, fmt.Errorf("jobs: segments: %w", err)
	}
	segs, err := collectSegments(rows)
	if err != nil {
		return nil, fmt.Errorf("jobs: segments: %w", err)
	}
	return segs, nil
}

func collectSegments(rows pgx.Rows) ([]Segment, error) {
	all, err := pgx.CollectRows(rows, scanSegment)
	if err != nil {
		return nil, err
	}
	for i, seg := range all {
		if seg.Index != i {
			return all[:i], nil
		}
	}
	return all, nil
}

func scanSegment(row pgx.CollectableRow) (seg Segment, err error) {
	err = row.Scan(&seg.Index, &seg.SHA256, &seg.MIME, &seg.Size, &seg.Fence, &seg.Seconds)
	return seg, err
}

// Segment returns one finished segment of a job. Fails with ErrNoSegment.
func (s *Service) Segment(ctx context.Context, id uuid.UUID, index int) (Segment, error) {
	rows, err := s.cfg.Pool.Query(ctx, oneSegmentSQL, id, index)
	if err != nil {
		return Segment{}, fmt.Errorf("jobs: segment: %w", err)
	}
	segment, err := pgx.CollectExactlyOneRow(rows, scanSegment)
	if errors.Is(err, pgx.ErrNoRows) {
		return Segment{}, ErrNoSegment
	}
	if err != nil {
		return Segment{}, fmt.Errorf("jobs: segment: %w", err)
	}
	return segment, nil
}

// SetProgress stores the last progress of a run; call it at most once a second. Fails with ErrFenced.
func (s *Service) SetProgress(ctx context.Context, id uuid.UUID, fence int64, p report.Progress) error {
	var ok int
	err := s.cfg.Pool.QueryRow(ctx, progressSQL, id, fence, min(max(p.Fraction, 0), 1), p).Scan(&ok)
	if err != nil {
		return fencedIfNone("set progress", id, fence, err)
	}
	s.etas.invalidate()
	return nil
}

// CancelRequested says whether a run was asked to stop. Fails with ErrFenced when it no longer owns the job.
func (s *Service) CancelRequested(ctx context.Context, id uuid.UUID, fence int64) (bool, error) {
	var asked bool
	if err := s.cfg.Pool.QueryRow(ctx, cancelRequestedSQL, id, fence).Scan(&asked); err != nil {
		return false, fencedIfNone("look for a cancel", id, fence, err)
	}
	return asked, nil
}

// fencedIfNone names the operation; no row means that the fence did not hold.
func fencedIfNone(op string, id uuid.UUID, fence int64, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrFenced
	}
	return fmt.Errorf("jobs: %s of job %s at fence %d: %w", op, id, fence, err)
}
