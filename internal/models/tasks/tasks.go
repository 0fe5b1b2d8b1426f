// Package tasks installs and checks models as durable jobs.
//
// Each is a row of model_tasks and a River job in the queue of the node that the files are for. The row holds how far
// it is and how it ended; River only carries it, also over a restart: what has arrived stays on the disk, and the job
// goes on from there. Whatever changes is told by the event model.changed.
package tasks

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models"
)

// EventChanged is the type of the events: a model was installed, removed, pinned, or a task of it went on.
const EventChanged = "model.changed"

// The kinds of tasks.
const (
	Install = "install"
	Verify  = "verify"
)

// The states of a task.
const (
	Queued    = "queued"
	Running   = "running"
	Completed = "completed"
	Failed    = "failed"
	Canceled  = "canceled"
)

// Errors of the Service.
var (
	ErrUnknown   = i18n.NewError("there is no such model")
	ErrBusy      = i18n.NewError("the model is being installed or checked: wait for that, or cancel it")
	ErrInUse     = i18n.NewError("the model is in use: wait until its job has ended")
	ErrNoTask    = i18n.NewError("nothing is being done with the model")
	ErrInstalled = i18n.NewError("the model is not installed")
)

// Task is a row of model_tasks.
type Task struct {
	ID         uuid.UUID       `db:"id"`
	Kind       string          `db:"kind"`
	Model      string          `db:"model"`
	Variant    string          `db:"variant"`
	Status     string          `db:"status"`
	DoneBytes  int64           `db:"done_bytes"`
	TotalBytes int64           `db:"total_bytes"`
	Error      *Problem        `db:"error"`
	Faults     json.RawMessage `db:"faults"`
	CreatedAt  time.Time       `db:"created_at"`
	StartedAt  *time.Time      `db:"started_at"`
	EndedAt    *time.Time      `db:"ended_at"`
}

// Acceptance is that somebody accepted a licence.
type Acceptance struct {
	Licence    string    `db:"licence"`
	Actor      string    `db:"actor"`
	AcceptedAt time.Time `db:"accepted_at"`
}

// Config of a Service. All but Hub, InUse, Log and Now are needed.
type Config struct {
	Pool      *pgxpool.Pool
	Catalogue *engine.Catalogue
	Store     *models.Store
	Installer *models.Installer
	Node      uuid.UUID

	// Hub is told of events. Default: nobody is, until they poll.
	Hub *events.Hub

	// InUse are the models that are loaded now. Default: none.
	InUse func() []string

	Log *slog.Logger

	// Now is replaced by tests. Default time.Now.
	Now func() time.Time
}

// Service does what is asked for with the models of one node. Run it, and add its Worker to the node's queue.
type Service struct {
	cfg     Config
	running running
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.InUse == nil {
		cfg.InUse = func() []string { return nil }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, running: running{cancels: map[uuid.UUID]context.CancelCauseFunc{}}}
}

// Store is where the models are.
func (s *Service) Store() *models.Store { return s.cfg.Store }

// LicenceText is the text of the model's licence, fetched from its maker's repository; "" where there is none. Fails
// with *hub.Error.
func (s *Service) LicenceText(ctx context.Context, model *engine.Model) (string, error) {
	return s.cfg.Installer.LicenceText(ctx, model)
}

// Run ends running tasks when ctx ends; they go on at the next start. It belongs before the queue in the order of
// stopping.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	s.running.stop()
	return nil
}
