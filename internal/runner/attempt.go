package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/telemetry"
)

// attempt is one claimed run of one job.
type attempt struct {
	runner   *Runner
	claimed  *jobs.Claimed
	manifest *engine.Manifest
	device   string
	load     load
	evict    []sched.Loaded
	begun    time.Time
	free     func() // lets the job and its slot go; twice changes nothing

	dir      string // <work>/<job>/<fence>
	progress *tracker
	timeline []jobs.TimelineEntry
	result   *sidecar.RunResult
	warnings []report.Warning // what the studio itself noticed, besides the engine's own
}

// finished is a folder for what the studio itself makes of a run's files. It lies next to the run's own, where engines
// write.
func (a *attempt) finished() string { return a.dir + ".finished" }

func (r *Runner) runDir(job string) string { return filepath.Join(r.cfg.WorkDir, job) }

// run works the attempt off and writes down how it ended.
func (a *attempt) run(ctx context.Context) {
	ctx = telemetry.WithJob(ctx, a.claimed.ID.String())
	log := a.runner.cfg.Log
	log.InfoContext(
		ctx,
		"job started",
		"type",
		a.claimed.Type,
		"engine",
		a.manifest.ID,
		"fence",
		a.claimed.Fence,
		"attempt",
		a.claimed.Attempt,
	)
	a.dir = filepath.Join(a.runner.runDir(a.claimed.ID.String()), strconv.FormatInt(a.claimed.Fence, 10))
	defer a.removeFiles()
	a.progress = newTracker(a)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopWatch := a.watch(ctx, cancel)
	result, err := a.execute(ctx)
	stopWatch()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	// Before the end is told: from then on there is no preview.
	a.runner.cfg.Hub.Forget(a.claimed.ID)
	writing, written := a.runner.forWriting(ctx)
	defer written()
	a.writeOutcome(writing, result, err)
}

// execute makes the result: every file of it is in the blob store when it returns without an error.
func (a *attempt) execute(ctx context.Context) (jobs.Result, error) {
	if err := ctx.Err(); err != nil {
		return jobs.Result{}, err
	}
	request, err := a.stage(ctx)
	if err != nil {
		return jobs.Result{}, err
	}
	if err := a.runner.lookAtCard(ctx, a.device); err != nil {
		return jobs.Result{}, err
	}
	if a.result, err = a.compute(ctx, request); err != nil {
		return jobs.Result{}, err
	}
	return a.finishFiles(ctx)
}

// compute runs the request. Where memory ran out although the plan said that it would not, it is tried once more with a
// lower one.
func (a *attempt) compute(ctx context.Context, request sidecar.RunRequest) (*sidecar.RunResult, error) {
	result, err := a.once(ctx, request)
	if !outOfMemory(err) || ctx.Err() != nil || !a.lower() {
		return result, err
	}
	a.runner.cfg.Log.WarnContext(
		ctx,
		"memory ran out; trying once more with less of the model on the card",
		"engine",
		a.manifest.ID,
		"variant",
		a.load.plan.Variant,
	)
	if err := os.RemoveAll(a.dir); err != nil {
		return nil, fmt.Errorf("runner: try again: %w", err)
	}
	if finished, err := a.runner.cfg.Jobs.Segments(ctx, a.claimed.ID); err == nil {
		a.claimed.Segments = finished // what was made before memory ran out need not be made again
	}
	if request, err = a.stage(ctx); err != nil {
		return nil, err
	}
	return a.once(ctx, request)
}

func outOfMemory(err error) bool {
	var said *sidecar.EngineError
	return errors.As(err, &said) && said.Code == sidecar.OutOfMemory
}

func (a *attempt) once(ctx context.Context, request sidecar.RunRequest) (*sidecar.RunResult, error) {
	lease, err := a.ready(ctx)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	request.Plan, request.Class = &a.load.plan, a.class()
	return lease.Run(
		ctx,
		request,
		sidecar.Events{Progress: a.progress.step, Segment: a.keepSegment, Phase: a.phaseBegan},
	)
}

// ready evicts the models whose memory is needed and gets a process that has the model loaded.
func (a *attempt) ready(ctx context.Context) (*sidecar.Lease, error) {
	a.phaseBegan("load", time.Now())
	for _, loaded := range a.evict {
		id, model, _ := strings.Cut(loaded.Model, "/")
		if err := a.runner.cfg.Pool.Evict(ctx, engine.ID(id), model); err != nil && !errors.Is(err, sidecar.ErrBusy) {
			return nil, err
		}
	}
	a.evict = nil
	return a.acquire(ctx)
}

// phaseBegan keeps the timeline; a phase ends where the next begins.
func (a *attempt) phaseBegan(name string, start time.Time) {
	if n := len(a.timeline); n > 0 {
		a.timeline[n-1].End = &start
	}
	a.timeline = append(a.timeline, jobs.TimelineEntry{Phase: name, Start: start})
	a.progress.phase(name)
}

// watch looks once a second whether the job is still ours and wanted, and stores its progress: what a lost notification
// or a paused process would hide.
func (a *attempt) watch(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			requested, err := a.runner.cfg.Jobs.CancelRequested(ctx, a.claimed.ID, a.claimed.Fence)
			switch {
			case errors.Is(err, jobs.ErrFenced):
				cancel(jobs.ErrFenced)
			case requested:
				cancel(errUserCanceled)
			default:
				a.progress.store(ctx)
			}
		}
	}()
	return func() { close(done); <-ended }
}

// removeFiles leaves nothing of the run behind, nor of earlier ones that could not remove their own, and nothing of the
// job when no later run of it is here.
func (a *attempt) removeFiles() {
	runs, _ := os.ReadDir(filepath.Dir(a.dir))
	for _, run := range runs {
		number, _, _ := strings.Cut(run.Name(), ".")
		if fence, err := strconv.ParseInt(number, 10, 64); err == nil && fence < a.claimed.Fence {
			_ = os.RemoveAll(filepath.Join(filepath.Dir(a.dir), run.Name()))
		}
	}
	if err := errors.Join(os.RemoveAll(a.dir), os.RemoveAll(a.finished())); err != nil {
		a.runner.cfg.Log.Warn("a run's folder could not be removed", "job", a.claimed.ID, "err", err)
	}
	_ = os.Remove(filepath.Dir(a.dir)) // fails when another run is there
}
