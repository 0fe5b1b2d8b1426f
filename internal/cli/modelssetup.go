package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/torchenv"
)

func modelsSetupCommand(e *environment) *cobra.Command {
	var kind, profile string
	var force, test bool
	cmd := &cobra.Command{Use: "setup", Short: "Install what the models run on (torch for this computer's card) and test it", Args: cobra.NoArgs,
		Long: `Makes the Python environment of the final models: several gigabytes, once.

Which torch works on a card is found by trying: the first profile whose self-test passes is kept, and the environment that was there
before stays until then. A second run with nothing changed does nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := e.loadStudioConfig()
			if err != nil {
				return err
			}
			if test {
				return e.testModels(cmd, c)
			}
			return e.setupModels(cmd, c, c.TorchRequest(kind, profile), force)
		}}
	cmd.Flags().StringVar(&kind, "device", "", "auto, rocm, cuda or cpu (default: gpu.device of the configuration)")
	cmd.Flags().StringVar(&profile, "profile", "", "try only this profile, such as rocm-torch25")
	cmd.Flags().BoolVar(&force, "force", false, "install again even if nothing has changed")
	cmd.Flags().BoolVar(&test, "test", false, "install nothing: only test what is there, and keep the verdict")
	return cmd
}

// testModels tests the environment that is there.
func (e *environment) testModels(cmd *cobra.Command, c *config.Config) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	options := e.setupOptions(c, device.NewHost("").GPUs())
	verdict, err := torchenv.Test(ctx, options)
	if err != nil {
		return e.setupFailed(err, ExitError)
	}
	if err := e.showVerdict(&torchenv.Result{Verdict: verdict}, "setup_passed"); err != nil {
		return err
	}
	if failed := verdict.Failed(); len(failed) > 0 {
		return exitWith(ExitError, "%s", e.lang.text("setup_broken", strings.Join(failed, ", ")))
	}
	return nil
}

func (e *environment) setupOptions(c *config.Config, cards []device.GPU) torchenv.Options {
	options := torchenv.Options{Venv: c.Python.ModelsVenv, Workers: c.Python.Workers, Manifests: c.Python.Manifests, DataDir: c.DataDir, GPUs: cards}
	if !e.quiet {
		options.Report, options.Log = e.showSetup, e.stderr
	}
	return options
}

func (e *environment) setupModels(cmd *cobra.Command, c *config.Config, want torchenv.Request, force bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	want.GPUs = device.NewHost("").GPUs()
	ladder, err := torchenv.Ladder(want)
	if err != nil {
		return e.setupFailed(err, ExitUsage)
	}
	options := e.setupOptions(c, want.GPUs)
	options.Ladder, options.Force = ladder, force
	result, err := torchenv.Setup(ctx, options)
	if err != nil {
		return e.setupFailed(err, ExitError)
	}
	key := "setup_unchanged"
	if result.Changed {
		key = "setup_done"
	}
	return e.showVerdict(result, key)
}

// showVerdict prints what was kept: the text of that key when the self-test has passed.
func (e *environment) showVerdict(result *torchenv.Result, key string) error {
	if e.json {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result)
	}
	v := result.Verdict
	if !v.Passed() {
		return nil
	}
	runsOn := v.DeviceName
	if runsOn == "" {
		runsOn = e.lang.text("setup_processor")
	}
	_, err := fmt.Fprintln(e.stdout, e.lang.text(key, v.Profile.ID, v.Torch, runsOn))
	return err
}

// showSetup tells of a step on the error stream, as all progress.
func (e *environment) showSetup(p torchenv.Progress) {
	switch p.Step {
	case "check":
		sign := "✓"
		if !p.Check.OK {
			sign = "✗"
		}
		fmt.Fprintf(e.stderr, "  %s %s: %s\n", sign, p.Check.Check, p.Check.Detail)
	case "failed":
		fmt.Fprintln(e.stderr, e.lang.text("setup_failed", p.Profile, e.lang.pick(p.Reason)))
	case "kept":
	default:
		fmt.Fprintln(e.stderr, e.lang.text("setup_"+p.Step, p.Profile))
	}
}

// setupFailed puts a failure of the environment into the user's language.
func (e *environment) setupFailed(err error, code int) error {
	var known *torchenv.Error
	var ladder *torchenv.LadderError
	switch {
	case errors.As(err, &known):
		return exitWith(code, "%s", e.lang.pick(known.Text()))
	case errors.As(err, &ladder):
		text := e.lang.text("setup_none")
		for _, attempt := range ladder.Tried {
			text += "\n  " + attempt.Profile + ": " + e.lang.pick(attempt.Reason)
		}
		return exitWith(code, "%s", text)
	default:
		return err
	}
}
