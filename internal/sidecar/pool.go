package sidecar

import (
	"context"
	"errors"

	"github.com/apibr/studio/internal/engine"
)

// Pool owns all sidecars.
type Pool struct{ cfg Config }

// New makes a pool; Run starts it.
func New(cfg Config) *Pool { return &Pool{cfg: cfg.withDefaults()} }

// Run is the service.
func (p *Pool) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Loaded lists the processes that hold a model.
func (p *Pool) Loaded() []Loaded { return nil }

// Evict ends the idle processes of a model.
func (p *Pool) Evict(ctx context.Context, id engine.ID, model string) error { return nil }

// Acquire takes a process.
func (p *Pool) Acquire(ctx context.Context, spec Spec) (*Lease, error) {
	return nil, errors.ErrUnsupported
}

// Lease is the exclusive use of a process.
type Lease struct{}

// Run runs a task.
func (l *Lease) Run(ctx context.Context, req RunRequest, events Events) (*RunResult, error) {
	return nil, errors.ErrUnsupported
}

// Cancel cancels the current run.
func (l *Lease) Cancel() {}

// Release gives the process back.
func (l *Lease) Release() {}
