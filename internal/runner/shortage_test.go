package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

// leaveFiles lets this process open only so many more files until the returned function is called.
func leaveFiles(t *testing.T, free int) (again func()) {
	t.Helper()
	open := map[int]bool{}
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		require.NoError(t, err)
		open[number] = true
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	few := limit
	for few.Cur = 0; free > 0 || open[int(few.Cur)]; few.Cur++ {
		if !open[int(few.Cur)] {
			free--
		}
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	again = func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }
	t.Cleanup(again)
	return again
}

// A studio that runs out of open files keeps its jobs: one whose result cannot be copied and one whose process cannot
// be started wait and end once there are files again, and what waits in the queue is not refused.
func TestJobsSurviveALackOfOpenFiles(t *testing.T) {
	n := startNode(t, storetest.New(t), func(c *Config, _ *sidecar.Config) { c.Shared = false })
	running := n.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.SlowSteady, "total": 2, "ms": 500})
	n.until(running.ID, func(j *jobs.Job) bool {
		return j.Progress != nil && j.Progress.Stage == "second" || j.Status.Terminal()
	})
	again := leaveFiles(t, 0)
	waiting := n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	backsOff := func(j *jobs.Job) bool {
		require.NotEqual(t, jobs.Failed, j.Status, "%+v", j.Error)
		return j.Reason == jobs.ReasonBackingOff
	}
	n.until(running.ID, backsOff)
	again()
	require.Greater(t, n.await(running.ID, jobs.Completed).Attempt, 1)
	require.Zero(t, n.await(waiting.ID, jobs.Completed).Faults)

	again = leaveFiles(t, 3) // enough to look at the machine, not for the pipes of a process
	cold := n.submit(jobs.TypeImage, map[string]any{"text": "x"})
	n.until(cold.ID, backsOff)
	again()
	require.Zero(t, n.await(cold.ID, jobs.Completed).Faults)
	n.requireNoWorkFiles()
}

// A machine whose memory cannot be read looks like one without any: that decides nothing, and no job is refused.
func TestUnreadableMemoryRefusesNoJob(t *testing.T) {
	ctx := context.Background()
	n := stillNode(t, storetest.New(t))
	n.runner.cfg.Host = device.NewHost("")
	n.runner.cfg.Host.Memory = func() (int64, int64, error) { return 0, 0, syscall.EMFILE }
	n.runner.cfg.Pool = sidecar.New(sidecar.Config{WorkDir: t.TempDir(), Host: n.runner.cfg.Host})
	job := n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	_, err := n.runner.dispatch(ctx, ctx)
	require.ErrorContains(t, err, "read the state of the machine")
	got, err := n.jobs.Get(ctx, owner, job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Queued, got.Status)
	manifest, _ := n.runner.cfg.Catalogue.Get("draft-speech")
	require.NoError(t, n.runner.Fit(manifest, string(jobs.TypeSpeech), "draft-speech", Size{}))
}

// A lack that does not end fails the job in the end, with what was lacking; one success between starts the count anew.
func TestLastingShortageFailsTheJob(t *testing.T) {
	ctx := context.Background()
	n := stillNode(t, storetest.New(t))
	n.runner.cfg.MaxShortages = 3
	for number, says := range map[syscall.Errno]string{
		syscall.EMFILE: "open files", syscall.ENFILE: "open files", syscall.EAGAIN: "processes",
		syscall.ENOMEM: "memory", syscall.ENOBUFS: "memory",
	} {
		lack := fmt.Errorf("start engine x: %w", &os.PathError{Op: "fork/exec", Path: "/secret/python", Err: number})
		a := n.attempt(jobs.TypeSpeech)
		for try := 1; ; try++ {
			a.writeOutcome(ctx, jobs.Result{}, lack)
			job, err := n.jobs.Get(ctx, owner, a.claimed.ID)
			require.NoError(t, err)
			require.Zero(t, job.Faults)
			if try == n.runner.cfg.MaxShortages {
				require.Equal(t, jobs.Failed, job.Status)
				require.Equal(t, "computer_exhausted", job.Error.Code)
				require.Contains(t, job.Error.Detail.String(), says)
				require.NotContains(t, job.Error.Detail.String(), "secret")
				require.True(t, job.Error.Retryable)
				break
			}
			require.Equal(t, jobs.Queued, job.Status)
			require.Equal(t, jobs.ReasonBackingOff, job.Reason)
			_, err = n.store.Pool().
				Exec(ctx, "update generation_jobs set not_before = '-infinity' where id = $1", job.ID)
			require.NoError(t, err)
			claimed, err := n.jobs.Claim(ctx, job.ID, cpu)
			require.NoError(t, err)
			a.claimed = claimed
		}
	}
	require.Empty(t, n.runner.shortages)
}

// A program of the engine that was killed from outside is tried again, as often as a crash; then the sentence says why.
func TestAKilledProgramOfAnEngineIsTriedAgain(t *testing.T) {
	n := startNode(t, storetest.New(t))
	job := n.submit(jobs.TypeSpeech, map[string]any{"mode": sidecartest.Fail, "code": sidecar.Interrupted})
	failed := n.await(job.ID, jobs.Failed)
	require.Equal(t, 3, failed.Attempt)
	require.Equal(t, 3, failed.Faults)
	require.Equal(t, sidecar.Interrupted, failed.Error.Code)
	require.True(t, failed.Error.Retryable)
}

// An engine's own error stays the engine's, and a missing file is not a lack of open files.
func TestOtherErrorsAreNotShortages(t *testing.T) {
	for _, err := range []error{nil, io.EOF, os.ErrNotExist, syscall.EACCES, syscall.ENOSPC, context.Canceled,
		&sidecar.EngineError{Code: sidecar.Internal, Message: i18n.Plain("[Errno 24] Too many open files")}} {
		require.Zero(t, shortOf(err), "%v", err)
	}
	require.Equal(t, syscall.EMFILE, shortOf(fmt.Errorf("runner: %w", os.NewSyscallError("pipe2", syscall.EMFILE))))
}
