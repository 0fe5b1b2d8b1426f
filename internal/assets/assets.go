package assets

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
)

var (
	// ErrNotFound: no such asset, or another owner's.
	ErrNotFound = errors.New("assets: not found")
	// ErrInUse: a queued or running job still needs the asset.
	ErrInUse = i18n.NewError(
		"a job that is queued or running needs this asset: cancel the job or wait for its end, then delete",
	)
	// ErrWrongKind is wrapped by *KindError.
	ErrWrongKind = errors.New("assets: wrong kind of file")
	// ErrBadLink: a signed link that is expired, altered or not ours.
	ErrBadLink = i18n.NewError("this link has expired or was altered: read the job again for a fresh one")
	// ErrForgedLink is an ErrBadLink that this studio never gave out.
	ErrForgedLink error = forgedLink{}
	// ErrBadCursor: a listing cursor that is not one of ours.
	ErrBadCursor = i18n.NewError("the cursor is not one that this list gave out")
	// ErrNoProject: the project does not exist or is another owner's.
	ErrNoProject = i18n.NewError("no project of yours has this id")
)

// KindError says that a file is of another kind than the field takes. It wraps ErrWrongKind.
type KindError struct {
	Got, Want media.Kind
	File      string // File is its name; "" when it has none.
}

func (e *KindError) Error() string { return e.Sentence().String() }
func (e *KindError) Unwrap() error { return ErrWrongKind }

// Sentence says which kind the field takes.
func (e *KindError) Sentence() i18n.Sentence {
	return i18n.Say("this field takes %s; the file is %s", e.Want, e.Got)
}

// Origin is how an asset came here: the column media_assets.origin.
type Origin string

// The origins.
const (
	Upload    Origin = "upload"
	Generated Origin = "generated"
	Remote    Origin = "remote"
)

// Asset is a row of media_assets.
type Asset struct {
	ID              uuid.UUID       `db:"id"`
	OwnerID         uuid.UUID       `db:"owner_id"`
	ProjectID       *uuid.UUID      `db:"project_id"`
	JobID           *uuid.UUID      `db:"job_id"`
	OutputIndex     *int            `db:"output_index"`
	Kind            media.Kind      `db:"type"`
	Origin          Origin          `db:"origin"`
	URL             string          `db:"url"` // /api/v1/files/{id}: stable, needs authorisation
	Name            string          `db:"name"`
	Filename        string          `db:"filename"`
	MIME            string          `db:"mime_type"`
	SHA256          string          `db:"sha256"`
	OriginalSHA256  *string         `db:"original_sha256"`
	Size            int64           `db:"size_bytes"`
	Width           *int            `db:"width"`
	Height          *int            `db:"height"`
	DurationSeconds *float64        `db:"duration_seconds"`
	Metadata        json.RawMessage `db:"metadata"`
	CreatedAt       time.Time       `db:"created_at"`
}

// IngestRequest is one file from outside. Exactly one of Reader and Path is set.
type IngestRequest struct {
	Owner    uuid.UUID
	Project  *uuid.UUID
	Reader   io.Reader // streamed; never held in memory
	Path     string    // a local file, which is copied and stays
	Filename string    // as the client gave it; sanitised here
	Name     string    // what lists show; default: the sanitised filename
	Origin   Origin    // default Upload
	Want     media.Kind
	// Want, when set, refuses another kind with *KindError.
	Metadata map[string]any
}

// Output is a generated file, already in the blob store, on its way to a row (InsertBatch).
type Output struct {
	ID        uuid.UUID // zero: a new UUIDv7
	Owner     uuid.UUID
	Project   *uuid.UUID
	Job       uuid.UUID
	Index     int
	Name      string // output name of the manifest: "speech", "image_0", "video"
	Filename  string // default: made from Name, the job id's first characters and the MIME type
	SHA256    string
	Size      int64
	MIME      string
	Kind      media.Kind
	Width     int
	Height    int
	Duration  time.Duration
	Metadata  map[string]any
	CreatedAt time.Time // zero: now() of the database
}

// Filter of List. Zero fields do not filter.
type Filter struct {
	Kind    media.Kind
	Origin  Origin
	Project *uuid.UUID
	Job     *uuid.UUID
	Limit   int    // 1..200, default 50
	Cursor  string // Page.Next of the page before
}

// Page of a listing, newest first.
type Page struct {
	Assets []*Asset
	Next   string // "" on the last page
}
