package sidecar

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
)

var (
	// ErrCanceled says that the caller canceled; the process may or may not have survived it.
	ErrCanceled = errors.New("sidecar: canceled")

	// ErrProtocol says that the program speaks another version of the protocol, or none.
	ErrProtocol = errors.New("sidecar: the program does not speak protocol version 1")

	// ErrClosed says that the supervisor has ended.
	ErrClosed = errors.New("sidecar: the supervisor has ended")

	// ErrBusy says that the process to evict is at work.
	ErrBusy = errors.New("sidecar: the process is at work")

	// ErrNoEngine says that the engine's environment is not installed.
	ErrNoEngine = errors.New("sidecar: the engine's environment is not installed")
)

// The codes of an EngineError.
const (
	OutOfMemory     = "out_of_memory"
	Canceled        = "canceled"
	InvalidInput    = "invalid_input"
	ModelMissing    = "model_missing"
	LicenceRequired = "licence_required"
	DeviceLost      = "device_lost"
	Interrupted     = "interrupted" // a program of the engine was killed, or the computer had nothing left to start one
	ProtocolError   = "protocol_error"
	Internal        = "internal"
)

// EngineError is an error that the engine answered, or ProtocolError where it did not keep to the protocol.
type EngineError struct {
	Code    string
	Message i18n.Sentence // Message is for the user: it has no path and no key.
	Phase   string
	Field   string // Field is the parameter or input that an InvalidInput is about.
}

// Sentence is the Message.
func (e *EngineError) Sentence() i18n.Sentence { return e.Message }

func (e *EngineError) Error() string {
	if e.Phase == "" {
		return e.Code + ": " + e.Message.String()
	}
	return fmt.Sprintf("%s in phase %s: %s", e.Code, e.Phase, e.Message)
}

// CrashError says that the process ended by itself. Tail is the scrubbed end of its log.
type CrashError struct {
	Engine engine.ID
	Signal string // Signal is the signal's name, "" when the process exited.
	Exit   int
	Phase  string // Phase is start, load, idle or the run's own.
	Tail   string
}

func (e *CrashError) Error() string { return e.Sentence().String() }

// Sentence tells how the process ended, with the last line of its log.
func (e *CrashError) Sentence() i18n.Sentence {
	line := lastLine(e.Tail)
	switch {
	case e.Signal != "" && line != "":
		return i18n.Say(
			"the process of engine %s was ended by signal %s in phase %s: %s",
			e.Engine,
			e.Signal,
			e.Phase,
			line,
		)
	case e.Signal != "":
		return i18n.Say("the process of engine %s was ended by signal %s in phase %s", e.Engine, e.Signal, e.Phase)
	case line != "":
		return i18n.Say(
			"the process of engine %s ended with exit code %d in phase %s: %s",
			e.Engine,
			e.Exit,
			e.Phase,
			line,
		)
	default:
		return i18n.Say("the process of engine %s ended with exit code %d in phase %s", e.Engine, e.Exit, e.Phase)
	}
}

// HangError says that a phase stood still past its limit, or that the process showed no life at all.
type HangError struct {
	Engine engine.ID
	Phase  string
	Limit  time.Duration

	// Learned says that the limit comes from this machine's history of the phase.
	Learned bool

	// Silent says that heartbeats and CPU time stood still, rather than the step counter.
	Silent bool
}

func (e *HangError) Error() string { return e.Sentence().String() }

// Sentence tells how long the phase stood still.
func (e *HangError) Sentence() i18n.Sentence {
	limit := e.Limit.Round(time.Second / 10)
	switch {
	case e.Silent:
		return i18n.Say("the process of engine %s showed no sign of life for %s in phase %s", e.Engine, limit, e.Phase)
	case e.Learned:
		return i18n.Say(
			"phase %s of engine %s made no step for %s (the limit learned from earlier runs)",
			e.Phase,
			e.Engine,
			limit,
		)
	default:
		return i18n.Say(
			"phase %s of engine %s made no step for %s (the limit of a phase without history)",
			e.Phase,
			e.Engine,
			limit,
		)
	}
}

// GuardError says that the sidecar was killed to keep the computer alive. Both numbers of the rule that fired are set,
// the others are 0.
type GuardError struct {
	Engine engine.ID
	Phase  string
	RSS    int64 // RSS is what the sidecar's process group held, in bytes.

	Available, Floor        int64 // bytes of host memory
	Pressure, PressureLimit float64
	GTTGrowth, GTTLimit     int64 // bytes
}

func (e *GuardError) Error() string { return e.Sentence().String() }

// Sentence tells which rule fired and what to do.
func (e *GuardError) Sentence() i18n.Sentence {
	const mib = 1 << 20
	switch {
	case e.PressureLimit > 0:
		return i18n.Say(
			"engine %s was stopped to protect the computer: memory pressure reached %.1f %%, above the limit "+
				"of %.1f %%: "+
				"close other programs, or choose a smaller size",
			e.Engine,
			e.Pressure,
			e.PressureLimit,
		)
	case e.GTTLimit > 0:
		return i18n.Say(
			"engine %s was stopped to protect the computer: memory mapped by the graphics card grew by %d MiB, "+
				"above the limit of %d MiB: close other programs, or choose a smaller size",
			e.Engine,
			e.GTTGrowth/mib,
			e.GTTLimit/mib,
		)
	default:
		return i18n.Say("engine %s was stopped to protect the computer: available memory fell to %d MiB, "+
			"below the floor of %d MiB: close other programs, or choose a smaller "+
			"size", e.Engine, e.Available/mib, e.Floor/mib)
	}
}

// BreakerError says that the model crashed too often and is refused for a while.
type BreakerError struct {
	Engine engine.ID
	Model  string
	Until  time.Time
}

func (e *BreakerError) Error() string {
	return fmt.Sprintf(
		"model %s of engine %s crashed too often and is refused until %s",
		e.Model,
		e.Engine,
		e.Until.UTC().Format(time.RFC3339),
	)
}

// Fault says whether the error counts against a job's limit of faults: crashes, hangs, lack of memory, a broken
// protocol or device. Cancels, refusals, wrong input and an exception of the engine (it would come again) do not.
func Fault(err error) bool {
	var crash *CrashError
	var hang *HangError
	var guard *GuardError
	if errors.As(err, &crash) || errors.As(err, &hang) || errors.As(err, &guard) || errors.Is(err, ErrProtocol) {
		return true
	}
	var said *EngineError
	if errors.As(err, &said) {
		switch said.Code {
		case OutOfMemory, DeviceLost, ProtocolError, Interrupted:
			return true
		}
	}
	return false
}

// Broken is the error of a program that does not keep to the protocol, in words for the user: no path, no key.
func Broken(format string, args ...any) *EngineError { return protocolError(format, args...) }

func protocolError(format string, args ...any) *EngineError {
	return brokenBy(i18n.Say(format, args...))
}

func brokenBy(fault i18n.Sentence) *EngineError {
	return &EngineError{Code: ProtocolError, Message: i18n.Say(
		"the engine's program does not keep to its protocol (%s): try again, or install the engine again", fault)}
}

func lastLine(text string) string {
	text = strings.TrimRight(text, "\n")
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300])
	}
	return text
}
