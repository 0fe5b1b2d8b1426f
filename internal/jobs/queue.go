package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
)

// wideQueue is how many waiting jobs a scheduler is shown before the queue counts as long.
const wideQueue = 400

const waitingCols = `j.id, j.owner_id, j.type, j.lane, j.priority, j.rank, j.queued_at, j.engine,
	coalesce(j.model, '') as model, j.uses_gpu, coalesce(j.reason, '') as reason, coalesce(j.device, '') as device,
	j.width, j.height, j.pictures`

// Jobs whose back-off is over are treated like those that never backed off. Readers see no change.
const readySQL = `
	update generation_jobs set not_before = '-infinity'
	 where status = 'queued' and blocked_by = 0 and not_before > '-infinity' and not_before <= now()`

const nextSQL = `
	select min(not_before), (select paused from queue_state) from generation_jobs
	 where status = 'queued' and blocked_by = 0 and not_before > '-infinity' and lane is not null
	   and not (select paused from queue_state)`

const waitingSQL = `
	select ` + waitingCols + `
	  from generation_jobs j
	 where j.status = 'queued' and j.blocked_by = 0 and j.not_before = '-infinity' and j.lane is not null
	   and j.cancel_requested_at is null and not (select paused from queue_state)
	 order by j.lane, j.priority desc, j.rank limit $1`

// Of a long queue the scheduler sees the head of every lane and priority: the next, the oldest and the neighbours that
// a loaded model could take are among them, and a pick costs the same at 50 jobs and at 50,000.
const headsSQL = `
	select h.* from unnest(array['audio', 'image', 'video']) as l (lane), generate_series(-10, 10) as p (priority),
	     lateral (select ` + waitingCols + `
	                from generation_jobs j
	               where j.status = 'queued' and j.blocked_by = 0 and j.not_before = '-infinity' and j.lane = l.lane
	                 and j.priority = p.priority and j.cancel_requested_at is null
	                 and not (select paused from queue_state)
	               order by j.rank limit 50) h`

const queueStateSQL = `
	select paused, coalesce(cause, ''), coalesce(message, ''), sentence, updated_at from queue_state`

const setPausedSQL = `
	update queue_state set paused = $1, cause = $2, message = $3, sentence = $4, updated_at = now()
	 where paused is distinct from $1 or $1 and cause is distinct from $2
	returning updated_at`

func scanWaiting(rows pgx.Rows) (waiting []Waiting, err error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Waiting, err error) {
		err = row.Scan(&w.ID, &w.Owner, &w.Type, &w.Lane, &w.Priority, &w.Rank, &w.QueuedAt, &w.Engine, &w.Model,
			&w.UsesGPU, &w.Reason, &w.Device, &w.Width, &w.Height, &w.Pictures)
		return w, err
	})
}

// WaitingList holds the jobs that could run now.
type WaitingList struct {
	// Jobs are the queued jobs of lanes, unblocked, whose time has come; none while the queue is paused.
	Jobs []Waiting
	// Next is when the next job that backs off may run, zero when none does.
	Next time.Time
	// Paused says that the queue is paused.
	Paused bool
	// Heads says that Jobs are only the first 50 of each lane and priority, since the queue is longer than a few
	// hundred.
	Heads bool
}

// Waiting reads the jobs that could run now.
func (s *Service) Waiting(ctx context.Context) (WaitingList, error) {
	var list WaitingList
	var next *time.Time
	var b pgx.Batch
	b.Queue(readySQL)
	b.Queue(nextSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&next, &list.Paused) })
	b.Queue(waitingSQL, wideQueue).Query(func(rows pgx.Rows) (err error) {
		list.Jobs, err = scanWaiting(rows)
		return err
	})
	if err := s.cfg.Pool.SendBatch(ctx, &b).Close(); err != nil {
		return list, fmt.Errorf("jobs: waiting: %w", err)
	}
	if next != nil {
		list.Next = *next
	}
	if len(list.Jobs) < wideQueue {
		return list, nil
	}
	rows, err := s.cfg.Pool.Query(ctx, headsSQL)
	if err == nil {
		list.Heads = true
		list.Jobs, err = scanWaiting(rows)
	}
	if err != nil {
		return list, fmt.Errorf("jobs: waiting: %w", err)
	}
	return list, nil
}

// waitingOf is a job that has just been queued, as Waiting would read it.
func waitingOf(j *Job) Waiting {
	size := sizeOf(j.Type, j.Params)
	return Waiting{
		ID:       j.ID,
		Owner:    j.OwnerID,
		Type:     j.Type,
		Lane:     j.Lane,
		Priority: j.Priority,
		Rank:     j.Rank,
		QueuedAt: j.QueuedAt,
		Engine:   j.Engine,
		Model:    j.Model,
		UsesGPU:  j.UsesGPU,
		Width:    size.width,
		Height:   size.height,
		Pictures: size.pictures,
	}
}

// inOrder compares by priority, then rank.
func inOrder(a, b *Waiting) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Rank, b.Rank), bytes.Compare(a.ID[:], b.ID[:]))
}

func orderByRank(_ context.Context, waiting []Waiting) []uuid.UUID {
	sorted := slices.Clone(waiting)
	slices.SortFunc(sorted, func(a, b Waiting) int { return inOrder(&a, &b) })
	ids := make([]uuid.UUID, len(sorted))
	for i, w := range sorted {
		ids[i] = w.ID
	}
	return ids
}

// QueueState returns whether the queue is paused, and why.
func (s *Service) QueueState(ctx context.Context) (QueueState, error) {
	var (
		q        QueueState
		message  string
		sentence json.RawMessage
	)
	err := s.cfg.Pool.QueryRow(ctx, queueStateSQL).Scan(&q.Paused, &q.Cause, &message, &sentence, &q.UpdatedAt)
	if err != nil {
		return q, fmt.Errorf("jobs: queue state: %w", err)
	}
	q.Message = i18n.Restore(message, sentence)
	return q, nil
}

// SetPaused pauses or resumes claiming on all nodes; running jobs continue. Doing it twice changes nothing.
func (s *Service) SetPaused(ctx context.Context, paused bool, cause string) (QueueState, error) {
	err := s.inTx(ctx, "pause or resume", func(t *txn) error {
		return setPausedTx(ctx, t, paused, cause, i18n.Sentence{})
	})
	if err != nil {
		return QueueState{}, err
	}
	return s.QueueState(ctx)
}

func setPausedTx(ctx context.Context, t *txn, paused bool, cause string, message i18n.Sentence) error {
	if !paused {
		cause, message = "", i18n.Sentence{}
	}
	english, sentence := message.Store()
	tag, err := t.Exec(ctx, setPausedSQL, paused, nullable(cause), nullable(english), sentence)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	data, err := json.Marshal(map[string]any{"paused": paused, "cause": nullable(cause), "message": nullable(english),
		"sentence": sentence})
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
