package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// misheard is the word error rate, 0..1, of what a listener hears of a Portuguese text in a recording or video.
func misheard(t testing.TB, file, text string) (rate float64, heard string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(os.Getenv("APIBR_PYTHON_DRAFT_VENV"), "bin", "python"), "-m", "tests.hear",
		file, "pt-BR", text)
	cmd.Dir = os.Getenv("APIBR_PYTHON_WORKERS")
	cmd.Env = append(os.Environ(), "APIBR_FFMPEG="+ffmpegPath(t))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	rate, err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	require.NoError(t, err)
	return rate, stderr.String()
}

// A listener understands what the demo says: the studio's own voice, the cloned one, and the picture that talks. It
// also understands an hour and a price that are spoken without any flag.
func TestDemoIsUnderstood(t *testing.T) {
	s := newStudio(t)
	s.env = append(s.env, "APIBR_LISTEN="+s.addr)
	s.start()
	dir := t.TempDir()
	s.run("demo", "--output-dir", dir, "--samples", filepath.Dir(voice))

	var jobs struct{ Data []object }
	require.NoError(t, json.Unmarshal([]byte(s.run("jobs", "list", "--type", "audio.speech", "--json")), &jobs))
	require.NotEmpty(t, jobs.Data)
	said := jobs.Data[0].obj("input").str("text")
	require.NotEmpty(t, said)
	for name, most := range map[string]float64{"hello.wav": 0.10, "avatar.mp4": 0.10, "hello-cloned.wav": 0.25} {
		rate, heard := misheard(t, filepath.Join(dir, name), said)
		require.LessOrEqual(t, rate, most, "%s was heard as %s", name, heard)
	}

	const promised = "Reunião às 14h30, R$ 1.234,56"
	short := filepath.Join(dir, "a.wav")
	s.run("speech", promised, "-o", short)
	rate, heard := misheard(t, short, promised)
	require.Zero(t, rate, "it was heard as %s", heard)
}
