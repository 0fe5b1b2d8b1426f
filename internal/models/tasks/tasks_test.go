package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/hub/hubtest"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/modelstest"
	"github.com/apibr/studio/internal/queue"
	"github.com/apibr/studio/internal/store/storetest"
)

const manifest = `
id: painter
quality: final
module: x
venv: models
licence: MIT
tasks: {image.generate: {parameters: {type: object}, phases: [{name: draw, weight: 1}]}}
models:
  - {id: free, parts: {weights: {repo: maker/free, patterns: ["*.safetensors"]}}}
  - {id: second, parts: {weights: {repo: maker/free, patterns: ["*.safetensors"]}}}
  - id: licensed
    licence: {id: nc, name: Non-Commercial, url: "https://example.org/licence", accept: true}
    variants: [{id: A, parts: {weights: {repo: maker/free, patterns: ["*.safetensors"]}}}]
  - {id: built-in}
`

const patience = 20 * time.Second

var by = Asked{Owner: auth.LocalAdmin, Actor: "test", RequestID: "r1"}

// node is a node of the studio with the parts that matter here, over a hub of this machine.
type node struct {
	*hubtest.Hub
	t       *testing.T
	pool    *pgxpool.Pool
	service *Service
	store   *models.Store
	events  chan map[string]any
	id      uuid.UUID
	dir     string
	loaded  []string

	stop func()
}

func setUp(t *testing.T) *node {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "maker", "free"), 0o755))
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(folder, "maker", "free", "w.safetensors"),
			modelstest.Safetensors([]byte(strings.Repeat("weights ", 100_000))),
			0o600,
		),
	)
	n := &node{
		Hub:    hubtest.New(t, folder),
		t:      t,
		pool:   storetest.New(t).Pool(),
		id:     uuid.New(),
		dir:    filepath.Join(t.TempDir(), "models"),
		events: make(chan map[string]any, 1000),
	}
	n.start()
	t.Cleanup(func() { n.stop() })
	return n
}

// start the node, also after a stop.
func (n *node) start() {
	n.t.Helper()
	manifests := n.t.TempDir()
	require.NoError(n.t, os.WriteFile(filepath.Join(manifests, "painter.yaml"), []byte(manifest), 0o600))
	catalogue, err := engine.Load(manifests)
	require.NoError(n.t, err)
	n.store = models.New(n.dir, catalogue)
	client, err := hub.New(
		hub.Config{
			BaseURL: n.URL,
			Retries: 1,
			Sleep:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		},
	)
	require.NoError(n.t, err)
	eventHub := events.NewHub(events.Config{Pool: n.pool, OnState: func(e events.Event) {
		if e.Type != EventChanged {
			return
		}
		data := map[string]any{}
		_ = json.Unmarshal(e.Data, &data)
		n.events <- data
	}})
	n.service = New(
		Config{
			Pool:      n.pool,
			Catalogue: catalogue,
			Store:     n.store,
			Installer: models.NewInstaller(models.InstallerConfig{Store: n.store, Hub: client}),
			Node:      n.id,
			Hub:       eventHub,
			InUse:     func() []string { return n.loaded },
		},
	)
	workers := river.NewWorkers()
	river.AddWorker(workers, n.service.Worker())
	q, err := queue.New(queue.Config{Pool: n.pool, NodeID: n.id, BootID: uuid.New(), Workers: workers, PollOnly: true})
	require.NoError(n.t, err)
	var stops []func()
	for _, run := range []func(context.Context) error{eventHub.Run, q.Run, n.service.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		stops = append(stops, func() { cancel(); require.NoError(n.t, <-ended) })
	}
	<-eventHub.Ready()
	n.stop = func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
		stops = nil
		client.Close()
	}
}

// until waits for an event of the model's task with that status.
func (n *node) until(model, status string) map[string]any {
	n.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-n.events:
			task, _ := e["task"].(map[string]any)
			if e["model"] == model && (task == nil && status == "" || task != nil && task["status"] == status) {
				return e
			}
		case <-deadline:
			n.t.Fatalf("no event says that %s is %s; its task is %+v", model, status, n.task(model))
		}
	}
}

func (n *node) task(model string) *Task {
	n.t.Helper()
	found, err := n.service.Latest(n.t.Context(), model)
	require.NoError(n.t, err)
	return found[model]
}

func (n *node) install(model string) {
	n.t.Helper()
	_, err := n.service.Install(n.t.Context(), by, model, "", true)
	require.NoError(n.t, err)
	n.until(model, Completed)
}

func TestEveryStatementPrepares(t *testing.T) {
	pool := storetest.New(t).Pool()
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for name, sql := range statements {
		_, err := conn.Conn().Prepare(t.Context(), name, sql)
		require.NoError(t, err, name)
	}
}

func TestAModelIsInstalledByItsJob(t *testing.T) {
	n := setUp(t)
	task, err := n.service.Install(t.Context(), by, "free", "", false)
	require.NoError(t, err)
	require.Equal(t, Queued, task.Status)
	n.until("free", Queued)
	n.until("free", Completed)
	require.True(t, n.store.Has("free"))
	ended := n.task("free")
	require.Equal(t, task.ID, ended.ID)
	require.Equal(t, Completed, ended.Status)
	require.EqualValues(t, 800_000, ended.TotalBytes)
	require.Nil(t, ended.Error)
	var actions int
	require.NoError(
		t,
		n.pool.QueryRow(t.Context(),
			`select count(*) from audit_log where action = 'model.install' and subject = 'free' and request_id = 'r1'`).
			Scan(&actions),
	)
	require.Equal(t, 1, actions)
}

func TestALicenceIsAcceptedOnceAndByName(t *testing.T) {
	n := setUp(t)
	_, err := n.service.Install(t.Context(), by, "licensed", "", false)
	var licence *models.LicenceError
	require.ErrorAs(t, err, &licence)
	require.Nil(t, n.task("licensed"))
	_, m, _ := n.service.cfg.Catalogue.Model("licensed")
	accepted, err := n.service.Licence(t.Context(), m)
	require.NoError(t, err)
	require.Nil(t, accepted)

	n.install("licensed")
	accepted, err = n.service.Licence(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, "test", accepted.Actor)
	record, err := n.store.Get("licensed")
	require.NoError(t, err)
	require.WithinDuration(t, accepted.AcceptedAt, *record.LicenceAcceptedAt, time.Millisecond)

	require.NoError(t, n.service.Remove(t.Context(), "licensed"))
	_, err = n.service.Install(t.Context(), by, "licensed", "A", false)
	require.NoError(t, err, "not asked again")
	n.until("licensed", Completed)
	m.Licence.ID = "another"
	_, err = n.service.Install(t.Context(), by, "licensed", "", false)
	require.ErrorAs(t, err, &licence, "another licence is asked for")
}

func TestAFailedInstallationTellsItsReasonAndIsNotRetried(t *testing.T) {
	n := setUp(t)
	n.Gate("maker/free", "hf_other")
	_, err := n.service.Install(t.Context(), by, "free", "", false)
	require.NoError(t, err)
	n.until("free", Failed)
	task := n.task("free")
	require.Equal(t, string(hub.Gated), task.Error.Code)
	require.Contains(t, task.Error.Detail.String(), n.URL+"/maker/free")
	require.NotEmpty(t, task.Error.Detail.In(language.BrazilianPortuguese))
	require.False(t, n.store.Has("free"))
	var retries int
	require.NoError(
		t,
		n.pool.QueryRow(t.Context(),
			`select count(*) from river.river_job
			  where kind = 'model_task' and state in ('retryable', 'available', 'scheduled')`).
			Scan(&retries),
	)
	require.Zero(t, retries, "the user decides when to try again")
}

func TestACancelEndsADownloadAndKeepsWhatCame(t *testing.T) {
	n := setUp(t)
	stall, reached, _ := hubtest.Stall(300_000)
	n.Fault("w.safetensors", 1, stall.OnCDN())
	_, err := n.service.Install(t.Context(), by, "free", "", false)
	require.NoError(t, err)
	<-reached
	_, err = n.service.Install(t.Context(), by, "free", "", false)
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, n.service.Remove(t.Context(), "free"), ErrBusy)

	// One that waits behind it ends at once.
	_, err = n.service.Install(t.Context(), by, "second", "", false)
	require.NoError(t, err)
	task, err := n.service.Cancel(t.Context(), "second")
	require.NoError(t, err)
	require.Equal(t, Canceled, task.Status)

	_, err = n.service.Cancel(t.Context(), "free")
	require.NoError(t, err)
	n.until("free", Canceled)
	require.Nil(t, n.task("free").Error)
	_, err = n.service.Cancel(t.Context(), "free")
	require.ErrorIs(t, err, ErrNoTask)

	n.install("free")
	require.False(t, n.store.Has("second"), "a canceled task is not run later")
	require.NoError(t, n.service.Remove(t.Context(), "free"))
}

func TestARestartResumesTheInstallation(t *testing.T) {
	n := setUp(t)
	stall, reached, _ := hubtest.Stall(300_000)
	n.Fault("w.safetensors", 1, stall.OnCDN())
	_, err := n.service.Install(t.Context(), by, "free", "", false)
	require.NoError(t, err)
	<-reached
	part := n.part(300_000)
	n.stop()
	require.Equal(t, Queued, n.task("free").Status)
	require.FileExists(t, part)
	n.start()
	n.until("free", Completed)
	seen := n.Seen()
	require.Equal(t, "bytes=300000-", seen[len(seen)-1].Range)
}

// part waits until the part file has so many bytes, which the hub has sent.
func (n *node) part(size int64) (name string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		_ = filepath.WalkDir(n.dir, func(path string, entry fs.DirEntry, _ error) error {
			if strings.HasSuffix(path, ".part") {
				name = path
			}
			return nil
		})
		info, err := os.Stat(name)
		return err == nil && info.Size() == size
	}, patience, 5*time.Millisecond)
	return name
}

func TestACheckTellsWhatIsDamaged(t *testing.T) {
	n := setUp(t)
	_, err := n.service.Verify(t.Context(), by, "free")
	require.ErrorIs(t, err, ErrInstalled)
	n.install("free")
	_, err = n.service.Verify(t.Context(), by, "free")
	require.NoError(t, err)
	n.until("free", Completed)
	require.JSONEq(t, `[]`, string(n.task("free").Faults))

	files, err := n.store.Files(t.Context(), "free", "default")
	require.NoError(t, err)
	content, err := os.ReadFile(files["weights"])
	require.NoError(t, err)
	content[7] ^= 1
	require.NoError(t, os.WriteFile(files["weights"], content, 0o600))
	_, err = n.service.Verify(t.Context(), by, "free")
	require.NoError(t, err)
	n.until("free", Completed)
	require.Contains(t, string(n.task("free").Faults), `"why": "content"`)
	n.install("free")
	_, err = n.service.Verify(t.Context(), by, "free")
	require.NoError(t, err)
	n.until("free", Completed)
	require.JSONEq(t, `[]`, string(n.task("free").Faults), "installing again has repaired it")
}

func TestAModelInUseIsNotRemoved(t *testing.T) {
	n := setUp(t)
	n.install("free")
	n.loaded = []string{"free"}
	require.ErrorIs(t, n.service.Remove(t.Context(), "free"), ErrInUse)
	n.loaded = nil
	require.NoError(t, n.service.Pin(t.Context(), "free", true))
	n.until("free", "")
	require.NoError(t, n.service.Remove(t.Context(), "free"))
	n.until("free", "")
	require.ErrorIs(t, n.service.Remove(t.Context(), "free"), ErrInstalled)
	require.ErrorIs(t, n.service.Pin(t.Context(), "free", true), ErrInstalled)
}

func TestImpossibleRequestsAreRefused(t *testing.T) {
	n := setUp(t)
	ctx := t.Context()
	var input *models.InputError
	_, err := n.service.Install(ctx, by, "nothing", "", false)
	require.ErrorIs(t, err, ErrUnknown)
	_, err = n.service.Install(ctx, by, "built-in", "", false)
	require.ErrorAs(t, err, &input)
	_, err = n.service.Install(ctx, by, "licensed", "B", true)
	require.ErrorAs(t, err, &input)
	_, err = n.service.Verify(ctx, by, "nothing")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = n.service.Cancel(ctx, "nothing")
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorIs(t, n.service.Pin(ctx, "nothing", true), ErrUnknown)
	require.ErrorIs(t, n.service.Remove(ctx, "nothing"), ErrUnknown)
}

func TestOldTasksAreSwept(t *testing.T) {
	n := setUp(t)
	n.install("free")
	require.NoError(t, n.service.Remove(t.Context(), "free"))
	n.install("free")
	_, err := n.pool.Exec(t.Context(), `update model_tasks set ended_at = ended_at - interval '100 days'`)
	require.NoError(t, err)
	require.NoError(t, Sweep(t.Context(), n.pool, 24*time.Hour))
	var left int
	require.NoError(t, n.pool.QueryRow(t.Context(), `select count(*) from model_tasks`).Scan(&left))
	require.Equal(t, 1, left, "the newest stays")
}

func TestAnUnexpectedErrorIsLoggedAndNotShown(t *testing.T) {
	n := setUp(t)
	n.Fault("/revision/main", 0, hubtest.Status(http.StatusTeapot))
	_, err := n.service.Install(t.Context(), by, "free", "", false)
	require.NoError(t, err)
	n.until("free", Failed)
	require.Equal(t, string(hub.BadAnswer), n.task("free").Error.Code)
	own := n.service.explain(t.Context(), &claimed{}, errors.New("read /secret/path"))
	require.Equal(t, "internal", own.Code)
	require.NotContains(t, own.Detail.String(), "secret")
}
