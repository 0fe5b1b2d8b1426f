package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// Limits of one JSON text. A value takes many times its length in memory, so a limit of the length alone is not enough.
const (
	// mostFields of one object.
	mostFields = 200
	// deepest nesting of lists and objects.
	deepest = 20
	// mostValues is the most values in the whole text: fields, entries of lists and the values in them.
	mostValues = 20_000
)

// errMoreJSON: something follows the value.
var errMoreJSON = errors.New("more than one JSON value")

// decodeJSON reads one JSON value within the limits above. Numbers stay as they are written, so that a long one loses
// no digit where a text is wanted.
func decodeJSON(text []byte) (any, error) {
	if loneSurrogate(text) {
		return nil, badJSON(
			i18n.Say("the JSON holds half of a character (a lone surrogate): send the whole text as UTF-8"),
		)
	}
	d := &jsonReader{decoder: json.NewDecoder(bytes.NewReader(text))}
	d.decoder.UseNumber()
	value, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := d.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errMoreJSON
	}
	return value, nil
}

var unicodeEscapes = regexp.MustCompile(`\\\\|\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)

// loneSurrogate says whether an escape is half of a character. The decoder would replace it silently.
func loneSurrogate(text []byte) bool {
	high := -1 // where the low half must begin
	for _, at := range unicodeEscapes.FindAllIndex(text, -1) {
		if at[1]-at[0] == 2 {
			continue // a backslash
		}
		isHigh := strings.ContainsRune("89abAB", rune(text[at[0]+3]))
		switch {
		case high >= 0 && (isHigh || at[0] != high), high < 0 && !isHigh:
			return true
		case isHigh:
			high = at[1]
		default:
			high = -1
		}
	}
	return high >= 0
}

// jsonReader builds a value token by token and counts its parts.
type jsonReader struct {
	decoder *json.Decoder
	values  int
}

func (d *jsonReader) value(depth int) (any, error) {
	token, err := d.decoder.Token()
	if err != nil {
		return nil, err
	}
	if d.values++; d.values > mostValues {
		return nil, badJSON(i18n.Say("the JSON holds more than %d values: send less in one request", mostValues))
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return token, nil
	}
	if depth >= deepest {
		return nil, badJSON(i18n.Say("the JSON is nested more than %d levels deep", deepest))
	}
	if delim == '{' {
		return d.object(depth + 1)
	}
	return d.list(depth + 1)
}

func (d *jsonReader) object(depth int) (any, error) {
	object := map[string]any{}
	for d.decoder.More() {
		token, err := d.decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // nothing else can be there
		switch _, twice := object[name]; {
		case twice:
			return nil, invalid(escape(name), i18n.Say("%s was sent twice", names.Clip(name)))
		case len(object) >= mostFields:
			return nil, badJSON(i18n.Say("an object in the JSON has more than %d fields", mostFields))
		}
		if object[name], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := d.decoder.Token()
	return object, err
}

func (d *jsonReader) list(depth int) (any, error) {
	list := []any{}
	for d.decoder.More() {
		value, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := d.decoder.Token()
	return list, err
}

func badJSON(detail i18n.Sentence) *problem {
	return newProblem(http.StatusUnprocessableEntity, "bad_json", i18n.Say("The body is not a JSON object"), detail)
}

// readJSON reads a body that is one JSON object. Files that came as long data: URIs are in f.
func (b *binder) readJSON(
	ctx context.Context,
	body io.Reader,
	p auth.Principal,
	f *fields,
	check *checker,
) (map[string]any, error) {
	s := &spool{
		dir:      b.assets.TempDir(),
		takes:    b.takesFiles(),
		mostText: min(b.maxText, b.maxJSON),
		mostBody: b.maxJSON,
	}
	defer s.close()
	text, err := s.read(body)
	if err != nil {
		return nil, bodyTrouble(err)
	}
	if !utf8.Valid(text) {
		return nil, badJSON(i18n.Say("the body is not valid UTF-8: save or send it as UTF-8"))
	}
	value, err := decodeJSON(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) // some editors begin a file so
	if err != nil {
		return nil, bodyTrouble(err)
	}
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, badJSON(i18n.Say("the body must be a JSON object"))
	}
	if len(s.files) > 0 {
		err = b.takeData(ctx, p, f, raw, s, check)
	}
	return raw, err
}

// bodyTrouble describes the fault of a JSON body.
func bodyTrouble(err error) error {
	var syntax *json.SyntaxError
	switch p := problemOf(err); {
	case p.code != "internal":
		return err
	case errors.Is(err, errMoreJSON):
		return badJSON(i18n.Say("there is something after the JSON object: send one object"))
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badJSON(jsonTrouble(err))
	default:
		return err
	}
}

// takesFiles says whether the request has a field for a file, and so takes data: URIs.
func (b *binder) takesFiles() bool {
	if b.schema.Properties["input"] != nil { // of a job, which may have one
		return true
	}
	for name := range b.schema.Properties {
		if _, ok := b.fileKind(name); ok {
			return true
		}
	}
	return false
}

// takeData stores the files that came as long data: URIs. They are files of the request; deeper in the body the id of
// the file takes the URI's place.
func (b *binder) takeData(
	ctx context.Context,
	p auth.Principal,
	f *fields,
	raw map[string]any,
	s *spool,
	check *checker,
) error {
	for spelt, value := range raw {
		file := s.fileOf(value)
		if file == nil {
			if err := b.takeDeeper(ctx, p, f, value, s); err != nil {
				return err
			}
			continue
		}
		name, known := check.canonical(b.schema, spelt)
		if !known {
			continue // it is reported with the other unknown names
		}
		delete(raw, spelt)
		if _, isMedia := b.fileKind(name); !isMedia {
			check.say("/"+name, codeInvalid, "%s takes no data: URI", name)
			continue
		}
		if f.files[name] != nil {
			check.say("/"+name, codeInvalid, "%s was sent twice", name)
			continue
		}
		asset, err := b.ingestData(ctx, p, file, name)
		switch refused := problemOf(err); {
		case err == nil:
			f.files[name] = asset
		case refused.status != http.StatusUnprocessableEntity:
			return err
		default:
			check.refuse(refused)
		}
	}
	return nil
}

func (s *spool) fileOf(value any) *os.File {
	text, _ := value.(string)
	return s.files[text]
}

func (b *binder) takeDeeper(ctx context.Context, p auth.Principal, f *fields, value any, s *spool) error {
	switch v := value.(type) {
	case []any:
		for _, entry := range v {
			if err := b.takeDeeper(ctx, p, f, entry, s); err != nil {
				return err
			}
		}
	case map[string]any:
		for spelt, entry := range v {
			file := s.fileOf(entry)
			if file == nil {
				if err := b.takeDeeper(ctx, p, f, entry, s); err != nil {
					return err
				}
				continue
			}
			name, isMedia := b.fileNamed(spelt)
			if !isMedia {
				return invalid(names.Clip(spelt), i18n.Say("%s takes no data: URI", names.Clip(spelt)))
			}
			asset, err := b.ingestData(ctx, p, file, name)
			if err != nil {
				return err
			}
			v[spelt] = asset.ID.String()
			f.taken = append(f.taken, asset)
		}
	}
	return nil
}

func (b *binder) ingestData(ctx context.Context, p auth.Principal, file *os.File, name string) (*assets.Asset, error) {
	kind, _ := b.fileKind(name)
	asset, err := b.assets.IngestData(ctx, file, assets.IngestRequest{Owner: p.Owner, Want: kind})
	if err != nil {
		return nil, onField(err, name)
	}
	return asset, nil
}

// fileNamed finds the field for a file that a name deep inside a body means.
func (b *binder) fileNamed(spelt string) (name string, ok bool) {
	snake := toSnake(spelt)
	for _, name := range append([]string{snake}, b.kinds.Meant(snake)...) {
		if _, ok := b.fileKind(name); ok {
			return name, true
		}
	}
	return "", false
}
