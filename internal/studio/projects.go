// Package studio keeps projects, which group jobs and files.
package studio

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

var (
	// ErrNotFound: the owner has no such project.
	ErrNotFound = errors.New("studio: no such project")
	// ErrBadCursor: List did not give out this cursor.
	ErrBadCursor = i18n.NewError("the cursor is not one that this list gave out")
)

// Project is a row of projects.
type Project struct {
	ID        uuid.UUID `db:"id"`
	OwnerID   uuid.UUID `db:"owner_id"`
	Name      string    `db:"name"`
	Type      string    `db:"type"`
	Status    string    `db:"status"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// Page of projects, newest first. Next is "" on the last page.
type Page struct {
	Projects []*Project
	Next     string
}

const (
	cols = `id, owner_id, name, type, status, created_at, updated_at`

	createSQL = `insert into projects (id, owner_id, name, type) values ($1, $2, $3, $4) returning ` + cols
	getSQL    = `select ` + cols + ` from projects where owner_id = $1 and id = $2`
	listSQL   = `
		select ` + cols + ` from projects
		 where owner_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
		 order by created_at desc, id desc limit $4`
)

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

var statements = map[string]string{"create": createSQL, "get": getSQL, "list": listSQL}

// Projects of all owners. Safe for concurrent use.
type Projects struct{ pool *pgxpool.Pool }

// NewProjects makes a Projects.
func NewProjects(pool *pgxpool.Pool) *Projects { return &Projects{pool: pool} }

// Create makes a project; name and type have been checked.
func (p *Projects) Create(ctx context.Context, owner uuid.UUID, name, kind string) (*Project, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("studio: create project: %w", err)
	}
	return p.one(ctx, createSQL, id, owner, names.Clean(name), kind)
}

// Get returns a project of the owner; ErrNotFound for every other id.
func (p *Projects) Get(ctx context.Context, owner, id uuid.UUID) (*Project, error) {
	return p.one(ctx, getSQL, owner, id)
}

func (p *Projects) one(ctx context.Context, sql string, args ...any) (*Project, error) {
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("studio: project: %w", err)
	}
	project, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Project])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("studio: project: %w", err)
	}
	return project, nil
}

// List returns a page of at most limit projects after the cursor of the page before ("" for the first).
func (p *Projects) List(ctx context.Context, owner uuid.UUID, cursor string, limit int) (Page, error) {
	var before *time.Time
	var id *uuid.UUID
	if cursor != "" {
		at, last, err := decodeCursor(cursor)
		if err != nil {
			return Page{}, err
		}
		before, id = &at, &last
	}
	rows, err := p.pool.Query(ctx, listSQL, owner, before, id, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("studio: list projects: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Project])
	if err != nil {
		return Page{}, fmt.Errorf("studio: list projects: %w", err)
	}
	page := Page{Projects: list}
	if len(list) > limit {
		page.Projects = list[:limit]
		page.Next = encodeCursor(list[limit-1])
	}
	return page, nil
}

func encodeCursor(p *Project) string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(p.CreatedAt.UTC().Format(time.RFC3339Nano) + " " + p.ID.String()),
	)
}

func decodeCursor(cursor string) (time.Time, uuid.UUID, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	first, second, _ := strings.Cut(string(raw), " ")
	at, errTime := time.Parse(time.RFC3339Nano, first)
	id, errID := uuid.Parse(second)
	if errTime != nil || errID != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	return at, id, nil
}
