package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

const setPrioritySQL = `
	update generation_jobs j set priority = $2, rank = $3, row_version = row_version + 1
	 where id = $1 returning ` + jobCols

const setInputSQL = `
	update generation_jobs j
	   set parameters = $2, units = $4, width = $5, height = $6, pictures = $7, blocked_by = $3,
	       warnings = $8, reason = case when $3 > 0 then 'waiting_for_input' end, row_version = row_version + 1
	 where id = $1 returning ` + jobCols

const dropInputSQL = `delete from job_deps where job_id = $1`

const dropSegmentsSQL = `delete from job_segments where job_id = $1`

// One reorder at a time: positions are meant against the order that the user sees.
const lockOrderSQL = `select paused from queue_state for update`

// The first so many of a lane. Blocked jobs have a place too.
const laneOrderSQL = `
	select id, priority, rank from generation_jobs
	 where status = 'queued' and lane = $1 and id <> $2
	 order by priority desc, rank, id
	 limit $3`

// Doubles between two neighbours run out after some fifty halvings; then the lane gets whole numbers again.
const renumberSQL = `
	update generation_jobs g set rank = o.n
	  from (select id, nextval('job_rank') as n
	          from (select id from generation_jobs where status = 'queued' and lane = $1
	                 order by priority desc, rank, id) q) o
	 where g.id = o.id and g.status = 'queued' and g.lane = $1`

// Update applies a Patch to a queued job. Fails with *StateError, *InputError, ErrChanged.
func (s *Service) Update(ctx context.Context, owner, id uuid.UUID, p Patch) (*Job, error) {
	if p.Priority != nil && p.Position != nil {
		return nil, &InputError{
			Name:   "position",
			Detail: i18n.Say("give priority or position, not both: a position takes the priority of its place"),
		}
	}
	if p.Priority != nil && (*p.Priority < -10 || *p.Priority > 10) {
		return nil, &InputError{Name: "priority", Detail: i18n.Say("priority is -10 to 10")}
	}
	if p.Position != nil && *p.Position < 1 {
		return nil, &InputError{Name: "position", Detail: i18n.Say("position is 1 or more: 1 is the first of its lane")}
	}
	err := s.inTx(ctx, "update", func(t *txn) error { return s.updateTx(ctx, t, owner, id, p) })
	if err != nil {
		return nil, submitError(err)
	}
	return s.Get(ctx, owner, id)
}

func (s *Service) updateTx(ctx context.Context, t *txn, owner, id uuid.UUID, p Patch) error {
	var deps []dep
	var err error
	if p.SetInput {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		// Inputs before the job: the order in which all transitions lock.
		if deps, err = lockDeps(ctx, t, owner, p.Inputs); err != nil {
			return err
		}
	}
	if p.Position != nil {
		if _, err := t.Exec(ctx, lockOrderSQL); err != nil {
			return fmt.Errorf("lock order: %w", err)
		}
	}
	j, err := lockOwn(ctx, t, owner, id)
	if err != nil {
		return err
	}
	if p.IfRowVersion != nil && *p.IfRowVersion != j.RowVersion {
		return ErrChanged
	}
	if j.Status != Queued {
		return stateError(j, "only a queued job can be changed; this one is %s", j.Status)
	}
	before, blocked := j.RowVersion, j.BlockedBy > 0
	switch {
	case p.Priority != nil && *p.Priority != j.Priority:
		if j, err = one(ctx, t, setPrioritySQL, id, *p.Priority, j.Rank); err != nil {
			return err
		}
	case p.Position != nil:
		if j, err = s.place(ctx, t, j, *p.Position); err != nil {
			return err
		}
	}
	if p.SetInput {
		if j, err = s.setInput(ctx, t, j, p, deps); err != nil {
			return err
		}
	}
	if j.RowVersion != before {
		t.emit(EventUpdated, j)
		t.nudge = true // another job may be the next now
		if j.BlockedBy == 0 && blocked {
			t.ticket(j, time.Time{})
		}
	}
	return nil
}

func (s *Service) setInput(ctx context.Context, t *txn, j *Job, p Patch, deps []dep) (*Job, error) {
	in := stored{Params: p.Params, Inputs: p.Inputs}
	if in.Params == nil {
		in.Params = map[string]any{}
	}
	if in.Inputs == nil {
		in.Inputs = []InputRef{}
	}
	for _, d := range deps {
		if d.job == j.ID {
			return nil, &InputError{Name: d.input, Detail: i18n.Say("a job cannot wait for itself")}
		}
	}
	if err := noCycle(ctx, t, j.ID, deps); err != nil {
		return nil, err
	}
	// Segments made from the earlier input are useless for this one.
	var b pgx.Batch
	b.Queue(dropInputSQL, j.ID)
	b.Queue(dropSegmentsSQL, j.ID)
	for _, d := range deps {
		b.Queue(insertDepSQL, j.ID, d.job, d.input)
	}
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	size, warnings := sizeOf(j.Type, in.Params), p.Warnings
	if warnings == nil {
		warnings = []report.Warning{}
	}
	return one(ctx, t, setInputSQL, j.ID, in, countDeps(deps), size.units, size.width, size.height, size.pictures,
		warnings)
}

const upstreamSQL = `
	with recursive up(id) as (
	    select unnest($1::uuid[])
	    union
	    select d.depends_on from up, lateral (select x.depends_on from job_deps x where x.job_id = up.id offset 0) d)
	select exists (select from up where id = $2)`

// noCycle refuses an input that itself waits for the job.
func noCycle(ctx context.Context, t *txn, id uuid.UUID, deps []dep) error {
	from := make([]uuid.UUID, len(deps))
	for i, d := range deps {
		from[i] = d.job
	}
	var cycle bool
	if err := t.QueryRow(ctx, upstreamSQL, from, id).Scan(&cycle); err != nil {
		return fmt.Errorf("look for a cycle: %w", err)
	}
	if cycle {
		return &InputError{
			Name:   deps[0].input,
			Detail: i18n.Say("that job waits for this one: they would wait for each other"),
		}
	}
	return nil
}

type place struct {
	ID       uuid.UUID
	Priority int
	Rank     float64
}

// place puts a job before the one that now has its position, at the priority of that place.
func (s *Service) place(ctx context.Context, t *txn, j *Job, position int) (*Job, error) {
	for range 2 {
		rows, err := t.Query(ctx, laneOrderSQL, nullable(j.Lane), j.ID, position)
		if err != nil {
			return nil, fmt.Errorf("order: %w", err)
		}
		others, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
		if err != nil {
			return nil, fmt.Errorf("order: %w", err)
		}
		priority, rank, ok := between(others, position, j)
		if ok {
			return one(ctx, t, setPrioritySQL, j.ID, priority, rank)
		}
		if _, err := t.Exec(ctx, renumberSQL, nullable(j.Lane)); err != nil {
			return nil, fmt.Errorf("renumber: %w", err)
		}
	}
	return nil, fmt.Errorf("no rank is free at position %d of lane %s", position, j.Lane)
}

// between finds priority and rank for a job at a position among others; not ok when two neighbours are too close for a
// number in between.
func between(others []place, position int, j *Job) (int, float64, bool) {
	i := min(position-1, len(others))
	switch {
	case len(others) == 0:
		return j.Priority, j.Rank, true
	case i == 0:
		return others[0].Priority, others[0].Rank - 1, true
	case i == len(others):
		last := others[i-1]
		// Half a number: the next new job takes the next whole one.
		return last.Priority, last.Rank + 0.5, true
	}
	prev, next := others[i-1], others[i]
	if prev.Priority != next.Priority {
		return next.Priority, next.Rank - 1, true
	}
	mid := prev.Rank + (next.Rank-prev.Rank)/2
	return next.Priority, mid, prev.Rank < mid && mid < next.Rank
}
