package runner

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
)

const (
	publishInterval = 100 * time.Millisecond
	previewInterval = 500 * time.Millisecond
	largestPreview  = 512 << 10

	// loadShare of the bar is filled by getting the model ready.
	loadShare = 0.02
	// soonest is how far a run must be before its own pace says anything about its end.
	soonest = 0.05
)

// jpegStart is how every JPEG begins.
var jpegStart = []byte{0xFF, 0xD8, 0xFF}

// tracker turns phases and steps into one fraction that never falls, and tells subscribers.
type tracker struct {
	attempt *attempt
	weights map[string]float64 // share of the bar by phase
	offsets map[string]float64 // where a phase begins

	mu          sync.Mutex
	now         report.Progress
	changed     bool
	published   time.Time
	lastPreview time.Time
	ranSince    time.Time // begin of the first phase of the run itself
	ranFrom     float64   // fraction at that time
}

func newTracker(a *attempt) *tracker {
	t := &tracker{attempt: a, now: report.Progress{Segments: playable(a.claimed.Segments)},
		weights: map[string]float64{"load": loadShare}, offsets: map[string]float64{"load": 0}}
	total := 0.0
	phases := a.manifest.Tasks[string(a.claimed.Type)].Phases
	for _, phase := range phases {
		total += phase.Weight
	}
	at := loadShare
	for _, phase := range phases {
		share := (1 - loadShare) * phase.Weight / max(total, 1e-9)
		t.offsets[phase.Name], t.weights[phase.Name] = at, share
		at += share
	}
	return t
}

// phase notes that a phase began.
func (t *tracker) phase(name string) { t.step(report.Progress{Stage: name}) }

// step takes a report of the engine.
func (t *tracker) step(p report.Progress) {
	t.mu.Lock()
	newPhase := t.now.Stage != p.Stage
	offset, known := t.offsets[p.Stage]
	value := t.now.Fraction
	if known {
		value = offset
		if p.TotalSteps > 0 {
			value += t.weights[p.Stage] * min(1, float64(p.Step)/float64(p.TotalSteps))
		}
	}
	value = min(max(value, t.now.Fraction), 0.999) // only the result reports 1
	preview := p.Preview
	p.Fraction, p.ETASeconds, p.Preview, p.Segments = value, t.eta(p.Stage, value), "", t.now.Segments
	t.now = p
	t.changed = true
	publish := newPhase || time.Since(t.published) >= publishInterval
	if publish {
		t.published = time.Now()
	}
	now := t.now
	t.mu.Unlock()
	if publish {
		t.publish(now)
	}
	t.preview(preview)
}

// segment notes that one more part of the result can be played, and tells so at once.
func (t *tracker) segment(index int) {
	t.mu.Lock()
	t.now.Segments = max(t.now.Segments, index+1)
	t.changed, t.published = true, time.Now()
	now := t.now
	t.mu.Unlock()
	t.publish(now)
}

// playable is how many segments of earlier runs can be played.
func playable(segments []jobs.Segment) (n int) {
	for _, segment := range segments {
		if segment.Seconds != nil {
			n++
		}
	}
	return n
}

// eta goes by this run's own pace once it has gone far enough to have one.
func (t *tracker) eta(phase string, value float64) *float64 {
	if phase == "load" {
		return t.now.ETASeconds
	}
	if t.ranSince.IsZero() {
		t.ranSince, t.ranFrom = time.Now(), value
	}
	gone := value - t.ranFrom
	if gone < soonest {
		return t.now.ETASeconds
	}
	left := time.Since(t.ranSince).Seconds() / gone * (1 - value)
	return &left
}

func (t *tracker) publish(p report.Progress) {
	job := t.attempt.claimed
	t.attempt.runner.cfg.Hub.Progress(events.JobProgress{Job: job.ID, Owner: job.OwnerID, Progress: p})
}

// preview reads a picture, at most twice a second, and hands it on.
func (t *tracker) preview(path string) {
	if path == "" {
		return
	}
	t.mu.Lock()
	due := time.Since(t.lastPreview) >= previewInterval
	if due {
		t.lastPreview = time.Now()
	}
	t.mu.Unlock()
	if !due {
		return
	}
	// One byte more than may be: a file cut at the limit would not be a picture.
	picture, err := t.attempt.read(path, largestPreview+1)
	if err != nil || len(picture) > largestPreview || !bytes.HasPrefix(picture, jpegStart) {
		return
	}
	job := t.attempt.claimed
	t.attempt.runner.cfg.Hub.Preview(events.Preview{Job: job.ID, Owner: job.OwnerID, JPEG: picture})
}

// store writes the progress down for later readers; a failure loses one second of progress.
func (t *tracker) store(ctx context.Context) {
	t.mu.Lock()
	now, changed := t.now, t.changed
	t.changed = false
	t.mu.Unlock()
	if !changed {
		return
	}
	if err := t.attempt.runner.cfg.Jobs.SetProgress(ctx, t.attempt.claimed.ID, t.attempt.claimed.Fence,
		now); err != nil &&
		ctx.Err() == nil {
		t.attempt.runner.cfg.Log.DebugContext(ctx, "progress was not stored", "err", err)
	}
}
