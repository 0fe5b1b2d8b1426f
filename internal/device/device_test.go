package device

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
)

func TestReferenceDesktopIsRead(t *testing.T) {
	h := NewHost("testdata/desktop")
	s := h.Snapshot()
	require.NoError(t, s.Err)
	require.Equal(t, int64(32651264<<10), s.RAMTotal)
	require.Equal(t, int64(20971520<<10), s.RAMAvailable)
	require.InDelta(t, 0.75, s.PressureFull, 0.001)
	require.Len(t, s.GPUs, 2, "a connector and another driver's card are none")

	best, found := s.Best()
	require.True(t, found)
	require.Equal(t, GPU{
		Index: 0, Kind: "hip", Name: "AMD Radeon RX 6750 XT", PCI: "0000:03:00.0", RenderNode: "/dev/dri/renderD129",
		VRAMTotal: 12868124672, VRAMUsed: 1 << 30, GTTUsed: 100 << 20, Card: "card1", GFX: "gfx1031", Driver: "amdgpu",
	}, best)
	require.Equal(t, "hip:0", best.Device())
	require.True(t, s.GPUs[1].Integrated)
	require.Equal(t, "hip:1", s.GPUs[1].Device(), "no number of a discrete card depends on it")
	require.Equal(t, "AMD Raphael (integrated)", s.GPUs[1].Name)

	boot, err := h.KernelBootID()
	require.NoError(t, err)
	require.Equal(t, "11111111-2222-3333-4444-555555555555", boot)
	vram, gtt := h.ProcessGPU(4711)
	require.Equal(t, int64(2<<30), vram, "two descriptors of one client count once")
	require.Equal(t, int64(4<<20), gtt)
}

func TestNvidia(t *testing.T) {
	s := NewHost("testdata/nvidia").Snapshot()
	require.Len(t, s.GPUs, 2)
	best, _ := s.Best()
	require.Equal(t, "NVIDIA GeForce RTX 4090", best.Name)
	require.Equal(t, "cuda:0", best.Device())
	require.Equal(t, int64(24564<<20), best.VRAMTotal)
	require.Equal(t, int64(512<<20), best.VRAMUsed)
}

func TestMachineWithoutACardIsRead(t *testing.T) {
	h := NewHost("testdata/cpu")
	s := h.Snapshot()
	require.Empty(t, s.GPUs)
	_, found := s.Best()
	require.False(t, found)
	_, err := h.PressureFull()
	require.ErrorIs(t, err, fs.ErrNotExist)
	boot, err := h.KernelBootID()
	require.NoError(t, err)
	require.NotEmpty(t, boot, "what a moved root lacks of memory and boot id is the machine's own")
}

func TestIntegratedAloneIsNotChosen(t *testing.T) {
	s := Snapshot{GPUs: []GPU{{Kind: "hip", Integrated: true, VRAMTotal: 64 << 30}}}
	_, found := s.Best()
	require.False(t, found)
}

func TestRootByEnvironment(t *testing.T) {
	t.Setenv("APIBR_SYSFS_ROOT", "testdata/desktop")
	require.Len(t, NewHost("").GPUs(), 2)
	t.Setenv("APIBR_SYSFS_ROOT", "")
	require.Equal(t, "/", Root())
}

func TestIncompleteTreeIsAnError(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/meminfo"), []byte("MemTotal: 5 kB\nMemAvail"), 0o600))
	_, _, err := NewHost(root).Memory()
	require.Error(t, err, "nobody may be killed for a file that is being written")
}

func TestProcesses(t *testing.T) {
	h := NewHost("/")
	require.Positive(t, h.ProcessPrivate(os.Getpid()))
	require.Zero(t, h.ProcessPrivate(1<<30))
	cmd := exec.Command("sh", "-c", "sleep 1000 & sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	group := cmd.Process.Pid
	t.Cleanup(func() {
		_ = syscall.Kill(-group, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	stat, err := ProcessStat(group)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), stat.Parent)
	require.Equal(t, group, stat.Group)
	require.Positive(t, stat.Started)
	require.Eventually(
		t,
		func() bool { stat, err := ProcessStat(group); return err == nil && h.GroupRSS(group) > stat.RSS },
		10*time.Second,
		5*time.Millisecond,
	)
	_, err = ProcessStat(1 << 30)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestParseStat(t *testing.T) {
	raw := "77 (a) b (c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 7 8 25 5 1 0 12345 1000 10 0 0"
	stat, err := parseStat([]byte(raw))
	require.NoError(t, err)
	require.Equal(t, Stat{
		PID: 77, Parent: 1, Group: 77, State: 'S', Started: 12345, CPU: 2 * time.Second,
		RSS: 10 * int64(os.Getpagesize()),
	}, stat)
	for _, bad := range []string{"", "77", "77 (x)", "x (y) S 1"} {
		_, err := parseStat([]byte(bad))
		require.Error(t, err)
	}
}

func TestDoctor(t *testing.T) {
	checks := func(h *Host, cfg DoctorConfig) map[string]Check {
		found := map[string]Check{}
		for _, check := range Doctor(context.Background(), h, cfg) {
			require.NotEmpty(t, check.Message.String())
			require.NotEmpty(t, check.Message.In(language.BrazilianPortuguese))
			require.Equal(t, check.OK, check.Fix.Empty() && check.Level == Fine, check.ID)
			found[check.ID] = check
		}
		return found
	}
	program := filepath.Join(t.TempDir(), "ffmpeg")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho ffmpeg version 7.0 of a test\n"), 0o700))
	venv := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(venv, "bin"), 0o700))
	require.NoError(
		t,
		os.WriteFile(filepath.Join(venv, "bin/python"), []byte("#!/bin/sh\necho Python 3.11.7\n"), 0o700),
	)

	good := checks(NewHost("testdata/cpu"), DoctorConfig{
		DataDir: filepath.Join(
			t.TempDir(),
			"not",
			"made",
			"yet",
		), FFmpeg: program, Venvs: map[string]string{"draft": venv, "models": "/nowhere"}, External: true,
	})
	for _, id := range []string{"memory", "swap", "disk", "gpu", "ffmpeg", "python.draft", "python.models",
		"postgres"} {
		require.Contains(t, good, id)
		if id != "disk" { // the machine of the test may be nearly full
			require.True(t, good[id].OK, id)
		}
	}
	require.Equal(t, "ffmpeg version 7.0", good["ffmpeg"].Message.String())
	require.Contains(t, good["kernel"].Fix.String(), "psi=1")

	bad := checks(
		NewHost("testdata/desktop"),
		DoctorConfig{DataDir: t.TempDir(), Venvs: map[string]string{"draft": "/nowhere"}, Postgres: "/nowhere"},
	)
	for _, id := range []string{"ffmpeg", "python.draft", "postgres"} {
		require.Equal(t, Failure, bad[id].Level, id)
	}
	require.Contains(t, bad["gpu"].Message.String(), "RX 6750 XT")
	require.Contains(t, bad, "gpu.integrated")

	short := NewHost("testdata/cpu")
	short.Memory = func() (int64, int64, error) { return 8 << 30, 1 << 30, nil }
	require.Equal(t, Warning, checks(short, DoctorConfig{DataDir: "/"})["memory"].Level)
	short.Memory = func() (int64, int64, error) { return 0, 0, errors.New("no") }
	require.Equal(t, Failure, checks(short, DoctorConfig{DataDir: "/"})["memory"].Level)
}
