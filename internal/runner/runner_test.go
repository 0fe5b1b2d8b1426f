package runner

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/queue"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
)

func TestMain(m *testing.M) {
	sidecartest.Main()
	os.Exit(m.Run())
}

const patience = time.Minute

var owner = uuid.MustParse("00000000-0000-7000-8000-000000000001")

// node is a whole node but for the API: real Postgres, real River, real sidecar processes (the fault program).
type node struct {
	t      *testing.T
	store  *store.Store
	jobs   *jobs.Service
	pool   *sidecar.Pool
	hub    *events.Hub
	runner *Runner
	blobs  blob.Store
	work   string
	stop   func()

	// commands are the engines' programs; a change holds for the next process.
	commands map[engine.ID][]string
}

type nodeOption func(*Config, *sidecar.Config)

// manifestYAML describes an engine of the fault program for every lane. Its phases are those that the program reports.
const manifestYAML = `
id: %ID%
version: 1
quality: draft
module: none
venv: draft
licence: test
uses_gpu: false
description: {en: x, pt-BR: x}
install: {en: x, pt-BR: x}
models: [{id: %ID%, default: true}]
block_seconds: 1
memory: [{device: cpu, variant: default, ram_bytes: 50000000, vram_bytes: 0}]
tasks:
  %TASK%:
    parameters: {type: object, additionalProperties: true, properties: {}}
    outputs: [{name: out, kind: data, mime: text/plain}]
    phases: [{name: first, weight: 0.1}, {name: second, weight: 0.9, segments: true}]
`

func startNode(t *testing.T, s *store.Store, options ...nodeOption) *node {
	t.Helper()
	dir := t.TempDir()
	catalogue := writeCatalogue(t, filepath.Join(dir, "engines"))
	blobs, err := blob.NewDisk(filepath.Join(dir, "blobs"))
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	n := &node{t: t, store: s, blobs: blobs, work: filepath.Join(dir, "work")}
	nodeID, boot := uuid.New(), uuid.New()
	n.hub = events.NewHub(events.Config{Pool: s.Pool(), Connect: s.Connect, Shared: true, Log: log,
		OnState: func(e events.Event) {
			if e.Job != nil {
				n.jobs.Touch(*e.Job)
			}
		},
		Notifications: map[string]func(string){
			jobs.CancelChannel: func(id string) { n.runner.Cancel(uuid.MustParse(id)) },
		}})
	poker := queue.NewPoker(s.Pool(), log)
	n.jobs = jobs.New(
		jobs.Config{
			Pool:         s.Pool(),
			Hub:          n.hub,
			NodeID:       nodeID,
			BootID:       boot,
			KernelBootID: "k",
			WakeOthers:   poker.Poke,
			Log:          log,
		},
	)
	history := NewHistory(n.jobs, log)
	sidecars := sidecar.Config{
		WorkDir:  n.work,
		Commands: map[engine.ID][]string{},
		History:  history,
		Log:      log,
		Guard:    sidecar.GuardConfig{MinAvailable: -1, MinAvailableFraction: -1, PressureFull: -1},
	}
	for _, m := range catalogue.All() {
		sidecars.Commands[m.ID] = sidecartest.Command(sidecartest.Echo)
	}
	config := Config{
		Jobs:                 n.jobs,
		Catalogue:            catalogue,
		Host:                 device.NewHost(""),
		Blobs:                blobs,
		Media:                media.New(media.Config{Log: log}),
		Hub:                  n.hub,
		History:              history,
		WorkDir:              n.work,
		SoftStop:             10 * time.Millisecond,
		Shared:               true,
		Log:                  log,
		MinAvailable:         1,
		MinAvailableFraction: 0.0001,
	}
	for _, apply := range options {
		apply(&config, &sidecars)
	}
	n.pool, n.commands, n.blobs = sidecar.New(sidecars), sidecars.Commands, config.Blobs
	catalogue.Installed = n.pool.Installed
	config.Pool = n.pool
	n.runner = New(config)
	workers := river.NewWorkers()
	river.AddWorker(workers, n.runner.Tickets())
	q, err := queue.New(
		queue.Config{
			Pool:     s.Pool(),
			NodeID:   nodeID,
			BootID:   boot,
			Workers:  workers,
			SoftStop: time.Second,
			Log:      slog.New(slog.DiscardHandler),
		},
	)
	require.NoError(t, err)
	_, err = n.jobs.Recover(context.Background())
	require.NoError(t, err)
	n.run(
		n.hub.Run,
		n.pool.Run,
		poker.Run,
		func(ctx context.Context) error { return n.jobs.RunNode(ctx, jobs.NodeConfig{Shared: true, Grace: -1}) },
		q.Run,
		n.runner.Run,
	)
	return n
}

func writeCatalogue(t *testing.T, dir string) *engine.Catalogue {
	t.Helper()
	for id, task := range map[string]string{"draft-speech": "audio.speech", "draft-image": "image.generate",
		"draft-avatar": "video.avatar", "draft-voice": "audio.clone_voice"} {
		text := strings.NewReplacer("%ID%", id, "%TASK%", task).Replace(manifestYAML)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, id), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, id, "manifest.yaml"), []byte(text), 0o600))
	}
	catalogue, err := engine.Load(dir)
	require.NoError(t, err)
	return catalogue
}

// run starts services in order; they are stopped in reverse at the test's end or by stop.
func (n *node) run(services ...func(context.Context) error) {
	var stops []func()
	for _, service := range services {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = service(ctx) }()
		stops = append(stops, func() { cancel(); <-ended })
	}
	stopped := false
	n.stop = func() {
		for i := len(stops) - 1; i >= 0 && !stopped; i-- {
			stops[i]()
		}
		stopped = true
	}
	n.t.Cleanup(n.stop)
}

func (n *node) submit(kind jobs.Type, params map[string]any) *jobs.Job {
	n.t.Helper()
	engines := map[jobs.Type]string{
		jobs.TypeSpeech:     "draft-speech",
		jobs.TypeImage:      "draft-image",
		jobs.TypeAvatar:     "draft-avatar",
		jobs.TypeCloneVoice: "draft-voice",
	}
	params["seed"] = 7
	job, err := n.jobs.Submit(
		context.Background(),
		jobs.Spec{
			Owner:   owner,
			Type:    kind,
			Quality: "draft",
			Engine:  engines[kind],
			Model:   engines[kind],
			Params:  params,
		},
	)
	require.NoError(n.t, err)
	return job
}

func (n *node) await(id uuid.UUID, want jobs.Status) *jobs.Job {
	n.t.Helper()
	job, err := n.jobs.Wait(context.Background(), owner, id, patience)
	require.NoError(n.t, err)
	require.Equal(n.t, want, job.Status, "error: %+v", job.Error)
	return job
}

// until waits for a job to be so, event by event.
func (n *node) until(id uuid.UUID, so func(*jobs.Job) bool) *jobs.Job {
	n.t.Helper()
	var job *jobs.Job
	require.Eventually(n.t, func() bool {
		var err error
		job, err = n.jobs.Get(context.Background(), owner, id)
		require.NoError(n.t, err)
		return so(job)
	}, patience, 5*time.Millisecond)
	return job
}

func (n *node) requireNoWorkFiles() {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		entries, err := os.ReadDir(n.work)
		require.NoError(n.t, err)
		for _, entry := range entries {
			if uuid.Validate(entry.Name()) == nil {
				return false
			}
		}
		return true
	}, patience, 5*time.Millisecond, "a run's folder is left over")
}

func (n *node) count(sql string, args ...any) (rows int) {
	n.t.Helper()
	require.NoError(n.t, n.store.Pool().QueryRow(context.Background(), sql, args...).Scan(&rows))
	return rows
}

func TestAJobRunsToItsResult(t *testing.T) {
	n := startNode(t, storetest.New(t))
	job := n.submit(jobs.TypeSpeech, map[string]any{"text": "hello"})
	done := n.await(job.ID, jobs.Completed)
	require.Equal(t, 1, done.Attempt)
	require.Equal(t, 1, n.count("select count(*) from media_assets where job_id = $1", job.ID))
	require.Equal(t, 1, n.count("select count(*) from events where job_id = $1 and type = 'job.completed'", job.ID))
	require.NotEmpty(t, done.Metrics.Timeline)
	require.Equal(t, "cpu", done.Metrics.Device)
	n.requireNoWorkFiles()
}

func TestCancelWhileRunning(t *testing.T) {
	n := startNode(t, storetest.New(t))
	job := n.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.Obedient})
	n.until(job.ID, func(j *jobs.Job) bool { return j.Status == jobs.Processing })
	for range 2 {
		_, err := n.jobs.Cancel(context.Background(), owner, job.ID)
		require.NoError(t, err)
	}
	n.await(job.ID, jobs.Canceled)
	require.Equal(t, 1, n.count("select count(*) from events where job_id = $1 and type = 'job.canceled'", job.ID))
	n.requireNoWorkFiles()
}

func TestCancelWhileLoading(t *testing.T) {
	n := startNode(t, storetest.New(t), func(_ *Config, s *sidecar.Config) {
		s.Commands["draft-avatar"] = sidecartest.Command(sidecartest.LoadHang)
	})
	job := n.submit(jobs.TypeAvatar, map[string]any{})
	n.until(job.ID, func(j *jobs.Job) bool { return j.Status == jobs.Processing })
	_, err := n.jobs.Cancel(context.Background(), owner, job.ID)
	require.NoError(t, err)
	n.await(job.ID, jobs.Canceled)
}

// A job that always kills its process fails at the third fault; others go on meanwhile.
func TestJobThatKillsItsProcessFailsAndOthersContinue(t *testing.T) {
	n := startNode(t, storetest.New(t))
	killer := n.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.Kill})
	other := n.submit(jobs.TypeSpeech, map[string]any{"text": "hello"})
	n.await(other.ID, jobs.Completed)
	failed := n.await(killer.ID, jobs.Failed)
	require.Equal(t, 3, failed.Faults)
	require.Equal(t, 3, failed.Attempt)
	require.Equal(t, "engine_crashed", failed.Error.Code)
	require.Contains(t, failed.Error.Detail.String(), "SIGKILL")
	n.requireNoWorkFiles()
}

func TestInvalidInputFailsAtOnceAndNamesTheField(t *testing.T) {
	n := startNode(t, storetest.New(t))
	job := n.submit(jobs.TypeSpeech, map[string]any{"mode": sidecartest.Fail, "code": "invalid_input", "field": "text"})
	failed := n.await(job.ID, jobs.Failed)
	require.Equal(t, 1, failed.Attempt)
	require.Zero(t, failed.Faults)
	require.Equal(t, "invalid_input", failed.Error.Code)
	require.Equal(t, "/text", failed.Error.Pointer)
}

// lowerToo gives the avatar's engine a second, smaller variant.
func lowerToo(c *Config, s *sidecar.Config) {
	m, _ := c.Catalogue.Get("draft-avatar")
	m.Memory = []engine.MemoryPlan{
		{Device: "cpu", Variant: "high", Memory: device.Memory{RAM: 60 << 20}},
		{Device: "cpu", Variant: "low", Memory: device.Memory{RAM: 50 << 20}},
	}
	s.Commands[m.ID] = sidecartest.Command(sidecartest.OOMIn)
}

// Memory that runs out although the plan fitted: the same attempt goes on with less, after the segments that are there.
func TestOutOfMemoryIsRetriedOnceWithLess(t *testing.T) {
	n := startNode(t, storetest.New(t), lowerToo)
	job := n.submit(jobs.TypeAvatar, map[string]any{"text": "high", "total": 2})
	done := n.await(job.ID, jobs.Completed)
	require.Equal(t, 1, done.Attempt)
	require.Zero(t, done.Faults)
	require.EqualValues(t, 1, done.Result.Metadata["first_segment"], "the segment of the first run is not made again")
	require.Equal(t, 2, n.count("select count(*) from job_segments where job_id = $1", job.ID))
	n.requireNoWorkFiles()
}

// Memory that runs out with less too is a clear failure, not two more attempts of the same.
func TestOutOfMemoryTwiceFailsTheJob(t *testing.T) {
	warned := make(chan string, 100)
	n := startNode(
		t,
		storetest.New(t),
		lowerToo,
		func(c *Config, _ *sidecar.Config) { c.Log = slog.New(slog.NewTextHandler(lines(warned), nil)) },
	)
	job := n.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.Fail, "code": sidecar.OutOfMemory})
	failed := n.await(job.ID, jobs.Failed)
	require.Equal(t, 1, failed.Attempt)
	require.Equal(t, sidecar.OutOfMemory, failed.Error.Code)
	require.True(t, failed.Error.Retryable, "when other programs have ended")
	n.requireNoWorkFiles()
	n.stop()
	close(warned)
	lowered := 0
	for line := range warned {
		if strings.Contains(line, "memory ran out") {
			lowered++
			require.Contains(t, line, "variant=low")
		}
	}
	require.Equal(t, 1, lowered, "once with less")
}

// lines hands on what a logger writes.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

// The second run of a job goes on after the segments of the first.
func TestFinishedSegmentsAreNotMadeAgain(t *testing.T) {
	n := startNode(t, storetest.New(t))
	job := n.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.Segments, "total": 4, "ms": 300})
	require.Eventually(t, func() bool {
		return n.count("select count(*) from job_segments where job_id = $1", job.ID) >= 2
	}, patience, 5*time.Millisecond)
	for _, loaded := range n.pool.Loaded() {
		if loaded.Busy {
			process, err := os.FindProcess(loaded.PID)
			require.NoError(t, err)
			require.NoError(t, process.Kill())
		}
	}
	ended := n.await(job.ID, jobs.Completed)
	require.Equal(t, 4, n.count("select count(*) from job_segments where job_id = $1", job.ID))
	kept := n.count("select count(*) from job_segments where job_id = $1 and fence = 1", job.ID)
	require.GreaterOrEqual(t, kept, 2)
	require.EqualValues(t, kept, ended.Result.Metadata["first_segment"], "the second run makes only what is missing")
	require.GreaterOrEqual(t, n.count("select count(*) from job_segments where job_id = $1 and fence = 2", job.ID), 1)
}

// A soft stop hands the job back without a fault, and the next node completes it.
func TestSoftStopRequeuesRunningJobs(t *testing.T) {
	s := storetest.New(t)
	first := startNode(t, s)
	job := first.submit(jobs.TypeAvatar, map[string]any{"mode": sidecartest.Segments, "total": 3, "ms": 400})
	require.Eventually(t, func() bool {
		return first.count("select count(*) from job_segments where job_id = $1", job.ID) >= 1
	}, patience, 5*time.Millisecond)
	first.stop()
	waiting, err := first.jobs.Get(context.Background(), owner, job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Queued, waiting.Status)
	require.Zero(t, waiting.Faults)
	first.requireNoWorkFiles()
}

// Two nodes on one queue: every job is run once.
func TestTwoNodesShareAQueue(t *testing.T) {
	s := storetest.New(t)
	a, b := startNode(t, s), startNode(t, s)
	var ids []uuid.UUID
	for range 30 {
		ids = append(ids, a.submit(jobs.TypeSpeech, map[string]any{"text": "x"}).ID)
	}
	for _, id := range ids {
		require.Equal(t, 1, a.await(id, jobs.Completed).Attempt)
	}
	require.Equal(t, 30, b.count("select count(*) from events where type = 'job.completed'"))
	require.Equal(t, 30, b.count("select count(*) from media_assets"))
}

// 50 audio jobs that came first do not keep a video from its share.
func TestAudioDoesNotStarveAVideo(t *testing.T) {
	n := startNode(t, storetest.New(t), func(c *Config, _ *sidecar.Config) { c.Slots = 1; c.Policy = sched.Policy{} })
	_, err := n.jobs.SetPaused(context.Background(), true, "user")
	require.NoError(t, err)
	for range 50 {
		n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	}
	video := n.submit(jobs.TypeAvatar, map[string]any{"text": "x"})
	_, err = n.jobs.SetPaused(context.Background(), false, "user")
	require.NoError(t, err)
	n.await(video.ID, jobs.Completed)
	before := n.count(`select count(*) from events e where e.type = 'job.started'
		and e.seq < (select seq from events where type = 'job.started' and job_id = $1)`, video.ID)
	require.LessOrEqual(t, before, 8)
}
