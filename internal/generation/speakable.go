package generation

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	"github.com/apibr/studio/internal/i18n"
)

// silent is markup that a voice does not read: comments, scripts, tags, footnotes and the addresses of links. The
// sidecars judge by the same cases (testdata/nothing_to_say.json). The group
// is what SSML reads instead of the text.
var silent = regexp.MustCompile(strings.Join([]string{
	`<!--[\s\S]*?-->`,
	`<[!?][A-Za-z][^<>]*>`,
	`(?i:<script\b[^<>]*>[\s\S]*?</script\s*>)`,
	`(?i:<style\b[^<>]*>[\s\S]*?</style\s*>)`,
	`(?i:<sub\s+alias\s?=\s?["']([^"'<>]+)["']\s?>)`,
	`</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>`,
	`(?m:^\s*(?:` + "`{3,}|~{3,})[^`~" + `\n]*$)`,
	`\x1b\[[0-9;?]*[A-Za-z]`,
	`\[\^[^\[\]]*\]`,
	`(?m:^\s*\[[^\[\]^]+\]:\s*<?(?:https?://|mailto:|www\.|[/#])\S*.*$)`,
	`\]\([^()\s]*(?:\s+"[^"]*")?\)`,
}, "|"))

// enclosed are letters in circles and squares, which voices read as letters and Unicode takes for signs.
var enclosed = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x24b6, Hi: 0x24e9, Stride: 1}},
	R32: []unicode.Range32{
		{Lo: 0x1f130, Hi: 0x1f149, Stride: 1}, {Lo: 0x1f150, Hi: 0x1f169, Stride: 1},
		{Lo: 0x1f170, Hi: 0x1f189, Stride: 1},
	},
}

// nothingToSay refuses a text without a letter or digit outside of markup. An empty text is not refused.
func nothingToSay(text string) i18n.Sentence {
	// Twice: "&amp;nbsp;" went through two programs.
	words := silent.ReplaceAllString(html.UnescapeString(html.UnescapeString(text)), " $1 ")
	if text == "" || strings.IndexFunc(words, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, enclosed)
	}) >= 0 {
		return i18n.Sentence{}
	}
	return i18n.Say("there is nothing in the text that can be spoken: write words")
}

// Speakable refuses a text in which a voice finds nothing to say.
func (r *Resolution) Speakable(field, text string) {
	if say := nothingToSay(text); !say.Empty() {
		r.Refuse(field, say)
	}
}
