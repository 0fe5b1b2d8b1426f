package sidecar

import (
	"sync"
	"time"

	"github.com/apibr/studio/internal/engine"
)

// breaker refuses a model that crashes again and again, so that it does not spend the machine's time; others go on.
type breaker struct {
	cfg    BreakerConfig
	mu     sync.Mutex
	models map[breakerKey]*breakerState
}

type breakerKey struct {
	engine engine.ID
	model  string
}

type breakerState struct {
	crashes []time.Time // within the window
	until   time.Time
	refusal time.Duration // the last one; the next doubles it
}

func newBreaker(cfg BreakerConfig) *breaker {
	return &breaker{cfg: cfg, models: map[breakerKey]*breakerState{}}
}

// allow fails with *BreakerError while the model is refused.
func (b *breaker) allow(id engine.ID, model string, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state := b.models[breakerKey{id, model}]; state != nil && now.Before(state.until) {
		return &BreakerError{Engine: id, Model: model, Until: state.until}
	}
	return nil
}

// crashed counts a crash and tells whether it opened the breaker. After a refusal has passed, one more crash is enough.
func (b *breaker) crashed(id engine.ID, model string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := breakerKey{id, model}
	state := b.models[key]
	if state == nil {
		state = &breakerState{}
		b.models[key] = state
	}
	recent := state.crashes[:0]
	for _, at := range state.crashes {
		if now.Sub(at) < b.cfg.Window {
			recent = append(recent, at)
		}
	}
	state.crashes = append(recent, now)
	if len(state.crashes) < b.cfg.Crashes {
		if len(state.crashes) == 1 {
			state.refusal = 0
		}
		return false
	}
	state.refusal = min(max(b.cfg.First, 2*state.refusal), b.cfg.Longest)
	state.until = now.Add(state.refusal)
	return true
}

// succeeded forgets the crashes: a model that finishes a run is not broken, whatever one job does to it.
func (b *breaker) succeeded(id engine.ID, model string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.models, breakerKey{id, model})
}
