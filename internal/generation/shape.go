package generation

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

// The tags of a request's fields, besides those that its JSON and the API document need:
//
//	param:"engine"        the engine gets the value as a parameter of this name
//	param:"job"           the value is kept with the job; the engine does not get it
//	input:"mask,image"    the field names a file (image, audio, video) or a voice; the engine knows it as the input mask
//	input:"voice_%d,voice"  the same in the entries of a list, which are numbered from 0
//	alias:"cfg,weight"    other names under which callers may send the field
const (
	forEngine = "engine"
	forJob    = "job"
)

// shape holds the tags of a request.
type shape struct{ fields []field }

// field of a request.
type field struct {
	name    string
	index   []int
	aliases []string
	// param says who gets the value: forEngine, forJob, or "" for a field that is not a parameter.
	param string
	// input is the engine's name for the named thing, and kind its kind; "" for a field that is a value.
	input string
	kind  jobs.Kind
	// entries are the fields of the objects in a list; nil otherwise.
	entries *shape
}

func (f *field) isFile() bool { return f.input != "" && f.kind != jobs.KindVoice }

func shapeOf(of reflect.Type) *shape {
	s := &shape{}
	for _, member := range reflect.VisibleFields(of) {
		if member.Anonymous || !member.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
		f := field{name: name, index: member.Index, param: member.Tag.Get("param")}
		if aliases := member.Tag.Get("alias"); aliases != "" {
			f.aliases = strings.Split(aliases, ",")
		}
		if input, ok := member.Tag.Lookup("input"); ok {
			f.input, f.kind, _ = strings.Cut(input, ",")
		}
		switch {
		case name == "" || name == "-":
			panic(fmt.Sprintf("generation: the field %s of %s has no name in JSON", member.Name, of))
		case f.param != "" && f.param != forEngine && f.param != forJob:
			panic(fmt.Sprintf("generation: the field %s of %s is a parameter for %q", member.Name, of, f.param))
		case f.input != "" && f.kind != jobs.KindVoice && !isMedia(f.kind):
			panic(fmt.Sprintf("generation: the field %s of %s takes a file of the kind %q", member.Name, of, f.kind))
		}
		if t := member.Type; t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
			f.entries = shapeOf(t.Elem())
		}
		s.fields = append(s.fields, f)
	}
	return s
}

func isMedia(kind string) bool {
	switch media.Kind(kind) {
	case media.Image, media.Audio, media.Video:
		return true
	default:
		return false
	}
}

// named returns the field of a name, nil when there is none.
func (s *shape) named(name string) *field {
	for i := range s.fields {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	return nil
}

// field returns the name of the field that becomes an input; "" when that is an input of a list's entry or of nothing.
func (s *shape) field(input string) string {
	for _, f := range s.fields {
		if f.input == input {
			return f.name
		}
	}
	return ""
}

// fieldOf is field, but finds the entries of lists too, and returns the input where no field becomes it.
func (s *shape) fieldOf(input string) string {
	if name := s.field(input); name != "" {
		return name
	}
	for _, list := range s.fields {
		if list.entries == nil {
			continue
		}
		for _, f := range list.entries.fields {
			before, after, numbered := strings.Cut(f.input, "%d")
			number, ok := strings.CutPrefix(input, before)
			number, ends := strings.CutSuffix(number, after)
			if _, err := strconv.Atoi(number); numbered && ok && ends && err == nil {
				return list.name + "/" + number + "/" + f.name
			}
		}
	}
	return input
}

// get returns the value of a field of a request, and whether it has one: zero is none, but a pointer to zero is one.
func (f *field) get(request Request) (value reflect.Value, ok bool) {
	value = reflect.ValueOf(request).Elem().FieldByIndex(f.index)
	if value.IsZero() {
		return value, false
	}
	return reflect.Indirect(value), true
}

// set a field that is a text.
func (f *field) set(request Request, text string) {
	reflect.ValueOf(request).Elem().FieldByIndex(f.index).SetString(text)
}

// params returns the parameters of a request that are for the engine, or for the job alone, as JSON has them. Whole
// numbers that JSON readers may round, such as seeds, stay int64.
func (s *shape) params(request Request, who string) (map[string]any, error) {
	params := map[string]any{}
	for _, f := range s.fields {
		value, ok := f.get(request)
		if f.param != who || !ok {
			continue
		}
		plain, err := plainOf(value)
		if err != nil {
			return nil, fmt.Errorf("read the field %s: %w", f.name, err)
		}
		params[f.name] = plain
	}
	return params, nil
}

func plainOf(value reflect.Value) (plain any, err error) {
	switch value.Kind() {
	case reflect.String:
		return value.String(), nil
	case reflect.Bool:
		return value.Bool(), nil
	case reflect.Int64:
		return value.Int(), nil
	case reflect.Int:
		return float64(value.Int()), nil
	case reflect.Float64:
		return value.Float(), nil
	}
	encoded, err := json.Marshal(value.Interface())
	if err == nil {
		err = json.Unmarshal(encoded, &plain)
	}
	return plain, err
}
