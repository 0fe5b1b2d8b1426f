package i18n_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// An engine brings its translations in its own folder.
func TestTranslationsLieBesideTheCode(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"engines/a/sentences.de.json":    `{"the disk of %s": "die Platte von %s"}`,
		"sentences.pt-BR.json":           `{"the disk of %s": "o disco de %s"}`,
		"engines/a/other.json":           `[]`,
		"engines/a/sentences.de.json.md": `not read`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	c := load(t, i18n.Beside(dir))
	require.Equal(t, []language.Tag{language.English, language.German, language.BrazilianPortuguese}, c.Languages())
	require.Equal(t, "die Platte von x", c.Render(language.German, say("the disk of %s", "x")))
	require.True(t, c.Knows("the disk of %s"))
}

func TestABadFileOfAnEngineIsNamed(t *testing.T) {
	for name, bad := range map[string]string{
		"sentences.de.json":   `{"a %s": "ein"}`,
		"sentences.pt.json":   `{"a %d": "um %s"}`,
		"sentences.fr.json":   `{"a": 1}`,
		"sentences.nots.json": `{`,
		"sentences.a-b-.json": `{}`,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o644))
		_, err := i18n.Load(i18n.Embedded(), i18n.Beside(dir))
		require.ErrorContains(t, err, path)
	}
	_, err := i18n.Load(i18n.Beside(filepath.Join(t.TempDir(), "gone")))
	require.Error(t, err)
}

func TestASentenceFromOutsideIsTakenIfItsKeyIsKnownAndItsArgumentsFit(t *testing.T) {
	c := load(t, fstest.MapFS{"de/a.json": {Data: []byte(`{"%s has %d": "%s hat %d", "alone": "allein",
		"%.1f s": "%.1f s", "%[2]s then %[1]s": "%[1]s nach %[2]s"}`)}})
	for _, s := range []i18n.Sentence{
		say("alone"), say("%s has %d", "x", 1), say("%s has %d", say("alone"), 1.0), say("%.1f s", 3),
		say("%[2]s then %[1]s", 1, "b"),
	} {
		require.True(t, c.Takes(s), s.Key)
	}
	for _, s := range []i18n.Sentence{
		{}, say("unknown"), i18n.Plain("alone"), {Key: "alone", Args: []any{"x"}}, {Key: "%s has %d", Args: []any{"x"}},
		{Key: "%s has %d", Args: []any{"x", "1"}}, {Key: "%s has %d", Args: []any{say("unknown"), int64(1)}},
		{Key: "%.1f s", Args: []any{say("alone")}}, {Key: "%s has %d", Args: []any{i18n.Text{"en": "x"}, int64(1)}},
		{Key: "%s has %d", Args: []any{i18n.And("a"), int64(1)}},
		{Key: "%s has %d", Args: []any{strings.Repeat("x", 9), int64(1), int64(2)}},
	} {
		require.False(t, c.Takes(s), "%v", s)
	}
}

// The studio starts with its own translations and those of its engines: what both say, they say alike.
func TestTheEnginesTranslationsAgreeWithTheStudios(t *testing.T) {
	c := load(t, i18n.Embedded(), i18n.Beside(filepath.Join("..", "..", "pyworkers", "apibr_worker")))
	require.True(t, c.Knows("the recording is empty: record again"))
}
