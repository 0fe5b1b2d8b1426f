package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/apibr/studio/internal/events"
)

// wideQueue is how many waiting jobs a scheduler is shown before the queue counts as long.
const wideQueue = 400

const waitingCols = `j.id, j.owner_id, j.type, j.lane, j.priority, j.rank, j.queued_at, j.engine, coalesce(j.model, '') as model,
	j.uses_gpu, coalesce(j.reason, '') as reason, coalesce(j.device, '') as device, ` + widthCol + `, ` + heightCol + `, ` + picturesCol + `,
	j.not_before, j.not_before <= now() as due`

// What the memory of a run depends on, 0 where the parameters do not say.
const (
	widthCol    = `coalesce(case jsonb_typeof(j.parameters #> '{params,width}') when 'number' then (j.parameters #>> '{params,width}')::float8 end, 0)::int as width`
	heightCol   = `coalesce(case jsonb_typeof(j.parameters #> '{params,height}') when 'number' then (j.parameters #>> '{params,height}')::float8 end, 0)::int as height`
	picturesCol = `coalesce(case jsonb_typeof(j.parameters #> '{params,num_images}') when 'number' then (j.parameters #>> '{params,num_images}')::float8 end, 0)::int as pictures`
)

const waitingSQL = `
	select ` + waitingCols + `
	  from generation_jobs j
	 where j.status = 'queued' and j.blocked_by = 0 and j.lane is not null and j.cancel_requested_at is null
	   and not (select paused from queue_state)
	 limit $1`

// Of a long queue the scheduler sees the head of every lane and priority: the next, the oldest and the neighbours that a
// loaded model could take are among them, and a pick costs the same at 50 jobs and at 50,000.
const headsSQL = `
	select h.* from unnest(array['audio', 'image', 'video']) as l (lane), generate_series(-10, 10) as p (priority),
	     lateral (select ` + waitingCols + `
	                from generation_jobs j
	               where j.status = 'queued' and j.blocked_by = 0 and j.lane = l.lane and j.priority = p.priority
	                 and j.cancel_requested_at is null and not (select paused from queue_state)
	               order by j.rank limit 50) h`

const setReasonSQL = `
	update generation_jobs j
	   set reason = r.reason, row_version = row_version + 1
	  from unnest($1::uuid[], $2::text[]) as r (id, reason)
	 where j.id = r.id and j.status = 'queued' and j.blocked_by = 0
	   and (j.reason is null or j.reason in ('no_memory', 'host_restarted', 'backing_off'))
	   and j.reason is distinct from r.reason
	   and not (j.reason = 'backing_off' and j.not_before > now())
	   and not (r.reason is null and j.reason = 'host_restarted')
	returning ` + jobCols

const queueStateSQL = `select paused, coalesce(cause, ''), coalesce(message, ''), updated_at from queue_state`

const setPausedSQL = `
	update queue_state set paused = $1, cause = $2, message = $3, updated_at = now()
	 where paused is distinct from $1 or $1 and cause is distinct from $2
	returning updated_at`

const queueCountsSQL = `
	select count(*) filter (where status = 'queued'), count(*) filter (where status = 'processing')
	  from generation_jobs where status in ('queued', 'processing') and ($1::uuid is null or owner_id = $1)`

func scanWaiting(rows pgx.Rows) (due []Waiting, next time.Time, err error) {
	var (
		w         Waiting
		notBefore pgtype.Timestamptz
		now       bool
	)
	_, err = pgx.ForEachRow(rows, []any{&w.ID, &w.Owner, &w.Type, &w.Lane, &w.Priority, &w.Rank, &w.QueuedAt, &w.Engine, &w.Model,
		&w.UsesGPU, &w.Reason, &w.Device, &w.Width, &w.Height, &w.Pictures, &notBefore, &now}, func() error {
		if now {
			due = append(due, w)
		} else if next.IsZero() || notBefore.Time.Before(next) {
			next = notBefore.Time
		}
		return nil
	})
	return due, next, err
}

// Waiting returns what could run now: queued jobs of lanes, unblocked, whose time has come; none while the queue is paused.
// Of a queue longer than a few hundred it returns the first 50 of each lane and priority. next is when the next job that
// backs off may run, zero when none does.
func (s *Service) Waiting(ctx context.Context) (jobs []Waiting, next time.Time, err error) {
	rows, err := s.cfg.Pool.Query(ctx, waitingSQL, wideQueue)
	if err != nil {
		return nil, next, fmt.Errorf("jobs: waiting: %w", err)
	}
	jobs, next, err = scanWaiting(rows)
	if err != nil {
		return nil, next, fmt.Errorf("jobs: waiting: %w", err)
	}
	if len(jobs) < wideQueue {
		return jobs, next, nil
	}
	if rows, err = s.cfg.Pool.Query(ctx, headsSQL); err != nil {
		return nil, next, fmt.Errorf("jobs: waiting: %w", err)
	}
	if jobs, next, err = scanWaiting(rows); err != nil {
		return nil, next, fmt.Errorf("jobs: waiting: %w", err)
	}
	return jobs, next, nil
}

func orderByRank(_ context.Context, waiting []Waiting) []uuid.UUID {
	sorted := slices.Clone(waiting)
	slices.SortFunc(sorted, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	ids := make([]uuid.UUID, len(sorted))
	for i, w := range sorted {
		ids[i] = w.ID
	}
	return ids
}

// SetReason says why queued jobs wait (ReasonNoMemory, or ReasonNone to take it back); rows that say so already, or that
// have another reason of their own, stay as they are.
func (s *Service) SetReason(ctx context.Context, reasons map[uuid.UUID]Reason) error {
	if len(reasons) == 0 {
		return nil
	}
	ids, texts := make([]uuid.UUID, 0, len(reasons)), make([]*string, 0, len(reasons))
	for id := range reasons {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return cmp.Compare(a.String(), b.String()) })
	for _, id := range ids {
		texts = append(texts, nullable(reasons[id]))
	}
	return s.inTx(ctx, "set reason", func(t *txn) error {
		changed, err := many(ctx, t, setReasonSQL, ids, texts)
		if err != nil {
			return err
		}
		for _, j := range changed {
			t.emit(EventUpdated, j)
		}
		return nil
	})
}

// QueueState returns whether the queue is paused, and why.
func (s *Service) QueueState(ctx context.Context) (QueueState, error) {
	var q QueueState
	if err := s.cfg.Pool.QueryRow(ctx, queueStateSQL).Scan(&q.Paused, &q.Cause, &q.Message, &q.UpdatedAt); err != nil {
		return q, fmt.Errorf("jobs: queue state: %w", err)
	}
	return q, nil
}

// SetPaused pauses or resumes claiming on all nodes; what runs goes on. Doing it twice changes nothing.
func (s *Service) SetPaused(ctx context.Context, paused bool, cause, message string) (QueueState, error) {
	err := s.inTx(ctx, "pause or resume", func(t *txn) error { return setPausedTx(ctx, t, paused, cause, message) })
	if err != nil {
		return QueueState{}, err
	}
	return s.QueueState(ctx)
}

func setPausedTx(ctx context.Context, t *txn, paused bool, cause, message string) error {
	if !paused {
		cause, message = "", ""
	}
	tag, err := t.Exec(ctx, setPausedSQL, paused, nullable(cause), nullable(message))
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	data, err := json.Marshal(map[string]any{"paused": paused, "cause": nullable(cause), "message": nullable(message)})
	if err != nil {
		return err
	}
	kind := EventQueueResumed
	if paused {
		kind = EventQueuePaused
	}
	t.events = append(t.events, events.Event{Type: kind, Data: data})
	t.nudge = true
	return nil
}

// Queue returns the state of the queue. owner nil: counts all jobs, else the owner's.
func (s *Service) Queue(ctx context.Context, owner *uuid.UUID) (*QueueInfo, error) {
	state, err := s.QueueState(ctx)
	if err != nil {
		return nil, err
	}
	info := &QueueInfo{QueueState: state}
	if err := s.cfg.Pool.QueryRow(ctx, queueCountsSQL, owner).Scan(&info.Queued, &info.Processing); err != nil {
		return nil, fmt.Errorf("jobs: count: %w", err)
	}
	forecast, err := s.forecast(ctx)
	if err != nil {
		return nil, err
	}
	info.Waiting = forecast.order
	return info, nil
}
