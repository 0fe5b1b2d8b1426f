package sidecar

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

// Each way to break the protocol fails the run with a sentence and replaces the process; the next run works.
func TestBrokenProtocol(t *testing.T) {
	for _, c := range []struct{ mode, detail string }{
		{sidecartest.Stdout10MB, "not a JSON-RPC message"},
		{sidecartest.Line2MiB, "more than 1 MiB"},
		{sidecartest.BadJSON, "not a JSON-RPC message"},
		{sidecartest.OtherJob, "a job that it is not running"},
		{sidecartest.TwoAnswers, "was not asked"},
		{sidecartest.CloseOutput, "closed its side"},
		{sidecartest.PathOutside, "not a path inside"},
		{sidecartest.PathAbsolute, "not a path inside"},
		{sidecartest.Symlink, "through a link"},
		{sidecartest.SymlinkFolder, "through a link"},
		{sidecartest.Fifo, "not a regular file"},
		{sidecartest.WrongHash, "another SHA-256"},
		{sidecartest.WrongSize, "6 bytes where 1"},
		{sidecartest.SegmentGap, "segment 1 where 0"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			b := newBench(t, sidecartest.Echo, nil)
			lease := b.acquire()
			_, err := lease.Run(b.ctx(), b.request(c.mode, nil), Events{})
			var said *EngineError
			require.ErrorAs(t, err, &said)
			require.Equal(t, ProtocolError, said.Code)
			require.Contains(t, said.Message.String(), c.detail)
			require.NotContains(
				t,
				said.Message.String(),
				b.dir,
				"what the process sent as a path may be one of this machine",
			)
			require.True(t, Fault(err))
			require.False(t, alive(lease.PID()), "the process is replaced")
			lease.Release()
			b.mustWork()
		})
	}
}

func TestPrintsDoNotDisturbTheProtocol(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	pid := lease.PID()
	_, err := lease.Run(b.ctx(), b.request(sidecartest.Print10MB, nil), Events{})
	require.NoError(t, err)
	lease.Release()
	require.Less(t, len(b.log.find("sidecar log")), 10*200)
	lease = b.acquire()
	require.Equal(t, pid, lease.PID())
	lease.Release()

	_, err = b.try(sidecartest.PrintThenKill, nil)
	var crash *CrashError
	require.ErrorAs(t, err, &crash)
	require.LessOrEqual(t, len(crash.Tail), 64<<10)
	require.Contains(t, crash.Tail, "nnnnn")
}

func TestUnknownMethodsAreAnsweredAndLogged(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	result, err := b.try(sidecartest.UnknownMethod, nil)
	require.NoError(t, err)
	require.Contains(t, readFile(t, result.Outputs[0].Path), "-32601")
	require.Len(t, b.log.find("sidecar sends an unknown notification"), 1)
}

func TestCrashes(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	_, err := lease.Run(b.ctx(), b.request(sidecartest.Kill, nil), Events{})
	var crash *CrashError
	require.ErrorAs(t, err, &crash)
	require.Equal(t, "SIGKILL", crash.Signal)
	require.Equal(t, "first", crash.Phase)
	require.True(t, Fault(err))
	lease.Release()
	b.mustWork()

	_, err = b.try(sidecartest.Exit, nil)
	require.ErrorAs(t, err, &crash)
	require.Equal(t, 3, crash.Exit)
	require.Contains(t, crash.Tail, "engine.py")
	require.NotContains(t, err.Error()+crash.Tail, "/srv/private")
	require.NotContains(t, err.Error()+crash.Tail, "hf_abc")
	b.mustWork()
}

func TestBadStarts(t *testing.T) {
	for _, c := range []struct {
		mode string
		want func(*testing.T, error)
	}{
		{sidecartest.Silent, func(t *testing.T, err error) {
			var hang *HangError
			require.ErrorAs(t, err, &hang)
			require.True(t, hang.Silent)
			require.Equal(t, "start", hang.Phase)
		}},
		{sidecartest.WrongVersion, func(t *testing.T, err error) {
			require.ErrorIs(t, err, ErrProtocol)
			require.ErrorContains(t, err, "version 2")
		}},
		{sidecartest.WrongEngine, func(t *testing.T, err error) {
			require.ErrorIs(t, err, ErrProtocol)
			require.ErrorContains(t, err, "someone-else")
		}},
		{sidecartest.ExitAtStart, func(t *testing.T, err error) {
			var crash *CrashError
			require.ErrorAs(t, err, &crash)
			require.Equal(t, 4, crash.Exit)
			require.ErrorContains(t, err, "ImportError")
		}},
		{sidecartest.LoadKill, func(t *testing.T, err error) {
			var crash *CrashError
			require.ErrorAs(t, err, &crash)
			require.Equal(t, "load", crash.Phase)
		}},
		{sidecartest.LoadMissing, func(t *testing.T, err error) {
			var said *EngineError
			require.ErrorAs(t, err, &said)
			require.Equal(t, ModelMissing, said.Code)
			require.NotContains(t, said.Message.String(), "/srv/secret")
			require.False(t, Fault(err))
		}},
	} {
		t.Run(c.mode, func(t *testing.T) {
			b := newBench(t, c.mode, func(cfg *Config) {
				if c.mode == sidecartest.Silent {
					cfg.HeartbeatLost = 300 * time.Millisecond
				}
			})
			_, err := b.Acquire(b.ctx(), Spec{Engine: b.manifest})
			c.want(t, err)
			require.Empty(t, b.Loaded())
		})
	}
}

func TestEngineErrorsKeepTheProcess(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	for code, fault := range map[string]bool{OutOfMemory: true, InvalidInput: false, "never heard of": false} {
		_, err := b.try(sidecartest.Fail, map[string]any{"code": code})
		var said *EngineError
		require.ErrorAs(t, err, &said)
		require.Equal(t, fault, Fault(err), code)
		require.NotContains(t, said.Message.String(), "/srv/private")
		require.Equal(t, "first", said.Phase)
	}
	require.Len(t, b.Loaded(), 1)
	lease := b.acquire()
	_, err := lease.Run(b.ctx(), b.request(sidecartest.Fail, map[string]any{"code": DeviceLost}), Events{})
	require.ErrorContains(t, err, DeviceLost)
	require.False(t, alive(lease.PID()), "after device_lost the process is replaced")
	lease.Release()
}

// A phase of which this machine knows that it takes moments is called hung early; the same phase without history is
// not.
func TestHangsByHistory(t *testing.T) {
	for _, mode := range []string{sidecartest.Hang, sidecartest.Burn, sidecartest.HalfFrame, sidecartest.Freeze} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(
				t,
				sidecartest.Echo,
				func(c *Config) { c.HangFloor = time.Second; c.HeartbeatLost = 5 * time.Second },
			)
			b.history.Set("fault", "fault", "first", 60*time.Millisecond, 3)
			_, err := b.try(mode, nil)
			var hang *HangError
			require.ErrorAs(t, err, &hang)
			require.True(t, hang.Learned)
			require.Equal(t, "first", hang.Phase)
			require.True(t, Fault(err))
			b.mustWork()
		})
	}
	t.Run("without history it is left alone", func(t *testing.T) {
		b := newBench(t, sidecartest.Echo, func(c *Config) { c.HangFloor = 100 * time.Millisecond })
		b.history.Set("fault", "fault", "second", 10*time.Millisecond, 3)
		lease := b.acquire()
		defer lease.Release()
		done := make(chan error, 1)
		go func() {
			_, err := lease.Run(b.ctx(), b.request(sidecartest.Hang, nil), Events{})
			done <- err
		}()
		select {
		case err := <-done:
			require.Fail(t, "given up too early", "%v", err)
		case <-time.After(time.Second): // ten times the limit that a history would have set
		}
		lease.Cancel()
		require.ErrorIs(t, <-done, ErrCanceled)
	})
}

func TestAStoppedProcessIsSilent(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(c *Config) { c.HeartbeatLost = 2 * time.Second })
	_, err := b.try(sidecartest.Freeze, nil)
	var hang *HangError
	require.ErrorAs(t, err, &hang)
	require.True(t, hang.Silent)
	b.mustWork()
}

func TestASteadySlowPhaseIsNeverAHang(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(c *Config) { c.HangFloor = 1500 * time.Millisecond })
	b.history.Set("fault", "fault", "second", 20*time.Millisecond, 5)
	b.history.Set("fault", "fault", "first", 300*time.Millisecond, 5)
	_, err := b.try(sidecartest.SlowSteady, map[string]any{"total": 30, "ms": 120})
	require.NoError(t, err, "two limits long, but each step came in time")
}

func TestTheBreakerRefusesOneModelOnly(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	for range 3 {
		_, err := b.try(sidecartest.Kill, nil)
		require.True(t, Fault(err))
	}
	_, err := b.try(sidecartest.Echo, nil)
	var refused *BreakerError
	require.ErrorAs(t, err, &refused)
	require.False(t, Fault(err))
	for _, spec := range []Spec{{Engine: b.manifest, Model: "fault-two"}, {Engine: sidecartest.Manifest("other")}} {
		lease, err := b.Acquire(b.ctx(), spec)
		require.NoError(t, err)
		lease.Release()
	}
}

func TestUnreadAndOversizedInputFailsTheRun(t *testing.T) {
	b := newBench(t, sidecartest.DeafInput, func(c *Config) { c.WriteTimeout = 200 * time.Millisecond })
	lease := b.acquire()
	_, err := lease.Run(b.ctx(), b.request("", map[string]any{"text": strings.Repeat("x", 500<<10)}), Events{})
	require.ErrorContains(t, err, "does not read its input")
	lease.Release()

	b = newBench(t, sidecartest.Echo, nil)
	_, err = b.try("", map[string]any{"text": strings.Repeat("x", 2<<20)})
	var said *EngineError
	require.True(t, errors.As(err, &said) && said.Code == InvalidInput)
	b.mustWork()
}

func TestMemoryGuard(t *testing.T) {
	root := t.TempDir()
	writeMeminfo(t, root, 8<<20, 4<<20)
	b := newBench(t, sidecartest.Echo, func(c *Config) {
		c.Guard = GuardConfig{Interval: 10 * time.Millisecond}
		c.Host = fallingHost(root, c, t)
	})
	lease := b.acquire()
	_, err := lease.Run(b.ctx(), b.request(sidecartest.Alloc, map[string]any{"mib": 2048}), Events{
		Progress: func(p report.Progress) {
			// The memory that the program takes is missing from the machine's 4 GiB, falling eight times as fast.
			writeMeminfo(t, root, 8<<20, max(4<<20-8*int64(p.Step)*4<<10, 0))
		},
	})
	var guard *GuardError
	require.ErrorAs(t, err, &guard)
	require.Equal(t, engine.ID("fault"), guard.Engine)
	require.Equal(t, int64(2<<30), guard.Floor)
	require.Less(t, guard.Available, guard.Floor)
	require.Positive(t, guard.RSS)
	require.Contains(t, err.Error(), "2048 MiB")
	require.True(t, Fault(err))
	require.False(t, alive(lease.PID()))
	lease.Release()
	writeMeminfo(t, root, 8<<20, 4<<20)
	b.mustWork()
}

func TestRuntimeFilesGoWithTheirProcesses(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	files, err := filepath.Glob(filepath.Join(b.dir, runtimeDir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	lease.Release()
	require.NoError(t, b.Evict(b.ctx(), "fault", ""))
	files, err = filepath.Glob(filepath.Join(b.dir, runtimeDir, "*.json"))
	require.NoError(t, err)
	require.Empty(t, files)
}
