package blob

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

func TestNeighboursReadEachOther(t *testing.T) {
	t.Parallel()
	pool, ctx := storetest.New(t).Pool(), t.Context()
	node := func(kernel string) *Neighbours {
		n := &Neighbours{Disk: newDisk(t), Pool: pool, Node: uuid.New(), KernelBoot: kernel}
		_, err := pool.Exec(ctx, `insert into nodes (id, boot_id, kernel_boot_id, hostname) values ($1, $2, $3, 'x')`,
			n.Node, uuid.New(), kernel)
		require.NoError(t, err)
		require.NoError(t, n.Announce(ctx))
		return n
	}
	here, there, elsewhere := node("k"), node("k"), node("another machine")
	ref, err := there.Put(ctx, strings.NewReader("theirs"), 0)
	require.NoError(t, err)

	file, size, err := here.Open(ctx, ref.SHA256)
	require.NoError(t, err)
	defer file.Close()
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "theirs", string(content))
	require.EqualValues(t, 6, size)
	info, err := here.Stat(ctx, ref.SHA256)
	require.NoError(t, err)
	require.Equal(t, ref, info.Ref)
	staged := filepath.Join(t.TempDir(), "staged")
	require.NoError(t, here.Stage(ctx, ref.SHA256, staged))
	content, err = os.ReadFile(staged)
	require.NoError(t, err)
	require.Equal(t, "theirs", string(content))

	for _, sha := range []string{strings.Repeat("0", 64), ref.SHA256} {
		_, _, err = elsewhere.Open(ctx, sha)
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, elsewhere.Stage(ctx, sha, staged+"2"), ErrNotFound)
	}
	own, err := here.Put(ctx, strings.NewReader("ours"), 0)
	require.NoError(t, err)
	_, err = there.Disk.Stat(ctx, own.SHA256)
	require.ErrorIs(t, err, ErrNotFound, "nothing is written into another's store")
	files, err := here.List(ctx, "", 10)
	require.NoError(t, err)
	require.Len(t, files, 1, "a sweep looks at the own store only")
}
