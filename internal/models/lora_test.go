package models

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
)

func TestALoRAUsesTheFilesOfItsBase(t *testing.T) {
	r := setUp(t)
	r.install(t, "big", "Q4")
	own := t.TempDir()
	style := filepath.Join(own, "style.safetensors")
	require.NoError(t, os.WriteFile(style, []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"), 0o600))
	text := "models: [{id: my-style, lora: {file: style.safetensors, model: big}}, {id: mine, engine: painter, " +
		"like: big, parts: {weights: {import: true}}}]"
	require.NoError(t, os.WriteFile(filepath.Join(own, "mine.yaml"), []byte(text), 0o600))
	require.NoError(t, r.store.catalogue.AddExtra(own))

	require.Equal(t, []string{"Q4"}, r.store.Variants("my-style"))
	require.Equal(t, r.store.VariantBytes("big", "Q4"), r.store.VariantBytes("my-style", "Q4"))
	base, err := r.store.Files(t.Context(), "big", "Q4")
	require.NoError(t, err)
	files, err := r.store.Files(t.Context(), "my-style", "Q4")
	require.NoError(t, err)
	require.Equal(t, style, files["lora"])
	delete(files, "lora")
	require.Equal(t, base, files)
	r.store.Used("my-style")
	require.FileExists(t, filepath.Join(r.store.dir, "big", usedName), "using it is using its base")

	_, err = r.try(t, "my-style", "")
	requireInput(t, err, "install that")
	_, err = r.try(t, "mine", "")
	requireInput(t, err, "apibr models import")
	require.NoError(t, os.Remove(style))
	_, err = r.store.Files(t.Context(), "my-style", "Q4")
	requireInput(t, err, "LoRA my-style is gone")

	_, model, _ := r.store.catalogue.Model("mine")
	require.Equal(
		t,
		engine.Licence{ID: "nc", Name: "Non-Commercial", URL: "https://example.org/licence", Accept: true},
		model.Licence,
	)
}
