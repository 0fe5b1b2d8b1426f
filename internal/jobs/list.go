package jobs

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/apibr/studio/internal/store"
)

// The words that the columns of a filter may have.
var (
	allStatuses = []string{string(Queued), string(Processing), string(Completed), string(Failed), string(Canceled)}
	allTypes    = []string{
		string(TypeSpeech),
		string(TypeCloneVoice),
		string(TypeTranscribe),
		string(TypeImage),
		string(TypeImageEdit),
		string(TypeUpscale),
		string(TypeAvatar),
		string(TypeAnimate),
		string(TypeContent),
		string(TypeExport),
		string(TypeScrape),
	}
)

// listSQL is the statement of one page under a filter: $1 the owner, ($2, $3) the row before, from $4 on the values of
// places.
func listSQL(f Filter, limit int) string {
	statuses, types := texts(f.Statuses), texts(f.Types)
	common, own := "owner_id = $1", "true"
	columns, _ := f.places()
	for i, column := range columns {
		if common += fmt.Sprintf(" and %s = $%d", column, i+4); f.Project != nil && len(columns) == 1 {
			// A project is of one owner, so that its index finds the page.
			common, own = "project_id = $4", "exists (select from projects p where p.id = $4 and p.owner_id = $1)"
		}
	}
	// The indexes begin with the type, then the status: a filter of one names all words of the other.
	if len(types) == 0 && len(statuses) > 0 {
		types = allTypes
	}
	if len(statuses) == 0 && len(types) > 0 {
		statuses = allStatuses
	}
	branches := store.Branches(common, store.Column{Name: "type", Words: types},
		store.Column{Name: "status", Words: statuses})
	return `select ` + viewCols + ` from (` + store.PageSQL("generation_jobs", "($2, $3)", branches,
		limit) + `) j ` + viewJoins + `
	 where ` + own + `
	 order by j.created_at desc, j.id desc`
}

func texts[T ~string](words []T) []string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = string(word)
	}
	return list
}

// places are the columns that the filter binds to an id, and the ids.
func (f *Filter) places() (columns []string, ids []any) {
	for _, place := range []struct {
		column string
		id     *uuid.UUID
	}{{"project_id", f.Project}, {"content_id", f.Content}, {"parent_id", f.Parent}} {
		if place.id != nil {
			columns, ids = append(columns, place.column), append(ids, *place.id)
		}
	}
	return columns, ids
}

// List returns a page of the owner's jobs, newest first. Fails with ErrBadCursor.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) (Page, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	before, id := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, uuid.Max
	if f.Cursor != "" {
		at, last, err := parseCursor(f.Cursor)
		if err != nil {
			return Page{}, err
		}
		before, id = pgtype.Timestamptz{Time: at, Valid: true}, last
	}
	_, ids := f.places()
	rows, err := s.cfg.Pool.Query(ctx, listSQL(f, limit+1), append([]any{owner, before, id}, ids...)...)
	if err != nil {
		return Page{}, fmt.Errorf("jobs: list: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanView)
	if err != nil {
		return Page{}, fmt.Errorf("jobs: list: %w", err)
	}
	if len(found) <= limit {
		return Page{Jobs: found}, nil
	}
	last := found[limit-1]
	return Page{Jobs: found[:limit], Next: cursorOf(last)}, nil
}

func cursorOf(j *Job) string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(j.CreatedAt.UTC().Format(time.RFC3339Nano) + " " + j.ID.String()),
	)
}

func parseCursor(c string) (time.Time, uuid.UUID, error) {
	raw, err := base64.RawURLEncoding.DecodeString(c)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	atText, idText, _ := strings.Cut(string(raw), " ")
	at, err := time.Parse(time.RFC3339Nano, atText)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	id, err := uuid.Parse(idText)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	return at, id, nil
}
