package generation

import (
	"regexp"
	"strings"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// Missing says that a field is needed and came without a value. In n8n an expression found nothing.
func Missing(field string) i18n.Sentence {
	return i18n.Say("%s is missing: it was sent without a value; in n8n, look at what the expression behind it gives",
		field)
}

// ExpressionLeft says that a text is the rest of an n8n expression; see Unfilled. field is an argument of a sentence.
func ExpressionLeft(field any, text string) i18n.Sentence {
	return i18n.Say(
		"%s is %q, which an expression leaves when it is not evaluated or finds no value: "+
			"look at the expression in n8n",
		field,
		names.Clip(text),
	)
}

// Unfilled says whether a text stands for a value that the client does not have.
func Unfilled(text string) bool {
	switch text {
	case "undefined", "null", "NaN", "None", "[object Object]":
		return true
	}
	return strings.Contains(text, "{{") && strings.Contains(text, "}}")
}

// notMedia says how to send a file, for a text that names none.
func notMedia(field, text string) i18n.Sentence {
	text = strings.TrimSpace(text)
	switch {
	case Unfilled(text):
		return ExpressionLeft(field, text)
	case looksLikeBase64(text):
		return i18n.Say("%s looks like base64: put data: and the type before it, such as data:image/png;base64,", field)
	case fileName.MatchString(text):
		return i18n.Say(
			"%s is %q, the name of a file: send the file itself in a multipart form, "+
				"or upload it with %s and send its id",
			field, names.Clip(text), seeUpload,
		)
	default:
		return NotAFile(field)
	}
}

// NotAFile is the sentence about the values that a field for a file takes.
func NotAFile(field string) i18n.Sentence {
	return i18n.Say("%s must be a file, an asset id, a job id, an https URL or a data: URI", field)
}

var (
	fileName = regexp.MustCompile(
		`(?i)^[^?#]{1,250}\.(png|jpe?g|webp|gif|heic|wav|mp3|ogg|opus|flac|m4a|aac|mp4|webm|mov|mkv)$`,
	)
	base64Text = regexp.MustCompile(`^[A-Za-z0-9+/\r\n_-]+={0,2}$`)
)

// looksLikeBase64 says whether a text is longer than any id and uses only that alphabet.
func looksLikeBase64(text string) bool {
	const leastBase64 = 64
	return len(text) >= leastBase64 && base64Text.MatchString(text)
}
