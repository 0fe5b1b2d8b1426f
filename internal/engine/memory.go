package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/device"
)

// MemoryPlan is what the engine needs on one kind of device, for one model in one variant.
type MemoryPlan struct {
	Device  string `yaml:"device"`  // Device is cpu, gpu, hip or cuda; gpu stands for both kinds.
	Model   string `yaml:"model"`   // Model that this is for. Default: every model of the engine.
	Variant string `yaml:"variant"` // Variant that this is for. Default: every variant.

	// MinVRAMBytes is the smallest card that the variant is meant for. Default 0: any.
	MinVRAMBytes int64 `yaml:"min_vram_bytes"`

	// Memory holds for the whole run, Phases for one each; the highest counts.
	device.Memory `yaml:",inline"`
	Phases        map[string]PhasePlan `yaml:"phases"`

	// AttentionBytes bounds the score matrix of an attention in this plan. Default 0: the engine's own attention.
	AttentionBytes int64 `yaml:"attention_bytes"`

	// Blocks that the engine can stream through the card instead of keeping them there. Default: it cannot.
	Blocks Blocks `yaml:"blocks"`
}

// Blocks are the equal parts of a model that can be streamed.
type Blocks struct {
	Count int   `yaml:"count"`
	Bytes int64 `yaml:"bytes"` // Bytes of one block as it is stored.
}

// samplePhase is where the blocks and the bounded attention are: what they save, the other phases do not.
const samplePhase = "sample"

// LeastVRAM is the highest demand of the phases that streaming and smaller slices do not lower, in bytes.
func (e *MemoryPlan) LeastVRAM(megapixels float64) (bytes int64) {
	for name, phase := range e.Phases {
		if name != samplePhase {
			bytes = max(bytes, phase.at(megapixels).VRAM)
		}
	}
	return bytes
}

// PhasePlan is the peak of a phase for one picture of one megapixel, and what each further megapixel adds.
type PhasePlan struct {
	device.Memory `yaml:",inline"`
	PerMegapixel  device.Memory `yaml:"per_megapixel"`
}

// at is the phase's peak for so many megapixels.
func (p PhasePlan) at(megapixels float64) device.Memory {
	further := max(0, megapixels-1)
	return device.Memory{
		RAM:  p.RAM + int64(further*float64(p.PerMegapixel.RAM)),
		VRAM: p.VRAM + int64(further*float64(p.PerMegapixel.VRAM)),
	}
}

// Peak is the highest of the whole and of its phases for so many megapixels, all pictures of a batch together. Up to
// one megapixel it is the plan itself: what a smaller picture saves is little beside the weights.
func (e *MemoryPlan) Peak(megapixels float64) device.Memory {
	peak := e.Memory
	for _, phase := range e.Phases {
		peak = peak.Most(phase.at(megapixels))
	}
	return peak
}

// Plan is the peak that the engine's default model needs on the device ("cpu", "hip:0", "cuda:1") at one megapixel. It
// is zero when the manifest has no plan for that kind of device.
func (m *Manifest) Plan(name string) device.Memory {
	return m.PlanFor(name, 0)
}

// PlanFor is Plan for a card of vramTotal bytes: of the variants whose smallest card fits, the one meant for the
// largest. vramTotal 0 means that the size is not known, and takes the variant with the smallest demand.
func (m *Manifest) PlanFor(name string, vramTotal int64) device.Memory {
	entries := m.Plans(name, vramTotal, m.DefaultModel(), nil)
	if len(entries) == 0 {
		return device.Memory{}
	}
	return entries[0].Peak(1)
}

// Variant names the variant that PlanFor chose, as the load frame carries it. Default "default".
func (m *Manifest) Variant(name string, vramTotal int64) string {
	if entries := m.Plans(name, vramTotal, m.DefaultModel(), nil); len(entries) > 0 && entries[0].Variant != "" {
		return entries[0].Variant
	}
	return "default"
}

// Plans are the manifest's plans for a model on a device, the best for a card of vramTotal bytes first: the variants
// meant for the largest card that this one is, then those for smaller ones, and at last those that are meant for
// larger cards, which may fit when blocks are streamed. Of equal ones the manifest's order counts. installed are the
// variants to choose from; nil stands for all.
func (m *Manifest) Plans(name string, vramTotal int64, model string, installed []string) []*MemoryPlan {
	kind, _, _ := strings.Cut(name, ":")
	if kind == "" {
		kind = "cpu"
	}
	var plans []*MemoryPlan
	for i := range m.Memory {
		entry := &m.Memory[i]
		switch {
		case entry.Device != kind && !(entry.Device == "gpu" && (kind == "hip" || kind == "cuda")):
		case entry.Model != "" && entry.Model != model:
		case entry.Variant != "" && installed != nil && !slices.Contains(installed, entry.Variant):
		default:
			plans = append(plans, entry)
		}
	}
	slices.SortStableFunc(plans, func(a, b *MemoryPlan) int {
		beyondA, beyondB := a.MinVRAMBytes > vramTotal, b.MinVRAMBytes > vramTotal
		switch {
		case beyondA && beyondB: // of an unknown card all are beyond it: the smallest demand first
			return cmp.Compare(a.MinVRAMBytes, b.MinVRAMBytes)
		case beyondA:
			return 1
		case beyondB:
			return -1
		default:
			return cmp.Compare(b.MinVRAMBytes, a.MinVRAMBytes)
		}
	})
	return plans
}
