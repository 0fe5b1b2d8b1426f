package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Nearest returns the known identifier closest to a misspelt one, or "" when more than a third of its letters differ.
// It suits names that programs write, such as fields and settings; Closest suits words that people write.
func Nearest(name string, known []string) string {
	best, bestCost := "", len(name)/3+1
	for _, candidate := range known {
		cost := Distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(candidate)))
		if cost <= bestCost && (best == "" || cost < bestCost) {
			best, bestCost = candidate, cost
		}
	}
	return best
}

// Distance is Levenshtein's: how many letters of a must be changed, added or left out to make it b.
func Distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// synonyms are words that callers write for the studio's own. All are folded.
var synonyms = map[string]string{
	"done": "completed", "finished": "completed", "success": "completed", "succeeded": "completed",
	"concluido": "completed", "running": "processing", "inprogress": "processing", "active": "processing",
	"started": "processing", "processando": "processing", "pending": "queued", "waiting": "queued",
	"nafila": "queued", "error": "failed", "errored": "failed", "falhou": "failed", "aborted": "canceled",
	"stopped": "canceled", "cancelado": "canceled", "tts": "audio.speech", "fala": "audio.speech",
	"rascunho": "draft", "low": "draft", "high": "final", "best": "final", "opus": "ogg", "oga": "ogg",
	"vorbis": "ogg", "misto": "mixed", "imagem": "image", "picture": "image", "photo": "image", "film": "video",
	"filme": "video", "som": "audio", "sound": "audio", "write": "generate", "create": "generate", "all": "admin",
	"square": "1:1", "portrait": "9:16", "vertical": "9:16", "landscape": "16:9", "original": "source",
}

// Closest returns the known value that a person most likely meant: one that differs only in case, accents or
// punctuation, one that the word is a synonym of, one that begins with it, one that differs by a letter, one that
// contains it or is contained in it, or one that differs by a few letters. It is "" when none is near.
func Closest(text string, known []string) string {
	wanted := Fold(text)
	if wanted == "" {
		return ""
	}
	const leastPart = 3 // shorter parts occur in every word
	best, bestRank := "", 0
	for _, candidate := range known {
		folded, rank := Fold(candidate), 0
		cost := Distance([]rune(wanted), []rune(folded))
		switch {
		case folded == wanted:
			return candidate
		case synonyms[wanted] == candidate:
			rank = 1 << 20
		case len(wanted) >= leastPart && strings.HasPrefix(folded, wanted):
			rank = 1<<18 - len(folded)
		case cost == 1 && len(wanted) >= leastPart:
			rank = 1<<18 - MostFolded - 1 // a slip of the finger, before a part within another word
		case len(wanted) >= leastPart && strings.Contains(folded, wanted):
			rank = 1<<17 - len(folded)
		case len(folded) >= leastPart && strings.Contains(wanted, folded):
			rank = 1<<16 + len(folded)
		default:
			if cost <= max(utf8.RuneCountInString(wanted)/3, 1) && cost < utf8.RuneCountInString(folded) {
				rank = 1<<15 - cost
			}
		}
		if rank > bestRank {
			best, bestRank = candidate, rank
		}
	}
	return best
}

// MostFolded is how many characters of a text Fold looks at: it bounds the work for a long one.
const MostFolded = 100

// Fold drops case, accents and everything but letters and digits.
func Fold(text string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(Cut(text, MostFolded)) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out.WriteRune(unicode.ToLower(r))
		}
	}
	return out.String()
}

// Clip shortens a text of the caller's for a sentence, to 40 characters and an ellipsis.
func Clip(text string) string {
	const most = 40
	short := Cut(text, most)
	if utf8.RuneCountInString(text) > most {
		short += "…"
	}
	return short
}

// Cut returns the first characters of a text as valid UTF-8, at most so many.
func Cut(text string, most int) string {
	if len(text) > most*utf8.UTFMax {
		text = text[:most*utf8.UTFMax]
	}
	runes := []rune(strings.ToValidUTF8(text, "?"))
	return string(runes[:min(len(runes), most)])
}
