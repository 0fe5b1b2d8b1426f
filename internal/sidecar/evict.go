package sidecar

import (
	"context"
	"strings"
	"time"

	"github.com/apibr/studio/internal/engine"
)

// Evict ends the idle processes that hold the model (all models of the engine when it is ""), and returns when they
// are gone and their memory is seen to be back. It succeeds when nothing is loaded; when only busy ones are there it
// fails with ErrBusy.
func (p *Pool) Evict(ctx context.Context, id engine.ID, model string) error {
	if err := p.awaitOpen(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	var out []*slot
	working := false
	for _, s := range p.slots {
		if s.engine.ID != id || model != "" && s.model != model {
			continue
		}
		switch s.state {
		case idle:
			s.state = ending
			out = append(out, s)
		case ending:
			out = append(out, s)
		case busy, loading:
			working = true
		}
	}
	p.mu.Unlock()
	if len(out) == 0 && working {
		return ErrBusy
	}
	for _, s := range out {
		s.proc.ask(func(l *life) { l.shutdown() })
	}
	for _, s := range out {
		if !s.proc.awaitGone(ctx) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errStuck
		}
		select {
		case <-s.settled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// endIdle ends what has been idle for longer than KeepAlive.
func (p *Pool) endIdle(now time.Time) {
	if p.cfg.KeepAlive <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.state == idle && now.Sub(s.idleSince) > p.cfg.KeepAlive {
			s.state = ending
			go s.proc.ask(func(l *life) { l.shutdown() })
		}
	}
}

const (
	// memoryBackShare of what a process held must be seen free before the next load; the rest other programs may have
	// taken meanwhile.
	memoryBackShare = 0.75

	// memoryBackLimit ends the wait: a driver that has not given memory back by then will not.
	memoryBackLimit = 5 * time.Second

	memoryBackLook = 25 * time.Millisecond
)

// awaitExit waits for a process's end and for its memory, then forgets it.
func (p *Pool) awaitExit(s *slot) {
	defer p.tasks.Done()
	<-s.proc.gone
	p.mu.Lock()
	s.state = ending
	vram, device := max(s.vram, s.proc.vram.Load()), s.device
	p.mu.Unlock()
	// Host memory is back when the process has been reaped; a card's memory comes back when the driver gets round to
	// it.
	if vram > 0 && strings.Contains(device, ":") {
		p.awaitVRAM(device, vram)
	}
	close(s.settled)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.slots {
		if other == s {
			p.slots = append(p.slots[:i], p.slots[i+1:]...)
			break
		}
	}
}

// awaitVRAM compares with what the card has in use at the death: the fall must reach the share, from a first reading
// taken as soon as the process was gone, or the use must be that low already.
func (p *Pool) awaitVRAM(device string, held int64) {
	deadline := time.NewTimer(memoryBackLimit)
	defer deadline.Stop()
	look := time.NewTicker(memoryBackLook)
	defer look.Stop()
	first := p.vramUsed(device)
	for {
		used := p.vramUsed(device)
		if used < held/4 || float64(first-used) >= memoryBackShare*float64(held) {
			return
		}
		select {
		case <-look.C:
		case <-p.closed:
			return
		case <-deadline.C:
			return
		}
	}
}

func (p *Pool) vramUsed(device string) int64 {
	for _, gpu := range p.cfg.Host.GPUs() {
		if gpu.Device() == device {
			return gpu.VRAMUsed
		}
	}
	return 0
}

// awaitMemory waits until nothing that ends on the device of s still holds memory.
func (p *Pool) awaitMemory(ctx context.Context, s *slot) error {
	p.mu.Lock()
	var before []*slot
	for _, other := range p.slots {
		if other != s && other.state == ending && other.device == s.device {
			before = append(before, other)
		}
	}
	p.mu.Unlock()
	for _, other := range before {
		select {
		case <-other.settled:
		case <-other.proc.stuck:
			return errStuck
		case <-ctx.Done():
			return ErrCanceled
		}
	}
	return nil
}
