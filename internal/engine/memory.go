package engine

import (
	"slices"
	"strings"
)

// Fit is what a load may take on a device, as the manifest plans it.
type Fit struct {
	Variant string // Variant to load. Default "default", of engines that have none.
	MemoryPlan

	AttentionBytes int64 // AttentionBytes bounds a score matrix; 0 is the engine's own attention.
	ResidentBlocks *int  // ResidentBlocks stay on the card; nil keeps all there.
}

// Plan is the peak that the engine needs on the device ("cpu", "hip:0", "cuda:1"): the highest of the whole and of its
// phases. It is zero when the manifest has no plan for that kind of device.
func (m *Manifest) Plan(device string) MemoryPlan {
	return m.PlanFor(device, 0)
}

// PlanFor is Plan for a card of vramTotal bytes: of the variants whose smallest card fits, the one meant for the largest.
// vramTotal 0 means that the size is not known, and takes the variant with the smallest demand.
func (m *Manifest) PlanFor(device string, vramTotal int64) MemoryPlan {
	return m.Fit(device, vramTotal, m.DefaultModel(), nil).MemoryPlan
}

// Variant names the variant that PlanFor chose, as the load frame carries it. Default "default".
func (m *Manifest) Variant(device string, vramTotal int64) string {
	return m.Fit(device, vramTotal, m.DefaultModel(), nil).Variant
}

// Fit plans a load of the model on the device. installed are the variants to choose from; nil stands for all.
func (m *Manifest) Fit(device string, vramTotal int64, model string, installed []string) Fit {
	entry := m.entry(device, vramTotal, model, installed)
	fit := Fit{Variant: "default"}
	if entry != nil {
		fit.MemoryPlan = MemoryPlan{RAMBytes: entry.RAMBytes, VRAMBytes: entry.VRAMBytes}
		for _, phase := range entry.Phases {
			fit.RAMBytes = max(fit.RAMBytes, phase.RAMBytes)
			fit.VRAMBytes = max(fit.VRAMBytes, phase.VRAMBytes)
		}
		fit.AttentionBytes, fit.ResidentBlocks = entry.AttentionBytes, entry.ResidentBlocks
	}
	switch {
	case entry != nil && entry.Variant != "":
		fit.Variant = entry.Variant
	case len(installed) > 0:
		fit.Variant = installed[0]
		if known, ok := m.Model(model); ok && slices.Contains(installed, known.DefaultVariant) {
			fit.Variant = known.DefaultVariant
		}
	}
	return fit
}

func (m *Manifest) entry(device string, vramTotal int64, model string, installed []string) *Memory {
	kind, _, _ := strings.Cut(device, ":")
	if kind == "" {
		kind = "cpu"
	}
	var best *Memory
	for i := range m.Memory {
		entry := &m.Memory[i]
		switch {
		case entry.Device != kind && !(entry.Device == "gpu" && (kind == "hip" || kind == "cuda")):
		case entry.Model != "" && entry.Model != model:
		case entry.Variant != "" && installed != nil && !slices.Contains(installed, entry.Variant):
		case vramTotal > 0 && entry.MinVRAMBytes > vramTotal:
		case best == nil || (vramTotal > 0) == (entry.MinVRAMBytes > best.MinVRAMBytes) && entry.MinVRAMBytes != best.MinVRAMBytes:
			best = entry
		}
	}
	return best
}
