package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
)

const speaker = `
id: speaker
quality: final
module: x
venv: draft
licence: MIT
languages: [pt-BR]
builtin_voices: voices.yaml
tasks: {audio.speech: {priority: 77, parameters: {type: object}, phases: [{name: speak, weight: 1}]}}
models: [{id: talker, name: Talker, parts: {w: {urls: ["https://example.org/w.onnx"]}}}]
`

// The doctor says what to type where the model of the built-in voices lacks.
func TestTheModelOfTheBuiltinVoicesIsLookedFor(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	write("engines/speaker/manifest.yaml", speaker)
	write("engines/speaker/voices.yaml", "[]")
	workers, err := filepath.Abs("../../pyworkers")
	require.NoError(t, err)
	c, err := config.Load(config.Options{Environment: []string{"HOME=" + dir}, Flags: map[string]any{
		"data_dir": dir, "python.workers": workers, "python.manifests": []string{filepath.Join(dir, "engines")},
		"models.bundled": filepath.Join(dir, "bundled"),
	}})
	require.NoError(t, err)
	said := func() (found []device.Check) {
		for _, check := range voices(c) {
			if strings.Contains(check.Message.String(), "Talker") {
				found = append(found, check)
			}
		}
		return found
	}
	missing := said()
	require.Len(t, missing, 1)
	require.Equal(t, device.Warning, missing[0].Level)
	require.Contains(t, missing[0].Fix.String(), "`apibr models install talker`")
	require.Contains(t, missing[0].Fix.In(language.BrazilianPortuguese), "make setup")
	require.Contains(t, Examine(context.Background(), c, device.NewHost("../device/testdata/igpu-first")).Checks,
		missing[0])

	write("bundled/talker/installed.json", `{"model": "talker", "variants": {"default": {"w": "w.onnx"}},
		"files": [{"path": "w.onnx", "size": 1, "sha256": "x"}]}`)
	there := said()
	require.Len(t, there, 1)
	require.True(t, there[0].OK)
}
