package jobs

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/report"
)

// Spec is a validated request for a job.
type Spec struct {
	// ID is chosen by Submit (UUIDv7) when zero.
	ID    uuid.UUID
	Owner uuid.UUID
	Type  Type
	// Lane is LaneOf(Type) when empty.
	Lane    Lane
	Quality string // draft or final
	// Model stays the requested one; Engine is the one that runs.
	Model  string
	Engine string
	// Params are normalised, with the seed.
	Params    map[string]any
	Inputs    []InputRef
	ProjectID *uuid.UUID
	// ParentID must be a job of the owner; the version is the parent's plus one.
	ParentID        *uuid.UUID
	Priority        int // -10..10
	ClientReference string
	Warnings        []report.Warning
	// NewVoice makes the voices row of an audio.clone_voice in the same transaction.
	NewVoice *NewVoice
	// UsesGPU is the value of the engine's manifest.
	UsesGPU bool
	// ContentID and Step place a job in a chain.
	ContentID *uuid.UUID
	Step      string
	// Idempotency is completed with the job in the same transaction; it must have been begun.
	Idempotency *IdempotencyKey
}

// NewVoice is the voice that a clone job will fill.
type NewVoice struct {
	// ID is chosen by Submit when zero.
	ID            uuid.UUID
	Name          string
	Language      string
	SampleAssetID *uuid.UUID
	ConsentNote   string
}

// Claimed is a job that this node now runs.
type Claimed struct {
	*Job
	// Resolved are the inputs in the order of Job.Inputs.
	Resolved []ResolvedInput
	// Segments that earlier attempts finished, from index 0 without a hole.
	Segments []Segment
	// Ticket says that the claim took a River ticket with it; without, one is in a worker's hands or will come.
	Ticket bool
}

// ResolvedInput is an input with the file or the voice that it turned out to be.
type ResolvedInput struct {
	Name string
	Kind Kind
	// AssetID, SHA256, MIME and Size are of the file; empty for a voice.
	AssetID  uuid.UUID
	Filename string
	SHA256   string
	MIME     string
	Size     int64
	// Metadata of the asset, or {name, language} of the voice.
	Metadata map[string]any
	// Voice is set for kind voice.
	Voice *ResolvedVoice
}

// ResolvedVoice is a voice as the engine gets it.
type ResolvedVoice struct {
	ID       uuid.UUID
	Name     string
	Language string
	Builtin  bool
	// Conditionals are engines' measurements of the voice, by the id of the engine.
	Conditionals map[string]json.RawMessage
	// Sample is the recording that it was cloned from; empty for a built-in voice, and when the file is gone.
	Sample SampleFile
}

// SampleFile is a file of the blob store.
type SampleFile struct {
	SHA256 string
	MIME   string
	Size   int64 // bytes
}

// Segment is a finished piece of a job that a later attempt need not make again.
type Segment struct {
	Index  int
	SHA256 string
	MIME   string
	Size   int64
	Fence  int64
	// Seconds that a segment plays by itself; nil for one that cannot.
	Seconds *float64
}

// Result is the result of a finished run. The files are in the blob store already.
type Result struct {
	// Outputs in order; Owner, Project, Job and Index are filled in by Finish.
	Outputs []assets.Output
	// Voice is set by an audio.clone_voice.
	Voice    *VoiceResult
	Metadata map[string]any
	Warnings []report.Warning
	Metrics  Metrics
	// PeakRAM and PeakVRAM of Metrics, Metrics.RunSeconds and ModelLoadSeconds go into the run history, from which
	// ETAs come. NoHistory keeps a run out of it (one that resumed from segments, say).
	NoHistory bool
	// Peak of the run's memory; nil when it was not measured.
	Peak *PeakRecord
}

// VoiceResult is the result of a clone job.
type VoiceResult struct {
	// Conditionals of the engine that ran.
	Conditionals  json.RawMessage
	SampleSeconds float64
	// Language, when the engine found it out; "" keeps the row's.
	Language string
	// Transcript of the sample; "" when nobody listened to it.
	Transcript string
}

// Filter of List. Zero fields do not filter.
type Filter struct {
	Statuses []Status
	Types    []Type
	Project  *uuid.UUID
	Content  *uuid.UUID
	Parent   *uuid.UUID
	Limit    int    // 1..200, default 50
	Cursor   string // Page.Next of the page before
}

// Page of jobs, newest first.
type Page struct {
	Jobs []*Job
	Next string // "" on the last page
}

// Patch changes a queued job; nil fields stay.
type Patch struct {
	// Priority -10..10.
	Priority *int
	// Position among the queued jobs of the job's lane, 1 = first. The job takes the priority of the place that it is
	// put to.
	Position *int
	// Input replaces parameters and inputs while the job is queued and has never run.
	Params map[string]any
	Inputs []InputRef
	// Warnings of the job with that input.
	Warnings []report.Warning
	// SetInput says that Params, Inputs and Warnings count (they may be empty).
	SetInput bool
	// IfRowVersion, when set, refuses the change with ErrChanged if the row has moved on.
	IfRowVersion *int64
}
