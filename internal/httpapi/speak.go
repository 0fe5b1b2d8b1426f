package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// Sentences are written in English where they are made, in this package and in those that it serves. The catalogue holds each of them, as
// its format, with its Portuguese; a sentence that was made of a format is recognised by the words around what was filled in.

var catalogue = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for key, translation := range i18n.Default().Translations(language.BrazilianPortuguese) {
		all[key] = verb.ReplaceAllStringFunc(translation, textVerb)
	}
	return all
})

// textVerb makes %s of a verb, since what a pattern finds is text.
func textVerb(found string) string {
	if strings.HasSuffix(found, "%") {
		return found
	}
	place := ""
	if end := strings.IndexByte(found, ']'); end > 0 {
		place = found[1 : end+1]
	}
	return "%" + place + "s"
}

var verb = regexp.MustCompile(`%(\[\d+\])?[-+#0]*[\d.]*[a-zA-Z]`)

// pattern recognises sentences made of one format.
type pattern struct {
	words      int
	match      *regexp.Regexp
	portuguese string
}

// patterns are compiled when the first Portuguese sentence is wanted; those with the most words of their own come first.
var patterns = sync.OnceValue(func() []pattern {
	var list []pattern
	for format, translated := range catalogue() {
		places := verb.FindAllStringIndex(format, -1)
		if len(places) == 0 {
			continue
		}
		var expression strings.Builder
		expression.WriteString("(?s)^")
		at, words := 0, 0
		for _, place := range places {
			expression.WriteString(literally(format[at:place[0]]))
			expression.WriteString("(.*?)")
			words += place[0] - at
			at = place[1]
		}
		expression.WriteString(literally(format[at:]) + "$")
		list = append(list, pattern{words + len(format) - at, regexp.MustCompile(expression.String()), translated})
	}
	slices.SortFunc(list, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(b.words, a.words), cmp.Compare(a.portuguese, b.portuguese))
	})
	return list
})

// literally matches a part of a format that lies between verbs.
func literally(part string) string { return regexp.QuoteMeta(strings.ReplaceAll(part, "%%", "%")) }

// sentenceOf an error for the caller.
func sentenceOf(err error) i18n.Sentence {
	if s, ok := i18n.Of(err); ok {
		return s
	}
	return recognised(err.Error())
}

// recognised makes a sentence of a text that another package wrote in English.
func recognised(text string) i18n.Sentence {
	return i18n.Text{language.English.String(): text, language.BrazilianPortuguese.String(): inPortuguese(text)}.Sentence()
}

// recognisedIn does the same for one caller: a text is looked up only for those who do not read English.
func recognisedIn(ctx context.Context, text string) i18n.Sentence {
	if callerOf(ctx).reader.Language == language.English {
		return i18n.Plain(text)
	}
	return recognised(text)
}

// inPortuguese translates a sentence; one that is not known stays as it is.
func inPortuguese(text string) string {
	translated, _ := lookUp(text)
	return translated
}

func lookUp(text string) (translated string, known bool) {
	if translated, ok := catalogue()[text]; ok {
		return translated, true
	}
	for _, p := range patterns() {
		if translated, ok := p.translate(text); ok {
			return translated, true
		}
	}
	return text, false
}

func (p pattern) translate(text string) (translated string, matches bool) {
	found := p.match.FindStringSubmatch(text)
	if found == nil {
		return "", false
	}
	filled := make([]any, 0, len(found)-1)
	for _, part := range found[1:] {
		filled = append(filled, part)
	}
	return fmt.Sprintf(p.portuguese, filled...), true
}
