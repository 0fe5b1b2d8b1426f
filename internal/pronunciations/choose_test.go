package pronunciations

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func entry(word, say, language string, project bool) *Entry {
	e := &Entry{Word: word, Say: say, Folded: fold(word)}
	if language != "" {
		e.Language = &language
	}
	if project {
		id := uuid.New()
		e.ProjectID = &id
	}
	return e
}

func TestWordsOfATextAreChosen(t *testing.T) {
	plain := []*Entry{entry("APIBR", "apê i bê erre", "", false)}
	for name, c := range map[string]struct {
		entries []*Entry
		text    Text
		want    []Said
	}{
		"a whole word, without regard to case": {plain, Text{"Bem-vindo ao Apibr!", "pt-BR"},
			[]Said{{"APIBR", "apê i bê erre"}}},
		"beside punctuation and in styled letters": {plain, Text{"(𝐀𝐏𝐈𝐁𝐑)", "pt-BR"},
			[]Said{{"APIBR", "apê i bê erre"}}},
		"not as a part of another word": {plain, Text{"APIBRASIL xAPIBR APIBR2 APIBR\u0301", "pt-BR"}, nil},
		"after a longer word that has it": {plain, Text{"APIBRASIL APIBR", "pt-BR"},
			[]Said{{"APIBR", "apê i bê erre"}}},
		"accents count": {[]*Entry{entry("avo", "a", "", false)}, Text{"avó", "pt"}, nil},
		"several words over a line's end": {[]*Entry{entry("New  York", "niu iórque", "", false)},
			Text{"em New\nYork", "pt"}, []Said{{"New  York", "niu iórque"}}},
		"a word that begins with a sign": {[]*Entry{entry(".NET", "dot net", "", false)}, Text{"o.NET", "pt"},
			[]Said{{".NET", "dot net"}}},
		"the project's before the user's": {
			[]*Entry{entry("X1", "a", "pt-BR", false), entry("X1", "b", "", true)}, Text{"x1", "pt-BR"},
			[]Said{{"X1", "b"}}},
		"the language's before that of all languages": {
			[]*Entry{entry("X1", "a", "", false), entry("X1", "b", "pt", false)}, Text{"x1", "pt-BR"},
			[]Said{{"X1", "b"}}},
		"not those of another language": {
			[]*Entry{entry("X1", "a", "en", false), entry("X1", "b", "pt-PT", false)}, Text{"x1", "pt-BR"}, nil},
		"a text whose region is not known": {[]*Entry{entry("X1", "a", "pt-BR", false)}, Text{"x1", "pt"},
			[]Said{{"X1", "a"}}},
		"the longest first": {
			[]*Entry{entry("B", "b", "", false), entry("AB", "ab", "", false), entry("A", "a", "", false)},
			Text{"A B AB", "pt"}, []Said{{"AB", "ab"}, {"A", "a"}, {"B", "b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, c.want, Choose(c.entries, []Text{c.text}))
			if len(c.want) > 0 {
				require.Equal(t, c.want, Choose(c.entries, []Text{{"nada", "pt"}, c.text}), "in their order")
			}
		})
	}
}

func TestAJobTakesNoMoreWordsThanAnEngineDoes(t *testing.T) {
	var many []*Entry
	text := ""
	for i := range MostChosen + 50 {
		word := uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(i), byte(i >> 8)}).String()
		many, text = append(many, entry(word, "x", "", false)), text+" "+word
	}
	require.Len(t, Choose(many, []Text{{text, "pt"}}), MostChosen)
}
