package conformance

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/tinytest"
)

// TestFinalEngines runs the suite for the engines with weights, on tiny checkpoints that were imported as a user imports them.
func TestFinalEngines(t *testing.T) {
	catalogue := load(t)
	python := tinytest.Python(t)
	store := models.New(t.TempDir(), catalogue)
	_, err := store.Import(context.Background(), tinytest.Dir(t), nil)
	require.NoError(t, err)
	for id, model := range map[string]string{"flux": "flux-kontext", "sd35": "sd3.5-large", "upscale": "realesrgan-x4", "chatterbox": "chatterbox-pt-br"} {
		m, _, ok := catalogue.Model(model)
		require.True(t, ok, model)
		variant := store.Variants(model)[0]
		files, err := store.Files(t.Context(), model, variant)
		require.NoError(t, err)
		few := map[string]any{"num_inference_steps": 2}
		t.Run(id, func(t *testing.T) {
			inputs := &samples{catalogue: catalogue, python: requireVenv(t)}
			Run(t, Program{Command: command(python, m), Env: append(environment(t), "OMP_NUM_THREADS=1", "APIBR_CACHE_DIR="+filepath.Join(t.TempDir(), "cache")), Engine: m, Slow: true,
				Model: model, Variant: variant, Files: files, Input: inputs.input, Params: map[string]map[string]any{"image.generate": few, "image.edit": few}})
		})
	}
}
