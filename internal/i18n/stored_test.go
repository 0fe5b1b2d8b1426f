package i18n_test

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

func TestStoredSentencesAreReadBack(t *testing.T) {
	i18n.SetDefault(load(t, german))
	t.Cleanup(func() { i18n.SetDefault(load(t, i18n.Embedded())) })
	for _, sentence := range []i18n.Sentence{
		say("the disk"),
		say("%s is full: %d of %d", say("the disk"), 3, 4),
		say("cannot: %s", i18n.And(say("the disk"), say("no voice %q", "a\nb"))),
		i18n.Plain("Ana's own words, 100%"),
		i18n.Text{"en": "too big", "de": "zu groß"}.Sentence(),
		{},
	} {
		english, stored := sentence.Store()
		require.Equal(t, sentence.String(), english)
		read := i18n.Restore(english, stored)
		require.Equal(t, sentence, read)
		require.Equal(t, sentence.In(language.German), read.In(language.German))
	}
	_, stored := i18n.Plain("the same in each language").Store()
	require.Nil(t, stored, "the text says it all")
}

// Whatever lies beside the English text, the text is shown: what is read may come from another version or another hand.
func TestDamagedSentencesAreReadAsTheirEnglishText(t *testing.T) {
	i18n.SetDefault(load(t,
		fstest.MapFS{"de/x.json": {Data: []byte(`{"the disk": "die Platte", "cannot: %s": "geht nicht: %s",
		"no key of another hand": "kein fremder Schlüssel"}`)}}))
	t.Cleanup(func() { i18n.SetDefault(load(t, i18n.Embedded())) })
	const english = "the disk"
	for name, stored := range map[string]string{
		"missing":            ``,
		"null":               `null`,
		"not JSON":           `{"key":`,
		"not an object":      `["the disk"]`,
		"a key of no text":   `{"key": 7}`,
		"an unknown key":     `{"key": "the disc"}`,
		"a foreign format":   `{"key": "%1000000d%1000000d%1000000d", "args": [1, 2, 3]}`,
		"no arguments":       `{"key": "cannot: %s"}`,
		"another text":       `{"key": "no key of another hand"}`,
		"null as argument":   `{"key": "cannot: %s", "args": [null]}`,
		"a foreign argument": `{"key": "cannot: %s", "args": [{"key": "%1000000d", "args": [1]}]}`,
		"a foreign item":     `{"key": "cannot: %s", "args": [{"list": [{"key": "%1000000d", "args": [1]}]}]}`,
		"too long":           `{"key": "cannot: %s", "args": ["` + strings.Repeat("x", i18n.MaxStored) + `"]}`,
		"deep": strings.Repeat(`{"key": "cannot: %s", "args": [`, 300) + `"x"` +
			strings.Repeat(`]}`, 300),
	} {
		read := i18n.Restore(english, json.RawMessage(stored))
		require.Equal(t, i18n.Plain(english), read, name)
		require.Equal(t, english, read.In(language.German), name)
	}
}

func TestLongSentencesAreStoredAsTheirEnglishText(t *testing.T) {
	long := strings.Repeat("x", i18n.MaxStored)
	english, stored := say("cannot: %s", long).Store()
	require.Equal(t, fmt.Sprintf("cannot: %s", long), english)
	require.Nil(t, stored)
}

// A language that has few translations, such as one that somebody has begun, takes none from the others.
func TestALanguageThatLacksAKeyTakesItFromNoOther(t *testing.T) {
	c := load(t, german, fstest.MapFS{"es/a.json": {Data: []byte(`{"the disk": "el disco"}`)}})
	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(load(t, i18n.Embedded())) })
	sentence := say("%s is full: %d of %d", say("the disk"), 3, 4)
	read := i18n.Restore(sentence.Store())
	require.Equal(t, "die Platte ist voll: 3 von 4", read.In(language.German))
	require.Equal(t, "el disco is full: 3 of 4", read.In(language.Spanish))
	require.True(t, c.Takes(sentence), "of an engine too")
}
