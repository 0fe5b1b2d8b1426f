package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
)

func TestUnavailable(t *testing.T) {
	ctx := context.Background()
	s := storetest.New(t)
	_, err := s.Pool().Exec(ctx, "select pg_terminate_backend(pg_backend_pid())")
	require.Error(t, err)
	require.True(t, store.Unavailable(fmt.Errorf("jobs: get: %w", err)), "a connection that the server ended: %v", err)
	_, err = pgx.Connect(ctx, "host="+t.TempDir()+" user=nobody")
	require.True(t, store.Unavailable(err), "a server that is not there: %v", err)

	_, err = s.Pool().Exec(ctx, "select 1/0")
	require.False(t, store.Unavailable(err), "a mistake stays one: %v", err)
	require.False(t, store.Unavailable(errors.New("else")))
	require.False(t, store.Unavailable(nil))
	require.False(t, store.Unavailable(fmt.Errorf("read the upload: %w", io.ErrUnexpectedEOF)),
		"a client that hung up is not the database")
}

// A connection that ends before the answer must not look like a fault of the studio, for any kind of statement.
func TestAConnectionLostWithTheAnswerIsUnavailable(t *testing.T) {
	ctx := context.Background()
	proxy := storetest.NewProxy(t, storetest.DSN(t))
	s := proxy.Open(t)
	const insert = "update queue_state set message = 'x'"
	ways := map[string]func() error{
		"exec": func() error { _, err := s.Pool().Exec(ctx, insert); return err },
		"query": func() error {
			var paused bool
			return s.Pool().QueryRow(ctx, insert+" returning paused").Scan(&paused)
		},
		"batch": func() error {
			var b pgx.Batch
			b.Queue(insert)
			b.Queue(insert)
			return s.Pool().SendBatch(ctx, &b).Close()
		},
		"transaction": func() error {
			return s.InTx(ctx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, insert); return err })
		},
		"batch with commit": func() error {
			return s.Pool().AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
				tx, err := conn.Begin(ctx)
				if err != nil {
					return err
				}
				defer func() { _ = tx.Rollback(ctx) }()
				var b pgx.Batch
				b.Queue(insert)
				b.Queue("commit")
				return conn.SendBatch(ctx, &b).Close()
			})
		},
	}
	for name, write := range ways {
		require.NoError(t, write(), name) // statements are prepared now
		proxy.LoseAnswer(1)
		err := write()
		require.Error(t, err, name)
		require.True(t, store.Unavailable(fmt.Errorf("x: %w", err)), "%s: %v", name, err)
	}
	require.Equal(t, len(ways), proxy.Lost())
	proxy.Down()
	for name, write := range ways {
		err := write()
		require.True(t, store.Unavailable(err), "%s on a server that is gone: %v", name, err)
	}
	proxy.Up()
	require.NoError(t, ways["exec"]())
}

func TestAnswersOfAServerThatCannotServeAreUnavailable(t *testing.T) {
	for code, away := range map[string]bool{
		"57P01": true, "57P02": true, "57P03": true, "57P05": true, "08006": true, "08P01": true,
		"53200": true, "53300": true, "53400": true,
		"25006": true, // a standby that has not become the server yet takes no writes
		"22P05": false, "23505": false, "42703": false, "40P01": false, "54000": false, "57014": false,
	} {
		require.Equal(t, away, store.Unavailable(&pgconn.PgError{Code: code}), code)
	}
}

func TestRefused(t *testing.T) {
	ctx := context.Background()
	s := storetest.New(t)
	exec := func(sql string, args ...any) error { _, err := s.Pool().Exec(ctx, sql, args...); return err }
	require.True(t, store.Refused(exec("select $1::jsonb", `"\u0000"`)))
	require.True(t, store.Refused(exec("select $1::jsonb", `1e500000`)))
	require.True(t, store.Refused(exec("select $1::text", "a\x00b")))
	require.True(t, store.Refused(exec("select $1::jsonb", map[string]any{"f": func() {}})),
		"what cannot be sent at all")
	require.True(t, store.Refused(exec("insert into queue_state (only_row) values (true)")))
	require.True(t, store.Refused(&pgconn.PgError{Code: "54000"}), "too large for an index")
	require.False(t, store.Refused(exec("select pg_terminate_backend(pg_backend_pid())")))
	require.False(t, store.Refused(&pgconn.PgError{Code: "40P01"}), "a deadlock")
	require.False(t, store.Refused(context.Canceled))
	require.False(t, store.Refused(errors.New("else")))
	require.False(t, store.Refused(nil))
}
