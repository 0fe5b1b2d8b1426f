package runner

import (
	"context"
	"errors"
	"time"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
)

const (
	firstPause = 100 * time.Millisecond
	mostPause  = 2 * time.Second

	// strangeTries is how often a write is sent that fails although the database is there and says nothing against the
	// content.
	strangeTries = 5
)

// requeued is the word for an attempt after which the job waits again.
const requeued = "requeued"

// ending is the one write that ends an attempt, and the word for how it ends.
type ending struct {
	status string
	write  func(ctx context.Context) error
}

// writeOutcome writes down how the run ended. It goes on trying while the database is away: the result is made and must
// not be lost. A result whose content the database refuses becomes a failure without that content.
func (a *attempt) writeOutcome(ctx context.Context, result jobs.Result, err error) {
	log := a.runner.cfg.Log
	end := a.verdict(result, err)
	failed := errFenced(err)
	if failed == nil {
		failed = a.persist(ctx, "end job", func(ctx context.Context) error { return end.write(ctx) })
	}
	if failed != nil && !gone(failed) && ctx.Err() == nil {
		log.ErrorContext(
			ctx,
			"the database refused how the run ended: the job fails without its result",
			"status",
			end.status,
			"err",
			failed,
		)
		end.status = string(jobs.Failed)
		failed = a.persist(ctx, "fail job", func(ctx context.Context) error {
			return a.runner.cfg.Jobs.Fail(ctx, a.claimed.ID, a.claimed.Fence, jobs.Unstorable, false)
		})
	}
	switch {
	case failed == nil:
	case gone(failed):
		log.WarnContext(ctx, "the run's result was thrown away: the job is in other hands", "fence", a.claimed.Fence)
		return
	case ctx.Err() != nil:
		log.WarnContext(
			ctx,
			"the database was away until the studio stopped: its next start takes the job back",
			"fence",
			a.claimed.Fence,
			"err",
			failed,
		)
		return
	default:
		log.ErrorContext(
			ctx,
			"how the run ended could not be written down: it is tried again at each beat",
			"fence",
			a.claimed.Fence,
			"err",
			failed,
		)
		a.runner.noteUnwritten(a.claimed.ID, a.claimed.Fence)
		return
	}
	if end.status != requeued {
		a.free() // before the files are removed; a job that runs again uses the same folder
	}
	a.runner.cfg.Metrics.JobFinished(string(a.claimed.Type), end.status)
	if err != nil {
		log.WarnContext(ctx, "job ended", "status", end.status, "err", err)
		return
	}
	log.InfoContext(ctx, "job ended", "status", end.status, "seconds", time.Since(a.begun).Seconds())
}

func errFenced(err error) error {
	if errors.Is(err, jobs.ErrFenced) {
		return err
	}
	return nil
}

// gone says that the job is not this run's any more: another attempt has it, or its owner deleted it.
func gone(err error) bool { return errors.Is(err, jobs.ErrFenced) || errors.Is(err, jobs.ErrNotFound) }

// verdict says how the attempt ends.
func (a *attempt) verdict(result jobs.Result, err error) *ending {
	if short := shortOf(err); short != 0 && !canceled(err) {
		return a.shortage(short)
	}
	a.runner.forgetShortages(a.claimed.ID)
	service, id, fence := a.runner.cfg.Jobs, a.claimed.ID, a.claimed.Fence
	var breaker *sidecar.BreakerError
	switch {
	case err == nil:
		a.runner.peaks.add(result.Peak)
		return &ending{
			string(jobs.Completed),
			func(ctx context.Context) error { _, err := service.Finish(ctx, id, fence, result); return err },
		}
	case canceled(err):
		return &ending{
			string(jobs.Canceled),
			func(ctx context.Context) error { return service.FinishCanceled(ctx, id, fence) },
		}
	case errors.Is(err, errStopping), errors.Is(err, sidecar.ErrClosed):
		return a.requeue(jobs.ReasonNone, time.Time{})
	case errors.As(err, &breaker):
		return a.requeue(jobs.ReasonBackingOff, breaker.Until)
	case outOfMemory(err):
		// It was tried with less, or there is no less: another attempt would run out again.
		return a.fail(a.problemOf(err), true)
	case sidecar.Fault(err), errors.Is(err, media.ErrUnavailable):
		return a.fault(err)
	default:
		return a.fail(a.problemOf(err), false)
	}
}

func canceled(err error) bool {
	return errors.Is(err, errUserCanceled) || errors.Is(err, sidecar.ErrCanceled)
}

// requeue hands the job back without a verdict.
func (a *attempt) requeue(reason jobs.Reason, at time.Time) *ending {
	return &ending{requeued, func(ctx context.Context) error {
		return a.runner.cfg.Jobs.Requeue(ctx, a.claimed.ID, a.claimed.Fence, reason, at, false)
	}}
}

// fail ends the job for good.
func (a *attempt) fail(problem jobs.Problem, fault bool) *ending {
	return &ending{string(jobs.Failed), func(ctx context.Context) error {
		return a.runner.cfg.Jobs.Fail(ctx, a.claimed.ID, a.claimed.Fence, problem, fault)
	}}
}

// fault counts against the job's limit: the job runs again, or fails at the last one.
func (a *attempt) fault(err error) *ending {
	problem := a.problemOf(err)
	end := &ending{status: requeued}
	end.write = func(ctx context.Context) error {
		again, err := a.runner.cfg.Jobs.Fault(ctx, a.claimed.ID, a.claimed.Fence, problem)
		if err == nil && !again {
			end.status = string(jobs.Failed)
		}
		return err
	}
	return end
}

// persist repeats a fenced write until the database has answered. It fails with what the domain answers, with what the
// database refuses, and when the time for writing after a stop is over.
func (a *attempt) persist(ctx context.Context, what string, write func(ctx context.Context) error) error {
	pause, strange := firstPause, 0
	for {
		err := write(ctx)
		if err == nil || final(err) || ctx.Err() != nil {
			return err
		}
		if !store.Unavailable(err) {
			if strange++; strange == strangeTries {
				return err
			}
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
	return gone(err) || errors.Is(err, jobs.ErrState) || errors.Is(err, jobs.ErrUnreadable) || store.Refused(err)
}
