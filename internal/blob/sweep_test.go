package blob

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

const localAdmin = "00000000-0000-7000-8000-000000000001"

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

// put keeps a text and its row, both as old as asked.
func put(t *testing.T, pool *pgxpool.Pool, d *Disk, text string, age time.Duration, row bool) Ref {
	t.Helper()
	ctx := context.Background()
	ref, err := d.Put(ctx, strings.NewReader(text), 0)
	require.NoError(t, err)
	makeOld(t, d, ref, age)
	if row {
		require.NoError(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return record(ctx, tx, ref) }))
		_, err := pool.Exec(ctx, `update blobs set created_at = now() - $2::interval where sha256 = $1`, ref.SHA256, age)
		require.NoError(t, err)
	}
	return ref
}

func makeOld(t *testing.T, d *Disk, ref Ref, age time.Duration) {
	t.Helper()
	path, err := d.Path(ref.SHA256)
	require.NoError(t, err)
	at := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(path, at, at))
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

func TestSweepRemovesOnlyWhatNothingRefersTo(t *testing.T) {
	t.Parallel()
	pool, d, ctx := storetest.New(t).Pool(), newDisk(t), context.Background()
	old := 2 * time.Hour
	unreferenced := put(t, pool, d, "unreferenced", old, true)
	noRow := put(t, pool, d, "no row", old, false)
	young := put(t, pool, d, "young", time.Minute, true)
	youngNoRow := put(t, pool, d, "young, no row", time.Minute, false)
	asset := put(t, pool, d, "asset", old, true)
	segment := put(t, pool, d, "segment", old, true)
	voice := put(t, pool, d, "voice", old, true)
	keptAgain := put(t, pool, d, "kept again", old, true)
	recorded := put(t, pool, d, "recorded again", old, true)

	exec(t, pool, `insert into media_assets (id, owner_id, type, origin, url, name, filename, mime_type, sha256, size_bytes)
		values ($1, $2, 'data', 'upload', '', '', '', '', $3, 1)`, uuid.New(), localAdmin, asset.SHA256)
	job := uuid.New()
	exec(t, pool, `insert into generation_jobs (id, owner_id, type, quality, engine, parameters) values ($1, $2, 'audio.speech', 'draft', 'x', '{}')`, job, localAdmin)
	exec(t, pool, `insert into job_segments (job_id, idx, sha256, fence, mime_type, size_bytes) values ($1, 0, $2, 1, '', 1)`, job, segment.SHA256)
	exec(t, pool, `insert into voices (id, owner_id, name, language, conditionals)
		values ($1, $2, 'v', 'pt-BR', jsonb_build_object('draft-voice', jsonb_build_object('file', jsonb_build_object('sha256', $3::text), 'f0', 100)))`,
		uuid.New(), localAdmin, voice.SHA256)
	// The same bytes come again while their old row has no reference: a transaction that is not there yet may name them.
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

	sweeper := &Sweeper{Pool: pool, Disk: d}
	_, err = sweeper.Sweep(ctx)
	require.NoError(t, err)
	for name, ref := range map[string]Ref{"young": young, "young without row": youngNoRow, "asset": asset, "segment": segment,
		"voice": voice, "kept again": keptAgain, "recorded in an open transaction": recorded} {
		_, err := d.Path(ref.SHA256)
		require.NoError(t, err, name)
	}
	for name, ref := range map[string]Ref{"unreferenced": unreferenced, "no row": noRow} {
		_, err := d.Path(ref.SHA256)
		require.ErrorIs(t, err, ErrNotFound, name)
	}
	require.NoFileExists(t, stale)
	require.FileExists(t, fresh)
	var left int
	require.NoError(t, pool.QueryRow(ctx, `select count(*) from blobs where sha256 = $1`, unreferenced.SHA256).Scan(&left))
	require.Zero(t, left)

	exec(t, pool, `delete from media_assets`)
	swept, err := sweeper.Sweep(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, swept.Files, "the asset's file goes with its last row")
}

func record(ctx context.Context, tx pgx.Tx, ref Ref) error {
	var b pgx.Batch
	Record(&b, ref, "text/plain")
	return tx.SendBatch(ctx, &b).Close()
}
