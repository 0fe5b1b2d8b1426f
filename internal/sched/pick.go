package sched

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/device"
)

const (
	defaultMaxWait   = 10 * time.Minute
	defaultRunCap    = 8
	defaultLookAhead = 32

	// longestLead is how far, in virtual time, a lane may be ahead of the furthest behind to save a model switch. With
	// weights 3:2:1 it keeps every lane within 8 starts of its share.
	longestLead = 2.0
)

var defaultWeights = map[Lane]int{"audio": 3, "image": 2, "video": 1}

func (p Policy) withDefaults() Policy {
	if p.Weights == nil {
		p.Weights = defaultWeights
	}
	if p.MaxWait == 0 {
		p.MaxWait = defaultMaxWait
	}
	if p.RunCap == 0 {
		p.RunCap = defaultRunCap
	}
	if p.LookAhead == 0 {
		p.LookAhead = defaultLookAhead
	}
	return p
}

func (p Policy) weight(lane Lane) float64 {
	if w := p.Weights[lane]; w > 0 {
		return float64(w)
	}
	return 1
}

// Pick chooses the job to start now, if any.
func Pick(v View, p Policy) Decision {
	p = p.withDefaults()
	d := Decision{Impossible: map[uuid.UUID]device.Memory{}, Shares: v.Shares}
	possible := v.possible(&d)
	d.NoMemory = v.short(possible)
	if len(v.Running) >= v.Slots {
		d.Impossible = map[uuid.UUID]device.Memory{}
		return d
	}
	lanes := byLane(possible)
	shares := v.Shares.joined(lanes)
	candidates, held := v.overdue(possible, p)
	if len(candidates) == 0 {
		candidates = v.ordered(lanes, shares, p)
	}
	for _, job := range candidates {
		if held.blocks(job) {
			continue
		}
		evict, fits := v.headroom(job)
		if !fits {
			if v.Now.Sub(job.QueuedAt) > p.MaxWait {
				// It is next for its device: nothing else may take what it waits for.
				held.add(job)
			}
			continue
		}
		d.Job, d.Evict = &job, evict
		d.Shares = shares.after(job, lanes, p)
		return d
	}
	return d
}

// possible leaves out what this node can never run.
func (v View) possible(d *Decision) []Job {
	var jobs []Job
	for _, job := range v.Waiting {
		most := device.Memory{RAM: v.TotalRAM, VRAM: v.Devices[job.Device].Total}
		if job.Need.RAM > most.RAM || job.Need.VRAM > most.VRAM {
			d.Impossible[job.ID] = most
			continue
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// byLane sorts each lane's jobs into the order of priority and rank.
func byLane(jobs []Job) map[Lane][]Job {
	lanes := map[Lane][]Job{}
	for _, job := range jobs {
		lanes[job.Lane] = append(lanes[job.Lane], job)
	}
	for _, lane := range lanes {
		slices.SortStableFunc(lane, func(a, b Job) int {
			switch {
			case a.Priority != b.Priority:
				return b.Priority - a.Priority
			case a.Rank < b.Rank:
				return -1
			case a.Rank > b.Rank:
				return 1
			default:
				return slices.Compare(a.ID[:], b.ID[:])
			}
		})
	}
	return lanes
}

// holds are the devices that an overdue job waits for, and the host's memory when it waits for that.
type holds struct {
	devices map[string]bool
}

func (h *holds) add(job Job) {
	if h.devices == nil {
		h.devices = map[string]bool{}
	}
	h.devices[job.Device] = true
}

// blocks says whether a job must not start before the overdue one on its device.
func (h *holds) blocks(job Job) bool { return h.devices[job.Device] }

// overdue are the jobs that have waited longer than MaxWait, longest first, followed by the rest in their order: an
// overdue job is tried before everything else.
func (v View) overdue(jobs []Job, p Policy) (candidates []Job, held *holds) {
	held = &holds{}
	for _, job := range jobs {
		if v.Now.Sub(job.QueuedAt) > p.MaxWait {
			candidates = append(candidates, job)
		}
	}
	if len(candidates) == 0 {
		return nil, held
	}
	slices.SortStableFunc(candidates, func(a, b Job) int { return a.QueuedAt.Compare(b.QueuedAt) })
	lanes := byLane(jobs)
	for _, job := range v.ordered(lanes, v.Shares.joined(lanes), p) {
		if v.Now.Sub(job.QueuedAt) <= p.MaxWait {
			candidates = append(candidates, job)
		}
	}
	return candidates, held
}

// ordered lists all jobs, the one to try first in front: lanes by their virtual time, a lane that needs no model switch
// before one that does as long as it is not too far ahead, and within a lane the loaded model's jobs a bounded way
// before the others.
func (v View) ordered(lanes map[Lane][]Job, shares Shares, p Policy) []Job {
	names := slices.Sorted(maps.Keys(lanes))
	queues := map[Lane][]Job{}
	for _, name := range names {
		queues[name] = v.preferLoaded(lanes[name], shares, p)
	}
	behind := shares.least(names)
	slices.SortStableFunc(names, func(a, b Lane) int {
		warmA := v.saves(queues[a][0], shares, p) && shares.Pass[a]-behind+1/p.weight(a) <= longestLead
		warmB := v.saves(queues[b][0], shares, p) && shares.Pass[b]-behind+1/p.weight(b) <= longestLead
		switch {
		case warmA != warmB && v.switchAtStake(queues, names):
			return order(warmA, warmB)
		case shares.Pass[a] != shares.Pass[b]:
			return order(shares.Pass[a] < shares.Pass[b], shares.Pass[b] < shares.Pass[a])
		default:
			return int(p.weight(b) - p.weight(a))
		}
	})
	var all []Job
	for _, name := range names {
		all = append(all, queues[name]...)
	}
	return all
}

func order(first, second bool) int {
	switch {
	case first == second:
		return 0
	case first:
		return -1
	default:
		return 1
	}
}

// switchAtStake says whether the lanes' next jobs contend for one device with different models: else the shares alone
// count.
func (v View) switchAtStake(queues map[Lane][]Job, names []Lane) bool {
	models := map[string]string{}
	for _, name := range names {
		job := queues[name][0]
		if job.Need.VRAM == 0 {
			continue
		}
		if other, seen := models[job.Device]; seen && other != job.Model {
			return true
		}
		models[job.Device] = job.Model
	}
	return false
}

// saves says whether starting the job now saves a model switch on a GPU and the loaded model has not run on for too
// long.
func (v View) saves(job Job, shares Shares, p Policy) bool {
	if job.Need.VRAM == 0 {
		return false
	}
	for _, loaded := range v.Loaded {
		if loaded.Model == job.Model && loaded.Device == job.Device {
			return shares.Run[job.Device].Model != job.Model || shares.Run[job.Device].Length < p.RunCap
		}
	}
	return false
}

// preferLoaded moves the first job of the highest priority whose model is loaded to the front.
func (v View) preferLoaded(queue []Job, shares Shares, p Policy) []Job {
	if len(queue) == 0 || v.saves(queue[0], shares, p) {
		return queue
	}
	for i, job := range queue {
		if i > p.LookAhead || job.Priority != queue[0].Priority {
			break
		}
		if job.Device == queue[0].Device && v.saves(job, shares, p) {
			moved := append([]Job{job}, queue[:i]...)
			return append(moved, queue[i+1:]...)
		}
	}
	return queue
}
