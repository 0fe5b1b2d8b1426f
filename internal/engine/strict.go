package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/names"
)

// strict decodes YAML and refuses keys that the type does not have, each with its line and the nearest known key. What
// does not fit the type is refused in yaml's own words. An empty text decodes to nothing.
func strict(content []byte, into any) error {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	return strictNode(&document, into)
}

func strictNode(node *yaml.Node, into any) error {
	if errs := unknownKeys(node, reflect.TypeOf(into)); len(errs) > 0 {
		return errors.Join(errs...)
	}
	return node.Decode(into)
}

// unknownKeys walks a YAML value beside the type that it is decoded to.
func unknownKeys(node *yaml.Node, kind reflect.Type) (errs []error) {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if node.Kind == yaml.AliasNode {
		return nil // it was looked at where it has its anchor
	}
	if node.Kind == yaml.DocumentNode {
		return unknownKeys(node.Content[0], kind)
	}
	switch {
	case node.Kind == yaml.SequenceNode && kind.Kind() == reflect.Slice && kind != reflect.TypeFor[[]yaml.Node]():
		for _, item := range node.Content {
			errs = append(errs, unknownKeys(item, kind.Elem())...)
		}
	case node.Kind == yaml.MappingNode && kind.Kind() == reflect.Map:
		for i := 1; i < len(node.Content); i += 2 {
			errs = append(errs, unknownKeys(node.Content[i], kind.Elem())...)
		}
	case node.Kind == yaml.MappingNode && kind.Kind() == reflect.Struct && kind != reflect.TypeFor[yaml.Node]():
		errs = unknownFields(node, kind)
	}
	return errs
}

func unknownFields(node *yaml.Node, kind reflect.Type) (errs []error) {
	fields := map[string]reflect.Type{}
	addFields(fields, kind)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		field, ok := fields[key.Value]
		switch {
		case ok:
			errs = append(errs, unknownKeys(node.Content[i+1], field)...)
		case key.Value != "<<":
			text := fmt.Sprintf("line %d: the key %s is not known", key.Line, key.Value)
			known := sortedKeys(fields)
			if near := names.Nearest(key.Value, known); near != "" {
				text += fmt.Sprintf("; did you mean %s?", near)
			} else {
				text += "; the keys are " + strings.Join(known, ", ")
			}
			errs = append(errs, errors.New(text))
		}
	}
	return errs
}

// addFields lists the keys of a struct, those of inlined structs among them.
func addFields(fields map[string]reflect.Type, kind reflect.Type) {
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case slices.Contains(strings.Split(options, ","), "inline"):
			addFields(fields, field.Type)
		case name != "" && name != "-":
			fields[name] = field.Type
		}
	}
}
