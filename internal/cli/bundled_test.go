package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A model that came with the studio is told as such, is checked, and is not removed.
func TestABundledModelIsToldAsOne(t *testing.T) {
	workers, err := filepath.Abs("../../pyworkers")
	require.NoError(t, err)
	bundled := t.TempDir()
	folder := filepath.Join(bundled, "flux-dev")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "w.gguf"), []byte("hello"), 0o600))
	record, err := json.Marshal(map[string]any{
		"model": "flux-dev", "engine": "flux", "source": "bundled",
		"variants": map[string]any{"Q4_0": map[string]string{"transformer": "w.gguf"}},
		"files": []map[string]any{{"path": "w.gguf", "size": 5,
			"sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "installed.json"), record, 0o600))
	t.Setenv("APIBR_PYTHON_WORKERS", workers)
	t.Setenv("APIBR_MODELS_BUNDLED", bundled)
	dataDir := t.TempDir()
	run := func(code int, args ...string) (stdout, stderr string) {
		var out, problems bytes.Buffer
		args = append(args, "--data-dir", dataDir)
		require.Equal(t, code, Main(args, strings.NewReader(""), &out, &problems), problems.String())
		return out.String(), problems.String()
	}
	for language, want := range map[string][3]string{
		"en":    {"Q4_0 (came with the studio)", "with the studio", "came with the studio"},
		"pt-BR": {"Q4_0 (veio com o estúdio)", "com o estúdio", "veio com o estúdio"},
	} {
		t.Setenv("APIBR_LANG", language)
		listed, _ := run(ExitOK, "models", "list")
		require.Contains(t, listed, want[0])
		shown, _ := run(ExitOK, "models", "show", "flux-dev")
		require.Contains(t, shown, want[1])
		_, refused := run(ExitUsage, "models", "remove", "flux-dev")
		require.Contains(t, refused, want[2])
	}
	checked, _ := run(ExitOK, "models", "verify", "flux-dev")
	require.Contains(t, checked, "✓ flux-dev")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "w.gguf"), []byte("hullo"), 0o600))
	checked, problem := run(ExitError, "models", "verify", "flux-dev")
	require.Contains(t, checked, "w.gguf")
	require.Contains(t, problem, "`make setup`")

	t.Setenv("APIBR_MODELS_BUNDLED", "none")
	listed, _ := run(ExitOK, "models", "list")
	require.NotContains(t, listed, "Q4_0")
}
