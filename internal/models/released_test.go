package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
)

// bundledPin is what scripts/weights.json says of a model that comes with the studio.
type bundledPin struct {
	Engine  string
	Variant string
	Parts   map[string]string
}

// The models that `make setup` lays are the same as those that are installed from their makers: engine, variant and
// parts, by the real manifests and the real code. The sources are stand-ins of this machine.
func TestModelsThatComeWithTheStudioAreInstalledFromTheirMakersToo(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "scripts", "weights.json"))
	require.NoError(t, err)
	pins := map[string]bundledPin{}
	require.NoError(t, json.Unmarshal(content, &pins))
	require.NotEmpty(t, pins)

	r := setUp(t)
	for path, content := range map[string][]byte{
		"thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0/kokoro-v1.0.int8.onnx": speaker,
		"onnx-community/Kokoro-82M-v1.0-ONNX/voices/pf_dora.bin":                            random(7, 5000),
		"onnx-community/Kokoro-82M-v1.0-ONNX/voices/pm_alex.bin":                            random(8, 5000),
		"onnx-community/Kokoro-82M-v1.0-ONNX/onnx/model.onnx":                               speaker,
		"Systran/faster-whisper-base/config.json":                                           []byte("{}"),
		"Systran/faster-whisper-base/model.bin":                                             random(9, 5000),
		"Systran/faster-whisper-base/tokenizer.json":                                        []byte("{}"),
		"Systran/faster-whisper-base/vocabulary.txt":                                        []byte("a"),
	} {
		r.put(t, path, content)
	}
	r.store.catalogue = realCatalogue(t, r.CDN)
	for name, pin := range pins {
		manifest, _, ok := r.store.catalogue.Model(name)
		require.True(t, ok, name)
		require.Equal(t, string(manifest.ID), pin.Engine)
		record := r.install(t, name, "")
		require.Equal(t, []string{pin.Variant}, record.VariantIDs(), name)
		require.ElementsMatch(t, sortedKeys(pin.Parts), sortedKeys(record.Variants[pin.Variant]), name)
		files, err := r.store.Files(t.Context(), name, pin.Variant)
		require.NoError(t, err)
		for part, place := range pin.Parts {
			bundled, err := os.Stat(filepath.Join("..", "..", ".weights", name, filepath.FromSlash(place)))
			require.NoError(t, err)
			installed, err := os.Stat(files[part])
			require.NoError(t, err)
			require.Equal(t, bundled.IsDir(), installed.IsDir(), "%s of %s", part, name)
		}
		r.importAgain(t, name, pin, files)
	}
	kokoro, err := r.store.Files(t.Context(), "kokoro", "int8")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(kokoro["voices"], "pf_dora.bin"))
}

// importAgain takes the model in from a folder, as a computer without a network does.
func (r *rig) importAgain(t *testing.T, name string, pin bundledPin, files map[string]string) {
	t.Helper()
	folder := t.TempDir()
	described := "id: " + name + "\nvariants: {" + pin.Variant + ": {"
	for _, part := range sortedKeys(pin.Parts) {
		info, err := os.Stat(files[part])
		require.NoError(t, err)
		place := part
		if info.IsDir() {
			require.NoError(t, os.CopyFS(filepath.Join(folder, part), os.DirFS(files[part])))
		} else {
			place = filepath.Base(files[part])
			content, err := os.ReadFile(files[part])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, place), content, 0o600))
		}
		described += part + ": " + place + ", "
	}
	described = strings.TrimSuffix(described, ", ") + "}}\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "model.yaml"), []byte(described), 0o600))
	taken, err := r.store.Import(t.Context(), folder, nil)
	require.NoError(t, err)
	require.Equal(t, "import", taken[0].Source)
	faults, err := r.store.Verify(t.Context(), name, nil)
	require.NoError(t, err)
	require.Empty(t, faults)
}

// realCatalogue is that of the studio, with the addresses of release pages and their pins replaced by stand-ins.
func realCatalogue(t *testing.T, releases string) *engine.Catalogue {
	t.Helper()
	engines := t.TempDir()
	found, err := filepath.Glob(filepath.Join("..", "..", "pyworkers", "apibr_worker", "engines", "*", "manifest.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	pin := regexp.MustCompile(`(\.onnx: )[0-9a-f]{64}`)
	for _, file := range found {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(content), "https://github.com", releases)
		text = pin.ReplaceAllString(text, "${1}"+hashOf(speaker))
		folder := filepath.Join(engines, filepath.Base(filepath.Dir(file)))
		require.NoError(t, os.Mkdir(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "manifest.yaml"), []byte(text), 0o600))
	}
	catalogue, err := engine.Load(engines)
	require.NoError(t, err)
	return catalogue
}
