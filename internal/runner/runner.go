package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
)

// The causes for which a running attempt is canceled.
var (
	errUserCanceled = errors.New("runner: canceled by the user")
	errStopping     = errors.New("runner: the studio stops")
)

// Metrics is what the runner counts.
type Metrics interface {
	JobFinished(kind, status string)
	QueueWait(kind string, seconds float64)
}

// Config of a Runner. All but the durations, Policy, Metrics and Log are needed.
type Config struct {
	Jobs      *jobs.Service
	Pool      *sidecar.Pool
	Catalogue *engine.Catalogue
	Host      *device.Host
	Blobs     blob.Store
	Media     *media.Processor
	Hub       *events.Hub
	History   *History

	// Kinds say which parameters of a job its engine gets. Default: the studio's own kinds.
	Kinds *generation.Kinds

	// Models are the files of the models. Default: none is installed.
	Models ModelFiles

	// VRAMRequired overrides what a model's manifest plans for a card, in bytes, by the model's id.
	VRAMRequired map[string]int64

	// WorkDir holds the runs' folders, <WorkDir>/<job>/<fence>. Emptied at start.
	WorkDir string

	// Slots is how many jobs run at once. Default 2.
	Slots  int
	Policy sched.Policy

	// MinAvailable and MinAvailableFraction of the host's memory are never given to jobs; the larger counts. Defaults 2
	// GiB, 0.06; below 0 none.
	MinAvailable         int64
	MinAvailableFraction float64

	// GPUFraction is the share of a card that the studio may hold; 0 is all but the desktop's part and 1 GiB.
	GPUFraction float64

	// UseGPU false keeps everything off the cards (gpu.device: cpu).
	UseGPU bool

	// BeforeGPU looks at the card before the first job on it: what is wrong and what to do, nil when nothing is.
	// Default: no look.
	BeforeGPU func(ctx context.Context) error

	// KeepAlive is how long an idle model on a card stays loaded. Default 10 minutes.
	KeepAlive time.Duration

	// SoftStop is how long running jobs have to end when the studio stops. Default 20 s.
	SoftStop time.Duration

	// StopWrites is how long the ends of runs are tried to be written down after SoftStop while the database is away;
	// then the next start takes those jobs back. Default 10 s.
	StopWrites time.Duration

	// MaxShortages is how often in a row a job may fail because the computer has no open files, processes or memory
	// left for the studio itself, before it fails for good. Default 10, which are about three minutes.
	MaxShortages int

	// Shared says that other nodes use the database: what this node can never run is left to them.
	Shared bool

	Metrics Metrics
	Log     *slog.Logger
}

func (c *Config) setDefaults() {
	if c.Kinds == nil {
		c.Kinds = generation.NewKinds(generation.Builtin()...)
	}
	if c.Slots == 0 {
		c.Slots = 2
	}
	if c.MinAvailable == 0 {
		c.MinAvailable = 2 << 30
	}
	if c.MinAvailableFraction == 0 {
		c.MinAvailableFraction = 0.06
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = 10 * time.Minute
	}
	if c.SoftStop == 0 {
		c.SoftStop = 20 * time.Second
	}
	if c.StopWrites == 0 {
		c.StopWrites = 10 * time.Second
	}
	if c.MaxShortages == 0 {
		c.MaxShortages = 10
	}
	if c.Metrics == nil {
		c.Metrics = noMetrics{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

type noMetrics struct{}

func (noMetrics) JobFinished(string, string) {}
func (noMetrics) QueueWait(string, float64)  {}

// Runner runs the jobs of one node.
type Runner struct {
	cfg  Config
	wake chan struct{}
	// known is the queue as the dispatcher last saw it.
	known known
	// over is closed when the runner takes no more jobs.
	over chan struct{}
	// lastWrite is closed when nothing is tried to be written down any more.
	lastWrite chan struct{}

	mu        sync.Mutex
	running   map[uuid.UUID]*run
	unwritten map[uuid.UUID]int64     // fences of runs whose end the database refused
	aside     map[uuid.UUID]time.Time // jobs that could not be claimed, until then
	shortages map[uuid.UUID]int       // tries of jobs that the computer had nothing left for
	shares    sched.Shares
	baseline  map[string]int64 // VRAM of others by card, seen while nothing of ours was loaded
	peaks     peaks
	card      cardLook
	credits   int // starts that no ticket has been given up for
	told      told
	started   chan struct{} // closed and replaced at each start
	attempts  sync.WaitGroup
	evicting  atomic.Bool
}

// run is a job in this node's hands, from just before its claim.
type run struct {
	need   sched.Running
	cancel context.CancelCauseFunc
}

// New makes a Runner; Run works it.
func New(cfg Config) *Runner {
	cfg.setDefaults()
	r := &Runner{cfg: cfg, wake: make(chan struct{}, 1), over: make(chan struct{}), lastWrite: make(chan struct{}),
		running: map[uuid.UUID]*run{}, unwritten: map[uuid.UUID]int64{}, shortages: map[uuid.UUID]int{},
		aside:    map[uuid.UUID]time.Time{},
		baseline: map[string]int64{}, started: make(chan struct{})}
	cfg.Jobs.SetRuns(r)
	cfg.Jobs.SetWake(r.arrived)
	cfg.Jobs.SetOnCancel(r.Cancel)
	cfg.Jobs.SetOrder(r.order)
	cfg.Jobs.SetLoaded(r.loadedModels)
	return r
}

// Wake makes the dispatcher read the queue. It never blocks.
func (r *Runner) Wake() { r.arrived(nil) }

// arrived tells the dispatcher of new jobs; nil is any other change of the queue. It never blocks.
func (r *Runner) arrived(fresh []jobs.Waiting) {
	r.known.changed(fresh)
	r.signal()
}

// signal makes the dispatcher choose again.
func (r *Runner) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Cancel stops the run of a job if this node has it.
func (r *Runner) Cancel(job uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.running[job]; run != nil {
		run.cancel(errUserCanceled)
	}
}

// Running implements jobs.Runs.
func (r *Runner) Running(job uuid.UUID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[job] != nil
}

// Unwritten implements jobs.Runs.
func (r *Runner) Unwritten(job uuid.UUID, fence int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unwritten[job] == fence
}

func (r *Runner) noteUnwritten(job uuid.UUID, fence int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unwritten[job] = fence
}

// forWriting is a context for what ends a run: it outlives the run's own, and ends when the studio has waited long
// enough.
func (r *Runner) forWriting(ctx context.Context) (writing context.Context, done func()) {
	writing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-r.lastWrite:
			cancel()
		case <-writing.Done():
		}
	}()
	return writing, cancel
}

// Run takes and runs jobs until ctx ends. Then it takes no more, gives running ones SoftStop to end, hands back the
// rest and returns, after StopWrites at the latest.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.emptyWorkDir(); err != nil {
		return err
	}
	r.cfg.History.Preload(ctx)
	r.preloadPeaks(ctx)
	// Attempts outlive ctx for the soft stop; what they write in the end must still reach the database.
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	r.dispatchUntil(ctx, working)
	close(r.over)
	idle := make(chan struct{})
	go func() { r.attempts.Wait(); close(idle) }()
	select {
	case <-idle:
		return nil
	case <-time.After(r.cfg.SoftStop):
	}
	r.mu.Lock()
	for _, run := range r.running {
		run.cancel(errStopping)
	}
	r.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(r.cfg.StopWrites):
		close(r.lastWrite)
		<-idle
	}
	return nil
}

// Abandon cancels every run as if the studio stopped: another node may be about to take the jobs.
func (r *Runner) Abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range r.running {
		run.cancel(errStopping)
	}
}

// dispatchUntil looks at the queue whenever there is a reason to, until ctx ends.
func (r *Runner) dispatchUntil(ctx, working context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	next := time.NewTimer(time.Hour)
	defer next.Stop()
	for {
		again, err := r.dispatch(ctx, working)
		if err != nil && ctx.Err() == nil {
			r.cfg.Log.WarnContext(ctx, "the queue could not be looked at; trying again", "err", err)
		}
		if !again.IsZero() {
			next.Reset(max(0, time.Until(again)))
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-next.C:
		case <-tick.C:
			r.evictInBackground(ctx)
			if r.free() <= 0 && !r.cfg.Shared {
				_, _, _ = r.waiting(ctx) // so that the next slot need not wait for it
			}
		}
	}
}

// emptyWorkDir removes what earlier boots left: their jobs run anew from the blob store.
func (r *Runner) emptyWorkDir() error {
	if err := os.MkdirAll(r.cfg.WorkDir, 0o700); err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	entries, err := os.ReadDir(r.cfg.WorkDir)
	if err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	for _, entry := range entries {
		if _, err := uuid.Parse(entry.Name()); err != nil {
			continue // not a run's folder
		}
		if err := os.RemoveAll(r.runDir(entry.Name())); err != nil {
			return fmt.Errorf("runner: %w", err)
		}
	}
	return nil
}
