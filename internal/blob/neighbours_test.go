package blob

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNeighboursReadEachOther(t *testing.T) {
	ctx := context.Background()
	here, err := NewDisk(t.TempDir())
	require.NoError(t, err)
	there, err := NewDisk(t.TempDir())
	require.NoError(t, err)
	ref, err := there.Put(ctx, strings.NewReader("theirs"), 0)
	require.NoError(t, err)

	n := &Neighbours{Disk: here, Dirs: func(context.Context) ([]string, error) { return []string{here.Dir(), there.Dir()}, nil }}
	file, size, err := n.Open(ctx, ref.SHA256)
	require.NoError(t, err)
	defer file.Close()
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "theirs", string(content))
	require.EqualValues(t, 6, size)
	_, err = n.Path(ref.SHA256)
	require.NoError(t, err)

	_, _, err = n.Open(ctx, strings.Repeat("0", 64))
	require.ErrorIs(t, err, ErrNotFound)
	own, err := n.Put(ctx, strings.NewReader("ours"), 0)
	require.NoError(t, err)
	_, err = there.Path(own.SHA256)
	require.ErrorIs(t, err, ErrNotFound, "nothing is written into another's store")
}
