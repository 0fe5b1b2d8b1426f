package blob

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sweepBatch is how many hashes one statement of a sweep handles.
const sweepBatch = 500

// Record queues the blobs row of a stored file into a batch of the caller's transaction, before the row that refers to
// it. A row that is there already gets a new age, which keeps a sweep away until the transaction ends.
func Record(b *pgx.Batch, ref Ref, mime string) {
	b.Queue(recordSQL, ref.SHA256, ref.Size, mime)
}

const recordSQL = `
	insert into blobs (sha256, size_bytes, mime_type) values ($1, $2, $3)
	on conflict (sha256) do update set created_at = now()`

// One page of the blobs after $2. A blob is referred to by an asset, a segment, or a voice whose conditionals name it
// under any key "sha256". The answer holds the page's last hash too, after which the next page begins.
const sweepRowsSQL = `
	with page as materialized (select sha256, created_at from blobs where sha256 > $2 order by sha256 limit $3),
	     loose as materialized (
		select p.sha256 from page p
		 where p.created_at < $1
		   and not exists (select 1 from media_assets a where a.sha256 = p.sha256 offset 0)
		   and not exists (select 1 from job_segments s where s.sha256 = p.sha256 offset 0)),
	     named as materialized (
		select l.sha256 from loose l
		 where exists (select from voices v
		                where v.conditionals @? 'lax $.**.sha256'
		                  and exists (select from jsonb_path_query(v.conditionals, 'lax $.**.sha256') r
		                               where r #>> '{}' = l.sha256))),
	     dead as materialized (
		select b.sha256 from blobs b
		 where b.sha256 = any (array(select sha256 from loose except select sha256 from named)) and b.created_at < $1
		   for update of b skip locked),
	     gone as (delete from blobs where sha256 = any (array(select sha256 from dead)) returning sha256)
	select (select max(sha256) from page), array(select sha256 from gone)`

const knownSQL = `select sha256 from blobs where sha256 = any($1)`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

// statements of this package, for the test that prepares them all.
var statements = map[string]string{
	"record": recordSQL, "sweepRows": sweepRowsSQL, "known": knownSQL,
	"announce": announceSQL, "neighbours": neighboursSQL,
}

// Sweeper removes files that nothing refers to. Run Sweep as a periodic util job.
type Sweeper struct {
	Pool  *pgxpool.Pool
	Store Store

	// MinAge is how long a file is left alone after it was last kept, since the row that refers to it comes later.
	// Default 1 hour.
	MinAge time.Duration

	Log *slog.Logger
}

// Swept counts what a sweep removed.
type Swept struct {
	Rows, Files int
	Bytes       int64
}

// Sweep removes unreferenced rows with their files, files without a row, and forgotten temporary files. It may run at
// any time and in several processes at once; what it does not finish, the next one does.
func (s *Sweeper) Sweep(ctx context.Context) (Swept, error) {
	minAge := s.MinAge
	if minAge <= 0 {
		minAge = time.Hour
	}
	cutoff := time.Now().Add(-minAge)
	var out Swept
	if err := s.sweepRows(ctx, cutoff, &out); err != nil {
		return out, err
	}
	if err := s.sweepFiles(ctx, cutoff, &out); err != nil {
		return out, err
	}
	tidied, err := s.Store.Tidy(ctx, cutoff)
	out.Files, out.Bytes = out.Files+tidied.Files, out.Bytes+tidied.Bytes
	if s.Log != nil && out != (Swept{}) {
		s.Log.InfoContext(ctx, "unreferenced files removed", "rows", out.Rows, "files", out.Files, "bytes", out.Bytes)
	}
	return out, err
}

func (s *Sweeper) sweepRows(ctx context.Context, cutoff time.Time, out *Swept) error {
	after := ""
	for {
		var last *string
		var gone []string
		if err := s.Pool.QueryRow(ctx, sweepRowsSQL, cutoff, after, sweepBatch).Scan(&last, &gone); err != nil {
			return fmt.Errorf("sweep blobs: %w", err)
		}
		if last == nil {
			return nil
		}
		after = *last
		out.Rows += len(gone)
		if err := s.remove(ctx, gone, cutoff, out); err != nil {
			return err
		}
	}
}

// sweepFiles looks for files whose row was never written: the process ended between Put and the transaction.
func (s *Sweeper) sweepFiles(ctx context.Context, cutoff time.Time, out *Swept) error {
	after := ""
	for {
		page, err := s.Store.List(ctx, after, sweepBatch)
		if err != nil {
			return fmt.Errorf("sweep blob files: %w", err)
		}
		var old []string
		for _, file := range page {
			if after = file.SHA256; file.KeptAt.Before(cutoff) {
				old = append(old, file.SHA256)
			}
		}
		orphans, err := s.withoutRow(ctx, old)
		if err != nil {
			return err
		}
		if err := s.remove(ctx, orphans, cutoff, out); err != nil {
			return err
		}
		if len(page) < sweepBatch {
			return nil
		}
	}
}

// withoutRow returns those of the hashes that the database does not know.
func (s *Sweeper) withoutRow(ctx context.Context, hashes []string) ([]string, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	rows, err := s.Pool.Query(ctx, knownSQL, hashes)
	if err != nil {
		return nil, fmt.Errorf("sweep blob files: %w", err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("sweep blob files: %w", err)
	}
	return slices.DeleteFunc(hashes, func(sha string) bool { return slices.Contains(known, sha) }), nil
}

func (s *Sweeper) remove(ctx context.Context, hashes []string, cutoff time.Time, out *Swept) error {
	for _, sha := range hashes {
		removed, err := s.Store.Delete(ctx, sha, cutoff)
		if err != nil {
			return err
		}
		if removed != nil {
			out.Files++
			out.Bytes += removed.Size
		}
	}
	return nil
}
