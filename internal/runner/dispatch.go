package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
)

// dispatch starts jobs as long as one may start. It returns when a job that backs off may run, zero when none does.
func (r *Runner) dispatch(ctx, working context.Context) (again time.Time, err error) {
	for ctx.Err() == nil {
		if r.free() <= 0 {
			return again, nil
		}
		waiting, next, err := r.waiting(ctx)
		if err != nil {
			return again, err
		}
		again = next
		if len(waiting) == 0 {
			r.resetCredits()
		}
		if waiting = r.refuseUnknown(ctx, r.withoutSetAside(waiting)); len(waiting) == 0 {
			return again, nil
		}
		snapshot := r.cfg.Host.Snapshot()
		if snapshot.Err != nil {
			// A machine that cannot be read looks as if it had no memory: every job would be refused as too large.
			return again, fmt.Errorf("runner: read the state of the machine: %w", snapshot.Err)
		}
		decision := sched.Pick(r.view(waiting, snapshot), r.cfg.Policy)
		if err := r.explain(ctx, waiting, decision); err != nil {
			return again, err
		}
		if refused := r.refuseImpossible(ctx, decision); refused {
			continue
		}
		if decision.Job == nil {
			return again, nil
		}
		err = r.start(ctx, working, waiting, decision, snapshot)
		if err == nil {
			r.known.remove(decision.Job.ID)
			continue
		}
		r.known.forget()
		switch {
		case errors.Is(err, jobs.ErrNotClaimable), errors.Is(err, jobs.ErrInput):
		case store.Unavailable(err), ctx.Err() != nil:
			return again, err
		default:
			r.setAside(ctx, decision.Job.ID, err)
		}
	}
	return again, nil
}

// asideFor is how long a job is left out that could not be claimed although the database was there.
const asideFor = 30 * time.Second

// setAside lets the others go on when a job cannot be claimed for a reason of its own: a row that cannot be read, say.
func (r *Runner) setAside(ctx context.Context, id uuid.UUID, why error) {
	r.cfg.Log.ErrorContext(
		ctx,
		"a job cannot be started; the others go on",
		"job",
		id,
		"again_in",
		asideFor,
		"err",
		why,
	)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aside[id] = time.Now().Add(asideFor)
}

// withoutSetAside are the jobs that may be tried now.
func (r *Runner) withoutSetAside(waiting []jobs.Waiting) []jobs.Waiting {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.aside, func(_ uuid.UUID, until time.Time) bool { return time.Now().After(until) })
	if len(r.aside) == 0 {
		return waiting
	}
	return slices.DeleteFunc(slices.Clone(waiting), func(w jobs.Waiting) bool { _, out := r.aside[w.ID]; return out })
}

func (r *Runner) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg.Slots - len(r.running)
}

// refuseImpossible fails the jobs that this machine can never run, with the numbers. Where other nodes share the queue
// they are left to those.
func (r *Runner) refuseImpossible(ctx context.Context, d sched.Decision) (refused bool) {
	if r.cfg.Shared {
		return false
	}
	for id, most := range d.Impossible {
		if r.refuse(ctx, id, func(claimed *jobs.Claimed) jobs.Problem { return r.tooLarge(claimed, most) }) {
			refused = true
		}
	}
	return refused
}

// refuse claims a job and fails it. A job that is lost on the way is taken back at the next beat.
func (r *Runner) refuse(ctx context.Context, id uuid.UUID, why func(*jobs.Claimed) jobs.Problem) (refused bool) {
	r.reserve(&sched.Job{ID: id}, func(error) {})
	defer r.release(id)
	defer r.known.forget()
	claimed, err := r.cfg.Jobs.Claim(ctx, id, "")
	if err != nil {
		return false
	}
	if err := r.cfg.Jobs.Fail(ctx, id, claimed.Fence, why(claimed), false); err != nil {
		r.cfg.Log.WarnContext(ctx, "a job that cannot run here could not be refused", "job", id, "err", err)
		return false
	}
	return true
}

// unknownAtOnce is how many jobs of engines that are gone are failed in one scheduling pass: the others must not wait
// for them.
const unknownAtOnce = 20

// refuseUnknown fails the jobs whose engine this node does not know, and returns the others. While other nodes live
// they are left to those, which may have the engine.
func (r *Runner) refuseUnknown(ctx context.Context, waiting []jobs.Waiting) (known []jobs.Waiting) {
	var unknown []jobs.Waiting
	for _, w := range waiting {
		if _, ok := r.cfg.Catalogue.Get(engine.ID(w.Engine)); ok {
			known = append(known, w)
		} else {
			unknown = append(unknown, w)
		}
	}
	if len(unknown) == 0 {
		return known
	}
	if r.cfg.Shared {
		if alone, err := r.cfg.Jobs.Alone(ctx); err != nil || !alone {
			r.cfg.Log.DebugContext(
				ctx,
				"jobs wait whose engine this node does not know",
				"jobs",
				len(unknown),
				"err",
				err,
			)
			return known
		}
	}
	for _, w := range unknown[:min(len(unknown), unknownAtOnce)] {
		r.refuse(ctx, w.ID, r.unknownEngine)
	}
	return known
}

// start reserves a slot, claims the job and hands it to a goroutine.
func (r *Runner) start(
	ctx, working context.Context,
	waiting []jobs.Waiting,
	d sched.Decision,
	snapshot device.Snapshot,
) error {
	manifest, ok := r.cfg.Catalogue.Get(engineOf(waiting, d.Job.ID))
	if !ok {
		return fmt.Errorf("runner: no engine %s", engineOf(waiting, d.Job.ID)) // refuseUnknown left it out
	}
	running, cancel := context.WithCancelCause(working)
	r.reserve(d.Job, cancel)
	claimed, err := r.cfg.Jobs.Claim(ctx, d.Job.ID, d.Job.Device)
	if err != nil {
		cancel(nil)
		r.release(d.Job.ID)
		return err
	}
	r.noteStart(d.Shares, claimed.Ticket)
	r.cfg.Metrics.QueueWait(string(claimed.Type), time.Since(claimed.QueuedAt).Seconds())
	a := &attempt{
		runner:   r,
		claimed:  claimed,
		manifest: manifest,
		device:   d.Job.Device,
		evict:    d.Evict,
		begun:    time.Now(),
	}
	a.load = r.loadFor(manifest, string(claimed.Type), claimed.Model, a.device, a.size(), snapshot)
	a.free = sync.OnceFunc(func() { r.freeSlot(claimed.ID) })
	r.attempts.Go(func() {
		defer a.free()
		defer cancel(nil)
		a.run(running)
	})
	return nil
}

func engineOf(waiting []jobs.Waiting, id uuid.UUID) engine.ID {
	for _, w := range waiting {
		if w.ID == id {
			return engine.ID(w.Engine)
		}
	}
	return ""
}

// reserve takes the slot before the claim, so that a cancel that comes right after it finds the run.
func (r *Runner) reserve(job *sched.Job, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unwritten, job.ID)
	r.running[job.ID] = &run{
		need:   sched.Running{ID: job.ID, Model: job.Model, Device: job.Device, Need: job.Need},
		cancel: cancel,
	}
}

// freeSlot lets the job go and tells the dispatcher of its slot.
func (r *Runner) freeSlot(id uuid.UUID) {
	r.release(id)
	r.signal()
}

func (r *Runner) release(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, id)
}

func (r *Runner) noteStart(shares sched.Shares, ticket bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shares = shares
	if !ticket {
		r.credits++
	}
	close(r.started)
	r.started = make(chan struct{})
}

// evictInBackground is evictIdle, one at a time: the end of a process and the return of its memory take seconds, in
// which jobs start.
func (r *Runner) evictInBackground(ctx context.Context) {
	if r.evicting.Swap(true) {
		return
	}
	r.attempts.Go(func() {
		defer r.evicting.Store(false)
		r.evictIdle(ctx)
	})
}

// evictIdle ends processes with weights that no job has used for long, and all that are on a card while the queue is
// paused: pausing is how the user gets the GPU back. A model that the user has pinned stays loaded until another model
// needs its memory.
func (r *Runner) evictIdle(ctx context.Context) {
	var idle []sidecar.Loaded
	for _, loaded := range r.cfg.Pool.Loaded() {
		if !loaded.Busy && (loaded.Device != cpu || r.hasWeights(loaded)) {
			idle = append(idle, loaded)
		}
	}
	if len(idle) == 0 {
		return
	}
	state, err := r.cfg.Jobs.QueueState(ctx)
	if err != nil {
		return
	}
	for _, loaded := range idle {
		released := state.Paused && loaded.Device != cpu
		forgotten := time.Since(loaded.IdleSince) > r.cfg.KeepAlive &&
			!(r.cfg.Models != nil && r.cfg.Models.Pinned(loaded.Model))
		if !released && !forgotten {
			continue
		}
		if err := r.cfg.Pool.Evict(ctx, loaded.Engine, loaded.Model); err != nil && !errors.Is(err, sidecar.ErrBusy) {
			r.cfg.Log.WarnContext(ctx, "an idle model could not be unloaded", "engine", loaded.Engine, "err", err)
		}
	}
}

// hasWeights says whether a process holds a model with files, which takes memory on the CPU too.
func (r *Runner) hasWeights(loaded sidecar.Loaded) bool {
	manifest, ok := r.cfg.Catalogue.Get(loaded.Engine)
	if !ok {
		return false
	}
	model, ok := manifest.Model(loaded.Model)
	return ok && r.weighs(model)
}
