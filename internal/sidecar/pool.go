package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/sandbox"
)

// Pool owns all sidecars of one server. New makes it, Run starts it; Acquire waits for Run.
type Pool struct {
	cfg     Config
	breaker *breaker
	now     func() time.Time
	opened  chan struct{} // closed when Run has started
	closed  chan struct{} // closed when Run ends

	mu      sync.Mutex
	closing bool
	slots   []*slot
	tasks   sync.WaitGroup
}

// slot is one process and what the pool thinks of it. Its fields are guarded by Pool.mu, except those set once.
type slot struct {
	proc   *process
	engine *engine.Manifest
	state  slotState

	model, device, variant string
	files                  string // what the disk said of the model's files when they were loaded
	idleSince              time.Time
	loadTime               time.Duration
	ram, vram              int64 // as the load measured them
	gttBefore              int64 // what the card had mapped before this process
	settled                chan struct{}
}

type slotState int

const (
	spare   slotState = iota // started, nothing loaded
	loading                  // taken, load in flight
	busy                     // leased
	idle                     // loaded, free
	ending                   // told to end, or dead
)

// New makes a pool. It starts nothing.
func New(cfg Config) *Pool {
	cfg = cfg.withDefaults()
	return &Pool{
		cfg: cfg, breaker: newBreaker(cfg.Breaker), now: time.Now,
		opened: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Run serves until ctx ends, then kills every process and waits for them. It first ends what an earlier server left.
// It fails when WorkDir cannot be written.
func (p *Pool) Run(ctx context.Context) error {
	if err := os.MkdirAll(p.cfg.RuntimeDir, 0o700); err != nil {
		return fmt.Errorf("sidecar: make the runtime directory: %w", err)
	}
	if err := sandbox.BecomeReaper(); err != nil {
		p.cfg.Log.Warn("what a sidecar starts in a session of its own may outlive it", "error", err)
	}
	reapOrphans(p.cfg.RuntimeDir, p.cfg.Log)
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		p.watchMemory(ctx)
	}()
	close(p.opened)
	<-ctx.Done()
	close(p.closed)
	<-guarded
	p.killAll()
	return nil
}

// Abort kills every process now and returns when they are gone; runs in flight fail with why. The pool stays usable. It
// is for a server that may no longer own its jobs (it could not reach the database for too long): what runs on must not
// run twice.
func (p *Pool) Abort(ctx context.Context, why error) {
	slots := p.living()
	for _, s := range slots {
		s.proc.kill(why)
	}
	for _, s := range slots {
		s.proc.awaitGone(ctx)
	}
}

// killAll ends every process; one that is stuck in a driver is left behind after KillWait.
func (p *Pool) killAll() {
	p.mu.Lock()
	p.closing = true
	slots := slices.Clone(p.slots)
	p.mu.Unlock()
	for _, s := range slots {
		s.proc.kill(ErrClosed)
	}
	for _, s := range slots {
		if !s.proc.awaitGone(context.Background()) {
			return
		}
	}
	p.tasks.Wait()
}

// Installed says whether the engine's process can be started here.
func (p *Pool) Installed(m *engine.Manifest) bool { return p.cfg.Installed(m) }

// Loaded lists the processes that hold a model, the longest idle ones first.
func (p *Pool) Loaded() []Loaded {
	p.mu.Lock()
	defer p.mu.Unlock()
	var loaded []Loaded
	for _, s := range p.slots {
		if s.state != busy && s.state != idle {
			continue
		}
		entry := Loaded{
			Engine: s.engine.ID, Model: s.model, Device: s.device, Busy: s.state == busy, LoadTime: s.loadTime,
			PID:      s.proc.pid,
			RAMBytes: max(s.ram, s.proc.ram.Load()), VRAMBytes: max(s.vram, s.proc.vram.Load()),
		}
		if s.state == idle {
			entry.IdleSince = s.idleSince
		}
		loaded = append(loaded, entry)
	}
	slices.SortStableFunc(loaded, func(a, b Loaded) int {
		if a.Busy != b.Busy {
			return cmp.Compare(boolInt(a.Busy), boolInt(b.Busy))
		}
		return a.IdleSince.Compare(b.IdleSince)
	})
	return loaded
}

// Limits are the bounds of what a process may send, defaults filled in.
func (p *Pool) Limits() Limits { return p.cfg.Limits }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Acquire gives the exclusive use of a process that has loaded the model: an idle one, else a spare or a new one that
// loads it. It does not wait for a busy one; how many may run at once is the scheduler's business.
//
// It fails with *BreakerError, ErrNoEngine, ErrProtocol, ErrCanceled when ctx ends (a process that is still loading is
// killed at once), or with what the load died of.
func (p *Pool) Acquire(ctx context.Context, spec Spec) (*Lease, error) {
	if err := p.awaitOpen(ctx); err != nil {
		return nil, err
	}
	spec = p.complete(spec)
	if err := p.breaker.allow(spec.Engine.ID, spec.Model, p.now()); err != nil {
		return nil, err
	}
	p.endStale(spec)
	for {
		s := p.takeIdle(spec)
		if s == nil {
			break
		}
		if s.proc.beatsSince(p.cfg.HeartbeatLost) || s.proc.ping(ctx) {
			return &Lease{pool: p, slot: s}, nil
		}
		s.proc.awaitGone(ctx)
	}
	s, err := p.takeSpareOrStart(spec)
	if err != nil {
		return nil, err
	}
	p.freeSpares(ctx, spec)
	started := time.Now()
	if err := p.load(ctx, s, spec); err != nil {
		p.judge(s, err)
		return nil, err
	}
	p.mu.Lock()
	s.state, s.loadTime = busy, time.Since(started)
	p.mu.Unlock()
	return &Lease{pool: p, slot: s, load: s.loadTime}, nil
}

func (p *Pool) awaitOpen(ctx context.Context) error {
	select {
	case <-p.opened:
	case <-ctx.Done():
		return ErrCanceled
	}
	select {
	case <-p.closed:
		return ErrClosed
	default:
		return nil
	}
}

// complete fills what the caller left to the manifest.
func (p *Pool) complete(spec Spec) Spec {
	def(&spec.Device, p.cfg.Device)
	total := int64(0)
	if spec.Device != "cpu" {
		for _, gpu := range p.cfg.Host.GPUs() {
			if gpu.Device() == spec.Device {
				total = gpu.VRAMTotal
			}
		}
	}
	spec.Model = spec.Engine.ModelFor(spec.Model)
	def(&spec.Variant, spec.Engine.Variant(spec.Device, total))
	if spec.Plan == (plan.Plan{}) {
		spec.Plan = plan.Plan{Variant: spec.Variant, Memory: spec.Engine.PlanFor(spec.Device, total), Batch: 1}
	}
	return spec
}

// takeIdle takes the process that was used last, whose caches are warmest.
func (p *Pool) takeIdle(spec Spec) *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *slot
	for _, s := range p.slots {
		if s.state != idle || s.engine.ID != spec.Engine.ID || s.model != spec.Model || s.device != spec.Device ||
			s.variant != spec.Variant {
			continue
		}
		if !s.proc.alive() {
			continue
		}
		if best == nil || s.idleSince.After(best.idleSince) {
			best = s
		}
	}
	if best != nil {
		best.state = busy
	}
	return best
}

func (pr *process) beatsSince(limit time.Duration) bool {
	return time.Since(time.Unix(0, pr.beatAt.Load())) < limit
}

// pingLimit is how long an idle process that sent no heartbeat may take to answer.
const pingLimit = 2 * time.Second

// ping asks a silent idle process for a sign of life; without one it is killed, and the answer is false.
func (pr *process) ping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	return pr.do(ctx, &call{method: methodPing, params: map[string]any{}}, nil).err == nil
}

// load brings a fresh process from hello to a loaded model.
func (p *Pool) load(ctx context.Context, s *slot, spec Spec) error {
	pr := s.proc
	pr.logs.Store(&ctx)
	background := context.Background()
	defer pr.logs.Store(&background)
	select {
	case <-pr.hello:
	case <-pr.gone:
		return pr.end
	case <-pr.stuck:
		return errStuck
	case <-ctx.Done():
		pr.kill(ErrCanceled)
		pr.awaitGone(context.Background())
		return ErrCanceled
	}
	if err := p.awaitMemory(ctx, s); err != nil {
		pr.kill(err)
		pr.awaitGone(context.Background())
		return err
	}
	out := pr.do(ctx, &call{method: methodLoad, model: spec.Model, params: loadSent(&spec)}, nil)
	if out.err != nil {
		// A process whose load failed is in an unknown state.
		pr.kill(out.err)
		pr.awaitGone(context.Background())
		return out.err
	}
	var result loadResult
	if err := decode(out.result, i18n.Say("the result of the load"), &result, &p.cfg.Limits); err != nil {
		pr.kill(err)
		pr.awaitGone(context.Background())
		return err
	}
	p.learn(s, spec.Model, out.phases)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.ram, s.vram = result.RAMBytes, result.VRAMBytes
	return nil
}

// learn counts and remembers the phases of a load or run that succeeded. The history may write to a database, for which
// no result shall wait.
func (p *Pool) learn(s *slot, model string, phases []PhaseTime) {
	for _, phase := range phases {
		p.cfg.Metrics.PhaseSeconds(string(s.engine.ID), phase.Phase, phase.End.Sub(phase.Start).Seconds())
	}
	longest := map[string]time.Duration{}
	for _, phase := range phases {
		longest[phase.Phase] = max(longest[phase.Phase], phase.Longest)
	}
	p.later(func() {
		for name, took := range longest {
			p.cfg.History.Record(s.engine.ID, model, name, took)
		}
	})
}

// later runs f in the background; Run waits for it. A pool that is closing does nothing new.
func (p *Pool) later(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.tasks.Go(f)
	}
}

// judge feeds the breaker and the counters with the end of a load or run.
func (p *Pool) judge(s *slot, err error) {
	id, model := s.engine.ID, s.model
	if err == nil {
		p.breaker.succeeded(id, model)
		return
	}
	why := reason(err)
	if why == "" {
		return
	}
	p.cfg.Metrics.SidecarRestart(string(id), why)
	if why == "crash" || why == "hang" || why == "protocol" {
		if p.breaker.crashed(id, model, p.now()) {
			p.cfg.Log.Warn("a model crashed too often and is refused for a while", "engine", id, "model", model)
		}
	}
}

// reason is a word for why a process had to be replaced; "" when it was not.
func reason(err error) string {
	var crash *CrashError
	var hang *HangError
	var guard *GuardError
	var said *EngineError
	switch {
	case errors.As(err, &crash):
		return "crash"
	case errors.As(err, &hang):
		return "hang"
	case errors.As(err, &guard):
		return "memory"
	case errors.Is(err, ErrProtocol):
		return "protocol"
	case errors.As(err, &said) && said.Code == ProtocolError:
		return "protocol"
	case errors.As(err, &said) && said.Code == DeviceLost:
		return "device_lost"
	default:
		return ""
	}
}

// release makes a leased process idle; one that was killed stays on its way out.
func (p *Pool) release(s *slot, ran bool) {
	p.mu.Lock()
	if s.state == busy {
		s.state, s.idleSince = idle, time.Now()
	}
	p.mu.Unlock()
	if ran {
		p.later(
			func() { p.Warm(s.engine) },
		) // starting a program takes milliseconds that the next job need not wait for
	}
}
