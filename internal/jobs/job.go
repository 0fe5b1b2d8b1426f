package jobs

import (
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// Type is the kind of a job.
type Type string

// The types of api.md.
const (
	TypeSpeech     Type = "audio.speech"
	TypeCloneVoice Type = "audio.clone_voice"
	TypeTranscribe Type = "audio.transcribe"
	TypeImage      Type = "image.generate"
	TypeImageEdit  Type = "image.edit"
	TypeUpscale    Type = "image.upscale"
	TypeAvatar     Type = "video.avatar"
	TypeAnimate    Type = "video.animate"
	TypeContent    Type = "studio.content"
	TypeExport     Type = "media.export"
	TypeScrape     Type = "scrape"
)

// Lane is a share of the queue; "" is a job that the generation queue does not run (chains, exports, scrapes).
type Lane string

// The lanes.
const (
	LaneNone  Lane = ""
	LaneAudio Lane = "audio"
	LaneImage Lane = "image"
	LaneVideo Lane = "video"
)

// LaneOf is the lane of a type.
func LaneOf(t Type) Lane {
	switch t {
	case TypeSpeech, TypeCloneVoice, TypeTranscribe:
		return LaneAudio
	case TypeImage, TypeImageEdit, TypeUpscale:
		return LaneImage
	case TypeAvatar, TypeAnimate:
		return LaneVideo
	default:
		return LaneNone
	}
}

// Status of a job.
type Status string

// The states.
const (
	Queued     Status = "queued"
	Processing Status = "processing"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Canceled   Status = "canceled"
)

// Terminal says whether a job in this state can only be retried or deleted.
func (s Status) Terminal() bool { return s == Completed || s == Failed || s == Canceled }

var statusWords = map[Status]i18n.Sentence{
	Queued: i18n.Say("queued"), Processing: i18n.Say("processing"), Completed: i18n.Say("completed"),
	Failed: i18n.Say("failed"), Canceled: i18n.Say("canceled"),
}

// Sentence is the status as a word for people.
func (s Status) Sentence() i18n.Sentence {
	if word, ok := statusWords[s]; ok {
		return word
	}
	return i18n.Plain(string(s))
}

// Reason says why a job waits or ended; "" is none.
type Reason string

// The reasons of api.md.
const (
	ReasonNone            Reason = ""
	ReasonWaitingForInput Reason = "waiting_for_input"
	ReasonPaused          Reason = "paused"
	ReasonNoMemory        Reason = "no_memory"
	ReasonBackingOff      Reason = "backing_off"
	// ReasonDeviceBusy is never stored: a job for a graphics card shows it while another job runs there.
	ReasonDeviceBusy       Reason = "device_busy"
	ReasonCanceling        Reason = "canceling"
	ReasonHostRestarted    Reason = "host_restarted"
	ReasonDependencyFailed Reason = "dependency_failed"
)

// The names of events that this package appends. The job.* ones carry {"status","reason","row_version"}.
const (
	EventQueued       = "job.queued"
	EventStarted      = "job.started"
	EventRequeued     = "job.requeued"
	EventUpdated      = "job.updated"
	EventCompleted    = "job.completed"
	EventFailed       = "job.failed"
	EventCanceled     = "job.canceled"
	EventDeleted      = "job.deleted"
	EventQueuePaused  = "queue.paused"
	EventQueueResumed = "queue.resumed"
)

// Kind of an input or output.
type Kind = string

// The kinds. KindData is a file of another nature (timings as JSON).
const (
	KindAudio Kind = "audio"
	KindImage Kind = "image"
	KindVideo Kind = "video"
	KindVoice Kind = "voice"
	KindData  Kind = "data"
)

// InputRef is one input of a job: exactly one of the three ids is set.
type InputRef struct {
	// Name as the engine's manifest knows it: image, audio, voice, voice_0, sample.
	Name string `json:"name"`
	Kind Kind   `json:"kind"`

	AssetID *uuid.UUID `json:"asset_id,omitempty"`
	// JobID: the first output of that kind of another job, which may still be running.
	JobID   *uuid.UUID `json:"job_id,omitempty"`
	VoiceID *uuid.UUID `json:"voice_id,omitempty"`
}

// TimelineEntry is one phase of a run.
type TimelineEntry struct {
	Phase string     `json:"phase"`
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end,omitempty"`
}

// Metrics is generation_jobs.metrics. Finish and Fail fill in QueueSeconds, RunSeconds and Device.
type Metrics struct {
	QueueSeconds     float64         `json:"queue_seconds"`
	RunSeconds       float64         `json:"run_seconds"`
	ModelLoadSeconds float64         `json:"model_load_seconds"`
	PeakVRAMBytes    int64           `json:"peak_vram_bytes"`
	PeakRAMBytes     int64           `json:"peak_ram_bytes"`
	Device           string          `json:"device"`
	Timeline         []TimelineEntry `json:"timeline"`
}

// ResultInfo is generation_jobs.result.
type ResultInfo struct {
	// Outputs are asset ids in order.
	Outputs []uuid.UUID `json:"outputs"`
	// Metadata as the engine gave it.
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Job is a row of generation_jobs. Pointers are columns that may be null.
type Job struct {
	ID        uuid.UUID
	OwnerID   uuid.UUID
	ProjectID *uuid.UUID
	Type      Type
	Lane      Lane
	Status    Status
	// Reason as stored, except that a queued job without one reads ReasonPaused while the queue is paused, and
	// ReasonDeviceBusy while another runs on the card that it needs.
	Reason  Reason
	Quality string
	Model   string
	Engine  string

	Priority int
	Rank     float64

	// Params are the normalised run parameters, with the seed really used.
	Params map[string]any
	Inputs []InputRef

	Result   *ResultInfo
	Error    *Problem
	Warnings []report.Warning
	Metrics  Metrics

	ContentID *uuid.UUID
	Step      string
	BlockedBy int
	// NotBefore is zero when the job may run at once.
	NotBefore    time.Time
	Attempt      int
	Faults       int
	HostRestarts int
	Fence        int64
	Device       string
	UsesGPU      bool
	NodeID       *uuid.UUID
	BootID       *uuid.UUID

	CancelRequestedAt *time.Time
	ParentID          *uuid.UUID
	Version           int
	ClientReference   string
	// RowVersion grows with every change that a reader can see. Reason "paused" is not part of it.
	RowVersion  int64
	CreatedAt   time.Time
	QueuedAt    time.Time
	StartedAt   *time.Time
	CompletedAt *time.Time

	// Shortage is the memory that a job with ReasonNoMemory waits for; nil otherwise.
	Shortage *Shortage

	// VoiceID is the voice that an audio.clone_voice makes.
	VoiceID *uuid.UUID
	// Progress of a running job, the last one written; nil when none.
	Progress *report.Progress
}

// Seed is the seed really used, nil when the job has none.
func (j *Job) Seed() *int64 {
	switch v := j.Params["seed"].(type) {
	case float64:
		n := int64(v)
		return &n
	case int64:
		return &v
	case int:
		n := int64(v)
		return &n
	default:
		return nil
	}
}
