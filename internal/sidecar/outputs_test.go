package sidecar

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file with holes claims a terabyte and takes no space: reading it to its end would keep the job, and a stop of the
// studio, for long.
func TestHugeSparseFileDoesNotDelayTheJob(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "holes"))
	require.NoError(t, err)
	const size = 1 << 40
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	ctx, cancel := context.WithCancel(context.Background())
	try := func(announced, left int64) error {
		_, err := verify(ctx, dir, fileSent{Path: "holes", Size: announced, SHA256: strings.Repeat("0", 64)}, &left)
		return err
	}
	require.ErrorContains(t, try(size-1, 2*size), "were announced")
	require.ErrorContains(t, try(size, size-1), "supervisor.limits.output_bytes")
	cancel()
	require.ErrorIs(t, try(size, size), context.Canceled)
}
