package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

var openStates = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Tickets are written with SQL of our own instead of River's InsertTx for two reasons: that costs two more round
// trips, and it notifies inside the transaction, which makes Postgres commit one such transaction after the other
// (3800 -> 2000 tx/s measured). A ticket for later is 'available' with a scheduled_at ahead: River fetches it when its
// time comes, without the 5 s steps of its scheduler.
const ticketsSQL = `
	insert into river.river_job (args, kind, max_attempts, queue, state, scheduled_at)
	select '{}', 'generate', 1, 'gen', 'available', greatest(now(), $2::timestamptz)
	  from generate_series(1, $1::int)`

// ticketSQL is ticketsSQL for one ticket, which each submit writes.
const ticketSQL = `
	insert into river.river_job (args, kind, max_attempts, queue, state, scheduled_at)
	values ('{}', 'generate', 1, 'gen', 'available', greatest(now(), $1::timestamptz))`

// takeTicketSQL takes one ticket that River has not fetched out of the queue: the job that it stands for starts
// without it.
const takeTicketSQL = `
	delete from river.river_job
	 where id = (select id from river.river_job
	              where state = 'available' and queue = 'gen' and kind = 'generate' and scheduled_at <= now()
	              order by priority, scheduled_at, id limit 1 for update skip locked)`

// topUpSQL compares waiting jobs with tickets that no worker holds: a held ticket is busy with another job. It counts
// to a thousand of each: a long queue is topped up as it gets shorter.
const topUpSQL = `
	insert into river.river_job (args, kind, max_attempts, queue, state, scheduled_at)
	select '{}', 'generate', 1, 'gen', 'available', now()
	  from generate_series(1, (
	       select count(*) from (
	           select from generation_jobs
	            where status = 'queued' and blocked_by = 0 and lane is not null and cancel_requested_at is null
	            order by lane, priority desc, rank, id limit 1000) w) - (
	       select count(*)
	         from unnest(array['available', 'scheduled', 'retryable', 'pending']::river.river_job_state[]) s (state),
	              lateral (select from river.river_job r
	                        where r.state = s.state and r.queue = 'gen' and r.kind = 'generate'
	                        order by r.priority, r.scheduled_at, r.id limit 1000) t))`

// closeDeadSQL ends the tickets of clients that no live node has, and gives their util jobs to others. A zombie that
// wakes up later completes nothing: River's completer asks for state 'running'.
const closeDeadSQL = `
	with dead as (
	    select r.id, r.queue
	      from river.river_job r
	     where r.state = 'running'
	       and not exists (select from nodes n
	                        where n.id || '.' || n.boot_id = r.attempted_by[array_upper(r.attempted_by, 1)]
	                          and n.seen_at > now() - make_interval(secs => $1))
	       for update of r skip locked)` + closeSQL

// closeEarlierSQL does the same for the earlier boots of one node, whose lock is held.
const closeEarlierSQL = `
	with dead as (
	    select r.id, r.queue
	      from river.river_job r
	     where r.state = 'running'
	       and r.attempted_by[array_upper(r.attempted_by, 1)] like $1::uuid || '.%'
	       and r.attempted_by[array_upper(r.attempted_by, 1)] <> $1::uuid || '.' || $2::uuid
	       for update of r skip locked)` + closeSQL

const closeSQL = `
	update river.river_job r
	   set state        = (case when dead.queue = 'gen' then 'cancelled' else 'available' end)::river.river_job_state,
	       finalized_at = case when dead.queue = 'gen' then now() end,
	       max_attempts = case when dead.queue = 'gen' then r.max_attempts
	                           else greatest(r.max_attempts, r.attempt + 1) end,
	       scheduled_at = case when dead.queue = 'gen' then r.scheduled_at else now() end
	  from dead
	 where r.id = dead.id`

// The payload and channel of River's own insert notification.
const pokeSQL = `select pg_notify('river.river_insert', '{"queue":"gen"}')`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

// statements of this package, for the test that prepares them all.
var statements = map[string]string{
	"ticketSQL": ticketSQL, "ticketsSQL": ticketsSQL, "takeTicketSQL": takeTicketSQL, "topUpSQL": topUpSQL,
	"closeDeadSQL": closeDeadSQL, "closeEarlierSQL": closeEarlierSQL,
	"pokeSQL": pokeSQL, "modelTaskSQL": modelTaskSQL, "pokeModelsSQL": pokeModelsSQL,
}

// AddTickets puts the insert of n tickets into a batch of the transaction that makes n jobs runnable. at zero is now.
func AddTickets(b *pgx.Batch, n int, at time.Time) {
	switch {
	case n == 1:
		b.Queue(ticketSQL, at)
	case n > 1:
		b.Queue(ticketsSQL, n, at)
	}
}

// TakeTicket puts the end of one ticket into a batch of the transaction that starts a job; taken is called with
// whether there was one that River had not fetched. Without, the ticket is in a worker's hands, which gives it up.
func TakeTicket(b *pgx.Batch, taken func(bool)) {
	b.Queue(takeTicketSQL).Exec(func(tag pgconn.CommandTag) error {
		taken(tag.RowsAffected() > 0)
		return nil
	})
}

// CloseDead closes the River rows of clients without a node that beat within deadAfter. Part of the transaction that
// takes the jobs of those nodes back.
func CloseDead(ctx context.Context, tx pgx.Tx, deadAfter time.Duration) error {
	if _, err := tx.Exec(ctx, closeDeadSQL, deadAfter.Seconds()); err != nil {
		return fmt.Errorf("queue: close the rows of dead nodes: %w", err)
	}
	return nil
}

// CloseEarlier closes the River rows of a node's earlier boots. Part of the transaction that takes its jobs back at
// start.
func CloseEarlier(ctx context.Context, tx pgx.Tx, node, boot uuid.UUID) error {
	if _, err := tx.Exec(ctx, closeEarlierSQL, node, boot); err != nil {
		return fmt.Errorf("queue: close the rows of earlier boots: %w", err)
	}
	return nil
}

// TopUp inserts the tickets that a fault ate and returns how many.
func TopUp(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	tag, err := pool.Exec(ctx, topUpSQL)
	if err != nil {
		return 0, fmt.Errorf("queue: top up: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// TopUpArgs is the periodic repair of the ticket count.
type TopUpArgs struct{}

// Kind is River's name for it.
func (TopUpArgs) Kind() string { return "top_up" }

// InsertOpts: the next period is its retry.
func (TopUpArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Util, MaxAttempts: 1}
}

type topUpWorker struct {
	river.WorkerDefaults[TopUpArgs]
	pool *pgxpool.Pool
}

func (w *topUpWorker) Timeout(*river.Job[TopUpArgs]) time.Duration { return 30 * time.Second }

func (w *topUpWorker) Work(ctx context.Context, _ *river.Job[TopUpArgs]) error {
	_, err := TopUp(ctx, w.pool)
	return err
}
