package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// waitPoll is how often Wait reads the row itself, for a job that another node ends and whose event was not passed to
// Touch.
const waitPoll = 500 * time.Millisecond

// waiters are the callers on this node that wait for a change of one job.
type waiters struct {
	mu sync.Mutex
	of map[uuid.UUID]map[chan struct{}]struct{}
}

func (w *waiters) add(id uuid.UUID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[uuid.UUID]map[chan struct{}]struct{}{}
	}
	if w.of[id] == nil {
		w.of[id] = map[chan struct{}]struct{}{}
	}
	w.of[id][c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.of[id], c)
		if len(w.of[id]) == 0 {
			delete(w.of, id)
		}
	}
}

func (w *waiters) wake(id uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.of[id] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Touch wakes the waiters of a job, after an event of another node.
func (s *Service) Touch(id uuid.UUID) { s.waiters.wake(id) }

// Wait returns the job once it has ended or timeout has passed, whichever is first.
func (s *Service) Wait(ctx context.Context, owner, id uuid.UUID, timeout time.Duration) (*Job, error) {
	changed, done := s.waiters.add(id)
	defer done()
	end := time.NewTimer(timeout)
	defer end.Stop()
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	for {
		j, err := s.Get(ctx, owner, id)
		if err != nil || j.Status.Terminal() {
			return j, err
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-end.C:
			return j, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
