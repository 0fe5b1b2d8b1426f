package runner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

const lenderYAML = `
id: lender
quality: final
module: none
venv: draft
licence: test
tasks: {audio.speech: {parameters: {type: object}, phases: [{name: p, weight: 1}]}}
models:
  - id: lent
    variants: [{id: a, parts: {w: {import: true}}}, {id: b, parts: {w: {import: true}}}]
    default_variant: b
`

// lending makes a catalogue in which the speech engine borrows the model lent, and the models that are installed.
func lending(t *testing.T) (*engine.Catalogue, *models.Store) {
	t.Helper()
	dir := t.TempDir()
	borrower := strings.NewReplacer("%ID%", "draft-speech", "%TASK%", "audio.speech", "default: true",
		"default: true, borrows: [lent]").Replace(manifestYAML)
	for name, text := range map[string]string{"draft-speech": borrower, "lender": lenderYAML} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "manifest.yaml"), []byte(text), 0o600))
	}
	catalogue, err := engine.Load(dir)
	require.NoError(t, err)
	store := models.New(filepath.Join(t.TempDir(), "models"), catalogue)
	catalogue.Variants = store.Variants
	return catalogue, store
}

// lend installs the model, with a text of the test in each variant.
func lend(t *testing.T, store *models.Store, text string) {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"a.json": `"a"`, "b.json": text,
		"model.yaml": "id: lent\nvariants: {a: {w: a.json}, b: {w: b.json}}\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	_, err := store.Import(t.Context(), folder, nil)
	require.NoError(t, err)
}

// A model that is installed, replaced, damaged or removed is seen by the next job of an engine that borrows it, which
// never fails for it.
func TestEngineGetsTheFilesOfTheModelsThatItBorrows(t *testing.T) {
	catalogue, store := lending(t)
	n := startNode(t, storetest.New(t), func(c *Config, _ *sidecar.Config) { c.Catalogue, c.Models = catalogue, store })
	run := func() (pid, files string, warnings []string) {
		job := n.submit(jobs.TypeSpeech, map[string]any{"mode": sidecartest.Loaded})
		job = n.await(job.ID, jobs.Completed)
		for _, w := range job.Warnings {
			warnings = append(warnings, w.Code+": "+w.Message.String())
		}
		_, sha := n.outputOf(job.ID)
		pid, files, _ = strings.Cut(n.bytesOf(sha), "\n")
		return pid, files, warnings
	}
	without, files, warnings := run()
	require.Empty(t, files)
	require.Empty(t, warnings, "the engine itself says what it does without")

	lend(t, store, `"one"`)
	first, files, warnings := run()
	require.Equal(t, `lent/w: "one"`, files, "the default variant")
	require.Empty(t, warnings)
	require.NotEqual(t, without, first, "a process that was loaded without it is loaded anew")
	again, _, _ := run()
	require.Equal(t, first, again, "nothing has changed")

	lend(t, store, `"two"`)
	_, files, _ = run()
	require.Equal(t, `lent/w: "two"`, files)

	paths, err := store.Files(context.Background(), "lent", "b")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(paths["w"], []byte(`"damaged"`), 0o600))
	_, files, warnings = run()
	require.Empty(t, files)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0],
		"borrowed_files_damaged: made without the model lent: b.json, the w of the model lent")
	require.Contains(t, warnings[0], "`apibr models install lent`")

	require.NoError(t, store.Remove("lent"))
	_, files, warnings = run()
	require.Empty(t, files)
	require.Empty(t, warnings)
}
