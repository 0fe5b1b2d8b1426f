package i18n_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// say is i18n.Say for keys that exist in tests only.
var say = i18n.Say

var german = fstest.MapFS{"de/studio.json": {Data: []byte(`{
	"%s is full: %d of %d": "%[1]s ist voll: %[2]d von %[3]d",
	"%d of %d in %s": "in %[3]s: %[1]d von %[2]d",
	"the sample is %.1f s long": "die Probe ist %.1f s lang",
	"the disk": "die Platte",
	"cannot: %s": "geht nicht: %s",
	"no voice %q": "keine Stimme %q",
	"%s and %s": "%s und %s",
	"100%% of %s": "100 %% von %s"
}`)}}

func load(t *testing.T, sources ...fs.FS) *i18n.Catalogue {
	t.Helper()
	c, err := i18n.Load(sources...)
	require.NoError(t, err)
	return c
}

// A new language is one folder: nothing in the code names it.
func TestALanguageIsAFolder(t *testing.T) {
	c := load(t, i18n.Embedded(), german)
	require.Equal(t, []language.Tag{language.English, language.German, language.BrazilianPortuguese}, c.Languages())
	require.Equal(t, "die Probe ist 1,5 s lang", c.Render(language.German, say("the sample is %.1f s long", 1.52)))
	require.Equal(t, "the sample is 1.5 s long", c.Render(language.English, say("the sample is %.1f s long", 1.52)))
	require.Equal(t, "only English", c.Render(language.German, say("only English")))

	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(load(t, i18n.Embedded())) })
	require.Equal(t, language.German, i18n.Accepted("de-AT, pt;q=0.5"))
	require.Equal(t, "die Platte", say("the disk").In(language.German))
}

func TestArgumentsAreRenderedInTheLanguage(t *testing.T) {
	c := load(t, german)
	for _, test := range []struct {
		sentence        i18n.Sentence
		english, german string
	}{
		{say("%s is full: %d of %d", say("the disk"), 1024, 2048), "the disk is full: 1024 of 2048",
			"die Platte ist voll: 1024 von 2048"},
		{say("%d of %d in %s", 1, uint8(2), "x"), "1 of 2 in x", "in x: 1 von 2"},
		{say("cannot: %s", i18n.Text{"en": "too big", "de": "zu groß"}), "cannot: too big", "geht nicht: zu groß"},
		{say("cannot: %s", i18n.And("a", "b", "c")), "cannot: a, b and c", "geht nicht: a, b und c"},
		{say("cannot: %s", i18n.And(say("the disk"), say("the disk"))), "cannot: the disk and the disk",
			"geht nicht: die Platte und die Platte"},
		{say("cannot: %s", i18n.Commas(1.5, 2)), "cannot: 1.5, 2", "geht nicht: 1,5, 2"},
		{say("cannot: %s", i18n.And("alone")), "cannot: alone", "geht nicht: alone"},
		{say("cannot: %s", i18n.And[string]()), "cannot: ", "geht nicht: "},
		{say("cannot: %s", i18n.NewError("the disk")), "cannot: the disk", "geht nicht: die Platte"},
		{say("cannot: %s", fmt.Errorf("open: %w", i18n.NewError("the disk"))), "cannot: the disk",
			"geht nicht: die Platte"},
		{say("cannot: %s", errors.New("EOF")), "cannot: EOF", "geht nicht: EOF"},
		{say("cannot: %s", 90*time.Second), "cannot: 1m30s", "geht nicht: 1m30s"},
		{say("no voice %q", "100% Ana\n"), `no voice "100% Ana\n"`, `keine Stimme "100% Ana\n"`},
		{say("100%% of %s", "%d"), "100% of %d", "100 % von %d"},
		{i18n.Plain("%d of 100%"), "%d of 100%", "%d of 100%"},
		{i18n.Plain("the disk"), "the disk", "the disk"}, // a user's words are not a key
		{i18n.Sentence{}, "", ""},
	} {
		require.Equal(t, test.english, c.Render(language.English, test.sentence))
		require.Equal(t, test.german, c.Render(language.German, test.sentence))

		stored, err := json.Marshal(test.sentence)
		require.NoError(t, err)
		var read i18n.Sentence
		require.NoError(t, json.Unmarshal(stored, &read), string(stored))
		require.Equal(t, test.german, c.Render(language.German, read), "after it was stored as %s", stored)
		require.Equal(t, test.english, c.Render(language.English, read))
	}
}

// What a sentence points at is named as the reader's door names it, also after the sentence was stored.
func TestASentenceNamesWhatItsReaderCanUse(t *testing.T) {
	inner := say("the sample is in %s", i18n.See{Route: "GET /voices", Command: "apibr voices"})
	s := say("cannot: %s", i18n.And[any](inner, i18n.See{Route: "GET /readyz"}))
	stored, err := json.Marshal(s)
	require.NoError(t, err)
	var read i18n.Sentence
	require.NoError(t, json.Unmarshal(stored, &read), string(stored))
	for _, s := range []i18n.Sentence{s, read} {
		require.Equal(t, "cannot: the sample is in GET /voices and GET /readyz", s.String())
		require.Equal(t, "cannot: the sample is in `apibr voices` and GET /readyz",
			s.For(i18n.Reader{Language: language.English, Door: i18n.CLI}))
		require.Equal(t, s.String(), s.For(i18n.Reader{Language: language.English, Door: "unknown"}))
	}
}

func TestAWholeNumberKeepsItsVerbWhenStored(t *testing.T) {
	stored, err := json.Marshal(say("the sample is %.1f s long", 3.0))
	require.NoError(t, err)
	var read i18n.Sentence
	require.NoError(t, json.Unmarshal(stored, &read))
	require.Equal(t, "die Probe ist 3,0 s lang", load(t, german).Render(language.German, read))
}

func TestAnErrorKeepsItsSentenceWhenWrapped(t *testing.T) {
	sentinel := i18n.NewError("the disk")
	wrapped := fmt.Errorf("store: %w", sentinel)
	require.ErrorIs(t, wrapped, sentinel)
	s, ok := i18n.Of(wrapped)
	require.True(t, ok)
	require.Equal(t, "the disk", s.String())
	_, ok = i18n.Of(errors.New("EOF"))
	require.False(t, ok)
	require.Equal(t, "EOF", i18n.For(errors.New("EOF")).In(language.BrazilianPortuguese))
}

func TestBadTranslationsAreRefused(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"not a language": {"no-such-language-x/a.json": {Data: []byte(`{}`)}},
		"a.json":         {"de/a.json": {Data: []byte(`[]`)}},
		`"x" has another translation elsewh`: {"de/a.json": {Data: []byte(`{"x":"y"}`)},
			"de/b.json": {Data: []byte(`{"x":"z"}`)}},
	} {
		_, err := i18n.Load(files)
		require.ErrorContains(t, err, name)
	}
	for _, text := range []string{
		`7`, `{"key":"x","args":[null]}`, `{"key":"x","args":[{"list":[true]}]}`, `{"key":"x","args":[{"en":1}]}`,
	} {
		var s i18n.Sentence
		require.Error(t, json.Unmarshal([]byte(text), &s), text)
	}
}

func TestTheLanguageOfACaller(t *testing.T) {
	for header, want := range map[string]language.Tag{
		"": language.English, "*": language.English, "pt-BR,pt;q=0.9,en;q=0.8": language.BrazilianPortuguese,
		"pt-PT": language.BrazilianPortuguese,
		"pt":    language.BrazilianPortuguese, "en-GB, pt": language.English,
		"fr, pt;q=0.5": language.BrazilianPortuguese,
		"es":           language.English,
		"ja":           language.English, "en;q=0.1, pt-BR;q=0.9": language.BrazilianPortuguese,
		";;;": language.English,
	} {
		require.Equal(t, want, i18n.Accepted(header), header)
	}
	for _, test := range []struct {
		environment map[string]string
		want        language.Tag
	}{
		{map[string]string{}, language.English},
		{map[string]string{"LANG": "pt_BR.UTF-8"}, language.BrazilianPortuguese},
		{map[string]string{"LANG": "pt_BR.UTF-8", "LC_ALL": "C"}, language.English},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_BR"}, language.BrazilianPortuguese},
		{map[string]string{"LANG": "en_US.UTF-8", "LANGUAGE": "pt_BR:en"}, language.BrazilianPortuguese},
		{map[string]string{"LANG": "C.UTF-8", "LANGUAGE": "pt_BR"}, language.English},
		{map[string]string{"LANG": "de_DE@euro", "LANGUAGE": ""}, language.English},
		{map[string]string{"LANG": "***"}, language.English},
	} {
		got := i18n.FromEnvironment(func(name string) string { return test.environment[name] })
		require.Equal(t, test.want, got, "%v", test.environment)
	}
}
