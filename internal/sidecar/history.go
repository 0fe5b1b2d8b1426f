package sidecar

import (
	"sync"
	"time"

	"github.com/apibr/studio/internal/engine"
)

// MemoryHistory is a PhaseHistory that forgets at the end of the process. Seed it through Set.
type MemoryHistory struct {
	mu     sync.Mutex
	phases map[phaseKey]phaseFacts
}

type phaseKey struct {
	engine engine.ID
	model  string
	phase  string
}

type phaseFacts struct {
	longest time.Duration
	runs    int
}

// NewMemoryHistory is an empty history.
func NewMemoryHistory() *MemoryHistory {
	return &MemoryHistory{phases: map[phaseKey]phaseFacts{}}
}

// MaxStep implements PhaseHistory.
func (h *MemoryHistory) MaxStep(id engine.ID, model, phase string) (time.Duration, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	facts := h.phases[phaseKey{id, model, phase}]
	return facts.longest, facts.runs
}

// Record implements PhaseHistory.
func (h *MemoryHistory) Record(id engine.ID, model, phase string, longest time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := phaseKey{id, model, phase}
	facts := h.phases[key]
	h.phases[key] = phaseFacts{longest: max(facts.longest, longest), runs: facts.runs + 1}
}

// Set replaces what is known of one phase.
func (h *MemoryHistory) Set(id engine.ID, model, phase string, longest time.Duration, runs int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phases[phaseKey{id, model, phase}] = phaseFacts{longest: longest, runs: runs}
}
