package sidecar

import (
	"slices"
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

// historyRuns is how many runs of a phase are remembered: a step that stood still once, with a suspended machine or a
// cold disk, must not keep hangs from being seen for ever.
const historyRuns = 20

type phaseFacts struct {
	steps []time.Duration // the longest of each run, the newest last
	runs  int             // how many there ever were
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
	if len(facts.steps) == 0 {
		return 0, 0
	}
	return slices.Max(facts.steps), facts.runs
}

// Record implements PhaseHistory.
func (h *MemoryHistory) Record(id engine.ID, model, phase string, longest time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := phaseKey{id, model, phase}
	facts := h.phases[key]
	steps := append(slices.Clone(facts.steps), longest)
	h.phases[key] = phaseFacts{steps: steps[max(0, len(steps)-historyRuns):], runs: facts.runs + 1}
}

// Set replaces what is known of one phase.
func (h *MemoryHistory) Set(id engine.ID, model, phase string, longest time.Duration, runs int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phases[phaseKey{id, model, phase}] = phaseFacts{steps: []time.Duration{longest}, runs: runs}
}
