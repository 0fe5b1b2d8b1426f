package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const says = "tasks: {audio.speech: {priority: %d, parameters: {type: object, properties: {text: {}, %s: {}}}, " +
	"phases: [{name: p, weight: 1}]}}\n"

// speakers are an engine with voices of its own, one that clones voices, and a draft engine.
func speakers(t *testing.T, installed ...string) *Catalogue {
	t.Helper()
	c, err := Load(write(t, map[string]string{
		"own": "id: own\nquality: final\nbuiltin_voices: v.yaml\nown_voices_only: true\nevery_quality: true\n" +
			"languages: [pt-BR, en]\nmodels: [{id: own-82m, parts: {w: {import: true}}}]\n" +
			fmt.Sprintf(says, 1, "speed"),
		"clone": "id: clone\nquality: final\nlanguages: [pt-BR, en, de]\n" +
			"models: [{id: clone-m, parts: {w: {import: true}}}]\n" +
			fmt.Sprintf(says, 2, "cfg"),
		"sketch": "id: sketch\nquality: draft\nlanguages: [pt-BR, en, de, ja]\n" +
			"models: [{id: sketch, borrows: [own-82m]}]\n" +
			fmt.Sprintf(says, 1, "speed"),
	}))
	require.NoError(t, err)
	c.Variants = func(model string) []string {
		if slices.Contains(installed, model) {
			return []string{"v"}
		}
		return nil
	}
	return c
}

var dora, alex, mine = Voice{Name: "Dora", Owner: "own"}, Voice{Name: "Alex", Owner: "own"}, Voice{Name: "Minha Voz"}

// Each promise about who speaks holds for every kind of voice, quality, set of installed models, language and model.
func TestWhoSpeaksAVoice(t *testing.T) {
	voices := map[string][]Voice{"none": nil, "built-in": {dora}, "two built-in": {dora, alex}, "cloned": {mine},
		"mixed": {dora, mine}}
	for kind, of := range voices {
		for _, quality := range []string{"", Draft, Final} {
			for _, installed := range [][]string{nil, {"own-82m"}, {"clone-m"}, {"own-82m", "clone-m"}} {
				for _, language := range []string{"", "pt-BR", "en-US", "de", "ja"} {
					for _, model := range []string{"", "own-82m", "clone-m", "sketch"} {
						req := Choice{
							Task: "audio.speech", Quality: quality, Model: model, Language: language, Voices: of,
						}
						name := fmt.Sprintf("%s, %q, %v, %q, %q", kind, quality, installed, language, model)
						got, err := speakersFor(t, installed).Choose(req)
						promised(t, name, kind, req, installed, got, err)
					}
				}
			}
		}
	}
}

var speakerSets = map[string]*Catalogue{}

func speakersFor(t *testing.T, installed []string) *Catalogue {
	key := fmt.Sprint(installed)
	if speakerSets[key] == nil {
		speakerSets[key] = speakers(t, installed...)
	}
	return speakerSets[key]
}

func promised(t *testing.T, name, kind string, req Choice, installed []string, got Selection, err error) {
	t.Helper()
	own, natural := slices.Contains(installed, "own-82m"), kind == "built-in" || kind == "two built-in"
	clones, spoken := slices.Contains(installed, "clone-m"), req.Language != "de" && req.Language != "ja"
	free := req.Model == "" || req.Model == "own-82m"
	var language *LanguageError
	var voice *VoiceError
	var missing *NotInstalledError
	switch {
	case natural && free && spoken && own:
		require.NoError(t, err, name)
		require.Equal(t, ID("own"), got.Manifest.ID, name)
		require.Equal(t, Final, got.Manifest.Quality, name)
		require.Empty(t, got.Warnings, name)
	case natural && free && spoken && req.Quality == Final:
		require.ErrorAs(t, err, &missing, name)
		require.Equal(t, ID("own"), missing.Engine, name)
	case natural && free && spoken:
		require.NoError(t, err, name)
		require.Equal(t, Draft, got.Manifest.Quality, name)
		require.Equal(t, []string{CodeNaturalVoiceMissing}, codes(got), name)
		require.Contains(t, got.Warnings[0].Message.String(), "`apibr models install own-82m`", name)
	case natural && free && (req.Quality == Final || req.Model != ""):
		require.ErrorAs(t, err, &language, name)
	case natural && free:
		require.NoError(t, err, name)
		require.Equal(t, CodeVoiceLanguage, codes(got)[0], name)
		require.NotEqual(t, ID("own"), got.Manifest.ID, name)
	case req.Model == "own-82m" && kind == "none" && !spoken:
		require.ErrorAs(t, err, &language, name)
	case req.Model == "own-82m":
		require.ErrorAs(t, err, &voice, name)
	case err == nil:
		require.NotEqual(t, ID("own"), got.Manifest.ID, "%s: others never speak a cloned voice", name)
		if kind == "mixed" && req.Quality == "" && req.Model == "" {
			require.Equal(t, Draft, got.Manifest.Quality, name)
			require.Equal(t, []string{CodeMixedVoices}, codes(got), name)
		} else if kind == "cloned" && req.Quality != Draft && req.Model != "sketch" && clones && req.Language != "ja" {
			require.Equal(t, ID("clone"), got.Manifest.ID, name)
		}
		if req.Quality != "" {
			require.Equal(t, req.Quality, got.Manifest.Quality, name)
		}
		if req.Model == "clone-m" && clones && req.Quality != Draft {
			require.Equal(t, "clone-m", got.Model, "%s: the model that was asked for wins", name)
		}
	default:
		var none *UnknownTaskError
		refused := errors.As(err, &missing) || errors.As(err, &language) ||
			errors.As(err, &none) && req.Model == "sketch" && req.Quality == Final
		require.True(t, refused, "%s: %v", name, err)
	}
}

func codes(s Selection) (list []string) {
	for _, w := range s.Warnings {
		list = append(list, w.Code)
	}
	return list
}

func TestARefusedLanguageNamesTheModelsThatSpeakIt(t *testing.T) {
	e := &LanguageError{Model: "own-82m", Language: "de", Speaks: []string{"pt-BR", "en"},
		Others: []string{"clone-m", "sketch"}}
	require.Equal(t, "model own-82m does not speak de; it speaks pt-BR, en: choose the model clone-m or sketch",
		e.Error())
}

func TestModelsThatHonourAParameter(t *testing.T) {
	c := speakers(t)
	require.Equal(t, []string{"clone-m"}, c.Honouring("audio.speech", "cfg"))
	require.Equal(t, []string{"own-82m", "sketch"}, c.Honouring("audio.speech", "speed"))
	require.Empty(t, c.Honouring("audio.speech", "colour"))
}
