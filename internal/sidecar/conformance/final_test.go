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

// TestFinalEngines runs the suite for the engines with weights, on tiny checkpoints that were imported as a user
// imports them.
func TestFinalEngines(t *testing.T) {
	catalogue := load(t)
	python := tinytest.Python(t)
	store := models.New(t.TempDir(), catalogue)
	_, err := store.Import(context.Background(), tinytest.Dir(t), nil)
	require.NoError(t, err)
	for _, m := range catalogue.All() {
		model, ok := checkpoint(m, store)
		if m.Quality != engine.Final || m.Network {
			continue // drafts have a test of their own, and what asks a service is tested against one of its own
		}
		require.True(t, ok, "tinytest has no checkpoint for the engine %s", m.ID)
		variant := store.Variants(model)[0]
		files, err := store.Files(t.Context(), model, variant)
		require.NoError(t, err)
		t.Run(string(m.ID), func(t *testing.T) {
			inputs := &samples{catalogue: catalogue, python: requireVenv(t)}
			Run(
				t,
				Program{
					Command: command(python, m),
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
		if _, has := properties["num_inference_steps"]; has {
			params[name] = map[string]any{"num_inference_steps": 2}
		}
	}
	return params
}
