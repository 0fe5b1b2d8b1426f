package pronunciations

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MostChosen is how many entries one job takes. Engines accept no more.
const MostChosen = 500

// Said is a word of a text and what is said instead.
type Said struct {
	Word string `json:"word"`
	Say  string `json:"say"`
}

// Text is what will be spoken in one language, a BCP 47 tag. "" is an unknown language.
type Text struct{ Text, Language string }

// Choose returns the entries whose words occur in the texts as whole words, without regard to case; the longest word
// comes first. An entry of a project goes before one of all projects, and then one of the text's language before one
// of all languages.
func Choose(entries []*Entry, texts []Text) []Said {
	best := map[string]*Entry{}
	for _, text := range texts {
		folded := fold(text.Text)
		for _, entry := range entries {
			if !entry.speaks(text.Language) || !occurs(entry.Folded, folded) {
				continue
			}
			if old := best[entry.Folded]; old == nil || entry.before(old) {
				best[entry.Folded] = entry
			}
		}
	}
	chosen := make([]Said, 0, len(best))
	for _, entry := range best {
		chosen = append(chosen, Said{entry.Word, entry.Say})
	}
	slices.SortFunc(chosen, func(a, b Said) int {
		return cmp.Or(
			cmp.Compare(utf8.RuneCountInString(b.Word), utf8.RuneCountInString(a.Word)), cmp.Compare(a.Word, b.Word),
		)
	})
	return chosen[:min(len(chosen), MostChosen)]
}

// before says whether an entry is chosen rather than another one of the same word.
func (e *Entry) before(other *Entry) bool {
	if (e.ProjectID != nil) != (other.ProjectID != nil) {
		return e.ProjectID != nil
	}
	return other.Language == nil && e.Language != nil
}

// speaks says whether the entry is for a text of a language: pt is for pt-BR too, and pt-BR is for a text in pt.
func (e *Entry) speaks(language string) bool {
	if e.Language == nil || language == "" {
		return e.Language == nil
	}
	own, text := strings.ToLower(*e.Language), strings.ToLower(language)
	return own == text || strings.HasPrefix(text, own+"-") || strings.HasPrefix(own, text+"-")
}

// fold is the form in which words are compared: NFKC, without case, with single spaces.
func fold(text string) string {
	return strings.Join(strings.Fields(cases.Fold().String(norm.NFKC.String(text))), " ")
}

// occurs says whether a text has a word that is not a part of a longer one. Both are folded.
func occurs(word, text string) bool {
	first, _ := utf8.DecodeRuneInString(word)
	last, _ := utf8.DecodeLastRuneInString(word)
	for at := 0; ; {
		next := strings.Index(text[at:], word)
		if next < 0 {
			return false
		}
		begin := at + next
		end := begin + len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:begin])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if (!inWord(first) || !inWord(before)) && (!inWord(last) || !inWord(after)) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[begin:])
		at = begin + size
	}
}

func inWord(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.M) }
