package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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

// Progress is how far a running job is.
type Progress struct {
	Job   uuid.UUID `json:"j"`
	Owner uuid.UUID `json:"o"`
	// Fraction 0..1.
	Fraction float64 `json:"f"`
	// Detail is the progress_detail of the Job as it is sent to clients.
	Detail json.RawMessage `json:"d"`
}

// Preview is a picture of what is being made.
type Preview struct {
	Job   uuid.UUID
	Owner uuid.UUID
	JPEG  []byte
}

// Filter says what a subscriber may and wants to hear.
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
	  from n, unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) with ordinality as e (owner_id, job_id, type, data, ord)
	returning seq`

const sinceSQL = `
	select ` + cols + ` from events
	 where seq > $1 and (job_id is null and $4 or job_id is not null and ($2::uuid is null or owner_id = $2) and ($3::uuid is null or job_id = $3))
	 order by seq limit $5`

const allSinceSQL = `select ` + cols + ` from events where seq > $1 order by seq limit $2`

// What is still kept begins at the oldest row; with none left, nothing after the counter is missing.
const boundsSQL = `select coalesce((select min(seq) from events), c.seq + 1), c.seq from event_counter c`

// statements of this package, for the test that prepares them all.
var statements = map[string]string{"append": appendSQL, "since": sinceSQL, "allSince": allSinceSQL, "bounds": boundsSQL}

// Append writes events as the last statement of tx and returns the highest number. Call Hub.Notify with it after the commit.
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

// AppendBatch is Append as the last statement of a batch, which may be followed by the commit alone; last is set when the batch is
// read. Sending both together keeps the counter row locked no longer than the commit takes.
func AppendBatch(b *pgx.Batch, last *int64, events ...Event) {
	owners, ids := make([]*uuid.UUID, len(events)), make([]*uuid.UUID, len(events))
	types, data := make([]string, len(events)), make([]string, len(events))
	for i, e := range events {
		owners[i], ids[i], types[i], data[i] = e.Owner, e.Job, e.Type, string(e.Data)
		if data[i] == "" {
			data[i] = "{}"
		}
	}
	b.Queue(appendSQL, len(events), owners, ids, types, data).Query(func(rows pgx.Rows) error {
		seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		for _, seq := range seqs {
			*last = max(*last, seq)
		}
		return err
	})
}
