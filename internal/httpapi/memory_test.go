package httpapi

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/jobs"
)

// A job that waits for memory shows needed and free bytes in both languages: in the job, the list and the queue.
func TestNoMemoryJobShowsNeededAndFreeBytes(t *testing.T) {
	b := newBench(t)
	job := b.speech()
	short := jobs.Shortage{Device: "hip:0", NeededRAM: 4_000_000_000, FreeRAM: 3_500_000_000, NeededVRAM: 9_100_000_000,
		FreeVRAM: 2_000_000_000}
	require.NoError(t, b.jobs.SetNoMemory(b.ctx,
		map[uuid.UUID]jobs.Shortage{uuid.MustParse(job["id"].(string)): short}))
	numbers := object{"device": "hip:0", "needed_ram_bytes": 4e9, "free_ram_bytes": 3.5e9, "needed_vram_bytes": 9.1e9,
		"free_vram_bytes": 2e9}

	list, _ := b.get("/api/v1/jobs?status=queued")["data"].([]any)
	require.Len(t, list, 1)
	for _, shown := range []object{b.get("/api/v1/jobs/" + job["id"].(string)), list[0].(map[string]any)} {
		require.Equal(t, "no_memory", shown["reason"])
		detail := shown["progress_detail"].(map[string]any)
		require.Equal(t, "waits for memory: it needs 9.1 GB of the card's memory and 4.0 GB of RAM, and 2.0 GB and "+
			"3.5 GB are free", detail["message"])
		require.Equal(t, numbers, detail["memory"])
	}
	waiting, _ := b.get("/api/v1/queue")["no_memory"].([]any)
	require.Len(t, waiting, 1)
	require.Equal(t, job["id"], waiting[0].(map[string]any)["job_id"])
	require.Equal(t, 9.1e9, waiting[0].(map[string]any)["needed_vram_bytes"])
	spoken := b.send("GET", "/api/v1/jobs/"+job["id"].(string), nil, "Accept-Language", "pt-BR")
	require.Contains(t, string(spoken.body), "precisa de 9,1 GB da memória da placa e de 4,0 GB de RAM")

	require.NoError(t, b.jobs.SetReason(b.ctx,
		map[uuid.UUID]jobs.Reason{uuid.MustParse(job["id"].(string)): jobs.ReasonNone}))
	require.Nil(t, b.get("/api/v1/jobs/" + job["id"].(string))["progress_detail"])
	require.Empty(t, b.get("/api/v1/queue")["no_memory"])
}

// The queue names the caller's jobs and nobody else's.
func TestTheQueueNamesTheCallersJobs(t *testing.T) {
	b := newBench(t)
	own := b.speech()
	other := uuid.New()
	_, err := b.pool.Exec(b.ctx, "insert into users (id, name) values ($1, 'x')", other)
	require.NoError(t, err)
	_, err = b.jobs.Submit(b.ctx, jobs.Spec{Owner: other, Type: jobs.TypeSpeech, Quality: "draft",
		Engine: "draft-speech", Params: map[string]any{"text": "x"}})
	require.NoError(t, err)
	queue := b.get("/api/v1/queue")
	require.Equal(t, []any{own["id"]}, queue["waiting"])
	require.Equal(t, 1.0, queue["queued"])
}
