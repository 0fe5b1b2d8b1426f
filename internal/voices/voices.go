// Package voices keeps the voices that speech can be made in: built-in ones, which everyone sees, and each owner's
// clones. A clone's row is made by jobs.Submit with the job that fills it, so that it can be named in a request at
// once.
package voices

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/i18n"
)

var (
	// ErrNotFound: no such voice, or another owner's.
	ErrNotFound = errors.New("voices: not found")
	// ErrNameTaken: the owner has a voice of that name.
	ErrNameTaken = i18n.NewError("you already have a voice of this name: choose another, or delete that one")
	// ErrBuiltin: a built-in voice can be neither changed nor deleted.
	ErrBuiltin = i18n.NewError("this is a built-in voice: it cannot be changed or deleted")
	// ErrInUse: an unfinished job needs the voice.
	ErrInUse = i18n.NewError(
		"a job that is queued or running needs this voice: cancel the job or wait for its end, then delete",
	)
)

// Status of a voice.
type Status string

// The states.
const (
	Pending Status = "pending"
	Ready   Status = "ready"
	Failed  Status = "failed"
)

// Voice is a row of voices.
type Voice struct {
	ID            uuid.UUID                  `db:"id"`
	OwnerID       *uuid.UUID                 `db:"owner_id"` // nil: built in
	Name          string                     `db:"name"`
	Status        Status                     `db:"status"`
	Language      string                     `db:"language"`
	Builtin       bool                       `db:"builtin"`
	SampleSeconds *float64                   `db:"sample_seconds"`
	SampleAssetID *uuid.UUID                 `db:"sample_asset_id"`
	JobID         *uuid.UUID                 `db:"job_id"`
	Conditionals  map[string]json.RawMessage `db:"conditionals"`
	ConsentNote   *string                    `db:"consent_note"`
	CreatedAt     time.Time                  `db:"created_at"`
	UpdatedAt     time.Time                  `db:"updated_at"`
	Engine        *string                    `db:"engine"` // that a built-in voice belongs to
	Sex           *string                    `db:"sex"`    // of a built-in voice: female or male
	Formerly      []string                   `db:"formerly"`
	Preview       *string                    `db:"preview"`    // of a built-in voice: beside its engine's manifest
	Transcript    *string                    `db:"transcript"` // of its sample
}

// Owner is the engine that a built-in voice belongs to; empty for a cloned one.
func (v *Voice) Owner() string {
	if !v.Builtin || v.Engine == nil {
		return ""
	}
	return *v.Engine
}

// Builtin describes a voice that ships with an engine.
type Builtin struct {
	// ID is fixed, so that it is the same on every machine.
	ID       uuid.UUID
	Name     string
	Language string
	// Engine that the voice belongs to.
	Engine string
	// Sex is female, male, or empty when it is not known.
	Sex string
	// Default says that the voice speaks its language where a request names none.
	Default bool
	// Formerly are names that the voice had in earlier versions; they still find it.
	Formerly []string
	// Preview is a recording of the voice, a file beside the engine's manifest. Empty: there is none.
	Preview      string
	Conditionals map[string]json.RawMessage
}

// Patch changes a voice; nil fields stay.
type Patch struct{ Name, Language, ConsentNote *string }

// Filter of List. Zero fields do not filter.
type Filter struct {
	Status Status
	// Language without a region finds all of its regions: pt finds pt-BR.
	Language string
	Sex      string
}

// Service keeps voices. Safe for concurrent use.
type Service struct {
	pool     *pgxpool.Pool
	defaults Defaults
}

// New makes a Service.
func New(pool *pgxpool.Pool, defaults Defaults) *Service {
	if defaults.Language == "" {
		defaults.Language = firstLanguage
	}
	return &Service{pool: pool, defaults: defaults}
}
