package runner

import (
	"context"
	"log/slog"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
)

// History is what hang limits are learned from: kept in the database, answered from memory.
type History struct {
	jobs   *jobs.Service
	memory *sidecar.MemoryHistory
	log    *slog.Logger
}

// NewHistory makes a History over the table phase_history.
func NewHistory(service *jobs.Service, log *slog.Logger) *History {
	return &History{jobs: service, memory: sidecar.NewMemoryHistory(), log: log}
}

// Preload reads what earlier runs learned.
func (h *History) Preload(ctx context.Context) {
	known, err := h.jobs.Phases(ctx)
	if err != nil {
		h.log.WarnContext(ctx, "the history of phases could not be read: hang limits start generous", "err", err)
		return
	}
	for _, p := range known {
		h.set(p)
	}
}

func (h *History) set(p jobs.PhaseHistory) {
	h.memory.Set(engine.ID(p.Engine), p.Model, p.Phase, time.Duration(p.MaxStepSeconds*float64(time.Second)), p.Runs)
}

// MaxStep implements sidecar.PhaseHistory.
func (h *History) MaxStep(id engine.ID, model, phase string) (time.Duration, int) {
	return h.memory.MaxStep(id, model, phase)
}

// Record implements sidecar.PhaseHistory.
func (h *History) Record(id engine.ID, model, phase string, longest time.Duration) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	record := jobs.PhaseRecord{Phase: phase, MaxStepSeconds: longest.Seconds()}
	known, err := h.jobs.RecordPhase(ctx, string(id), model, record)
	if err != nil {
		h.log.Debug("a phase's time was not stored", "err", err)
		h.memory.Record(id, model, phase, longest)
		return
	}
	h.set(known)
}
