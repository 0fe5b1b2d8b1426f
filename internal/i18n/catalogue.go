package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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
// A source that Beside made has them elsewhere. Later sources add languages and keys to earlier ones; nil sources are
// left out.
//
// It fails with the name of the file when the file's language is not a language tag, when the file does not hold such
// an object, when a translation has other verbs than its key, and when a key has two different translations.
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

// Beside is a source whose translations lie beside the code that says them: a tree in which any folder may have files
// named sentences.<language>.json.
func Beside(dir string) fs.FS { return beside{os.DirFS(dir), dir} }

type beside struct {
	fs.FS
	dir string
}

func (b beside) files() (files []string, err error) {
	err = fs.WalkDir(b, ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != "." {
			return fs.SkipDir // an environment of Python may lie there
		}
		if err == nil && !entry.IsDir() && besideLanguage(file) != "" {
			files = append(files, file)
		}
		return err
	})
	return files, err
}

// besideLanguage is the language in the name of a file that Beside finds; "" for other files.
func besideLanguage(file string) string {
	name, ok := strings.CutPrefix(path.Base(file), "sentences.")
	if !ok {
		return ""
	}
	name, ok = strings.CutSuffix(name, ".json")
	if !ok {
		return ""
	}
	return name
}

func (c *Catalogue) read(source fs.FS) error {
	list := func() ([]string, error) { return fs.Glob(source, "*/*.json") }
	tagOf, shown := path.Dir, func(file string) string { return file }
	if tree, ok := source.(beside); ok {
		list, tagOf = tree.files, besideLanguage
		shown = func(file string) string { return filepath.Join(tree.dir, file) }
	}
	files, err := list()
	if err != nil {
		return fmt.Errorf("i18n: list the translations: %w", err)
	}
	for _, file := range files {
		data, err := fs.ReadFile(source, file)
		if err != nil {
			return fmt.Errorf("i18n: %w", err)
		}
		if err := c.readFile(tagOf(file), shown(file), data); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalogue) readFile(tag, name string, data []byte) error {
	parsed, err := language.Parse(tag)
	if err != nil {
		return fmt.Errorf("i18n: %s: %q is not a language: %w", name, tag, err)
	}
	var keys map[string]string
	if err := json.Unmarshal(data, &keys); err != nil {
		return fmt.Errorf("i18n: %s: %w", name, err)
	}
	return c.add(parsed, name, keys)
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
		if !slices.Equal(verbsOf(key), verbsOf(translation)) {
			return fmt.Errorf("i18n: %s: %q has other verbs than its key %q", file, translation, key)
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

// Knows says whether a key is one of the studio's or of its engines', which a translation into any language shows. A
// language that lacks the key says it in English, and takes nothing from the others.
func (c *Catalogue) Knows(key string) bool {
	for _, keys := range c.translations {
		if _, ok := keys[key]; ok {
			return true
		}
	}
	return false
}

// Takes says whether a sentence from outside, such as a sidecar's, can be said: its key and those of the sentences in
// it are known, and the arguments are those that the verbs ask for.
func (c *Catalogue) Takes(s Sentence) bool { return s.fits() && c.knowsAll(s) }

// fits says whether the arguments of a sentence, and of those in it, are those that the verbs of its key ask for. The
// verbatim key, lists and texts in several languages do not fit: only the studio itself makes them.
func (s Sentence) fits() bool {
	if s.Empty() || s.Key == verbatim {
		return false
	}
	places := map[int]bool{}
	for _, v := range verbsOf(s.Key) {
		if v.argument >= len(s.Args) || !v.prints(s.Args[v.argument]) {
			return false
		}
		places[v.argument] = true
	}
	if len(places) != len(s.Args) {
		return false
	}
	for _, arg := range s.Args {
		switch arg := arg.(type) {
		case string, int64, float64:
		case Sentence:
			if !arg.fits() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// Render makes the text of a sentence in a language, for a reader of the API; English where there is no translation.
func (c *Catalogue) Render(tag language.Tag, s Sentence) string {
	return c.render(Reader{Language: tag}, s)
}

func (c *Catalogue) render(r Reader, s Sentence) string {
	if s.Empty() {
		return ""
	}
	args := make([]any, len(s.Args))
	for i, arg := range s.Args {
		args[i] = c.rendered(r, arg)
	}
	return message.NewPrinter(r.Language, message.Catalog(c.built)).Sprintf(s.Key, args...)
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
