package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/doctor"
)

func doctorCommand(e *environment) *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Check this computer and say what to do", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := e.loadStudioConfig()
		if err != nil {
			return err
		}
		return e.showReport(doctor.Examine(cmd.Context(), c, device.NewHost("")))
	}}
}

// showReport prints the findings; one that stops the studio from working is a failure of the command.
func (e *environment) showReport(report doctor.Report) error {
	if e.json {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(report); err != nil {
			return err
		}
	} else {
		for _, check := range report.Checks {
			e.showCheck(check)
		}
	}
	if !report.OK {
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
