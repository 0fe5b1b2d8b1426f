package runner

import (
	"context"
	"errors"
	"time"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/sidecar"
)

const (
	firstPause = 100 * time.Millisecond
	mostPause  = 2 * time.Second
)

// conclude writes down how the run ended. It goes on trying while the database is away: the result is made and must not be lost.
func (a *attempt) conclude(ctx context.Context, result jobs.Result, err error) {
	status := a.verdict(ctx, result, err)
	log := a.runner.cfg.Log
	if status == "" {
		log.WarnContext(ctx, "the run's result was thrown away: the job is in other hands", "fence", a.claimed.Fence)
		return
	}
	a.runner.cfg.Metrics.JobFinished(string(a.claimed.Type), status)
	if err != nil {
		log.WarnContext(ctx, "job ended", "status", status, "err", err)
		return
	}
	log.InfoContext(ctx, "job ended", "status", status, "seconds", time.Since(a.begun).Seconds())
}

// verdict makes the one call that ends the attempt; "" means that the job was not ours any more.
func (a *attempt) verdict(ctx context.Context, result jobs.Result, err error) (status string) {
	service, id, fence := a.runner.cfg.Jobs, a.claimed.ID, a.claimed.Fence
	status = "requeued"
	call := func(ctx context.Context) error {
		return service.Requeue(ctx, id, fence, jobs.ReasonNone, time.Time{}, false)
	}
	var breaker *sidecar.BreakerError
	switch {
	case err == nil:
		status = string(jobs.Completed)
		a.runner.peaks.add(result.Peak)
		call = func(ctx context.Context) error { _, err := service.Finish(ctx, id, fence, result); return err }
	case errors.Is(err, jobs.ErrFenced):
		return ""
	case errors.Is(err, errUserCanceled), errors.Is(err, sidecar.ErrCanceled):
		status = string(jobs.Canceled)
		call = func(ctx context.Context) error { return service.FinishCanceled(ctx, id, fence) }
	case errors.Is(err, errStopping), errors.Is(err, sidecar.ErrClosed):
	case errors.As(err, &breaker):
		call = func(ctx context.Context) error {
			return service.Requeue(ctx, id, fence, jobs.ReasonBackingOff, breaker.Until, false)
		}
	case outOfMemory(err):
		// It was tried with less, or there is no less: another attempt would run out again.
		status = string(jobs.Failed)
		problem := a.problemOf(err)
		call = func(ctx context.Context) error { return service.Fail(ctx, id, fence, problem, true) }
	case sidecar.Fault(err), errors.Is(err, media.ErrUnavailable):
		problem := a.problemOf(err)
		call = func(ctx context.Context) error {
			again, err := service.Fault(ctx, id, fence, problem)
			if !again {
				status = string(jobs.Failed)
			}
			return err
		}
	default:
		status = string(jobs.Failed)
		problem := a.problemOf(err)
		call = func(ctx context.Context) error { return service.Fail(ctx, id, fence, problem, false) }
	}
	if a.persist(ctx, "end job", call) != nil {
		return ""
	}
	return status
}

// persist repeats a fenced write until the database has answered. It fails with what the domain answers, and when the studio has
// stopped: the next boot takes the job back.
func (a *attempt) persist(ctx context.Context, what string, write func(ctx context.Context) error) error {
	pause := firstPause
	for {
		err := write(ctx)
		if err == nil || final(err) || ctx.Err() != nil {
			return err
		}
		a.runner.cfg.Log.WarnContext(ctx, "the database did not take a write; trying again", "what", what, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause = min(2*pause, mostPause)
		}
	}
}

// final says whether trying again would get the same answer.
func final(err error) bool {
	return errors.Is(err, jobs.ErrFenced) || errors.Is(err, jobs.ErrNotFound) || errors.Is(err, jobs.ErrState) || isRefusal(err)
}
