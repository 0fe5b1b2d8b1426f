package sidecar

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// receive takes one frame in its turn. Whatever the program may not send fails the call and replaces the process.
func (l *life) receive(f frame, now time.Time) {
	switch {
	case l.cause != nil:
		// Killed already: the reader drains, nothing counts any more.
	case !f.bad.Empty():
		l.fail(brokenBy(f.bad))
	case f.Method == "":
		l.answer(f)
	case f.hasID():
		l.logUnknown("sidecar asks for an unknown method", f.Method)
		if line, err := encodeNoSuchMethod(f.ID, f.Method); err == nil {
			l.send(line)
		}
	default:
		l.notification(f, now)
	}
}

func (l *life) notification(f frame, now time.Time) {
	var err error
	switch f.Method {
	case "hello":
		err = l.onHello(f.Params)
	case "heartbeat":
		err = l.onHeartbeat(f.Params, now)
	case "progress":
		err = l.onProgress(f.Params, now)
	case "segment":
		err = l.onSegment(f.Params, now)
	case "log":
		var sent logParams
		if err = decode(f.Params, i18n.Say("a log message"), &sent, &l.cfg.Limits); err == nil {
			l.logFrame(sent)
			err = l.countLog()
		}
	default:
		l.logUnknown("sidecar sends an unknown notification", f.Method)
		err = l.countLog()
	}
	if err != nil {
		l.fail(err)
	}
}

// countLog bounds what a run may log.
func (l *life) countLog() error {
	if l.logged++; l.call != nil && l.logged > l.cfg.Limits.LogMessages {
		return protocolError(
			"the process sent more than %d log messages in one run, see supervisor.limits.log_messages",
			l.cfg.Limits.LogMessages,
		)
	}
	return nil
}

func (l *life) onHello(params json.RawMessage) error {
	if l.saidHello {
		return protocolError("the process said hello twice")
	}
	var hello helloParams
	if err := decode(params, i18n.Say("the hello"), &hello, &l.cfg.Limits); err != nil {
		return fmt.Errorf("%w: its hello is not understood", ErrProtocol)
	}
	if hello.Protocol != 1 {
		return fmt.Errorf("%w: it says version %d", ErrProtocol, hello.Protocol)
	}
	if !slices.Contains(hello.Engines, string(l.engine.ID)) {
		return fmt.Errorf("%w: it is not engine %s but %s", ErrProtocol, l.engine.ID, strings.Join(hello.Engines, ", "))
	}
	l.saidHello = true
	l.beatAt.Store(time.Now().UnixNano())
	l.cfg.Log.Debug(
		"sidecar said hello",
		"engine",
		l.engine.ID,
		"pid",
		l.pid,
		"worker",
		hello.Worker,
		"python",
		hello.Python,
		"device",
		hello.Device,
		"seconds",
		time.Since(l.started).Seconds(),
	)
	close(l.hello)
	return nil
}

func (l *life) onHeartbeat(params json.RawMessage, now time.Time) error {
	var beat heartbeatParams
	if err := decode(params, i18n.Say("a heartbeat"), &beat, &l.cfg.Limits); err != nil {
		return err
	}
	l.beatAt.Store(now.UnixNano())
	l.ram.Store(beat.RAMBytes)
	l.vram.Store(beat.VRAMBytes)
	l.peakRAM, l.peakVRAM = max(l.peakRAM, beat.RAMBytes), max(l.peakVRAM, beat.VRAMBytes)
	phase, steps := "", int64(0)
	if l.call != nil && beat.Phase != nil && *beat.Phase != "" {
		var err error
		if phase, err = l.phaseOf(*beat.Phase); err != nil {
			return err
		}
	}
	if beat.Steps != nil {
		steps = *beat.Steps
	}
	if l.watch.heartbeat(phase, steps, now) {
		return l.tellPhase(now)
	}
	return nil
}

func (l *life) onProgress(params json.RawMessage, now time.Time) error {
	var progress progressParams
	if err := decode(params, i18n.Say("a progress message"), &progress, &l.cfg.Limits); err != nil {
		return err
	}
	if !l.running(progress.Job) {
		return protocolError("the process sent progress of a job that it is not running")
	}
	var err error
	if progress.Phase, err = l.phaseOf(progress.Phase); err != nil {
		return err
	}
	if l.watch.progressed(progress.Phase, progress.Step, now) {
		if err := l.tellPhase(now); err != nil {
			return err
		}
	}
	l.call.events.putProgress(progress)
	return nil
}

func (l *life) onSegment(params json.RawMessage, now time.Time) error {
	var segment segmentParams
	if err := decode(params, i18n.Say("a segment"), &segment, &l.cfg.Limits); err != nil {
		return err
	}
	if !l.running(segment.Job) {
		return protocolError("the process sent a segment of a job that it is not running")
	}
	if want := l.call.events.nextSegment; segment.Index != want {
		return protocolError("the process sent segment %d where %d was next", segment.Index, want)
	}
	if most := l.cfg.Limits.Segments; segment.Index >= most {
		return protocolError("the process sent more than %d segments, see supervisor.limits.segments", most)
	}
	l.watch.worked(now)
	l.call.events.putSegment(segment)
	return nil
}

func (l *life) running(job string) bool {
	return l.call != nil && l.call.events != nil && l.call.job == job
}

func (l *life) tellPhase(now time.Time) error {
	if most := l.cfg.Limits.PhaseChanges; len(l.watch.phases) > most {
		return protocolError(
			"the process went from one phase to another more than %d times in one run, see "+
				"supervisor.limits.phase_changes",
			most,
		)
	}
	if l.call != nil && l.call.events != nil {
		l.call.events.putPhase(l.watch.phase, now)
	}
	return nil
}

// phaseOf is the phase as which a name is counted and told. Names that the manifest does not have are one phase: they
// have no share of the progress bar, and a history of each would grow without end. A load has no phases.
func (l *life) phaseOf(name string) (string, error) {
	if l.call == nil || l.call.events == nil {
		return l.watch.phase, nil
	}
	if l.call.declares(name) {
		return name, nil
	}
	if _, seen := l.undeclared[name]; !seen {
		if most := l.cfg.Limits.UndeclaredPhases; len(l.undeclared) >= most {
			return "", protocolError(
				"phase %q is not in the engine's manifest, as %d phases before it; see "+
					"supervisor.limits.undeclared_phases",
				name,
				most,
			)
		}
		l.undeclared[name] = struct{}{}
	}
	return phaseOther, nil
}

// answer takes the response to the call in flight. Once the cancel ladder has begun every answer means canceled: the
// caller no longer wants a result, and a process that answered has survived.
func (l *life) answer(f frame) {
	if l.asked && f.answers(l.nextID) {
		return // of shutdown
	}
	if l.call == nil || !f.answers(l.call.id) {
		l.fail(protocolError("the process answered a question that was not asked"))
		return
	}
	switch {
	case l.canceling.active():
		l.reply(outcome{err: ErrCanceled})
	case f.Error == nil:
		l.reply(outcome{result: f.Result})
	default:
		_ = f.Error.clean(&l.cfg.Limits) // an error has nothing that can be too much
		err := f.Error.engineError(l.watch.phase)
		if err.Code == DeviceLost || err.Code == ProtocolError {
			// Nothing that this process says of its device can be trusted any more.
			l.fail(err)
			return
		}
		l.reply(outcome{err: err})
	}
}

func (e *frameError) engineError(phase string) *EngineError {
	err := &EngineError{Code: e.Data.Code, Message: e.said, Phase: phase}
	if e.Data.Phase != nil && *e.Data.Phase != "" {
		err.Phase = *e.Data.Phase
	}
	if e.Data.Field != nil {
		err.Field = *e.Data.Field
	}
	switch err.Code {
	case OutOfMemory, InvalidInput, ModelMissing, LicenceRequired, DeviceLost, ProtocolError, Interrupted, Internal:
	case Canceled:
		// The studio did not ask for it, so it is the engine's own failure.
		err.Code, err.Message = Internal, i18n.Say("the engine canceled the job by itself: %s", err.Message)
	default:
		err.Code = Internal
	}
	return err
}
