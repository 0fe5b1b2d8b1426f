package runner

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/sidecar"
)

// ModelFiles are the installed models.
type ModelFiles interface {
	// Files are the absolute paths of a variant's parts, checked to be what was installed.
	Files(ctx context.Context, model, variant string) (map[string]string, error)
	// VariantBytes is what a variant's files take; 0 when it is not installed.
	VariantBytes(model, variant string) int64
	// Pinned says that the user keeps the model: it is not unloaded for being idle.
	Pinned(model string) bool
	// Used notes that the model was loaded just now: what has not been used for longest goes first when space is
	// needed.
	Used(model string)
}

// load is what a job needs loaded, and with which plan.
type load struct {
	model   string
	plan    plan.Plan
	refused *plan.TooLargeError // why no plan fits this machine, nil when one does
}

func (l load) need() device.Memory {
	if l.refused != nil {
		return l.refused.Need
	}
	return l.plan.Memory
}

// Size is what the memory of a run depends on; zero fields are what the request does not say.
type Size struct{ Width, Height, Pictures int }

// loadFor plans a job of the engine on the device.
func (r *Runner) loadFor(m *engine.Manifest, task, model, name string, size Size, snapshot device.Snapshot) load {
	l := load{model: r.cfg.Catalogue.ToLoad(m, engine.Choice{Task: task, Model: model})}
	headroom := r.headroom(name, snapshot)
	sure, sureErr := plan.Choose(r.wish(m, l.model, name, size, snapshot, true), headroom)
	seen, seenErr := plan.Choose(r.wish(m, l.model, name, size, snapshot, false), headroom)
	switch {
	case seenErr == nil && (sureErr != nil || sameWay(seen, sure)):
		l.plan = seen
	case sureErr == nil:
		// One run alone took more than the rest: that is not a reason to refuse a job, or to load its model in a lower
		// way.
		l.plan = sure
	default:
		errors.As(sureErr, &l.refused)
	}
	return l
}

// sameWay says whether two plans load a model alike, whatever memory they count on.
func sameWay(a, b plan.Plan) bool {
	a.Memory, b.Memory = device.Memory{}, device.Memory{}
	return reflect.DeepEqual(a, b)
}

// wish for a plan. confirmed leaves out peaks that only one run had.
func (r *Runner) wish(
	m *engine.Manifest,
	model, name string,
	size Size,
	snapshot device.Snapshot,
	confirmed bool,
) plan.Wish {
	wish := plan.Wish{
		Engine:       m,
		Model:        model,
		Device:       name,
		VRAMTotal:    vramOf(snapshot, name),
		Variants:     r.cfg.Catalogue.VariantsOf(m, model),
		Width:        size.Width,
		Height:       size.Height,
		Pictures:     size.Pictures,
		VRAMRequired: r.cfg.VRAMRequired[model],
		Peaks: func(variant string, megapixels float64) (device.Memory, bool) {
			class := plan.Size(megapixels)
			if size.Width == 0 || size.Height == 0 {
				class = 0 // as attempt.peak records it
			}
			return r.peaks.of(peakKey(m.ID, model, r.files(model, variant), name, class), confirmed)
		},
	}
	if r.cfg.Models != nil {
		wish.Bytes = func(variant string) int64 { return r.cfg.Models.VariantBytes(model, variant) }
	}
	return wish
}

// headroom is what a load may take when nothing else of ours is loaded.
func (r *Runner) headroom(name string, snapshot device.Snapshot) device.Memory {
	headroom := device.Memory{RAM: snapshot.RAMTotal - r.keepFree(snapshot)}
	for _, gpu := range snapshot.GPUs {
		if gpu.Device() == name {
			headroom.VRAM = r.mayHold(gpu)
		}
	}
	return headroom
}

// Fit says whether this machine could run a job at all, before it is queued. Fails with *plan.TooLargeError.
func (r *Runner) Fit(m *engine.Manifest, task, model string, size Size) error {
	snapshot := r.cfg.Host.Snapshot()
	if snapshot.Err != nil {
		return nil // not read at the moment: each scheduling pass plans anew
	}
	l := r.loadFor(m, task, model, r.deviceFor(m.UsesGPU, snapshot), size, snapshot)
	if l.refused != nil && !r.cfg.Shared {
		return l.refused
	}
	return nil
}

func (a *attempt) size() Size {
	number := func(name string) int {
		value, _ := a.claimed.Params[name].(float64)
		return int(value)
	}
	return Size{number("width"), number("height"), number("num_images")}
}

// acquire gets a process that has the model loaded as planned.
func (a *attempt) acquire(ctx context.Context) (*sidecar.Lease, error) {
	spec := sidecar.Spec{
		Engine:  a.manifest,
		Model:   a.load.model,
		Variant: a.load.plan.Variant,
		Device:  a.device,
		Plan:    a.load.plan,
	}
	model, ok := a.manifest.Model(a.load.model)
	if ok && a.runner.cfg.Models != nil && !a.runner.cfg.Catalogue.IsReplaced(a.manifest.ID) {
		if model.NeedsFiles() {
			files, err := a.runner.cfg.Models.Files(ctx, a.load.model, a.load.plan.Variant)
			if err != nil {
				return nil, filesMissing(ctx, a.load.model, err)
			}
			a.runner.cfg.Models.Used(a.load.model)
			spec.Files = files
		}
		a.borrow(ctx, model, &spec)
	}
	return a.runner.cfg.Pool.Acquire(ctx, spec)
}

// filesMissing says what is wrong with a model's files and what to do about it.
func filesMissing(ctx context.Context, model string, err error) error {
	var file *models.FileError
	var input *models.InputError
	message := i18n.Say("the files of the model %s could not be read: run `apibr models verify %s`", model, model)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &file):
		message = i18n.For(file)
	case errors.As(err, &input):
		message = i18n.For(input)
	case errors.Is(err, models.ErrNotInstalled):
		message = i18n.Say("the files of the model %s are not installed: run `apibr models install %s`", model, model)
	}
	return &sidecar.EngineError{Code: sidecar.ModelMissing, Message: message}
}

// lower is the next of the fallbacks after memory ran out although the plan promised that it would not; false when
// there is none.
func (a *attempt) lower() bool {
	snapshot := a.runner.cfg.Host.Snapshot()
	for _, step := range plan.Fallbacks(a.runner.wish(a.manifest, a.load.model, a.device, a.size(), snapshot, false)) {
		if step.VRAM < a.load.plan.VRAM || step.RAM < a.load.plan.RAM {
			a.load.plan = step
			return true
		}
	}
	return false
}

// class of runs that step at the same pace: pictures of one size made in one way.
func (a *attempt) class() string {
	size, p := a.size(), a.load.plan
	if size == (Size{}) {
		return ""
	}
	class := fmt.Sprintf("%s %dx%d n%d", p.Variant, size.Width, size.Height, max(p.Batch, 1))
	if p.ResidentBlocks != nil {
		class += fmt.Sprintf(" r%d", *p.ResidentBlocks)
	}
	return class
}

// peak of the run, for the plans of the next ones. A run that was served by a process with other work before it, or
// that resumed, tells too much or too little.
func (a *attempt) peak() *jobs.PeakRecord {
	lowered, _ := a.result.Metadata["lowered"].(bool)
	if a.load.plan.Variant == "" || a.result.PeakRAM == 0 || len(a.claimed.Segments) > 0 ||
		len(a.manifest.Memory) == 0 ||
		a.load.plan.Lowered ||
		lowered {
		return nil
	}
	size := 0
	if width, height := a.size().Width, a.size().Height; width > 0 && height > 0 {
		size = plan.Size(float64(width) * float64(height) * float64(max(a.load.plan.Batch, 1)) / (1 << 20))
	}
	key := peakKey(a.manifest.ID, a.load.model, a.runner.files(a.load.model, a.load.plan.Variant), a.device, size)
	return &jobs.PeakRecord{PeakKey: key, Memory: device.Memory{RAM: a.result.PeakRAM, VRAM: a.result.PeakVRAM}}
}

// files names a variant with the size of its files: other files under the same name have other peaks.
func (r *Runner) files(model, variant string) string {
	if r.cfg.Models == nil {
		return variant
	}
	if bytes := r.cfg.Models.VariantBytes(model, variant); bytes > 0 {
		return fmt.Sprintf("%s %d MB", variant, bytes/1_000_000)
	}
	return variant
}

func peakKey(id engine.ID, model, variant, name string, size int) jobs.PeakKey {
	kind, _, _ := strings.Cut(name, ":")
	return jobs.PeakKey{Engine: string(id), Model: model, Variant: variant, Device: kind, Size: size}
}

// peaks answers from memory what the table memory_peaks holds.
type peaks struct {
	mu    sync.Mutex
	known map[jobs.PeakKey]*jobs.PeakWindow
}

// of a kind of run: the most that the last ones took, or only what more than one of them took.
func (p *peaks) of(key jobs.PeakKey, confirmed bool) (device.Memory, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	window, ok := p.known[key]
	if !ok {
		return device.Memory{}, false
	}
	peak := window.Highest(time.Now())
	if confirmed {
		peak = window.Confirmed(time.Now())
	}
	return peak, peak != device.Memory{}
}

func (r *Runner) preloadPeaks(ctx context.Context) {
	known, err := r.cfg.Jobs.PeakWindows(ctx)
	if err != nil {
		r.cfg.Log.WarnContext(
			ctx,
			"the memory peaks of earlier runs could not be read: plans are the manifests'",
			"err",
			err,
		)
		return
	}
	r.peaks.set(known)
}

// loadedModels are those of idle processes, for ETAs.
func (r *Runner) loadedModels() (keys []string) {
	for _, loaded := range r.loaded() {
		keys = append(keys, loaded.Model)
	}
	return keys
}

func (p *peaks) set(known map[jobs.PeakKey]*jobs.PeakWindow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = known
}

func (p *peaks) add(record *jobs.PeakRecord) {
	if record == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[jobs.PeakKey]*jobs.PeakWindow{}
	}
	if p.known[record.PeakKey] == nil {
		p.known[record.PeakKey] = &jobs.PeakWindow{}
	}
	p.known[record.PeakKey].Add(record.Memory, time.Now())
}
