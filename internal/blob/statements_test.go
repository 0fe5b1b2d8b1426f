package blob

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	conn, err := storetest.New(t).Pool().Acquire(context.Background())
	require.NoError(t, err)
	defer conn.Release()
	for name, sql := range statements {
		_, err := conn.Conn().Prepare(context.Background(), name, sql)
		require.NoError(t, err, name)
	}
}
