package sidecar

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/report"
)

// Spec is what to load.
type Spec struct {
	Engine *engine.Manifest

	// Model is what was asked for; an engine that lacks it loads its default (a draft stands in for any model).
	Model string

	// Variant of the manifest's memory plans. Default: the manifest's choice for the device.
	Variant string

	// Files are the model's files by role, absolute. Empty for engines without weights.
	Files map[string]string

	// Plan is what the load may take. Default: the manifest's plan for the device.
	Plan plan.Plan

	// Device is cpu, hip:0, cuda:0. Default Config.Device.
	Device string
}

// Loaded is one process that holds a model.
type Loaded struct {
	Engine    engine.ID
	Model     string
	Device    string
	Busy      bool
	IdleSince time.Time // IdleSince is zero while Busy.
	RAMBytes  int64     // RAMBytes and VRAMBytes are what the process itself measured last.
	VRAMBytes int64
	LoadTime  time.Duration
	PID       int
}

// File is an input, an output or a segment. Paths are absolute on both sides of this package.
type File struct {
	Name     string
	Path     string
	MIME     string
	Size     int64
	SHA256   string // SHA256 is in lower-case hex.
	Metadata map[string]any
	Index    int // Index of a segment.
}

// RunRequest is one run of a task.
type RunRequest struct {
	Job    uuid.UUID
	Fence  int64
	Task   string
	Params map[string]any
	Inputs []File

	// OutDir is the run's own folder, made by the caller. Nothing outside it is accepted as an output.
	OutDir     string
	ResumeFrom *Resume

	// Class of runs whose steps take about the same time, besides the model: a picture four times as large is not hung
	// because its steps take longer than those of a small one. Default: all runs of the model are alike.
	Class string

	// Plan of this run, where it may differ from that of the load: another size leaves memory for more or fewer
	// pictures at once.
	Plan *plan.Plan
}

// Resume lets an engine go on after the segments of an earlier attempt.
type Resume struct {
	Index    int    // Index is the first segment still to make.
	Segments []File // Segments are the earlier ones, copied into this run's folder.
}

// Events are the caller's handlers during Run. All are called from the goroutine that called Run, one at a time, and
// any may be nil. While one works the sidecar computes on: progress is then skipped (newest wins), segments never are.
type Events struct {
	Progress func(report.Progress)

	// Segment takes a verified segment. Its error cancels the run and becomes Run's.
	Segment func(ctx context.Context, segment Segment) error

	// Phase tells that a phase began.
	Phase func(name string, start time.Time)
}

// Segment is a piece of the result that outlives a crash.
type Segment struct {
	Index int
	File  File
}

// RunResult is a finished run.
type RunResult struct {
	Outputs []File
	Seed    int64

	// Timings are seconds by the engine's own names; Phases are the supervisor's clock, in the order in which they ran.
	Timings  map[string]float64
	Phases   []PhaseTime
	Metadata map[string]any
	Warnings []report.Warning

	// PeakRAM and PeakVRAM are bytes, the highest that heartbeats and the supervisor saw during the run.
	PeakRAM, PeakVRAM int64
	LoadSeconds       float64 // LoadSeconds is 0 when the model was loaded already.
}

// PhaseTime is when a phase ran.
type PhaseTime struct {
	Phase      string
	Start, End time.Time
	Longest    time.Duration // Longest is the longest time between two steps.
}
