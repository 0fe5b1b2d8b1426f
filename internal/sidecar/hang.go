package sidecar

import (
	"time"

	"github.com/apibr/studio/internal/engine"
)

// hangFactor times the longest step ever seen is the learned limit of a phase. Five allows for a larger picture or
// a busier machine than history knows; what is slower still and computes gets the same time once more.
const hangFactor = 5

// busyShare of one core is what counts as computing, for the one extension past a learned limit.
const busyShare = 0.25

// limits are what a watch judges by.
type limits struct {
	grace, floor, loadFloor, silence time.Duration
	history                          PhaseHistory
	engine                           engine.ID
	model                            string
}

// watch follows the phases and steps of one load or run. It is given the time and owns no clock.
//
// The step counter is the life of a job; the heartbeat is only the life of its process. A phase that steps is never a
// hang, however slow, since each step starts the limit anew and the longest one seen raises it.
type watch struct {
	limits
	phase    string
	entered  time.Time
	moved    time.Time // moved is when the phase last made a step
	longest  time.Duration
	progress mark
	beat     mark
	phases   []PhaseTime

	halfway  bool // halfway and cpuHalf: the CPU time when half of the limit was gone
	cpuHalf  time.Duration
	extended bool

	lastBeat time.Time
	quiet    time.Time // quiet and cpuQuiet: since when neither heartbeat nor CPU time moved
	cpuQuiet time.Duration
}

// mark is where one of the two counters stood. They are kept apart, since a sidecar may count them differently.
type mark struct {
	phase string
	step  int64
}

func newWatch(l limits, phase string, now time.Time) *watch {
	return &watch{limits: l, phase: phase, entered: now, moved: now, lastBeat: now}
}

// progressed takes a progress frame and tells whether a new phase began.
func (w *watch) progressed(phase string, step int64, now time.Time) bool {
	next := mark{phase, step}
	if next == w.progress {
		return false
	}
	w.progress = next
	return w.step(phase, now)
}

// heartbeat takes a heartbeat; phase is "" when it names none.
func (w *watch) heartbeat(phase string, steps int64, now time.Time) bool {
	w.lastBeat = now
	w.quiet = time.Time{}
	next := mark{phase, steps}
	if phase == "" || next == w.beat {
		return false
	}
	w.beat = next
	// A heartbeat may carry a phase that its thread read a moment before progress told of the next one.
	for _, passed := range w.phases {
		if passed.Phase == phase {
			phase = w.phase
		}
	}
	return w.step(phase, now)
}

// worked counts something else that only a living phase does: a segment.
func (w *watch) worked(now time.Time) { w.step(w.phase, now) }

func (w *watch) step(phase string, now time.Time) bool {
	w.longest = max(w.longest, now.Sub(w.moved))
	w.moved, w.halfway, w.extended = now, false, false
	if phase == w.phase {
		return false
	}
	w.close(now)
	w.phase, w.entered, w.longest = phase, now, 0
	return true
}

func (w *watch) close(now time.Time) {
	w.phases = append(
		w.phases,
		PhaseTime{Phase: w.phase, Start: w.entered, End: now, Longest: max(w.longest, now.Sub(w.moved))},
	)
}

// finish ends the last phase and tells them all.
func (w *watch) finish(now time.Time) []PhaseTime {
	w.close(now)
	return w.phases
}

// forgive moves every reference by a time in which this server itself stood still (SIGSTOP, a debugger): the frames of
// that time are still in the pipe.
func (w *watch) forgive(gap time.Duration) {
	w.moved = w.moved.Add(gap)
	w.lastBeat = w.lastBeat.Add(gap)
	w.quiet = time.Time{}
}

// limit is how long the phase may stand still.
func (w *watch) limit() (limit time.Duration, learned bool) {
	longest, runs := w.history.MaxStep(w.engine, w.model, w.phase)
	if runs == 0 {
		return w.grace, false
	}
	floor := w.floor
	if w.phase == phaseLoad {
		floor = w.loadFloor
	}
	return max(floor, hangFactor*max(longest, w.longest)), true
}

// check is called every tick; cpu reads the CPU time of the process's group and is asked only when it matters.
func (w *watch) check(now time.Time, cpu func() time.Duration) *HangError {
	if hang := w.checkSilence(now, cpu); hang != nil {
		return hang
	}
	limit, learned := w.limit()
	stood := now.Sub(w.moved)
	if stood < limit/2 {
		return nil
	}
	if !w.halfway {
		w.halfway, w.cpuHalf = true, cpu()
	}
	if w.extended {
		limit *= 2
	}
	if stood < limit {
		return nil
	}
	if learned && !w.extended && float64(cpu()-w.cpuHalf) > busyShare*float64(limit/2) {
		w.extended = true
		return nil
	}
	return &HangError{Engine: w.engine, Phase: w.phase, Limit: limit, Learned: learned}
}

// checkSilence finds a process without life. Missing heartbeats alone prove nothing: C code may hold Python's lock for
// long, but then it computes.
func (w *watch) checkSilence(now time.Time, cpu func() time.Duration) *HangError {
	if now.Sub(w.lastBeat) < w.silence/2 {
		w.quiet = time.Time{}
		return nil
	}
	if w.quiet.IsZero() {
		w.quiet, w.cpuQuiet = now, cpu()
		return nil
	}
	if now.Sub(w.lastBeat) < w.silence || now.Sub(w.quiet) < w.silence/2 {
		return nil
	}
	used := cpu()
	if used-w.cpuQuiet > now.Sub(w.quiet)/100 {
		w.quiet, w.cpuQuiet = now, used
		return nil
	}
	return &HangError{Engine: w.engine, Phase: w.phase, Limit: now.Sub(w.lastBeat), Silent: true}
}
