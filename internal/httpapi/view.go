package httpapi

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
	"github.com/google/uuid"
)

// Job is the one object for everything that is made.
type Job struct {
	ID              uuid.UUID       `json:"id"`
	JobID           uuid.UUID       `json:"job_id" doc:"The same as id"`
	Object          string          `json:"object" enum:"job"`
	Type            string          `json:"type" enum:"audio.speech,audio.clone_voice,audio.transcribe,image.generate,image.edit,image.upscale,video.avatar,video.animate,studio.content,media.export,scrape"`
	Status          string          `json:"status" enum:"queued,processing,completed,failed,canceled"`
	Reason          *string         `json:"reason" nullable:"true" doc:"Why it waits or ended"`
	Progress        float64         `json:"progress" minimum:"0" maximum:"1"`
	ProgressDetail  *ProgressDetail `json:"progress_detail"`
	QueuePosition   *int            `json:"queue_position" nullable:"true" doc:"Rank among queued jobs in the order they would run now"`
	ETASeconds      *float64        `json:"eta_seconds" nullable:"true" doc:"Until the job ends"`
	ETAIsGuess      bool            `json:"eta_is_guess" doc:"This machine has no history of such a job"`
	Quality         string          `json:"quality" enum:"draft,final"`
	Model           string          `json:"model" doc:"What was asked for"`
	Engine          string          `json:"engine" doc:"What runs"`
	Warnings        []Warning       `json:"warnings"`
	Input           map[string]any  `json:"input" doc:"Normalised, with the seed really used"`
	Outputs         []Output        `json:"outputs"`
	OutputURL       *string         `json:"output_url" nullable:"true" doc:"The first output's"`
	VoiceID         *uuid.UUID      `json:"voice_id" nullable:"true" doc:"Of audio.clone_voice: usable at once"`
	Error           *Problem        `json:"error"`
	Metrics         Metrics         `json:"metrics"`
	ProjectID       *uuid.UUID      `json:"project_id" nullable:"true"`
	ParentID        *uuid.UUID      `json:"parent_id" nullable:"true"`
	Version         int             `json:"version"`
	ContentID       *uuid.UUID      `json:"content_id" nullable:"true"`
	Step            *string         `json:"step" nullable:"true"`
	ClientReference *string         `json:"client_reference" nullable:"true"`
	Priority        int             `json:"priority"`
	Attempt         int             `json:"attempt"`
	CreatedAt       time.Time       `json:"created_at"`
	StartedAt       *time.Time      `json:"started_at" nullable:"true"`
	CompletedAt     *time.Time      `json:"completed_at" nullable:"true"`
	URLs            URLs            `json:"urls"`
}

// ProgressDetail describes the progress of a running job.
type ProgressDetail struct {
	Stage       string   `json:"stage"`
	Step        int      `json:"step"`
	TotalSteps  int      `json:"total_steps"`
	Message     *string  `json:"message" nullable:"true"`
	ETASeconds  *float64 `json:"eta_seconds" nullable:"true"`
	PreviewURL  *string  `json:"preview_url" nullable:"true" doc:"The newest picture of what is made, while the job runs on this node and has one; needs no header"`
	Segments    int      `json:"segments,omitempty" doc:"How many parts of the sound can be played already, while the rest is made"`
	SegmentsURL *string  `json:"segments_url,omitempty" doc:"Lists those parts"`
	// Memory is what a job with reason no_memory waits for.
	Memory *MemoryWait `json:"memory,omitempty" doc:"What a job with reason no_memory needs, and what there is for it"`
}

// MemoryWait is what a job waits for, in bytes.
type MemoryWait struct {
	Device     string `json:"device" doc:"cpu, or a card such as hip:0"`
	NeededRAM  int64  `json:"needed_ram_bytes"`
	FreeRAM    int64  `json:"free_ram_bytes" doc:"What jobs may take of the computer's memory when nothing of the studio's runs"`
	NeededVRAM int64  `json:"needed_vram_bytes"`
	FreeVRAM   int64  `json:"free_vram_bytes" doc:"The same of the card's memory"`
}

// waitingStage is the stage of a job that waits for memory.
const waitingStage = "waiting_for_memory"

func (s *Server) memoryDetail(ctx context.Context, short *jobs.Shortage) *ProgressDetail {
	text := i18n.Say("waits for memory: it needs %s of RAM, and %s are free", inGB(short.NeededRAM),
		inGB(short.FreeRAM))
	if short.NeededVRAM > 0 {
		text = i18n.Say("waits for memory: it needs %s of the card's memory and %s of RAM, and %s and %s are free",
			inGB(short.NeededVRAM), inGB(short.NeededRAM), inGB(short.FreeVRAM), inGB(short.FreeRAM))
	}
	message := told(ctx, text)
	memory := MemoryWait(*short)
	return &ProgressDetail{Stage: waitingStage, Message: &message, Memory: &memory}
}

// inGB is a size for people.
func inGB(bytes int64) i18n.Sentence { return i18n.Say("%.1f GB", float64(bytes)/1e9) }

// Warning describes a finding that did not stop the job.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Output is one file that a job made.
type Output struct {
	ID              uuid.UUID      `json:"id"`
	Kind            string         `json:"kind" enum:"audio,image,video,data"`
	URL             string         `json:"url" doc:"Signed: needs no header, until expires_at"`
	MimeType        string         `json:"mime_type"`
	Filename        string         `json:"filename"`
	SizeBytes       int64          `json:"size_bytes"`
	SHA256          string         `json:"sha256"`
	Width           *int           `json:"width" nullable:"true"`
	Height          *int           `json:"height" nullable:"true"`
	DurationSeconds *float64       `json:"duration_seconds" nullable:"true"`
	Metadata        map[string]any `json:"metadata" doc:"Draft or final, AI-made, the seed, and what the engine says"`
	ExpiresAt       time.Time      `json:"expires_at"`
}

// Metrics hold the times, the memory and the device of the job.
type Metrics struct {
	QueueSeconds     float64         `json:"queue_seconds"`
	RunSeconds       float64         `json:"run_seconds"`
	ModelLoadSeconds float64         `json:"model_load_seconds"`
	PeakVRAMBytes    int64           `json:"peak_vram_bytes"`
	PeakRAMBytes     int64           `json:"peak_ram_bytes"`
	Device           string          `json:"device"`
	Timeline         []TimelineEntry `json:"timeline"`
}

// TimelineEntry is one phase of the run.
type TimelineEntry struct {
	Phase string     `json:"phase"`
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end" nullable:"true"`
}

// URLs of a job, absolute.
type URLs struct {
	Get     string `json:"get"`
	Cancel  string `json:"cancel"`
	Events  string `json:"events"`
	Content string `json:"content"`
	Web     string `json:"web"`
}

// views renders jobs with their outputs and etas, in one query for each kind of thing.
func (s *Server) views(ctx context.Context, list ...*jobs.Job) ([]Job, error) {
	var ended []uuid.UUID
	for _, job := range list {
		if job.Status == jobs.Completed {
			ended = append(ended, job.ID)
		}
	}
	outputs := map[uuid.UUID][]*assets.Asset{}
	var err error
	if len(ended) > 0 {
		if outputs, err = s.cfg.Assets.ByJobs(ctx, ended); err != nil {
			return nil, err
		}
	}
	etas, err := s.cfg.Jobs.ETAs(ctx, list...)
	if err != nil {
		return nil, err
	}
	rendered := make([]Job, 0, len(list))
	for _, job := range list {
		rendered = append(rendered, s.view(ctx, job, outputs[job.ID], etas[job.ID]))
	}
	return rendered, nil
}

func (s *Server) oneView(ctx context.Context, job *jobs.Job) (Job, error) {
	list, err := s.views(ctx, job)
	if err != nil {
		return Job{}, err
	}
	return list[0], nil
}

func (s *Server) view(ctx context.Context, job *jobs.Job, outputs []*assets.Asset, eta jobs.ETA) Job {
	base := baseOf(ctx)
	self := base + "/api/v1/jobs/" + job.ID.String()
	v := Job{
		ID:              job.ID,
		JobID:           job.ID,
		Object:          "job",
		Type:            string(job.Type),
		Status:          string(job.Status),
		Reason:          orNull(string(job.Reason)),
		Quality:         job.Quality,
		Model:           job.Model,
		Engine:          job.Engine,
		Warnings:        []Warning{},
		Input:           s.generation.Shown(job),
		Outputs:         []Output{},
		VoiceID:         job.VoiceID,
		Metrics:         metricsOf(job.Metrics),
		ProjectID:       job.ProjectID,
		ParentID:        job.ParentID,
		Version:         job.Version,
		ContentID:       job.ContentID,
		Step:            orNull(job.Step),
		ClientReference: orNull(job.ClientReference),
		Priority:        job.Priority,
		Attempt:         job.Attempt,
		CreatedAt:       job.CreatedAt,
		StartedAt:       job.StartedAt,
		CompletedAt:     job.CompletedAt,
		URLs: URLs{
			Get:     self,
			Cancel:  self + "/cancel",
			Events:  self + "/events",
			Content: self + "/content",
			Web:     base + "/#job=" + job.ID.String(),
		},
	}
	for _, w := range job.Warnings {
		v.Warnings = append(v.Warnings, Warning{w.Code, told(ctx, w.Message)})
	}
	for _, asset := range outputs {
		v.Outputs = append(v.Outputs, s.output(base, asset))
	}
	if len(v.Outputs) > 0 {
		v.OutputURL = &v.Outputs[0].URL
	}
	if job.Error != nil {
		v.Error = s.jobProblem(ctx, job.Type, job.Error)
	}
	s.setProgress(ctx, &v, job, eta)
	return v
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func metricsOf(m jobs.Metrics) Metrics {
	v := Metrics{
		QueueSeconds:     millis(m.QueueSeconds),
		RunSeconds:       millis(m.RunSeconds),
		ModelLoadSeconds: millis(m.ModelLoadSeconds),
		PeakVRAMBytes:    m.PeakVRAMBytes,
		PeakRAMBytes:     m.PeakRAMBytes,
		Device:           m.Device,
		Timeline:         []TimelineEntry{},
	}
	for _, entry := range m.Timeline {
		v.Timeline = append(v.Timeline, TimelineEntry(entry))
	}
	return v
}

func (s *Server) jobProblem(ctx context.Context, t jobs.Type, p *jobs.Problem) *Problem {
	var fields []fieldProblem
	if p.Pointer != "" {
		field := s.generation.FieldOf(t, strings.TrimPrefix(p.Pointer, "/"))
		fields = []fieldProblem{{pointer: "/" + field, detail: p.Detail}}
	}
	v := newProblem(p.Status, p.Code, p.Title, p.Detail, fields...).in(ctx)
	if p.Type != "" {
		v.Type = p.Type
	}
	v.Instance, v.RequestID = "", "" // it is the job's, not this request's
	v.Retryable = &p.Retryable
	return v
}

func (s *Server) setProgress(ctx context.Context, v *Job, job *jobs.Job, eta jobs.ETA) {
	switch job.Status {
	case jobs.Completed:
		v.Progress = 1
	case jobs.Queued:
		if eta.Position > 0 {
			v.QueuePosition = &eta.Position
		}
		if job.Shortage != nil {
			v.ProgressDetail = s.memoryDetail(ctx, job.Shortage)
		}
	}
	if !job.Status.Terminal() {
		v.ETASeconds, v.ETAIsGuess = millisOf(eta.Seconds), eta.Guess
	}
	if p := job.Progress; p != nil && job.Status == jobs.Processing {
		v.Progress = p.Fraction
		v.ProgressDetail = s.progressDetail(ctx, job.ID, *p)
	}
}

// progressDetail is the same of a job that is read and of one that is listened to.
func (s *Server) progressDetail(ctx context.Context, job uuid.UUID, p report.Progress) *ProgressDetail {
	detail := &ProgressDetail{Stage: p.Stage, Step: p.Step, TotalSteps: p.TotalSteps,
		Message:    orNull(told(ctx, p.Message)),
		ETASeconds: millisOf(p.ETASeconds), PreviewURL: orNull(s.previewLink(ctx, job)), Segments: p.Segments}
	if p.Segments > 0 {
		list := baseOf(ctx) + segmentsOf(job)
		detail.SegmentsURL = &list
	}
	return detail
}

func (s *Server) output(base string, asset *assets.Asset) Output {
	link, expires := s.cfg.Signer.Link(asset.ID, s.now())
	v := Output{
		ID:              asset.ID,
		Kind:            string(asset.Kind),
		URL:             base + link,
		MimeType:        asset.MIME,
		Filename:        asset.Filename,
		SizeBytes:       asset.Size,
		SHA256:          asset.SHA256,
		Width:           asset.Width,
		Height:          asset.Height,
		DurationSeconds: millisOf(asset.DurationSeconds),
		ExpiresAt:       expires,
		Metadata:        map[string]any{},
	}
	_ = json.Unmarshal(asset.Metadata, &v.Metadata) // our own column; an unreadable one shows as empty
	return v
}

// eventView renders the job of a state event: the row of now, with the facts of then.
func (s *Server) eventView(ctx context.Context, e events.Event) (*Job, error) {
	job, err := s.cfg.Jobs.GetAny(ctx, *e.Job)
	if err != nil {
		return nil, err
	}
	view, err := s.oneView(ctx, job)
	if err != nil {
		return nil, err
	}
	var facts struct {
		Status string  `json:"status"`
		Reason *string `json:"reason"`
	}
	if json.Unmarshal(e.Data, &facts) != nil || facts.Status == "" {
		return &view, nil
	}
	if facts.Status != view.Status {
		view.unfinish()
		view.Status, view.Progress, view.ProgressDetail, view.QueuePosition, view.ETASeconds =
			facts.Status, 0, nil, nil, nil
	}
	view.Reason = facts.Reason
	return &view, nil
}

// unfinish removes the members that only an ended job has.
func (v *Job) unfinish() {
	v.Outputs, v.OutputURL, v.Error, v.CompletedAt = []Output{}, nil, nil, nil
}

// millis rounds seconds to milliseconds, which removes the rests of floating point.
func millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

func millisOf(seconds *float64) *float64 {
	if seconds == nil {
		return nil
	}
	rounded := millis(*seconds)
	return &rounded
}
