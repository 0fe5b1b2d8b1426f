package store_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
)

func TestOpenMigratesAndListens(t *testing.T) {
	s := storetest.New(t)
	ctx := context.Background()
	require.True(t, s.CanListen())
	var users, river int
	require.NoError(t, s.Pool().QueryRow(ctx, "select count(*) from users").Scan(&users))
	require.Equal(t, 1, users, "the local admin")
	require.NoError(t, s.Pool().QueryRow(ctx, "select count(*) from river.river_job").Scan(&river))
	require.Zero(t, river)
}

// Several processes that start at once on an empty database must neither fail nor migrate twice.
func TestMigratorsTakeTurns(t *testing.T) {
	dsn := storetest.EmptyDSN(t)
	var group sync.WaitGroup
	errs := make(chan error, 4)
	for range cap(errs) {
		group.Go(func() {
			s, err := store.Open(context.Background(), store.Config{DSN: dsn})
			if err == nil {
				s.Close()
			}
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dsn := storetest.DSN(t)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "insert into apibr.schema_version (version_id, is_applied) values (99999, true)")
	require.NoError(t, err)
	_, err = store.Open(ctx, store.Config{DSN: dsn})
	require.ErrorIs(t, err, store.ErrSchemaNewer)
	require.ErrorContains(t, err, "99999")
}

// A plain client, such as psql, sees the tables without naming the schema.
func TestRoleSearchPath(t *testing.T) {
	dsn := storetest.EmptyDSN(t)
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{DSN: dsn})
	require.NoError(t, err)
	s.Close()
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "select * from projects")
	require.NoError(t, err)
}

func TestUnreadableAddressKeepsItsPassword(t *testing.T) {
	_, err := store.Open(context.Background(), store.Config{DSN: "postgres://u:hunter2@[bad/x"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
