package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
)

// write puts manifests into a new folder, by the name of their engine's folder.
func write(t *testing.T, manifests map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range manifests {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, manifestName), []byte(text), 0o600))
	}
	return dir
}

var brazilian = language.BrazilianPortuguese

const paints = "tasks: {image.generate: {parameters: {type: object}, phases: [{name: p, weight: 1}]}}\n"

func TestTwoEnginesCannotClaimOnePlace(t *testing.T) {
	_, err := Load(
		write(t, map[string]string{"a": "id: a\nquality: final\n" + paints, "b": "id: b\nquality: final\n" + paints}),
	)
	require.EqualError(
		t,
		err,
		"engine manifests: the engines a and b both have priority 100 for image.generate: give one "+
			"of them another, as tasks.image.generate.priority in a/manifest.yaml or b/manifest.yaml",
	)
	const other = "tasks: {image.edit: {parameters: {type: object}, phases: [{name: p, weight: 1}]}}\n"
	_, err = Load(write(t, map[string]string{
		"a": "id: a\nquality: final\nmodels: [{id: twin}]\n" + paints,
		"b": "id: b\nquality: final\nmodels: [{id: twin}]\n" + other,
	}))
	require.ErrorContains(t, err, "the engines a and b both have priority 100 for the model twin")
	_, err = Load(
		write(t, map[string]string{"a": "id: a\nquality: final\n" + paints, "b": "id: b\nquality: draft\n" + paints}),
	)
	require.NoError(t, err, "a draft and a final engine do not compete")
}

func TestWrongManifestsSayWhatToChange(t *testing.T) {
	for _, row := range [][2]string{
		{"id: a\nquality: final\nprioritty: 3\n" + paints, "line 3: the key prioritty is not known"},
		{"id: a\nquality: final\nmodels: [{id: m, priorty: 1}]\n" + paints, "did you mean priority?"},
		{"id: a\nquality: final\nsettings: {x: {typ: number}}\n" + paints, "did you mean type?"},
		{"id: a\nquality: final\nsettings: {x: {type: colour}}\n" + paints, "write string, number, integer or boolean"},
		{"id: a\nquality: final\nsettings: {X: {}}\n" + paints, "use lower-case letters"},
		{"id: a\nquality: final\nsettings: {x: {env: low-case}}\n" + paints, "use capitals"},
		{"id: a\nquality: final\nsettings: {x: {required: true, default: y}}\n" + paints, "remove one of the two"},
		{"id: a\nquality: final\nsettings: {x: {every_engine: true}}\n" + paints, "name the parameter"},
		{"id: a\nquality: final\nsettings: {x: {type: number, default: lots}}\n" + paints,
			`default of setting x is "lots"; it must be a number`},
		{"id: a\nquality: final\nsettings: {x: {type: number, minimum: 2, default: 1}}\n" + paints,
			"default of setting x is 1; it must be 2 or more"},
		{"id: a\nquality: final\nvoices_from: [b]\n" + paints,
			"engine a: voices_from names b, which is not an engine: correct a/manifest.yaml"},
		{"id: a\nquality: final\nown_voices_only: true\n" + paints, "own_voices_only needs builtin_voices"},
		{"id: a\nquality: final\nevery_qualty: true\n" + paints, "did you mean every_quality?"},
		{"id: a\nquality: final\nmodels: [{id: m, borows: [m]}]\n" + paints, "did you mean borrows?"},
		{"id: a\nquality: final\nmodels: [{id: m, borrows: [gone]}]\n" + paints,
			"engine a: the model m borrows gone, which is not a model: correct a/manifest.yaml"},
		{"id: a\nquality: final\nmodels: [{id: m, borrows: [m]}]\n" + paints, "the model m borrows itself"},
		{"id: a\nquality: final\nmodels: [{id: m, stand_in: {model: m}}]\n" + paints,
			"name another model of the engine"},
	} {
		text, want := row[0], row[1]
		dir := write(t, map[string]string{"a": text})
		_, err := Load(dir)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "a/manifest.yaml")
		require.NotContains(t, err.Error(), dir, "the name is enough")
	}
}

func TestARequiredSettingMakesTheEngineAvailable(t *testing.T) {
	c := load(t, "bfl")
	require.True(t, c.IsInstalled("bfl"))
	m, _ := c.Get("bfl")
	require.Equal(t, []string{"X_KEY=k", "X_TRIES=3"}, c.Environment(m))
	c.Settings = nil
	require.False(t, c.IsInstalled("bfl"))
	require.Empty(t, c.Environment(m))
	c.Replaced = func(id ID) bool { return id == "bfl" }
	require.True(t, c.IsInstalled("bfl"), "a program that replaces the engine needs none of its settings")
}

func TestSettingsAreDefaultsOfParameters(t *testing.T) {
	c := load(t)
	bfl, _ := c.Get("bfl")
	flux, _ := c.Get("flux")
	require.Equal(t, map[string]any{"depth": 0.5}, c.ParameterDefaults(bfl, "image.generate"))
	require.Equal(t, map[string]any{"patience": 2.0}, c.ParameterDefaults(flux, "image.generate"),
		"another engine's depth is not meant; patience is every engine's, within the bounds of its parameter")
	c.Settings = map[ID]map[string]any{"bfl": {"depth": 0.0, "patience": 3.0}}
	require.Equal(t, map[string]any{"depth": 0.25}, c.ParameterDefaults(bfl, "image.generate"))
	require.Equal(t, map[string]any{"patience": 3.0}, c.ParameterDefaults(flux, "image.generate"))
	require.Empty(t, c.ParameterDefaults(flux, "image.edit"))
}

func TestPlannedEnginesAreKnownAndAnswerNothing(t *testing.T) {
	c := load(t, "painter")
	_, ok := c.Get("painter")
	require.False(t, ok)
	require.Contains(t, c.ModelsOf("image.generate"), "oil-large")
	got, err := c.Choose(Choice{Task: "image.generate", Model: "oil-large"})
	require.NoError(t, err)
	require.Equal(t, ID("draft-image"), got.Manifest.ID)
	require.Equal(t, "made in draft quality: the engine painter is not installed", got.Warnings[0].Message.String())
	declared, err := Declared("testdata/engines")
	require.NoError(t, err)
	require.True(t, declared["painter"].Planned)
	brush := declared["painter"].Settings["brush"]
	require.Equal(t, int64(3), brush.Preset())
}

func TestAStandInIsSaidInTheReadersLanguage(t *testing.T) {
	c := load(t, "flux")
	c.Settings = nil
	c.Variants = func(model string) []string {
		if model == "flux-dev" {
			return []string{"Q4"}
		}
		return nil
	}
	for i := range c.byID["flux"].Models { // make them models with files
		c.byID["flux"].Models[i].Parts = map[string]Part{"w": {Import: true}}
	}
	got, err := c.Choose(Choice{Task: "image.generate", Model: "flux-kontext", Quality: Final})
	require.NoError(t, err)
	require.Equal(t, "flux-dev", got.Model)
	require.Equal(t, "feita com outro", got.Warnings[0].Message.In(brazilian))
	_, err = c.Choose(Choice{Task: "image.generate", Model: "flux-kontext", Quality: Final, Inputs: []string{"image"}})
	require.Error(t, err)
}
