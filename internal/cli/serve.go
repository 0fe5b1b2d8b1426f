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
)

func serveCommand(e *environment) *cobra.Command {
	var listen string
	cmd := &cobra.Command{Use: "serve", Short: "Start the studio", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return e.runNode(cmd, listen, true)
	}}
	cmd.Flags().StringVar(&listen, "listen", "", "HOST:PORT (default 127.0.0.1:8000)")
	return cmd
}

func workerCommand(e *environment) *cobra.Command {
	return &cobra.Command{Use: "worker", Short: "Run jobs of a shared database, without the API", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return e.runNode(cmd, "", false)
	}}
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
		return exitWith(ExitUsage, "%w", err)
	}
	// What this process and those that it starts write is for its user only, whatever the shell says.
	syscall.Umask(0o077)
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	return e.whileDiskIsFull(ctx, c, log, func(started func()) error {
		node, err := app.New(ctx, c, log)
		if err != nil {
			return err
		}
		return node.Run(ctx, app.Options{ServeAPI: serveAPI, Started: func(s app.Started) { started(); e.greet(s) }})
	})
}

// whileDiskIsFull runs a node and, when it cannot start for want of free space, says so once and tries again with growing pauses. After
// server.start_patience it gives up with ExitDiskFull. Once a node has started, how it ends is its own.
func (e *environment) whileDiskIsFull(ctx context.Context, c *config.Config, log *slog.Logger, run func(started func()) error) error {
	const first, longest = time.Second, 30 * time.Second
	begun, running := time.Now(), false
	for pause := first; ; pause = min(2*pause, longest) {
		err := run(func() { running = true })
		if running || ctx.Err() != nil || !app.DiskFull(err) {
			return err
		}
		log.Debug("no start, since the disk is full", "err", err)
		left := c.Server.StartPatience - time.Since(begun)
		sentence := e.lang.text("disk_full", freeMegabytes(c.DataDir))
		if left <= 0 {
			return exitWith(ExitDiskFull, "%s", sentence)
		}
		if pause == first {
			fmt.Fprintln(e.stderr, "apibr: "+sentence+" "+e.lang.text("disk_full_wait", c.Server.StartPatience))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}

// freeMegabytes of the disk of a folder that may not be there yet.
func freeMegabytes(dir string) int64 {
	for {
		free, err := disk.Free(dir)
		if err == nil || dir == filepath.Dir(dir) {
			return free / 1_000_000
		}
		dir = filepath.Dir(dir)
	}
}

// untilSignal is a context that the first signal ends; the second ends the process.
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

// greet tells where the studio is and how to get in.
func (e *environment) greet(s app.Started) {
	if s.Link == "" {
		return
	}
	fmt.Fprintf(e.stdout, "APIBR Studio: http://%s\n%s\n%s\n", reachable(s.Address), e.lang.text("link"), s.Link)
}
