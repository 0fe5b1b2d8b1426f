package sidecar

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/i18n"
)

// The phases that the supervisor itself names.
const (
	phaseHello = "start"
	phaseLoad  = "load"
	phaseRun   = "begin" // a run before its engine names a phase
	phaseIdle  = "idle"
	phaseOther = "other" // all phases that the manifest does not have
)

// The requests of the supervisor.
const (
	methodLoad     = "load"
	methodRun      = "run"
	methodPing     = "ping"
	methodShutdown = "shutdown"
)

// tick is how often a process is looked at. The cancel ladder and the limits are exact to it.
const tick = 100 * time.Millisecond

// life is the state of one process. Only loop's goroutine touches it.
type life struct {
	*process
	call      *call
	nextID    int64
	watch     *watch
	canceling cancelLadder

	saidHello bool
	asked     bool  // asked says that the process was told to end
	cause     error // cause is why it was killed: the first reason counts
	killedAt  time.Time
	outputEnd time.Time // outputEnd is when stdout ended with the process still there
	lastTick  time.Time
	ticks     int

	peakRAM, peakVRAM int64

	logged     int                 // logged messages of the call
	undeclared map[string]struct{} // undeclared phases of the call
}

func (pr *process) loop() {
	now := time.Now()
	l := &life{process: pr, lastTick: now, watch: newWatch(pr.limits(""), phaseHello, now)}
	// Until hello there is one limit, and silence counts.
	l.watch.grace = pr.cfg.HelloTimeout
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	frames := pr.in
	for {
		select {
		case f, ok := <-frames:
			if !ok {
				frames, l.outputEnd = nil, time.Now()
				continue
			}
			l.receive(f, time.Now())
		case ask := <-pr.asks:
			ask(l)
		case err := <-pr.writeFailed:
			l.writeError(err)
		case <-pr.exited:
			l.finish(frames)
			return
		case now := <-ticker.C:
			l.tick(now)
		}
	}
}

func (pr *process) limits(model string) limits {
	return limits{
		grace: pr.cfg.HangGrace, floor: pr.cfg.HangFloor, loadFloor: pr.cfg.LoadFloor, silence: pr.cfg.HeartbeatLost,
		history: pr.cfg.History, engine: pr.engine.ID, model: model,
	}
}

// begin sends a load or run.
func (l *life) begin(c *call) {
	switch {
	case l.cause != nil:
		c.reply <- outcome{err: l.cause}
		return
	case l.call != nil:
		c.reply <- outcome{err: &EngineError{Code: Internal,
			Message: i18n.Say("the engine is already at work: try again")}}
		return
	}
	l.nextID++
	c.id = l.nextID
	line, err := encodeFrame(c.id, c.method, c.params)
	if err != nil {
		if errors.Is(err, errFrameTooLong) {
			err = &EngineError{
				Code:    InvalidInput,
				Message: i18n.Say("the request is longer than 1 MiB: send a shorter one"),
			}
		}
		c.reply <- outcome{err: err}
		return
	}
	now := time.Now()
	phase := phaseRun
	if c.method == methodLoad {
		phase = phaseLoad
	}
	l.call, l.watch = c, newWatch(l.limits(c.model), phase, now)
	l.canceling = cancelLadder{flag: max(l.cfg.CancelGrace, l.engine.Block()), term: l.cfg.TermGrace}
	l.peakRAM, l.peakVRAM = 0, 0
	l.logged, l.undeclared = 0, map[string]struct{}{}
	l.sampleRAM()
	l.send(line)
}

// send hands a frame to the writer. A queue of frames that nobody reads is as good as a failed write.
func (l *life) send(line []byte) {
	select {
	case l.out <- line:
	default:
		l.fail(protocolError("the process does not read its input"))
	}
}

func (l *life) writeError(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.fail(protocolError("the process does not read its input"))
		return
	}
	// A broken pipe means that it is ending; its exit says why. If it stays, it cannot be reached any more.
	if l.outputEnd.IsZero() {
		l.outputEnd = time.Now()
	}
}

// cancel begins the cancel ladder for a call that is still in flight. A load is not asked: it would not look.
func (l *life) cancel(c *call) {
	if l.call != c {
		return
	}
	switch c.method {
	case methodLoad:
		l.fail(ErrCanceled)
		return
	case methodPing:
		l.fail(&HangError{Engine: l.engine.ID, Phase: phaseIdle, Limit: l.cfg.HeartbeatLost, Silent: true})
		return
	}
	if !l.canceling.start(time.Now()) {
		return
	}
	if line, err := encodeFrame(0, "cancel", map[string]string{"job": c.job}); err == nil {
		l.send(line)
	}
}

// shutdown asks an idle process to end and climbs the same cancel ladder when it does not.
func (l *life) shutdown() {
	l.asked = true
	if l.canceling.active() {
		return
	}
	l.canceling = cancelLadder{flag: l.cfg.TermGrace, term: l.cfg.TermGrace}
	l.canceling.start(time.Now())
	l.nextID++
	if line, err := encodeFrame(l.nextID, methodShutdown, map[string]any{}); err == nil {
		l.send(line)
	}
}

// fail kills the group. The first reason is the one that callers are told.
func (l *life) fail(why error) {
	if l.cause == nil {
		l.cause = why
		if l.engineAtFault(why) {
			l.cfg.Log.WarnContext(*l.logs.Load(), "sidecar killed", "engine", l.engine.ID, "pid", l.pid, "why", why)
		}
	}
	if l.killedAt.IsZero() {
		l.killedAt = time.Now()
	}
	signalGroup(l.pid, unix.SIGKILL)
}

func (l *life) engineAtFault(why error) bool {
	return !errors.Is(why, ErrCanceled) && !errors.Is(why, ErrClosed) && !errors.Is(why, errEvicted)
}

// tick looks after everything that only time shows.
func (l *life) tick(now time.Time) {
	if gap := now.Sub(l.lastTick); gap > 10*tick {
		l.watch.forgive(gap)
	}
	l.lastTick = now
	switch l.canceling.step(now) {
	case terminated:
		signalGroup(l.pid, unix.SIGTERM)
	case killed:
		l.fail(l.ladderCause())
	}
	if !l.killedAt.IsZero() {
		l.checkStuck(now)
		return
	}
	if !l.outputEnd.IsZero() && now.Sub(l.outputEnd) > time.Second {
		l.fail(protocolError("the process closed its side of the conversation"))
		return
	}
	if (l.call != nil || !l.saidHello) && !l.canceling.active() {
		if hang := l.watch.check(now, func() time.Duration { return l.cfg.Host.GroupCPU(l.pid) }); hang != nil {
			l.fail(hang)
			return
		}
	}
	if l.ticks++; l.call != nil && l.ticks%5 == 0 {
		l.sampleRAM()
	}
}

func (l *life) ladderCause() error {
	if l.asked {
		return errEvicted
	}
	return ErrCanceled
}

// checkStuck gives up on a process that SIGKILL does not end: it sleeps inside a driver, and the callers that wait
// must know.
func (l *life) checkStuck(now time.Time) {
	if now.Sub(l.killedAt) < l.cfg.KillWait {
		return
	}
	select {
	case <-l.stuck:
		return
	default:
	}
	close(l.stuck)
	l.cfg.Log.Error(
		"a killed sidecar does not end; the device may need a restart of the machine",
		"engine",
		l.engine.ID,
		"pid",
		l.pid,
	)
	l.reply(outcome{err: errStuck, ended: true})
}

func (l *life) sampleRAM() { l.peakRAM = max(l.peakRAM, l.cfg.Host.ProcessPrivate(l.pid)) }

// reply ends the call in flight.
func (l *life) reply(out outcome) {
	if l.call == nil {
		return
	}
	out.phases = l.watch.finish(time.Now())
	out.peakRAM, out.peakVRAM = l.peakRAM, l.peakVRAM
	c := l.call
	l.call, l.canceling = nil, cancelLadder{}
	c.reply <- out
}

// finish is called when the process has ended and is not yet reaped. The rest of its output still counts: an answer and
// an exit may come together.
func (l *life) finish(frames <-chan frame) {
	signalGroup(l.pid, unix.SIGKILL)
	soon := time.Now().Add(time.Second)
	_ = l.stdout.SetReadDeadline(soon)
	_ = l.stderr.SetReadDeadline(soon)
	if frames != nil {
		for f := range frames {
			if l.cause == nil {
				l.receive(f, time.Now())
			}
		}
	}
	<-l.logEnded
	_ = l.cmd.Wait()
	killMarked(l.token)
	l.endStrays()
	l.removeTemp()
	phase := l.watch.phase
	if l.saidHello && l.call == nil {
		phase = phaseIdle
	}
	l.end = l.cause
	switch {
	case l.cause == nil && l.canceling.active():
		l.end = l.ladderCause()
	case l.cause == nil && l.asked:
		l.end = errEvicted
	case l.cause == nil:
		l.end = l.crash(phase)
	}
	if guard := (*GuardError)(nil); errors.As(l.end, &guard) {
		guard.Phase = phase
	}
	l.cfg.Log.InfoContext(*l.logs.Load(), "sidecar ended", "engine", l.engine.ID, "pid", l.pid, "why", l.end)
	l.reply(outcome{err: l.end, ended: true})
	_, _, _ = l.stdin.Close(), l.stdout.Close(), l.stderr.Close()
	if l.runtime != "" {
		_ = os.Remove(l.runtime)
	}
	close(l.gone)
}

func (l *life) crash(phase string) *CrashError {
	crash := &CrashError{Engine: l.engine.ID, Phase: phase, Tail: l.tail.text()}
	if status, ok := l.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		crash.Signal = unix.SignalName(status.Signal())
		crash.Exit = -1
	} else {
		crash.Exit = l.cmd.ProcessState.ExitCode()
	}
	return crash
}

var (
	errEvicted = errors.New("sidecar: evicted")
	errStuck   = &EngineError{Code: DeviceLost, Message: i18n.Say(
		"the engine's process does not end: restart the computer, since the graphics driver may need it")}
)
