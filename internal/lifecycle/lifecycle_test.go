package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// The first started is the last to stop, and only once those above it have ended.
func TestServicesStopInReverse(t *testing.T) {
	stack := New(quiet())
	order := make(chan string, 3)
	for _, name := range []string{"postgres", "worker", "http"} {
		stack.Start(name, func(ctx context.Context) error {
			<-ctx.Done()
			order <- name
			return ctx.Err()
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, stack.Wait(ctx))
	require.Equal(t, []string{"http", "worker", "postgres"}, []string{<-order, <-order, <-order})
}

func TestAFailureStopsTheOthers(t *testing.T) {
	broken := errors.New("broken")
	stack := New(quiet())
	stopped := make(chan struct{})
	stack.Start("good", func(ctx context.Context) error { <-ctx.Done(); close(stopped); return nil })
	stack.Start("bad", func(context.Context) error { return broken })
	require.ErrorIs(t, stack.Wait(context.Background()), broken)
	<-stopped
}

func TestAServiceThatEndsByItselfIsAFailure(t *testing.T) {
	stack := New(quiet())
	stack.Start("quitter", func(context.Context) error { return nil })
	require.ErrorContains(t, stack.Wait(context.Background()), "quitter")
}
