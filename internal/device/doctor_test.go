package device

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
)

var update = flag.Bool("update", false, "write the expected output of the doctor anew")

// the disk is the test machine's own.
var ownDisk = regexp.MustCompile(`(?m)^.*\bdisk.*\n(    →.*\n)*`)

// patient is an installation on the machine of a tree: everything is in place, the models passed on that card.
func patient(t *testing.T, tested *Tested) DoctorConfig {
	t.Helper()
	dir := t.TempDir()
	for name, says := range map[string]string{"ffmpeg": "ffmpeg version 7.0 of a test",
		"draft/bin/python": "Python 3.11.7", "models/bin/python": "Python 3.11.7"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho "+says+"\n"), 0o700))
	}
	return DoctorConfig{
		DataDir:   dir,
		ModelsDir: dir,
		FFmpeg:    filepath.Join(dir, "ffmpeg"),
		External:  true,
		Tested:    tested,
		Settle:    time.Nanosecond,
		Venvs:     map[string]string{"draft": filepath.Join(dir, "draft"), "models": filepath.Join(dir, "models")},
	}
}

func written(checks []Check) string {
	var text strings.Builder
	for _, check := range checks {
		fmt.Fprintf(
			&text,
			"%s %s: %s | %s\n",
			check.Level,
			check.ID,
			check.Message.String(),
			check.Message.In(language.BrazilianPortuguese),
		)
		if !check.Fix.Empty() {
			fmt.Fprintf(&text, "    → %s | %s\n", check.Fix.String(), check.Fix.In(language.BrazilianPortuguese))
		}
	}
	return ownDisk.ReplaceAllString(text.String(), "")
}

// The whole report of each machine, in both languages.
func TestDoctorReportsEachMachine(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	amd := &Tested{
		Profile: "rocm-amd",
		Kind:    "rocm",
		GFX:     "gfx1031",
		Torch:   "2.11.0",
		Device:  "AMD Radeon RX 6750 XT",
		At:      at,
	}
	for tree, tested := range map[string]*Tested{
		"igpu-first": amd, "spilled": amd, "hung": amd,
		"no-driver": {Profile: "cpu-pytorch", Kind: "cpu", Torch: "2.11.0", At: at},
		"nvidia":    {Profile: "pypi", Kind: "cuda", Torch: "2.11.0", Device: "NVIDIA GeForce RTX 4090", At: at},
		"cpu":       {Profile: "pypi", Kind: "cpu", Torch: "2.11.0", At: at},
	} {
		t.Run(tree, func(t *testing.T) {
			got := written(Doctor(context.Background(), NewHost(filepath.Join("testdata", tree)), patient(t, tested)))
			golden := filepath.Join("testdata", tree, "doctor.txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// sick changes one thing about the user's PC.
func sick(t *testing.T, change func(h *Host, cfg *DoctorConfig)) map[string]Check {
	t.Helper()
	h := NewHost("testdata/igpu-first")
	cfg := patient(
		t,
		&Tested{Profile: "rocm-amd", Kind: "rocm", GFX: "gfx1031", Torch: "2.11.0", Device: "AMD Radeon RX 6750 XT"},
	)
	change(h, &cfg)
	found := map[string]Check{}
	for _, check := range Doctor(context.Background(), h, cfg) {
		require.NotEmpty(t, check.Message.String())
		require.NotEmpty(t, check.Message.In(language.BrazilianPortuguese))
		require.Equal(t, check.OK, check.Fix.Empty(), check.ID)
		found[check.ID] = check
	}
	return found
}

func TestRightsToTheCard(t *testing.T) {
	found := sick(t, func(h *Host, _ *DoctorConfig) {
		h.Access = func(path string) error {
			if strings.HasPrefix(path, "/dev/dri/") {
				return fs.ErrPermission
			}
			return nil
		}
		h.Owner = func(string) string { return "gpuusers" }
	})
	require.Equal(t, Failure, found["gpu.render_node"].Level)
	require.Contains(t, found["gpu.render_node"].Message.String(), "/dev/dri/renderD129 may not be opened")
	require.Equal(
		t,
		"sudo usermod -aG render,video,gpuusers $USER, then log in again",
		found["gpu.render_node"].Fix.String(),
	)

	found = sick(t, func(h *Host, _ *DoctorConfig) {
		h.Access = func(path string) error {
			if path == "/dev/kfd" {
				return fs.ErrNotExist
			}
			return nil
		}
	})
	require.Equal(t, Failure, found["gpu.driver"].Level)
	require.NotContains(t, found, "gpu.render_node", "the driver comes first")
}

func TestABusyCardThatWorksIsNotHung(t *testing.T) {
	look := 0
	busy := func(h *Host, _ *DoctorConfig) {
		h.Health = func(GPU) Health { return Health{Busy: 100, Power: "active"} }
	}
	working := func(h *Host, cfg *DoctorConfig) {
		busy(h, cfg)
		clients := h.Clients
		h.Clients = func() []Client {
			found := clients()
			look++
			for i := range found {
				found[i].Engine += time.Duration(look) * time.Millisecond
				found[i].State = 'D'
			}
			return found
		}
	}
	require.NotContains(t, sick(t, working), "gpu.hang")
	computing := func(h *Host, cfg *DoctorConfig) {
		busy(h, cfg)
		h.Health = func(GPU) Health { return Health{Busy: 100, Compute: []int{77}} }
	}
	require.NotContains(t, sick(t, computing), "gpu.hang", "no counter shows the work of the compute driver's queues")
	require.Equal(t, Warning, sick(t, busy)["gpu.hang"].Level, "whose programs of others cannot be seen")
	dumped := func(h *Host, _ *DoctorConfig) { h.Health = func(GPU) Health { return Health{Busy: 100, Dumped: true} } }
	require.Equal(t, Failure, sick(t, dumped)["gpu.hang"].Level)
	reset := func(h *Host, _ *DoctorConfig) { h.Health = func(GPU) Health { return Health{Busy: 2, Dumped: true} } }
	require.Contains(t, sick(t, reset)["gpu.hang"].Message.String(), "had to reset")
}

func TestPowerSwapAndOurOwnMemory(t *testing.T) {
	found := sick(t, func(h *Host, _ *DoctorConfig) {
		h.Health = func(GPU) Health { return Health{Busy: -1, Power: "active", Level: "low"} }
		h.Swap = func() (int64, int64, error) { return 8 << 30, 1 << 30, nil }
		h.Clients = func() []Client {
			return []Client{
				{PCI: "0000:0f:00.0", Name: "python", VRAM: 900 << 20, Ours: true},
				{PCI: "0000:03:00.0", Name: "elsewhere", VRAM: 8 << 30},
			}
		}
	})
	require.Contains(t, found["gpu.power"].Fix.String(), "card1/device/power_dpm_force_performance_level")
	require.Equal(t, Warning, found["swap"].Level)
	require.Equal(t, "Other programs hold 0.1 GiB of the card", found["gpu.programs"].Message.String())
	for power, level := range map[string]Level{"suspended": Fine, "error": Failure} {
		found = sick(
			t,
			func(h *Host, _ *DoctorConfig) { h.Health = func(GPU) Health { return Health{Busy: -1, Power: power} } },
		)
		require.Equal(t, level, found["gpu.power"].Level)
	}
}

func TestVerdictOfAnotherMachineIsRecognised(t *testing.T) {
	for text, tested := range map[string]Tested{
		"never tested":              {},
		"computes on the processor": {Profile: "cpu-pytorch", Kind: "cpu"},
		"another card":              {Profile: "rocm-amd", Kind: "rocm", GFX: "gfx1100"},
		"another card than":         {Profile: "pypi", Kind: "cuda"},
		"failed (conv3d); conv3d: nan": {Profile: "rocm-amd", Kind: "rocm", Failed: []string{"conv3d"},
			Cause: "conv3d: nan"},
		"has changed since": {Profile: "rocm-amd", Kind: "rocm", Stale: true},
	} {
		found := sick(t, func(_ *Host, cfg *DoctorConfig) {
			cfg.Tested = &tested
			if tested.Profile == "" {
				cfg.Tested = nil
			}
		})
		require.Contains(t, found["models.selftest"].Message.String(), text)
		require.Contains(t, found["models.selftest"].Fix.String(), "apibr models setup")
	}
	gone := sick(t, func(h *Host, _ *DoctorConfig) { h.GPUs = func() []GPU { return nil } })
	require.Contains(t, gone["models.selftest"].Message.String(), "which is not there")
	unused := sick(t, func(_ *Host, cfg *DoctorConfig) {
		cfg.NoGPU, cfg.Tested = true, &Tested{Profile: "cpu-pytorch", Kind: "cpu"}
	})
	require.True(t, unused["models.selftest"].OK)
	require.True(t, unused["gpu.unused"].OK)
}

func TestKernelCaches(t *testing.T) {
	full := sick(t, func(_ *Host, cfg *DoctorConfig) {
		dir := filepath.Join(cfg.DataDir, "cache/miopen/deep")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "gfx1031.ukdb"), make([]byte, 3<<20), 0o600))
	})
	require.Equal(t, "3 MiB of tuned kernels", full["caches"].Message.String())
}

func TestTheComputeDriversOrderIsKnown(t *testing.T) {
	s := NewHost("testdata/igpu-first").Snapshot()
	best, found := s.Best()
	require.True(t, found)
	require.Equal(t, "AMD Radeon RX 6750 XT", best.Name)
	require.Equal(t, 1, best.Ordinal, "HIP counts the integrated card first")
	require.Equal(t, "hip:0", best.Device(), "among those that a sidecar sees it is the first")
	require.Equal(t, "gfx1031", best.GFX)
	require.Equal(t, "gfx1036", s.GPUs[1].GFX)
	require.Equal(t, "gfx90c", gfxName(90012))
	require.Equal(t, "gfx1151", gfxName(110501))
	require.Empty(t, gfxName(0))
}

func TestProcessesThatHoldACardAreFound(t *testing.T) {
	clients := NewHost("testdata/desktop").Clients()
	require.Equal(t, []Client{{PID: 4711, PCI: "0000:03:00.0", VRAM: 2 << 30, GTT: 4 << 20}}, clients)
	clients = NewHost("testdata/nvidia").Clients()
	require.Equal(t, []Client{{PID: 4242, Name: "blender", PCI: "00000000:01:00.0", VRAM: 256 << 20}}, clients)

	root := t.TempDir()
	dir := filepath.Join(root, "proc/99")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "fdinfo"), 0o700))
	for name, text := range map[string]string{"comm": "python\n", "environ": "A=1\x00APIBR_SIDECAR=x\x00",
		"fdinfo/1": "drm-client-id:\t4\ndrm-pdev:\t0000:03:00.0\ndrm-resident-vram:\t2 MiB\ndrm-engine-gfx:\t7 ns\n" +
			"drm-engine-dec:\t5 ns\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.Equal(
		t,
		[]Client{{PID: 99, Name: "python", PCI: "0000:03:00.0", VRAM: 2 << 20, Engine: 12, Ours: true}},
		NewHost(root).Clients(),
	)
}
