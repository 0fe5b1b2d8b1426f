package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store/storetest"
)

// planned is a node with one card whose image engine needs so much; nothing is started.
func planned(t *testing.T, ram, vram string) (*Runner, *jobs.Service, func(sql string, args ...any) int) {
	t.Helper()
	st := storetest.New(t)
	dir := t.TempDir()
	text := strings.NewReplacer("%ID%", "draft-image", "%TASK%", "image.generate", "uses_gpu: false", "uses_gpu: true",
		"{device: cpu, variant: default, ram_bytes: 50000000, vram_bytes: 0}",
		"{device: hip, variant: default, ram_bytes: "+ram+", vram_bytes: "+vram+"}").Replace(manifestYAML)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "engines", "draft-image"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "engines", "draft-image", "manifest.yaml"), []byte(text), 0o600))
	catalogue, err := engine.Load(filepath.Join(dir, "engines"))
	require.NoError(t, err)
	service := jobs.New(jobs.Config{Pool: st.Pool(), NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k"})
	_, err = service.Recover(t.Context())
	require.NoError(t, err)
	host := device.NewHost("../device/testdata/igpu-first")
	pool := sidecar.New(sidecar.Config{WorkDir: dir, Host: host})
	r := New(Config{Jobs: service, Pool: pool, Catalogue: catalogue, Host: host, UseGPU: true, Slots: 2, WorkDir: dir})
	return r, service, func(sql string, args ...any) (n int) {
		require.NoError(t, st.Pool().QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
}

const queueImages = `with made as (
	insert into generation_jobs (id, owner_id, type, lane, status, quality, engine, model, parameters, uses_gpu)
	select gen_random_uuid(), $1, 'image.generate', 'image', 'queued', 'draft', 'draft-image',
	       'draft-image', '{"params": {}, "inputs": []}', true
	  from generate_series(1, $2::int) returning 1)
	select count(*) from made`

// pass is one scheduling pass, as dispatch does it.
func pass(t *testing.T, r *Runner, service *jobs.Service) sched.Decision {
	t.Helper()
	list, err := service.Waiting(t.Context())
	require.NoError(t, err)
	waiting := list.Jobs
	d := sched.Pick(r.view(waiting, r.cfg.Host.Snapshot()), r.cfg.Policy)
	require.NoError(t, r.explain(t.Context(), waiting, d))
	return d
}

// With one busy card a queue of 5,000 stays quiet: each finish writes the job that ended and the one that started.
func TestBusyCardWritesNothingIntoTheJobsBehindIt(t *testing.T) {
	r, service, count := planned(t, "1000000000", "8000000000")
	require.Equal(t, 5000, count(queueImages, owner, 5000))
	const finishes = 4
	for range finishes {
		d := pass(t, r, service)
		require.NotNil(t, d.Job)
		claimed, err := service.Claim(t.Context(), d.Job.ID, d.Job.Device)
		require.NoError(t, err)
		r.reserve(d.Job, nil)
		for range 3 { // a tick each second, and whatever else wakes the runner
			require.Nil(t, pass(t, r, service).Job, "one card, one job")
		}
		behind, err := service.List(t.Context(), owner, jobs.Filter{Statuses: []jobs.Status{jobs.Queued}, Limit: 1})
		require.NoError(t, err)
		require.Equal(t, jobs.ReasonDeviceBusy, behind.Jobs[0].Reason, "and the reader is told")
		_, err = service.Finish(t.Context(), claimed.ID, claimed.Fence, jobs.Result{})
		require.NoError(t, err)
		r.release(claimed.ID)
		pass(t, r, service)
	}
	require.Equal(t, 2*finishes, count(`select sum(row_version - 1) from generation_jobs`), "updates")
	require.Equal(t, 2*finishes, count(`select count(*) from events`), "events")
	require.Zero(t, count(`select count(*) from generation_jobs where reason is not null`))
}

// What other programs hold is told with numbers, of the first that wait, once: not again at each pass, and taken back
// when it is free.
func TestJobsThatWaitForMemoryTellTheAmounts(t *testing.T) {
	r, service, count := planned(t, "25000000000", "8000000000") // of 33 GB of which 21 are available
	require.Equal(t, 5000, count(queueImages, owner, 5000))
	for range 3 {
		require.Nil(t, pass(t, r, service).Job)
	}
	require.Equal(t, explained, count(`select count(*) from generation_jobs where reason = 'no_memory'`))
	require.Equal(t, explained, count(`select sum(row_version - 1) from generation_jobs`))
	require.Equal(t, explained, count(`select count(*) from events`))

	queue, err := service.Queue(t.Context(), &owner)
	require.NoError(t, err)
	require.Len(t, queue.NoMemory, explained)
	snapshot := r.cfg.Host.Snapshot()
	want := jobs.Shortage{
		Device:     "hip:0",
		NeededRAM:  25000000000,
		FreeRAM:    snapshot.RAMAvailable - r.keepFree(snapshot),
		NeededVRAM: 8000000000,
		FreeVRAM:   r.devices(snapshot)["hip:0"].Free,
	}
	require.Equal(t, want, queue.NoMemory[0].Shortage)
	short, err := service.Get(t.Context(), owner, queue.NoMemory[0].JobID)
	require.NoError(t, err)
	require.Equal(t, want, *short.Shortage)

	// The other programs end: nothing waits for memory any more.
	r.cfg.Host = device.NewHost(withAvailable(t, "30000000"))
	require.NotNil(t, pass(t, r, service).Job)
	require.Zero(t, count(`select count(*) from generation_jobs where reason is not null`))
}

// withAvailable is the machine with another amount of available memory, in kB.
func withAvailable(t *testing.T, kilobytes string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../device/testdata/igpu-first")))
	path := filepath.Join(dir, "proc", "meminfo")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := strings.Replace(string(content), "20971520", kilobytes, 1)
	require.NotEqual(t, string(content), changed)
	require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
	return dir
}
