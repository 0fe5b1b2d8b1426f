package sidecar

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apibr/studio/internal/i18n"
)

// Everything that a process says passes through this file before it goes anywhere: a database refuses NUL and numbers
// without bounds, a terminal obeys control characters, and a page shows what stands after a bidirectional override
// backwards.

// cleanText returns text as valid UTF-8 without control and bidirectional characters, cut to most characters. Line ends
// and tabs stay.
func cleanText(text string, most int) string {
	// The longest character has four bytes; what is past that is not looked at.
	if len(text) > most*utf8.UTFMax {
		text = text[:most*utf8.UTFMax]
	}
	left := most
	cut := false
	text = strings.Map(func(r rune) rune {
		switch {
		case cut || !shown(r):
			return -1
		case left == 0:
			cut = true
			return '…'
		}
		left--
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return text
}

// cleanLine is cleanText for what stands in one line.
func cleanLine(text string, most int) string {
	if len(text) > most*utf8.UTFMax {
		text = text[:most*utf8.UTFMax]
	}
	return cleanText(strings.Join(strings.Fields(text), " "), most)
}

func shown(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return true
	case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r):
		return false
	case r == '\u2028', r == '\u2029', r == '\uFEFF':
		return false
	default:
		return true
	}
}

// userText is a message of a process for a user: without paths and keys, cleaned, cut to most characters.
func userText(text string, most int) string {
	const looked = 64 << 10 // a key that is cut in two would not be recognised, so it is cut far behind what is shown
	return cleanText(Scrub(cleanText(text, looked)), most)
}

// cleanPath is a path as a sidecar sends it; ok is false for one that cannot be opened.
func cleanPath(path string) (string, bool) {
	return path, len(path) <= longestPath && utf8.ValidString(path) &&
		!strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) })
}

// jsonBudget is what is left of the limits while values are cleaned.
type jsonBudget struct{ bytes, values, depth int }

func (l *Limits) budget() *jsonBudget {
	return &jsonBudget{bytes: l.Metadata, values: l.Values, depth: l.Depth}
}

var (
	errJSONSize  = i18n.NewError("it is too large")
	errJSONDepth = i18n.NewError("it is nested too deeply")
	errNotJSON   = i18n.NewError("it is not JSON")
)

// object cleans the texts and keys of a decoded JSON object, in place of which it returns another. It fails when the
// budget is used up.
func (b *jsonBudget) object(fields map[string]any) (map[string]any, error) {
	cleaned, err := b.value(fields, b.depth)
	if err != nil || cleaned == nil {
		return nil, err
	}
	return cleaned.(map[string]any), nil
}

func (b *jsonBudget) value(value any, depth int) (any, error) {
	if b.values--; b.values < 0 || b.bytes < 0 {
		return nil, errJSONSize
	}
	switch value := value.(type) {
	case string:
		return b.text(value)
	case []any:
		if depth == 0 {
			return nil, errJSONDepth
		}
		for i := range value {
			var err error
			if value[i], err = b.value(value[i], depth-1); err != nil {
				return nil, err
			}
		}
		return value, nil
	case map[string]any:
		if value == nil {
			return nil, nil
		}
		if depth == 0 {
			return nil, errJSONDepth
		}
		return b.fields(value, depth)
	case json.Number:
		return b.number(value)
	default:
		b.bytes -= 8
		return value, nil
	}
}

func (b *jsonBudget) fields(fields map[string]any, depth int) (map[string]any, error) {
	cleaned := make(map[string]any, len(fields))
	for name, value := range fields {
		name, err := b.text(name)
		if err != nil {
			return nil, err
		}
		if cleaned[name], err = b.value(value, depth-1); err != nil {
			return nil, err
		}
	}
	return cleaned, nil
}

func (b *jsonBudget) text(text string) (string, error) {
	if b.bytes -= len(text) + 2; b.bytes < 0 {
		return "", errJSONSize
	}
	return cleanText(text, len(text)), nil
}

// number keeps whole numbers as they are and others as Postgres and JavaScript can hold them.
func (b *jsonBudget) number(number json.Number) (any, error) {
	if b.bytes -= len(number); b.bytes < 0 {
		return nil, errJSONSize
	}
	if _, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
		return number, nil
	}
	float, err := number.Float64()
	if err != nil || math.IsInf(float, 0) || math.IsNaN(float) {
		return nil, errJSONSize
	}
	return float, nil
}

// JSON reads one JSON value that a process wrote into a file and returns it as a database can hold it. most is its size
// in bytes. The error may be shown to users.
func (l *Limits) JSON(raw []byte, most int) ([]byte, error) {
	if len(raw) > most {
		return nil, errJSONSize
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return nil, errNotJSON
	}
	// A value takes two bytes at least, so that the size bounds the number.
	budget := &jsonBudget{bytes: 8 * most, values: most, depth: l.Depth}
	cleaned, err := budget.value(value, budget.depth)
	if err != nil {
		return nil, err
	}
	return json.Marshal(cleaned)
}
