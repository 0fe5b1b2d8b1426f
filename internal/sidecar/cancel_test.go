package sidecar

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

func TestCancelLoadingKillsAtOnce(t *testing.T) {
	b := newBench(t, sidecartest.LoadHang, func(c *Config) { c.CancelGrace, c.TermGrace = time.Hour, time.Hour })
	ctx, cancel := context.WithCancel(b.ctx())
	done := make(chan error, 1)
	go func() {
		_, err := b.Acquire(ctx, Spec{Engine: b.manifest})
		done <- err
	}()
	var pid int
	until(t, patience, "the load in flight", func() bool {
		for _, s := range b.living() {
			pid = s.proc.pid
			select {
			case <-s.proc.hello:
				return true
			default:
			}
		}
		return false
	})
	cancel()
	require.ErrorIs(t, <-done, ErrCanceled)
	require.False(t, alive(pid))
}

func TestCancelInARun(t *testing.T) {
	for _, c := range []struct {
		mode     string
		survives bool
	}{
		{sidecartest.Obedient, true},
		{sidecartest.Hang, false}, // sees neither flag nor anything else, ends by SIGTERM
		{sidecartest.Stubborn, false},
		{sidecartest.Freeze, false},
	} {
		t.Run(c.mode, func(t *testing.T) {
			b := newBench(t, sidecartest.Echo, func(cfg *Config) {
				if c.survives {
					cfg.CancelGrace = patience // on a busy machine the flag must win
				}
			})
			lease := b.acquire()
			ctx, cancel := context.WithCancel(b.ctx())
			defer cancel()
			_, err := lease.Run(ctx, b.request(c.mode, nil), Events{Phase: func(string, time.Time) {
				cancel()
				lease.Cancel() // twice changes nothing
			}})
			require.ErrorIs(t, err, ErrCanceled)
			require.False(t, Fault(err))
			require.Equal(t, c.survives, alive(lease.PID()))
			lease.Release()
			b.mustWork()
		})
	}
}

func TestCancelInEachPhase(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(cfg *Config) { cfg.CancelGrace = patience })
	for _, phase := range []string{"first", "second"} {
		lease := b.acquire()
		pid := lease.PID()
		_, err := lease.Run(
			b.ctx(),
			b.request(sidecartest.Obedient, nil),
			Events{Phase: func(name string, _ time.Time) {
				if name == phase {
					lease.Cancel()
				}
			}},
		)
		require.ErrorIs(t, err, ErrCanceled, phase)
		require.True(t, alive(pid), "the flag was enough")
		lease.Release()
	}
}

func TestCancelBeforeTheRun(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	lease.Cancel()
	_, err := lease.Run(b.ctx(), b.request("", nil), Events{})
	require.ErrorIs(t, err, ErrCanceled)
	lease.Release()
	b.mustWork()
}

func TestCancelTakesTheChildrenToo(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	request := b.request(sidecartest.Abandon, nil)
	done := make(chan error, 1)
	go func() {
		_, err := lease.Run(b.ctx(), request, Events{})
		done <- err
	}()
	pids := pidsIn(t, request.OutDir)
	lease.slot.proc.kill(ErrCanceled)
	require.ErrorIs(t, <-done, ErrCanceled)
	for _, pid := range pids {
		until(t, time.Second, "the child's end", func() bool { return !alive(pid) })
	}
	lease.Release()
}

func TestEvictEndsAProcessThatIgnoresTheRequest(t *testing.T) {
	b := newBench(t, sidecartest.IgnoreEnd, nil)
	lease := b.acquire()
	lease.Release()
	require.NoError(t, b.Evict(b.ctx(), "fault", ""))
	require.False(t, alive(lease.PID()))
	b.mustWork()
}

func TestReleaseInARunKills(t *testing.T) {
	b := newBench(t, sidecartest.Stubborn, nil)
	lease := b.acquire()
	_, err := lease.Run(b.ctx(), b.request("", nil), Events{Phase: func(string, time.Time) { lease.Release() }})
	require.ErrorIs(t, err, ErrCanceled)
	require.False(t, alive(lease.PID()))
}
