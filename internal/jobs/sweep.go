package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/apibr/studio/internal/queue"
)

// nodeRetention is how long a node that left is remembered; its kernel boot id shows a reboot.
const nodeRetention = 90 * 24 * time.Hour

// segmentRetention is how long the segments of a completed job can still be played. Those of other jobs stay, since a
// retry goes on after them.
const segmentRetention = 24 * time.Hour

// segmentsAtOnce are as many segments as one statement of the sweep deletes.
const segmentsAtOnce = 10_000

const (
	// Deletes from the front up to the first young event, so that the rest has no hole: events commit in another order
	// than they begin.
	sweepEventsSQL = `
	delete from events
	 where seq < coalesce(
	   (select seq from events where at >= now() - make_interval(secs => $1) order by seq limit 1),
	   9223372036854775807)`
	sweepKeysSQL = `delete from idempotency where created_at < now() - make_interval(secs => $1)`
	// The last 200 of each kind are more than an estimate reads.
	sweepHistorySQL = `
	with recursive kinds (node_id, type, engine, model) as (
	    (select node_id, type, engine, model from run_history order by node_id, type, engine, model limit 1)
	    union all
	    select n.* from kinds k,
	         lateral (select h.node_id, h.type, h.engine, h.model from run_history h
	                   where (h.node_id, h.type, h.engine, h.model) > (k.node_id, k.type, k.engine, k.model)
	                   order by h.node_id, h.type, h.engine, h.model limit 1) n)
	delete from run_history where id = any (array(
	    select o.id from kinds k,
	         lateral (select h.id from run_history h
	                   where h.node_id = k.node_id and h.type = k.type and h.engine = k.engine and h.model = k.model
	                   order by h.at desc offset 200) o))`
	sweepNodesSQL = `delete from nodes where seen_at < now() - make_interval(secs => $1)
		and started_at < now() - make_interval(secs => $1)`
	sweepSegmentsSQL = `
	delete from job_segments where ctid = any (array(
	    select s.ctid from job_segments s
	     where s.created_at < now() - make_interval(secs => $1)
	       and exists (select from generation_jobs j
	                    where j.id = s.job_id and j.status = 'completed'
	                      and j.completed_at < now() - make_interval(secs => $1) offset 0)
	     limit $2))`
	sweepProgressSQL = `delete from job_progress p
		where not exists (select from generation_jobs j where j.id = p.job_id and j.status = 'processing')`
)

// Sweep deletes rows whose retention is over: events, idempotency keys, old run history, segments of completed jobs,
// nodes that left.
func (s *Service) Sweep(ctx context.Context) error {
	var b pgx.Batch
	b.Queue(sweepEventsSQL, s.cfg.EventRetention.Seconds())
	b.Queue(sweepKeysSQL, s.cfg.IdempotencyTTL.Seconds())
	b.Queue(sweepHistorySQL)
	b.Queue(sweepNodesSQL, nodeRetention.Seconds())
	b.Queue(sweepProgressSQL)
	if err := s.cfg.Pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("jobs: sweep: %w", err)
	}
	return s.sweepSegments(ctx, segmentsAtOnce)
}

// sweepSegments deletes a part at a time: the first sweep of a long history does not have to end in time to be worth
// something, and holds no rows for long.
func (s *Service) sweepSegments(ctx context.Context, atOnce int64) error {
	for {
		tag, err := s.cfg.Pool.Exec(ctx, sweepSegmentsSQL, segmentRetention.Seconds(), atOnce)
		if err != nil {
			return fmt.Errorf("jobs: sweep segments: %w", err)
		}
		if tag.RowsAffected() < atOnce {
			return nil
		}
	}
}

// SweepArgs is the util job that sweeps.
type SweepArgs struct{}

// Kind is River's name for it.
func (SweepArgs) Kind() string { return "sweep_jobs" }

// InsertOpts: the next hour is its retry.
func (SweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue.Util, MaxAttempts: 1}
}

// SweepWorker runs Sweep; app adds it to the util workers, as "sweep_jobs", once an hour or more often.
type SweepWorker struct {
	river.WorkerDefaults[SweepArgs]
	Jobs *Service
}

// Timeout of one sweep.
func (w *SweepWorker) Timeout(*river.Job[SweepArgs]) time.Duration { return 5 * time.Minute }

// Work sweeps.
func (w *SweepWorker) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	return w.Jobs.Sweep(ctx)
}
