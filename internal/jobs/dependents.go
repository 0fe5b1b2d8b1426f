package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
)

// Rows are always locked from a job to its dependents, and within one step in the order of their ids.
const lockDependentsSQL = `
	select ` + jobCols + `
	  from generation_jobs j
	 where j.id in (select job_id from job_deps where depends_on = $1) and j.status = $2
	 order by j.id for update`

const releaseSQL = `
	update generation_jobs j
	   set blocked_by = j.blocked_by - 1, row_version = row_version + 1,
	       reason = case when j.blocked_by = 1 then null else j.reason end
	 where id = any($1) and blocked_by > 0
	returning ` + jobCols

const failQueuedSQL = `
	update generation_jobs j
	   set status = 'failed', reason = 'dependency_failed', error = $2, completed_at = now(),
	       row_version = row_version + 1
	 where id = any($1) and status = 'queued'
	returning ` + jobCols

const voicesOfSQL = `update voices set status = $2, updated_at = now() where job_id = any($1) and status <> $2`

// blocked_by as it stands: the jobs waited for that have not completed.
const reviveSQL = `
	update generation_jobs j
	   set status = 'queued', blocked_by = d.waits, reason = case when d.waits > 0 then 'waiting_for_input' end,
	       error = null, result = null, faults = 0, host_restarts = 0, completed_at = null, started_at = null,
	       cancel_requested_at = null, not_before = '-infinity', device = null, node_id = null, boot_id = null,
	       queued_at = now(), rank = nextval('job_rank'), metrics = '{}', row_version = row_version + 1
	  from (select count(distinct x.depends_on) filter (where o.status <> 'completed') as waits
	          from job_deps x join generation_jobs o on o.id = x.depends_on
	         where x.job_id = $1) d
	 where j.id = $1 and j.status in ('failed', 'canceled')
	returning ` + jobCols

const lockDepsOfSQL = `
	select j.id, j.type, j.status from generation_jobs j
	 where j.id in (select depends_on from job_deps where job_id = $1) order by j.id for share`

// release frees the locked jobs that waited for one that has completed.
func (s *Service) release(ctx context.Context, t *txn, waiting []*Job) error {
	if len(waiting) == 0 {
		return nil
	}
	freed, err := many(ctx, t, releaseSQL, idsOf(waiting))
	if err != nil {
		return fmt.Errorf("release dependents: %w", err)
	}
	for _, j := range freed {
		if j.BlockedBy == 0 {
			t.ticket(j, time.Time{})
		}
		t.emit(EventUpdated, j)
	}
	return nil
}

// cascade fails the jobs that wait for a failed or canceled job, and those that wait for them.
func (s *Service) cascade(ctx context.Context, t *txn, ended *Job) error {
	for level := []*Job{ended}; len(level) > 0; {
		if _, err := t.Exec(ctx, voicesOfSQL, idsOf(level), "failed"); err != nil {
			return fmt.Errorf("fail voices: %w", err)
		}
		var next []*Job
		for _, up := range level {
			waiting, err := many(ctx, t, lockDependentsSQL, up.ID, Queued)
			if err != nil {
				return fmt.Errorf("lock dependents: %w", err)
			}
			if len(waiting) == 0 {
				continue
			}
			failed, err := many(ctx, t, failQueuedSQL, idsOf(waiting), dependencyProblem(up))
			if err != nil {
				return fmt.Errorf("fail dependents: %w", err)
			}
			for _, j := range failed {
				t.emit(EventFailed, j)
			}
			next = append(next, failed...)
		}
		level = next
	}
	return nil
}

func dependencyProblem(up *Job) Problem {
	detail := i18n.Say("the %s job %s, which this one needs, failed: retry that one, and this one goes on by itself",
		up.Type, up.ID)
	if up.Status == Canceled {
		detail = i18n.Say(
			"the %s job %s, which this one needs, was canceled: retry that one, and this one goes on by itself",
			up.Type,
			up.ID,
		)
	}
	return Problem{
		Type: "dependency_failed", Title: i18n.Say("An input could not be made"),
		Status: 424, Code: "dependency_failed",
		Retryable: true, Detail: detail,
	}
}

// lockInputs holds the jobs that a job waits for, so that none ends in between unseen. It returns one of them that has
// failed or was canceled, nil when none has.
func lockInputs(ctx context.Context, t *txn, id uuid.UUID) (*endedDep, error) {
	rows, err := t.Query(ctx, lockDepsOfSQL, id)
	if err != nil {
		return nil, fmt.Errorf("lock inputs: %w", err)
	}
	deps, err := pgx.CollectRows(rows, pgx.RowToStructByPos[endedDep])
	if err != nil {
		return nil, fmt.Errorf("lock inputs: %w", err)
	}
	for _, d := range deps {
		if d.Status == Failed || d.Status == Canceled {
			return &d, nil
		}
	}
	return nil, nil
}

type endedDep struct {
	ID     uuid.UUID
	Type   Type
	Status Status
}

// revive queues a job again, after lockInputs.
func (s *Service) revive(ctx context.Context, t *txn, id uuid.UUID) error {
	j, err := one(ctx, t, reviveSQL, id)
	if err != nil {
		return err
	}
	if _, err := t.Exec(ctx, voicesOfSQL, []uuid.UUID{id}, "pending"); err != nil {
		return fmt.Errorf("voice: %w", err)
	}
	if j.BlockedBy == 0 {
		t.ticket(j, time.Time{})
	}
	t.emit(EventQueued, j)
	return nil
}

// reviveDependents queues again the jobs that failed only because this job did. A job with another failed input stays
// failed, because it would wait for ever. A job that waits for two revived jobs is checked after each.
func (s *Service) reviveDependents(ctx context.Context, t *txn, id uuid.UUID) error {
	for level := []uuid.UUID{id}; len(level) > 0; {
		var next []uuid.UUID
		for _, up := range level {
			failed, err := many(ctx, t, dependencyFailedSQL, up)
			if err != nil {
				return fmt.Errorf("find dependents: %w", err)
			}
			for _, j := range failed {
				ended, err := lockInputs(ctx, t, j.ID)
				if err != nil {
					return err
				}
				if ended != nil {
					continue
				}
				if err := s.revive(ctx, t, j.ID); err != nil {
					return fmt.Errorf("revive dependent: %w", err)
				}
				next = append(next, j.ID)
			}
		}
		level = next
	}
	return nil
}

// Not locked: their inputs are locked first.
const dependencyFailedSQL = `
	select ` + jobCols + `
	  from generation_jobs j
	 where j.id in (select job_id from job_deps where depends_on = $1) and j.status = 'failed'
	   and j.reason = 'dependency_failed'
	 order by j.id`

func idsOf(js []*Job) []uuid.UUID {
	ids := make([]uuid.UUID, len(js))
	for i, j := range js {
		ids[i] = j.ID
	}
	return ids
}
