package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/apibr/studio/internal/names"
)

// The kinds of FieldError.
const (
	Unsupported = "unsupported" // the engine has no such parameter
	Invalid     = "invalid"     // the engine has it, but not with this value
)

// FieldError is one refused parameter.
type FieldError struct {
	Pointer string // Pointer is a JSON pointer into the params, as in /lines/0/text.
	Detail  string // Detail is a sentence that says what to change.
	Kind    string // Kind is Unsupported or Invalid.
}

func (e FieldError) Error() string { return e.Pointer + ": " + e.Detail }

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
		return []FieldError{{Detail: fmt.Sprintf("the engine %s does not do %s", m.ID, task), Kind: Unsupported}}
	}
	value, err := plain(params)
	if err != nil {
		return []FieldError{{Detail: "the parameters are not JSON: " + err.Error(), Kind: Invalid}}
	}
	err = schema.Validate(value)
	if err == nil {
		return nil
	}
	failure, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return []FieldError{{Detail: err.Error(), Kind: Invalid}}
	}
	var found []FieldError
	m.collect(task, failure, &found)
	slices.SortFunc(found, func(a, b FieldError) int {
		return strings.Compare(a.Pointer+"\x00"+a.Detail, b.Pointer+"\x00"+b.Detail)
	})
	return slices.Compact(found)
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
			detail := fmt.Sprintf("the engine %s has no parameter %q", m.ID, name)
			if near := names.Nearest(name, known); near != "" {
				detail += fmt.Sprintf("; did you mean %q?", near)
			}
			*found = append(*found, FieldError{Pointer: at + pointer([]string{name}), Detail: detail, Kind: Unsupported})
		}
	case *kind.Required:
		for _, name := range k.Missing {
			*found = append(*found, FieldError{Pointer: at + pointer([]string{name}), Detail: name + " is required", Kind: Invalid})
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

func sentence(e *jsonschema.ValidationError) string {
	name := "the value"
	if n := len(e.InstanceLocation); n > 0 {
		name = e.InstanceLocation[n-1]
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Minimum:
		return fmt.Sprintf("%s is %s; the least is %s", name, number(k.Got), number(k.Want))
	case *kind.Maximum:
		return fmt.Sprintf("%s is %s; the most is %s", name, number(k.Got), number(k.Want))
	case *kind.MinLength:
		if k.Got == 0 {
			return name + " is empty"
		}
		return fmt.Sprintf("%s has %d characters; the least is %d", name, k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("%s has %d characters; the most is %d", name, k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("%s has %d entries; the least is %d", name, k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("%s has %d entries; the most is %d", name, k.Got, k.Want)
	case *kind.Enum:
		return fmt.Sprintf("%s is %s; choose one of %s", name, inWords(k.Got), inWords(k.Want...))
	case *kind.Type:
		return fmt.Sprintf("%s is %s; it must be %s", name, k.Got, strings.Join(k.Want, " or "))
	case *kind.MultipleOf:
		return fmt.Sprintf("%s is %s; it must be a multiple of %s", name, number(k.Got), number(k.Want))
	default:
		return name + ": " + k.LocalizedString(english)
	}
}

func inWords(values ...any) string {
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
