package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
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
}
