// Package cli is the apibr command: it starts the studio and, as a client of it, makes and looks after things.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/version"
)

const help = `APIBR Studio: voices, pictures and talking avatars, made on your own PC.

Start the studio with "apibr serve", then use the other commands or the page that "apibr open" links to.

Exit codes: 0 done, 1 error, 2 wrong usage, 3 the job failed, 4 the job was canceled, 5 no studio answers,
6 the studio refused the request, 7 the disk is full, 130 interrupted (the job goes on).`

// Main runs the program and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &environment{stdin: stdin, stdout: stdout, stderr: stderr, lang: languageFromEnvironment()}
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "apibr: "+e.lang.problem(err))
	}
	return exitCode(err)
}

func newRoot(e *environment) *cobra.Command {
	root := &cobra.Command{Use: "apibr", Short: "APIBR Studio", Long: help, SilenceErrors: true, SilenceUsage: true, Version: version.Version}
	flags := root.PersistentFlags()
	flags.StringVar(&e.configFile, "config", "", "configuration file (default: config.yaml in the data directory)")
	flags.StringVar(&e.dataDir, "data-dir", "", "where the studio keeps everything (default $XDG_DATA_HOME/apibr)")
	flags.StringVar(&e.connection.Server, "server", os.Getenv("APIBR_SERVER"), "address of the studio to talk to (default: the one of this computer)")
	flags.StringVar(&e.connection.Token, "token", "", "API key (default: $APIBR_TOKEN, else the studio's own key on this computer)")
	flags.BoolVar(&e.json, "json", false, "print results as JSON")
	flags.BoolVarP(&e.quiet, "quiet", "q", false, "show no progress")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{ExitUsage, err} })
	root.AddCommand(serveCommand(e), workerCommand(e), demoCommand(e), openCommand(e), cloneCommand(e), speechCommand(e), imageCommand(e), editCommand(e), upscaleCommand(e), avatarCommand(e),
		voicesCommand(e), projectsCommand(e), jobsCommand(e), assetsCommand(e), keysCommand(e), sessionsCommand(e), modelsCommand(e), configCommand(e), doctorCommand(e), versionCommand(e))
	wrapUsage(root)
	return root
}

// wrapUsage gives wrong arguments and unknown commands the exit code of wrong usage.
func wrapUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return exitWith(ExitUsage, "%w; see %s --help", err, c.CommandPath())
			}
			return nil
		}
	}
	if cmd.RunE == nil && cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return exitWith(ExitUsage, "unknown command %q%s; see %s --help", args[0], suggestion(c, args[0]), c.CommandPath())
		}
	}
	for _, child := range cmd.Commands() {
		wrapUsage(child)
	}
}

func suggestion(cmd *cobra.Command, name string) string {
	const typos = 2
	cmd.SuggestionsMinimumDistance = typos
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
	}
	return ""
}

// loadConfig reads the configuration with the global flags on top.
func (e *environment) loadConfig(flags map[string]any) (*config.Config, error) {
	if flags == nil {
		flags = map[string]any{}
	}
	if e.dataDir != "" {
		flags["data_dir"] = e.dataDir
	}
	c, err := config.Load(config.Options{File: e.configFile, Flags: flags})
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	for _, warning := range c.Warnings {
		fmt.Fprintln(e.stderr, "apibr: "+warning)
	}
	return c, nil
}

// loadStudioConfig is loadConfig with the settings of the studio that runs on the data directory, if one does: what its models are is asked
// of it and not of this command's own configuration.
func (e *environment) loadStudioConfig() (*config.Config, error) {
	c, err := e.loadConfig(nil)
	if err != nil {
		return nil, err
	}
	if running := config.Running(c.DataDir); running != nil {
		running["data_dir"] = c.DataDir
		c, err = config.Load(config.Options{File: e.configFile, Flags: running}) // its warnings have been told
	}
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	return c, nil
}

// connect gives the studio that the global flags name, else the one of this computer's configuration.
func (e *environment) connect() (*studio, error) {
	target := e.connection
	if target.Token == "" {
		target.Token = os.Getenv("APIBR_TOKEN")
	}
	if target.Server == "" || target.Token == "" {
		c, err := e.loadConfig(nil)
		if err != nil {
			return nil, err
		}
		target.DataDir = c.DataDir
		if target.Server == "" {
			target.Server = "http://" + reachable(runningAt(c))
		}
	}
	return connect(target, e.lang)
}

// runningAt is where the studio of the data directory listens; when none runs, where it would.
func runningAt(c *config.Config) string {
	content, err := datadir.ReadSecret(filepath.Join(c.DataDir, datadir.AddressFile))
	if address := strings.TrimSpace(string(content)); err == nil && address != "" {
		return address
	}
	return c.Address()
}

// reachable turns an address that listens on everything into one that can be called.
func reachable(address string) string {
	for _, any := range []string{"0.0.0.0:", "[::]:", ":"} {
		if port, ok := strings.CutPrefix(address, any); ok {
			return "127.0.0.1:" + port
		}
	}
	return address
}

func versionCommand(e *environment) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintln(e.stdout, version.Version)
		return err
	}}
}
