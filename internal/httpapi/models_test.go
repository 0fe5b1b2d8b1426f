package httpapi

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/hub/hubtest"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/modelstest"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/queue"
)

const modelsPath = "/api/v1/models"

// importModel puts a model of the catalogue on the bench's disk.
func (b *bench) importModel(id string) {
	b.t.Helper()
	folder := b.t.TempDir()
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, "w.safetensors"), modelstest.Safetensors([]byte("weights")),
		0o600))
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, "model.yaml"),
		[]byte("id: "+id+"\nvariants: {bf16: {base: w.safetensors, transformer: w.safetensors}}\n"), 0o600))
	_, err := b.api.cfg.Models.Store().Import(b.ctx, folder, nil)
	require.NoError(b.t, err)
}

const painter = `
id: painter
quality: final
module: x
venv: models
licence: MIT
tasks: {image.generate: {parameters: {type: object}, phases: [{name: draw, weight: 1}]}}
models:
  - id: portrait
    name: Portrait
    description: {en: "Portraits.", pt-BR: "Retratos."}
    licence: {id: nc, name: Non-Commercial, url: "https://example.org/licence", accept: true}
    variants: 
      - {id: A, disk_bytes: 800000, parts: {weights: {repo: maker/free, patterns: ["*.safetensors"]}}}
      - {id: B, parts: {weights: {repo: maker/free, patterns: ["*.json"]}}}
`

// modelBench has a catalogue of one model, a hub of this machine and the queue that installs.
type modelBench struct {
	*bench
	hub *hubtest.Hub
}

func newModelBench(t *testing.T) *modelBench {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "maker", "free"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "maker", "free", "w.safetensors"),
		modelstest.Safetensors([]byte(strings.Repeat("weights ", 100_000))), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "maker", "free", "config.json"), []byte("{}"), 0o600))
	manifests := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(manifests, "painter.yaml"), []byte(painter), 0o600))
	catalogue, err := engine.Load(manifests)
	require.NoError(t, err)
	b := &modelBench{hub: hubtest.New(t, folder)}
	client, err := hub.New(hub.Config{BaseURL: b.hub.URL, Retries: 1, Sleep: func(ctx context.Context,
		_ time.Duration) error {
		return ctx.Err()
	}})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	node := uuid.New()
	b.bench = newBench(t)
	store := models.New(filepath.Join(t.TempDir(), "models"), catalogue)
	service := tasks.New(tasks.Config{Pool: b.pool, Catalogue: catalogue, Store: store,
		Installer: models.NewInstaller(models.InstallerConfig{Store: store, Hub: client}), Node: node,
		Hub: b.bench.hub})
	b.api.cfg.Catalogue, b.api.cfg.Models = catalogue, service // before the first request
	workers := river.NewWorkers()
	river.AddWorker(workers, service.Worker())
	q, err := queue.New(queue.Config{Pool: b.pool, NodeID: node, BootID: uuid.New(), Workers: workers, PollOnly: true})
	require.NoError(t, err)
	b.run(q.Run)
	b.run(service.Run)
	return b
}

// until waits for an event after which the model's task has the status.
func (b *modelBench) until(status string) object {
	b.t.Helper()
	sub := b.bench.hub.Subscribe(events.Filter{System: true})
	defer sub.Close()
	deadline := make(chan struct{})
	timer := time.AfterFunc(patience, func() { close(deadline) })
	defer timer.Stop()
	for {
		if task, _ := b.get(modelsPath + "/portrait")["task"].(object); task != nil && task["status"] == status {
			return task
		}
		_, ok, err := sub.Next(deadline)
		require.NoError(b.t, err)
		require.True(b.t, ok, "no task became %s", status)
	}
}

func TestAModelThroughTheAPI(t *testing.T) {
	b := newModelBench(t)
	listed := b.get(modelsPath)["data"].([]any)
	require.Len(t, listed, 1)
	model := listed[0].(object)
	require.Equal(t, false, model["installed"])
	require.Nil(t, model["task"])
	require.Equal(t, []any{"image.generate"}, model["tasks"])
	require.Equal(t, "https://example.org/licence", b.get(modelsPath + "/portrait/licence")["url"])

	refused := b.send("POST", modelsPath+"/portrait/install", object{}, "Accept-Language", "pt-BR")
	require.Equal(t, 422, refused.status)
	require.Equal(t, "/problems/licence_not_accepted", refused.json(t)["type"])
	require.Contains(t, refused.json(t)["detail"], "está sob a licença Non-Commercial")
	require.Nil(t, b.get(modelsPath + "/portrait")["task"])

	started := b.send("POST", modelsPath+"/portrait/install", object{"variant": "A", "accept_licence": true})
	require.Equal(t, 202, started.status, string(started.body))
	require.Equal(t, "queued", started.json(t)["status"])
	ended := b.until("completed")
	require.Equal(t, started.json(t)["id"], ended["id"])
	require.InDelta(t, 1, ended["progress"], 0)
	model = b.get(modelsPath + "/portrait")
	require.Equal(t, true, model["installed"])
	require.EqualValues(t, 800_000, model["size_bytes"])
	require.Equal(t, "hub", model["source"])
	require.Equal(t, []any{true, false}, []any{member(model["variants"].([]any)[0], "installed"),
		member(model["variants"].([]any)[1], "installed")})
	require.NotNil(t, member(model, "licence.accepted_at"))

	require.Equal(t, true, b.send("PATCH", modelsPath+"/portrait", object{"pinned": true}).json(t)["pinned"])
	require.Equal(t, 202, b.send("POST", modelsPath+"/portrait/verify", nil).status)
	require.Empty(t, b.until("completed")["faults"])
	require.Equal(t, 409, b.send("POST", modelsPath+"/portrait/cancel", nil).status)
	require.Equal(t, 204, b.send("DELETE", modelsPath+"/portrait", nil).status)
	require.Equal(t, 409, b.send("DELETE", modelsPath+"/portrait", nil).status)
	require.Equal(t, 409, b.send("POST", modelsPath+"/portrait/verify", nil).status)
	require.Equal(t, 409, b.send("PATCH", modelsPath+"/portrait", object{"pinned": true}).status)
	require.Equal(t, false, b.get(modelsPath + "/portrait")["installed"])
}

func TestFailedInstallSaysWhy(t *testing.T) {
	b := newModelBench(t)
	b.hub.Gate("maker/free", "")
	require.Equal(t, 202, b.send("POST", modelsPath+"/portrait/install", object{"accept_licence": true}).status)
	task := b.until("failed")
	require.Equal(t, "hub_gated", member(task, "error.code"))
	require.Contains(t, member(task, "error.detail"), "models.hub_token")
	inPortuguese := b.send("GET", modelsPath+"/portrait", nil, "Accept-Language", "pt-BR").json(t)
	require.Contains(t, member(inPortuguese, "task.error.detail"), "aceite-a em")
}

func TestACancelThroughTheAPI(t *testing.T) {
	b := newModelBench(t)
	stall, reached, _ := hubtest.Stall(1000)
	b.hub.Fault("w.safetensors", 0, stall.OnCDN())
	require.Equal(t, 202, b.send("POST", modelsPath+"/portrait/install", object{"accept_licence": true}).status)
	<-reached
	busy := b.send("POST", modelsPath+"/portrait/install", object{"accept_licence": true})
	require.Equal(t, 409, busy.status)
	require.Equal(t, "/problems/model_busy", busy.json(t)["type"])
	require.Equal(t, 409, b.send("DELETE", modelsPath+"/portrait", nil).status)
	require.Equal(t, 200, b.send("POST", modelsPath+"/portrait/cancel", nil).status)
	b.until("canceled")
}

func TestModelsNeedTheirScopes(t *testing.T) {
	b := newBench(t)
	reader := []string{"Authorization", "Bearer " + b.newKey(auth.LocalAdmin, auth.Read, auth.Generate)}
	for _, request := range []struct {
		method, path string
		body         any
		open         bool
	}{
		{"GET", modelsPath, nil, true}, {"GET", modelsPath + "/flux-dev", nil, true},
		{"GET", modelsPath + "/flux-dev/licence", nil, true},
		{"POST", modelsPath + "/flux-dev/install", object{}, false}, {"POST", modelsPath + "/flux-dev/verify", nil,
			false}, {"POST", modelsPath + "/flux-dev/cancel", nil, false},
		{"DELETE", modelsPath + "/flux-dev", nil, false}, {"PATCH", modelsPath + "/flux-dev", object{"pinned": true},
			false},
	} {
		require.Equal(t, 401, b.send(request.method, request.path, request.body, "Authorization", "").status,
			request.path)
		want := http.StatusForbidden
		if request.open {
			want = http.StatusOK
		}
		require.Equal(t, want, b.send(request.method, request.path, request.body, reader...).status, "%s %s",
			request.method, request.path)
		if request.path != modelsPath {
			unknown := strings.Replace(request.path, "flux-dev", "nothing", 1)
			require.Equal(t, 404, b.send(request.method, unknown, request.body).status, "%s %s", request.method,
				unknown)
		}
	}
	require.Equal(t, 422, b.send("POST", modelsPath+"/flux-dev/install", object{"variant": "Q1",
		"accept_licence": true}).status)
	require.Equal(t, 422, b.send("POST", modelsPath+"/flux-dev/install", object{"varaint": "Q8_0"}).status)
}
