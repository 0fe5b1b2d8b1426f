package i18n

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// Text is a text that comes with its translations, by language tag, such as a name in a manifest. English must be
// there.
type Text map[string]string

// In returns the text of the language, else the English one.
func (t Text) In(tag language.Tag) string {
	if text, ok := t[tag.String()]; ok {
		return text
	}
	return t[language.English.String()]
}

// Sentence makes a sentence of the text.
func (t Text) Sentence() Sentence { return Sentence{Key: verbatim, Args: []any{t}} }

// List is a list in a sentence: "a, b and c".
type List struct {
	// Items are arguments as a Sentence has them.
	Items []any
	// Last is the word before the last item: "and", "or", or "" for a comma.
	Last string
}

// And lists items as "a, b and c".
func And[T any](items ...T) List { return list("and", items) }

// Or lists items as "a, b or c".
func Or[T any](items ...T) List { return list("or", items) }

// Commas lists items as "a, b, c".
func Commas[T any](items ...T) List { return list("", items) }

func list[T any](last string, items []T) List {
	l := List{Last: last}
	for _, item := range items {
		l.Items = append(l.Items, argument(item))
	}
	return l
}

// argument turns a value into one of the few that a Sentence holds.
func argument(value any) any {
	switch v := value.(type) {
	case nil:
		return ""
	case string, int64, float64, Sentence, Text, List, See:
		return v
	case Sayer:
		return v.Sentence()
	case error:
		if s, ok := Of(v); ok {
			return s
		}
		return v.Error()
	case fmt.Stringer:
		return v.String()
	}
	switch v := reflect.ValueOf(value); {
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return int64(min(v.Uint(), math.MaxInt64))
	case v.CanFloat():
		return v.Float()
	default:
		return fmt.Sprint(value)
	}
}

// MarshalJSON writes {"list": [...], "last": ...}.
func (l List) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"list": l.Items, "last": l.Last})
}

func readArgument(raw json.RawMessage) (any, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, fmt.Errorf("i18n: an argument is empty")
	}
	switch raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case '{':
		return readObject(raw)
	default:
		return readNumber(string(raw))
	}
}

func readNumber(text string) (any, error) {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("i18n: %q is not an argument of a sentence", text)
	}
	return value, nil
}

// readObject tells a sentence by its key, a list by its items and a See by its route; what is left is a text by
// languages.
func readObject(raw json.RawMessage) (any, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("i18n: read an argument: %w", err)
	}
	if members["key"] != nil {
		var s Sentence
		err := s.UnmarshalJSON(raw)
		return s, err
	}
	if members["list"] != nil {
		return readList(members)
	}
	if members["route"] != nil {
		return readSee(raw)
	}
	var text Text
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fmt.Errorf("i18n: read an argument: %w", err)
	}
	return text, nil
}

func readList(members map[string]json.RawMessage) (any, error) {
	var l List
	var items []json.RawMessage
	if err := json.Unmarshal(members["list"], &items); err != nil {
		return nil, fmt.Errorf("i18n: read a list: %w", err)
	}
	if last := members["last"]; last != nil {
		if err := json.Unmarshal(last, &l.Last); err != nil {
			return nil, fmt.Errorf("i18n: read a list: %w", err)
		}
	}
	for _, item := range items {
		arg, err := readArgument(item)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, arg)
	}
	return l, nil
}

// rendered is an argument as package fmt gets it: numbers with the language's decimal sign, all else as text.
func (c *Catalogue) rendered(r Reader, arg any) any {
	switch v := arg.(type) {
	case int64, float64:
		return numeral{v, decimalSign(r.Language)}
	case Sentence:
		return c.render(r, v)
	case Text:
		return v.In(r.Language)
	case List:
		return c.renderList(r, v)
	case See:
		return v.at(r.Door)
	default:
		return v
	}
}

func (c *Catalogue) renderList(r Reader, l List) string {
	items := make([]string, len(l.Items))
	for i, item := range l.Items {
		items[i] = fmt.Sprint(c.rendered(r, item))
	}
	last := len(items) - 1
	if last < 1 || l.Last == "" {
		return strings.Join(items, ", ")
	}
	first := strings.Join(items[:last], ", ")
	if l.Last == "or" {
		return c.render(r, Say("%s or %s", first, items[last]))
	}
	return c.render(r, Say("%s and %s", first, items[last]))
}

// numeral prints a number by any verb, without groups of digits: 1024 x 768 stays so in each language. A number that
// was stored as JSON may have become whole, or the other way round; the verb decides.
type numeral struct {
	value   any
	decimal string
}

// Format implements fmt.Formatter.
func (n numeral) Format(state fmt.State, verb rune) {
	value, format := n.value, fmt.FormatString(state, verb)
	switch verb {
	case 'd', 'x', 'X':
		if fraction, ok := value.(float64); ok {
			value = int64(fraction)
		}
	case 'e', 'f', 'g':
		if whole, ok := value.(int64); ok {
			value = float64(whole)
		}
	case 's', 'q':
		format = "%v"
	}
	text := fmt.Sprintf(format, value)
	_, _ = state.Write([]byte(strings.Replace(text, ".", n.decimal, 1)))
}

// decimalSign of a language: "," in Portuguese.
func decimalSign(tag language.Tag) string {
	if tag == language.English {
		return "."
	}
	return strings.Trim(message.NewPrinter(tag).Sprint(number.Decimal(1.5)), "15")
}
