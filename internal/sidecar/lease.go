package sidecar

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// Lease is the exclusive use of one process that has loaded a model. Its methods are safe to call from any goroutine,
// but one Run at a time.
type Lease struct {
	pool *Pool
	slot *slot
	load time.Duration // load is 0 when the model was there already

	mu       sync.Mutex
	cancel   context.CancelFunc
	canceled bool
	released bool
	ran      bool
}

// PID is the process, for logs.
func (l *Lease) PID() int { return l.slot.proc.pid }

// Model is what is loaded.
func (l *Lease) Model() string { return l.slot.model }

// Run sends one run and waits for its end.
//
// Every output and segment is checked before it is handed on: a relative path inside OutDir, no link, a regular file,
// size and SHA-256 as on disk. When ctx ends (or Cancel is called) the cancel ladder begins and Run returns
// ErrCanceled, once the engine has answered or its process is gone. Other errors are those of the package's doc; Fault
// sorts them. A handler's error is returned as it is.
func (l *Lease) Run(ctx context.Context, req RunRequest, events Events) (*RunResult, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !l.enter(cancel) {
		return nil, ErrCanceled
	}
	defer l.leave()
	first := 0
	if req.ResumeFrom != nil {
		first = req.ResumeFrom.Index
	}
	pr := l.slot.proc
	pr.logs.Store(&ctx)
	background := context.Background()
	defer pr.logs.Store(&background)

	run := &running{
		dir:    req.OutDir,
		events: events,
		inbox:  newInbox(first),
		cancel: cancel,
		left:   l.pool.cfg.Limits.OutputBytes,
	}
	out := pr.do(ctx, &call{
		method: methodRun, params: req.params(l.slot.device), job: req.Job.String(), model: req.history(l.slot.model),
		events: run.inbox,
		phases: l.slot.engine.Tasks[req.Task].Phases,
	}, func() { run.deliver(ctx) })
	// The last segments may have come with the answer, or right before a crash: the next run shall go on after them.
	run.deliver(ctx)
	result, err := l.outcome(ctx, req, run, out)
	l.pool.judge(l.slot, err)
	return result, err
}

func (l *Lease) outcome(ctx context.Context, req RunRequest, run *running, out outcome) (*RunResult, error) {
	pr := l.slot.proc
	err := out.err
	if run.err != nil && (err == nil || errors.Is(err, ErrCanceled)) {
		err = run.err
	}
	var result *RunResult
	if err == nil {
		result, err = readResult(ctx, req.OutDir, out.result, &l.pool.cfg.Limits)
		if err != nil && errors.Is(err, ctx.Err()) {
			err = ErrCanceled
		}
	}
	if err != nil {
		var said *EngineError
		if errors.As(err, &said) && said.Code == ProtocolError {
			pr.kill(err)
			pr.awaitGone(context.Background())
		}
		if out.ended {
			// The caller may load something else at once: the memory has to be free by then.
			pr.awaitGone(context.Background())
		}
		return nil, err
	}
	result.Phases, result.PeakRAM, result.PeakVRAM = out.phases, out.peakRAM, out.peakVRAM
	result.LoadSeconds = l.load.Seconds()
	l.pool.learn(l.slot, req.history(l.slot.model), out.phases)
	return result, nil
}

func readResult(ctx context.Context, dir string, raw []byte, limits *Limits) (*RunResult, error) {
	var sent runResult
	if err := decode(raw, i18n.Say("the result of the run"), &sent, limits); err != nil {
		return nil, err
	}
	result := &RunResult{
		Seed:     int64(sent.Seed),
		Timings:  sent.Timings,
		Metadata: sent.Metadata,
		Warnings: sent.warnings,
	}
	left := limits.OutputBytes
	for _, file := range sent.Outputs {
		output, err := verify(ctx, dir, file, &left)
		if err != nil {
			return nil, err
		}
		result.Outputs = append(result.Outputs, output)
	}
	return result, nil
}

// running delivers the events of one run in the goroutine of Lease.Run.
type running struct {
	dir    string
	events Events
	inbox  *inbox
	cancel context.CancelFunc
	left   int64 // left is how many bytes of segments may still come
	err    error // err is the first error of a handler or of a segment's check
}

func (r *running) deliver(ctx context.Context) {
	ordered, progress := r.inbox.take()
	for _, item := range ordered {
		switch item := item.(type) {
		case phaseStart:
			if r.events.Phase != nil {
				r.events.Phase(item.phase, item.at)
			}
		case segmentParams:
			r.segment(ctx, item)
		}
	}
	if progress != nil && r.events.Progress != nil && r.err == nil {
		r.events.Progress(r.progress(*progress))
	}
}

func (r *running) segment(ctx context.Context, sent segmentParams) {
	if r.err != nil || ctx.Err() != nil {
		return
	}
	file, err := verify(ctx, r.dir, sent.File, &r.left)
	if err == nil && r.events.Segment != nil {
		file.Index = sent.Index
		err = r.events.Segment(ctx, Segment{Index: sent.Index, File: file})
	}
	if err != nil && ctx.Err() == nil {
		r.err = err
		r.cancel()
	}
}

func (r *running) progress(sent progressParams) report.Progress {
	progress := report.Progress{Stage: sent.Phase, Step: int(sent.Step), Message: sent.said}
	if sent.Total != nil {
		progress.TotalSteps = int(*sent.Total)
	}
	if sent.Preview != nil && *sent.Preview != "" {
		// A preview that cannot be opened is only not shown: the engine may have replaced it already.
		if f, err := openInside(r.dir, *sent.Preview); err == nil {
			_ = f.Close()
			progress.Preview = filepath.Join(r.dir, *sent.Preview)
		}
	}
	return progress
}

// Cancel cancels the run in flight, or the next one. Twice changes nothing.
func (l *Lease) Cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.canceled = true
	if l.cancel != nil {
		l.cancel()
	}
}

func (l *Lease) enter(cancel context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.canceled || l.released {
		return false
	}
	l.cancel, l.ran = cancel, true
	return true
}

func (l *Lease) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel = nil
}

// Release gives the process back; it stays loaded. Of a released lease nothing else may be used. Twice changes nothing.
func (l *Lease) Release() {
	l.mu.Lock()
	if l.released {
		l.mu.Unlock()
		return
	}
	l.released = true
	ran, inFlight := l.ran, l.cancel != nil
	l.mu.Unlock()
	if inFlight {
		l.slot.proc.kill(ErrCanceled)
	}
	l.pool.release(l.slot, ran && !inFlight)
}
