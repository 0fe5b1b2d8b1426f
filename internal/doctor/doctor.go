// Package doctor examines an installation: it tells internal/device where the configuration has put things, and what
// was kept of the models environment. The command line and the page ask the same question here.
package doctor

import (
	"context"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/pgembed"
	"github.com/apibr/studio/internal/torchenv"
)

// Report is everything that the doctor found. Its JSON form is stable.
type Report struct {
	OK     bool           `json:"ok"` // OK is false when the studio cannot work like this.
	Checks []device.Check `json:"checks"`
}

// Examine looks at the machine and at what the configuration names. It changes nothing and opens no card.
func Examine(ctx context.Context, c *config.Config, h *device.Host) Report {
	ffmpeg, _ := media.FindFFmpeg(c.Media.FFmpeg, c.Python.DraftVenv)
	postgres, _ := pgembed.FindBinaries(c.Database.Binaries, []string{c.Python.DraftVenv})
	cfg := card(c)
	cfg.DataDir, cfg.ModelsDir, cfg.FFmpeg, cfg.Postgres, cfg.External = c.DataDir, c.Models.CacheDir, ffmpeg,
		postgres, c.Database.DSN != ""
	return report(append(device.Doctor(ctx, h, cfg), voices(c)...))
}

// BeforeGPU is the part of Examine that a job on the card depends on: for the look before the first one.
func BeforeGPU(ctx context.Context, c *config.Config, h *device.Host) Report {
	return report(device.Card(ctx, h, card(c)))
}

func card(c *config.Config) device.DoctorConfig {
	return device.DoctorConfig{Venvs: map[string]string{"draft": c.Python.DraftVenv, "models": c.Python.ModelsVenv},
		Tested: tested(c.Python.ModelsVenv), NoGPU: c.GPU.Device == torchenv.CPU}
}

func report(checks []device.Check) Report {
	r := Report{OK: true, Checks: checks}
	for _, check := range checks {
		r.OK = r.OK && (check.OK || check.Level != device.Failure)
	}
	return r
}

// tested is what the self-test said of the environment; nil when there is no verdict that can be read.
func tested(venv string) *device.Tested {
	v, err := torchenv.ReadVerdict(venv)
	if err != nil {
		return nil
	}
	t := &device.Tested{
		Profile: v.Profile.ID,
		Kind:    v.Profile.Device,
		Torch:   v.Torch,
		Device:  v.DeviceName,
		At:      v.At,
		Failed:  v.Failed(),
		Cause:   v.Cause(),
		Stale:   !v.Holds(venv),
	}
	if len(v.Profile.GFX) == 1 {
		t.GFX = v.Profile.GFX[0]
	}
	return t
}
