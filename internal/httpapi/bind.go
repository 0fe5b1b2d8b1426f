package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/media"
)

const (
	// longestFormValue bounds one text field of a form; longer things are files.
	longestFormValue = 1 << 20
	// mostParts bounds a form.
	mostParts = 64
)

// fields is a bound request: canonical names, values as JSON has them, and the files that came with it.
type fields struct {
	values map[string]any
	files  map[string]*assets.Asset
}

func (f *fields) str(name string) string { value, _ := f.values[name].(string); return value }

func (f *fields) has(name string) bool {
	_, ok := f.values[name]
	return ok || f.files[name] != nil
}

// number as JSON has it; 0 when absent.
func (f *fields) number(name string) float64 { value, _ := f.values[name].(float64); return value }

// hashes of the files, in the order of their names, for the idempotency hash.
func (f *fields) hashes() []string {
	var names, sums []string
	for name := range f.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		sums = append(sums, name+"="+f.files[name].SHA256)
	}
	return sums
}

// binder reads requests of one shape.
type binder struct {
	assets   *assets.Service
	schema   *huma.Schema
	registry huma.Registry
	maxJSON  int64
}

// bind reads a request body, whatever its form, and checks it against the schema. Files are taken in while they are read; those of a
// request that is then refused are swept later.
func (b *binder) bind(r *http.Request, p auth.Principal) (*fields, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		return nil, ofStatus(http.StatusUnsupportedMediaType)
	}
	f := &fields{values: map[string]any{}, files: map[string]*assets.Asset{}}
	switch {
	case kind == "multipart/form-data" && params["boundary"] != "":
		err = b.readForm(r.Context(), multipart.NewReader(r.Body, params["boundary"]), p, f)
	case kind == "application/json" || kind == "":
		err = b.readJSON(r, f)
	default:
		return nil, ofStatus(http.StatusUnsupportedMediaType)
	}
	if err != nil {
		return nil, err
	}
	return f, b.validate(f)
}

func (b *binder) readJSON(r *http.Request, f *fields) error {
	limited := &io.LimitedReader{R: r.Body, N: b.maxJSON + 1}
	var raw map[string]any
	decoder := json.NewDecoder(limited)
	err := decoder.Decode(&raw)
	if limited.N <= 0 {
		return newProblem(413, "too_large", "The request is too large", fmt.Sprintf("the JSON body is larger than %d bytes: raise http.max_json_bytes or send files as multipart/form-data", b.maxJSON))
	}
	if err != nil {
		return newProblem(422, "bad_json", "The body is no JSON object", jsonTrouble(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return newProblem(422, "bad_json", "The body is no JSON object", "there is something after the JSON object: send one object")
	}
	for name, value := range raw {
		canonical, err := b.canonical(name, func(n string) bool { _, ok := raw[n]; return ok })
		if err != nil {
			return err
		}
		if value != nil {
			f.values[canonical] = value
		}
	}
	return nil
}

func jsonTrouble(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("the body is not valid JSON at byte %d: %s", syntax.Offset, syntax.Error())
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the body is empty or ends early: send a JSON object"
	}
	return "the body must be a JSON object"
}

func (b *binder) readForm(ctx context.Context, form *multipart.Reader, p auth.Principal, f *fields) error {
	texts := map[string]string{}
	for parts := 0; ; parts++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return newProblem(422, "bad_form", "The form cannot be read", "the multipart form is broken or ends early: send it again")
		}
		if parts >= mostParts {
			return newProblem(422, "bad_form", "The form cannot be read", fmt.Sprintf("the form has more than %d parts", mostParts))
		}
		if part.FileName() == "" {
			if err := readText(part, texts); err != nil {
				return err
			}
			continue
		}
		if err := b.readFile(ctx, part, p, f); err != nil {
			return err
		}
	}
	for name, text := range texts {
		canonical, err := b.canonical(name, func(n string) bool { _, ok := texts[n]; return ok })
		if err != nil {
			return err
		}
		if f.values[canonical], err = b.typed(canonical, text); err != nil {
			return err
		}
	}
	return nil
}

func readText(part *multipart.Part, texts map[string]string) error {
	content, err := io.ReadAll(io.LimitReader(part, longestFormValue+1))
	if err != nil {
		return newProblem(422, "bad_form", "The form cannot be read", "the multipart form ends early: send it again")
	}
	if len(content) > longestFormValue {
		return invalid(part.FormName(), "the field is longer than 1 MiB: send it as a file")
	}
	texts[part.FormName()] = string(content)
	return nil
}

func (b *binder) readFile(ctx context.Context, part *multipart.Part, p auth.Principal, f *fields) error {
	name, err := b.canonical(part.FormName(), func(string) bool { return false })
	if err != nil {
		return err
	}
	kind, isMedia := mediaFields[name]
	if !isMedia {
		return invalid(name, fmt.Sprintf("%s is a value, not a file: send it without a filename", name))
	}
	if f.files[name] != nil {
		return invalid(name, "the file was sent twice")
	}
	asset, err := b.assets.Ingest(ctx, assets.IngestRequest{Owner: p.Owner, Reader: part, Filename: part.FileName(), Want: media.Kind(kind)})
	if err != nil {
		return onField(err, name)
	}
	f.files[name] = asset
	return nil
}

// onField names the field that a refusal is about.
func onField(err error, name string) error {
	p := problemOf(err)
	if p.Status != 422 || len(p.Errors) > 0 {
		return err
	}
	return newProblem(p.Status, p.Err.Code, p.Title, p.Detail, FieldProblem{"/" + name, p.Detail})
}

// canonical finds the field that a name means: itself, its snake_case spelling, or what it is an alias of.
func (b *binder) canonical(name string, present func(string) bool) (string, error) {
	snake := toSnake(name)
	if b.knows(snake) {
		return snake, nil
	}
	target, isAlias := aliases[snake]
	if isAlias && b.knows(target) && !present(target) {
		return target, nil
	}
	if isAlias {
		if _, ok := absent[target]; ok {
			snake = target
		}
	}
	if feature, ok := absent[snake]; ok {
		return "", newProblem(422, "feature_missing", "Not available yet", fmt.Sprintf("%s: %s are not part of this version; leave the field out", name, feature),
			FieldProblem{"/" + name, feature + " are not part of this version"})
	}
	detail := fmt.Sprintf("%s is not a field of this request", name)
	if nearest := engine.Nearest(snake, b.names()); nearest != "" {
		detail += fmt.Sprintf("; did you mean %s?", nearest)
	}
	return "", newProblem(422, "unknown_field", "Unknown field", detail, FieldProblem{"/" + name, detail})
}

func (b *binder) knows(name string) bool { _, ok := b.schema.Properties[name]; return ok }

func (b *binder) names() []string {
	var names []string
	for name := range b.schema.Properties {
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

// typed turns a form's text into what the schema says.
func (b *binder) typed(name, text string) (any, error) {
	schema := b.schema.Properties[name]
	switch schema.Type {
	case huma.TypeInteger, huma.TypeNumber:
		number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil, invalid(name, fmt.Sprintf("%s must be a number, not %q", name, clip(text)))
		}
		return number, nil
	case huma.TypeBoolean:
		value, err := strconv.ParseBool(strings.TrimSpace(text))
		if err != nil {
			return nil, invalid(name, fmt.Sprintf("%s must be true or false", name))
		}
		return value, nil
	case huma.TypeArray, huma.TypeObject:
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, invalid(name, fmt.Sprintf("%s must be JSON", name))
		}
		return value, nil
	default:
		return text, nil
	}
}

func clip(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// validate checks the values against the schema. A media field that came as a file counts as given.
func (b *binder) validate(f *fields) error {
	checked := map[string]any{}
	for name, value := range f.values {
		checked[name] = value
	}
	for name, asset := range f.files {
		if _, twice := checked[name]; twice {
			return invalid(name, fmt.Sprintf("%s was sent as a file and as a value: send one of them", name))
		}
		checked[name] = asset.ID.String()
	}
	for name := range mediaFields {
		if value, ok := checked[name].(string); ok && strings.TrimSpace(value) == "" {
			return invalid(name, fmt.Sprintf("%s is empty: send a file, an id, an https URL or a data: URI", name))
		}
	}
	result := &huma.ValidateResult{}
	huma.Validate(b.registry, b.schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, checked, result)
	if len(result.Errors) == 0 {
		return nil
	}
	var problems []FieldProblem
	for _, err := range result.Errors {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			problems = append(problems, FieldProblem{pointer(detail), detail.Message})
		}
	}
	first := strings.TrimPrefix(problems[0].Pointer, "/")
	return newProblem(422, "invalid_request", "The request cannot be honoured", strings.TrimSpace(first+": "+problems[0].Detail), problems...)
}

// pointer of a validation error; a missing property is named in the message only.
func pointer(d *huma.ErrorDetail) string {
	path := "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(d.Location)
	if name, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _, _ = strings.Cut(name, " ")
		path = strings.TrimSuffix(path, "/") + "/" + name
	}
	return path
}

// uuidField reads an id that the schema has checked.
func (f *fields) uuid(name string) *uuid.UUID {
	id, err := uuid.Parse(f.str(name))
	if err != nil {
		return nil
	}
	return &id
}
