package assets

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/media"
)

// Config of a Service.
type Config struct {
	Pool  *pgxpool.Pool
	Blobs blob.Store
	Media *media.Processor
	Fetch *fetch.Client

	// TempDir takes uploads while they are checked; on the blob store's filesystem, so that keeping one is a rename.
	TempDir string

	// MaxBytes is the largest upload. Default 500 MiB (config media.max_upload_bytes).
	MaxBytes int64

	Log *slog.Logger
}

// Service keeps assets. Safe for concurrent use.
type Service struct{ cfg Config }

// New makes a Service and its TempDir, emptied of what a crash left there.
func New(cfg Config) (*Service, error) { return &Service{cfg: cfg}, nil }

// Ingest takes a file in. See the package comment for the way it goes and assets.go, media and blob for the errors.
func (s *Service) Ingest(ctx context.Context, req IngestRequest) (*Asset, error) {
	return nil, ErrNotFound
}

// IngestRef fetches an https URL or data: URI and ingests it with origin remote. Fails with *fetch.Error too.
func (s *Service) IngestRef(ctx context.Context, ref string, req IngestRequest) (*Asset, error) {
	return nil, ErrNotFound
}

// Get returns an asset of the owner, ErrNotFound for every other id.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Asset, error) {
	return nil, ErrNotFound
}

// Lookup returns an asset whoever owns it: for signed links, whose signature is the authorisation.
func (s *Service) Lookup(ctx context.Context, id uuid.UUID) (*Asset, error) { return nil, ErrNotFound }

// List returns a page of the owner's assets, newest first.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) (Page, error) {
	return Page{}, nil
}

// ByJobs returns the outputs of jobs, each list in output order.
func (s *Service) ByJobs(ctx context.Context, jobs []uuid.UUID) (map[uuid.UUID][]*Asset, error) {
	return nil, nil
}

// Delete removes the row; ErrInUse while a queued or running job needs it. The bytes go with the next sweep.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error { return ErrNotFound }

// Open opens the asset's bytes.
func (s *Service) Open(ctx context.Context, a *Asset) (io.ReadSeekCloser, int64, error) {
	return nil, 0, ErrNotFound
}

// InsertTx writes the rows (blobs, media_assets) of one generated output inside the caller's transaction.
func InsertTx(ctx context.Context, tx pgx.Tx, o Output) (*Asset, error) { return nil, ErrNotFound }

// Signer makes and checks links that need no header.
type Signer struct{ key []byte }

// NewSigner reads the key file, or makes it (mode 0600).
func NewSigner(path string) (*Signer, error) { return &Signer{}, nil }

// Link returns the path and query of a signed link to an asset and when it ends.
func (s *Signer) Link(id uuid.UUID, now time.Time) (pathAndQuery string, expires time.Time) {
	return "", now
}

// Verify checks the query values of a signed link; ErrBadLink.
func (s *Signer) Verify(id uuid.UUID, exp, sig string, now time.Time) error { return ErrBadLink }

// GridDay is the number of the day of the link grid: a part of the ETag of what holds signed links.
func GridDay(now time.Time) int64 { return now.Unix() / 86400 }
