package voices

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/migrations"
)

// Old names are cleaned like new ones; when two become the same, neither is lost.
func TestMigrationCleansOldNames(t *testing.T) {
	s, pool, ctx := setUp(t)
	joao := add(t, pool, localAdmin, "Joa\u0303o\u202e")
	first, second := add(t, pool, localAdmin, "A\r\nB"), add(t, pool, localAdmin, "A  B")
	text, err := fs.ReadFile(migrations.FS, "00006_names_nfc.sql")
	require.NoError(t, err)
	up, _, _ := strings.Cut(string(text), "-- +goose Down")
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(ctx, up)
	require.NoError(t, err)
	found, err := s.Find(ctx, localAdmin, "João")
	require.NoError(t, err)
	require.Equal(t, joao, found.ID)
	for id, name := range map[string]string{first.String(): "A\r\nB", second.String(): "A  B"} {
		found, err = s.Find(ctx, localAdmin, id)
		require.NoError(t, err)
		require.Equal(t, name, found.Name)
	}
}
