package sched

import (
	"maps"
	"slices"

	"github.com/google/uuid"
)

// joined brings in lanes that had nothing waiting: they begin where the others are, so that idleness saves up no
// credit.
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
		// No lane waited: a new one begins where the furthest got.
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

// Order lists the waiting jobs in the order in which they would run now, each ending before the next begins. Memory
// does not count: it tells when a job runs, hardly before which other. It looks at no more of a lane than LookAhead at
// a time, so that a queue of thousands costs milliseconds.
func Order(v View, p Policy) []uuid.UUID {
	p = p.withDefaults()
	s := simulation{
		view:   View{Now: v.Now, Loaded: slices.Clone(v.Loaded)},
		policy: p,
		shares: v.Shares,
		lanes:  byLane(v.Waiting),
	}
	overdue := slices.DeleteFunc(
		slices.Clone(v.Waiting),
		func(j Job) bool { return v.Now.Sub(j.QueuedAt) <= p.MaxWait },
	)
	slices.SortStableFunc(overdue, func(a, b Job) int { return a.QueuedAt.Compare(b.QueuedAt) })
	order := make([]uuid.UUID, 0, len(v.Waiting))
	for _, job := range overdue {
		order = append(order, job.ID)
		s.start(job, s.shares.joined(s.lanes))
	}
	for len(s.lanes) > 0 {
		shares := s.shares.joined(s.lanes)
		next := s.view.ordered(s.heads(), shares, p)[0]
		order = append(order, next.ID)
		s.start(next, shares)
	}
	return order
}

// simulation plays starts forward.
type simulation struct {
	view   View
	policy Policy
	shares Shares
	lanes  map[Lane][]Job // without empty ones
}

// heads are as much of each lane as one decision looks at.
func (s *simulation) heads() map[Lane][]Job {
	heads := make(map[Lane][]Job, len(s.lanes))
	for name, lane := range s.lanes {
		heads[name] = lane[:min(len(lane), s.policy.LookAhead+1)]
	}
	return heads
}

// start takes the job out of its lane and remembers what it leaves loaded.
func (s *simulation) start(job Job, shares Shares) {
	s.shares = shares.after(job, s.lanes, s.policy)
	lane := s.lanes[job.Lane]
	at := slices.IndexFunc(lane, func(j Job) bool { return j.ID == job.ID })
	if at == 0 {
		lane = lane[1:] // the usual case, in which nothing has to move
	} else {
		lane = slices.Delete(lane, at, at+1)
	}
	if len(lane) == 0 {
		delete(s.lanes, job.Lane)
	} else {
		s.lanes[job.Lane] = lane
	}
	if job.Need.VRAM > 0 {
		loaded := slices.DeleteFunc(s.view.Loaded, func(l Loaded) bool { return l.Device == job.Device })
		s.view.Loaded = append(loaded, Loaded{Model: job.Model, Device: job.Device})
	}
}
