package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sweepBatch is how many hashes one statement of a sweep handles.
const sweepBatch = 500

// Record queues the blobs row of a stored file into a batch of the caller's transaction, before the row that refers to it. For
// one that is there already it renews the age, which keeps a sweep away until the transaction ends.
func Record(b *pgx.Batch, ref Ref, mime string) {
	b.Queue(recordSQL, ref.SHA256, ref.Size, mime)
}

const recordSQL = `
	insert into blobs (sha256, size_bytes, mime_type) values ($1, $2, $3)
	on conflict (sha256) do update set created_at = now()`

// One page of the blobs after $2. What refers to a blob: an asset, a segment, or a voice whose conditionals name it under any key
// "sha256". Answers the page's last hash too, which is where the next begins.
const sweepRowsSQL = `
	with page as materialized (select sha256, created_at from blobs where sha256 > $2 order by sha256 limit $3),
	     loose as materialized (
		select p.sha256 from page p
		 where p.created_at < $1
		   and not exists (select 1 from media_assets a where a.sha256 = p.sha256 offset 0)
		   and not exists (select 1 from job_segments s where s.sha256 = p.sha256 offset 0)),
	     spoken as materialized (
		select l.sha256 from loose l
		 where exists (select from voices v
		                where v.conditionals @? 'lax $.**.sha256'
		                  and exists (select from jsonb_path_query(v.conditionals, 'lax $.**.sha256') r where r #>> '{}' = l.sha256))),
	     dead as materialized (
		select b.sha256 from blobs b
		 where b.sha256 = any (array(select sha256 from loose except select sha256 from spoken)) and b.created_at < $1
		   for update of b skip locked),
	     gone as (delete from blobs where sha256 = any (array(select sha256 from dead)) returning sha256)
	select (select max(sha256) from page), array(select sha256 from gone)`

const knownSQL = `select sha256 from blobs where sha256 = any($1)`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

// statements of this package, for the test that prepares them all.
var statements = map[string]string{"record": recordSQL, "sweepRows": sweepRowsSQL, "known": knownSQL}

// Sweeper removes files that nothing refers to. Run Sweep as a periodic util job.
type Sweeper struct {
	Pool *pgxpool.Pool
	Disk *Disk

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
	s.sweepTemp(cutoff, &out)
	if s.Log != nil && out != (Swept{}) {
		s.Log.InfoContext(ctx, "unreferenced files removed", "rows", out.Rows, "files", out.Files, "bytes", out.Bytes)
	}
	return out, nil
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

// sweepFiles looks for files whose row was never written: the process ended between the rename and the transaction.
func (s *Sweeper) sweepFiles(ctx context.Context, cutoff time.Time, out *Swept) error {
	var batch []string
	flush := func() error {
		rows, err := s.Pool.Query(ctx, knownSQL, batch)
		if err != nil {
			return fmt.Errorf("sweep blob files: %w", err)
		}
		known, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("sweep blob files: %w", err)
		}
		has := make(map[string]bool, len(known))
		for _, k := range known {
			has[k] = true
		}
		var orphans []string
		for _, sha := range batch {
			if !has[sha] {
				orphans = append(orphans, sha)
			}
		}
		batch = batch[:0]
		return s.remove(ctx, orphans, cutoff, out)
	}
	err := s.Disk.eachOlder(ctx, cutoff, func(sha string) error {
		if batch = append(batch, sha); len(batch) == sweepBatch {
			return flush()
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return flush()
}

func (s *Sweeper) remove(ctx context.Context, hashes []string, cutoff time.Time, out *Swept) error {
	for _, sha := range hashes {
		n, err := s.Disk.removeOlder(ctx, sha, cutoff)
		if err != nil {
			return err
		}
		if n > 0 {
			out.Files++
			out.Bytes += n
		}
	}
	return nil
}

func (s *Sweeper) sweepTemp(cutoff time.Time, out *Swept) {
	entries, err := os.ReadDir(s.Disk.TempDir())
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.Name() == ".lock" || !info.ModTime().Before(cutoff) {
			continue
		}
		if os.RemoveAll(filepath.Join(s.Disk.TempDir(), e.Name())) == nil {
			out.Files++
			out.Bytes += info.Size()
		}
	}
}

// eachOlder calls fn for every kept file that was last kept before cutoff.
func (d *Disk) eachOlder(ctx context.Context, cutoff time.Time, fn func(sha string) error) error {
	return filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("walk blob store: %w", err)
		case e.IsDir() && e.Name() == "tmp":
			return fs.SkipDir
		case e.IsDir() || !validHash(e.Name()):
			return nil
		}
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(cutoff) {
			return nil //nolint:nilerr // gone meanwhile, or too young
		}
		return fn(e.Name())
	})
}
