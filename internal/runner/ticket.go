package runner

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/apibr/studio/internal/queue"
)

const (
	// ticketPoll is how often a held ticket looks whether anything still waits.
	ticketPoll = time.Second
	// awayFor is how long a ticket goes away when this node can run nothing of what waits.
	awayFor = 5 * time.Second
)

// TicketWorker is the River worker of the generation queue: it wakes the dispatcher and gives the ticket up for one
// start.
type TicketWorker struct {
	river.WorkerDefaults[queue.GenerateArgs]
	runner *Runner
}

// Tickets is the worker to register with River.
func (r *Runner) Tickets() *TicketWorker { return &TicketWorker{runner: r} }

// Timeout is off: a ticket may be held while a long job keeps the slot.
func (w *TicketWorker) Timeout(*river.Job[queue.GenerateArgs]) time.Duration { return -1 }

// Work holds the ticket until a job has started for it or nothing waits.
func (w *TicketWorker) Work(ctx context.Context, _ *river.Job[queue.GenerateArgs]) error {
	r := w.runner
	tick := time.NewTicker(ticketPoll)
	defer tick.Stop()
	for due := true; ; {
		started := r.startSignal()
		if r.takeCredit() {
			return nil
		}
		if due { // a start says nothing about what waits: the queue is read at each tick, not at each start
			list, err := r.cfg.Jobs.Waiting(ctx)
			if err == nil && len(list.Jobs) == 0 {
				if list.Next.IsZero() {
					return nil
				}
				return river.JobSnooze(max(time.Until(list.Next), 0)) // a job backs off: its time is the ticket's
			}
			r.Wake()
		}
		due = false
		select {
		case <-started:
		case <-tick.C:
			due = true
			if r.cfg.Shared && r.free() == r.cfg.Slots {
				return river.JobSnooze(awayFor)
			}
		case <-r.over:
			return river.JobSnooze(ticketPoll)
		case <-ctx.Done():
			return river.JobSnooze(ticketPoll)
		}
	}
}

func (r *Runner) startSignal() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}

// takeCredit gives the ticket up for a start that happened without one, by the in-process wake.
func (r *Runner) takeCredit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.credits == 0 {
		return false
	}
	r.credits--
	return true
}

func (r *Runner) resetCredits() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.credits = 0
}
