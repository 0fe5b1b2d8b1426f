package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// workers is a pyworkers folder with one engine, which takes every kind of setting.
func workers(t *testing.T) map[string]any {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "apibr_worker", "engines", "my_paint")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "manifest.yaml"), []byte(`
id: my-paint
quality: final
settings:
  token: {secret: true, required: true, env: PAINT_TOKEN, aliases: [PAINT_MAKERS_TOKEN]}
  size: {type: integer, default: 7, minimum: 1, maximum: 9}
  mood: {default: calm, enum: [calm, loud]}
  lively: {type: number, default: 0.5}
  slow: {type: boolean}
tasks: {image.generate: {parameters: {type: object}, phases: [{name: p, weight: 1}]}}
`), 0o600))
	return map[string]any{"python.workers": dir}
}

func TestAnEnginesSettingsComeFromItsManifest(t *testing.T) {
	c, err := load(t, "engines: {my-paint: {size: 3, slow: true}}", workers(t), "APIBR_ENGINES_MY_PAINT_LIVELY=0.25")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"token": "", "size": int64(3), "mood": "calm", "lively": 0.25, "slow": true},
		c.EngineSettings()["my-paint"])
	_, err = load(t, "engines: {my-paint: {sise: 3}}", workers(t))
	require.ErrorContains(t, err, "engines.my-paint.sise is not known; did you mean engines.my-paint.size?")
	_, err = load(t, "engines: {my-paint: {size: 12, mood: sad, lively: lots, slow: 3}}", workers(t))
	for _, want := range []string{
		"engines.my-paint.size is 12; it must be 9 or less",
		`engines.my-paint.mood is "sad"; it must be one of: calm, loud`,
		`engines.my-paint.lively is "lots"; it must be a number`,
		`engines.my-paint.slow is "3"; it must be one of: true, false`,
	} {
		require.ErrorContains(t, err, want)
	}
	c, err = load(t, "", workers(t), "APIBR_ENGINES_MY_PAINT_SISE=3")
	require.NoError(t, err)
	require.Contains(t, c.Warnings[0].String(), "did you mean APIBR_ENGINES_MY_PAINT_SIZE?")
}

func TestAnEnginesSecretComesFromItsVariablesAndFilesAndIsHidden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("sesame\n"), 0o600))
	for _, variables := range [][]string{
		{"APIBR_ENGINES_MY_PAINT_TOKEN=sesame"}, {"PAINT_MAKERS_TOKEN=sesame"}, {"APIBR_ENGINES_MY_PAINT_TOKEN_FILE=" +
			file},
		{"PAINT_MAKERS_TOKEN_FILE=" + file}, {"PAINT_MAKERS_TOKEN=other", "APIBR_ENGINES_MY_PAINT_TOKEN=sesame"},
	} {
		c, err := load(t, "", workers(t), variables...)
		require.NoError(t, err)
		require.Equal(t, "sesame", c.EngineSettings()["my-paint"]["token"], variables)
		require.Empty(t, c.Warnings)
		shown, err := c.YAML()
		require.NoError(t, err)
		require.NotContains(t, string(shown), "sesame")
		require.Contains(t, string(shown), "mood: calm")
		catalogue, err := c.Catalogue()
		require.NoError(t, err)
		m, _ := catalogue.Get("my-paint")
		require.Equal(t, []string{"PAINT_TOKEN=sesame"}, catalogue.Environment(m))
	}
	c, err := load(t, "", workers(t), "PAINT_MAKERS_TOKEN_FILE="+file)
	require.NoError(t, err)
	require.Contains(t, c.SecretFiles, file, "no engine may read it")
}

func TestWithoutManifestsTheEnginesSettingsAreLeftAlone(t *testing.T) {
	nowhere := map[string]any{"python.workers": filepath.Join(t.TempDir(), "gone")}
	c, err := load(t, "engines: {my-paint: {size: 3}}", nowhere, "APIBR_ENGINES_MY_PAINT_MOOD=loud")
	require.NoError(t, err)
	require.Equal(t, 3, c.EngineSettings()["my-paint"]["size"])
	require.Empty(t, c.Warnings)
}

func TestAWrongManifestStopsTheStart(t *testing.T) {
	dir := workers(t)
	path := filepath.Join(dir["python.workers"].(string), "apibr_worker", "engines", "my_paint", "manifest.yaml")
	require.NoError(t, os.WriteFile(path, []byte("id: my-paint\ncolour: red\n"), 0o600))
	_, err := load(t, "", dir)
	require.ErrorContains(t, err, "engine manifest my_paint/manifest.yaml: line 2: the key colour is not known")
}
