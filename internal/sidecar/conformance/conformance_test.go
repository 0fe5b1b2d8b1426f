package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar"
)

const root = "../../.."

// TestDraftEngines runs the suite for every draft engine of this checkout, as the studio starts them.
func TestDraftEngines(t *testing.T) {
	catalogue := load(t)
	python := requireVenv(t)
	samples := &samples{catalogue: catalogue, python: python}
	for _, m := range catalogue.All() {
		if m.Quality != engine.Draft {
			continue
		}
		t.Run(string(m.ID), func(t *testing.T) {
			t.Parallel()
			Run(t, Program{Command: command(python, m), Env: environment(t), Engine: m, Input: samples.input})
		})
	}
}

// TestCommand runs the suite for a program that a developer names.
func TestCommand(t *testing.T) {
	given := os.Getenv("APIBR_CONFORMANCE_COMMAND")
	if given == "" {
		t.Skip("APIBR_CONFORMANCE_COMMAND names no program")
	}
	var argv []string
	if json.Unmarshal([]byte(given), &argv) != nil {
		argv = strings.Fields(given)
	}
	catalogue := load(t)
	m, ok := catalogue.Get(engine.ID(os.Getenv("APIBR_CONFORMANCE_ENGINE")))
	require.True(t, ok, "APIBR_CONFORMANCE_ENGINE names no engine")
	Run(t, Program{Command: argv, Env: os.Environ(), Engine: m,
		Input: (&samples{catalogue: catalogue, python: requireVenv(t)}).input})
}

func load(t *testing.T) *engine.Catalogue {
	t.Helper()
	catalogue, err := engine.Load(filepath.Join(root, "pyworkers"))
	require.NoError(t, err)
	return catalogue
}

func requireVenv(t *testing.T) string {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(root, ".venv-draft", "bin", "python"))
	require.NoError(t, err)
	_, err = os.Stat(python)
	require.NoError(t, err, "the draft environment is missing: run `make setup`")
	return python
}

func command(python string, m *engine.Manifest) []string {
	return []string{python, "-m", "apibr_worker", "--engine", string(m.ID)}
}

func environment(t *testing.T) []string {
	t.Helper()
	workers, err := filepath.Abs(filepath.Join(root, "pyworkers"))
	require.NoError(t, err)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8", "PYTHONPATH=" + workers,
		"PYTHONUNBUFFERED=1"}
	if ffmpeg, _ := filepath.Glob(filepath.Join(root, ".venv-draft", "lib", "*", "site-packages", "imageio_ffmpeg",
		"binaries", "ffmpeg-*")); len(ffmpeg) > 0 {
		path, err := filepath.Abs(ffmpeg[0])
		require.NoError(t, err)
		env = append(env, "APIBR_FFMPEG="+path)
	}
	return env
}

// samples are the inputs: a portrait, a recording, and a voice that the voice engine makes of it.
type samples struct {
	catalogue *engine.Catalogue
	python    string

	once  sync.Once
	voice []byte
}

func (s *samples) input(t *testing.T, kind, dir string) sidecar.File {
	t.Helper()
	switch kind {
	case "image":
		return place(t, dir, "image.png", "image/png", read(t, filepath.Join(root, "samples", "portrait.png")))
	case "audio":
		return place(t, dir, "audio.wav", "audio/wav", read(t, filepath.Join(root, "samples", "voice.wav")))
	case "voice":
		s.once.Do(func() { s.voice = s.clone(t) })
		return place(t, dir, "voice.json", "application/json", s.voice)
	}
	require.Fail(t, "no sample of kind "+kind)
	return sidecar.File{}
}

func (s *samples) clone(t *testing.T) []byte {
	t.Helper()
	cloner, err := s.catalogue.Choose(engine.Choice{Task: "audio.clone_voice", Quality: engine.Draft})
	require.NoError(t, err)
	m := cloner.Manifest
	p := Program{Command: command(s.python, m), Env: environment(t), Engine: m, Input: s.input}
	c := p.begin(t)
	request := p.request(t, "audio.clone_voice")
	result := fields(t, c.must("run", frame(request)).Result)
	outputs, ok := result["outputs"].([]any)
	require.True(t, ok)
	first, ok := outputs[0].(map[string]any)
	require.True(t, ok)
	path, ok := first["path"].(string)
	require.True(t, ok)
	return read(t, filepath.Join(request.OutDir, path))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

func place(t *testing.T, dir, name, mime string, content []byte) sidecar.File {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	sum := sha256.Sum256(content)
	return sidecar.File{Path: path, MIME: mime, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}
