package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/report"
)

// ErrSlow says that a subscriber could not keep up with state events and was closed; it resumes by number.
var ErrSlow = errors.New("events: the subscriber is too slow")

// Event is a row of table events.
type Event struct {
	Seq   int64           `db:"seq"`
	Owner *uuid.UUID      `db:"owner_id"` // nil: concerns everybody
	Job   *uuid.UUID      `db:"job_id"`   // nil: not about a job
	Type  string          `db:"type"`
	Data  json.RawMessage `db:"data"`
	At    time.Time       `db:"at"`
}

// JobProgress is how far a running job is.
type JobProgress struct {
	Job      uuid.UUID       `json:"j"`
	Owner    uuid.UUID       `json:"o"`
	Progress report.Progress `json:"p"`
}

// Preview is a picture of an unfinished output.
type Preview struct {
	Job   uuid.UUID
	Owner uuid.UUID
	JPEG  []byte
}

// Filter selects the events that a subscriber may and wants to receive.
type Filter struct {
	// Owner restricts to one owner's jobs; nil is an administrator's view of all.
	Owner *uuid.UUID
	// Job restricts to one job.
	Job *uuid.UUID
	// System includes events that are about no job, such as queue.paused.
	System bool
}

func (f Filter) wants(owner, job *uuid.UUID) bool {
	if job == nil {
		return f.System
	}
	if f.Owner != nil && (owner == nil || *owner != *f.Owner) {
		return false
	}
	return f.Job == nil || *f.Job == *job
}

const cols = `seq, owner_id, job_id, type, data, at`

// The last of several statements that append: the counter row stays locked until the commit.
const appendSQL = `
	with n as (update event_counter set seq = seq + $1 returning seq)
	insert into events (seq, owner_id, job_id, type, data)
	select n.seq - $1 + e.ord, e.owner_id, e.job_id, e.type, e.data::jsonb
	  from n, unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[])
	       with ordinality as e (owner_id, job_id, type, data, ord)
	returning seq`

// appendOneSQL is appendSQL for one event, which most transitions write.
const appendOneSQL = `
	with n as (update event_counter set seq = seq + 1 returning seq)
	insert into events (seq, owner_id, job_id, type, data)
	select n.seq, $1::uuid, $2::uuid, $3::text, $4::jsonb from n
	returning seq`

// sinceSQL are the events after $1 that a filter wants, of which $2 is the first of its owner and job and $3 the
// second. Each part is found by an index of its own, so that a reader with few events among millions reads few.
func sinceSQL(f Filter) (sql string, args []any) {
	where := "job_id is not null"
	bind := func(column string, id *uuid.UUID) {
		if id != nil {
			args = append(args, *id)
			where += fmt.Sprintf(" and %s = $%d", column, len(args)+1)
		}
	}
	bind("owner_id", f.Owner)
	bind("job_id", f.Job)
	part := func(where string) string {
		return fmt.Sprintf("(select %s from events where %s and seq > $1 order by seq limit %d)", cols, where, batch)
	}
	parts := part(where)
	if f.System {
		parts += " union all " + part("job_id is null")
	}
	return fmt.Sprintf("select %s from (%s) found order by seq limit %d", cols, parts, batch), args
}

const allSinceSQL = `select ` + cols + ` from events where seq > $1 order by seq limit $2`

// The kept events begin at the oldest row; with none left, nothing after the counter is missing.
const boundsSQL = `select coalesce((select min(seq) from events), c.seq + 1), c.seq from event_counter c`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string {
	all := maps.Clone(statements)
	id := &uuid.Nil
	for name, f := range map[string]Filter{"since": {}, "sinceSystem": {System: true}, "sinceOwner": {Owner: id},
		"sinceOwnerSystem": {Owner: id, System: true}, "sinceJob": {Job: id}, "sinceOwnJob": {Owner: id, Job: id},
		"sinceOwnJobSystem": {Owner: id, Job: id, System: true}} {
		all[name], _ = sinceSQL(f)
	}
	return all
}

// statements of this package, for the test that prepares them all.
var statements = map[string]string{"append": appendSQL, "appendOne": appendOneSQL,
	"allSince": allSinceSQL, "bounds": boundsSQL}

// Append writes events as the last statement of tx and returns the highest number. Call Hub.Notify with it after the
// commit.
func Append(ctx context.Context, tx pgx.Tx, events ...Event) (int64, error) {
	var (
		b    pgx.Batch
		last int64
	)
	AppendBatch(&b, &last, events...)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return 0, fmt.Errorf("events: append: %w", err)
	}
	return last, nil
}

// AppendBatch is Append as the last statement of a batch, which may be followed by the commit alone; last is set when
// the batch is read. Sending both together keeps the counter row locked no longer than the commit takes.
func AppendBatch(b *pgx.Batch, last *int64, events ...Event) {
	if len(events) == 1 {
		e := events[0]
		b.Queue(appendOneSQL, e.Owner, e.Job, e.Type, dataOf(e)).QueryRow(
			func(row pgx.Row) error { return row.Scan(last) })
		return
	}
	owners, ids := make([]*uuid.UUID, len(events)), make([]*uuid.UUID, len(events))
	types, data := make([]string, len(events)), make([]string, len(events))
	for i, e := range events {
		owners[i], ids[i], types[i], data[i] = e.Owner, e.Job, e.Type, dataOf(e)
	}
	b.Queue(appendSQL, len(events), owners, ids, types, data).Query(func(rows pgx.Rows) error {
		seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		for _, seq := range seqs {
			*last = max(*last, seq)
		}
		return err
	})
}

func dataOf(e Event) string {
	if len(e.Data) == 0 {
		return "{}"
	}
	return string(e.Data)
}
