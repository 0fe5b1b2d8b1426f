package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CancelChannel is where Cancel of a running job is notified; the payload is the job's id.
const CancelChannel = "apibr_cancel"

const lockOwnSQL = `select ` + jobCols + ` from generation_jobs j where id = $1 and owner_id = $2 for update`

const cancelQueuedSQL = `
	update generation_jobs j
	   set status = 'canceled', reason = null, cancel_requested_at = coalesce(cancel_requested_at, now()),
	       completed_at = now(),
	       row_version = row_version + 1
	 where id = $1
	returning ` + jobCols

const requestCancelSQL = `
	update generation_jobs j
	   set cancel_requested_at = now(), reason = 'canceling', row_version = row_version + 1
	 where id = $1
	returning ` + jobCols

const notifyCancelSQL = `select pg_notify('` + CancelChannel + `', $1)`

const deleteSQL = `delete from generation_jobs where id = $1`

// lockOwn holds a job of the owner; ErrNotFound.
func lockOwn(ctx context.Context, t *txn, owner, id uuid.UUID) (*Job, error) {
	j, err := one(ctx, t, lockOwnSQL, id, owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	return j, err
}

// Cancel ends at once a queued job, and a job that this node should run but does not. It asks the node of a running job
// to end it. A finished job, or one whose cancel was requested before, is returned unchanged.
func (s *Service) Cancel(ctx context.Context, owner, id uuid.UUID) (*Job, error) {
	err := s.inTx(ctx, "cancel", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		j, err := lockOwn(ctx, t, owner, id)
		if err != nil {
			return err
		}
		switch {
		case j.Status == Queued:
			return s.cancelQueued(ctx, t, id)
		case j.Status == Processing && s.ownerless(*j.NodeID, *j.BootID, id):
			return s.end(ctx, t, id, j.Fence, Canceled, nil, false)
		case j.Status == Processing && j.CancelRequestedAt == nil:
			if j, err = one(ctx, t, requestCancelSQL, id); err != nil {
				return err
			}
			t.emit(EventUpdated, j)
			t.cancels = append(t.cancels, id)
		case j.Status == Processing:
			t.cancels = append(t.cancels, id) // a notification may have been lost
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, owner, id)
}

func (s *Service) cancelQueued(ctx context.Context, t *txn, id uuid.UUID) error {
	j, err := one(ctx, t, cancelQueuedSQL, id)
	if err != nil {
		return err
	}
	t.emit(EventCanceled, j)
	return s.cascade(ctx, t, j)
}

func (s *Service) notifyCancel(ctx context.Context, id uuid.UUID) {
	s.cancelHere(id)
	if _, err := s.cfg.Pool.Exec(ctx, notifyCancelSQL, id.String()); err != nil {
		s.cfg.Log.WarnContext(ctx, "notifying a cancel failed; the runner will see it in the row", "job", id, "err",
			err)
	}
}

// Retry queues a failed or canceled job again, under the same id, with the jobs that failed only because of it. Fails
// with *StateError otherwise, and while one of its inputs is failed or canceled itself.
func (s *Service) Retry(ctx context.Context, owner, id uuid.UUID) (*Job, error) {
	err := s.inTx(ctx, "retry", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		// Inputs before the job: the order in which all transitions lock.
		ended, err := lockInputs(ctx, t, id)
		if err != nil {
			return err
		}
		j, err := lockOwn(ctx, t, owner, id)
		if err != nil {
			return err
		}
		if j.Status != Failed && j.Status != Canceled {
			return stateError(j, "only a failed or canceled job can be retried; this one is %s", j.Status)
		}
		if ended != nil {
			return stateError(j,
				"the %s job %s, which this one needs, is %s: retry that one, and this one goes on by itself",
				ended.Type, ended.ID, ended.Status)
		}
		if err := s.revive(ctx, t, id); err != nil {
			return err
		}
		return s.reviveDependents(ctx, t, id)
	})
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, owner, id)
}

// Delete removes a job and its outputs' rows; a queued one is canceled by it. Fails with *StateError while it runs.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return s.inTx(ctx, "delete", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		j, err := lockOwn(ctx, t, owner, id)
		if err != nil {
			return err
		}
		if j.Status == Processing {
			return stateError(j, "a running job cannot be deleted: cancel it first")
		}
		if j.Status == Queued {
			if err := s.cancelQueued(ctx, t, id); err != nil {
				return err
			}
		}
		if _, err := t.Exec(ctx, dropProgressSQL, id); err != nil {
			return fmt.Errorf("progress: %w", err)
		}
		if _, err := t.Exec(ctx, deleteSQL, id); err != nil {
			return err
		}
		t.emit(EventDeleted, j)
		return nil
	})
}
