package events

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// mostStates is how many state events may wait for a subscriber before it is closed as too slow.
	mostStates = 1024
	// The least time between two messages of one job.
	progressInterval = 100 * time.Millisecond
	previewInterval  = 500 * time.Millisecond
)

// Message is one message to a subscriber: exactly one field is set.
type Message struct {
	State    *Event
	Progress *JobProgress
	Preview  *Preview
}

// Subscription is one listener. Call Next until it fails, then Close.
type Subscription struct {
	hub    *Hub
	filter Filter

	mu       sync.Mutex
	states   []Event
	progress map[uuid.UUID]*buffer[JobProgress]
	previews map[uuid.UUID]*buffer[Preview]
	err      error
	signal   chan struct{} // of one: something may be there
}

// buffer holds the newest value of one job until its time has come.
type buffer[T any] struct {
	value   T
	waiting bool
	last    time.Time
}

// Subscribe begins to collect. Events committed before the call may come too; compare numbers.
func (h *Hub) Subscribe(filter Filter) *Subscription {
	s := &Subscription{hub: h, filter: filter, progress: map[uuid.UUID]*buffer[JobProgress]{},
		previews: map[uuid.UUID]*buffer[Preview]{}, signal: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[s] = struct{}{}
	return s
}

// Close ends the subscription; a waiting Next returns.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	delete(s.hub.subscribers, s)
	s.hub.mu.Unlock()
	s.end(errClosed)
}

type closedError struct{}

func (closedError) Error() string { return "events: closed" }

var errClosed = closedError{}

func (s *Subscription) end(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.poke()
}

func (s *Subscription) poke() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *Subscription) pushState(event Event) {
	s.mu.Lock()
	if len(s.states) >= mostStates {
		s.states, s.err = nil, ErrSlow
	} else if s.err == nil {
		s.states = append(s.states, event)
		if event.Job != nil {
			// Progress that was measured before the change of state is older than it.
			if b := s.progress[*event.Job]; b != nil {
				b.waiting = false
			}
		}
	}
	s.mu.Unlock()
	s.poke()
}

func (s *Subscription) pushProgress(p JobProgress) {
	s.mu.Lock()
	put(s.progress, p.Job, p)
	s.mu.Unlock()
	s.poke()
}

func (s *Subscription) pushPreview(p Preview) {
	s.mu.Lock()
	put(s.previews, p.Job, p)
	s.mu.Unlock()
	s.poke()
}

func put[T any](buffers map[uuid.UUID]*buffer[T], job uuid.UUID, value T) {
	b := buffers[job]
	if b == nil {
		b = &buffer[T]{}
		buffers[job] = b
	}
	b.value, b.waiting = value, true
}

// Next waits for the next message, state first. It fails with ErrSlow when the subscriber has fallen too far behind,
// and when the subscription or the hub has ended; done ends the wait as well, with ok false and no error.
func (s *Subscription) Next(done <-chan struct{}) (m Message, ok bool, err error) {
	for {
		m, found, wait, err := s.take(time.Now())
		if err != nil {
			return Message{}, false, err
		}
		if found {
			return m, true, nil
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-done:
			return Message{}, false, nil
		case <-s.signal:
		case <-timer:
		}
	}
}

// take removes the next message, or says how long until a held-back one is due (0: none is).
func (s *Subscription) take(now time.Time) (m Message, found bool, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.states) > 0 {
		event := s.states[0]
		s.states = s.states[1:]
		if event.Job != nil {
			s.forgetEnded(event)
		}
		return Message{State: &event}, true, 0, nil
	}
	if s.err != nil {
		return Message{}, false, 0, s.err
	}
	if p, wait := due(s.progress, now, progressInterval); p != nil {
		return Message{Progress: p}, true, 0, nil
	} else if q, waitPreview := due(s.previews, now, previewInterval); q != nil {
		return Message{Preview: q}, true, 0, nil
	} else {
		return Message{}, false, sooner(wait, waitPreview), nil
	}
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// due gives a waiting value whose time has come, or how long until the first one's comes.
func due[T any](buffers map[uuid.UUID]*buffer[T], now time.Time, interval time.Duration) (*T, time.Duration) {
	var wait time.Duration
	for _, b := range buffers {
		if !b.waiting {
			continue
		}
		if left := interval - now.Sub(b.last); left > 0 {
			wait = sooner(wait, left)
			continue
		}
		b.waiting, b.last = false, now
		value := b.value
		return &value, 0
	}
	return nil, wait
}

// forgetEnded drops the progress of a job that has ended.
func (s *Subscription) forgetEnded(event Event) {
	switch event.Type {
	case "job.completed", "job.failed", "job.canceled", "job.deleted":
		delete(s.progress, *event.Job)
		delete(s.previews, *event.Job)
	}
}
