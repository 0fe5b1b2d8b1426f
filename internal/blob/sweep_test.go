package blob_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/blob/blobtest"
	"github.com/apibr/studio/internal/store/storetest"
)

const localAdmin = "00000000-0000-7000-8000-000000000001"

// put keeps a text and its row, both as old as asked.
func (w sweepWorld) put(t *testing.T, text string, age time.Duration, row bool) blob.Ref {
	t.Helper()
	ctx, pool := t.Context(), w.pool
	ref, err := w.store.Put(ctx, strings.NewReader(text), 0)
	require.NoError(t, err)
	w.driver.Age(t, w.store, ref.SHA256, age)
	if row {
		require.NoError(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return record(ctx, tx, ref) }))
		_, err := pool.Exec(
			ctx,
			`update blobs set created_at = now() - $2::interval where sha256 = $1`,
			ref.SHA256,
			age,
		)
		require.NoError(t, err)
	}
	return ref
}

// sweepWorld is a store of some kind and a database.
type sweepWorld struct {
	driver blobtest.Driver
	store  blob.Store
	pool   *pgxpool.Pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

func TestSweepRemovesOnlyUnreferencedFiles(t *testing.T) {
	for name, driver := range map[string]blobtest.Driver{"on a disk": onDisk, "without a disk": remote} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sweepOnly(t, sweepWorld{driver, driver.New(t), storetest.New(t).Pool()})
		})
	}
}

func sweepOnly(t *testing.T, w sweepWorld) {
	pool, d, ctx := w.pool, w.store, t.Context()
	old := 2 * time.Hour
	unreferenced := w.put(t, "unreferenced", old, true)
	noRow := w.put(t, "no row", old, false)
	young := w.put(t, "young", time.Minute, true)
	youngNoRow := w.put(t, "young, no row", time.Minute, false)
	asset := w.put(t, "asset", old, true)
	segment := w.put(t, "segment", old, true)
	voice := w.put(t, "voice", old, true)
	keptAgain := w.put(t, "kept again", old, true)
	recorded := w.put(t, "recorded again", old, true)

	exec(
		t,
		pool,
		`insert into media_assets (id, owner_id, type, origin, url, name, filename, mime_type, sha256, size_bytes)
		values ($1, $2, 'data', 'upload', '', '', '', '', $3, 1)`,
		uuid.New(),
		localAdmin,
		asset.SHA256,
	)
	job := uuid.New()
	exec(t, pool, `insert into generation_jobs (id, owner_id, type, quality, engine, parameters)
		values ($1, $2, 'audio.speech', 'draft', 'x', '{}')`, job, localAdmin)
	exec(t, pool, `insert into job_segments (job_id, idx, sha256, fence, mime_type, size_bytes)
		values ($1, 0, $2, 1, '', 1)`, job, segment.SHA256)
	exec(t, pool, `insert into voices (id, owner_id, name, language, conditionals)
		values ($1, $2, 'v', 'pt-BR', 
			jsonb_build_object('draft-voice',
				jsonb_build_object('file', jsonb_build_object('sha256', $3::text), 'f0', 100)))`,
		uuid.New(), localAdmin, voice.SHA256)
	// The same bytes come again while their old row has no reference: a transaction that is not there yet may name
	// them.
	_, err := d.Put(ctx, strings.NewReader("kept again"), 0)
	require.NoError(t, err)
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	defer tx.Rollback(ctx)
	require.NoError(t, record(ctx, tx, recorded))

	stale := filepath.Join(d.TempDir(), "upload-x")
	fresh := filepath.Join(d.TempDir(), "upload-y")
	require.NoError(t, os.WriteFile(stale, []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(fresh, []byte("x"), 0o600))
	past := time.Now().Add(-old)
	require.NoError(t, os.Chtimes(stale, past, past))

	sweeper := &blob.Sweeper{Pool: pool, Store: d}
	_, err = sweeper.Sweep(ctx)
	require.NoError(t, err)
	for name, ref := range map[string]blob.Ref{"young": young, "young without row": youngNoRow, "asset": asset,
		"segment": segment, "voice": voice, "kept again": keptAgain, "recorded in an open transaction": recorded} {
		_, err := d.Stat(ctx, ref.SHA256)
		require.NoError(t, err, name)
	}
	for name, ref := range map[string]blob.Ref{"unreferenced": unreferenced, "no row": noRow} {
		_, err := d.Stat(ctx, ref.SHA256)
		require.ErrorIs(t, err, blob.ErrNotFound, name)
	}
	require.NoFileExists(t, stale)
	require.FileExists(t, fresh)
	var left int
	require.NoError(
		t,
		pool.QueryRow(ctx, `select count(*) from blobs where sha256 = $1`, unreferenced.SHA256).Scan(&left),
	)
	require.Zero(t, left)

	exec(t, pool, `delete from media_assets`)
	swept, err := sweeper.Sweep(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, swept.Files, "the asset's file goes with its last row")
}

func record(ctx context.Context, tx pgx.Tx, ref blob.Ref) error {
	var b pgx.Batch
	blob.Record(&b, ref, "text/plain")
	return tx.SendBatch(ctx, &b).Close()
}

// A sweep reads files in pages, of which it holds one.
func TestSweepGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	w := sweepWorld{remote, remote.New(t), storetest.New(t).Pool()}
	const orphans = 1203
	for i := range orphans {
		w.put(t, fmt.Sprint(i), 2*time.Hour, false)
	}
	young := w.put(t, "young", time.Minute, false)
	largest := 0
	swept, err := (&blob.Sweeper{Pool: w.pool, Store: watched{w.store, &largest}}).Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, orphans, swept.Files)
	require.LessOrEqual(t, largest, 500)
	left, err := w.store.List(t.Context(), "", orphans)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, young, left[0].Ref)
}

// watched notes the largest page that was asked for.
type watched struct {
	blob.Store
	largest *int
}

func (w watched) List(ctx context.Context, after string, limit int) ([]blob.Info, error) {
	*w.largest = max(*w.largest, limit)
	return w.Store.List(ctx, after, limit)
}
