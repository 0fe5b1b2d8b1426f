package generation

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// defaultLanguage of a voice whose request names none.
const defaultLanguage = "pt-BR"

// LanguageTag returns a tag as BCP 47 writes it: pt_br is pt-BR. It is not ok for a text that is not a tag.
func LanguageTag(text string) (tag string, ok bool) {
	text = strings.ReplaceAll(strings.TrimSpace(text), "_", "-")
	if _, err := language.Raw.Parse(text); err != nil {
		return text, false
	}
	parts := strings.Split(text, "-")
	for i, part := range parts {
		switch {
		case i > 0 && len(part) == 2:
			parts[i] = strings.ToUpper(part)
		case i > 0 && len(part) == 4:
			parts[i] = strings.ToUpper(part[:1]) + strings.ToLower(part[1:])
		default:
			parts[i] = strings.ToLower(part)
		}
	}
	return strings.Join(parts, "-"), true
}

// brazilian are names of the studio's first language. Names of Portuguese as such mean it too.
var brazilian = []string{
	"Portuguese", "português", "Brazilian", "brasileiro", "Brazil", "Brasil", "Brazilian Portuguese",
	"português brasileiro", "ptbr", "pt-BR", "br",
}

// languageNames are the names of languages in English, in Portuguese and in themselves, with the tag of each.
var languageNames = sync.OnceValues(func() (list []string, tags map[string]string) {
	tags = map[string]string{}
	add := func(name, tag string) {
		if _, taken := tags[name]; name != "" && !taken {
			tags[name] = tag
			list = append(list, name)
		}
	}
	for _, name := range brazilian {
		add(name, "pt-BR")
	}
	english, portuguese := display.English.Tags(), display.BrazilianPortuguese.Tags()
	for _, tag := range display.Supported.Tags() {
		add(english.Name(tag), tag.String())
		add(portuguese.Name(tag), tag.String())
		add(display.Self.Name(tag), tag.String())
	}
	return list, tags
})

// LanguageNamed returns the tag of a language that a person named in words, "" when no language has such a name.
func LanguageNamed(name string) string {
	list, tags := languageNames()
	same := func(known string) bool { return names.Fold(known) == names.Fold(name) }
	if found := slices.IndexFunc(list, same); found >= 0 {
		return tags[list[found]]
	}
	return tags[names.Closest(name, list)]
}

// mostLanguages that a sentence lists.
const mostLanguages = 12

// unspoken says that the engine does not speak a language; it is empty when it does. A tag with a region that the
// engine lacks gets the language without it.
func unspoken(m *engine.Manifest, wanted string) i18n.Sentence {
	if wanted == "" || len(m.Languages) == 0 {
		return i18n.Sentence{}
	}
	base, _, _ := strings.Cut(wanted, "-")
	for _, known := range m.Languages {
		if strings.EqualFold(known, wanted) || strings.EqualFold(known, base) {
			return i18n.Sentence{}
		}
	}
	switch near := nearLanguage(wanted, m.Languages); {
	case near != "":
		return i18n.Say("engine %s does not speak %s; did you mean %s? %s lists what it speaks",
			m.ID, names.Clip(wanted), near, seeEngines)
	case len(m.Languages) > mostLanguages:
		return i18n.Say("engine %s does not speak %s; %s lists the %d languages that it speaks",
			m.ID, names.Clip(wanted), seeEngines, len(m.Languages))
	default:
		return i18n.Say(
			"engine %s does not speak %s; it speaks %s", m.ID, names.Clip(wanted), i18n.Commas(m.Languages...),
		)
	}
}

// nearLanguage is another tag of the wanted language, or the one that was mistaken for it; "" when the engine has none.
func nearLanguage(wanted string, known []string) string {
	if named := LanguageNamed(wanted); slices.Contains(known, named) && named != "" {
		return named
	}
	var tags []language.Tag
	for _, one := range known {
		tags = append(tags, language.Make(one))
	}
	if _, at, sure := language.NewMatcher(tags).Match(language.Make(wanted)); sure == language.Exact {
		return known[at]
	}
	return ""
}
