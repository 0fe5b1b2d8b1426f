package httpapi

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/apibr/studio/internal/engine"
)

// meant are words that callers write for words of ours. All are folded.
var meant = map[string]string{
	"done": "completed", "finished": "completed", "success": "completed", "succeeded": "completed", "concluido": "completed",
	"running": "processing", "inprogress": "processing", "active": "processing", "started": "processing", "processando": "processing",
	"pending": "queued", "waiting": "queued", "nafila": "queued", "error": "failed", "errored": "failed", "falhou": "failed",
	"aborted": "canceled", "stopped": "canceled", "cancelado": "canceled", "tts": "audio.speech", "fala": "audio.speech",
	"rascunho": "draft", "low": "draft", "high": "final", "best": "final", "opus": "ogg", "oga": "ogg", "vorbis": "ogg",
	"misto": "mixed", "imagem": "image", "picture": "image", "photo": "image", "film": "video", "filme": "video", "som": "audio", "sound": "audio",
	"write": "generate", "create": "generate", "all": "admin", "square": "1:1", "portrait": "9:16", "vertical": "9:16", "landscape": "16:9", "original": "source",
}

// closest is the known value that a caller most likely meant: the same but for case, accents and signs between words, a usual other word
// for it, one that contains it or is contained in it, or one that differs by a few letters. It is "" when none is near.
func closest(text string, known []string) string {
	wanted := fold(text)
	if wanted == "" {
		return ""
	}
	const leastPart = 3 // shorter parts are in everything
	best, bestRank := "", 0
	for _, candidate := range known {
		folded, rank := fold(candidate), 0
		switch {
		case folded == wanted:
			return candidate
		case meant[wanted] == candidate:
			rank = 1 << 20
		case len(wanted) >= leastPart && strings.HasPrefix(folded, wanted):
			rank = 1<<18 - len(folded)
		case len(wanted) >= leastPart && strings.Contains(folded, wanted):
			rank = 1<<17 - len(folded)
		case len(folded) >= leastPart && strings.Contains(wanted, folded):
			rank = 1<<16 + len(folded)
		default:
			a, b := []rune(wanted), []rune(folded)
			if cost := engine.Distance(a, b); cost <= max(len(a)/3, 1) && cost < len(b) {
				rank = 1<<15 - cost
			}
		}
		if rank > bestRank {
			best, bestRank = candidate, rank
		}
	}
	return best
}

// mostFolded bounds the work for a long text.
const mostFolded = 100

// fold is a text without case, accents, and anything that is neither letter nor digit.
func fold(text string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(clipTo(text, mostFolded)) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out.WriteRune(unicode.ToLower(r))
		}
	}
	return out.String()
}
