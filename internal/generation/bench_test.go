package generation_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/store/storetest"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

var owner = uuid.MustParse("00000000-0000-7000-8000-000000000001")

// bench is the service that makes jobs, over real services on a real Postgres. No runner takes the jobs: a test does
// its part.
type bench struct {
	*generation.Service
	t       *testing.T
	ctx     context.Context
	pool    *pgxpool.Pool
	jobs    *jobs.Service
	assets  *assets.Service
	blobs   *blob.Disk
	builtin uuid.UUID
	config  generation.Config
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, dir, quiet := storetest.New(t), t.TempDir(), slog.New(slog.DiscardHandler)
	b := &bench{t: t, ctx: t.Context(), pool: store.Pool(), builtin: uuid.New()}
	var err error
	b.blobs, err = blob.NewDisk(filepath.Join(dir, "blobs"))
	require.NoError(t, err)
	b.jobs = jobs.New(jobs.Config{
		Pool: b.pool, Hub: events.NewHub(events.Config{Pool: b.pool, Connect: store.Connect, Log: quiet}),
		NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k", Log: quiet,
	})
	_, err = b.jobs.Recover(b.ctx)
	require.NoError(t, err)
	b.assets = assets.New(assets.Config{
		Pool: b.pool, Blobs: b.blobs, MaxBytes: 1 << 20, Log: quiet,
		Fetch: fetch.New(fetch.Config{MaxBytes: 1 << 20, Log: quiet}),
		Media: media.New(media.Config{
			FFmpeg: os.Getenv("APIBR_FFMPEG"), Venvs: []string{"../../.venv-draft"}, Log: quiet,
		}),
	})
	voiceList := voices.New(b.pool, voices.Defaults{})
	require.NoError(t, voiceList.EnsureBuiltins(b.ctx, []voices.Builtin{
		{ID: b.builtin, Name: "Clara (rascunho)", Language: "pt-BR"},
	}))
	b.config = generation.Config{
		Library: &generation.Stored{
			Assets: b.assets, Jobs: b.jobs, Voices: voiceList, Projects: studio.NewProjects(b.pool),
			Words: pronunciations.NewService(pronunciations.Config{Pool: b.pool}),
		},
		Catalogue: catalogue(t), Log: quiet,
	}
	b.Service = generation.New(b.config)
	return b
}

// test runs a test on the same services, with another configuration of the service.
func (b *bench) test(name string, run func(*bench), options ...func(*testing.T, *generation.Config)) {
	b.t.Helper()
	b.t.Run(name, func(t *testing.T) {
		other := *b
		other.t, other.ctx = t, t.Context()
		for _, option := range options {
			option(t, &other.config)
		}
		other.Service = generation.New(other.config)
		run(&other)
	})
}

// catalogue of the draft engines, and of those in further folders.
func catalogue(t *testing.T, folders ...string) *engine.Catalogue {
	t.Helper()
	all, err := engine.Load("../../pyworkers", folders...)
	require.NoError(t, err)
	all.Installed = func(m *engine.Manifest) bool { return m.Quality == engine.Draft }
	return all
}

// resolve a request that must be taken.
func (b *bench) resolve(request generation.Request) jobs.Spec {
	b.t.Helper()
	spec, _, err := b.Resolve(b.ctx, generation.Input{Owner: owner, Request: request})
	require.NoError(b.t, err)
	return spec
}

// refused returns the faults of a request, by field.
func (b *bench) refused(in generation.Input) map[string]string {
	b.t.Helper()
	in.Owner = owner
	_, _, err := b.Resolve(b.ctx, in)
	var errs generation.Errors
	require.ErrorAs(b.t, err, &errs)
	found := map[string]string{}
	for _, e := range errs {
		found[e.Field] = e.Error()
	}
	return found
}

func (b *bench) count() (n int) {
	b.t.Helper()
	require.NoError(b.t, b.pool.QueryRow(b.ctx, "select count(*) from generation_jobs").Scan(&n))
	return n
}

// picture is a PNG, square.
func picture(t *testing.T, side int) []byte {
	t.Helper()
	var w bytes.Buffer
	require.NoError(t, png.Encode(&w, image.NewRGBA(image.Rect(0, 0, side, side))))
	return w.Bytes()
}

// upload keeps a picture as a file.
func (b *bench) upload(side int) *assets.Asset {
	b.t.Helper()
	asset, err := b.assets.Ingest(b.ctx, assets.IngestRequest{
		Owner: owner, Reader: bytes.NewReader(picture(b.t, side)), Filename: "a.png",
	})
	require.NoError(b.t, err)
	return asset
}

// run claims a job and finishes it with a file, as the runner would.
func (b *bench) run(id uuid.UUID, kind media.Kind, mime string) *jobs.Claimed {
	b.t.Helper()
	claimed, err := b.jobs.Claim(b.ctx, id, "cpu")
	require.NoError(b.t, err)
	ref, err := b.blobs.Put(b.ctx, bytes.NewReader(picture(b.t, 512)), 1<<20)
	require.NoError(b.t, err)
	_, err = b.jobs.Finish(b.ctx, id, claimed.Fence, jobs.Result{Outputs: []assets.Output{{
		Name: "out", SHA256: ref.SHA256, Size: ref.Size, MIME: mime, Kind: kind, Width: 512, Height: 512,
	}}})
	require.NoError(b.t, err)
	return claimed
}

func dataURI(content []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(content)
}
