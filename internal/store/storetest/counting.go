package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store"
)

// RoundTrips counts how often a pool waits for the database: once for a statement, once for a batch of them.
type RoundTrips struct {
	mu   sync.Mutex
	sent []string
}

// Counting is a pool on the store's database whose round trips are counted. Statements that are sent for the first time
// on a connection are prepared in round trips of their own, which do not count.
func Counting(t testing.TB, s *store.Store) (*pgxpool.Pool, *RoundTrips) {
	t.Helper()
	trips := &RoundTrips{}
	config := s.Pool().Config().Copy()
	config.ConnConfig.Tracer = trips
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool, trips
}

// Of runs f and returns the round trips that were made meanwhile, each as its statements.
func (r *RoundTrips) Of(f func()) []string {
	r.take()
	f()
	return r.take()
}

func (r *RoundTrips) take() (sent []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent, r.sent = r.sent, nil
	return sent
}

func (r *RoundTrips) add(sql string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, sql)
}

// TraceQueryStart implements pgx.QueryTracer.
func (r *RoundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.add(data.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*RoundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (r *RoundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	var statements []string
	for _, query := range data.Batch.QueuedQueries {
		statements = append(statements, query.SQL)
	}
	r.add(strings.Join(statements, ";\n"))
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (*RoundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (*RoundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
