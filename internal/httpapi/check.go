package httpapi

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// checker gives the fields of a request their canonical names and checks them against the schema of the document. It
// reports every fault, not only the first.
type checker struct {
	registry huma.Registry
	kinds    *generation.Kinds
	found    []finding
	// told are the fields that were reported already: faults that follow from those are not reported.
	told map[string]bool
	// empty are the fields that came without a value, under their canonical names.
	empty map[string]bool
	// listed are the objects, by schema, whose fields a complaint has listed: once is enough.
	listed map[*huma.Schema]bool
}

// finding is one fault. The lowest ranks are reported first: wrong names before wrong values, since a value can only be
// checked under the right name.
type finding struct {
	rank  int
	code  string
	title i18n.Sentence
	fieldProblem
}

const (
	codeUnknown = "unknown_field"
	codeMissing = "feature_missing"
	codeInvalid = "invalid_request"
)

func newChecker(registry huma.Registry, kinds *generation.Kinds) *checker {
	return &checker{
		registry: registry,
		kinds:    kinds,
		told:     map[string]bool{},
		empty:    map[string]bool{},
		listed:   map[*huma.Schema]bool{},
	}
}

// say that something is wrong at a place of the body.
func (c *checker) say(pointer, code, format string, args ...any) {
	c.tell(pointer, code, i18n.Say(format, args...))
}

func (c *checker) tell(pointer, code string, detail i18n.Sentence) {
	rank, title := 2, cannotHonour
	switch code {
	case codeMissing:
		rank, title = 0, i18n.Say("Not available yet")
	case codeUnknown:
		rank, title = 1, i18n.Say("Unknown field")
	}
	c.told[topOf(pointer)] = true
	c.found = append(c.found, finding{rank, code, title, fieldProblem{pointer: pointer, detail: detail}})
}

// refuse adds a complaint that another part of the program made.
func (c *checker) refuse(p *problem) {
	for _, field := range p.fields {
		c.told[topOf(field.pointer)] = true
		c.found = append(c.found, finding{2, p.code, p.title, field})
	}
}

// topOf is the member of the body that a pointer leads into.
func topOf(pointer string) string {
	top, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return top
}

// problem reports all findings; it is nil when there are none.
func (c *checker) problem() error {
	if len(c.found) == 0 {
		return nil
	}
	slices.SortStableFunc(c.found, func(a, b finding) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return strings.Compare(a.pointer, b.pointer)
	})
	list := make([]fieldProblem, 0, len(c.found))
	for _, f := range c.found {
		list = append(list, f.fieldProblem)
	}
	return problemOfFields(c.found[0].code, c.found[0].title, list, 0)
}

func (c *checker) resolve(schema *huma.Schema) *huma.Schema {
	if schema.Ref != "" {
		return c.registry.SchemaFromRef(schema.Ref)
	}
	return schema
}

// object checks raw and returns it under canonical names. Null and an empty text are the same as absent.
func (c *checker) object(schema *huma.Schema, raw map[string]any, at string) map[string]any {
	values, spelt, empty := map[string]any{}, map[string]string{}, map[string]bool{}
	names := make([]string, 0, len(raw))
	for name := range raw {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		canonical, ok := c.canonical(schema, name)
		switch {
		case !ok:
			c.unknown(schema, name, raw[name], at)
			continue
		case c.isEmpty(schema.Properties[canonical], raw[name], canonical):
			empty[canonical] = true
			continue
		}
		if earlier, twice := spelt[canonical]; twice {
			c.say(at+"/"+escape(name), codeInvalid, "%s and %s are the same field: send one of them", earlier, name)
			continue
		}
		spelt[canonical] = name
		values[canonical] = c.value(schema.Properties[canonical], raw[name], at+"/"+canonical, canonical)
	}
	for name := range empty {
		c.empty[strings.TrimPrefix(at+"/"+name, "/")] = spelt[name] == ""
	}
	for _, name := range schema.Required {
		switch {
		case spelt[name] != "", at == "" && c.told[name]:
			continue
		case empty[name]:
			c.tell(at+"/"+name, codeInvalid, generation.Missing(name))
		default:
			c.say(at+"/"+name, codeInvalid, "%s is missing", name)
		}
		c.found[len(c.found)-1].rank = 3 // after what was sent
	}
	return values
}

// canonical finds the field that a name means: the name may be in camelCase or snake_case, or an alias.
func (c *checker) canonical(schema *huma.Schema, name string) (string, bool) {
	snake := toSnake(name)
	if schema.Properties[snake] != nil {
		return snake, true
	}
	for _, field := range c.kinds.Meant(snake) {
		if schema.Properties[field] != nil {
			return field, true
		}
	}
	return "", false
}

// absent are fields of the contract whose feature does not exist yet.
var absent = map[string]i18n.Sentence{
	"webhook_url": i18n.Say("webhooks"), "callback_url": i18n.Say("webhooks"), "webhook_events": i18n.Say("webhooks"),
	"template_id": i18n.Say("templates"), "captions": i18n.Say("captions"),
	"speakers": i18n.Say("two speakers"), "box": i18n.Say("two speakers"),
}

// unknown refuses a name that is not a field of the schema. A field whose feature does not exist yet may come without a
// value.
func (c *checker) unknown(schema *huma.Schema, name string, value any, at string) {
	snake, pointer := toSnake(name), at+"/"+escape(name)
	if feature, ok := absent[snake]; ok {
		if text, isText := value.(string); value != nil && (!isText || strings.TrimSpace(text) != "") {
			c.say(pointer, codeMissing, "%s: this version has no %s; leave the field out", names.Clip(name), feature)
		}
		return
	}
	nearest := names.Nearest(snake, propertyNames(schema))
	switch {
	case nearest == "" && c.listed[schema]:
		c.say(pointer, codeUnknown, "%s is not a field of this request", names.Clip(name))
		return
	case nearest == "":
		c.listed[schema] = true
		c.say(pointer, codeUnknown, "%s is not a field of this request; its fields are %s", names.Clip(name),
			strings.Join(propertyNames(schema), ", "))
		return
	}
	c.say(pointer, codeUnknown, "%s is not a field of this request; did you mean %s?", names.Clip(name), nearest)
	if at == "" {
		c.told[nearest] = true
	}
}

func propertyNames(schema *huma.Schema) []string {
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func toSnake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// escape a name for a JSON pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(names.Clip(name))
}

// value checks one value and returns it in the type of its schema, with canonical names in lists and objects. name is
// what a complaint calls the value: a field, or the sentence "entry 2 of prompts".
func (c *checker) value(schema *huma.Schema, value any, at string, name any) any {
	schema = c.resolve(schema)
	if text, isText := value.(string); isText && leftBehind(schema, text) {
		c.tell(at, codeInvalid, generation.ExpressionLeft(name, strings.TrimSpace(text)))
		return value
	}
	switch schema.Type {
	case huma.TypeString:
		return c.text(schema, value, at, name)
	case huma.TypeInteger, huma.TypeNumber:
		return c.number(schema, value, at, name)
	case huma.TypeBoolean:
		truth, ok := asBool(value)
		if !ok {
			c.say(at, codeInvalid, "%s must be true or false; %s was sent", name, shown(value))
		}
		return truth
	case huma.TypeArray:
		return c.list(schema, value, at, name)
	case huma.TypeObject:
		fields, ok := asJSON(value).(map[string]any)
		switch {
		case !ok:
			c.say(at, codeInvalid, "%s must be an object", name)
		case len(schema.Properties) > 0:
			return c.object(schema, fields, at)
		}
		return fields
	}
	return value
}

// leftBehind says whether a text is the rest of an n8n expression, in a field where nobody would write such a text.
func leftBehind(schema *huma.Schema, text string) bool {
	text = strings.TrimSpace(text)
	switch schema.Type {
	case huma.TypeString:
		return isWord(schema) && schema.Format != formatLine && generation.Unfilled(text)
	case huma.TypeArray, huma.TypeObject:
		return generation.Unfilled(text) && asJSON(text) == nil
	default:
		return generation.Unfilled(text) && text != "NaN" // which is reported as not a number
	}
}

func (c *checker) text(schema *huma.Schema, value any, at string, name any) any {
	text, ok := asText(schema, value)
	if ok && schema.Format == formatLine && storable(text) {
		text = names.Clean(text)
	}
	field, _ := name.(string)
	_, isMedia := fileKind(c.kinds, field)
	switch {
	case isMedia && (!ok || !isString(value)):
		c.tell(at, codeInvalid, generation.NotAFile(field))
		return value
	case !ok:
		c.say(at, codeInvalid, "%s must be text", name)
		return value
	case schema.Format == formatLanguage && storable(text):
		return c.language(schema, text, at, name)
	case !utf8.ValidString(text):
		c.say(at, codeInvalid, notUTF8, name)
	case !storable(text):
		c.say(at, codeInvalid, "%s holds a character that cannot be stored: send UTF-8 without NUL", name)
	case schema.MinLength != nil && *schema.MinLength > 0 && strings.TrimSpace(text) == "":
		c.say(at, codeInvalid, "%s is empty", name)
	case schema.MinLength != nil && utf8.RuneCountInString(text) < *schema.MinLength:
		c.say(at, codeInvalid, "%s has %d characters; the least is %d", name, utf8.RuneCountInString(text),
			*schema.MinLength)
	case schema.MaxLength != nil && utf8.RuneCountInString(text) > *schema.MaxLength:
		c.say(at, codeInvalid, "%s has %d characters; the most is %d", name, utf8.RuneCountInString(text),
			*schema.MaxLength)
	case len(schema.Enum) > 0 && !slices.Contains(schema.Enum, any(text)):
		c.enum(schema, text, at, name)
	}
	c.format(schema.Format, text, at, name)
	return text
}

// enum refuses a word that the schema does not have, and names the nearest.
func (c *checker) enum(schema *huma.Schema, text, at string, name any) {
	words := wordsOf(schema.Enum)
	if near := names.Closest(text, words); near != "" {
		c.say(at, codeInvalid, "%s is %q; did you mean %s? Choose one of %s", name, names.Clip(text), near,
			strings.Join(words, ", "))
		return
	}
	c.say(at, codeInvalid, "%s is %q; choose one of %s", name, names.Clip(text), strings.Join(words, ", "))
}

// language checks a tag; for a name of a language the complaint has the tag.
func (c *checker) language(schema *huma.Schema, text, at string, name any) string {
	tag, ok := generation.LanguageTag(text)
	if ok && len(tag) <= *schema.MaxLength {
		return tag
	}
	if near := generation.LanguageNamed(text); near != "" {
		c.say(at, codeInvalid, "%s is %q; send the BCP 47 tag of a language: did you mean %s?", name, names.Clip(text),
			near)
	} else {
		c.say(
			at, codeInvalid, "%s is %q; send the BCP 47 tag of a language, such as pt-BR or en", name, names.Clip(text),
		)
	}
	return text
}

func isString(value any) bool { _, ok := value.(string); return ok }

// formatLine marks a field that is a name, or a note of one line.
const formatLine = "line"

// formatLanguage marks a field that holds a BCP 47 tag.
const formatLanguage = "language-tag"

// notUTF8 is about a text whose bytes are not UTF-8, such as one in Latin-1.
const notUTF8 = "%s is not valid UTF-8: save or send it as UTF-8"

// storable says whether Postgres can store the text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

func (c *checker) format(format, text, at string, name any) {
	switch format {
	case "uuid":
		if _, err := uuid.Parse(text); err != nil {
			c.say(at, codeInvalid, "%s must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057", name)
		}
	case "date-time":
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			c.say(at, codeInvalid, "%s must be a time such as 2027-01-31T12:00:00Z", name)
		}
	}
}

func wordsOf(values []any) []string {
	words := make([]string, 0, len(values))
	for _, value := range values {
		words = append(words, fmt.Sprint(value))
	}
	return words
}

func (c *checker) number(schema *huma.Schema, value any, at string, name any) any {
	number, ok := asNumber(value)
	text, _ := value.(string)
	sent := plainNumber(number)
	if math.Abs(number) >= 1<<53 { // where a float rounds, a sentence holds the digits of the caller
		sent = names.Clip(strings.TrimSpace(fmt.Sprint(value)))
	}
	switch {
	case !ok && strings.Contains(text, ","):
		c.say(at, codeInvalid,
			"%s is %s; write a number with a point before its decimals and no other sign, such as 0.5", name,
			shown(value))
	case !ok:
		c.say(at, codeInvalid, "%s must be a number; %s was sent", name, shown(value))
	case schema.Type == huma.TypeInteger && number != math.Trunc(number):
		c.say(at, codeInvalid, "%s is %s; it must be a whole number", name, sent)
	case schema.Minimum != nil && number < *schema.Minimum:
		c.say(at, codeInvalid, "%s is %s; the least is %s", name, sent, plainNumber(*schema.Minimum))
	case schema.Maximum != nil && number > *schema.Maximum:
		c.say(at, codeInvalid, "%s is %s; the most is %s", name, sent, plainNumber(*schema.Maximum))
	}
	return number
}

func plainNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func (c *checker) list(schema *huma.Schema, value any, at string, name any) any {
	entries, ok := asJSON(value).([]any)
	switch {
	case !ok:
		c.say(at, codeInvalid, "%s must be a list, or the JSON text of one, such as %s", name,
			exampleOf(c.resolve(schema.Items)))
		return value
	case schema.MinItems != nil && len(entries) < *schema.MinItems:
		c.say(at, codeInvalid, "%s has %d entries; the least is %d", name, len(entries), *schema.MinItems)
	case schema.MaxItems != nil && len(entries) > *schema.MaxItems:
		c.say(at, codeInvalid, "%s has %d entries; the most is %d", name, len(entries), *schema.MaxItems)
		return value
	}
	checked := make([]any, 0, len(entries))
	for i, entry := range entries {
		checked = append(checked,
			c.value(schema.Items, entry, fmt.Sprintf("%s/%d", at, i), i18n.Say("entry %d of %s", i+1, name)))
	}
	return checked
}

// exampleOf a list with such entries, as JSON.
func exampleOf(entry *huma.Schema) string {
	switch {
	case len(entry.Properties) > 0 && len(entry.Required) > 0:
		return `[{"` + entry.Required[0] + `":"..."}]`
	default:
		return `["...","..."]`
	}
}
