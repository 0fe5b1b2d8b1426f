package sidecar

import (
	"sync"
	"time"
)

// inbox carries what happens in a run from the process's goroutine to that of Lease.Run, which may be busy in a
// handler: of progress the newest stays, segments and phases all do, in the order in which they came.
type inbox struct {
	wake        chan struct{}
	nextSegment int // nextSegment belongs to the process's goroutine

	mu       sync.Mutex
	ordered  []any // segmentParams and phaseStart
	progress *progressParams
}

type phaseStart struct {
	phase string
	at    time.Time
}

func newInbox(firstSegment int) *inbox {
	return &inbox{wake: make(chan struct{}, 1), nextSegment: firstSegment}
}

func (b *inbox) putProgress(progress progressParams) {
	b.mu.Lock()
	b.progress = &progress
	b.mu.Unlock()
	b.ring()
}

func (b *inbox) putSegment(segment segmentParams) {
	b.nextSegment++
	b.put(segment)
}

func (b *inbox) putPhase(phase string, at time.Time) { b.put(phaseStart{phase, at}) }

func (b *inbox) put(item any) {
	b.mu.Lock()
	b.ordered = append(b.ordered, item)
	b.mu.Unlock()
	b.ring()
}

func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox.
func (b *inbox) take() (ordered []any, progress *progressParams) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ordered, progress = b.ordered, b.progress
	b.ordered, b.progress = nil, nil
	return ordered, progress
}
