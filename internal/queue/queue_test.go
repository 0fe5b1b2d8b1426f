package queue

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

var localAdmin = uuid.MustParse("00000000-0000-7000-8000-000000000001")

func setUp(t *testing.T) (*pgxpool.Pool, context.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return storetest.New(t).Pool(), ctx
}

func addJobs(t *testing.T, pool *pgxpool.Pool, n int, lane any) {
	t.Helper()
	_, err := pool.Exec(context.Background(), `
		insert into generation_jobs (id, owner_id, type, lane, quality, engine, parameters)
		select gen_random_uuid(), $1, 'audio.speech', $3, 'draft', 'e', '{}' from generate_series(1, $2)`,
		localAdmin, n, lane)
	require.NoError(t, err)
}

// addTickets does as a transaction that makes n jobs runnable.
func addTickets(t *testing.T, pool *pgxpool.Pool, n int, at time.Time) {
	t.Helper()
	var b pgx.Batch
	AddTickets(&b, n, at)
	require.NoError(t, pool.SendBatch(context.Background(), &b).Close())
}

func tickets(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(context.Background(),
		`select count(*) from river.river_job where kind = 'generate' and state = 'available'`).Scan(&n))
	return n
}

func TestEveryStatementPrepares(t *testing.T) {
	pool, ctx := setUp(t)
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	for name, sql := range statements {
		_, err := conn.Conn().Prepare(ctx, name, sql)
		require.NoError(t, err, name)
	}
}

func TestTopUpAddsOnlyMissingTickets(t *testing.T) {
	pool, ctx := setUp(t)
	addJobs(t, pool, 3, "audio")
	addJobs(t, pool, 2, nil)
	addTickets(t, pool, 1, time.Time{})
	n, err := TopUp(ctx, pool)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = TopUp(ctx, pool)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, 3, tickets(t, pool))
	_, err = pool.Exec(ctx, `delete from generation_jobs`)
	require.NoError(t, err)
	n, err = TopUp(ctx, pool)
	require.NoError(t, err)
	require.Zero(t, n, "too many tickets are harmless")
}

type generate struct {
	river.WorkerDefaults[GenerateArgs]
	started chan int64
	end     chan struct{}
}

func (g *generate) Work(ctx context.Context, job *river.Job[GenerateArgs]) error {
	g.started <- job.ID
	select {
	case <-g.end:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// start runs a client and returns a function that stops it and waits.
func start(t *testing.T, pool *pgxpool.Pool, cfg Config, g *generate) (stop func()) {
	t.Helper()
	cfg.Pool, cfg.NodeID, cfg.BootID, cfg.Workers = pool, uuid.New(), uuid.New(), river.NewWorkers()
	river.AddWorker(cfg.Workers, g)
	c, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(30 * time.Second):
			t.Fatal("the client did not stop")
		}
	}
}

func next(t *testing.T, g *generate) int64 {
	t.Helper()
	select {
	case id := <-g.started:
		return id
	case <-time.After(20 * time.Second):
		t.Fatal("no ticket was worked")
		return 0
	}
}

func TestATicketReachesItsWorker(t *testing.T) {
	pool, _ := setUp(t)
	g := &generate{started: make(chan int64, 10), end: make(chan struct{}, 10)}
	stop := start(t, pool, Config{GenWorkers: 2}, g)
	defer stop()
	addTickets(t, pool, 2, time.Time{})
	first, second := next(t, g), next(t, g)
	require.NotEqual(t, first, second, "two slots work at once")

	// A ticket for a later time comes by itself, and not before.
	at := time.Now().Add(300 * time.Millisecond)
	addTickets(t, pool, 1, at)
	g.end <- struct{}{}
	next(t, g)
	require.False(t, time.Now().Before(at))
	g.end <- struct{}{}
	g.end <- struct{}{}
}

func TestThePeriodicTopUpFindsAForgottenJob(t *testing.T) {
	pool, _ := setUp(t)
	addJobs(t, pool, 1, "video")
	g := &generate{started: make(chan int64, 10), end: make(chan struct{})}
	close(g.end)
	stop := start(t, pool, Config{TopUpEvery: time.Second}, g)
	defer stop()
	next(t, g)
}

func TestASoftStopWaitsAndThenCancels(t *testing.T) {
	pool, _ := setUp(t)
	g := &generate{started: make(chan int64, 10), end: make(chan struct{})}
	stop := start(t, pool, Config{SoftStop: 50 * time.Millisecond}, g)
	addTickets(t, pool, 1, time.Time{})
	next(t, g)
	stop() // returns only because the worker's context was canceled
}

func TestAPokeWakesOtherNodes(t *testing.T) {
	pool, ctx := setUp(t)
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(ctx, `listen "river.river_insert"`)
	require.NoError(t, err)
	p := NewPoker(pool, nil)
	runCtx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	p.Poke()
	p.Poke()
	go func() { ended <- p.Run(runCtx) }()
	n, err := conn.Conn().WaitForNotification(ctx)
	require.NoError(t, err)
	require.JSONEq(t, `{"queue":"gen"}`, n.Payload)
	cancel()
	require.NoError(t, <-ended)
}
