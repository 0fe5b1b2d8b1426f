package engine

import "strings"

// Plan is the peak that the engine needs on the device ("cpu", "hip:0", "cuda:1"): the highest of the whole and of its
// phases. It is zero when the manifest has no plan for that kind of device.
func (m *Manifest) Plan(device string) MemoryPlan {
	return m.PlanFor(device, 0)
}

// PlanFor is Plan for a card of vramTotal bytes: of the variants whose smallest card fits, the one meant for the largest.
// vramTotal 0 means that the size is not known, and takes the variant with the smallest demand.
func (m *Manifest) PlanFor(device string, vramTotal int64) MemoryPlan {
	entry := m.variant(device, vramTotal)
	if entry == nil {
		return MemoryPlan{}
	}
	plan := MemoryPlan{RAMBytes: entry.RAMBytes, VRAMBytes: entry.VRAMBytes}
	for _, phase := range entry.Phases {
		plan.RAMBytes = max(plan.RAMBytes, phase.RAMBytes)
		plan.VRAMBytes = max(plan.VRAMBytes, phase.VRAMBytes)
	}
	return plan
}

// Variant names the variant that PlanFor chose, as the load frame carries it. Default "default".
func (m *Manifest) Variant(device string, vramTotal int64) string {
	if entry := m.variant(device, vramTotal); entry != nil && entry.Variant != "" {
		return entry.Variant
	}
	return "default"
}

func (m *Manifest) variant(device string, vramTotal int64) *Memory {
	kind, _, _ := strings.Cut(device, ":")
	if kind == "" {
		kind = "cpu"
	}
	var best *Memory
	for i := range m.Memory {
		entry := &m.Memory[i]
		if entry.Device != kind && !(entry.Device == "gpu" && (kind == "hip" || kind == "cuda")) {
			continue
		}
		if vramTotal > 0 && entry.MinVRAMBytes > vramTotal {
			continue
		}
		better := best == nil || (vramTotal > 0) == (entry.MinVRAMBytes > best.MinVRAMBytes) && entry.MinVRAMBytes != best.MinVRAMBytes
		if better {
			best = entry
		}
	}
	return best
}
