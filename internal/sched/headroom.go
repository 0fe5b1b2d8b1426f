package sched

import (
	"slices"
	"time"

	"github.com/apibr/studio/internal/device"
)

// headroom says whether a job fits now, and what to evict so that it does: idle and unpinned only, cheapest to lose
// first.
func (v View) headroom(job Job) (evict []Loaded, fits bool) {
	if v.servedBy(job) {
		return nil, true
	}
	free := device.Memory{RAM: v.FreeRAM, VRAM: v.freeVRAM(job.Device)}
	if enough(free, job.Need) {
		return nil, true
	}
	for _, loaded := range v.evictable() {
		lacksRAM := free.RAM < job.Need.RAM && loaded.Holds.RAM > 0
		lacksVRAM := free.VRAM < job.Need.VRAM && loaded.Device == job.Device && loaded.Holds.VRAM > 0
		if !lacksRAM && !lacksVRAM {
			continue
		}
		evict = append(evict, loaded)
		free.RAM += loaded.Holds.RAM
		if loaded.Device == job.Device {
			free.VRAM += loaded.Holds.VRAM
		}
		if enough(free, job.Need) {
			return evict, true
		}
	}
	return nil, false
}

func enough(free, need device.Memory) bool { return free.RAM >= need.RAM && free.VRAM >= need.VRAM }

// servedBy says whether an idle process holds the job's model already: what it needs is then taken.
func (v View) servedBy(job Job) bool {
	for _, loaded := range v.Loaded {
		if loaded.Model == job.Model && loaded.Device == job.Device && loaded.Idle {
			return true
		}
	}
	return false
}

// freeVRAM is what is measured as free, and no more than the total less what running jobs may still grow to.
func (v View) freeVRAM(device string) int64 {
	d := v.Devices[device]
	free := d.Total
	for _, running := range v.Running {
		if running.Device == device {
			free -= running.Need.VRAM
		}
	}
	return min(free, d.Free)
}

// evictable lists what may go, best first: long idle and quick to load again.
func (v View) evictable() []Loaded {
	var list []Loaded
	for _, loaded := range v.Loaded {
		if loaded.Idle && !loaded.Pinned {
			list = append(list, loaded)
		}
	}
	slices.SortStableFunc(list, func(a, b Loaded) int {
		return order(worth(a) < worth(b), worth(b) < worth(a))
	})
	return list
}

// worth of keeping a model: the time to load it again for each second that it has been idle.
func worth(l Loaded) float64 {
	return float64(l.ReloadCost+time.Second) / float64(l.IdleFor+time.Second)
}

// slack is the part of a need that must be free beyond it before a job stops to wait for memory: what other programs
// take moves a little all the time, and the job must not say something else each second.
const slack = 16

// short are the jobs that would not fit even if nothing of ours ran.
func (v View) short(jobs []Job) (list []Short) {
	for _, job := range jobs {
		need := job.Need
		if job.Short {
			need.RAM += need.RAM / slack
			need.VRAM += need.VRAM / slack
		}
		if free := v.alone(job.Device); !enough(free, need) && !v.servedBy(job) {
			list = append(list, Short{ID: job.ID, Device: job.Device, Need: job.Need, Free: free})
		}
	}
	return list
}

// alone is what would be free if no job of ours ran and every model that may go were gone. What running jobs may still
// grow to counts as theirs, so that a process that is just loading does not look like another program.
func (v View) alone(name string) device.Memory {
	free := device.Memory{RAM: v.FreeRAM, VRAM: v.Devices[name].Free}
	give := func(on string, held device.Memory) {
		free.RAM += held.RAM
		if on == name {
			free.VRAM += held.VRAM
		}
	}
	for _, running := range v.Running {
		give(running.Device, running.Need)
	}
	for _, loaded := range v.Loaded {
		if !loaded.Pinned {
			give(loaded.Device, loaded.Holds)
		}
	}
	return device.Memory{RAM: min(free.RAM, v.TotalRAM), VRAM: min(free.VRAM, v.Devices[name].Total)}
}
