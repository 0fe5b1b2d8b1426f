package runner

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/sidecar"
)

// on is a runner without jobs on the machine of a tree.
func on(t *testing.T, tree string, change func(*Config)) *Runner {
	t.Helper()
	host := device.NewHost("../device/testdata/" + tree)
	cfg := Config{Host: host, Pool: sidecar.New(sidecar.Config{WorkDir: t.TempDir(), Host: host}), UseGPU: true}
	if change != nil {
		change(&cfg)
	}
	return &Runner{cfg: cfg, baseline: map[string]int64{}, running: map[uuid.UUID]*run{}}
}

// The scheduler sees the discrete cards of each machine, and of their memory what the desktop and the reserve
// leave.
func TestAdmissibleMemoryOnEachMachine(t *testing.T) {
	const rx, gib = int64(12868124672), int64(1) << 30
	for tree, want := range map[string]struct {
		device      string
		free, total int64
	}{
		"igpu-first": {"hip:0", rx - 2*gib, rx - 2*gib}, // 1 GiB of desktop, 1 GiB of reserve
		"spilled":    {"hip:0", 0, 0},                   // another program holds nearly all of it
		"hung":       {"hip:0", rx - 4*gib, rx - 4*gib},
		"nvidia":     {"cuda:0", 24564<<20 - 512<<20 - gib, 24564<<20 - 512<<20 - gib},
		"cpu":        {"cpu", 0, 0},
		"no-driver":  {"cpu", 0, 0},
	} {
		r := on(t, tree, nil)
		snapshot := r.cfg.Host.Snapshot()
		require.Equal(t, want.device, r.deviceFor(true, snapshot), tree)
		require.Equal(t, cpu, r.deviceFor(false, snapshot), tree)
		devices := r.devices(snapshot)
		for _, gpu := range snapshot.GPUs {
			_, listed := devices[gpu.Device()]
			require.Equal(t, !gpu.Integrated, listed, "%s: %s", tree, gpu.Name)
		}
		if want.device == cpu {
			require.Empty(t, devices, tree)
			continue
		}
		require.Equal(t, want.free, max(devices[want.device].Free, 0), tree)
		require.Equal(t, want.total, max(devices[want.device].Total, 0), tree)
	}
}

func TestConfigurationKeepsJobsOffTheCard(t *testing.T) {
	r := on(t, "igpu-first", func(c *Config) { c.UseGPU = false })
	require.Equal(t, cpu, r.deviceFor(true, r.cfg.Host.Snapshot()))
	r = on(t, "igpu-first", func(c *Config) { c.GPUFraction = 0.5 })
	require.Equal(t, int64(12868124672)/2, r.devices(r.cfg.Host.Snapshot())["hip:0"].Total)
}
