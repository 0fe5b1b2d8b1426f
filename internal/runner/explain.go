package runner

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sched"
)

const (
	// explained is how many of the jobs that wait for memory say so. Those behind them wait for these, and a queue of
	// thousands must not be rewritten each time that another program takes or gives memory.
	explained = 20
	// refreshAfter is how old the numbers of such a job get while they change.
	refreshAfter = 10 * time.Second
)

// told are the numbers that this runner wrote last, by job. Only the dispatcher uses it.
type told map[uuid.UUID]shortage

type shortage struct {
	jobs.Shortage
	at time.Time
}

// explain writes down why jobs wait, where that has changed. A busy device is not written: it is seen from what runs.
func (r *Runner) explain(ctx context.Context, waiting []jobs.Waiting, d sched.Decision) error {
	short := map[uuid.UUID]jobs.Shortage{}
	for _, s := range d.NoMemory {
		short[s.ID] = jobs.Shortage{Device: s.Device, NeededRAM: s.Need.RAM, FreeRAM: max(s.Free.RAM, 0),
			NeededVRAM: s.Need.VRAM, FreeVRAM: max(s.Free.VRAM, 0)}
	}
	marked := 0
	fresh, older, gone := map[uuid.UUID]jobs.Shortage{}, map[uuid.UUID]jobs.Shortage{}, map[uuid.UUID]jobs.Reason{}
	for _, w := range waiting {
		numbers, isShort := short[w.ID]
		if w.Reason == jobs.ReasonNoMemory {
			marked++
			if !isShort {
				gone[w.ID] = jobs.ReasonNone
			} else if r.told.stale(w.ID, numbers) {
				older[w.ID] = numbers
			}
		}
	}
	for _, w := range waiting {
		if numbers, isShort := short[w.ID]; isShort && w.Reason != jobs.ReasonNoMemory && marked < explained {
			fresh[w.ID] = numbers
			marked++
		}
	}
	if err := r.cfg.Jobs.SetReason(ctx, gone); err != nil {
		return err
	}
	if err := r.cfg.Jobs.SetNoMemory(ctx, fresh); err != nil {
		return err
	}
	if err := r.cfg.Jobs.RefreshShortage(ctx, older); err != nil {
		return err
	}
	if len(gone)+len(fresh) > 0 {
		r.known.forget() // their reasons are others now
	}
	r.told = r.told.after(short, fresh, older)
	return nil
}

// stale says whether other numbers are to be written: they differ, and the last were not written just now.
func (t told) stale(id uuid.UUID, now jobs.Shortage) bool {
	last, known := t[id]
	return !known || last.Shortage != now && time.Since(last.at) >= refreshAfter
}

// after forgets the jobs that are no longer short.
func (t told) after(short, fresh, older map[uuid.UUID]jobs.Shortage) told {
	next := told{}
	for id := range short {
		if last, known := t[id]; known {
			next[id] = last
		}
	}
	for _, written := range []map[uuid.UUID]jobs.Shortage{fresh, older} {
		for id, numbers := range written {
			next[id] = shortage{numbers, time.Now()}
		}
	}
	return next
}
