package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/torchenv"
)

func modelsSetupCommand(e *environment) *cobra.Command {
	var kind, profile string
	var force, test bool
	cmd := &cobra.Command{Use: "setup", Args: noArguments,
		Short: e.text("Install and test the models' environment (torch for this computer's card)"),
		Long: e.text("Makes the Python environment of the final models: several gigabytes, once.\n\n" +
			"The command tries which torch works on the card: it keeps the first profile whose self-test passes, " +
			"and the earlier environment stays until then. A second run with nothing changed does nothing."),
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
	cmd.Flags().StringVar(&kind, "device", "",
		e.text("auto, rocm, cuda or cpu (default: gpu.device of the configuration)"))
	cmd.Flags().StringVar(&profile, "profile", "", e.text("try only this profile, such as rocm-torch25"))
	cmd.Flags().BoolVar(&force, "force", false, e.text("install again even if nothing has changed"))
	cmd.Flags().BoolVar(&test, "test", false,
		e.text("install nothing: only test the present environment, and keep the verdict"))
	return cmd
}

// testModels tests the present environment.
func (e *environment) testModels(cmd *cobra.Command, c *config.Config) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	options := e.setupOptions(c, device.NewHost("").GPUs())
	verdict, err := torchenv.Test(ctx, options)
	if err != nil {
		return e.setupFailed(err, ExitError)
	}
	if err := e.showVerdict(&torchenv.Result{Verdict: verdict}, func(profile, torch, card string) i18n.Sentence {
		return i18n.Say("the self-test passed: profile %s, torch %s on %s", profile, torch, card)
	}); err != nil {
		return err
	}
	if failed := verdict.Failed(); len(failed) > 0 {
		return exitWith(ExitError, "the self-test failed: %s; run `apibr models setup`", i18n.Commas(failed...))
	}
	return nil
}

func (e *environment) setupOptions(c *config.Config, cards []device.GPU) torchenv.Options {
	options := torchenv.Options{
		Venv: c.Python.ModelsVenv, Workers: c.Python.Workers, Manifests: c.Python.Manifests, DataDir: c.DataDir,
		GPUs: cards,
	}
	if !e.quiet {
		options.Report, options.Log = e.showSetup, e.stderr
	}
	return options
}

func (e *environment) setupModels(cmd *cobra.Command, c *config.Config, want torchenv.Request, force bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	want.GPUs = device.NewHost("").GPUs()
	profiles, err := torchenv.Profiles(want)
	if err != nil {
		return e.setupFailed(err, ExitUsage)
	}
	options := e.setupOptions(c, want.GPUs)
	options.Profiles, options.Force = profiles, force
	result, err := torchenv.Setup(ctx, options)
	if err != nil {
		return e.setupFailed(err, ExitError)
	}
	return e.showVerdict(result, func(profile, torch, card string) i18n.Sentence {
		if result.Changed {
			return i18n.Say(
				"the models' environment is ready: profile %s, torch %s on %s; restart a running studio to use it",
				profile,
				torch,
				card,
			)
		}
		return i18n.Say(
			"nothing has changed: profile %s, torch %s on %s; --force installs it again",
			profile,
			torch,
			card,
		)
	})
}

// showVerdict prints which environment was kept: as JSON, or as a sentence when its self-test has passed.
func (e *environment) showVerdict(
	result *torchenv.Result, passed func(profile, torch, card string) i18n.Sentence,
) error {
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
		runsOn = e.text("the processor")
	}
	_, err := fmt.Fprintln(e.stdout, passed(v.Profile.ID, v.Torch, runsOn).For(e.Reader))
	return err
}

// setupSteps are the steps of an installation, said with the profile's name.
var setupSteps = map[string]func(profile string) i18n.Sentence{
	"venv": func(p string) i18n.Sentence { return i18n.Say("%s: making the environment", p) },
	"packages": func(p string) i18n.Sentence {
		return i18n.Say("%s: installing the libraries (hundreds of megabytes)", p)
	},
	"torch": func(p string) i18n.Sentence { return i18n.Say("%s: installing torch (gigabytes)", p) },
	"selftest": func(p string) i18n.Sentence {
		return i18n.Say("%s: testing; on a new card this may take minutes", p)
	},
}

// showSetup writes a step to the error stream, like all progress.
func (e *environment) showSetup(p torchenv.Progress) {
	switch p.Step {
	case "check":
		sign := "✓"
		if !p.Check.OK {
			sign = "✗"
		}
		fmt.Fprintf(e.stderr, "  %s %s: %s\n", sign, p.Check.Check, p.Check.Detail)
	case "failed":
		fmt.Fprintf(e.stderr, "✗ %s: %s\n", p.Profile, p.Reason.Sentence().For(e.Reader))
	case "kept":
	default:
		if step, ok := setupSteps[p.Step]; ok {
			fmt.Fprintln(e.stderr, step(p.Profile).For(e.Reader))
		}
	}
}

// setupFailed gives a failure of the environment its sentence and its exit code.
func (e *environment) setupFailed(err error, code int) error {
	var known *torchenv.Error
	var none *torchenv.NoProfileError
	switch {
	case errors.As(err, &known):
		return &exitError{code: code, sentence: known.Sentence(), cause: err}
	case errors.As(err, &none):
		sentence := i18n.Say("no environment passed; the earlier one stays")
		for _, attempt := range none.Tried {
			sentence = i18n.Say("%s\n  %s: %s", sentence, attempt.Profile, attempt.Reason.Sentence())
		}
		return &exitError{code: code, sentence: sentence, cause: err}
	default:
		return err
	}
}
