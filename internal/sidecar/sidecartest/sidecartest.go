// Package sidecartest is a program that speaks the sidecar protocol and breaks it on demand.
//
// It lives inside the test binary: TestMain calls Main first, and Command gives the command line that starts the same
// binary as a sidecar. What one run does is chosen by the run's parameter `mode`, else by the command; the modes that
// concern hello or load only by the command.
package sidecartest

import (
	"os"
	"strconv"
	"time"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
)

const marker = "apibr-fault"

// The modes. Those of hello and load come from the command, the others from the command or the run's parameters.
const (
	// two progress steps, then an output with the text of params.text, or with params.content of type params.mime
	Echo          = "echo"
	Segments      = "segments"      // params.total segments from where the run resumes, params.ms apart
	SlowSteady    = "slow-steady"   // params.total steps, params.ms apart
	Hang          = "hang"          // one step, then heartbeats only
	Burn          = "burn"          // one step, then a busy loop
	Freeze        = "freeze"        // SIGSTOP to itself
	Kill          = "kill"          // SIGKILL to itself
	Exit          = "exit"          // a traceback with a path and a key on stderr, exit code 3
	Print10MB     = "print10mb"     // 10 MB to stderr, then echo
	Stdout10MB    = "stdout10mb"    // 10 MB of text on stdout
	Line2MiB      = "line2mib"      // a frame of 2 MiB
	HalfFrame     = "halfframe"     // half a frame, then nothing
	BadJSON       = "badjson"       // a line that is not JSON
	OtherJob      = "otherjob"      // progress of another job
	TwoAnswers    = "twoanswers"    // an answer to a question that nobody asked
	UnknownMethod = "unknownmethod" // a request and a notification that do not exist; echoes what it was answered
	PathOutside   = "pathoutside"   // an output in ../
	PathAbsolute  = "pathabsolute"  // an output by its absolute path
	Symlink       = "symlink"       // an output that is a link to a file outside
	SymlinkFolder = "symlinkfolder" // an output below a folder that is a link
	Fifo          = "fifo"          // an output that is a named pipe
	WrongHash     = "wronghash"     // an output with another hash than announced
	WrongSize     = "wrongsize"     // an output with another size than announced
	SegmentGap    = "segmentgap"    // segment 1 without segment 0
	Alloc         = "alloc"         // takes memory for good, params.mib in all, and says so in progress
	Stubborn      = "stubborn"      // steps on for ever, deaf to cancel and SIGTERM
	Obedient      = "obedient"      // steps on until canceled
	Children      = "children"      // a child in its group and one in a session of its own, then obedient
	// like children, but without a parent-death signal, and one more without our environment
	Abandon = "abandon"
	// an output that says of each path in params.text whether it was read, connected to or made
	Peek = "peek"
	Fail = "fail" // the error of params.code
	// an output with the process's id, then a line for each file of the load: its name and what the file holds
	Loaded = "loaded"
	// out of memory as long as the variant params.text is loaded, after one segment where params.total is set; else
	// like segments
	OOMIn         = "oom-in"
	Silent        = "silent"         // command: says nothing, not even hello
	WrongVersion  = "wrongversion"   // command: hello with protocol 2
	WrongEngine   = "wrongengine"    // command: hello of another engine
	ExitAtStart   = "exit-at-start"  // command: exit code 4 before hello
	LoadHang      = "load-hang"      // command: load is never answered
	LoadKill      = "load-kill"      // command: SIGKILL while loading
	LoadMissing   = "load-missing"   // command: load answers model_missing
	NoHeartbeat   = "no-heartbeat"   // command: never a heartbeat; else like echo
	IgnoreEnd     = "ignore-end"     // command: deaf to shutdown, SIGTERM and the end of stdin
	DeafInput     = "deaf-input"     // command: stops reading stdin after the load
	CloseOutput   = "close-output"   // closes stdout and stays
	OddSeed       = "odd-seed"       // seed as 7.0
	Vandal        = "vandal"         // writes over its inputs, and over what it made in earlier runs
	Raw           = "raw"            // what RawRun says
	PrintThenKill = "print-and-kill" // 10 MB on stderr, then SIGKILL
)

// Command is the command line of the fault program.
func Command(mode string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return []string{self, marker, mode}
}

// Main turns the test binary into the fault program when it was started as one; else it returns at once.
func Main() {
	if len(os.Args) < 3 || os.Args[1] != marker {
		return
	}
	beat := 100 * time.Millisecond
	if ms, err := strconv.Atoi(os.Getenv("FAULT_BEAT_MS")); err == nil {
		beat = time.Duration(ms) * time.Millisecond
	}
	p := &program{mode: os.Args[2], engine: os.Getenv("APIBR_ENGINE"), beat: beat}
	p.rawFromCommand(os.Args[3:])
	os.Exit(p.main())
}

// Manifest is an engine that the fault program can play.
func Manifest(id string) *engine.Manifest {
	return &engine.Manifest{
		ID: engine.ID(id), Version: 1, Quality: engine.Draft, Venv: "draft", BlockSeconds: 0.05,
		Models: []engine.Model{{ID: id, Default: true}, {ID: id + "-two"}},
		Memory: []engine.MemoryPlan{{Device: "cpu", Variant: "default", Memory: device.Memory{RAM: 10 << 20}},
			{Device: "gpu", Memory: device.Memory{VRAM: 1 << 30}}},
		Tasks: map[string]engine.Task{"test.run": {
			Parameters: map[string]any{"type": "object"},
			Phases:     []engine.Phase{{Name: "first", Weight: 0.1}, {Name: "second", Weight: 0.9}},
		}},
	}
}
