package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const painterYAML = `
id: painter
quality: final
module: x
venv: models
licence: MIT
tasks: {image.generate: {parameters: {type: object}, phases: [{name: draw, weight: 1}]}}
models:
  - id: base
    default: true
    lora: true
    licence: {id: nc, accept: true}
    variants: [{id: Q4, parts: {transformer: {repo: a/b, patterns: ["*"]}}}]
  - {id: plain, parts: {weights: {repo: a/c, patterns: ["*"]}}}
memory:
  - {device: cpu, model: base, ram_bytes: 7}
  - {device: cpu, ram_bytes: 9}
`

// extra loads a catalogue of one engine and adds the text as a file of models.extra, beside a LoRA's file.
func extra(t *testing.T, text string) (*Catalogue, error) {
	t.Helper()
	manifests, own := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(manifests, "painter.yaml"), []byte(painterYAML), 0o600))
	require.NoError(
		t,
		os.WriteFile(filepath.Join(own, "style.safetensors"), []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"), 0o600),
	)
	require.NoError(
		t,
		os.WriteFile(filepath.Join(own, "pickle.safetensors"), []byte("\x80\x02}q\x00cos\nsystem\n"), 0o600),
	)
	require.NoError(
		t,
		os.WriteFile(filepath.Join(own, "lying.safetensors"), []byte("\xff\x00\x00\x00\x00\x00\x00\x00{}"), 0o600),
	)
	require.NoError(t, os.WriteFile(filepath.Join(own, "old.pt"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(own, "mine.yaml"), []byte(text), 0o600))
	c, err := Load(manifests)
	require.NoError(t, err)
	return c, c.AddExtra(own)
}

func TestAFineTuneIsAModelOfItsEngine(t *testing.T) {
	c, err := extra(t, `
models:
  - id: my-tune
    engine: painter
    like: base
    name: Mine
    variants: [{id: Q4, parts: {transformer: {repo: me/tune, patterns: ["*.gguf"]}}}]
  - {id: my-folder, engine: painter, parts: {weights: {import: true}}}
`)
	require.NoError(t, err)
	m, model, ok := c.Model("my-tune")
	require.True(t, ok)
	require.Equal(t, ID("painter"), m.ID)
	require.Equal(t, "base", model.Loads(), "what the engine is asked for")
	require.Equal(t, "my-tune", model.Files(), "and whose files")
	require.Equal(t, "nc", model.Licence.ID, "it inherits the licence")
	var plans []int64
	for _, plan := range m.Plans("cpu", 0, "my-tune", nil) {
		plans = append(plans, plan.RAM)
	}
	require.ElementsMatch(t, []int64{7, 9}, plans, "and the plans")
	require.Equal(t, "base", m.DefaultModel())
	_, folder, _ := c.Model("my-folder")
	require.True(t, folder.NeedsFiles())
	require.Equal(t, "my-folder", folder.Loads())
}

func TestALoRAIsItsBaseWithAnotherFile(t *testing.T) {
	c, err := extra(t, `
models:
  - {id: my-style, name: My style, lora: {file: style.safetensors, model: base, strength: 0.8}}
  - {id: my-style-2, lora: {file: style.safetensors, model: base}}
`)
	require.NoError(t, err)
	_, model, ok := c.Model("my-style")
	require.True(t, ok)
	require.Equal(t, "base", model.Loads())
	require.Equal(t, "base", model.Files())
	require.InDelta(t, 0.8, model.Adapter.Strength, 0)
	require.True(t, filepath.IsAbs(model.Adapter.File))
	require.True(t, model.NeedsFiles())
	_, second, _ := c.Model("my-style-2")
	require.InDelta(t, 1, second.Adapter.Strength, 0)
}

func TestMistakesInOwnModelsAreNamed(t *testing.T) {
	for _, row := range [][2]string{
		{"models: [{id: x, engine: nothing, parts: {w: {import: true}}}]",
			`there is no engine "nothing"; the engines are painter`},
		{"models: [{id: x, engine: painter, like: nothing, parts: {w: {import: true}}}]",
			`the engine painter has no model "nothing"`},
		{"models: [{id: x, engine: painter}]", "no parts"},
		{"models: [{id: x, engine: painter, default: true, parts: {w: {import: true}}}]", "cannot be the default"},
		{"models: [{id: base, engine: painter, parts: {w: {import: true}}}]", "already"},
		{"models: [{id: X Y, engine: painter, parts: {w: {import: true}}}]", "lower-case"},
		{"models: [{id: x, engine: painter, tasks: [audio.speech], parts: {w: {import: true}}}]", "does audio.speech"},
		{"models: [{id: x, engine: painter, parts: {w: {import: true, repo: a/b, patterns: [x]}}}]",
			"needs a repo, or urls, or import"},
		{"models: [{id: x, engine: painter, prats: {}}]", "line 1: the key prats is not known; did you mean parts?"},
		{"modles: []", "the key modles is not known; did you mean models?"},
		{"models:\n\n  - {id: x, lora: {file: style.safetensors, model: nothing}}",
			`line 3: LoRA x: there is no model "nothing"`},
		{"models: [{id: x, lora: {file: style.safetensors, model: plain}}]", "takes no LoRA"},
		{"models: [{id: x, lora: {model: base}}]", "lora.file is missing"},
		{"models: [{id: x, lora: {file: gone.safetensors, model: base}}]", "cannot be opened"},
		{"models: [{id: x, lora: {file: old.pt, model: base}}]", "not in safetensors"},
		{"models: [{id: x, lora: {file: pickle.safetensors, model: base}}]", "something else in spite of its name"},
		{"models: [{id: x, lora: {file: lying.safetensors, model: base}}]", "is damaged"},
		{"models: [{id: x, lora: {file: style.safetensors, model: base, strength: 0}}]", "strength is 0"},
		{"models: [{id: x, lora: {file: style.safetensors, model: base, strength: .nan}}]", "strength is NaN"},
		{"models: [{id: x, lora: {file: style.safetensors, model: base, strenght: 1}}]",
			"the key strenght is not known; did you mean strength?"},
		{"models: [{id: x, lora: {file: style.safetensors, model: base}}, {id: y, lora: {file: style.safetensors, " +
			"model: x}}]", "takes no LoRA"},
		{"models: {", "mine.yaml"},
	} {
		text, want := row[0], row[1]
		_, err := extra(t, text)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "models.extra: mine.yaml", text)
		require.NotContains(t, err.Error(), os.TempDir(), text)
	}
	c, err := extra(t, "")
	require.NoError(t, err, "an empty file is none")
	require.NoError(t, c.AddExtra(""))
	require.ErrorContains(t, c.AddExtra(filepath.Join(t.TempDir(), "gone.yaml")), "gone.yaml is not there")
	big := filepath.Join(t.TempDir(), "big.yaml")
	require.NoError(t, os.WriteFile(big, []byte(strings.Repeat("#", maxExtra+1)), 0o600))
	require.ErrorContains(t, c.AddExtra(big), "larger than")
}
