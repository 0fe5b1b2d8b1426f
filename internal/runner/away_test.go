package runner

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

// Whichever commit of a job's life loses its answer, the job ends once, as it should.
func TestJobEndsOnceWhicheverDatabaseAnswerIsLost(t *testing.T) {
	ctx := context.Background()
	dsn := storetest.DSN(t)
	proxy := storetest.NewProxy(t, dsn)
	n := startNode(t, proxy.Open(t))
	for kind, params := range map[jobs.Status]map[string]any{
		jobs.Completed: {"mode": sidecartest.Segments, "total": 2},
		jobs.Failed:    {"mode": sidecartest.Fail, "code": "invalid_input"},
		jobs.Canceled:  {"mode": sidecartest.Obedient},
	} {
		for nth := 1; nth <= 6; nth++ {
			params["seed"] = 7
			before := proxy.Lost()
			id := uuid.New()
			proxy.LoseAnswer(nth)
			spec := jobs.Spec{
				ID:      id,
				Owner:   owner,
				Type:    jobs.TypeAvatar,
				Quality: "draft",
				Engine:  "draft-avatar",
				Model:   "draft-avatar",
				Params:  params,
			}
			_, _ = n.jobs.Submit(ctx, spec) // with its answer lost the job is there all the same
			if kind == jobs.Canceled {
				n.until(id, func(j *jobs.Job) bool { return j.Status == jobs.Processing })
				require.Eventually(t, func() bool {
					_, err := n.jobs.Cancel(ctx, owner, id)
					return err == nil
				}, patience, 10*time.Millisecond)
			}
			job := n.until(id, func(j *jobs.Job) bool { return j.Status.Terminal() })
			require.Equal(t, kind, job.Status, "commit %d: %+v", nth, job.Error)
			require.Zero(t, job.Faults, "commit %d", nth)
			require.LessOrEqual(t, job.Attempt, 1, "commit %d", nth)
			require.Equal(
				t,
				1,
				n.count("select count(*) from events where job_id = $1 and type = 'job.' || $2", id, string(kind)),
				"commit %d",
				nth,
			)
			if kind == jobs.Completed {
				require.Equal(
					t,
					1,
					n.count("select count(*) from media_assets where job_id = $1", id),
					"commit %d",
					nth,
				)
				require.Equal(
					t,
					2,
					n.count("select count(*) from job_segments where job_id = $1", id),
					"commit %d",
					nth,
				)
			}
			require.Eventually(
				t,
				func() bool { return proxy.Lost() > before },
				patience,
				time.Millisecond,
			) // a beat at the latest
		}
	}
	require.Zero(t, n.count("select count(*) from generation_jobs where status in ('queued', 'processing')"))
	require.Zero(t, n.count("select max(seq) - count(*) from events"), "the numbers of events have a hole")
}

// A job of an engine that is gone fails with what to choose, and the others go on; while other nodes live it is left to
// those.
func TestUnknownEngineDoesNotStopOtherJobs(t *testing.T) {
	ctx := context.Background()
	n := startNode(t, storetest.New(t), func(c *Config, _ *sidecar.Config) { c.Slots = 1 })
	other := uuid.New()
	_, err := n.store.Pool().
		Exec(ctx, `insert into nodes (id, boot_id, kernel_boot_id, hostname, seen_at) values ($1, $1, 'k', 'h', `+
			`now() + interval '1 hour')`, other)
	require.NoError(t, err)
	gone := jobs.Spec{
		Owner:    owner,
		Type:     jobs.TypeSpeech,
		Quality:  "draft",
		Engine:   "of-yesterday",
		Model:    "x",
		Priority: 10,
		Params:   map[string]any{"seed": 7},
	}
	unknown, err := n.jobs.Submit(ctx, gone)
	require.NoError(t, err)
	n.await(n.submit(jobs.TypeSpeech, map[string]any{"text": "x"}).ID, jobs.Completed)
	job, err := n.jobs.Get(ctx, owner, unknown.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Queued, job.Status, "the other node may have the engine")

	_, err = n.store.Pool().Exec(ctx, "delete from nodes where id = $1", other)
	require.NoError(t, err)
	failed := n.await(unknown.ID, jobs.Failed)
	require.Equal(t, "engine_gone", failed.Error.Code)
	require.Contains(t, failed.Error.Detail.String(), "of-yesterday")
	require.Contains(t, failed.Error.Detail.String(), "draft-speech", "what to choose instead")
	n.await(n.submit(jobs.TypeAvatar, map[string]any{"text": "x"}).ID, jobs.Completed)
}

// A job whose row cannot be read is the next one for ever, and the others run.
func TestUnclaimableJobDoesNotStopOtherJobs(t *testing.T) {
	ctx := context.Background()
	n := startNode(t, storetest.New(t), func(c *Config, _ *sidecar.Config) { c.Slots = 1 })
	_, err := n.jobs.SetPaused(ctx, true, "user")
	require.NoError(t, err)
	bad := n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	_, err = n.store.Pool().
		Exec(ctx, `update generation_jobs set priority = 10, parameters = jsonb_set(parameters, '{params,x}', `+
			`'1e400') where id = $1`, bad.ID)
	require.NoError(t, err)
	good := n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	_, err = n.jobs.SetPaused(ctx, false, "user")
	require.NoError(t, err)
	n.await(good.ID, jobs.Completed)
	require.Equal(t, 1, n.count("select count(*) from generation_jobs where id = $1 and status = 'queued'", bad.ID))
	n.runner.mu.Lock()
	defer n.runner.mu.Unlock()
	require.Contains(t, n.runner.aside, bad.ID)
}

// A studio that is stopped while its database is away ends: a written time after the soft stop. The job is the next
// start's.
func TestAStopWithoutADatabaseEnds(t *testing.T) {
	ctx := context.Background()
	dsn := storetest.DSN(t)
	proxy := storetest.NewProxy(t, dsn)
	direct := storetest.NewProxy(t, dsn).Open(t)
	n := startNode(t, proxy.Open(t), func(c *Config, _ *sidecar.Config) { c.StopWrites = 200 * time.Millisecond })
	job := n.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.Segments, "total": 1000, "ms": 20})
	n.until(job.ID, func(j *jobs.Job) bool { return j.Status == jobs.Processing })
	proxy.Down()
	stopped := make(chan struct{})
	go func() { n.stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(patience):
		proxy.Up() // so that the test itself ends
		t.Fatal("the stop waits for a database that does not come back")
	}
	var node uuid.UUID
	require.NoError(
		t,
		direct.Pool().
			QueryRow(ctx, "select node_id from generation_jobs where id = $1 and status = 'processing'", job.ID).
			Scan(&node),
	)
	next := jobs.New(jobs.Config{Pool: direct.Pool(), NodeID: node, BootID: uuid.New(), KernelBootID: "k"})
	taken, err := next.Recover(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, taken)
}

// A slow unload delays no job: jobs are started and canceled while an idle model is being unloaded.
func TestJobsStartWhileAModelIsUnloaded(t *testing.T) {
	n := startNode(t, storetest.New(t), func(c *Config, s *sidecar.Config) {
		m, _ := c.Catalogue.Get("draft-avatar")
		m.Models[0].Variants = []engine.Variant{{ID: "only"}}
		s.Commands[m.ID] = sidecartest.Command(sidecartest.IgnoreEnd)
		s.TermGrace = patience // the process is deaf: it ends when the test kills it
		c.KeepAlive = time.Nanosecond
	})
	n.await(n.submit(jobs.TypeAvatar, map[string]any{"text": "x"}).ID, jobs.Completed)
	var pid int
	for _, loaded := range n.pool.Loaded() {
		if loaded.Engine == "draft-avatar" {
			pid = loaded.PID
		}
	}
	require.NotZero(t, pid)
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	defer func() { _ = process.Kill() }()
	require.Eventually(t, func() bool { return n.runner.evicting.Load() }, patience, time.Millisecond)
	// It is claimed at once. That its load waits for the memory on the same device is the pool's business, and can be
	// canceled.
	job := n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	n.until(job.ID, func(j *jobs.Job) bool { return j.Status == jobs.Processing })
	_, err = n.jobs.Cancel(context.Background(), owner, job.ID)
	require.NoError(t, err)
	n.await(job.ID, jobs.Canceled)
	require.True(t, n.runner.evicting.Load(), "the model is still being unloaded")
}
