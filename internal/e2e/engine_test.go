package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A folder with a manifest, an engine and its sentences is all that a new engine needs: it is listed, chosen for its
// task and for its model, gets its settings, runs, and is translated.
func TestAddingAnEngineIsAddingAFolder(t *testing.T) {
	workers := shortTempDir(t)
	const engines = "apibr_worker/engines"
	require.NoError(t, os.CopyFS(workers, os.DirFS(os.Getenv("APIBR_PYTHON_WORKERS"))))
	require.NoError(t, os.CopyFS(filepath.Join(workers, engines, "sketch"), os.DirFS("testdata/sketch")))
	s := startStudio(t, withEnv("APIBR_PYTHON_WORKERS="+workers, "APIBR_ENGINES_SKETCH_FIRMNESS=2.5"),
		withConfig("engines: {sketch: {pen: teal}}\n"))

	var listed object
	for _, e := range s.get("/api/v1/engines").json(t).list("data") {
		if e.str("id") == "sketch" {
			listed = e
		}
	}
	require.Equal(t, true, listed["installed"])
	require.Equal(t, "Preenche uma imagem com uma só cor.", listed["description"].(map[string]any)["pt-BR"])

	for _, asked := range []object{{"prompt": "x", "quality": "final"}, {"prompt": "x", "model": "sketch-1"}} {
		job := s.completed(s.accepted(s.post("/api/v1/image/generate", asked)).str("id"))
		require.Equal(t, "sketch", job.str("engine"))
		require.Equal(t, "sketch-1", job.str("model"))
		require.Len(t, job.list("outputs"), 1)
		for language, want := range map[string]string{
			"en": "drawn in teal with a firmness of 2.5", "pt-BR": "desenhado em teal com firmeza 2,5",
		} {
			shown := s.do("GET", "/api/v1/jobs/"+job.str("id"), "", nil,
				http.Header{"Accept-Language": {language}}).json(t)
			require.Equal(t, want, shown.list("warnings")[0].str("message"))
		}
	}
}
