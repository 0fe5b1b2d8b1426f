package device

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Host is what the studio sees of the machine. NewHost fills it from /proc and /sys; tests replace single fields.
// All functions may be called from several goroutines.
type Host struct {
	// KernelBootID is random and new at every boot of the machine.
	KernelBootID func() (string, error)

	// Memory is the host's memory in bytes: installed, and what programs can still take without swapping.
	Memory func() (total, available int64, err error)

	// PressureFull is the share of the last ten seconds, in percent, in which every task waited for memory. It fails
	// with fs.ErrNotExist on a kernel without pressure stall information.
	PressureFull func() (avg10 float64, err error)

	// GPUs are the graphics cards that a driver answers for, in a stable order; discrete ones first.
	GPUs func() []GPU

	// ProcessPrivate is the memory in bytes of one process that only its end gives back: without the pages of files
	// that it maps. 0 when it is gone.
	ProcessPrivate func(pid int) int64

	// ProcessGPU is what one process holds on the cards, by its drm file descriptors.
	ProcessGPU func(pid int) (vram, gtt int64)

	// GroupRSS and GroupCPU are the resident memory and the CPU time used so far of a whole process group.
	GroupRSS func(pgid int) int64
	GroupCPU func(pgid int) time.Duration

	// Only the doctor asks for the following.

	// Kernel is the kernel's release; "" when it is not known.
	Kernel func() string

	// Swap is the size of the swap space and what of it is free.
	Swap func() (total, free int64, err error)

	// Clients are the processes that hold a card open.
	Clients func() []Client

	// Health is how a card does.
	Health func(GPU) Health

	// Idle are graphics cards that no compute driver drives.
	Idle func() []Idle

	// Access says whether this user may read and write a device file.
	Access func(path string) error

	// Module is the version of a loaded kernel module, "" where it tells none; ok says whether it is loaded.
	Module func(name string) (version string, ok bool)

	// Owner is the group that owns a device file; "" when it is not known.
	Owner func(path string) string
}

// GPU is one graphics card. Sizes are bytes.
type GPU struct {
	Index      int    // Index counts the cards of one kind as torch does when it sees only discrete ones: hip:0.
	Ordinal    int    // Ordinal is how HIP or CUDA count it among all cards: what HIP_VISIBLE_DEVICES takes.
	Kind       string // Kind is hip or cuda.
	Name       string
	PCI        string // PCI is the bus address, as in 0000:03:00.0.
	VRAMTotal  int64
	VRAMUsed   int64
	GTTUsed    int64 // GTTUsed is host memory mapped for the card; 0 where the driver has no such thing.
	Integrated bool  // Integrated cards share the host's memory and are never chosen.
	RenderNode string
	Card       string // Card is the kernel's name, as in card1; "" for a card that was not found in sysfs.
	Driver     string // Driver is the kernel's module, as amdgpu.
	GFX        string // GFX is the instruction set of an AMD card, as in gfx1031; "" when it is not known.
}

// Device is the name that jobs and load frames use, as in hip:0.
func (g GPU) Device() string { return g.Kind + ":" + itoa(g.Index) }

// Snapshot is the machine at one moment.
type Snapshot struct {
	At           time.Time
	RAMTotal     int64
	RAMAvailable int64
	PressureFull float64 // PressureFull is 0 where the kernel does not tell.
	GPUs         []GPU
	Err          error // Err says why memory could not be read; sizes are then 0.
}

// Root is the root under which NewHost("") reads: APIBR_SYSFS_ROOT, else /.
func Root() string {
	if root := os.Getenv("APIBR_SYSFS_ROOT"); root != "" {
		return root
	}
	return "/"
}

// NewHost reads the machine below root; "" stands for Root().
//
// A moved root replaces cards, memory, pressure and boot id. What it does not hold of memory and boot id is read from
// the real machine, and processes always are: their numbers mean nothing elsewhere.
func NewHost(root string) *Host {
	if root == "" {
		root = Root()
	}
	t := tree{root: filepath.Clean(root)}
	nvidia, apps := &nvidiaReader{query: queryNvidia}, queryNvidiaClients
	if t.root != "/" {
		nvidia.query = func(context.Context) ([]byte, error) { return t.read("nvidia-smi.csv") }
		apps = func(context.Context) ([]byte, error) { return t.read("nvidia-smi-apps.csv") }
	}
	return &Host{
		KernelBootID:   t.bootID,
		Memory:         t.memory,
		PressureFull:   t.pressureFull,
		GPUs:           func() []GPU { return order(append(t.amdgpu(), nvidia.gpus()...)) },
		ProcessPrivate: processPrivate,
		ProcessGPU:     t.processGPU,
		GroupRSS:       groupRSS,
		GroupCPU:       groupCPU,
		Kernel:         t.kernel,
		Swap:           t.swap,
		Clients:        func() []Client { return append(t.clients(), nvidiaClients(apps)...) },
		Health:         t.health,
		Idle:           t.idle,
		Access: func(path string) error {
			return unix.Access(filepath.Join(t.root, path), unix.R_OK|unix.W_OK)
		},
		Module: t.module,
		Owner:  t.owner,
	}
}

// Snapshot reads everything once.
func (h *Host) Snapshot() Snapshot {
	s := Snapshot{At: time.Now(), GPUs: h.GPUs()}
	s.RAMTotal, s.RAMAvailable, s.Err = h.Memory()
	if pressure, err := h.PressureFull(); err == nil {
		s.PressureFull = pressure
	}
	return s
}

// Best is the card to compute on: the discrete one with the most memory, by name where that is equal.
func (s Snapshot) Best() (GPU, bool) {
	var best GPU
	found := false
	for _, gpu := range s.GPUs {
		if !gpu.Integrated && (!found || gpu.VRAMTotal > best.VRAMTotal) {
			best, found = gpu, true
		}
	}
	return best, found
}
