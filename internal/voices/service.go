package voices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/apibr/studio/internal/names"
)

const cols = `v.id, v.owner_id, v.name, v.status, v.language, v.builtin, v.sample_seconds, v.sample_asset_id, v.job_id,
	v.conditionals, v.consent_note, v.created_at, v.updated_at, v.engine, v.sex, v.formerly, v.preview,
	v.transcript`

const visible = ` from voices v where (v.owner_id = $1 or v.builtin)`

const builtinSQL = `
	insert into voices as v
	       (id, name, status, language, builtin, conditionals, engine, sex, formerly, preview, is_default)
	values ($1, $2, 'ready', $3, true, $4, $5, nullif($6, ''), $7, nullif($8, ''), $9)
	on conflict (id) do update
	   set name = excluded.name, language = excluded.language, conditionals = excluded.conditionals,
	       engine = excluded.engine, sex = excluded.sex, formerly = excluded.formerly, preview = excluded.preview,
	       is_default = excluded.is_default, retired = false, updated_at = now()
	 where v.builtin
	   and (v.name, v.language, v.conditionals, v.engine, v.sex, v.formerly, v.preview, v.is_default, v.retired)
	       is distinct from (excluded.name, excluded.language, excluded.conditionals, excluded.engine, excluded.sex,
	                         excluded.formerly, excluded.preview, excluded.is_default, false)`

// A voice that does not ship any more stays for the jobs that name it.
const retireSQL = `
	update voices v set retired = true, is_default = false, updated_at = now()
	 where v.builtin and not v.retired and v.id <> all ($1)`

const getSQL = `select ` + cols + visible + ` and v.id = $2`

const lookupSQL = `select ` + cols + ` from voices v where v.id = $1`

// The caller's own voice wins over a built-in one of the same name, and a present name over a former one.
const findSQL = `
	select ` + cols + ` from (
	    select 1 as place, v.* from voices v where v.id = $2 and (v.owner_id = $1 or v.builtin)
	    union all select 2, v.* from voices v where v.owner_id = $1 and v.name = $3
	    union all select 3, v.* from voices v where v.builtin and not v.retired and v.name = $3
	    union all select 4, v.* from voices v where v.builtin and not v.retired and $3 = any (v.formerly)) v
	 order by v.place, v.id limit 1`

const listSQL = `select ` + cols + visible + ` and not v.retired
	   and ($2 = '' or v.status = $2) and ($4 = '' or v.sex = $4)
	   and ($3 = '' or lower(v.language) = lower($3) or starts_with(lower(v.language), lower($3) || '-'))
	 order by v.builtin, case when v.builtin then null else v.created_at end desc, v.name, v.id`

const updateSQL = `
	update voices v
	   set name = coalesce($3, v.name), language = coalesce($4, v.language),
	       consent_note = coalesce($5, v.consent_note), updated_at = now()
	 where v.id = $2 and v.owner_id = $1
	returning ` + cols

// A job needs a voice when it is unfinished and names the voice among its inputs.
const inUseSQL = `
	with named as materialized (
	    select j.owner_id from generation_jobs j
	     where j.status in ('queued', 'processing')
	       and (j.parameters -> 'inputs') @> jsonb_build_array(jsonb_build_object('voice_id', $2::text)))
	select exists (select from named where owner_id = $1)`

const lockSQL = `select ` + cols + visible + ` and v.id = $2 for update`

const deleteSQL = `delete from voices where id = $1`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

// statements of this package, for the test that prepares them all.
var statements = map[string]string{
	"builtinSQL": builtinSQL, "retireSQL": retireSQL, "defaultsSQL": defaultsSQL,
	"getSQL": getSQL, "lookupSQL": lookupSQL, "findSQL": findSQL, "listSQL": listSQL, "updateSQL": updateSQL,
	"inUseSQL": inUseSQL, "lockSQL": lockSQL, "deleteSQL": deleteSQL,
}

// EnsureBuiltins writes the built-in voices, once at start; doing it again updates them. Built-in voices of earlier
// versions that are not among them are retired: they are not listed or found by their names any more.
func (s *Service) EnsureBuiltins(ctx context.Context, voices []Builtin) error {
	if len(voices) == 0 {
		return nil
	}
	var b pgx.Batch
	ids := make([]uuid.UUID, 0, len(voices))
	for _, v := range voices {
		if v.Conditionals == nil {
			v.Conditionals = map[string]json.RawMessage{}
		}
		formerly := make([]string, 0, len(v.Formerly))
		for _, name := range v.Formerly {
			formerly = append(formerly, names.Clean(name))
		}
		b.Queue(builtinSQL, v.ID, names.Clean(v.Name), v.Language, v.Conditionals, v.Engine, v.Sex, formerly, v.Preview,
			v.Default)
		ids = append(ids, v.ID)
	}
	b.Queue(retireSQL, ids)
	if err := s.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("voices: built-in: %w", err)
	}
	return nil
}

func (s *Service) one(ctx context.Context, op, sql string, args ...any) (*Voice, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("voices: %s: %w", op, err)
	}
	return oneOf(op, rows)
}

func oneOf(op string, rows pgx.Rows) (*Voice, error) {
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Voice])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("voices: %s: %w", op, err)
	}
	return v, nil
}

// Get returns a voice that the owner sees.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Voice, error) {
	return s.one(ctx, "get", getSQL, owner, id)
}

// Lookup returns a voice of any owner, for who has a signed link to it.
func (s *Service) Lookup(ctx context.Context, id uuid.UUID) (*Voice, error) {
	return s.one(ctx, "look up", lookupSQL, id)
}

// Find takes any value of voice_id: the id, or the exact name of one of the caller's voices (then of a built-in one,
// then the name that a built-in one had in an earlier version).
func (s *Service) Find(ctx context.Context, owner uuid.UUID, idOrName string) (*Voice, error) {
	var id *uuid.UUID
	if parsed, err := uuid.Parse(idOrName); err == nil {
		id = &parsed
	}
	return s.one(ctx, "find", findSQL, owner, id, names.Clean(idOrName))
}

// List returns the owner's voices, newest first, then the built-in ones by name.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) ([]*Voice, error) {
	rows, err := s.pool.Query(ctx, listSQL, owner, string(f.Status), f.Language, f.Sex)
	if err != nil {
		return nil, fmt.Errorf("voices: list: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Voice])
	if err != nil {
		return nil, fmt.Errorf("voices: list: %w", err)
	}
	return found, nil
}

// Update changes the name, language or consent note of a voice. Fails with ErrBuiltin, ErrNameTaken.
func (s *Service) Update(ctx context.Context, owner, id uuid.UUID, p Patch) (*Voice, error) {
	if p.Name != nil {
		name := names.Clean(*p.Name)
		p.Name = &name
	}
	v, err := s.one(ctx, "update", updateSQL, owner, id, p.Name, p.Language, p.ConsentNote)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.ConstraintName == "voices_owner_name":
		return nil, ErrNameTaken
	case errors.Is(err, ErrNotFound):
		return nil, s.notOwn(ctx, owner, id)
	}
	return v, err
}

// notOwn distinguishes a built-in voice from one that the owner does not see.
func (s *Service) notOwn(ctx context.Context, owner, id uuid.UUID) error {
	if _, err := s.Get(ctx, owner, id); err != nil {
		return err
	}
	return ErrBuiltin
}

// Delete removes a voice; ErrInUse while an unfinished job needs it, ErrBuiltin.
//
// A job submitted at the same moment fails at its claim, with a sentence that names the voice.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, lockSQL, owner, id)
		if err != nil {
			return fmt.Errorf("voices: delete: %w", err)
		}
		v, err := oneOf("delete", rows)
		if err != nil {
			return err
		}
		if v.Builtin {
			return ErrBuiltin
		}
		var used bool
		if err := tx.QueryRow(ctx, inUseSQL, owner, id.String()).Scan(&used); err != nil {
			return fmt.Errorf("voices: delete: %w", err)
		}
		if used {
			return ErrInUse
		}
		if _, err := tx.Exec(ctx, deleteSQL, id); err != nil {
			return fmt.Errorf("voices: delete: %w", err)
		}
		return nil
	})
}
