package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
)

func load(t *testing.T, installed ...ID) *Catalogue {
	t.Helper()
	c, err := Load("testdata/engines")
	require.NoError(t, err)
	c.Installed = func(m *Manifest) bool {
		for _, id := range installed {
			if m.ID == id {
				return true
			}
		}
		return m.Quality == Draft
	}
	c.Settings = map[ID]map[string]any{"bfl": {"key": "k"}}
	return c
}

func TestLoad(t *testing.T) {
	c := load(t)
	require.Len(t, c.All(), 3)
	m, ok := c.Get("draft-image")
	require.True(t, ok)
	require.Equal(t, "draft-image", m.DefaultModel())
	require.Equal(t, "draft-image-2", m.ModelFor("draft-image-2"))
	require.Equal(t, "draft-image", m.ModelFor("flux-dev"))
	require.Equal(t, time.Second, m.Block(), "the default block time")
	require.False(t, c.IsInstalled("flux"))
	require.False(t, c.IsInstalled("nothing"))
}

func TestLoadRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/engines/final-flux/manifest.yaml")
	require.NoError(t, err)
	for name, c := range map[string]struct{ add, want string }{
		"an unknown key":     {"colour: red\n", "colour"},
		"a wrong quality":    {"quality: best\n", "quality"},
		"a broken schema":    {"", ""},
		"something not YAML": {"\t{", "manifest.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700))
			text := string(good) + c.add
			if c.want == "" {
				text, c.want = "id: x\nquality: draft\ntasks: {a.b: {parameters: {type: 7}, "+
					"phases: [{name: p, weight: 1}]}}\n", "a.b"
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x", "manifest.yaml"), []byte(text), 0o600))
			_, err := Load(dir)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err = Load(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAPinIsAHashOfAFileOfItsPart(t *testing.T) {
	const address, hash = "https://example.org/w.pt?sig=1", "00"
	whole := strings.Repeat(hash, 32)
	for want, part := range map[string]Part{
		"":                      {URLs: []string{address}, SHA256: map[string]string{"w.pt": whole}},
		"64 hexadecimal digits": {URLs: []string{address}, SHA256: map[string]string{"w.pt": hash}},
		"no such file": {Repo: "a/b", Patterns: []string{"v/*.bin"},
			SHA256: map[string]string{"w.bin": whole}},
	} {
		if err := part.check("m", "p"); want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestALaterDirectoryReplaces(t *testing.T) {
	dir := t.TempDir()
	text := "id: flux\nversion: 9\nquality: final\ntasks: {image.generate: {parameters: {type: object}, " +
		"phases: [{name: p, weight: 1}]}}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(text), 0o600))
	c, err := Load("testdata/engines", dir)
	require.NoError(t, err)
	m, _ := c.Get("flux")
	require.Equal(t, 9, m.Version)
	require.Len(t, c.All(), 3)
}

func TestChoose(t *testing.T) {
	const task = "image.generate"
	for _, c := range []struct {
		name      string
		installed []ID
		req       Choice
		engine    ID
		model     string
		warned    bool
	}{
		{"nothing asked, nothing installed", nil, Choice{Task: task}, "draft-image", "draft-image", true},
		{"draft asked", []ID{"flux"}, Choice{Task: task, Quality: Draft}, "draft-image", "draft-image", false},
		{"draft of a final model", nil, Choice{Task: task, Quality: Draft, Model: "flux-dev"}, "draft-image",
			"draft-image", false},
		{"a final model, not installed, no quality", nil, Choice{Task: task, Model: "oil-large"}, "draft-image",
			"draft-image", true},
		{"a draft model by name", []ID{"flux"}, Choice{Task: task, Model: "draft-image-2"}, "draft-image",
			"draft-image-2", false},
		{"nothing asked, final installed", []ID{"flux"}, Choice{Task: task}, "flux", "flux-dev", false},
		{"final asked", []ID{"flux"}, Choice{Task: task, Quality: Final}, "flux", "flux-dev", false},
		{"kontext prefers its maker", []ID{"flux", "bfl"}, Choice{Task: task, Model: "flux-kontext"}, "bfl",
			"flux-kontext", false},
		{"kontext here", []ID{"flux"}, Choice{Task: task, Model: "flux-kontext"}, "flux", "flux-kontext", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, c.installed...).Choose(c.req)
			require.NoError(t, err)
			require.Equal(t, c.engine, got.Manifest.ID)
			require.Equal(t, c.model, got.Model)
			require.Equal(t, c.warned, len(got.Warnings) == 1)
		})
	}
}

func TestChooseRefuses(t *testing.T) {
	c := load(t)
	var missing *NotInstalledError
	_, err := c.Choose(Choice{Task: "image.generate", Quality: Final, Model: "flux-dev"})
	require.ErrorAs(t, err, &missing)
	require.Equal(t, ID("flux"), missing.Engine)
	require.Equal(t, "install the models environment", missing.How.String())
	require.Equal(t, "instale o ambiente de modelos", missing.How.In(language.BrazilianPortuguese))
	_, err = c.Choose(Choice{Task: "audio.speech", Quality: Final})
	require.ErrorAs(t, err, &missing)
	require.Equal(t, ID("painter"), missing.Engine)
	require.Contains(t, missing.How.String(), "painter", "also of a planned engine that says nothing about it")

	var unknown *UnknownModelError
	_, err = c.Choose(Choice{Task: "image.generate", Model: "dall-e"})
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, []string{"draft-image", "draft-image-2", "flux-dev", "flux-kontext", "oil-large"}, unknown.Known)

	var noTask *UnknownTaskError
	_, err = c.Choose(Choice{Task: "audio.speech"})
	require.ErrorAs(t, err, &noTask)
}

// refused is a FieldError in English.
type refused struct{ pointer, detail, kind string }

func TestValidateParams(t *testing.T) {
	m, _ := load(t).Get("draft-image")
	for _, c := range []struct {
		name   string
		params string
		want   []refused
	}{
		{"right", `{"prompt":"a cat","width":512,"lines":[{"text":"x"}],"seed":9007199254740991}`, nil},
		{"missing", `{}`, []refused{{"/prompt", "prompt is required", Invalid}}},
		{"unknown and near", `{"prompt":"x","widht":512}`, []refused{
			{"/widht", `the engine draft-image has no parameter "widht"; did you mean "width"?`, Unsupported}}},
		{"unknown and far", `{"prompt":"x","guidance_scale":3}`, []refused{
			{"/guidance_scale", `the engine draft-image has no parameter "guidance_scale"`, Unsupported}}},
		{"unknown below", `{"prompt":"x","lines":[{"text":"x","pauses_ms":1}]}`, []refused{
			{"/lines/0/pauses_ms", `the engine draft-image has no parameter "pauses_ms"; did you mean "pause_ms"?`,
				Unsupported}}},
		{"too little", `{"prompt":"x","width":8}`, []refused{{"/width", "width is 8; the least is 64", Invalid}}},
		{"too much and odd", `{"prompt":"x","width":5001}`, []refused{
			{"/width", "width is 5001; it must be a multiple of 8", Invalid},
			{"/width", "width is 5001; the most is 4096", Invalid}}},
		{"empty", `{"prompt":""}`, []refused{{"/prompt", "prompt is empty", Invalid}}},
		{"a wrong type", `{"prompt":7}`, []refused{{"/prompt", "prompt is number; it must be string", Invalid}}},
		{"a wrong choice", `{"prompt":"x","style":"oil"}`,
			[]refused{{"/style", `style is "oil"; choose one of "card", "sketch"`, Invalid}}},
		{"too many", `{"prompt":"x","lines":[{"text":"a"},{"text":"b"},{"text":"c"}]}`, []refused{
			{"/lines", "lines has 3 entries; the most is 2", Invalid}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var params map[string]any
			require.NoError(t, json.Unmarshal([]byte(c.params), &params))
			var got []refused
			for _, e := range m.ValidateParams("image.generate", params) {
				got = append(got, refused{e.Pointer, e.Detail.String(), e.Kind})
			}
			require.Equal(t, c.want, got)
		})
	}
	require.Nil(
		t,
		m.ValidateParams(
			"image.generate",
			map[string]any{"prompt": "x", "seed": int64(7), "lines": []map[string]any{{"text": "x"}}},
		),
	)
	require.Equal(t, Unsupported, m.ValidateParams("video.avatar", nil)[0].Kind)
	require.NotEmpty(t, m.ValidateParams("image.generate", nil))
}

func TestPlans(t *testing.T) {
	c := load(t)
	draft, _ := c.Get("draft-image")
	flux, _ := c.Get("flux")
	require.Equal(t, device.Memory{RAM: 400}, draft.Plan("cpu"), "the highest phase counts")
	require.Equal(t, device.Memory{RAM: 400}, draft.Plan(""))
	require.Zero(t, draft.Plan("hip:0"))
	require.Equal(t, int64(7000), flux.Plan("hip:0").VRAM)
	require.Equal(t, int64(7000), flux.PlanFor("cuda:1", 12000).VRAM)
	require.Equal(t, int64(14000), flux.PlanFor("hip:0", 16000).VRAM)
	require.Equal(t, "Q8", flux.Variant("hip:0", 16000))
	require.Equal(t, int64(7000), flux.PlanFor("hip:0", 4000).VRAM, "too small a card is told what is needed")
}

// The engines that ship must load, and each must say all that its users are shown.
func TestTheRealManifests(t *testing.T) {
	c, err := Load("../../pyworkers")
	require.NoError(t, err)
	for _, id := range []ID{"draft-speech", "draft-voice", "draft-image", "draft-avatar"} {
		_, found := c.Get(id)
		require.True(t, found, "automations name the engine %s", id)
	}
	for _, m := range c.All() {
		t.Run(string(m.ID), func(t *testing.T) {
			require.NotEmpty(t, m.Module)
			require.Contains(t, []string{"draft", "models"}, m.Venv)
			require.NotEmpty(t, m.Licence)
			for _, text := range []i18n.Text{m.Description, m.Install} {
				for _, tag := range i18n.Default().Languages() {
					require.NotEmpty(t, text[tag.String()])
				}
			}
			require.NotZero(t, m.Plan("cpu").RAM+m.Plan("gpu").VRAM)
			for name, task := range m.Tasks {
				require.Equal(
					t,
					false,
					task.Parameters["additionalProperties"],
					"no parameter of %s is taken and ignored",
					name,
				)
				total := 0.0
				for _, phase := range task.Phases {
					total += phase.Weight
				}
				require.InDelta(t, 1, total, 0.001, "the phases of %s share one bar", name)
				require.NotEmpty(t, task.Outputs)
			}
		})
	}
}

// An example is Kontext: it has no files at its maker's API, and can be installed here.
func TestAModelOfTwoEnginesHasOneOfThemFirst(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a": "models: [{id: twin, priority: 1}]",
		"b": `models: [{id: twin, priority: 2, variants: [` +
			`{id: Q4, parts: {w: {repo: maker/twin, patterns: ["*"]}}}]}]`,
		"c": "models: [{id: twin, priority: 3}]",
	} {
		manifest := "id: " + name + "\nquality: final\ntasks: {image.edit: {priority: " + fmt.Sprint(name[0]) +
			", parameters: {type: object}, phases: [{name: p, weight: 1}]}}\n" + text + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(manifest), 0o600))
	}
	c, err := Load(dir)
	require.NoError(t, err)
	m, model, ok := c.Model("twin")
	require.True(t, ok)
	require.Equal(t, ID("b"), m.ID)
	require.True(t, model.NeedsFiles())
}

// speech has a Brazilian pack, a general model and an English one.
const speech = `id: chatterbox
quality: final
languages: [pt-BR, pt, en, de]
models:
  - {id: brazil, default: true, languages: [pt-BR], variants: [{id: fp32, parts: {t3: {repo: a/b, patterns: ["*"]}}}]}
  - {id: general, languages: [pt, en, de], variants: [{id: fp32, parts: {t3: {repo: a/b, patterns: ["*"]}}}]}
  - {id: english, languages: [en], for: {scale: 4}, variants: [{id: fp32, parts: {t3: {repo: a/b, patterns: ["*"]}}}]}
tasks: {audio.speech: {parameters: {type: object}, phases: [{name: p, weight: 1}]}}
`

func TestTheModelIsChosenByLanguageParametersAndWhatIsInstalled(t *testing.T) {
	for _, c := range []struct {
		language  string
		params    map[string]any
		installed []string
		want      string // "" is not installed
	}{
		{"pt-BR", nil, []string{"brazil", "general", "english"}, "brazil"},
		{"pt-BR", nil, []string{"general", "english"}, "general"},
		{"pt-BR", nil, []string{"english"}, ""},
		{"pt", nil, []string{"brazil", "general"}, "general"},
		{"pt", nil, []string{"brazil"}, "brazil"},
		{"en-GB", map[string]any{"scale": 4.0}, []string{"brazil", "general", "english"}, "english"},
		{"en", nil, []string{"brazil", "general"}, "general"},
		{"", nil, []string{"english", "brazil"}, "brazil"},
		{"", nil, []string{"english"}, "english"},
		{"xx", nil, []string{"general"}, "general"}, // none speaks it: the refusal is about the language
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "speech.yaml"), []byte(speech), 0o600))
		catalogue, err := Load(dir)
		require.NoError(t, err)
		catalogue.Variants = func(model string) []string {
			if slices.Contains(c.installed, model) {
				return []string{"fp32"}
			}
			return nil
		}
		got, err := catalogue.Choose(
			Choice{Task: "audio.speech", Quality: Final, Language: c.language, Params: c.params},
		)
		if c.want == "" {
			var missing *NotInstalledError
			require.ErrorAs(t, err, &missing)
			require.Contains(t, missing.How.String(), "apibr models install brazil")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got.Model, "%s with %v", c.language, c.installed)
	}
}

// The maker's API takes no mask, so a request with one is for the engine here.
func TestAnEngineWithoutAnInputIsPassedOver(t *testing.T) {
	const manifest = "id: %[1]s\nquality: final\nmodels: [{id: flux-kontext, priority: %[3]d}]\n" +
		"tasks: {image.edit: {priority: %[3]d, parameters: {type: object}, inputs: [%[2]s], phases: [{name: p, " +
		"weight: 1}]}}\n"
	dir := t.TempDir()
	require.NoError(
		t,
		os.WriteFile(filepath.Join(dir, "bfl.yaml"), fmt.Appendf(nil, manifest, "bfl", "{name: image}", 1), 0o600),
	)
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(dir, "flux.yaml"),
			fmt.Appendf(nil, manifest, "flux", "{name: image}, {name: mask}", 2),
			0o600,
		),
	)
	c, err := Load(dir)
	require.NoError(t, err)
	for inputs, want := range map[string]ID{"image": "bfl", "image mask": "flux", "image voice": "bfl"} {
		got, err := c.Choose(Choice{Task: "image.edit", Model: "flux-kontext", Inputs: strings.Fields(inputs)})
		require.NoError(t, err)
		require.Equal(t, want, got.Manifest.ID, inputs)
	}
}

// The models that ship, with all files there.
func TestTheRealModelsAreChosenByTaskLanguageAndParameters(t *testing.T) {
	c, err := Load("../../pyworkers")
	require.NoError(t, err)
	c.Variants = func(string) []string { return []string{"any"} }
	choose := func(task, model, language string, params map[string]any, inputs ...string) (string, error) {
		got, err := c.Choose(
			Choice{Task: task, Quality: Final, Model: model, Language: language, Params: params, Inputs: inputs},
		)
		return got.Model, err
	}
	for scale, want := range map[float64]string{2: "realesrgan-x2", 4: "realesrgan-x4"} {
		got, err := choose("image.upscale", "", "", map[string]any{"scale": scale}, "image")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for language, want := range map[string]string{"pt-BR": "chatterbox-pt-br", "pt": "chatterbox", "de": "chatterbox"} {
		got, err := choose("audio.speech", "", language, nil)
		require.NoError(t, err)
		require.Equal(t, want, got, language)
	}

	var mute *LanguageError
	_, err = choose("audio.speech", "chatterbox-pt-br", "de", nil)
	require.ErrorAs(t, err, &mute)
	require.Equal(
		t,
		"model chatterbox-pt-br does not speak de; it speaks pt-BR: choose the model chatterbox",
		mute.Error(),
	)
	_, err = choose("audio.speech", "chatterbox", "tlh", nil)
	require.ErrorAs(t, err, &mute)
	require.Empty(t, mute.Others)

	strength := map[string]any{"strength": 0.5}
	var idle *IdleParameterError
	for _, refused := range [][]string{{"flux-dev"}, {"sd3.5-large"}, {"flux-kontext"}, {"flux-kontext", "image"}} {
		_, err = choose("image.generate", refused[0], "", strength, refused[1:]...)
		require.ErrorAs(t, err, &idle, refused)
		require.Equal(t, "strength", idle.Parameter)
	}
	for _, taken := range [][]string{{"flux-dev", "image"}, {"sd3.5-large", "image"}} {
		_, err = choose("image.generate", taken[0], "", strength, taken[1:]...)
		require.NoError(t, err, taken)
	}
	_, err = choose("image.edit", "flux-kontext", "", strength, "image", "mask")
	require.NoError(t, err)
}

// The order of the contract for flux-kontext: its maker's API when a key is set, this computer, and FLUX.1 [dev] where
// there is no image.
func TestKontextIsEditedByEachOfItsThreeEngines(t *testing.T) {
	c, err := Load("../../pyworkers")
	require.NoError(t, err)
	var installed []string
	c.Variants = func(model string) []string {
		if slices.Contains(installed, model) {
			return []string{"Q4_K_S"}
		}
		return nil
	}
	wanted := Choice{Task: "image.generate", Model: "flux-kontext", Quality: Final}
	_, err = c.Choose(wanted)
	require.ErrorContains(t, err, "apibr models install flux-kontext")

	installed = []string{"flux-dev"}
	got, err := c.Choose(wanted)
	require.NoError(t, err)
	require.Equal(t, "flux-dev", got.Model)
	require.Equal(t, "model_substituted", got.Warnings[0].Code)
	withImage := wanted
	withImage.Inputs = []string{"image"}
	_, err = c.Choose(withImage)
	require.ErrorContains(t, err, "apibr models install flux-kontext", "only Kontext looks at an image")

	installed = append(installed, "flux-kontext")
	got, err = c.Choose(wanted)
	require.NoError(t, err)
	require.Equal(t, "flux-kontext", got.Model)
	require.Empty(t, got.Warnings)

	c.Settings = map[ID]map[string]any{"bfl": {"key": "k"}}
	got, err = c.Choose(wanted)
	require.NoError(t, err)
	require.Equal(t, ID("bfl"), got.Manifest.ID)
}
