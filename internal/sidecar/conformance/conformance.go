// Package conformance checks that a program speaks the sidecar protocol: hello, turns, errors, cancel, files, resume,
// end.
//
// Run takes any program and the manifest of the engine that it stands for. It talks to the program by frames of its
// own making, including wrong ones, and once through the real supervisor. The package's test runs it for every draft
// engine, and for the program of APIBR_CONFORMANCE_COMMAND (a JSON list or words) when that is set, with the manifest
// of APIBR_CONFORMANCE_ENGINE:
//
//	APIBR_CONFORMANCE_ENGINE=draft-speech APIBR_CONFORMANCE_COMMAND="my-speech --sidecar" \
//	  go test ./internal/sidecar/conformance
//
// Requests are made from the manifest: required parameters and inputs, small sizes, a fixed seed.
package conformance

import (
	"testing"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar"
)

// Program is what is checked.
type Program struct {
	// Command starts the program. Required.
	Command []string

	// Env is its environment, as KEY=VALUE.
	Env []string

	// Engine is the manifest that the program must honour.
	Engine *engine.Manifest

	// Model and Variant to load, and its Files by part. Default: the manifest's default model, without files.
	Model, Variant string
	Files          map[string]string

	// Input gives a file of a kind (image, audio, voice), below dir. Required for engines with required inputs.
	Input func(t *testing.T, kind, dir string) sidecar.File

	// Slow lets one process serve all rules that leave it alive: for engines whose imports take seconds.
	Slow bool

	shared *shared

	// Params replace or add to the parameters that the suite makes of a task's schema.
	Params map[string]map[string]any
}

// patience is how long the suite waits for any one thing. A loaded test machine is slow; a wrong program is wrong at
// once.
const patience = 2 * time.Minute

// Run checks the program; each rule of the protocol is a subtest.
func Run(t *testing.T, p Program) {
	if p.Slow {
		p.shared = &shared{parent: t}
	}
	t.Run("hello comes first", p.hello)
	t.Run("turns, unknown methods and broken lines", p.turns)
	t.Run("heartbeats", p.heartbeats)
	t.Run("load and unload", p.loads)
	t.Run("the end of stdin ends it", p.endOfInput)
	t.Run("shutdown ends it", p.shutdown)
	for task := range p.Engine.Tasks {
		t.Run(task, func(t *testing.T) {
			t.Run("runs, one at a time", func(t *testing.T) { p.run(t, task) })
			t.Run("cancel", func(t *testing.T) { p.cancel(t, task) })
			t.Run("wrong requests are errors", func(t *testing.T) { p.wrongRequests(t, task) })
			t.Run("under the supervisor", func(t *testing.T) { p.supervised(t, task) })
			if p.deliversSegments(task) {
				t.Run("resumes after its segments", func(t *testing.T) { p.resume(t, task) })
			}
		})
	}
}

func (p Program) deliversSegments(task string) bool {
	for _, phase := range p.Engine.Tasks[task].Phases {
		if phase.Segments {
			return true
		}
	}
	return false
}
