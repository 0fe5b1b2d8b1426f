package sched

import (
	"maps"
	"slices"

	"github.com/google/uuid"
)

// joined brings in lanes that had nothing waiting: they begin where the others are, so that idleness saves up no credit.
func (s Shares) joined(lanes map[Lane][]Job) Shares {
	next := Shares{Pass: maps.Clone(s.Pass), Waited: s.Waited, Run: s.Run}
	if next.Pass == nil {
		next.Pass = map[Lane]float64{}
	}
	var there []Lane
	for name := range lanes {
		if s.Waited[name] {
			there = append(there, name)
		}
	}
	behind := s.least(there)
	for name := range lanes {
		if !s.Waited[name] {
			next.Pass[name] = max(next.Pass[name], behind)
		}
	}
	return next
}

// least is the virtual time of the lane furthest behind.
func (s Shares) least(lanes []Lane) float64 {
	if len(lanes) == 0 {
		// Nobody waited: whoever comes begins where the furthest got.
		least := 0.0
		for _, pass := range s.Pass {
			least = max(least, pass)
		}
		return least
	}
	least := s.Pass[lanes[0]]
	for _, name := range lanes[1:] {
		least = min(least, s.Pass[name])
	}
	return least
}

// after is the state when the job has started.
func (s Shares) after(job Job, lanes map[Lane][]Job, p Policy) Shares {
	next := Shares{Pass: maps.Clone(s.Pass), Waited: map[Lane]bool{}, Run: maps.Clone(s.Run)}
	next.Pass[job.Lane] += 1 / p.weight(job.Lane)
	for name := range lanes {
		next.Waited[name] = true
	}
	if next.Run == nil {
		next.Run = map[string]Run{}
	}
	run := next.Run[job.Device]
	if run.Model != job.Model {
		run = Run{Model: job.Model}
	}
	run.Length++
	next.Run[job.Device] = run
	return next
}

// Order lists the waiting jobs in the order in which they would run now, each ending before the next begins. Memory does not count:
// it tells when a job runs, hardly before which other.
func Order(v View, p Policy) []uuid.UUID {
	p = p.withDefaults()
	waiting := slices.Clone(v.Waiting)
	shares, loaded := v.Shares, slices.Clone(v.Loaded)
	order := make([]uuid.UUID, 0, len(waiting))
	for len(waiting) > 0 {
		step := View{Now: v.Now, Waiting: waiting, Loaded: loaded, Shares: shares}
		lanes := byLane(waiting)
		joined := shares.joined(lanes)
		candidates, _ := step.overdue(waiting, p)
		if len(candidates) == 0 {
			candidates = step.ordered(lanes, joined, p)
		}
		next := candidates[0]
		order = append(order, next.ID)
		shares = joined.after(next, lanes, p)
		waiting = slices.DeleteFunc(waiting, func(j Job) bool { return j.ID == next.ID })
		if next.Need.VRAM > 0 {
			loaded = append(slices.DeleteFunc(loaded, func(l Loaded) bool { return l.Device == next.Device }), Loaded{Model: next.Model, Device: next.Device})
		}
	}
	return order
}
