package plan

import (
	"math"
	"slices"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
)

// Wish is a load that is wanted.
type Wish struct {
	Engine *engine.Manifest
	Model  string
	Device string // Device as in "cpu" or "hip:0".

	VRAMTotal int64    // VRAMTotal of the card, in bytes; 0 on the CPU.
	Variants  []string // Variants that are installed; nil stands for all.

	// Bytes of a variant's files as installed; 0 for one that is not known. A tiny model, or a fine-tune of another
	// size, needs so much less or more than the manifest plans for the released files. Default: the released ones.
	Bytes func(variant string) int64

	Width, Height int // Width and Height of a picture, in pixels. Default 0: what a plan of one megapixel covers.
	Pictures      int // Pictures of the run. Default 1.

	// VRAMRequired overrides what the manifest plans for the card, in bytes. Default 0: the manifest's.
	VRAMRequired int64

	// Peaks of earlier runs on this machine. Default: none are known.
	Peaks func(variant string, megapixels float64) (device.Memory, bool)
}

// Plan is how a model is loaded.
type Plan struct {
	Variant string
	device.Memory

	// AttentionBytes bounds a score matrix; 0 leaves the engine its own attention.
	AttentionBytes int64

	// ResidentBlocks stay on the card, the others are streamed through it; nil keeps all there.
	ResidentBlocks *int

	Batch int // Batch is how many pictures are made at once.

	// Lowered says that less is on the card than the manifest plans: the peak of such a run tells nothing of the
	// others.
	Lowered bool
}

// first is the index of the first way that fits the budget, -1 when none does.
func first(steps []Plan, budget device.Memory) int {
	return slices.IndexFunc(steps, func(p Plan) bool { return p.Fits(budget) })
}

const (
	// leastAttention is the smallest slice that still computes at a useful pace.
	leastAttention = 64 << 20
	// leastResident blocks are those in use and on their way.
	leastResident = 2
	// headroom is added to a learned peak: the next run may draw a little more.
	headroom = 1.05
	// cardContext is what the driver keeps on the card for a process, which torch does not count, in bytes.
	cardContext = 500_000_000
)

// Choose returns the first of the Fallbacks that fits the budget. Fails with *TooLargeError.
func Choose(w Wish, budget device.Memory) (Plan, error) {
	steps := Fallbacks(w)
	if i := first(steps, budget); i >= 0 {
		return steps[i], nil
	}
	return Plan{}, tooLarge(w, steps, budget)
}

// Fallbacks are all ways to load the model, the best first. There is always one: an engine without a plan needs
// nothing special.
func Fallbacks(w Wish) []Plan {
	entries := w.Engine.Plans(w.Device, w.VRAMTotal, w.Model, w.Variants)
	var steps []Plan
	for _, entry := range entries {
		variant := entry.Variant
		if variant == "" {
			variant = w.fallback()
		}
		steps = append(steps, w.lowered(entry, variant)...)
	}
	if len(steps) == 0 {
		steps = w.unplanned()
	}
	return steps
}

// unplanned is the way to load a variant that the manifest does not plan, as one that was imported under a name of its
// own: as if it were the most demanding of those that it does. An engine without any plan needs nothing special.
func (w Wish) unplanned() (steps []Plan) {
	var most *engine.MemoryPlan
	for _, entry := range w.Engine.Plans(w.Device, w.VRAMTotal, w.Model, nil) {
		if most == nil || entry.Peak(1).VRAM > most.Peak(1).VRAM {
			most = entry
		}
	}
	if most == nil {
		return []Plan{{Variant: w.fallback(), Batch: w.pictures()}}
	}
	return w.lowered(most, w.fallback())
}

// fallback is the variant of an entry that speaks of none: of those that are installed, the model's default first.
func (w Wish) fallback() string {
	model, known := w.Engine.Model(w.Model)
	if len(w.Variants) > 0 {
		if known && slices.Contains(w.Variants, model.DefaultVariant) {
			return model.DefaultVariant
		}
		return w.Variants[0]
	}
	if known && len(model.Variants) > 0 {
		if variant, ok := model.Variant(""); ok {
			return variant.ID
		}
	}
	return "default"
}

// lowered are the ways to load one variant: as planned, then with less and less on the card.
func (w Wish) lowered(entry *engine.MemoryPlan, variant string) []Plan {
	var steps []Plan
	for _, batch := range batches(w.pictures()) {
		peak := w.peak(entry, variant, batch)
		full := Plan{Variant: variant, Memory: peak, AttentionBytes: entry.AttentionBytes, Batch: batch}
		steps = append(steps, full)
		if peak.VRAM == 0 {
			continue
		}
		// What the other phases need stays, and what a step needs is counted against the plan, not against what was
		// seen of it.
		least := w.sized(device.Memory{VRAM: entry.LeastVRAM(w.megapixels() * float64(batch))}, variant).VRAM
		for _, attention := range smallerSlices(entry.AttentionBytes) {
			step := full
			step.AttentionBytes, step.Lowered = attention, true
			step.VRAM = max(step.VRAM-(entry.AttentionBytes-attention), least)
			steps = append(steps, step)
		}
		if batch == 1 {
			steps = append(steps, streamed(steps[len(steps)-1], entry.Blocks, least)...)
		}
	}
	return steps
}

// batches are the sizes in which so many pictures are made: all at once, halves of it, one by one.
func batches(pictures int) (sizes []int) {
	for size := pictures; size > 1; size = (size + 1) / 2 {
		sizes = append(sizes, size)
	}
	return append(sizes, 1)
}

// smallerSlices are ever smaller bounds of the attention.
func smallerSlices(bytes int64) (smaller []int64) {
	for bytes /= 2; bytes >= leastAttention; bytes /= 2 {
		smaller = append(smaller, bytes)
	}
	return smaller
}

// streamed keeps three quarters, half, a quarter and almost none of the blocks on the card.
func streamed(from Plan, blocks engine.Blocks, least int64) (steps []Plan) {
	const quarters = 4
	for kept := quarters - 1; kept >= 0 && blocks.Count > leastResident; kept-- {
		resident := max(blocks.Count*kept/quarters, leastResident)
		step := from
		step.ResidentBlocks, step.Lowered = &resident, true
		step.VRAM = max(step.VRAM-int64(blocks.Count-resident)*blocks.Bytes, least)
		steps = append(steps, step)
	}
	return steps
}

// peak is what the manifest plans, or what was seen here.
func (w Wish) peak(entry *engine.MemoryPlan, variant string, batch int) device.Memory {
	megapixels := w.megapixels() * float64(batch)
	peak := w.sized(entry.Peak(megapixels), variant)
	if w.VRAMRequired > 0 && peak.VRAM > 0 {
		peak.VRAM = w.VRAMRequired
		return peak
	}
	if w.Peaks == nil {
		return peak
	}
	if seen, ok := w.Peaks(variant, megapixels); ok {
		if seen.RAM > 0 {
			peak.RAM = int64(headroom * float64(seen.RAM))
		}
		if seen.VRAM > 0 && peak.VRAM > 0 {
			peak.VRAM = int64(headroom*float64(seen.VRAM)) + cardContext
		}
	}
	return peak
}

// Whatever the weights, a process with torch and an engine takes so much.
const leastRAM, leastVRAM = 1_200_000_000, 600_000_000

// sized moves a plan by as much as the installed files differ from the released ones.
func (w Wish) sized(peak device.Memory, variant string) device.Memory {
	model, known := w.Engine.Model(w.Model)
	if !known || w.Bytes == nil {
		return peak
	}
	released, ok := model.Variant(variant)
	installed := w.Bytes(variant)
	if !ok || released.DiskBytes == 0 || installed == 0 {
		return peak
	}
	differ := installed - released.DiskBytes
	if peak.RAM > 0 {
		peak.RAM = max(peak.RAM+differ, min(peak.RAM, leastRAM))
	}
	if peak.VRAM > 0 {
		peak.VRAM = max(peak.VRAM+differ, min(peak.VRAM, leastVRAM))
	}
	return peak
}

func (w Wish) pictures() int { return max(w.Pictures, 1) }

func (w Wish) megapixels() float64 {
	if w.Width == 0 || w.Height == 0 {
		return 1
	}
	return float64(w.Width) * float64(w.Height) / (1 << 20)
}

// Size is the class of picture sizes that share a peak: quarters of a megapixel, rounded up.
func Size(megapixels float64) int { return int(math.Ceil(max(megapixels, 0) * 4)) } //nolint:mnd // quarters
