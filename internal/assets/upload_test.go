package assets

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// mountSmall puts 2 MB of disk at dir.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs the right to mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// rss reads a value in bytes (VmRSS, VmHWM) of this process.
func rss(t *testing.T, key string) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			require.NoError(t, err)
			return kb << 10
		}
	}
	t.Fatalf("no %s", key)
	return 0
}

// TestUploadOfFiveHundredMegabytesTakesConstantMemory does not run in parallel with other tests, whose memory would
// count too.
func TestUploadOfFiveHundredMegabytesTakesConstantMemory(t *testing.T) {
	w := setup(t)
	r, size := wav(96000, 2, 1350)
	require.Greater(t, size, int64(500e6))
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the high-water mark of memory cannot be reset: %v", err)
	}
	before := rss(t, "VmRSS")
	a, err := w.Ingest(context.Background(), IngestRequest{Owner: localAdmin, Reader: r, Filename: "long.wav"})
	require.NoError(t, err)
	require.InDelta(t, size, a.Size, 200, "ffmpeg may write a longer header")
	grown := rss(t, "VmHWM") - before
	t.Logf("memory grew by %.1f MB during %.0f MB", float64(grown)/1e6, float64(size)/1e6)
	require.Less(t, grown, int64(40<<20))
}
