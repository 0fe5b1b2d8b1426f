package device

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Health is how a card does, as far as its driver tells. NVIDIA's tells nothing here.
type Health struct {
	Busy int // Busy is the share of time that the card computes, in percent; -1 when it is not known.

	// Power is the state of its power management: active, suspended, error; "" when it is not known.
	Power string

	// Level is who chooses the clocks: auto, or a fixed level, such as low.
	Level string

	// Dumped says that the driver kept a dump of a fault. The kernel forgets it after minutes.
	Dumped bool

	// Compute are the processes with queues of the compute driver, whose work no counter of a descriptor shows.
	Compute []int
}

func (t tree) health(gpu GPU) Health {
	health := Health{Busy: -1}
	if gpu.Card == "" {
		return health
	}
	dir := filepath.Join("sys/class/drm", gpu.Card, "device")
	if busy, ok := t.number(filepath.Join(dir, "gpu_busy_percent")); ok {
		health.Busy = int(busy)
	}
	health.Power = t.word(filepath.Join(dir, "power/runtime_status"))
	health.Level = t.word(filepath.Join(dir, "power_dpm_force_performance_level"))
	health.Dumped = t.dumped(gpu.PCI)
	health.Compute = t.computing(gpu)
	return health
}

func (t tree) word(name string) string {
	raw, _ := t.read(name)
	return strings.TrimSpace(string(raw))
}

// dumped looks for a core dump of the card, which amdgpu leaves when it had to reset it.
func (t tree) dumped(pci string) bool {
	const dir = "sys/class/devcoredump"
	entries, err := os.ReadDir(filepath.Join(t.root, dir))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(entry os.DirEntry) bool {
		return pci != "" && t.pciAddress(filepath.Join(dir, entry.Name(), "failing_device")) == pci
	})
}

// computing are the processes that the compute driver knows on the card.
func (t tree) computing(gpu GPU) []int {
	node, ok := t.computeNodes()[strings.TrimPrefix(gpu.RenderNode, "/dev/dri/renderD")]
	if !ok || node.id == "" {
		return nil
	}
	const dir = "sys/class/kfd/kfd/proc"
	entries, err := os.ReadDir(filepath.Join(t.root, dir))
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if _, missing := os.Stat(filepath.Join(t.root, dir, entry.Name(), "vram_"+node.id)); err == nil &&
			missing == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Idle is a graphics card in the machine that no compute driver drives.
type Idle struct {
	PCI    string
	Vendor string // Vendor is AMD or NVIDIA.
	Name   string
	Driver string // Driver that holds it, as nouveau; "" when none does.
}

// idle are the display controllers of the makers whose cards can compute, that nothing usable drives.
func (t tree) idle() []Idle {
	const dir = "sys/bus/pci/devices"
	entries, err := os.ReadDir(filepath.Join(t.root, dir))
	if err != nil {
		return nil
	}
	var found []Idle
	for _, entry := range entries {
		device := filepath.Join(dir, entry.Name())
		vendor := map[string]string{"1002": "AMD", "10de": "NVIDIA"}[t.hex(device, "vendor")]
		if vendor == "" || !strings.HasPrefix(t.hex(device, "class"), "03") {
			continue
		}
		one := Idle{PCI: t.pciAddress(device), Vendor: vendor, Name: vendor + " GPU", Driver: t.event(device, "DRIVER")}
		if vendor == "AMD" {
			one.Name = amdName("1002:"+t.hex(device, "device"), t.hex(device, "revision"))
		}
		if one.Driver != "amdgpu" && one.Driver != "nvidia" && one.Driver != "vfio-pci" {
			found = append(found, one)
		}
	}
	return found
}
