package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/app"
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
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	node, err := app.New(ctx, c, log)
	if err != nil {
		return err
	}
	return node.Run(ctx, app.Options{ServeAPI: serveAPI, Started: func(s app.Started) { e.greet(s) }})
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
