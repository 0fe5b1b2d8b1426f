package sidecar

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

func TestARunGivesVerifiedFiles(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	var phases []string
	var last report.Progress
	request := b.request("", nil)
	result, err := lease.Run(b.ctx(), request, Events{
		Progress: func(p report.Progress) { last = p },
		Phase:    func(name string, _ time.Time) { phases = append(phases, name) },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"first", "second"}, phases)
	require.Equal(t, report.Progress{Stage: "second", Step: 2, TotalSteps: 2}, last)
	require.Equal(t, int64(7), result.Seed)
	require.Len(t, result.Outputs, 1)
	require.Equal(t, filepath.Join(request.OutDir, "out.txt"), result.Outputs[0].Path)
	require.Equal(t, int64(len("olá")), result.Outputs[0].Size)
	require.Positive(t, result.LoadSeconds)
	require.Positive(t, result.PeakRAM)
	require.Equal(t, "begin", result.Phases[0].Phase)
	until(t, patience, "the phase in the history", func() bool {
		_, runs := b.history.MaxStep("fault", "fault", "second")
		return runs == 1
	})
	lease.Release()

	again := b.acquire()
	require.Equal(t, lease.PID(), again.PID(), "a loaded process is used again")
	result, err = again.Run(b.ctx(), b.request("", nil), Events{})
	require.NoError(t, err)
	require.Zero(t, result.LoadSeconds)
	again.Release()
	loaded := b.Loaded()
	require.Len(t, loaded, 1)
	require.False(t, loaded[0].Busy)
	require.Equal(t, engine.ID("fault"), loaded[0].Engine)
}

func TestLeasesAreExclusive(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	one, two := b.acquire(), b.acquire()
	require.NotEqual(t, one.PID(), two.PID())
	require.ErrorIs(t, b.Evict(b.ctx(), "fault", "fault"), ErrBusy)
	one.Release()
	two.Release()
	two.Release()
	require.Len(t, b.Loaded(), 2)
	require.NoError(t, b.Evict(b.ctx(), "fault", "fault"))
	require.Empty(t, b.Loaded())
	require.False(t, alive(one.PID()))
	require.False(t, alive(two.PID()))
	_, err := one.Run(b.ctx(), b.request("", nil), Events{})
	require.ErrorIs(t, err, ErrCanceled, "a released lease runs nothing")
}

func TestSegmentsComeInOrderAndResume(t *testing.T) {
	b := newBench(t, sidecartest.Segments, nil)
	lease := b.acquire()
	defer lease.Release()
	var got []int
	take := Events{Segment: func(_ context.Context, s Segment) error {
		content, err := os.ReadFile(s.File.Path)
		require.NoError(t, err)
		require.Len(t, content, int(s.File.Size))
		got = append(got, s.Index)
		return nil
	}}
	_, err := lease.Run(b.ctx(), b.request("", map[string]any{"total": 3, "ms": 5}), take)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2}, got)

	got = nil
	request := b.request("", map[string]any{"total": 4, "ms": 5})
	request.ResumeFrom = &Resume{Index: 2, Segments: []File{{Index: 0, Path: "/x"}, {Index: 1, Path: "/y"}}}
	_, err = lease.Run(b.ctx(), request, take)
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, got)
}

func TestAHandlersErrorEndsTheRun(t *testing.T) {
	b := newBench(t, sidecartest.Segments, nil)
	full := errors.New("disk full")
	lease := b.acquire()
	_, err := lease.Run(b.ctx(), b.request("", map[string]any{"total": 1000, "ms": 5}), Events{
		Segment: func(context.Context, Segment) error { return full },
	})
	require.ErrorIs(t, err, full)
	lease.Release()
	b.mustWork()
}

func TestLinesCarryTheJob(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	ctx := context.WithValue(b.ctx(), jobKey{}, "job-1")
	_, err := lease.Run(ctx, b.request(sidecartest.Exit, nil), Events{})
	lease.Release()
	var crash *CrashError
	require.ErrorAs(t, err, &crash)
	lines := b.log.find("sidecar log")
	require.Len(t, lines, 3)
	require.Equal(t, "job-1", lines[0].job)
}

func TestASpareTakesTheNextLoad(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(c *Config) { c.Spare = true })
	b.Warm(b.manifest)
	b.Warm(b.manifest)
	require.Empty(t, b.Loaded(), "a spare holds no model")
	spares := b.living()
	require.Len(t, spares, 1)
	lease := b.acquire()
	require.Equal(t, spares[0].proc.pid, lease.PID())
	lease.Release()
}

func TestNoSpareWhenMemoryIsShort(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(c *Config) {
		c.Spare = true
		c.Host = fakeHost(3<<30, 64<<30)
		c.Guard = GuardConfig{}
	})
	b.Warm(b.manifest)
	require.Empty(t, b.living())
}

func TestSilentIdleProcessIsPingedBeforeUse(t *testing.T) {
	b := newBench(t, sidecartest.NoHeartbeat, nil)
	lease := b.acquire()
	pid := lease.PID()
	lease.Release()
	lease.slot.proc.beatAt.Store(0)
	lease = b.acquire()
	require.Equal(t, pid, lease.PID(), "it answered the ping")
	lease.Release()
}

func TestUnknownEngineEnvironment(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	_, err := b.Acquire(b.ctx(), Spec{Engine: sidecartest.Manifest("elsewhere")})
	require.ErrorIs(t, err, ErrNoEngine)
	require.False(t, Fault(err))
}

func TestIdleModelsAreKeptForAWhile(t *testing.T) {
	b := newBench(
		t,
		sidecartest.Echo,
		func(c *Config) { c.KeepAlive = 50 * time.Millisecond; c.Guard.Interval = 5 * time.Millisecond },
	)
	busy, idle := b.acquire(), b.acquire()
	idle.Release()
	<-idle.slot.proc.gone
	require.True(t, alive(busy.PID()))
	busy.Release()
}

func TestAbortEndsRunsForTheReasonGiven(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	cutOff := errors.New("no database for 10 s")
	lease := b.acquire()
	done := make(chan error, 1)
	started := make(chan struct{}, 1)
	go func() {
		_, err := lease.Run(
			b.ctx(),
			b.request(sidecartest.Stubborn, nil),
			Events{Phase: func(string, time.Time) { trySend(started) }},
		)
		done <- err
	}()
	<-started
	b.Abort(b.ctx(), cutOff)
	require.False(t, alive(lease.PID()))
	err := <-done
	require.ErrorIs(t, err, cutOff)
	require.False(t, Fault(err))
	lease.Release()
	b.mustWork()
}

func TestClosingThePoolEndsEveryProcess(t *testing.T) {
	b := newBench(t, sidecartest.Obedient, nil)
	lease := b.acquire()
	done := make(chan error, 1)
	started := make(chan struct{}, 1)
	go func() {
		_, err := lease.Run(context.Background(), b.request(sidecartest.Children, nil), Events{
			Phase: func(string, time.Time) { trySend(started) },
		})
		done <- err
	}()
	<-started
	b.stop()
	require.ErrorIs(t, <-done, ErrClosed)
	require.False(t, alive(lease.PID()))
	_, err := b.Acquire(b.ctx(), Spec{Engine: b.manifest})
	require.ErrorIs(t, err, ErrClosed)
}

func trySend(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// BenchmarkRun is what the supervisor adds to a run of a loaded model that computes nothing.
func BenchmarkRun(b *testing.B) {
	bench := newBench(b, sidecartest.Echo, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	request := bench.request("", nil)
	for b.Loop() {
		lease, err := bench.Acquire(bench.ctx(), Spec{Engine: bench.manifest})
		require.NoError(b, err)
		_, err = lease.Run(bench.ctx(), request, Events{})
		require.NoError(b, err)
		lease.Release()
	}
}
