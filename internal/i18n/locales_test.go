package i18n_test

import (
	"encoding/json"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
)

// engines is the area of the engines' own sentences, whose keys are said in Python: their tests look for those.
const engines = "engines.json"

// Every sentence of the Go code has its translation in each language, and no translation is left over.
func TestEverySentenceIsTranslated(t *testing.T) {
	said := readSource(t, filepath.Join("..", "..")).find()
	require.Empty(t, said.unknown, "the key of a sentence is a constant, so that its translation can be found")
	for _, locale := range locales(t) {
		translated := map[string]string{}
		for file, keys := range locale.files {
			for key := range keys {
				require.Empty(t, translated[key], "%q is in two files of %s", key, locale.name)
				translated[key] = file
				if file != engines {
					require.NotEmpty(t, said.keys[key], "%s: nobody says %q", file, key)
				}
			}
		}
		var missing []string
		for key, places := range said.keys {
			if translated[key] == "" && hasWords(key) {
				missing = append(missing, places[0]+": "+strconv.Quote(key))
			}
		}
		slices.Sort(missing)
		require.Empty(t, missing, "sentences without %s", locale.name)
	}
}

// A translation has the verbs of its key, ends as it does, and names the same settings and commands.
func TestTranslationsFitTheirKeys(t *testing.T) {
	for _, locale := range locales(t) {
		for file, keys := range locale.files {
			for key, translation := range keys {
				require.Empty(t, misfits(key, translation), "%s: %q: %q", file, key, translation)
			}
		}
	}
	for key, translation := range map[string]string{
		"%d of %s":                "%s de %d",
		"%.1f s":                  "%.2f s",
		"the end":                 "o fim.",
		"run `apibr doctor`":      "rode apibr doctor",
		"raise media.max_seconds": "aumente os segundos",
		"twice":                   "duas  vezes",
		"none":                    "",
	} {
		require.NotEmpty(t, misfits(key, translation), key)
	}
	require.Empty(t, misfits("%s in %d: raise media.max_seconds", "%[2]d em %[1]s: aumente media.max_seconds"))
}

type locale struct {
	name  string
	files map[string]map[string]string
}

func locales(t *testing.T) (list []locale) {
	t.Helper()
	folders, err := fs.ReadDir(i18n.Embedded(), ".")
	require.NoError(t, err)
	for _, folder := range folders {
		l := locale{folder.Name(), map[string]map[string]string{}}
		files, err := fs.Glob(i18n.Embedded(), path.Join(folder.Name(), "*.json"))
		require.NoError(t, err)
		for _, file := range files {
			data, err := fs.ReadFile(i18n.Embedded(), file)
			require.NoError(t, err)
			var keys map[string]string
			require.NoError(t, json.Unmarshal(data, &keys), file)
			l.files[path.Base(file)] = keys
		}
		list = append(list, l)
	}
	require.NotEmpty(t, list)
	return list
}

var (
	verbs    = i18n.Verbs
	settings = regexp.MustCompile(`\b[a-z]+(?:[._][a-z]+)*[._][a-z_]+\b`)
	commands = regexp.MustCompile("`[^`]*`")
)

// hasWords says whether there is something to translate beside the values.
func hasWords(key string) bool {
	return regexp.MustCompile(`\pL`).MatchString(verbs.ReplaceAllString(key, ""))
}

// misfits lists how a translation differs from its key where it must not.
func misfits(key, translation string) (wrong []string) {
	if !i18n.SameVerbs(key, translation) {
		wrong = append(wrong, "other verbs")
	}
	if strings.TrimSpace(translation) == "" {
		wrong = append(wrong, "empty")
	}
	if ending(key) != ending(translation) {
		wrong = append(wrong, "another end")
	}
	if strings.Contains(translation, "  ") && !strings.Contains(key, "  ") {
		wrong = append(wrong, "two blanks")
	}
	if strings.Count(key, "`") != strings.Count(translation, "`") {
		wrong = append(wrong, "other backticks")
	}
	for _, name := range append(commands.FindAllString(key, -1), settings.FindAllString(key, -1)...) {
		if !strings.Contains(translation, name) {
			wrong = append(wrong, "without "+name)
		}
	}
	return wrong
}

func ending(text string) string {
	if text = strings.TrimSpace(text); text != "" && strings.ContainsAny(text[len(text)-1:], ".!?:;") {
		return text[len(text)-1:]
	}
	return ""
}
