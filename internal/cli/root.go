// Package cli is the apibr command: it starts the studio and, as a client of it, makes and looks after things.
//
// Its help and messages exist in each language of internal/i18n: --lang, APIBR_LANG or the locale choose. What is read
// by programs (--json, ids, exit codes) is the same in each.
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
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/version"
)

// Main runs the program and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &environment{stdin: stdin, stdout: stdout, stderr: stderr, locale: inLanguage(chooseLanguage(args, os.Getenv))}
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err != nil && !errors.Is(err, context.Canceled) {
		e.warn(i18n.For(err))
	}
	return exitCode(err)
}

// warn writes a sentence about the command itself.
func (e *environment) warn(s i18n.Sentence) { fmt.Fprintln(e.stderr, "apibr: "+s.For(e.Reader)) }

func newRoot(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "apibr",
		Short: "APIBR Studio",
		Long: e.text(`APIBR Studio: voices, pictures and talking avatars, made on your own PC.

Start the studio with "apibr serve". Then use the other commands, or the page of the link that "apibr open" prints.

Exit codes:
    0  done
    1  error
    2  wrong usage
    3  the job failed
    4  the job was canceled
    5  no studio answers
    6  the studio refused the request
    7  the disk is full
  130  interrupted (the job goes on)`),
		Version:       version.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true // its texts are English only
	e.addGlobalFlags(root)
	root.SetFlagErrorFunc(flagProblem)
	root.AddCommand(
		serveCommand(e), workerCommand(e), demoCommand(e), openCommand(e),
		cloneCommand(e), speechCommand(e), transcribeCommand(e), imageCommand(e), editCommand(e), upscaleCommand(e),
		avatarCommand(e), voicesCommand(e), wordsCommand(e), projectsCommand(e), jobsCommand(e), assetsCommand(e),
		keysCommand(e), sessionsCommand(e),
		modelsCommand(e), configCommand(e), doctorCommand(e), completionCommand(e), versionCommand(e),
	)
	root.SetVersionTemplate(e.text("apibr version %s", version.Version) + "\n")
	checkArguments(root)
	e.addHelp(root)
	return root
}

func (e *environment) addGlobalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&e.configFile, "config", "",
		e.text("configuration file (default: config.yaml in the data directory)"))
	flags.StringVar(&e.dataDir, "data-dir", "",
		e.text("where the studio keeps everything (default: $XDG_DATA_HOME/apibr)"))
	flags.StringVar(&e.connection.Server, "server", os.Getenv("APIBR_SERVER"),
		e.text("address of the studio to talk to (default: the one of this computer)"))
	flags.StringVar(&e.connection.Token, "token", "",
		e.text("API key (default: $APIBR_TOKEN, else the studio's own key on this computer)"))
	flags.BoolVar(&e.json, "json", false, e.text("print results as JSON"))
	flags.BoolVarP(&e.quiet, "quiet", "q", false, e.text("show no progress"))
	flags.Var(new(languageValue), languageFlag,
		e.text("language of help and messages: %s (default: $APIBR_LANG, else that of the system)",
			i18n.Commas(i18n.Default().Languages()...)))
	root.Flags().BoolP("version", "v", false, e.text("print the version"))
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
		return nil, withCode(ExitUsage, err)
	}
	for _, warning := range c.Warnings {
		e.warn(warning)
	}
	return c, nil
}

// loadStudioConfig is loadConfig with the settings of the studio that runs on the data directory, if one does: which
// models it has is asked of it and not of this command's own configuration.
func (e *environment) loadStudioConfig() (*config.Config, error) {
	c, err := e.loadConfig(nil)
	if err != nil {
		return nil, err
	}
	if running := config.Running(c.DataDir); running != nil {
		running["data_dir"] = c.DataDir
		c, err = config.Load(config.Options{File: e.configFile, Flags: running}) // its warnings have been shown
	}
	if err != nil {
		return nil, withCode(ExitUsage, err)
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
	return connect(target, e.locale)
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
	return &cobra.Command{Use: "version", Short: e.text("Print the version"), Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(e.stdout, version.Version)
			return err
		}}
}
