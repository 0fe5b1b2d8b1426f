package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// The fields of a form are texts, and some clients send JSON whose values are texts too. So every spelling that has one
// meaning is accepted, in each kind of body: "512" is a number, "true" is true, the JSON text of a list is a list, and
// a number is a text where a text is wanted.

// isEmpty says whether a value counts as absent: null, an empty text, and, in a field that does not take any text,
// blanks or the text null.
func (c *checker) isEmpty(schema *huma.Schema, value any, name string) bool {
	text, isText := value.(string)
	if !isText {
		return value == nil
	}
	schema = c.resolve(schema)
	_, isMedia := fileKind(c.kinds, name)
	trimmed := strings.TrimSpace(text)
	switch {
	case schema.Type != huma.TypeString:
		return trimmed == "" || trimmed == "null"
	case isMedia, isWord(schema):
		return trimmed == ""
	default:
		return text == ""
	}
}

// isWord says whether a field takes one of some words, or a text of a certain form: blanks around it mean nothing.
func isWord(schema *huma.Schema) bool { return len(schema.Enum) > 0 || schema.Format != "" }

// asText takes a text, or a number for one.
func asText(schema *huma.Schema, value any) (string, bool) {
	switch v := value.(type) {
	case string:
		if isWord(schema) {
			return strings.TrimSpace(v), true
		}
		return v, true
	case json.Number:
		return v.String(), true
	case float64: // of a job's own parameters
		return plainNumber(v), true
	}
	return "", false
}

// decimal is a number as JSON writes it; it may have a plus sign, and lack the digits on one side of the point.
var decimal = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// asNumber takes a number or the text of one: digits of ASCII, a point before decimals.
func asNumber(value any) (float64, bool) {
	var text string
	switch v := value.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case int64: // of a job's own parameters
		return float64(v), true
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	if !decimal.MatchString(text) {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

// asBool takes true, false, 1, 0, or their texts.
func asBool(value any) (truth, ok bool) {
	text := ""
	switch v := value.(type) {
	case bool:
		return v, true
	case json.Number:
		text = v.String()
	case string:
		text = strings.ToLower(strings.TrimSpace(v))
	}
	truth, err := strconv.ParseBool(text)
	return truth, err == nil
}

// asJSON decodes a text where a list or an object is wanted; other values stay as they are.
func asJSON(value any) any {
	text, isText := value.(string)
	if !isText {
		return value
	}
	decoded, err := decodeJSON([]byte(text))
	if err != nil {
		return nil
	}
	return decoded
}

// shown is a value of the caller's as an argument of a sentence.
func shown(value any) any {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", names.Clip(v))
	case map[string]any:
		return i18n.Say("an object")
	case []any:
		return i18n.Say("a list")
	default:
		return names.Clip(fmt.Sprint(v))
	}
}
