package sidecar

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// knowsSamples adds translations of an engine to the studio's for one test.
func knowsSamples(t *testing.T) {
	t.Helper()
	before := i18n.Default()
	c, err := i18n.Load(i18n.Embedded(), fstest.MapFS{"pt-BR/samples.json": {Data: []byte(`{
		"the sample has %.1f s of %s": "a amostra tem %.1f s de %s",
		"clear speech": "fala clara",
		"the voice: %s": "a voz: %s"
	}`)}})
	require.NoError(t, err)
	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(before) })
}

// Errors, warnings and progress carry sentences, which are shown in the reader's language.
func TestASentenceOfAnEngineIsShownInTheReadersLanguage(t *testing.T) {
	knowsSamples(t)
	limits := Limits{}
	limits.setDefaults()
	const say = `{"key":"the sample has %.1f s of %s","args":[1.24,{"key":"clear speech"}]}`
	var failed frameError
	require.NoError(
		t,
		decode(
			json.RawMessage(`{"message":"x","data":{"code":"invalid_input","say":`+say+`}}`),
			i18n.Plain("it"),
			&failed,
			&limits,
		),
	)
	var step progressParams
	require.NoError(
		t,
		decode(json.RawMessage(`{"phase":"a","message":null,"say":`+say+`}`), i18n.Plain("it"), &step, &limits),
	)
	var result runResult
	require.NoError(t, decode(json.RawMessage(`{"metadata":{"n":1,"warnings":[{"code":"a","message":"x","say":`+say+`},
		{"code":"b","message":"only English"},{"code":"c"},{"message":"no code"},7]}}`),
		i18n.Plain("it"), &result, &limits))
	require.Equal(t, map[string]any{"n": 1.0}, result.Metadata)
	require.Len(t, result.warnings, 2)
	for _, s := range []i18n.Sentence{failed.engineError("a").Sentence(), step.said, result.warnings[0].Message} {
		require.Equal(t, "the sample has 1.2 s of clear speech", s.String())
		require.Equal(t, "a amostra tem 1,2 s de fala clara", s.In(language.BrazilianPortuguese))
	}
	require.Equal(t, "only English", result.warnings[1].Message.In(language.BrazilianPortuguese))
}

// A sentence that cannot be checked is not trusted: the English text is shown instead.
func TestUnusableSentenceFallsBackToTheEnglishText(t *testing.T) {
	knowsSamples(t)
	limits := Limits{Text: 200}
	limits.setDefaults()
	deep := `{"key":"clear speech"}`
	for range 40 {
		deep = `{"key":"the voice: %s","args":[` + deep + `]}`
	}
	for name, say := range map[string]string{
		"no sentence":         `null`,
		"a text":              `"clear speech"`,
		"an unknown key":      `{"key":"nobody translated this"}`,
		"no arguments":        `{"key":"the sample has %.1f s of %s"}`,
		"too many arguments":  `{"key":"clear speech","args":["x"]}`,
		"a text for a number": `{"key":"the sample has %.1f s of %s","args":["1.2","x"]}`,
		"an unknown phrase":   `{"key":"the voice: %s","args":[{"key":"x"}]}`,
		"a list":              `{"key":"the voice: %s","args":[["x"]]}`,
		"languages":           `{"key":"the voice: %s","args":[{"en":"x","pt-BR":"y"}]}`,
		"a huge number":       `{"key":"the sample has %.1f s of %s","args":[1e999,"x"]}`,
		"too long":            fmt.Sprintf(`{"key":"the voice: %%s","args":[%q]}`, strings.Repeat("x", 195)),
		"too large":           fmt.Sprintf(`{"key":"the voice: %%s","args":[%q]}`, strings.Repeat("x", 10_000)),
		"too deep":            deep,
	} {
		got := limits.sentence("the English text", json.RawMessage(say))
		require.Equal(t, i18n.Plain("the English text"), got, name)
	}
	require.True(t, limits.sentence("", nil).Empty())
	cleaned := limits.sentence(
		"x",
		json.RawMessage(`{"key":"the voice: %s","args":["/srv/private/a.bin \u0000\u202eb"]}`),
	)
	require.Equal(t, "the voice: "+userText("/srv/private/a.bin b", 200), cleaned.String())
}

// Sentences of the engines reach the reader unchanged: no part of them looks like a path or a key.
func TestEngineSentencesAreNotScrubbed(t *testing.T) {
	c, err := i18n.Load(i18n.Beside("../../pyworkers/apibr_worker"))
	require.NoError(t, err)
	keys := c.Translations(language.BrazilianPortuguese)
	require.Greater(t, len(keys), 150)
	for key := range keys {
		require.Equal(t, key, userText(key, 2000))
	}
}
