package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync/atomic"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

//go:embed locales
var embedded embed.FS

// Catalogue holds the translations of sentences. It is not changed after Load.
type Catalogue struct {
	// translations by language and key.
	translations map[language.Tag]map[string]string
	languages    []language.Tag
	matcher      language.Matcher
	built        *catalog.Builder
}

// Load reads translations from folders of languages: <language>/<area>.json, each an object from keys to translations.
// Later sources add languages and keys to earlier ones; nil sources are left out.
//
// It fails on a folder that is not a language tag, on a file that does not hold such an object, and on a key that has
// two different translations.
func Load(sources ...fs.FS) (*Catalogue, error) {
	c := &Catalogue{
		translations: map[language.Tag]map[string]string{},
		built:        catalog.NewBuilder(catalog.Fallback(language.English)),
	}
	for _, source := range sources {
		if source == nil {
			continue
		}
		if err := c.read(source); err != nil {
			return nil, err
		}
	}
	others := slices.SortedFunc(maps.Keys(c.translations), func(a, b language.Tag) int {
		return slices.Compare([]byte(a.String()), []byte(b.String()))
	})
	c.languages = append([]language.Tag{language.English}, others...)
	c.matcher = language.NewMatcher(c.languages)
	for tag, keys := range c.translations {
		for key, translation := range keys {
			if err := c.built.SetString(tag, key, translation); err != nil {
				return nil, fmt.Errorf("i18n: %s: %q: %w", tag, key, err)
			}
		}
	}
	return c, nil
}

func (c *Catalogue) read(source fs.FS) error {
	files, err := fs.Glob(source, "*/*.json")
	if err != nil {
		return fmt.Errorf("i18n: list the translations: %w", err)
	}
	for _, file := range files {
		tag, err := language.Parse(path.Dir(file))
		if err != nil {
			return fmt.Errorf("i18n: the folder of %s is not a language: %w", file, err)
		}
		data, err := fs.ReadFile(source, file)
		if err != nil {
			return fmt.Errorf("i18n: %w", err)
		}
		var keys map[string]string
		if err := json.Unmarshal(data, &keys); err != nil {
			return fmt.Errorf("i18n: %s: %w", file, err)
		}
		if err := c.add(tag, file, keys); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalogue) add(tag language.Tag, file string, keys map[string]string) error {
	known := c.translations[tag]
	if known == nil {
		known = map[string]string{}
		c.translations[tag] = known
	}
	for key, translation := range keys {
		if earlier, ok := known[key]; ok && earlier != translation {
			return fmt.Errorf("i18n: %s: %q has another translation elsewhere: %q", file, key, earlier)
		}
		known[key] = translation
	}
	return nil
}

// Languages returns the languages of sentences, English first.
func (c *Catalogue) Languages() []language.Tag { return slices.Clone(c.languages) }

// Translations returns the translations into a language by key.
func (c *Catalogue) Translations(tag language.Tag) map[string]string {
	return maps.Clone(c.translations[tag])
}

// Knows says whether a key has a translation in each language. Keys from outside, such as a sidecar's, are taken only
// if it does.
func (c *Catalogue) Knows(key string) bool {
	for _, keys := range c.translations {
		if _, ok := keys[key]; !ok {
			return false
		}
	}
	return true
}

// Render makes the text of a sentence in a language; English where there is no translation.
func (c *Catalogue) Render(tag language.Tag, s Sentence) string {
	if s.Empty() {
		return ""
	}
	args := make([]any, len(s.Args))
	for i, arg := range s.Args {
		args[i] = c.rendered(tag, arg)
	}
	return message.NewPrinter(tag, message.Catalog(c.built)).Sprintf(s.Key, args...)
}

// Embedded returns the translations that are compiled in, one folder a language.
func Embedded() fs.FS {
	locales, err := fs.Sub(embedded, "locales")
	if err != nil {
		panic(err) // "locales" is a valid path
	}
	return locales
}

var current atomic.Pointer[Catalogue]

// Default is what Sentence.In renders with: the translations compiled in, until SetDefault.
func Default() *Catalogue {
	if c := current.Load(); c != nil {
		return c
	}
	c, err := Load(Embedded())
	if err != nil {
		panic(err) // a test reads these files
	}
	current.CompareAndSwap(nil, c)
	return current.Load()
}

// SetDefault changes what Sentence.In renders with, as slog.SetDefault does for logs. The application calls it once,
// when it knows the engines' translations too.
func SetDefault(c *Catalogue) { current.Store(c) }
