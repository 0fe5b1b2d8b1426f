package httpapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

const patience = 20 * time.Second

// bench is the API over real services on a real Postgres; no runner, so that jobs stay as the test puts them.
type bench struct {
	t     *testing.T
	ctx   context.Context
	api   *Server
	http  *httptest.Server
	pool  *pgxpool.Pool
	jobs  *jobs.Service
	asset *assets.Service
	auth  *auth.Service
	hub   *events.Hub
	blobs blob.Store
	key   string
	log   *bytes.Buffer

	builtin   uuid.UUID
	modelsDir string
}

func newBench(t *testing.T, options ...func(*Config)) *bench {
	t.Helper()
	return newBenchOn(t, storetest.New(t), options...)
}

func newBenchOn(t *testing.T, store *store.Store, options ...func(*Config)) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, ctx: context.Background(), pool: store.Pool(), log: &bytes.Buffer{}, modelsDir: filepath.Join(dir,
		"models")}
	var err error
	b.blobs, err = blob.NewDisk(filepath.Join(dir, "blobs"))
	require.NoError(t, err)
	quiet := slog.New(slog.DiscardHandler)
	b.hub = events.NewHub(events.Config{Pool: b.pool, Connect: store.Connect, Log: quiet,
		OnState: func(e events.Event) {
			if e.Job != nil {
				b.jobs.Touch(*e.Job)
			}
		}})
	b.jobs = jobs.New(jobs.Config{Pool: b.pool, Hub: b.hub, NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k",
		Log: quiet})
	_, err = b.jobs.Recover(b.ctx)
	require.NoError(t, err)
	b.asset = assets.New(assets.Config{Pool: b.pool, Blobs: b.blobs, Fetch: fetch.New(fetch.Config{MaxBytes: 64 << 20,
		Log: quiet}), MaxBytes: 64 << 20,
		Media: media.New(media.Config{FFmpeg: os.Getenv("APIBR_FFMPEG"), Venvs: []string{"../../.venv-draft"},
			Log: quiet}), Log: quiet})
	signer, err := assets.NewSigner(filepath.Join(dir, "sign.key"))
	require.NoError(t, err)
	b.auth = auth.New(auth.Config{Pool: b.pool, Log: quiet, Limits: auth.Limits{PerMinute: 1}})
	// The engines' own manifests replace those of testdata, which stand in where a checkout lacks one.
	catalogue, err := engine.Load("testdata/engines", "../../pyworkers")
	require.NoError(t, err)
	// No model is installed and no key of a remote engine is set, unless an option says so.
	catalogue.Variants = func(string) []string { return nil }
	catalogue.Installed = func(m *engine.Manifest) bool { return m.ID != "bfl" }
	voiceList := voices.New(b.pool, voices.Defaults{})
	b.builtin = uuid.New()
	require.NoError(t, voiceList.EnsureBuiltins(b.ctx, []voices.Builtin{{ID: b.builtin, Name: "Clara (rascunho)",
		Language: "pt-BR"}}))
	cfg := Config{Jobs: b.jobs, Voices: voiceList, Assets: b.asset, Signer: signer, Auth: b.auth,
		Projects:  studio.NewProjects(b.pool),
		Words:     pronunciations.NewService(pronunciations.Config{Pool: b.pool, Limit: 20}),
		Catalogue: catalogue, Hub: b.hub,
		Models: tasks.New(tasks.Config{Pool: b.pool, Catalogue: catalogue, Store: models.New(b.modelsDir, catalogue),
			Node: uuid.New(), Hub: b.hub}),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_,
				_ = io.WriteString(w, "apibr 1\n")
		}),
		Web: fstest.MapFS{"index.html": {Data: []byte("<!doctype html>studio")},
			"app-1234.js": {Data: []byte("1")}},
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelError}))}
	for _, option := range options {
		option(&cfg)
	}
	if cfg.Generation == nil {
		cfg.Generation = generation.New(generationConfig(cfg))
	}
	b.api = New(cfg)
	b.http = httptest.NewServer(b.api.Handler())
	t.Cleanup(b.http.Close)
	t.Cleanup(b.api.stop)
	b.run(b.hub.Run)
	<-b.hub.Ready()
	b.key = b.newKey(auth.LocalAdmin, auth.Read, auth.Generate, auth.Admin)
	return b
}

// generationConfig configures the service that makes jobs, over the services of a server.
func generationConfig(cfg Config) generation.Config {
	return generation.Config{
		Library: &generation.Stored{Assets: cfg.Assets, Jobs: cfg.Jobs, Voices: cfg.Voices, Projects: cfg.Projects,
			Words: cfg.Words},
		Catalogue: cfg.Catalogue, Log: cfg.Log,
	}
}

func (b *bench) run(service func(context.Context) error) {
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = service(ctx) }()
	b.t.Cleanup(func() { cancel(); <-ended })
}

func (b *bench) newKey(owner uuid.UUID, scopes ...auth.Scope) string {
	b.t.Helper()
	secret, _, err := b.auth.CreateKey(b.ctx, auth.NewKey{Owner: owner, Name: "test", Scopes: scopes})
	require.NoError(b.t, err)
	return secret
}

// stranger is another user with a key of their own.
func (b *bench) stranger() string {
	b.t.Helper()
	id := uuid.New()
	_, err := b.pool.Exec(b.ctx, `insert into users (id, name) values ($1, 'stranger')`, id)
	require.NoError(b.t, err)
	return b.newKey(id, auth.Read, auth.Generate)
}

type object = map[string]any

// form is a multipart body: texts, and files as [filename, content].
type form struct {
	texts map[string]string
	files map[string]file
}

type file struct {
	name    string
	content []byte
	kind    string
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t testing.TB) object {
	t.Helper()
	var o object
	require.NoError(t, json.Unmarshal(a.body, &o), string(a.body))
	return o
}

// send a request as the local admin; header values of "" take a header out.
func (b *bench) send(method, path string, body any, headers ...string) answer {
	b.t.Helper()
	var reader io.Reader
	contentType := ""
	switch v := body.(type) {
	case nil:
	case string:
		reader, contentType = strings.NewReader(v), "application/json"
	case form:
		reader, contentType = v.encode(b.t)
	case []byte:
		reader, contentType = bytes.NewReader(v), "application/octet-stream"
	default:
		encoded, err := json.Marshal(v)
		require.NoError(b.t, err)
		reader, contentType = bytes.NewReader(encoded), "application/json"
	}
	r, err := http.NewRequestWithContext(b.ctx, method, b.http.URL+path, reader)
	require.NoError(b.t, err)
	r.Header.Set("Authorization", "Bearer "+b.key)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(r)
	require.NoError(b.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	return answer{response.StatusCode, response.Header, content}
}

func (f form) encode(t testing.TB) (io.Reader, string) {
	t.Helper()
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	for name, text := range f.texts {
		require.NoError(t, w.WriteField(name, text))
	}
	for name, file := range f.files {
		header := map[string][]string{"Content-Disposition": {multipart.FileContentDisposition(name, file.name)}}
		if file.name == "" {
			header["Content-Disposition"] = []string{`form-data; name="` + name + `"`}
		}
		if file.kind != "" {
			header["Content-Type"] = []string{file.kind}
		}
		part, err := w.CreatePart(header)
		require.NoError(t, err)
		_, err = part.Write(file.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &buffer, w.FormDataContentType()
}

func (b *bench) get(path string) object {
	b.t.Helper()
	a := b.send("GET", path, nil)
	require.Equal(b.t, 200, a.status, string(a.body))
	return a.json(b.t)
}

// submit a job that must be taken.
func (b *bench) submit(path string, body any) object {
	b.t.Helper()
	a := b.send("POST", path, body)
	require.Equal(b.t, 202, a.status, string(a.body))
	return a.json(b.t)
}

func (b *bench) speech() object {
	b.t.Helper()
	return b.submit("/api/v1/audio/generate-speech", object{"text": "Olá", "voice_id": b.builtin.String()})
}

func idIn(t testing.TB, o object) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(o["id"].(string))
	require.NoError(t, err)
	return id
}

// claim puts a queued job into processing, as a runner would.
func (b *bench) claim(id uuid.UUID) *jobs.Claimed {
	b.t.Helper()
	c, err := b.jobs.Claim(b.ctx, id, "cpu")
	require.NoError(b.t, err)
	return c
}

// finish ends a claimed job with one WAV.
func (b *bench) finish(c *jobs.Claimed) {
	b.t.Helper()
	content := wav(1)
	ref, err := b.blobs.Put(b.ctx, bytes.NewReader(content), 1<<20)
	require.NoError(b.t, err)
	out := assets.Output{Name: "speech", Filename: "fala é.wav", SHA256: ref.SHA256, Size: ref.Size, MIME: "audio/wav",
		Kind: media.Audio, Duration: time.Second, Metadata: object{"quality": "draft"}}
	_, err = b.jobs.Finish(b.ctx, c.ID, c.Fence, jobs.Result{Outputs: []assets.Output{out},
		Metrics: jobs.Metrics{RunSeconds: 0.5}})
	require.NoError(b.t, err)
}

func (b *bench) count(query string, args ...any) int {
	b.t.Helper()
	var n int
	require.NoError(b.t, b.pool.QueryRow(b.ctx, query, args...).Scan(&n))
	return n
}

// upload a file and return its id.
func (b *bench) upload(name string, content []byte) string {
	b.t.Helper()
	a := b.send("POST", "/api/v1/assets", form{files: map[string]file{"file": {name: name, content: content}}})
	require.Equal(b.t, 201, a.status, string(a.body))
	return a.json(b.t)["id"].(string)
}

// wav is so many seconds of a tone: 8 kHz, mono, 16 bit.
func wav(seconds float64) []byte {
	n := uint32(8000*seconds) * 2
	var w bytes.Buffer
	w.WriteString("RIFF")
	_ = binary.Write(&w, binary.LittleEndian, 36+n)
	w.WriteString("WAVEfmt ")
	_ = binary.Write(&w, binary.LittleEndian, uint32(16))
	for _, v := range []any{uint16(1), uint16(1), uint32(8000), uint32(16000), uint16(2), uint16(16)} {
		_ = binary.Write(&w, binary.LittleEndian, v)
	}
	w.WriteString("data")
	_ = binary.Write(&w, binary.LittleEndian, n)
	for i := range n / 2 {
		_ = binary.Write(&w, binary.LittleEndian, int16(i%80*200))
	}
	return w.Bytes()
}

func picture(side int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side {
		img.Set(i, i, color.RGBA{200, uint8(i), 90, 255})
	}
	var w bytes.Buffer
	_ = png.Encode(&w, img)
	return w.Bytes()
}
