package doctor

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/torchenv"
)

func TestTheReportReadsTheConfigurationAndTheVerdict(t *testing.T) {
	dir := t.TempDir()
	venv := filepath.Join(dir, "models-venv")
	require.NoError(t, os.MkdirAll(filepath.Join(venv, "bin"), 0o700))
	require.NoError(
		t,
		os.WriteFile(filepath.Join(venv, "bin/python"), []byte("#!/bin/sh\necho Python 3.11.7\n"), 0o700),
	)
	c, err := config.Load(
		config.Options{
			Flags:       map[string]any{"data_dir": dir, "python.models_venv": venv, "python.draft_venv": "/nowhere"},
			Environment: []string{"HOME=" + dir},
		},
	)
	require.NoError(t, err)
	h := device.NewHost("../device/testdata/igpu-first")

	find := func(report Report, id string) device.Check {
		for _, check := range report.Checks {
			if check.ID == id {
				return check
			}
		}
		return device.Check{}
	}
	report := Examine(context.Background(), c, h)
	require.False(t, report.OK, "without the draft environment the studio cannot work")
	require.Contains(t, find(report, "models.selftest").Message.String(), "never tested")
	require.NotEmpty(t, find(report, "disk.models").Message.String())

	verdict := `{"profile": {"id": "rocm-amd", "device": "rocm", "gfx": ["gfx1031"]}, "torch": "2.11.0",
		"device_name": "AMD Radeon RX 6750 XT",
		"at": "2026-11-24T10:00:00Z", "files": "` + torchenv.Fingerprint(
		venv,
	) + `", "checks": [{"check": "matmul", "ok": true}]}`
	require.NoError(t, os.WriteFile(filepath.Join(venv, "apibr-profile.json"), []byte(verdict), 0o600))
	passed := find(Examine(context.Background(), c, h), "models.selftest")
	require.Equal(
		t,
		"Profile rocm-amd, torch 2.11.0: passed its self-test on AMD Radeon RX 6750 XT (2026-11-24)",
		passed.Message.String(),
	)

	before := BeforeGPU(context.Background(), c, h)
	require.True(t, before.OK, "a job on the card needs nothing of the draft environment")
	require.Equal(t, passed, find(before, "models.selftest"))
	require.Empty(t, find(before, "ffmpeg"))
	h.Access = func(string) error { return fs.ErrPermission }
	require.False(t, BeforeGPU(context.Background(), c, h).OK)

	// An environment that was changed since is another one, which was not tested.
	torch := filepath.Join(venv, "lib/python3.11/site-packages/torch")
	require.NoError(t, os.MkdirAll(torch, 0o700))
	changed := find(Examine(context.Background(), c, h), "models.selftest")
	require.False(t, changed.OK)
	require.Contains(t, changed.Message.String(), "has changed since its self-test")

	// The cause of a failure is told in one line.
	verdict = `{"profile": {"id": "cpu", "device": "cpu"}, "files": "` + torchenv.Fingerprint(
		venv,
	) + `", "checks": [{"check": "torch", "ok": false,
		"detail": "ImportError: libamdhip64.so.6:\n cannot open shared object file"},
		{"check": "matmul", "ok": false, "detail": "not run"}]}`
	require.NoError(t, os.WriteFile(filepath.Join(venv, "apibr-profile.json"), []byte(verdict), 0o600))
	broken := find(Examine(context.Background(), c, h), "models.selftest")
	require.Equal(
		t,
		"The self-test of profile cpu failed (torch, matmul); torch: ImportError: libamdhip64.so.6: cannot open "+
			"shared object file",
		broken.Message.String(),
	)
	require.Contains(t, broken.Message.In(language.BrazilianPortuguese), "libamdhip64.so.6")

	raw, err := json.Marshal(passed)
	require.NoError(t, err)
	var shape map[string]any
	require.NoError(t, json.Unmarshal(raw, &shape))
	for _, key := range []string{"id", "ok", "level", "message", "fix"} {
		require.Contains(t, shape, key, "the JSON form is stable")
	}
}
