package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/pgembed"
)

func doctorCommand(e *environment) *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Check this computer and say what to do", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := e.loadConfig(nil)
		if err != nil {
			return err
		}
		ffmpeg, _ := media.FindFFmpeg(c.Media.FFmpeg, c.Python.DraftVenv)
		postgres, _ := pgembed.FindBinaries(c.Database.Binaries, []string{c.Python.DraftVenv})
		checks := device.Doctor(cmd.Context(), device.NewHost(""), device.DoctorConfig{DataDir: c.DataDir, FFmpeg: ffmpeg, Postgres: postgres,
			Venvs: map[string]string{"draft": c.Python.DraftVenv, "models": c.Python.ModelsVenv}, External: c.Database.DSN != ""})
		return e.showChecks(checks)
	}}
}

// showChecks prints the findings; one that stops the studio from working is a failure of the command.
func (e *environment) showChecks(checks []device.Check) error {
	broken := false
	for _, check := range checks {
		broken = broken || !check.OK && check.Level == device.Failure
	}
	if e.json {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(map[string]any{"ok": !broken, "checks": checks}); err != nil {
			return err
		}
	} else {
		for _, check := range checks {
			e.showCheck(check)
		}
	}
	if broken {
		return exitWith(ExitError, "%s", e.lang.text("doctor_broken"))
	}
	return nil
}

func (e *environment) showCheck(check device.Check) {
	sign := "✓"
	if !check.OK {
		sign = map[device.Level]string{device.Failure: "✗", device.Warning: "!"}[check.Level]
		if sign == "" {
			sign = "·"
		}
	}
	fmt.Fprintf(e.stdout, "%s %s\n", sign, e.lang.pick(check.Message))
	if fix := e.lang.pick(check.Fix); fix != "" {
		fmt.Fprintf(e.stdout, "  → %s\n", fix)
	}
}

func (l language) pick(text device.Text) string {
	if l == 1 {
		return text.PtBR
	}
	return text.En
}
