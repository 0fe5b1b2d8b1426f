package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/app"
	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

func serveCommand(e *environment) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: e.text("Start the studio"),
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return e.runNode(cmd, listen, true) },
	}
	cmd.Flags().StringVar(&listen, "listen", "", e.text("HOST:PORT (default: 127.0.0.1:8000)"))
	return cmd
}

func workerCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: e.text("Run jobs of a shared database, without the API"),
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return e.runNode(cmd, "", false) },
	}
}

// runNode runs a node until SIGTERM or Ctrl-C; a second signal ends the process at once.
func (e *environment) runNode(cmd *cobra.Command, listen string, serveAPI bool) error {
	flags := map[string]any{}
	if listen != "" {
		flags["listen"] = listen
	}
	c, err := e.loadConfig(flags)
	if err != nil {
		return err
	}
	if !serveAPI && c.Database.DSN == "" {
		return exitWith(ExitUsage, "a worker needs a database that it shares with the studio: set DATABASE_URL")
	}
	log, err := app.NewLogger(e.stderr, c)
	if err != nil {
		return withCode(ExitUsage, err)
	}
	// Files of this process and of those that it starts are for its user only, whatever umask the shell has set.
	syscall.Umask(0o077)
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	return e.startPatiently(ctx, c, log, func(started func()) error {
		node, err := app.New(ctx, c, log)
		if err != nil {
			return err
		}
		return node.Run(ctx, app.Options{ServeAPI: serveAPI, Started: func(s app.Started) { started(); e.greet(s) }})
	})
}

// startPatiently runs a node. When the disk is too full for a start, it says so once and tries again with growing
// pauses; after server.start_patience it gives up with ExitDiskFull. A node that has started is never started again.
func (e *environment) startPatiently(
	ctx context.Context, c *config.Config, log *slog.Logger, run func(started func()) error,
) error {
	const first, longest = time.Second, 30 * time.Second
	begun, running := time.Now(), false
	for pause := first; ; pause = min(2*pause, longest) {
		err := run(func() { running = true })
		if running || ctx.Err() != nil || !app.DiskFull(err) {
			return err
		}
		log.Debug("no start, since the disk is full", "err", err)
		left := c.Server.StartPatience - time.Since(begun)
		full := i18n.Say(
			"the disk of the data directory is full (%d MB are free, and the studio needs about 100 MB to "+
				"start): free some space, or choose another folder with --data-dir.",
			freeMegabytes(c.DataDir),
		)
		if left <= 0 {
			return &exitError{code: ExitDiskFull, sentence: full, cause: err}
		}
		if pause == first {
			e.warn(
				i18n.Say("%s Trying again for %g min (server.start_patience).", full, c.Server.StartPatience.Minutes()),
			)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}

// freeMegabytes returns what is free on the disk of a folder, which need not exist yet.
func freeMegabytes(dir string) int64 {
	for {
		free, err := disk.Free(dir)
		if err == nil || dir == filepath.Dir(dir) {
			return free / 1_000_000
		}
		dir = filepath.Dir(dir)
	}
}

// untilSignal returns a context that the first signal ends; the second ends the process.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(ExitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// openLink introduces a one-time link.
const openLink = "open this link in your browser (good for a few minutes, once):"

// greet tells where the studio is and how to get in.
func (e *environment) greet(s app.Started) {
	if s.Link == "" {
		return
	}
	fmt.Fprintf(e.stdout, "APIBR Studio: http://%s\n%s\n%s\n", reachable(s.Address), e.text(openLink), s.Link)
}
