package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/doctor"
)

func doctorCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "doctor", Short: e.text("Check this computer and say what to do"), Args: noArguments}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := e.loadStudioConfig()
		if err != nil {
			return err
		}
		return e.showReport(doctor.Examine(cmd.Context(), c, device.NewHost("")))
	}
	return cmd
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
		return exitWith(ExitError, "something must be repaired before the studio can work")
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
	fmt.Fprintf(e.stdout, "%s %s\n", sign, check.Message.For(e.Reader))
	if fix := check.Fix.For(e.Reader); fix != "" {
		fmt.Fprintf(e.stdout, "  → %s\n", fix)
	}
}
