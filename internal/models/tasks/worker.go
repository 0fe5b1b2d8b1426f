package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/queue"
)

const (
	claimSQL = `
	update model_tasks
	   set status = 'running', started_at = coalesce(started_at, now())
	 where id = $1 and node_id = $2 and status in ('queued', 'running')
	returning ` + cols + `, cancel_requested_at is not null as canceled, owner_id`

	progressSQL = `
	update model_tasks set done_bytes = $2, total_bytes = $3
	 where id = $1 and status = 'running'
	returning cancel_requested_at is not null`

	// Tasks that another start goes on with.
	requeueSQL = `update model_tasks set status = 'queued' where id = $1 and status = 'running' returning ` + cols

	finishSQL = `
	update model_tasks set status = $2, error = $3, faults = $4, ended_at = now()
	 where id = $1 and status = 'running'
	returning ` + cols
)

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

// statements of this package, for the test that prepares them all.
var statements = map[string]string{
	"insert":   insertSQL,
	"latest":   latestSQL,
	"open":     openSQL,
	"cancel":   cancelSQL,
	"accept":   acceptSQL,
	"accepted": acceptedSQL,
	"claim":    claimSQL,
	"progress": progressSQL,
	"requeue":  requeueSQL,
	"finish":   finishSQL,
	"sweep":    sweepSQL,
}

var (
	errCanceled = errors.New("canceled by the user")
	errStopping = errors.New("the studio stops")
)

// running are the tasks of this process.
type running struct {
	mu       sync.Mutex
	cancels  map[uuid.UUID]context.CancelCauseFunc
	stopping bool
}

// begin gives the context of a task; it is done at once while the studio stops.
func (r *running) begin(ctx context.Context, id uuid.UUID) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancels[id] = cancel
	if r.stopping {
		cancel(errStopping)
	}
	return ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.cancels, id)
		cancel(nil)
	}
}

func (r *running) cancel(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel := r.cancels[id]; cancel != nil {
		cancel(errCanceled)
	}
}

func (r *running) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	for _, cancel := range r.cancels {
		cancel(errStopping)
	}
}

// Worker does the tasks of this node's queue.
func (s *Service) Worker() river.Worker[queue.ModelTaskArgs] { return &worker{service: s} }

type worker struct {
	river.WorkerDefaults[queue.ModelTaskArgs]
	service *Service
}

// Timeout is off: a large model on a slow line takes hours, and a connection that stalls is noticed by the hub's
// client.
func (w *worker) Timeout(*river.Job[queue.ModelTaskArgs]) time.Duration { return -1 }

// claimed is a task with what its run needs besides.
type claimed struct {
	Task
	Canceled bool      `db:"canceled"`
	Owner    uuid.UUID `db:"owner_id"`
}

// again is when River brings a task back that the end of the studio interrupted: at the next start.
const again = time.Second

// Work does one task. How it ended is in its row; only what could not be written there is an error, which River tries
// again.
func (w *worker) Work(ctx context.Context, job *river.Job[queue.ModelTaskArgs]) error {
	s := w.service
	rows, err := s.cfg.Pool.Query(ctx, claimSQL, job.Args.Task, s.cfg.Node)
	if err != nil {
		return fmt.Errorf("tasks: claim: %w", err)
	}
	task, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[claimed])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // canceled while it waited
	}
	if err != nil {
		return fmt.Errorf("tasks: claim: %w", err)
	}
	run, end := s.running.begin(ctx, task.ID)
	defer end()
	if task.Canceled {
		s.running.cancel(task.ID)
	}
	faults, err := s.do(run, task)
	return s.finish(context.WithoutCancel(ctx), task, faults, err, context.Cause(run))
}

// do runs the task; faults are what a check found.
func (s *Service) do(ctx context.Context, task *claimed) (faults []models.Fault, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	report := &reporter{service: s, ctx: ctx, task: &task.Task}
	if task.Kind == Verify {
		return s.cfg.Store.Verify(ctx, task.Model, func(_ string, done, total int64) { report.at(done, total) })
	}
	_, m, ok := s.cfg.Catalogue.Model(task.Model)
	if !ok {
		return nil, &models.InputError{Detail: i18n.Say("%s is not a model of the catalogue any more", task.Model)}
	}
	req := models.Request{Model: task.Model, Variant: task.Variant, Progress: report.at}
	accepted, err := s.Licence(ctx, m)
	if err != nil {
		return nil, err
	}
	if accepted != nil {
		req.LicenceAcceptedAt = &accepted.AcceptedAt
	}
	_, err = s.cfg.Installer.Install(ctx, req)
	return nil, err
}

// finish writes how the task ended. why is what ended its context.
func (s *Service) finish(ctx context.Context, task *claimed, faults []models.Fault, err, why error) error {
	status := Completed
	var problem *Problem
	var found []byte
	switch {
	case err == nil && task.Kind == Verify:
		if found, err = json.Marshal(faults); err != nil {
			return err
		}
	case err == nil:
	case errors.Is(why, errCanceled):
		status = Canceled
	case why != nil: // the studio stops
		if err := s.end(ctx, requeueSQL, task.ID); err != nil {
			return err
		}
		return river.JobSnooze(again)
	default:
		status, problem = Failed, s.explain(ctx, task, err)
	}
	return s.end(ctx, finishSQL, task.ID, status, problem, found)
}

func (s *Service) end(ctx context.Context, sql string, args ...any) error {
	return s.inTx(ctx, "finish", func(tx pgx.Tx) (*Task, error) {
		task, err := one(ctx, tx, sql, args...)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil //nolint:nilnil // another run has finished it
		}
		return task, err
	})
}

// explain says why the task failed. An error that has no sentence goes to the log.
func (s *Service) explain(ctx context.Context, task *claimed, err error) *Problem {
	var fromHub *hub.Error
	var input *models.InputError
	var licence *models.LicenceError
	switch {
	case errors.As(err, &fromHub):
		s.cfg.Log.WarnContext(ctx, "a model could not be fetched", "model", task.Model, "err", err)
		return &Problem{string(fromHub.Kind), fromHub.Detail}
	case errors.As(err, &licence):
		return &Problem{"licence_not_accepted", licence.Sentence()}
	case errors.As(err, &input):
		return &Problem{"model_refused", input.Detail}
	case errors.Is(err, models.ErrNotInstalled):
		return &Problem{"not_installed", ErrInstalled.Sentence()}
	default:
		s.cfg.Log.ErrorContext(ctx, "a task with a model failed", "model", task.Model, "kind", task.Kind, "err", err)
		return &Problem{
			"internal",
			i18n.Say("the files of the model could not be read or written: the studio's log holds the reason"),
		}
	}
}

// reporter writes how far a task is, at most once a second, and tells of each whole percent.
type reporter struct {
	service *Service
	ctx     context.Context //nolint:containedctx // the task's own
	task    *Task
	last    time.Time
	percent int64
}

func (r *reporter) at(done, total int64) {
	now := r.service.cfg.Now()
	if now.Sub(r.last) < time.Second && !r.last.IsZero() {
		return
	}
	r.last = now
	var canceled bool
	err := r.service.cfg.Pool.QueryRow(r.ctx, progressSQL, r.task.ID, done, total).Scan(&canceled)
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && canceled:
		r.service.running.cancel(r.task.ID) // asked for on another node
		return
	case err != nil:
		if r.ctx.Err() == nil {
			r.service.cfg.Log.WarnContext(r.ctx, "the progress of a model could not be written", "err", err)
		}
		return
	}
	percent := done * 100 / max(total, 1)
	if percent == r.percent {
		return
	}
	r.percent = percent
	told := *r.task
	told.Status, told.DoneBytes, told.TotalBytes = Running, done, total
	if err := r.service.inTx(r.ctx, "tell", func(pgx.Tx) (*Task, error) { return &told, nil }); err != nil &&
		r.ctx.Err() == nil {
		r.service.cfg.Log.WarnContext(r.ctx, "telling of a model's progress failed", "err", err)
	}
}
