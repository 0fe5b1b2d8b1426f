package runner

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sched"
)

const (
	cpu = "cpu"
	// desktopReserve of a card is left to whatever else draws on it.
	desktopReserve = 1 << 30
)

// view gathers what the scheduler decides by.
func (r *Runner) view(waiting []jobs.Waiting, snapshot device.Snapshot) sched.View {
	floor := r.keepFree(snapshot)
	v := sched.View{
		Now:      time.Now(),
		Slots:    r.cfg.Slots,
		TotalRAM: snapshot.RAMTotal - floor,
		FreeRAM:  snapshot.RAMAvailable + r.cfg.Pool.SpareRAM() - floor,
	}
	v.Loaded = r.loaded()
	r.addOwn(&v, snapshot)
	loads := map[loadKey]load{}
	for _, w := range waiting {
		v.Waiting = append(v.Waiting, r.job(w, snapshot, loads))
	}
	return v
}

// addOwn adds what only this runner knows.
func (r *Runner) addOwn(v *sched.View, snapshot device.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.Shares = r.shares
	for _, run := range r.running {
		v.Running = append(v.Running, run.need)
	}
	v.Devices = r.devices(snapshot)
	v.FreeRAM = min(v.FreeRAM, v.TotalRAM-r.promised(v.Loaded))
}

// keepFree of the host's memory is never given to jobs, in bytes.
func (r *Runner) keepFree(snapshot device.Snapshot) int64 {
	return max(0, r.cfg.MinAvailable, int64(r.cfg.MinAvailableFraction*float64(snapshot.RAMTotal)))
}

// promised is what running jobs may still take, beyond what their processes hold already.
func (r *Runner) promised(loaded []sched.Loaded) (bytes int64) {
	for _, run := range r.running {
		bytes += run.need.Need.RAM
	}
	for _, l := range loaded {
		if l.Idle {
			bytes += l.Holds.RAM
		}
	}
	return bytes
}

// loadKey is what a load depends on within one scheduling pass.
type loadKey struct {
	engine, task, model, device string
	size                        Size
}

func (r *Runner) job(w jobs.Waiting, snapshot device.Snapshot, loads map[loadKey]load) sched.Job {
	job := sched.Job{
		ID:       w.ID,
		Lane:     sched.Lane(w.Lane),
		Priority: w.Priority,
		Rank:     w.Rank,
		QueuedAt: w.QueuedAt,
		Device:   r.deviceFor(w.UsesGPU, snapshot),
		Short:    w.Reason == jobs.ReasonNoMemory,
	}
	manifest, ok := r.cfg.Catalogue.Get(engine.ID(w.Engine))
	if !ok {
		return job
	}
	key := loadKey{w.Engine, string(w.Type), w.Model, job.Device, Size{w.Width, w.Height, w.Pictures}}
	l, ok := loads[key]
	if !ok {
		l = r.loadFor(manifest, key.task, key.model, key.device, key.size, snapshot)
		loads[key] = l
	}
	job.Model, job.Need = modelKey(manifest.ID, l.model), l.need()
	return job
}

// modelKey names what must be loaded.
func modelKey(id engine.ID, model string) string { return string(id) + "/" + model }

// deviceFor is where a job runs: a card if its engine uses one and there is one.
func (r *Runner) deviceFor(usesGPU bool, snapshot device.Snapshot) string {
	if best, ok := snapshot.Best(); usesGPU && r.cfg.UseGPU && ok {
		return best.Device()
	}
	return cpu
}

func vramOf(snapshot device.Snapshot, name string) int64 {
	for _, gpu := range snapshot.GPUs {
		if gpu.Device() == name {
			return gpu.VRAMTotal
		}
	}
	return 0
}

// devices tells the free memory of each card and how much the studio may hold. The others' part is measured afresh
// whenever nothing of ours is loaded there: a constant would be wrong after the first leak.
func (r *Runner) devices(snapshot device.Snapshot) map[string]sched.Device {
	devices := map[string]sched.Device{}
	for _, gpu := range snapshot.GPUs {
		if gpu.Integrated {
			continue
		}
		name := gpu.Device()
		if !r.holds(name) {
			r.baseline[name] = gpu.VRAMUsed
		}
		may := r.mayHoldLocked(gpu)
		devices[name] = sched.Device{Free: min(gpu.VRAMTotal-gpu.VRAMUsed, may), Total: may}
	}
	return devices
}

// mayHold is how much of a card the studio may have, in bytes.
func (r *Runner) mayHold(gpu device.GPU) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mayHoldLocked(gpu)
}

func (r *Runner) mayHoldLocked(gpu device.GPU) int64 {
	if r.cfg.GPUFraction > 0 {
		return int64(r.cfg.GPUFraction * float64(gpu.VRAMTotal))
	}
	others, measured := r.baseline[gpu.Device()]
	if !measured { // nothing of ours was loaded there yet
		others = gpu.VRAMUsed
	}
	return gpu.VRAMTotal - others - desktopReserve
}

func (r *Runner) holds(name string) bool {
	for _, loaded := range r.cfg.Pool.Loaded() {
		if loaded.Device == name {
			return true
		}
	}
	return false
}

func (r *Runner) loaded() []sched.Loaded {
	var list []sched.Loaded
	for _, l := range r.cfg.Pool.Loaded() {
		entry := sched.Loaded{
			Model:      modelKey(l.Engine, l.Model),
			Device:     l.Device,
			Idle:       !l.Busy,
			ReloadCost: l.LoadTime,
			Holds:      device.Memory{RAM: l.RAMBytes, VRAM: l.VRAMBytes},
		}
		if entry.Idle {
			entry.IdleFor = time.Since(l.IdleSince)
		}
		list = append(list, entry)
	}
	return list
}

// order is the jobs service's forecast hook.
func (r *Runner) order(_ context.Context, waiting []jobs.Waiting) []uuid.UUID {
	return sched.Order(r.view(waiting, r.cfg.Host.Snapshot()), r.cfg.Policy)
}
