package httpapi

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/apibr/studio/pyworkers"
)

// engineTranslations: what the engines say, from the file beside them. A test of theirs finds each sentence that is missing there.
var engineTranslations = sync.OnceValue(pyworkers.Sentences)

var place = regexp.MustCompile(`\{(\d*)\}`)

// engineSentences are the engines' sentences as formats, like those of this package.
var engineSentences = sync.OnceValue(func() map[string]string {
	formats := map[string]string{}
	for english, translated := range engineTranslations().Sentences {
		formats[asFormat(english)] = asFormat(translated)
	}
	return formats
})

// asFormat turns the places of a template, {} or {0}, into verbs, %s or %[1]s. A template has no percent sign.
func asFormat(template string) string {
	return place.ReplaceAllStringFunc(template, func(found string) string {
		number, err := strconv.Atoi(strings.Trim(found, "{}"))
		if err != nil {
			return "%s"
		}
		return "%[" + strconv.Itoa(number+1) + "]s"
	})
}

// filledIn is what was filled into a sentence: in Portuguese if an engine filled in words of its own or a whole sentence, else as it is.
func filledIn(part string) string {
	if translated, ok := engineTranslations().Phrases[part]; ok {
		return translated
	}
	if !strings.Contains(part, " ") {
		return part
	}
	if translated, ok := engineSentences()[part]; ok {
		return translated
	}
	for _, p := range patterns() {
		if !p.ofEngine {
			continue
		}
		if translated, ok := p.translate(part); ok {
			return translated
		}
	}
	return part
}
