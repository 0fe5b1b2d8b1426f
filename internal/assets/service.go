package assets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/store"
)

// KeyMaxUpload is the configuration key of Config.MaxBytes, which errors name.
const KeyMaxUpload = "media.max_upload_bytes"

// Config of a Service. Pool, Blobs and Media are needed; Fetch only for IngestRef.
type Config struct {
	Pool  *pgxpool.Pool
	Blobs blob.Store
	Media *media.Processor
	Fetch *fetch.Client

	// MaxBytes is the largest upload. Default 500 MiB (config media.max_upload_bytes).
	MaxBytes int64

	Log *slog.Logger
}

// Service keeps assets. Safe for concurrent use.
type Service struct{ cfg Config }

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 500 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Service{cfg: cfg}
}

// MaxBytes is the largest upload in bytes.
func (s *Service) MaxBytes() int64 { return s.cfg.MaxBytes }

const cols = `id, owner_id, project_id, job_id, output_index, type, origin, url, name, filename, mime_type, sha256,
	original_sha256, size_bytes, width, height, duration_seconds, metadata, created_at`

const getSQL = `select ` + cols + ` from media_assets where id = $1 and ($2::uuid is null or owner_id = $2)`

var (
	allKinds   = []string{string(media.Audio), string(media.Image), string(media.Video), string(media.Data)}
	allOrigins = []string{string(Upload), string(Generated), string(Remote)}
)

// ownsProject asks whether $4 is a project of the owner $1.
const ownsProject = "exists (select from projects p where p.id = $4 and p.owner_id = $1)"

// listSQL is the statement of one page under a filter: $1 the owner, ($2, $3) the row before, from $4 on the job and
// the project.
func listSQL(f Filter, limit int) string {
	table, common, own := "media_assets", "owner_id = $1", "true"
	switch {
	case f.Job != nil: // a job has a handful: they are found by it alone
		table = "(select * from media_assets where job_id = $4 offset 0) of_job"
		if f.Project != nil {
			common += " and project_id = $5"
		}
	case f.Project != nil: // a project is of one owner, so that its index finds the page
		common, own = "project_id = $4", ownsProject
	}
	var kinds, origins []string
	if f.Kind != "" || f.Origin != "" || f.Project != nil {
		kinds, origins = allKinds, allOrigins
	}
	if f.Kind != "" {
		kinds = []string{string(f.Kind)}
	}
	if f.Origin != "" {
		origins = []string{string(f.Origin)}
	}
	branches := store.Branches(
		common,
		store.Column{Name: "type", Words: kinds},
		store.Column{Name: "origin", Words: origins},
	)
	return "select " + cols + " from (" + store.PageSQL(table, "($2, $3)", branches, limit) +
		") a where " + own + " order by created_at desc, id desc"
}

const byJobsSQL = `
	select ` + cols + ` from media_assets
	 where job_id = any($1) and output_index is not null order by job_id, output_index`

const insertSQL = `
	insert into media_assets (id, owner_id, project_id, job_id, output_index, type, origin, url, name, filename,
	                          mime_type, sha256, original_sha256, size_bytes, width, height, duration_seconds,
	                          metadata, created_at)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, coalesce($19, now()))
	returning ` + cols

// A queued or running job needs an asset that its inputs name, or the output of a job that its inputs name.
const deleteSQL = `
	with target as (select id, job_id from media_assets where id = $1 and owner_id = $2 for update),
	     needed as (
		select (select count(*) from generation_jobs j
		         where j.status in ('queued', 'processing')
		           and (j.parameters -> 'inputs') @> jsonb_build_array(jsonb_build_object('asset_id', t.id::text)))
		     + (select count(*) from generation_jobs j
		         where j.status in ('queued', 'processing') and t.job_id is not null
		           and (j.parameters -> 'inputs')
		               @> jsonb_build_array(jsonb_build_object('job_id', t.job_id::text))) as n
		  from target t),
	     gone as (
		delete from media_assets a using target t
		 where a.id = t.id and (select n from needed) = 0 returning a.id)
	select (select count(*) from target), (select count(*) from gone)`

const assignSQL = `
	update media_assets set project_id = $3
	 where id = $1 and owner_id = $2 and exists (select from projects where id = $3 and owner_id = $2)
	returning ` + cols

const ownsProjectSQL = `select exists (select 1 from projects where id = $1 and owner_id = $2)`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string {
	all := maps.Clone(statements)
	id, kind, origin := &uuid.Nil, media.Image, Upload
	for name, f := range map[string]Filter{"list": {}, "listKind": {Kind: kind}, "listOrigin": {Origin: origin},
		"listBoth": {Kind: kind, Origin: origin}, "listProject": {Project: id},
		"listProjectKind": {Project: id, Kind: kind}, "listProjectOrigin": {Project: id, Origin: origin},
		"listJob": {Job: id}, "listJobKind": {Job: id, Kind: kind}} {
		all[name] = listSQL(f, 51)
	}
	return all
}

// statements of this package, for the test that prepares them all.
var statements = map[string]string{
	"get": getSQL, "byJobs": byJobsSQL, "insert": insertSQL, "delete": deleteSQL, "ownsProject": ownsProjectSQL,
	"assign": assignSQL,
}

// Get returns an asset of the owner, ErrNotFound for every other id.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Asset, error) {
	return s.get(ctx, id, &owner)
}

// Lookup returns an asset whoever owns it: for signed links, whose signature is the authorisation.
func (s *Service) Lookup(ctx context.Context, id uuid.UUID) (*Asset, error) {
	return s.get(ctx, id, nil)
}

func (s *Service) get(ctx context.Context, id uuid.UUID, owner *uuid.UUID) (*Asset, error) {
	rows, err := s.cfg.Pool.Query(ctx, getSQL, id, owner)
	if err != nil {
		return nil, fmt.Errorf("get asset: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Asset])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get asset: %w", err)
	}
	return a, nil
}

// Assign puts an asset into a project of its owner. ErrNoProject when either is not theirs.
func (s *Service) Assign(ctx context.Context, owner, id, project uuid.UUID) (*Asset, error) {
	rows, err := s.cfg.Pool.Query(ctx, assignSQL, id, owner, project)
	if err != nil {
		return nil, fmt.Errorf("assign asset: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Asset])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoProject
	}
	if err != nil {
		return nil, fmt.Errorf("assign asset: %w", err)
	}
	return a, nil
}

// List returns a page of the owner's assets, newest first. ErrBadCursor.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) (Page, error) {
	limit := f.Limit
	switch {
	case limit <= 0:
		limit = 50
	case limit > 200:
		limit = 200
	}
	at, id, err := parseCursor(f.Cursor)
	if err != nil {
		return Page{}, err
	}
	args := []any{owner, at, id}
	for _, place := range []*uuid.UUID{f.Job, f.Project} {
		if place != nil {
			args = append(args, *place)
		}
	}
	rows, err := s.cfg.Pool.Query(ctx, listSQL(f, limit+1), args...)
	if err != nil {
		return Page{}, fmt.Errorf("list assets: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Asset])
	if err != nil {
		return Page{}, fmt.Errorf("list assets: %w", err)
	}
	page := Page{Assets: list}
	if len(list) > limit {
		page.Assets = list[:limit]
		page.Next = cursor(page.Assets[limit-1])
	}
	return page, nil
}

// ByJobs returns the outputs of jobs, each list in output order.
func (s *Service) ByJobs(ctx context.Context, jobs []uuid.UUID) (map[uuid.UUID][]*Asset, error) {
	rows, err := s.cfg.Pool.Query(ctx, byJobsSQL, jobs)
	if err != nil {
		return nil, fmt.Errorf("outputs of jobs: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Asset])
	if err != nil {
		return nil, fmt.Errorf("outputs of jobs: %w", err)
	}
	out := make(map[uuid.UUID][]*Asset, len(jobs))
	for _, a := range list {
		out[*a.JobID] = append(out[*a.JobID], a)
	}
	return out, nil
}

// Delete removes the row. ErrNotFound; ErrInUse while a queued or running job needs it. The bytes go with the next
// sweep, unless another row has the same.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error {
	var found, gone int
	if err := s.cfg.Pool.QueryRow(ctx, deleteSQL, id, owner).Scan(&found, &gone); err != nil {
		return fmt.Errorf("delete asset: %w", err)
	}
	switch {
	case found == 0:
		return ErrNotFound
	case gone == 0:
		return ErrInUse
	}
	return nil
}

// Open opens the asset's bytes and returns their number.
func (s *Service) Open(ctx context.Context, a *Asset) (io.ReadSeekCloser, int64, error) {
	return s.cfg.Blobs.Open(ctx, a.SHA256)
}

// URL is the stable address of an asset, which needs authorisation: the column media_assets.url.
func URL(id uuid.UUID) string { return "/api/v1/files/" + id.String() }

// InsertBatch queues the rows (blobs, media_assets) of one generated output into a batch of the caller's transaction.
// The asset is as the database has it once the batch has been read.
func InsertBatch(b *pgx.Batch, o Output) (*Asset, error) {
	id := o.ID
	if id == uuid.Nil {
		var err error
		if id, err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("insert asset: %w", err)
		}
	}
	kind := o.Kind
	if kind == "" {
		kind = kindOf(o.MIME)
	}
	name := o.Name
	if name == "" {
		name = string(kind)
	}
	filename := o.Filename
	if filename == "" {
		text := o.Job.String()
		filename = name + "-" + text[len(text)-8:]
	}
	a := &Asset{
		ID: id, OwnerID: o.Owner, ProjectID: o.Project, JobID: &o.Job, OutputIndex: &o.Index, Kind: kind,
		Origin: Generated, Name: name, Filename: Filename(filename, o.MIME), MIME: o.MIME, SHA256: o.SHA256,
		Size:  o.Size,
		Width: positive(o.Width), Height: positive(o.Height), CreatedAt: o.CreatedAt,
	}
	if o.Duration > 0 {
		sec := float64(o.Duration.Round(time.Millisecond).Milliseconds()) / 1000
		a.DurationSeconds = &sec
	}
	return a, queueInsert(b, a, o.Metadata)
}

// insert writes the rows of an asset, which then is as the database has it.
func insert(ctx context.Context, tx pgx.Tx, a *Asset, metadata map[string]any) (*Asset, error) {
	var b pgx.Batch
	if err := queueInsert(&b, a, metadata); err != nil {
		return nil, err
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("insert asset: %w", err)
	}
	return a, nil
}

func queueInsert(b *pgx.Batch, a *Asset, metadata map[string]any) error {
	blob.Record(b, blob.Ref{SHA256: a.SHA256, Size: a.Size}, a.MIME)
	meta := []byte("{}")
	if len(metadata) > 0 {
		var err error
		if meta, err = json.Marshal(metadata); err != nil {
			return fmt.Errorf("insert asset: %w", err)
		}
	}
	var created *time.Time
	if !a.CreatedAt.IsZero() {
		created = &a.CreatedAt
	}
	b.Queue(
		insertSQL,
		a.ID,
		a.OwnerID,
		a.ProjectID,
		a.JobID,
		a.OutputIndex,
		a.Kind,
		a.Origin,
		URL(a.ID),
		a.Name,
		a.Filename,
		a.MIME,
		a.SHA256,
		a.OriginalSHA256,
		a.Size,
		a.Width,
		a.Height,
		a.DurationSeconds,
		meta,
		created,
	).Query(func(rows pgx.Rows) (err error) {
		*a, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Asset])
		return err
	})
	return nil
}

func kindOf(mime string) media.Kind {
	switch kind, _, _ := strings.Cut(mime, "/"); kind {
	case "audio", "image", "video":
		return media.Kind(kind)
	}
	return media.Data
}

func positive(n int) *int {
	if n <= 0 {
		return nil
	}
	return &n
}

// TempDir is where files may lie while they are received; it is emptied at start.
func (s *Service) TempDir() string { return s.cfg.Blobs.TempDir() }

func (s *Service) temp(name string) string { return filepath.Join(s.TempDir(), name) }
