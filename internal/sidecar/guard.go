package sidecar

import (
	"context"
	"time"
)

// floor is the least memory that must stay available, of a machine with that much.
func (c GuardConfig) floor(total int64) int64 {
	floor := max(c.MinAvailable, 0)
	if c.MinAvailableFraction > 0 {
		floor = max(floor, int64(c.MinAvailableFraction*float64(total)))
	}
	return floor
}

// facts are what the guard judges by. Sizes are bytes.
type facts struct {
	memoryKnown      bool
	total, available int64
	pressureKnown    bool
	pressure         float64
	gttGrowth        int64 // of the card that grew most since its sidecar started
}

// judge tells the rule that is broken, or nil. resting says that a kill was just made, whose effect the pressure
// average cannot show yet.
func (c GuardConfig) judge(f facts, resting bool) *GuardError {
	if floor := c.floor(f.total); f.memoryKnown && floor > 0 && f.available < floor {
		return &GuardError{Available: f.available, Floor: floor}
	}
	if c.GTTGrowth > 0 && f.gttGrowth >= c.GTTGrowth {
		return &GuardError{GTTGrowth: f.gttGrowth, GTTLimit: c.GTTGrowth}
	}
	if f.pressureKnown && !resting && c.PressureFull > 0 && f.pressure > c.PressureFull {
		return &GuardError{Pressure: f.pressure, PressureLimit: c.PressureFull}
	}
	return nil
}

// watchMemory looks at the machine while any sidecar lives and kills the largest one when a rule is broken. The worst
// case is a lost job, never a frozen computer.
func (p *Pool) watchMemory(ctx context.Context) {
	ticker := time.NewTicker(p.cfg.Guard.Interval)
	defer ticker.Stop()
	var lastKill time.Time
	var victim *process
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.endIdle(time.Now())
		if victim != nil && victim.alive() {
			continue // what it holds is still counted
		}
		slots := p.living()
		if len(slots) == 0 {
			continue
		}
		seen := p.measure(slots)
		if seen.memoryKnown && seen.available < 2*p.cfg.Guard.floor(seen.total) {
			p.endSpares()
		}
		verdict := p.cfg.Guard.judge(seen, time.Since(lastKill) < p.cfg.Guard.Hold)
		if verdict == nil {
			continue
		}
		victim = p.killLargest(slots, verdict)
		lastKill = time.Now()
	}
}

func (p *Pool) living() []*slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	var living []*slot
	for _, s := range p.slots {
		if s.proc.alive() {
			living = append(living, s)
		}
	}
	return living
}

func (p *Pool) measure(slots []*slot) facts {
	var f facts
	total, available, err := p.cfg.Host.Memory()
	f.memoryKnown, f.total, f.available = err == nil, total, available
	pressure, err := p.cfg.Host.PressureFull()
	f.pressureKnown, f.pressure = err == nil, pressure
	for _, s := range slots {
		if device, before := p.deviceOf(s); device != "" {
			f.gttGrowth = max(f.gttGrowth, p.gttUsed(device)-before)
		}
	}
	return f
}

func (p *Pool) deviceOf(s *slot) (device string, gttBefore int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.state == spare {
		return "", 0
	}
	return s.device, s.gttBefore
}

// killLargest ends the sidecar that holds most of what is short.
func (p *Pool) killLargest(slots []*slot, verdict *GuardError) *process {
	var largest *slot
	var most int64 = -1
	for _, s := range slots {
		held := p.cfg.Host.GroupRSS(s.proc.pid)
		if verdict.GTTLimit > 0 {
			_, held = p.cfg.Host.ProcessGPU(s.proc.pid)
		}
		if held > most {
			largest, most = s, held
		}
	}
	verdict.Engine, verdict.RSS = largest.engine.ID, p.cfg.Host.GroupRSS(largest.proc.pid)
	p.cfg.Log.Warn(
		"memory guard ends the largest sidecar",
		"engine",
		verdict.Engine,
		"rss",
		verdict.RSS,
		"why",
		verdict,
	)
	largest.proc.kill(verdict)
	return largest.proc
}
