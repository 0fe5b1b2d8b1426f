package media

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/sandbox"
)

// A file that takes ffmpeg over, or only names another one, gets nothing of the studio's.
func TestFFmpegReachesOnlyWhatItNeeds(t *testing.T) {
	require.Positive(t, sandbox.Version(), "this kernel has no Landlock: these promises cannot be tested on it")
	sound, err := os.ReadFile(fixture(t, "a.wav"))
	require.NoError(t, err)
	data := t.TempDir()
	given := filepath.Join(data, "tmp", "given.wav")
	require.NoError(t, os.MkdirAll(filepath.Dir(given), 0o700))
	secret := filepath.Join(data, "cli.token")
	for _, path := range []string{given, secret} {
		require.NoError(t, os.WriteFile(path, sound, 0o600))
	}
	taken := filepath.Join(data, "tmp", "taken")
	script := fmt.Sprintf(`cat '%s' > '%s'; exec "$FFMPEG" "$@"`, secret, taken)
	p := New(
		Config{
			FFmpeg:  faulty(t, script),
			Sandbox: &sandbox.Policy{Hidden: []string{data}, Write: []string{filepath.Dir(given)}},
		},
	)

	_, err = p.Probe(t.Context(), given)
	require.NoError(t, err)
	content, err := os.ReadFile(taken)
	require.NoError(t, err)
	require.Empty(t, content)
	_, err = p.Probe(t.Context(), secret)
	require.Error(t, err)
}
