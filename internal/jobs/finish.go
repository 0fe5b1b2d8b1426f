package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

const finishSQL = `
	update generation_jobs j
	   set status = 'completed', reason = null, result = $3, warnings = warnings || $4::jsonb, completed_at = now(),
	       row_version = row_version + 1,
	       metrics = $5::jsonb || jsonb_build_object(
	           'queue_seconds', extract(epoch from started_at - queued_at), 'device', coalesce(device, ''),
	           'run_seconds', coalesce(nullif(($5::jsonb ->> 'run_seconds')::float8, 0),
	             extract(epoch from now() - started_at)))
	 where id = $1 and fence = $2 and status = 'processing'
	returning ` + jobCols

const readyVoiceSQL = `
	update voices
	   set status = 'ready', conditionals = conditionals || jsonb_build_object($2::text, $3::jsonb),
	       sample_seconds = $4,
	       language = coalesce($5, language), transcript = $6, updated_at = now()
	 where job_id = $1
	returning id`

const historySQL = `
	insert into run_history (node_id, type, engine, model, units, run_seconds, load_seconds, peak_ram, peak_vram)
	values ($1, $2, $3, $4, $5, $6, $7, nullif($8::bigint, 0), nullif($9::bigint, 0))`

const dropProgressSQL = `delete from job_progress where job_id = $1`

const endSQL = `
	update generation_jobs j
	   set status = $3, reason = null, error = $4, completed_at = now(), faults = faults + $5,
	       row_version = row_version + 1,
	       metrics = metrics || jsonb_build_object(
	           'queue_seconds', extract(epoch from started_at - queued_at), 'device', coalesce(device, ''),
	           'run_seconds', extract(epoch from now() - started_at))
	 where id = $1 and fence = $2 and status = 'processing'
	returning ` + jobCols

const requeueSQL = `
	update generation_jobs j
	   set status = 'queued', reason = $3, not_before = greatest($4::timestamptz, '-infinity'), faults = faults + $5,
	       node_id = null, boot_id = null, row_version = row_version + 1
	 where id = $1 and fence = $2 and status = 'processing'
	returning ` + jobCols

const lockRunSQL = `select ` + jobCols + ` from generation_jobs j 
	where id = $1 and fence = $2 and status = 'processing' for update`

const endedBySQL = `select ` + jobCols + ` from generation_jobs j where id = $1 and fence = $2 and status = any($3)`

// Finish completes a run, in this order: job, outputs, dependents with their tickets, voice, history, event. Fails
// with ErrFenced, and with ErrUnreadable before anything is written. Called again after a commit whose answer got lost
// it returns the job.
func (s *Service) Finish(ctx context.Context, id uuid.UUID, fence int64, r Result) (*Job, error) {
	if err := readable(r); err != nil {
		return nil, fmt.Errorf("jobs: finish: %w", err)
	}
	if r.Warnings == nil {
		r.Warnings = []report.Warning{}
	}
	info := ResultInfo{Outputs: make([]uuid.UUID, len(r.Outputs)), Metadata: r.Metadata}
	for i := range r.Outputs {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("jobs: finish: new id: %w", err)
		}
		info.Outputs[i] = id
	}
	var job *Job
	err := s.inTx(ctx, "finish", func(t *txn) error {
		var waiting []*Job
		var b pgx.Batch
		b.Queue(finishSQL, id, fence, info, r.Warnings, r.Metrics).Query(func(rows pgx.Rows) (err error) {
			job, err = pgx.CollectExactlyOneRow(rows, scanJob)
			return err
		})
		b.Queue(lockDependentsSQL, id, Queued).Query(func(rows pgx.Rows) (err error) {
			waiting, err = pgx.CollectRows(rows, scanJob)
			return err
		})
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		for i, out := range r.Outputs {
			out.ID, out.Owner, out.Project, out.Job, out.Index = info.Outputs[i], job.OwnerID, job.ProjectID, job.ID, i
			if _, err := assets.InsertBatch(&t.last, out); err != nil {
				return fmt.Errorf("output %d: %w", i, err)
			}
		}
		if err := s.release(ctx, t, waiting); err != nil {
			return err
		}
		if r.Voice != nil {
			finishVoice(t, job, r.Voice)
		}
		s.record(t, job, r)
		t.emit(EventCompleted, job)
		return nil
	})
	if err != nil {
		return s.alreadyEnded(ctx, "finish", id, fence, err, Completed)
	}
	if s.remembers(job, r) {
		s.history.ran(runOf(job))
	}
	return job, nil
}

// readable says whether the engine's values can be read back from the database: its numbers are larger than Go's, and a
// job whose row cannot be read would break every list.
func readable(r Result) error {
	said := []map[string]any{r.Metadata}
	for _, out := range r.Outputs {
		said = append(said, out.Metadata)
	}
	text, err := json.Marshal(said)
	if err == nil {
		var back []map[string]any
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return nil
}

// alreadyEnded turns "no row" into ErrFenced, unless this very attempt ended the job in one of these states and only
// the answer was lost. That it could not look is an error of its own: the caller asks again.
func (s *Service) alreadyEnded(
	ctx context.Context,
	op string,
	id uuid.UUID,
	fence int64,
	err error,
	states ...Status,
) (*Job, error) {
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	job, lookErr := one(ctx, s.cfg.Pool, endedBySQL, id, fence, states)
	if lookErr != nil {
		return nil, fencedIfNone(op, id, fence, lookErr)
	}
	return job, nil
}

func finishVoice(t *txn, j *Job, v *VoiceResult) {
	t.last.Queue(readyVoiceSQL, j.ID, j.Engine, v.Conditionals, v.SampleSeconds, nullable(v.Language),
		nullable(v.Transcript)).
		QueryRow(func(row pgx.Row) error {
			var id uuid.UUID
			err := row.Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil // the user deleted the voice while it was made
			}
			j.VoiceID = &id
			return err
		})
}

// remembers says whether a run goes into the history of its kind.
func (s *Service) remembers(j *Job, r Result) bool { return !r.NoHistory && j.Lane != LaneNone }

// record queues the rows that a run leaves besides its result.
func (s *Service) record(t *txn, j *Job, r Result) {
	if s.remembers(j, r) {
		kind, ran := runOf(j)
		t.last.Queue(historySQL, s.cfg.NodeID, kind.kind, kind.engine, kind.model, ran.Units, ran.Seconds, ran.Load,
			j.Metrics.PeakRAMBytes, j.Metrics.PeakVRAMBytes)
	}
	if p := r.Peak; p != nil {
		t.last.Queue(recordPeakSQL, s.cfg.NodeID, p.Engine, p.Model, p.Variant, p.Device, p.Size, p.RAM, p.VRAM)
	}
	t.last.Queue(dropProgressSQL, j.ID)
}

// Fail ends a run for good. fault says that it counts as one. Dependents fail with it. Fails with ErrFenced.
func (s *Service) Fail(ctx context.Context, id uuid.UUID, fence int64, p Problem, fault bool) error {
	err := s.inTx(ctx, "fail", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		return s.end(ctx, t, id, fence, Failed, &p, fault)
	})
	if err != nil {
		_, err = s.alreadyEnded(ctx, "fail", id, fence, err, Failed)
	}
	return err
}

// Unstorable is how a job fails whose own result, failure or segment the database refused: nothing of it is of the
// run, so that it cannot be refused as well.
var Unstorable = Problem{
	Type: "/problems/result_refused", Status: 500, Code: "result_refused", Retryable: true,
	Title: i18n.Say("The result could not be stored"),
	Detail: i18n.Say("the engine answered something that the database cannot store, so the result was thrown away: " +
		"try again, or choose another engine"),
}

// FinishCanceled ends a run that was canceled. Dependents fail with it. Fails with ErrFenced.
func (s *Service) FinishCanceled(ctx context.Context, id uuid.UUID, fence int64) error {
	err := s.inTx(ctx, "finish canceled", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		return s.end(ctx, t, id, fence, Canceled, nil, false)
	})
	if err != nil {
		_, err = s.alreadyEnded(ctx, "finish canceled", id, fence, err, Canceled)
	}
	return err
}

// failTx fails a job that this transaction has claimed.
func (s *Service) failTx(ctx context.Context, t *txn, j *Job, p Problem) error {
	return s.end(ctx, t, j.ID, j.Fence, Failed, &p, false)
}

func (s *Service) end(
	ctx context.Context,
	t *txn,
	id uuid.UUID,
	fence int64,
	status Status,
	p *Problem,
	fault bool,
) error {
	job, err := one(ctx, t, endSQL, id, fence, status, p, count(fault))
	if err != nil {
		return err
	}
	kind := EventFailed
	if status == Canceled {
		kind = EventCanceled
	}
	t.emit(kind, job)
	t.last.Queue(dropProgressSQL, id)
	return s.cascade(ctx, t, job)
}

// Backoff is how long a job waits after its nth fault: 1 s, then 5 s.
func Backoff(faults int) time.Duration {
	if faults <= 1 {
		return time.Second
	}
	return 5 * time.Second
}

// Fault counts a fault: the job goes back to the queue for backoff (1 s, then 5 s), or fails with p at the last one.
// One that was asked to stop is canceled. It returns whether the job will run again. Fails with ErrFenced.
func (s *Service) Fault(ctx context.Context, id uuid.UUID, fence int64, p Problem) (again bool, err error) {
	err = s.inTx(ctx, "fault", func(t *txn) error {
		again = false
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		job, err := one(ctx, t, lockRunSQL, id, fence)
		if err != nil {
			return err
		}
		switch {
		case job.CancelRequestedAt != nil:
			return s.end(ctx, t, id, fence, Canceled, nil, true)
		case job.Faults+1 >= s.cfg.MaxFaults:
			return s.end(ctx, t, id, fence, Failed, &p, true)
		}
		again = true
		var now time.Time
		if err := t.QueryRow(ctx, nowSQL).Scan(&now); err != nil {
			return err
		}
		return s.requeueTx(ctx, t, id, fence, ReasonBackingOff, now.Add(Backoff(job.Faults+1)), true)
	})
	if err != nil {
		job, err := s.alreadyEnded(ctx, "fault", id, fence, err, Queued, Failed, Canceled)
		return err == nil && job.Status == Queued, err
	}
	return again, nil
}

const nowSQL = `select now()`

// Requeue hands a run back without a verdict: a soft stop, a lost model slot. notBefore zero is now. One that was
// asked to stop is canceled instead. Fails with ErrFenced.
func (s *Service) Requeue(
	ctx context.Context,
	id uuid.UUID,
	fence int64,
	reason Reason,
	notBefore time.Time,
	fault bool,
) error {
	err := s.inTx(ctx, "requeue", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		job, err := one(ctx, t, lockRunSQL, id, fence)
		if err != nil {
			return err
		}
		if job.CancelRequestedAt != nil {
			return s.end(ctx, t, id, fence, Canceled, nil, fault)
		}
		return s.requeueTx(ctx, t, id, fence, reason, notBefore, fault)
	})
	if err != nil {
		_, err = s.alreadyEnded(ctx, "requeue", id, fence, err, Queued, Canceled)
	}
	return err
}

func (s *Service) requeueTx(
	ctx context.Context,
	t *txn,
	id uuid.UUID,
	fence int64,
	reason Reason,
	notBefore time.Time,
	fault bool,
) error {
	var at *time.Time
	if !notBefore.IsZero() {
		at = &notBefore
	}
	job, err := one(ctx, t, requeueSQL, id, fence, nullable(reason), at, count(fault))
	if err != nil {
		return err
	}
	t.last.Queue(dropProgressSQL, id)
	t.ticket(job, notBefore)
	t.emit(EventRequeued, job)
	return nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
