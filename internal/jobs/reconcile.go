package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const ownRunsSQL = `select id, fence, boot_id from generation_jobs
	where status = 'processing' and node_id = $1 order by id`

// Runs is the runner's view of this node's runs.
type Runs interface {
	// Running says that this node has the job in hand: from before its claim until its end has been written down.
	Running(job uuid.UUID) bool
	// Unwritten says that the run of this fence ended and its end could not be written down.
	Unwritten(job uuid.UUID, fence int64) bool
}

// SetRuns names the runner of this node; without one nothing is reconciled.
func (s *Service) SetRuns(runs Runs) {
	s.hooks.Lock()
	defer s.hooks.Unlock()
	s.atWork = runs
}

func (s *Service) ownRuns() Runs {
	s.hooks.RLock()
	defer s.hooks.RUnlock()
	return s.atWork
}

// ownRun is a job that the database takes for running on this node.
type ownRun struct {
	ID    uuid.UUID
	Fence int64
	Boot  uuid.UUID
}

// ownerless says that nobody works on a job in processing, although this node should. It needs no grace: the runner has
// a job in hand before it claims it, so that a row that is seen in processing and that it does not have is one that it
// has let go.
func (s *Service) ownerless(node, boot, id uuid.UUID) bool {
	runs := s.ownRuns()
	return runs != nil && node == s.cfg.NodeID && (boot != s.cfg.BootID || !runs.Running(id))
}

// Reconcile closes the jobs that the database takes for running on this node and that nobody runs: a claim whose
// answer was lost, one of an earlier boot that reached the database after its end, a run whose end was refused. They
// go back to the queue without a fault, since no attempt was made; a canceled one ends, and one that ran and could not
// say how it ended fails. RunNode calls it at each beat. It returns how many jobs it closed.
func (s *Service) Reconcile(ctx context.Context) (int, error) {
	if s.ownRuns() == nil {
		return 0, nil
	}
	rows, err := s.cfg.Pool.Query(ctx, ownRunsSQL, s.cfg.NodeID)
	if err != nil {
		return 0, fmt.Errorf("jobs: reconcile: %w", err)
	}
	own, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ownRun])
	if err != nil {
		return 0, fmt.Errorf("jobs: reconcile: %w", err)
	}
	closed := 0
	for _, run := range own {
		if !s.ownerless(s.cfg.NodeID, run.Boot, run.ID) {
			continue
		}
		err := s.inTx(ctx, "reconcile", func(t *txn) error { return s.closeOwnerless(ctx, t, run) })
		switch {
		case errors.Is(err, pgx.ErrNoRows): // it ended just now
		case err != nil:
			return closed, err
		default:
			closed++
			s.cfg.Log.WarnContext(ctx, "nobody ran this job of ours: it was taken back", "job", run.ID, "fence",
				run.Fence)
		}
	}
	return closed, nil
}

func (s *Service) closeOwnerless(ctx context.Context, t *txn, run ownRun) error {
	if err := t.lockGraph(ctx); err != nil {
		return err
	}
	j, err := one(ctx, t, lockRunSQL, run.ID, run.Fence)
	switch {
	case err != nil:
		return err
	case j.CancelRequestedAt != nil:
		return s.end(ctx, t, j.ID, j.Fence, Canceled, nil, false)
	case s.ownRuns().Unwritten(j.ID, j.Fence):
		return s.end(ctx, t, j.ID, j.Fence, Failed, &Unstorable, false)
	default:
		return s.takeBackAs(ctx, t, j, ReasonNone, j.HostRestarts, 1)
	}
}
