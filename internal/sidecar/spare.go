package sidecar

import (
	"context"
	"strings"

	"github.com/apibr/studio/internal/engine"
)

// takeSpareOrStart takes the engine's spare process, ready or still starting, else starts one; either way it is marked
// as loading the spec's model.
func (p *Pool) takeSpareOrStart(spec Spec) (*slot, error) {
	gtt := p.gttUsed(spec.Device)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return nil, ErrClosed
	}
	var taken *slot
	for _, s := range p.slots {
		if s.state == spare && s.engine.ID == spec.Engine.ID && s.proc.alive() {
			taken = s
			break
		}
	}
	if taken == nil {
		var err error
		if taken, err = p.startSlot(spec.Engine); err != nil {
			return nil, err
		}
	}
	taken.state, taken.model, taken.device, taken.variant = loading, spec.Model, spec.Device, spec.Variant
	taken.files, taken.gttBefore = onDisk(spec.Files), gtt
	return taken, nil
}

func (pr *process) alive() bool {
	select {
	case <-pr.exited:
		return false
	case <-pr.gone:
		return false
	default:
		return true
	}
}

// startSlot starts a process; p.mu is held.
func (p *Pool) startSlot(m *engine.Manifest) (*slot, error) {
	pr, err := p.startProcess(m)
	if err != nil {
		return nil, err
	}
	s := &slot{proc: pr, engine: m, state: spare, settled: make(chan struct{})}
	p.slots = append(p.slots, s)
	go pr.loop()
	p.tasks.Add(1)
	go p.awaitExit(s)
	return s, nil
}

// Warm starts the engine's spare process: the next sidecar, imports done, no tensor operation and no GPU call made,
// waiting for load. It returns at once and does nothing when spares are off, one waits already, RAM is short, or the
// engine is not installed. The pool warms the engine of every lease that is released; a caller that knows better which
// engine is next may say so.
func (p *Pool) Warm(m *engine.Manifest) {
	if !p.cfg.Spare || !p.cfg.Installed(m) || p.memoryShort(m) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return
	}
	var spares []*slot
	for _, s := range p.slots {
		if s.state == spare {
			if s.engine.ID == m.ID {
				return
			}
			spares = append(spares, s)
		}
	}
	if len(spares) >= p.cfg.MaxSpares {
		oldest := spares[0]
		oldest.state = ending
		go oldest.proc.kill(errEvicted)
	}
	if _, err := p.startSlot(m); err != nil {
		p.cfg.Log.Warn("no spare sidecar", "engine", m.ID, "error", err)
	}
}

// SpareRAM is what the spare processes hold, in bytes. It counts as free: Acquire ends them when a load needs their
// memory.
func (p *Pool) SpareRAM() (bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.state == spare {
			bytes += p.cfg.Host.ProcessPrivate(s.proc.pid)
		}
	}
	return bytes
}

// freeSpares ends the spares, and waits for their memory, when a load would not fit next to them.
func (p *Pool) freeSpares(ctx context.Context, spec Spec) {
	total, available, err := p.cfg.Host.Memory()
	if err != nil || available-spec.Plan.RAM >= p.cfg.Guard.floor(total) {
		return
	}
	for _, s := range p.endSpares() {
		s.proc.awaitGone(ctx)
	}
}

// memoryShort says whether a spare would bring the machine near the guard's floor: twice the floor and the engine's own
// plan should stay.
func (p *Pool) memoryShort(m *engine.Manifest) bool {
	total, available, err := p.cfg.Host.Memory()
	return err != nil || available < 2*p.cfg.Guard.floor(total)+m.Plan(p.cfg.Device).RAM
}

// endSpares gives their memory back; they are the first to go when it becomes short.
func (p *Pool) endSpares() (told []*slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.state == spare {
			s.state = ending
			told = append(told, s)
			go s.proc.kill(errEvicted)
		}
	}
	return told
}

func (p *Pool) gttUsed(device string) int64 {
	if !strings.HasPrefix(device, "hip:") {
		return 0
	}
	for _, gpu := range p.cfg.Host.GPUs() {
		if gpu.Device() == device {
			return gpu.GTTUsed
		}
	}
	return 0
}
