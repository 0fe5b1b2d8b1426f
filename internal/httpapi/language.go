package httpapi

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
)

// formatLanguage marks a field that holds a BCP 47 tag.
const formatLanguage = "language-tag"

// languageTag is a tag as BCP 47 writes it: pt_br is pt-BR.
func languageTag(text string) (tag string, ok bool) {
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

// brazilian are names of the studio's own language, and those of Portuguese as such, which is meant that way here.
var brazilian = []string{"Portuguese", "português", "Brazilian", "brasileiro", "Brazil", "Brasil", "Brazilian Portuguese", "português brasileiro", "ptbr", "pt-BR", "br"}

// languageNames are the languages that have names, by their names in English, in Portuguese and in themselves.
var languageNames = sync.OnceValues(func() (names []string, tags map[string]string) {
	tags = map[string]string{}
	add := func(name, tag string) {
		if _, taken := tags[name]; name != "" && !taken {
			tags[name] = tag
			names = append(names, name)
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
	return names, tags
})

// languageCalled is the tag of a language that a caller named in words, "" when there is none of such a name.
func languageCalled(name string) string {
	names, tags := languageNames()
	if found := slices.IndexFunc(names, func(known string) bool { return fold(known) == fold(name) }); found >= 0 {
		return tags[names[found]]
	}
	return tags[closest(name, names)]
}

// mostLanguages that a sentence lists.
const mostLanguages = 12

// checkLanguage refuses a language that the engine does not speak. A tag with a region that it lacks gets the language itself.
func checkLanguage(m *engine.Manifest, g generation, f *fields) error {
	wanted := f.str("language")
	if wanted == "" || len(m.Languages) == 0 {
		return nil
	}
	base, _, _ := strings.Cut(wanted, "-")
	for _, spoken := range m.Languages {
		if strings.EqualFold(spoken, wanted) || strings.EqualFold(spoken, base) {
			return nil
		}
	}
	var detail i18n.Sentence
	switch near := nearLanguage(wanted, m.Languages); {
	case near != "":
		detail = i18n.Say("engine %s does not speak %s; did you mean %s? GET /api/v1/engines lists what it speaks", m.ID, clip(wanted), near)
	case len(m.Languages) > mostLanguages:
		detail = i18n.Say("engine %s does not speak %s; GET /api/v1/engines lists the %d languages that it speaks", m.ID, clip(wanted), len(m.Languages))
	default:
		detail = i18n.Say("engine %s does not speak %s; it speaks %s", m.ID, clip(wanted), strings.Join(m.Languages, ", "))
	}
	return newProblem(422, "unsupported_language", i18n.Say("The engine does not speak the language"), detail, fieldProblem{pointer: "/language", detail: detail})
}

// nearLanguage is one of the languages that is near to the wanted one: another tag of the same, or what was mistaken for it.
func nearLanguage(wanted string, spoken []string) string {
	if named := languageCalled(wanted); slices.Contains(spoken, named) && named != "" {
		return named
	}
	var tags []language.Tag
	for _, one := range spoken {
		tags = append(tags, language.Make(one))
	}
	if _, at, sure := language.NewMatcher(tags).Match(language.Make(wanted)); sure == language.Exact {
		return spoken[at]
	}
	return ""
}

// unspoken is markup of which no voice says anything: comments, scripts, tags, footnotes and the addresses of links. The group is what SSML
// says instead of what is written.
var unspoken = regexp.MustCompile(strings.Join([]string{
	`<!--[\s\S]*?-->`, `<[!?][A-Za-z][^<>]*>`, `(?i:<script\b[^<>]*>[\s\S]*?</script\s*>)`, `(?i:<style\b[^<>]*>[\s\S]*?</style\s*>)`,
	`(?i:<sub\s+alias\s?=\s?["']([^"'<>]+)["']\s?>)`, `</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>`,
	`\[\^[^\[\]]*\]`, `(?m:^\s*\[[^\[\]^]+\]:\s*<?(?:https?://|mailto:|www\.|[/#])\S*.*$)`, `\]\([^()\s]*(?:\s+"[^"]*")?\)`,
}, "|"))

// ringed are letters in circles and squares, which voices read as letters and Unicode takes for signs.
var ringed = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x24b6, Hi: 0x24e9, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x1f130, Hi: 0x1f149, Stride: 1}, {Lo: 0x1f150, Hi: 0x1f169, Stride: 1}, {Lo: 0x1f170, Hi: 0x1f189, Stride: 1}},
}

// speakable refuses a text without a letter or digit outside of markup: a voice would have nothing to say.
func speakable(field, text string) error {
	words := strings.IndexFunc(unspoken.ReplaceAllString(html.UnescapeString(text), " $1 "), func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, ringed) }) >= 0
	if text == "" || words {
		return nil
	}
	return invalid(field, i18n.Say("there is nothing in the text that can be spoken: write words"))
}
