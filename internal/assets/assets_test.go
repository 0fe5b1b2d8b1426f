package assets

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/blob/blobtest"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/store/storetest"
)

var localAdmin = uuid.MustParse("00000000-0000-7000-8000-000000000001")

type world struct {
	*Service
	pool  *pgxpool.Pool
	blobs blob.Store
	dir   string
}

func setup(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	dir := t.TempDir()
	blobs, err := blob.NewDisk(filepath.Join(dir, "blobs"))
	require.NoError(t, err)
	pool := storetest.New(t).Pool()
	cfg := Config{
		Pool: pool, Blobs: blobs, Fetch: fetch.New(fetch.Config{MaxBytes: 1 << 20}),
		Media: media.New(media.Config{FFmpeg: os.Getenv("APIBR_FFMPEG"), Venvs: []string{"../../.venv-draft"}}),
	}
	for _, c := range change {
		c(&cfg)
	}
	return &world{Service: New(cfg), pool: pool, blobs: blobs, dir: dir}
}

// nothing makes sure that a refused file left no row and no bytes.
func (w *world) nothing(t *testing.T) {
	t.Helper()
	var rows int
	require.NoError(
		t,
		w.pool.QueryRow(context.Background(),
			`select (select count(*) from media_assets) + (select count(*) from blobs)`).
			Scan(&rows),
	)
	require.Zero(t, rows)
	require.NoError(t, filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		require.True(t, e.IsDir() || e.Name() == ".lock", path)
		return err
	}))
}

func picture(t testing.TB, w, h int) image.Image {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 31)
	}
	return img
}

// photo is a JPEG with an EXIF position in it.
func photo(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, picture(t, 40, 30), nil))
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00SECRET-GPS"
	seg := binary.BigEndian.AppendUint16([]byte{0xFF, 0xE1}, uint16(len(exif)+2))
	return append(append(append(bytes.Clone(b.Bytes()[:2]), seg...), exif...), b.Bytes()[2:]...)
}

func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, picture(t, w, h)))
	return b.Bytes()
}

// wav is a sound of so many seconds as a stream, of any size, without holding it.
func wav(rate, channels, seconds int) (io.Reader, int64) {
	n := rate * channels * 2 * seconds
	h := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00")
	binary.LittleEndian.PutUint32(h[4:], uint32(36+n))
	h = binary.LittleEndian.AppendUint16(h, uint16(channels))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate*channels*2))
	h = binary.LittleEndian.AppendUint16(h, uint16(channels*2))
	h = binary.LittleEndian.AppendUint16(h, 16)
	h = binary.LittleEndian.AppendUint32(append(h, "data"...), uint32(n))
	return io.MultiReader(bytes.NewReader(h), io.LimitReader(zeros{}, int64(n))), int64(len(h) + n)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	conn, err := storetest.New(t).Pool().Acquire(context.Background())
	require.NoError(t, err)
	defer conn.Release()
	for name, sql := range statements {
		_, err := conn.Conn().Prepare(context.Background(), name, sql)
		require.NoError(t, err, name)
	}
}

func TestIngestKeepsBothHashesAndRemovesThePlace(t *testing.T) {
	t.Parallel()
	w, ctx := setup(t), context.Background()
	sent := photo(t)
	a, err := w.Ingest(
		ctx,
		IngestRequest{
			Owner:    localAdmin,
			Reader:   bytes.NewReader(sent),
			Filename: `C:\fotos\Zoë.png`,
			Want:     media.Image,
		},
	)
	require.NoError(t, err)
	require.Equal(t, "Zoë.jpg", a.Filename, "the name follows the bytes")
	require.Equal(t, "image/jpeg", a.MIME)
	require.Equal(t, Upload, a.Origin)
	require.Equal(t, "/api/v1/files/"+a.ID.String(), a.URL)
	require.Equal(t, []int{40, 30}, []int{*a.Width, *a.Height})
	require.Nil(t, a.DurationSeconds)
	require.NotEqual(t, a.SHA256, *a.OriginalSHA256)

	r, size, err := w.Open(ctx, a)
	require.NoError(t, err)
	defer r.Close()
	kept, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, a.Size, size)
	require.Contains(t, string(sent), "SECRET-GPS")
	require.NotContains(t, string(kept), "SECRET-GPS")

	b, err := w.Ingest(
		ctx,
		IngestRequest{
			Owner:    localAdmin,
			Reader:   iotest.OneByteReader(bytes.NewReader(sent)),
			Filename: "x",
			Name:     "Eu\u202e na praia",
		},
	)
	require.NoError(t, err)
	require.Equal(t, a.SHA256, b.SHA256, "equal files share their bytes")
	require.NotEqual(t, a.ID, b.ID)
	require.Equal(t, "Eu na praia", b.Name)
	left, err := os.ReadDir(w.blobs.TempDir())
	require.NoError(t, err)
	for _, e := range left {
		require.Equal(t, ".lock", e.Name())
	}

	got, err := w.Get(ctx, localAdmin, a.ID)
	require.NoError(t, err)
	require.Equal(t, a, got)
	_, err = w.Get(ctx, uuid.New(), a.ID)
	require.ErrorIs(t, err, ErrNotFound, "another's")
	_, err = w.Lookup(ctx, a.ID)
	require.NoError(t, err)
}

func TestIngestOfSound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	path := filepath.Join(t.TempDir(), "voz.wav")
	r, _ := wav(16000, 1, 4)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	a, err := w.Ingest(
		context.Background(),
		IngestRequest{Owner: localAdmin, Path: path, Filename: "minha voz.mp3", Metadata: map[string]any{"note": "x"}},
	)
	require.NoError(t, err)
	require.FileExists(t, path, "a file that was given by its path stays")
	require.Equal(t, media.Audio, a.Kind)
	require.Equal(t, "minha voz.wav", a.Filename)
	require.InDelta(t, 4, *a.DurationSeconds, 0.01)
	require.JSONEq(t, `{"sample_rate":16000,"channels":1,"note":"x"}`, string(a.Metadata))
}

func TestRefusedFilesLeaveNothing(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.MaxBytes = 100_000 })
	gone := errors.New("client gone")
	foreign := uuid.New()
	whole := photo(t)
	for _, c := range []struct {
		name string
		req  IngestRequest
		want error
		says string
	}{
		{"an empty file", IngestRequest{Reader: strings.NewReader("")}, media.ErrEmpty, "empty"},
		{"text", IngestRequest{Reader: strings.NewReader("not a picture at all"), Filename: "a.png"},
			media.ErrUnsupported, "accepted are"},
		{"half a picture", IngestRequest{Reader: bytes.NewReader(whole[:len(whole)/2])}, media.ErrCorrupt, "cut short"},
		{"a client that goes away", IngestRequest{Reader: io.MultiReader(bytes.NewReader(whole[:500]),
			iotest.ErrReader(gone))}, gone, ""},
		{"too large", IngestRequest{Reader: io.LimitReader(zeros{}, 100_001)}, nil, "media.max_upload_bytes"},
		{"a picture for a sound", IngestRequest{Reader: bytes.NewReader(whole), Want: media.Audio}, ErrWrongKind,
			"takes audio; the file is image"},
		{"a foreign project", IngestRequest{Reader: bytes.NewReader(whole), Project: &foreign}, ErrNoProject,
			"project"},
		{"no such path", IngestRequest{Path: "/no/such/file"}, fs.ErrNotExist, ""},
	} {
		c.req.Owner = localAdmin
		_, err := w.Ingest(context.Background(), c.req)
		require.Error(t, err, c.name)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, c.name)
		}
		require.Contains(t, err.Error(), c.says, c.name)
		require.NotContains(t, err.Error(), w.dir, c.name)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := w.Ingest(canceled, IngestRequest{Owner: localAdmin, Reader: bytes.NewReader(whole)})
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.IngestRef(context.Background(), "https://127.0.0.1/x.png", IngestRequest{Owner: localAdmin})
	var refused *fetch.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, fetch.Refused, refused.Code)
	_, err = w.IngestRef(
		context.Background(),
		"data:image/png;base64,"+strings.Repeat("AAAA", 500_000),
		IngestRequest{Owner: localAdmin},
	)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, fetch.TooLarge, refused.Code)
	w.nothing(t)
}

func TestIngestRefOfADataURI(t *testing.T) {
	t.Parallel()
	w := setup(t)
	a, err := w.IngestRef(
		context.Background(),
		"data:text/html;base64,"+base64.StdEncoding.EncodeToString(pngOf(t, 9, 5)),
		IngestRequest{Owner: localAdmin},
	)
	require.NoError(t, err)
	require.Equal(t, Remote, a.Origin)
	require.Equal(t, "image.png", a.Filename)
	require.Equal(t, "image/png", a.MIME, "the bytes decide, not the URI")
}

func TestListPagesHoldEachAssetOnce(t *testing.T) {
	t.Parallel()
	w, ctx := setup(t), context.Background()
	project := uuid.New()
	_, err := w.pool.Exec(
		ctx,
		`insert into projects (id, owner_id, name, type) values ($1, $2, 'p', 'mixed')`,
		project,
		localAdmin,
	)
	require.NoError(t, err)
	var want []uuid.UUID
	for i := range 7 {
		req := IngestRequest{Owner: localAdmin, Reader: bytes.NewReader(pngOf(t, 4+i, 4))}
		if i%2 == 0 {
			req.Project = &project
		}
		a, err := w.Ingest(ctx, req)
		require.NoError(t, err)
		want = append([]uuid.UUID{a.ID}, want...)
	}
	_, err = w.pool.Exec(ctx, `update media_assets set created_at = '2026-01-01'`) // equal times: the id decides
	require.NoError(t, err)
	var got []uuid.UUID
	f := Filter{Limit: 3}
	for pages := 1; ; pages++ {
		page, err := w.List(ctx, localAdmin, f)
		require.NoError(t, err)
		for _, a := range page.Assets {
			got = append(got, a.ID)
		}
		if page.Next == "" {
			require.Equal(t, 3, pages)
			break
		}
		f.Cursor = page.Next
	}
	require.Equal(t, want, got)

	page, err := w.List(ctx, localAdmin, Filter{Project: &project, Kind: media.Image, Origin: Upload})
	require.NoError(t, err)
	require.Len(t, page.Assets, 4)
	page, err = w.List(ctx, localAdmin, Filter{Kind: media.Video})
	require.NoError(t, err)
	require.Empty(t, page.Assets)
	page, err = w.List(ctx, uuid.New(), Filter{})
	require.NoError(t, err)
	require.Empty(t, page.Assets)
	for _, bad := range []string{"x", "!!!",
		base64.RawURLEncoding.EncodeToString([]byte("zzzzzzzzzzzzz." + uuid.NewString())),
		base64.RawURLEncoding.EncodeToString([]byte("1.nope"))} {
		_, err = w.List(ctx, localAdmin, Filter{Cursor: bad})
		require.ErrorIs(t, err, ErrBadCursor, bad)
	}
}

func addJob(t *testing.T, w *world, status, parameters string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := w.pool.Exec(context.Background(), `
		insert into generation_jobs (id, owner_id, type, quality, engine, parameters, status, fence, node_id,
		                             boot_id, completed_at)
		values ($1, $2, 'video.avatar', 'draft', 'x', $3, $4, 1, $1, $1, case when $4 = 'completed' then now() end)`,
		id, localAdmin, parameters, status)
	require.NoError(t, err)
	return id
}

func TestDeleteKeepsAssetsThatJobsNeed(t *testing.T) {
	t.Parallel()
	w, ctx := setup(t), context.Background()
	a, err := w.Ingest(ctx, IngestRequest{Owner: localAdmin, Reader: bytes.NewReader(pngOf(t, 4, 4))})
	require.NoError(t, err)
	require.ErrorIs(t, w.Delete(ctx, uuid.New(), a.ID), ErrNotFound, "another's")
	job := addJob(
		t,
		w,
		"queued",
		fmt.Sprintf(`{"params":{},"inputs":[{"name":"voice"},{"name":"image","asset_id":%q}]}`, a.ID),
	)
	require.ErrorIs(t, w.Delete(ctx, localAdmin, a.ID), ErrInUse)
	_, err = w.pool.Exec(ctx, `update generation_jobs set status = 'processing' where id = $1`, job)
	require.NoError(t, err)
	require.ErrorIs(t, w.Delete(ctx, localAdmin, a.ID), ErrInUse)
	_, err = w.pool.Exec(
		ctx,
		`update generation_jobs set status = 'completed', completed_at = now() where id = $1`,
		job,
	)
	require.NoError(t, err)
	require.NoError(t, w.Delete(ctx, localAdmin, a.ID))
	require.ErrorIs(t, w.Delete(ctx, localAdmin, a.ID), ErrNotFound)

	first := addJob(t, w, "completed", `{}`)
	out := output(t, w, first, 0)
	require.NoError(
		t,
		pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) (err error) { a, err = insertOutput(ctx, tx, out); return err }),
	)
	waiting := addJob(t, w, "queued", fmt.Sprintf(`{"inputs":[{"name":"image","job_id":%q}]}`, first))
	require.ErrorIs(t, w.Delete(ctx, localAdmin, a.ID), ErrInUse, "the output of a job that a queued one names")
	_, err = w.pool.Exec(ctx, `delete from generation_jobs where id = $1`, waiting)
	require.NoError(t, err)
	require.NoError(t, w.Delete(ctx, localAdmin, a.ID))
}

func insertOutput(ctx context.Context, tx pgx.Tx, o Output) (*Asset, error) {
	var b pgx.Batch
	a, err := InsertBatch(&b, o)
	if err != nil {
		return nil, err
	}
	return a, tx.SendBatch(ctx, &b).Close()
}

func output(t *testing.T, w *world, job uuid.UUID, index int) Output {
	t.Helper()
	ref, err := w.blobs.Put(context.Background(), strings.NewReader("a made video"), 0)
	require.NoError(t, err)
	return Output{
		Owner:    localAdmin,
		Job:      job,
		Index:    index,
		Name:     "video",
		SHA256:   ref.SHA256,
		Size:     ref.Size,
		MIME:     "video/mp4",
		Width:    512,
		Height:   512,
		Duration: 2500 * time.Millisecond,
		Metadata: map[string]any{"face": map[string]any{"x": 1}},
	}
}

func TestGeneratedOutputsAreStoredWithTheirTransaction(t *testing.T) {
	t.Parallel()
	w, ctx := setup(t), context.Background()
	job := addJob(t, w, "completed", `{}`)
	require.ErrorIs(t, pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		_, err := insertOutput(ctx, tx, output(t, w, job, 0))
		require.NoError(t, err)
		return context.Canceled
	}), context.Canceled)
	none, err := w.ByJobs(ctx, []uuid.UUID{job})
	require.NoError(t, err)
	require.Empty(t, none)

	require.NoError(t, pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		for _, i := range []int{1, 0} {
			if _, err := insertOutput(ctx, tx, output(t, w, job, i)); err != nil {
				return err
			}
		}
		return nil
	}))
	by, err := w.ByJobs(ctx, []uuid.UUID{job, uuid.New()})
	require.NoError(t, err)
	require.Len(t, by[job], 2)
	a := by[job][0]
	require.Equal(t, 0, *a.OutputIndex)
	require.Equal(t, Generated, a.Origin)
	require.Equal(t, media.Video, a.Kind)
	require.InDelta(t, 2.5, *a.DurationSeconds, 0)
	require.Equal(t, "video-"+job.String()[28:]+".mp4", a.Filename)
	require.JSONEq(t, `{"face":{"x":1}}`, string(a.Metadata))
	require.Nil(t, a.OriginalSHA256)
	require.Error(t, pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		_, err := insertOutput(ctx, tx, output(t, w, job, 1))
		return err
	}), "an output index is taken once")
}

// elsewhere is a store whose temporary directory lies elsewhere.
type elsewhere struct {
	blob.Store
	dir string
}

func (e elsewhere) TempDir() string { return e.dir }

func TestFullDiskRefusesTheUploadAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	small := t.TempDir()
	mountSmall(t, small)
	w.cfg.Blobs = elsewhere{w.cfg.Blobs, small}
	r, _ := wav(48000, 2, 30)
	_, err := w.Ingest(context.Background(), IngestRequest{Owner: localAdmin, Reader: r})
	require.ErrorIs(t, err, blob.ErrDiskFull)
	r, _ = wav(48000, 2, 7) // fits, but not twice: the cleaned copy finds the disk full
	_, err = w.Ingest(context.Background(), IngestRequest{Owner: localAdmin, Reader: r})
	require.ErrorIs(t, err, blob.ErrDiskFull)
	left, err := os.ReadDir(small)
	require.NoError(t, err)
	require.Empty(t, left)
	w.nothing(t)
}

// Uploads, ranges and sweeps need no disk: the files may lie in any store.
func TestAssetsWorkOverAnyStore(t *testing.T) {
	t.Parallel()
	remote := blobtest.NewRemote(t.TempDir())
	w := setup(t, func(c *Config) { c.Blobs = remote })
	ctx := context.Background()
	a, err := w.Ingest(
		ctx,
		IngestRequest{Owner: localAdmin, Reader: bytes.NewReader(pngOf(t, 40, 30)), Filename: "a.png"},
	)
	require.NoError(t, err)
	left, err := os.ReadDir(remote.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)

	file, size, err := w.Open(ctx, a)
	require.NoError(t, err)
	defer file.Close()
	fetched := remote.Ranges()
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Range", "bytes=1-3")
	http.ServeContent(answer, request, "a.png", time.Time{}, file)
	require.Equal(t, http.StatusPartialContent, answer.Code)
	require.Equal(t, "PNG", answer.Body.String())
	require.Equal(t, fmt.Sprintf("bytes 1-3/%d", size), answer.Header().Get("Content-Range"))
	require.LessOrEqual(t, remote.Ranges()-fetched, 3, "the whole file is not read for three bytes")

	require.NoError(t, w.Delete(ctx, localAdmin, a.ID))
	_, err = w.pool.Exec(ctx, `update blobs set created_at = now() - interval '2 hours'`)
	require.NoError(t, err)
	remote.Age(a.SHA256, 2*time.Hour)
	_, err = (&blob.Sweeper{Pool: w.pool, Store: remote}).Sweep(ctx)
	require.NoError(t, err)
	_, _, err = w.Open(ctx, a)
	require.ErrorIs(t, err, blob.ErrNotFound)
}
