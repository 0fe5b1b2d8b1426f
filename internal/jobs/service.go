package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/i18n"
)

// Notifier tells listeners that the events up to seq are committed; *events.Hub is one.
type Notifier interface {
	Notify(ctx context.Context, seq int64)
}

// Config of a Service. Pool, NodeID, BootID and KernelBootID are needed, the rest has defaults.
type Config struct {
	Pool *pgxpool.Pool
	// Hub is notified after each commit. Default: none.
	Hub Notifier

	NodeID uuid.UUID
	// BootID is new for each start of the process.
	BootID uuid.UUID
	// KernelBootID as the machine reports it (under APIBR_SYSFS_ROOT).
	KernelBootID string
	Hostname     string

	// Wake is called after a commit that made jobs of lanes runnable on this node's database: the runner's in-process
	// wake. fresh are those jobs when they are new and nothing else has changed; nil says that the queue must be read.
	// It must not block. May be set later with SetWake.
	Wake func(fresh []Waiting)
	// WakeOthers tells other nodes that gen tickets wait (queue.Poker.Poke). It must not block. Default: they poll.
	WakeOthers func()
	// OnCancel is called for a cancel of a running job of any node, before the notification of CancelChannel goes out.
	// It must not block. May be set later with SetOnCancel.
	OnCancel func(job uuid.UUID)
	// Order is sched's: the ids of the waiting jobs in the order in which they would run now. Default: priority, rank.
	// May be set later with SetOrder.
	Order func(ctx context.Context, waiting []Waiting) []uuid.UUID

	// Slots is how many jobs a node runs at once, for ETAs. Default 2.
	Slots int
	// MaxFaults is how many crashes, hangs and out-of-memory ends a job may have. Default 3.
	MaxFaults int
	// MaxQueued is how many unfinished jobs an owner may have; 0 sets no limit. A Submit past it fails with
	// ErrQueueFull.
	MaxQueued int
	// EventRetention is how long events can be replayed. Default 7 days.
	EventRetention time.Duration
	// IdempotencyTTL is how long a key is kept. Default 24 h.
	IdempotencyTTL time.Duration

	Log *slog.Logger
}

func (c *Config) setDefaults() {
	if c.Order == nil {
		c.Order = orderByRank
	}
	if c.Slots == 0 {
		c.Slots = 2
	}
	if c.MaxFaults == 0 {
		c.MaxFaults = 3
	}
	if c.EventRetention == 0 {
		c.EventRetention = 7 * 24 * time.Hour
	}
	if c.IdempotencyTTL == 0 {
		c.IdempotencyTTL = 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Service is the jobs of one database as one node sees them. Safe for concurrent use.
type Service struct {
	cfg     Config
	waiters waiters
	etas    etaIndex
	history history
	quota   quota
	counts  counts

	// Set late: the runner that is woken is built with this Service.
	hooks    sync.RWMutex
	onWake   func(fresh []Waiting)
	onCancel func(uuid.UUID)
	order    func(context.Context, []Waiting) []uuid.UUID
	loaded   func() []string
	atWork   Runs
	held     held
	ready    readyVoices
}

// New makes a Service.
func New(cfg Config) *Service {
	cfg.setDefaults()
	return &Service{cfg: cfg, onWake: cfg.Wake, onCancel: cfg.OnCancel, order: cfg.Order}
}

// SetWake sets Config.Wake once the runner exists.
func (s *Service) SetWake(wake func(fresh []Waiting)) {
	s.hooks.Lock()
	defer s.hooks.Unlock()
	s.onWake = wake
}

// SetOnCancel sets Config.OnCancel once the runner exists.
func (s *Service) SetOnCancel(cancel func(job uuid.UUID)) {
	s.hooks.Lock()
	defer s.hooks.Unlock()
	s.onCancel = cancel
}

// SetOrder sets Config.Order once the scheduler exists.
func (s *Service) SetOrder(order func(ctx context.Context, waiting []Waiting) []uuid.UUID) {
	s.hooks.Lock()
	defer s.hooks.Unlock()
	s.order = order
}

func (s *Service) ordered(ctx context.Context, waiting []Waiting) []uuid.UUID {
	s.hooks.RLock()
	order := s.order
	s.hooks.RUnlock()
	return order(ctx, waiting)
}

func (s *Service) wake(fresh []Waiting) {
	s.hooks.RLock()
	wake := s.onWake
	s.hooks.RUnlock()
	if wake != nil {
		wake(fresh)
	}
}

func (s *Service) cancelHere(id uuid.UUID) {
	s.hooks.RLock()
	cancel := s.onCancel
	s.hooks.RUnlock()
	if cancel != nil {
		cancel(id)
	}
}

// Waiting holds the columns that the scheduler needs of a job that could run now.
type Waiting struct {
	ID       uuid.UUID
	Owner    uuid.UUID
	Type     Type
	Lane     Lane
	Priority int
	Rank     float64
	QueuedAt time.Time
	Engine   string
	Model    string
	UsesGPU  bool
	Reason   Reason
	// Device of an earlier attempt, "" when it never ran.
	Device string
	// Width, Height (pixels) and Pictures that it asks for, 0 where it does not say.
	Width, Height, Pictures int
}

// QueueState is the row queue_state.
type QueueState struct {
	Paused bool
	// Cause is "user" or "host_restarted" while paused.
	Cause     string
	Message   i18n.Sentence
	UpdatedAt time.Time
}

// QueueInfo is the queue as GET /queue shows it.
type QueueInfo struct {
	QueueState
	Queued     int
	Processing int
	// Waiting are the ids of the queued jobs of lanes in the order in which they would run now.
	Waiting []uuid.UUID
	// NoMemory are the owner's jobs that wait for memory.
	NoMemory []ShortJob
}

// ETA says when a job's turn comes and when it ends.
type ETA struct {
	// Position among the queued jobs in running order, 1 = next; 0 for a job that is not queued.
	Position int
	// Seconds until the job ends; nil for a job that ended.
	Seconds *float64
	// Guess says that this machine has no history of such a job.
	Guess bool
}

// PhaseHistory is the history of one phase: the longest gap between two steps of its last runs, and the number of all
// runs ever.
type PhaseHistory struct {
	Engine, Model, Phase string
	MaxStepSeconds       float64
	Runs                 int
}

// PhaseRecord is a run's measurement of one phase: the longest gap between two steps.
type PhaseRecord struct {
	Phase          string
	MaxStepSeconds float64
}

// IdempotencyKey is a client's key within its scope (owner and API key) and route.
type IdempotencyKey struct{ Scope, Route, Key string }

// Replay is the answer that the first request with a key got.
type Replay struct {
	StatusCode int
	ResourceID *uuid.UUID
	Body       []byte
}
