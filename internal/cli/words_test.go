package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
)

// What is wrong with a folder of models is said in the user's language too when no studio runs.
func TestARefusedFolderIsToldInEachLanguage(t *testing.T) {
	workers, err := filepath.Abs("../../pyworkers")
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(folder, "model.yaml"),
			[]byte("id: flux-dev\nengine: flux\nvariants: {Q4_0: {base: base, transformer: weights.ckpt}}\n"),
			0o600,
		),
	)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "base"), 0o700))
	for _, file := range []string{"base/config.json", "weights.ckpt"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte("\x80\x02cos\nsystem\n"), 0o600))
	}
	t.Setenv("APIBR_PYTHON_WORKERS", workers)
	for language, want := range map[string]string{"en": "may hold a pickle", "pt-BR": "pode conter um pickle"} {
		t.Setenv("APIBR_LANG", language)
		var stdout, stderr bytes.Buffer
		code := Main(
			[]string{"models", "import", folder, "--data-dir", t.TempDir()},
			strings.NewReader(""),
			&stdout,
			&stderr,
		)
		require.Equal(t, ExitUsage, code)
		require.Contains(t, stderr.String(), want)
		require.NotContains(t, stderr.String(), folder, "no path")
		require.Empty(t, stdout.String())
	}
}

// A job that waits for memory shows its numbers where a watched job's state is told.
func TestWaitingForMemoryIsToldWithItsNumbers(t *testing.T) {
	s := &studio{locale: inLanguage(language.English)}
	j := job{Status: "queued"}
	require.NoError(t, json.Unmarshal([]byte(`{"status": "queued", "reason": "no_memory", "queue_position": 1,
		"progress_detail": {"stage": "waiting_for_memory", "message": "waits for memory: it needs 9.1 GB"}}`), &j))
	require.Equal(t, "queued, waits for memory: it needs 9.1 GB, number 1 in line", s.stateOf(&j).text)
	busy := "device_busy"
	j.Reason = &busy
	require.Contains(t, s.stateOf(&j).text, "waits for the card")
}
