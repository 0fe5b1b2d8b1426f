package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/queue"
)

// jobEvent holds the facts at the time of the transition; readers of the event read the rest from the job.
func jobEvent(kind string, j *Job) events.Event {
	data, _ := json.Marshal(
		map[string]any{"status": j.Status, "reason": nullable(j.Reason), "row_version": j.RowVersion},
	) // cannot fail
	return events.Event{Owner: &j.OwnerID, Job: &j.ID, Type: kind, Data: data}
}

// txn is one open transition, with the rows that it must still write at the end and the waiters that it wakes after.
type txn struct {
	pgx.Tx
	// last are statements whose results nothing waits for: they go out together with the tail and the commit.
	last    pgx.Batch
	events  []events.Event
	tickets map[time.Time]int
	touched []uuid.UUID
	cancels []uuid.UUID
	// fresh are the jobs that the transition has queued and that can run now.
	fresh []*Job
	// nudge makes this node's runner read the queue.
	nudge bool
	seq   int64
}

func (t *txn) emit(kind string, j *Job) {
	t.events = append(t.events, jobEvent(kind, j))
	t.touched = append(t.touched, j.ID)
}

// arrived asks for the River ticket of a new job that can run.
func (t *txn) arrived(j *Job) {
	if j.Lane != LaneNone {
		t.addTicket(time.Time{})
		t.fresh = append(t.fresh, j)
	}
}

// ticket asks for the River ticket of a job that became runnable at that time (zero: now).
func (t *txn) ticket(j *Job, at time.Time) {
	if j.Lane != LaneNone {
		t.addTicket(at)
		t.nudge = true
	}
}

func (t *txn) addTicket(at time.Time) {
	if t.tickets == nil {
		t.tickets = map[time.Time]int{}
	}
	t.tickets[at]++
}

// flush writes the deferred rows.
func (t *txn) flush(ctx context.Context) error {
	b := t.last
	t.last = pgx.Batch{}
	return t.SendBatch(ctx, &b).Close()
}

// tail is the last batch of a transition: its deferred rows, tickets, then the events.
func (t *txn) tail() *pgx.Batch {
	b := &t.last
	for at, n := range t.tickets {
		queue.AddTickets(b, n, at)
	}
	if len(t.events) > 0 {
		events.AppendBatch(b, &t.seq, t.events...)
	}
	return b
}

// lockGraphSQL makes the transitions that lock along dependencies, up or down, follow one another: retries, cancels,
// failures. Submits, claims and finishes lock one job and its direct dependents, and do not need this lock.
const lockGraphSQL = `select pg_advisory_xact_lock(7013046)`

// turn waits for the turn of a transition that goes along dependencies; before anything else is locked.
func (t *txn) lockGraph(ctx context.Context) error {
	if _, err := t.Exec(ctx, lockGraphSQL); err != nil {
		return fmt.Errorf("wait for the turn: %w", err)
	}
	return nil
}

// deadlocks is how often a transition is tried again after Postgres chose it to end a deadlock. Turns and the order of
// ids leave few: two reorders of inputs that turn a dependency round, a reorder that meets a recovery.
const deadlocks = 3

// inTx runs a transition; fn may run more than once and must set its results anew each time.
func (s *Service) inTx(ctx context.Context, op string, fn func(t *txn) error) error {
	for n := 0; ; n++ {
		err := s.tryTx(ctx, op, fn)
		var pg *pgconn.PgError
		if n >= deadlocks || !errors.As(err, &pg) || pg.Code != deadlockDetected {
			return err
		}
	}
}

const deadlockDetected = "40P01"

// tryTx runs a transition once. The tail and the commit go out together, so that the counter row is locked for one
// round trip, and so do the begin and a first batch: a transition whose function sends one batch is two round trips.
func (s *Service) tryTx(ctx context.Context, op string, fn func(t *txn) error) error {
	conn, err := s.cfg.Pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("jobs: %s: %w", op, err)
	}
	defer conn.Release()
	tx := &lateTx{conn: conn}
	t := &txn{Tx: tx}
	if err := fn(t); err != nil {
		rollback(ctx, tx)
		return fmt.Errorf("jobs: %s: %w", op, err)
	}
	b := t.tail()
	b.Queue("commit")
	if err := t.SendBatch(ctx, b).Close(); err != nil {
		rollback(ctx, tx)
		return fmt.Errorf("jobs: %s: commit: %w", op, err)
	}
	conn.Release() // before others are woken: they may want this very connection
	s.committed(ctx, t)
	return nil
}

// lateTx is a transaction that begins with its first statement, in the same round trip when that is a batch. It has the
// methods of pgx.Tx that transitions use.
type lateTx struct {
	pgx.Tx // nil
	conn   *pgxpool.Conn
	begun  bool
}

func (t *lateTx) begin(ctx context.Context) error {
	if t.begun {
		return nil
	}
	t.begun = true
	_, err := t.conn.Exec(ctx, "begin")
	return err
}

// SendBatch implements pgx.Tx for batches whose results are read by their own functions.
func (t *lateTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if !t.begun {
		t.begun = true
		b.QueuedQueries = slices.Insert(b.QueuedQueries, 0, &pgx.QueuedQuery{SQL: "begin"})
	}
	return t.conn.SendBatch(ctx, b)
}

// Exec implements pgx.Tx.
func (t *lateTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.begin(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.conn.Exec(ctx, sql, args...)
}

// Query implements pgx.Tx.
func (t *lateTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	return t.conn.Query(ctx, sql, args...)
}

// QueryRow implements pgx.Tx.
func (t *lateTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.begin(ctx); err != nil {
		return failedRow{err}
	}
	return t.conn.QueryRow(ctx, sql, args...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// Rollback implements pgx.Tx. A connection that cannot roll back is closed.
func (t *lateTx) Rollback(ctx context.Context) error {
	if !t.begun {
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	if err != nil {
		_ = t.conn.Conn().Close(ctx)
	}
	return err
}

// rollback gives the connection back clean even when ctx has ended; a connection that cannot is closed by the pool.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// committed notifies all waiters.
func (s *Service) committed(ctx context.Context, t *txn) {
	ctx = context.WithoutCancel(ctx)
	s.etas.invalidate()
	for _, id := range t.touched {
		s.waiters.wake(id)
	}
	if t.nudge {
		s.wake(nil)
	} else if len(t.fresh) > 0 {
		fresh := make([]Waiting, len(t.fresh))
		for i, j := range t.fresh {
			fresh[i] = waitingOf(j)
		}
		s.wake(fresh)
	}
	if len(t.tickets) > 0 {
		if s.cfg.WakeOthers != nil {
			s.cfg.WakeOthers()
		}
	}
	for _, id := range t.cancels {
		s.notifyCancel(ctx, id)
	}
	if t.seq > 0 && s.cfg.Hub != nil {
		s.cfg.Hub.Notify(ctx, t.seq)
	}
}
