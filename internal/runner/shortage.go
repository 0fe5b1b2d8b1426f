package runner

import (
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
)

const (
	firstShortage = time.Second
	mostShortage  = 30 * time.Second
)

// shortOf is what the computer had nothing left of when a call of the studio itself failed, 0 when that is not why:
// files that may be open (EMFILE, ENFILE), processes (EAGAIN of a fork), memory. It passes, and the job is not to
// blame.
func shortOf(err error) syscall.Errno {
	var said *sidecar.EngineError
	var number syscall.Errno
	if errors.As(err, &said) || !errors.As(err, &number) {
		return 0
	}
	switch number {
	case syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM, syscall.ENOBUFS:
		return number
	default:
		return 0
	}
}

// shortage sends the job back without a fault, for longer each time, and fails it at the last of MaxShortages tries.
func (a *attempt) shortage(short syscall.Errno) *ending {
	tries := a.runner.countShortage(a.claimed.ID)
	if tries >= a.runner.cfg.MaxShortages {
		a.runner.forgetShortages(a.claimed.ID)
		return a.fail(exhausted(short, tries), false)
	}
	at := time.Now().Add(min(firstShortage<<min(tries-1, 10), mostShortage))
	return a.requeue(jobs.ReasonBackingOff, at)
}

// exhausted tells the user what the computer lacked.
func exhausted(short syscall.Errno, tries int) jobs.Problem {
	detail := i18n.Say(
		"too many files were open on this computer, %d times in a row: close other programs, or raise the limit of "+
			"open files (ulimit -n), then retry",
		tries,
	)
	switch short {
	case syscall.EAGAIN:
		detail = i18n.Say(
			"this computer could start no more processes, %d times in a row: close other programs, then retry",
			tries,
		)
	case syscall.ENOMEM, syscall.ENOBUFS:
		detail = i18n.Say(
			"this computer had no memory left for the studio itself, %d times in a row: close other programs, "+
				"then retry",
			tries,
		)
	}
	return problem(
		"computer_exhausted",
		http.StatusServiceUnavailable,
		i18n.Say("The computer has nothing left to give"),
		detail,
		true,
	)
}

// countShortage counts the tries of a job that failed for lack of something, one after the other.
func (r *Runner) countShortage(id uuid.UUID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shortages[id]++
	return r.shortages[id]
}

func (r *Runner) forgetShortages(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shortages, id)
}
