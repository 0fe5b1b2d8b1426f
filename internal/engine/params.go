package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// The kinds of FieldError.
const (
	Unsupported = "unsupported" // the engine has no such parameter
	Invalid     = "invalid"     // the engine has it, but not with this value
)

// FieldError is one refused parameter.
type FieldError struct {
	Pointer string        // Pointer is a JSON pointer into the params, as in /lines/0/text.
	Detail  i18n.Sentence // Detail says what to change.
	Kind    string        // Kind is Unsupported or Invalid.
}

func (e FieldError) Error() string { return e.Pointer + ": " + e.Detail.String() }

// Sentence is the error for people.
func (e FieldError) Sentence() i18n.Sentence { return e.Detail }

var english = message.NewPrinter(language.English)

func compileSchema(schema map[string]any) (*jsonschema.Schema, error) {
	// YAML gives ints and the compiler wants what encoding/json gives, so the schema goes through JSON once.
	raw, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("params.json", doc); err != nil {
		return nil, err
	}
	return compiler.Compile("params.json")
}

// ValidateParams checks the params of a run against the task's schema. The result is empty when they are right, and
// sorted by pointer. An unknown parameter is Unsupported and names the engine and the nearest known name.
func (m *Manifest) ValidateParams(task string, params map[string]any) []FieldError {
	schema, ok := m.schemas[task]
	if !ok {
		return []FieldError{{Detail: i18n.Say("the engine %s does not do %s", m.ID, task), Kind: Unsupported}}
	}
	value, err := plain(params)
	if err != nil {
		return []FieldError{{Detail: i18n.Say("the parameters are not JSON: %s", err.Error()), Kind: Invalid}}
	}
	err = schema.Validate(value)
	if err == nil {
		return nil
	}
	var failure *jsonschema.ValidationError
	if !errors.As(err, &failure) {
		return []FieldError{{Detail: i18n.Plain(err.Error()), Kind: Invalid}}
	}
	var found []FieldError
	m.collect(task, failure, &found)
	slices.SortFunc(found, func(a, b FieldError) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Detail.String(), b.Detail.String()))
	})
	return slices.CompactFunc(found, func(a, b FieldError) bool { return a.Error() == b.Error() })
}

// collect walks to the leaves, where the reasons are. Of a failed anyOf or oneOf every branch speaks, since the schema
// alone does not tell which one the caller meant.
func (m *Manifest) collect(task string, e *jsonschema.ValidationError, found *[]FieldError) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			m.collect(task, cause, found)
		}
		return
	}
	at := pointer(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := m.names(task, e.InstanceLocation)
		for _, name := range k.Properties {
			detail := i18n.Say("the engine %s has no parameter %q", m.ID, name)
			if near := names.Nearest(name, known); near != "" {
				detail = i18n.Say("the engine %s has no parameter %q; did you mean %q?", m.ID, name, near)
			}
			*found = append(*found, FieldError{Pointer: at + pointer([]string{name}), Detail: detail,
				Kind: Unsupported})
		}
	case *kind.Required:
		for _, name := range k.Missing {
			*found = append(*found, FieldError{
				Pointer: at + pointer([]string{name}), Detail: i18n.Say("%s is required", name), Kind: Invalid,
			})
		}
	default:
		*found = append(*found, FieldError{Pointer: at, Detail: sentence(e), Kind: Invalid})
	}
}

// names are the known parameters at a place of the params, for the suggestion.
func (m *Manifest) names(task string, location []string) []string {
	schema := m.Tasks[task].Parameters
	for _, step := range location {
		properties, _ := schema["properties"].(map[string]any)
		next, ok := properties[step].(map[string]any)
		if !ok {
			next, ok = schema["items"].(map[string]any)
		}
		if !ok {
			return nil
		}
		schema = next
	}
	properties, _ := schema["properties"].(map[string]any)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sentence says what is wrong with a value.
func sentence(e *jsonschema.ValidationError) i18n.Sentence {
	var name any = i18n.Say("the value")
	if n := len(e.InstanceLocation); n > 0 {
		name = e.InstanceLocation[n-1]
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Minimum:
		return i18n.Say("%s is %s; the least is %s", name, number(k.Got), number(k.Want))
	case *kind.Maximum:
		return i18n.Say("%s is %s; the most is %s", name, number(k.Got), number(k.Want))
	case *kind.MinLength:
		if k.Got == 0 {
			return i18n.Say("%s is empty", name)
		}
		return i18n.Say("%s has %d characters; the least is %d", name, k.Got, k.Want)
	case *kind.MaxLength:
		return i18n.Say("%s has %d characters; the most is %d", name, k.Got, k.Want)
	case *kind.MinItems:
		return i18n.Say("%s has %d entries; the least is %d", name, k.Got, k.Want)
	case *kind.MaxItems:
		return i18n.Say("%s has %d entries; the most is %d", name, k.Got, k.Want)
	case *kind.Enum:
		return i18n.Say("%s is %s; choose one of %s", name, inJSON(k.Got), inJSON(k.Want...))
	case *kind.Type:
		return i18n.Say("%s is %s; it must be %s", name, k.Got, i18n.Or(k.Want...))
	case *kind.MultipleOf:
		return i18n.Say("%s is %s; it must be a multiple of %s", name, number(k.Got), number(k.Want))
	default:
		return i18n.Say("%s: %s", name, k.LocalizedString(english))
	}
}

// number is a bound, or a value that is beyond it, as an argument of a sentence.
func number(r *big.Rat) any {
	switch {
	case r == nil:
		return 0
	case r.IsInt() && r.Num().IsInt64():
		return r.Num().Int64()
	default:
		f, _ := r.Float64()
		return f
	}
}

func inJSON(values ...any) string {
	words := make([]string, len(values))
	for i, value := range values {
		raw, err := json.Marshal(value)
		if err != nil {
			raw = []byte("?")
		}
		words[i] = string(raw)
	}
	return strings.Join(words, ", ")
}

func pointer(location []string) string {
	var b strings.Builder
	for _, step := range location {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// plain turns Go values (typed slices, ints, structs) into what a JSON decoder gives.
func plain(params map[string]any) (any, error) {
	if params == nil {
		params = map[string]any{}
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
}
