package pronunciations

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// The longest word and the longest pronunciation, in characters.
const (
	LongestWord = 100
	LongestSay  = 200
)

// ErrNotFound: the owner has no such entry.
var ErrNotFound = errors.New("pronunciations: not found")

// DuplicateError: the word has an entry already, for the same project and language.
type DuplicateError struct{ Entry *Entry }

// Error is the sentence in English.
func (e *DuplicateError) Error() string { return e.Sentence().String() }

// Sentence names the entry.
func (e *DuplicateError) Sentence() i18n.Sentence {
	return i18n.Say("the word %q is in the dictionary already and is said %q: change or delete its entry %s",
		names.Clip(e.Entry.Word), names.Clip(e.Entry.Say), e.Entry.ID.String())
}

// FullError: the owner has as many entries as Config.Limit allows.
type FullError struct{ Limit int }

// Error is the sentence in English.
func (e *FullError) Error() string { return e.Sentence().String() }

// Sentence says what to change.
func (e *FullError) Sentence() i18n.Sentence {
	return i18n.Say("your dictionary has %d words, as many as pronunciations.limit allows: delete some first", e.Limit)
}

// TextError: a word or a pronunciation cannot be kept.
type TextError struct {
	// Field is word or say.
	Field string
	Why   i18n.Sentence
}

// Error is the sentence in English.
func (e *TextError) Error() string { return e.Why.String() }

// Entry is a row of pronunciations.
type Entry struct {
	ID        uuid.UUID  `db:"id"`
	OwnerID   uuid.UUID  `db:"owner_id"`
	ProjectID *uuid.UUID `db:"project_id"` // nil: all of the owner's requests
	Language  *string    `db:"language"`   // BCP 47; nil: every language
	Word      string     `db:"word"`
	Folded    string     `db:"folded"` // Word as it is looked for in a text
	Say       string     `db:"say"`
	CreatedAt time.Time  `db:"created_at"`
	UpdatedAt time.Time  `db:"updated_at"`
}

// New is an entry to make; nil and "" as in Entry.
type New struct {
	Project   *uuid.UUID
	Language  string
	Word, Say string
}

// Patch changes an entry; nil fields stay.
type Patch struct{ Word, Say, Language *string }

// Filter of List. Zero fields do not filter.
type Filter struct {
	Project  *uuid.UUID
	Language string
}

// Config of a Service. Pool is needed.
type Config struct {
	Pool *pgxpool.Pool
	// Limit is how many entries an owner may have. Default 500.
	Limit int
}

// Service keeps the entries of all owners. Safe for concurrent use.
type Service struct{ cfg Config }

// NewService makes a Service.
func NewService(cfg Config) *Service {
	if cfg.Limit == 0 {
		cfg.Limit = 500
	}
	return &Service{cfg}
}

const cols = `id, owner_id, project_id, language, word, folded, say, created_at, updated_at`

const (
	// Two requests of one owner must not both take the last place.
	lockSQL   = `select pg_advisory_xact_lock(7013047, hashtext($1::uuid::text))`
	createSQL = `
	insert into pronunciations (id, owner_id, project_id, language, word, folded, say)
	select $1, $2, $3, $4, $5, $6, $7 where (select count(*) from pronunciations where owner_id = $2) < $8
	returning ` + cols
	getSQL  = `select ` + cols + ` from pronunciations where owner_id = $1 and id = $2`
	listSQL = `
	select ` + cols + ` from pronunciations
	 where owner_id = $1 and ($2::uuid is null or project_id = $2) and ($3 = '' or language = $3)
	 order by folded, project_id nulls first, language nulls first`
	usableSQL = `
	select ` + cols + ` from pronunciations where owner_id = $1 and (project_id is null or project_id = $2)`
	sameSQL = `
	select ` + cols + ` from pronunciations
	 where owner_id = $1 and project_id is not distinct from $2 and language is not distinct from $3 and folded = $4`
	updateSQL = `
	update pronunciations
	   set word = coalesce($3, word), folded = coalesce($4, folded), say = coalesce($5, say),
	       language = coalesce($6, language), updated_at = now()
	 where owner_id = $1 and id = $2
	returning ` + cols
	deleteSQL = `delete from pronunciations where owner_id = $1 and id = $2`
)

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

var statements = map[string]string{"lockSQL": lockSQL, "createSQL": createSQL, "getSQL": getSQL, "listSQL": listSQL,
	"usableSQL": usableSQL, "sameSQL": sameSQL, "updateSQL": updateSQL, "deleteSQL": deleteSQL}

// Create adds an entry. It fails with *TextError, *DuplicateError, *FullError; the project has been checked.
func (s *Service) Create(ctx context.Context, owner uuid.UUID, wanted New) (entry *Entry, err error) {
	if wanted.Word, err = clean("word", wanted.Word, LongestWord); err != nil {
		return nil, err
	}
	if wanted.Say, err = clean("say", wanted.Say, LongestSay); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("pronunciations: new id: %w", err)
	}
	var language *string
	if wanted.Language != "" {
		language = &wanted.Language
	}
	folded := fold(wanted.Word)
	err = pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockSQL, owner); err != nil {
			return fmt.Errorf("pronunciations: create: %w", err)
		}
		rows, err := tx.Query(ctx, createSQL, id, owner, wanted.Project, language, wanted.Word, folded, wanted.Say,
			s.cfg.Limit)
		if err != nil {
			return fmt.Errorf("pronunciations: create: %w", err)
		}
		entry, err = one("create", rows)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return nil, &FullError{s.cfg.Limit}
	}
	return entry, s.duplicate(ctx, err, owner, wanted.Project, language, folded)
}

// duplicate names the entry that the database has for the same word already.
func (s *Service) duplicate(
	ctx context.Context, err error, owner uuid.UUID, project *uuid.UUID, language *string, folded string,
) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.ConstraintName != "pronunciations_word" {
		return err
	}
	same, found := s.one(ctx, "find", sameSQL, owner, project, language, folded)
	if found != nil {
		return err
	}
	return &DuplicateError{same}
}

// Get returns an entry of the owner; ErrNotFound for every other id.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Entry, error) {
	return s.one(ctx, "get", getSQL, owner, id)
}

// List returns the owner's entries by word. Config.Limit bounds them.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) ([]*Entry, error) {
	return s.many(ctx, "list", listSQL, owner, f.Project, f.Language)
}

// Usable returns the entries for a request of the owner: those of all requests, and those of its project.
func (s *Service) Usable(ctx context.Context, owner uuid.UUID, project *uuid.UUID) ([]*Entry, error) {
	return s.many(ctx, "find", usableSQL, owner, project)
}

// Update changes an entry of the owner. It fails with ErrNotFound, *TextError, *DuplicateError.
func (s *Service) Update(ctx context.Context, owner, id uuid.UUID, p Patch) (*Entry, error) {
	var folded *string
	if p.Word != nil {
		word, err := clean("word", *p.Word, LongestWord)
		if err != nil {
			return nil, err
		}
		key := fold(word)
		p.Word, folded = &word, &key
	}
	if p.Say != nil {
		say, err := clean("say", *p.Say, LongestSay)
		if err != nil {
			return nil, err
		}
		p.Say = &say
	}
	entry, err := s.one(ctx, "update", updateSQL, owner, id, p.Word, folded, p.Say, p.Language)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return entry, err
	}
	old, found := s.Get(ctx, owner, id)
	if found != nil {
		return nil, err
	}
	if p.Language != nil {
		old.Language = p.Language
	}
	if folded != nil {
		old.Folded = *folded
	}
	return nil, s.duplicate(ctx, err, owner, old.ProjectID, old.Language, old.Folded)
}

// Delete removes an entry of the owner; ErrNotFound for every other id.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error {
	tag, err := s.cfg.Pool.Exec(ctx, deleteSQL, owner, id)
	if err != nil {
		return fmt.Errorf("pronunciations: delete: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return nil
}

func (s *Service) many(ctx context.Context, op, sql string, args ...any) ([]*Entry, error) {
	rows, err := s.cfg.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("pronunciations: %s: %w", op, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Entry])
	if err != nil {
		return nil, fmt.Errorf("pronunciations: %s: %w", op, err)
	}
	return found, nil
}

func (s *Service) one(ctx context.Context, op, sql string, args ...any) (*Entry, error) {
	rows, err := s.cfg.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("pronunciations: %s: %w", op, err)
	}
	return one(op, rows)
}

func one(op string, rows pgx.Rows) (*Entry, error) {
	entry, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Entry])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("pronunciations: %s: %w", op, err)
	}
	return entry, nil
}

// Clean returns a word and what is said for it as they are kept. It fails with *TextError.
func Clean(said Said) (cleaned Said, err error) {
	if cleaned.Word, err = clean("word", said.Word, LongestWord); err != nil {
		return Said{}, err
	}
	cleaned.Say, err = clean("say", said.Say, LongestSay)
	return cleaned, err
}

// Check fails with *TextError for a word that no voice can say.
func Check(field, word string) error {
	_, err := clean(field, word, LongestWord)
	return err
}

func clean(field, text string, longest int) (string, error) {
	text = names.Clean(text)
	switch size := utf8.RuneCountInString(text); {
	case strings.IndexFunc(text, inWord) < 0:
		return "", &TextError{field, i18n.Say("%s has no letter and no digit: write what a voice can say", field)}
	case size > longest:
		return "", &TextError{field, i18n.Say("%s has %d characters; the most is %d", field, size, longest)}
	}
	return text, nil
}
