package runner

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/jobs"
)

// knownFor is how long the dispatcher goes by what it knows of the queue without reading it: a change that was not
// reported it of is seen then.
const knownFor = time.Second

// mostKnown is how many jobs are known at most before the queue is read instead.
const mostKnown = 500

// known is the queue as it was read last, less what has started since, and with the jobs that have been submitted here
// since. It serves while this node alone uses the database: a submit then finds its job started without the queue being
// read, and so does a slot that becomes free. A job that is not as it was known is noticed at its claim, after which
// the queue is read again. The zero value knows nothing.
type known struct {
	mu      sync.Mutex
	list    jobs.WaitingList
	at      time.Time // when it was read; zero when it must be read
	changes int       // so that a change during a reading is not lost
}

// changed takes in new jobs; nil is any other change.
func (k *known) changed(fresh []jobs.Waiting) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes++
	switch {
	case fresh == nil || k.at.IsZero() || k.list.Heads || len(k.list.Jobs) > mostKnown:
		k.at = time.Time{}
	case k.list.Paused:
		// Nothing starts, and the queue is read when it goes on.
	default:
		k.list.Jobs = slices.Clone(k.list.Jobs) // the dispatcher may be going through the old list
		for _, w := range fresh {
			if !slices.ContainsFunc(k.list.Jobs, func(other jobs.Waiting) bool { return other.ID == w.ID }) {
				k.list.Jobs = append(k.list.Jobs, w)
			}
		}
	}
}

func (k *known) forget() { k.changed(nil) }

// remove takes out a job that has started.
func (k *known) remove(id uuid.UUID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list.Jobs = slices.DeleteFunc(slices.Clone(k.list.Jobs), func(w jobs.Waiting) bool { return w.ID == id })
}

// get is what is known; false when the queue must be read. changes is for set.
func (k *known) get(now time.Time) (list jobs.WaitingList, changes int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := !k.at.IsZero() && now.Sub(k.at) < knownFor && (k.list.Next.IsZero() || now.Before(k.list.Next))
	return k.list, k.changes, fresh
}

// set keeps what was read at a time, unless something has changed since get.
func (k *known) set(list jobs.WaitingList, at time.Time, changes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list, k.at = list, at
	if changes != k.changes {
		k.at = time.Time{}
	}
}

// waiting is what could run now.
func (r *Runner) waiting(ctx context.Context) (waiting []jobs.Waiting, next time.Time, err error) {
	now := time.Now()
	list, changes, ok := r.known.get(now)
	if !ok || r.cfg.Shared {
		if list, err = r.cfg.Jobs.Waiting(ctx); err != nil {
			return nil, next, err
		}
		r.known.set(list, now, changes)
	}
	return list.Jobs, list.Next, nil
}
