package conformance

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/tinytest"
)

// TestFinalEngines runs the suite for the engines with weights: on the models that `make setup` brings, else on tiny
// checkpoints that were imported as a user imports them.
func TestFinalEngines(t *testing.T) {
	catalogue := load(t)
	pythons := map[string]string{"draft": requireVenv(t), "models": tinytest.Python(t)}
	bundled, err := filepath.Abs(filepath.Join(root, ".weights"))
	require.NoError(t, err)
	store := models.New(t.TempDir(), catalogue).WithBundled(bundled)
	_, err = store.Import(context.Background(), tinytest.Dir(t), nil)
	require.NoError(t, err)
	for _, m := range catalogue.All() {
		model, ok := checkpoint(m, store)
		if m.Quality != engine.Final || m.Network {
			continue // drafts have a test of their own, and what asks a service is tested against one of its own
		}
		require.True(t, ok, "there is no model for the engine %s, neither from tinytest nor from `make setup`", m.ID)
		variant := store.Variants(model)[0]
		files, err := store.Files(t.Context(), model, variant)
		require.NoError(t, err)
		t.Run(string(m.ID), func(t *testing.T) {
			inputs := &samples{catalogue: catalogue, python: pythons["draft"]}
			Run(
				t,
				Program{
					Command: command(pythons[m.Venv], m),
					Env: append(
						environment(t),
						"OMP_NUM_THREADS=1",
						"APIBR_CACHE_DIR="+filepath.Join(t.TempDir(), "cache"),
					),
					Engine:  m,
					Slow:    true,
					Model:   model,
					Variant: variant,
					Files:   files,
					Input:   inputs.input,
					Params:  few(m),
				},
			)
		})
	}
}

// checkpoint is the installed model of the engine that needs the least beside a task's own inputs.
func checkpoint(m *engine.Manifest, store *models.Store) (id string, ok bool) {
	least := -1
	for _, model := range m.Models {
		if len(store.Variants(model.ID)) > 0 && (least < 0 || len(model.Needs) < least) {
			id, least = model.ID, len(model.Needs)
		}
	}
	return id, least >= 0
}

// few are parameters with which each task of the engine takes little time.
func few(m *engine.Manifest) map[string]map[string]any {
	params := map[string]map[string]any{}
	for name, task := range m.Tasks {
		properties, _ := task.Parameters["properties"].(map[string]any)
		params[name] = map[string]any{}
		for parameter, value := range map[string]any{"num_inference_steps": 2, "text": "Oi."} {
			if _, has := properties[parameter]; has {
				params[name][parameter] = value
			}
		}
	}
	return params
}
