package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/netlimit"
)

// mostParts is how many parts a form may have.
const mostParts = 64

// fields is a bound request: its values by canonical name, as JSON has them, and its files.
type fields struct {
	values map[string]any
	files  map[string]*assets.Asset
	// taken are further files that came here with the request: inside a value, or fetched for it.
	taken []*assets.Asset
	// empty are the fields that were sent without a value.
	empty map[string]bool
	// checked says that the body was read to its end. wrong has its faults, and values holds the rest.
	checked bool
	wrong   complaints
}

func newFields() *fields {
	return &fields{values: map[string]any{}, files: map[string]*assets.Asset{}, empty: map[string]bool{}}
}

func (f *fields) str(name string) string { value, _ := f.values[name].(string); return value }

// into decodes the checked values into a request struct.
func (f *fields) into(request any) error {
	encoded, err := json.Marshal(f.values)
	if err != nil {
		return fmt.Errorf("decode a request: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber() // where a field takes any value
	if err := decoder.Decode(request); err != nil {
		return fmt.Errorf("decode a request: %w", err)
	}
	return nil
}

// uuid reads an id whose form has been checked.
func (f *fields) uuid(name string) *uuid.UUID {
	id, err := uuid.Parse(f.str(name))
	if err != nil {
		return nil
	}
	return &id
}

// hashes of the files as they were sent, in the order of their names, for the idempotency hash.
func (f *fields) hashes() []string {
	var sums []string
	for name, asset := range f.files {
		sum := asset.SHA256
		if asset.OriginalSHA256 != nil {
			sum = *asset.OriginalSHA256
		}
		sums = append(sums, name+"="+sum)
	}
	slices.Sort(sums)
	return sums
}

// binder reads requests of one shape.
type binder struct {
	assets   *assets.Service
	kinds    *generation.Kinds
	schema   *huma.Schema
	registry huma.Registry
	// maxJSON is the size of a JSON body, and maxText that of the texts in any body, at most; in bytes.
	maxJSON, maxText int64
	// pause is the longest time in which nothing of a body arrives.
	pause time.Duration
}

// read binds a request body and decodes it into a request struct. The fields hold the files that came with it.
func read[T any](b *binder, c echo.Context, p auth.Principal) (request T, f *fields, err error) {
	if f, err = b.bind(c, p); err == nil {
		err = f.into(&request)
	}
	return request, f, err
}

func (b *binder) checker() *checker { return newChecker(b.registry, b.kinds) }

// fileField is the field of an upload, which takes files of each kind.
const fileField = "file"

// fileKind returns the kind of file that a field takes, "" for any. It is not ok for a field that takes a value.
func (b *binder) fileKind(field string) (kind media.Kind, ok bool) { return fileKind(b.kinds, field) }

func fileKind(kinds *generation.Kinds, field string) (kind media.Kind, ok bool) {
	if field == fileField {
		return "", true
	}
	of, ok := kinds.FileKind(field)
	return media.Kind(of), ok
}

// bind reads a request body, JSON or a form, and checks it against the schema. Files are stored while they are read.
// The fields hold them even when bind fails, so that the caller can delete them.
func (b *binder) bind(c echo.Context, p auth.Principal) (*fields, error) {
	r, f := c.Request(), newFields()
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		return f, ofStatus(http.StatusUnsupportedMediaType)
	}
	body := b.body(c)
	var raw map[string]any
	check := b.checker()
	switch {
	case kind == "multipart/form-data" && params["boundary"] != "":
		raw, err = b.readForm(r.Context(), multipart.NewReader(body, params["boundary"]), p, f, check)
	case kind == "application/json" || kind == "":
		raw, err = b.readJSON(r.Context(), body, p, f, check)
	case kind == "multipart/form-data":
		return f, newProblem(
			http.StatusUnsupportedMediaType,
			"unsupported_media_type",
			i18n.Say("Unsupported media type"),
			i18n.Say(
				"the header Content-Type names no boundary: leave that header to the client, "+
					"which writes it for a form by itself",
			),
		)
	default:
		return f, ofStatus(http.StatusUnsupportedMediaType)
	}
	if err != nil {
		return f, err
	}
	return f, b.check(f, raw, check)
}

// check puts the values under their canonical names. A field that came as a file needs no value.
func (b *binder) check(f *fields, raw map[string]any, check *checker) error {
	all := map[string]any{}
	for name, value := range raw {
		all[name] = value
	}
	for name, asset := range f.files {
		for other, value := range raw {
			canonical, ok := check.canonical(b.schema, other)
			switch {
			case !ok || canonical != name:
			case check.isEmpty(b.schema.Properties[name], value, name):
				delete(all, other)
			default:
				return invalid(name, i18n.Say("%s was sent as a file and as a value: send one of them", name))
			}
		}
		all[name] = asset.ID.String()
	}
	f.settle(b.schema, all, check)
	for name := range f.files {
		delete(f.values, name)
	}
	return f.wrong.err()
}

// settle keeps the valid values of raw and gathers the faults of the others.
func (f *fields) settle(schema *huma.Schema, raw map[string]any, check *checker) {
	f.values, f.empty, f.checked = check.object(schema, raw, ""), check.empty, true
	for name := range check.told {
		delete(f.values, name)
	}
	f.wrong.add(check.problem(), check.told)
}

// body of the request. netlimit limits its pauses; here its failures get their sentences.
func (b *binder) body(c echo.Context) io.Reader { return &arriving{c.Request().Body, b.pause} }

type arriving struct {
	body io.Reader
	// pause is the longest time in which nothing of a body arrives.
	pause time.Duration
}

func (r *arriving) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, netlimit.ErrSlow):
		return n, newProblem(http.StatusRequestTimeout, "timeout", i18n.Say("It took too long"), i18n.Say(
			"too little of the request arrived within %.0f s: send it again, "+
				"or change http.read_timeout and http.min_rate",
			r.pause.Seconds(),
		))
	default:
		return n, brokenOff()
	}
}

func brokenOff() *problem {
	return newProblem(422, "bad_body", i18n.Say("The request cannot be read"),
		i18n.Say("the request ends early: send it again"))
}

func jsonTrouble(err error) i18n.Sentence {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return i18n.Say("the body is not valid JSON at byte %d", syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return i18n.Say("the body is empty or ends early: send a JSON object")
	}
	return i18n.Say("the body must be a JSON object")
}

// readForm returns the texts of a form and puts its files into f. A file that was read and refused is one more
// complaint; a file that no field takes is refused before it has arrived.
func (b *binder) readForm(
	ctx context.Context,
	form *multipart.Reader,
	p auth.Principal,
	f *fields,
	check *checker,
) (map[string]any, error) {
	raw, texts := map[string]any{}, int64(0)
	for parts := 0; ; parts++ {
		part, err := form.NextPart()
		if err == io.EOF { //nolint:errorlint // one that is wrapped says that the form ends before its last boundary
			return raw, nil
		}
		if err != nil && len(check.found) > 0 {
			return nil, check.problem() // the request's fault is known; the rest of it does not come
		}
		if err != nil {
			return nil, formTrouble(err)
		}
		if parts >= mostParts {
			return nil, badForm(i18n.Say("the form has more than %d parts", mostParts))
		}
		switch {
		case !utf8.ValidString(part.FormName()):
			return nil, badForm(i18n.Say("the name of a field is not valid UTF-8: save or send it as UTF-8"))
		case !isFile(part):
			texts, err = b.readText(part, raw, texts)
		case len(check.found) > 0:
			return nil, check.problem() // it is not worth waiting for another file
		default:
			err = b.readFile(ctx, part, p, f, check)
		}
		if err != nil {
			return nil, err
		}
	}
}

// isFile says whether a part is a file. Browsers and n8n name the file; some clients only say that a part is media.
func isFile(part *multipart.Part) bool {
	kind, _, _ := strings.Cut(part.Header.Get("Content-Type"), "/")
	return part.FileName() != "" || kind == "image" || kind == "audio" || kind == "video" ||
		part.Header.Get("Content-Type") == "application/octet-stream"
}

func badForm(detail i18n.Sentence) *problem {
	return newProblem(http.StatusUnprocessableEntity, "bad_form", i18n.Say("The form cannot be read"), detail)
}

func formTrouble(err error) error {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return badForm(i18n.Say("the multipart form is broken or ends early: send it again"))
}

// readText puts a text into raw. texts is how many bytes the texts have: before the call, and then with this one.
func (b *binder) readText(part *multipart.Part, raw map[string]any, texts int64) (int64, error) {
	name := part.FormName()
	content, err := io.ReadAll(io.LimitReader(part, b.maxText-texts+1))
	if err != nil {
		return texts, formTrouble(err)
	}
	if texts += int64(len(content)); texts > b.maxText {
		return texts, tooLarge(
			"the texts of the form are longer than %d bytes: raise http.max_text_bytes, or send files with a filename",
			b.maxText,
		)
	}
	if !utf8.Valid(content) {
		return texts, invalid(names.Clip(name), i18n.Say(notUTF8, names.Clip(name)))
	}
	if _, twice := raw[name]; twice {
		return texts, invalid(names.Clip(name), i18n.Say("%s was sent twice", names.Clip(name)))
	}
	raw[name] = string(content)
	return texts, nil
}

// readFile stores a file. check reports a refused file; the error is about a field that takes no file, about the
// request itself, or a failure of the studio.
func (b *binder) readFile(
	ctx context.Context,
	part *multipart.Part,
	p auth.Principal,
	f *fields,
	check *checker,
) error {
	name, ok := check.canonical(b.schema, part.FormName())
	kind, isMedia := b.fileKind(name)
	switch {
	case !ok:
		check.unknown(b.schema, part.FormName(), "a file", "")
	case !isMedia:
		check.say("/"+name, codeInvalid, "%s is a value, not a file: send it without a filename", name)
	case f.files[name] != nil:
		check.say("/"+name, codeInvalid, "%s was sent twice", name)
	case !utf8.ValidString(part.FileName()):
		check.say("/"+name, codeInvalid, "the name of the file in %s is not valid UTF-8: save or send it as UTF-8",
			name)
	}
	if err := check.problem(); err != nil {
		return err
	}
	source := &source{part: part}
	asset, err := b.assets.Ingest(ctx,
		assets.IngestRequest{Owner: p.Owner, Reader: source, Filename: part.FileName(), Want: kind})
	if source.broken != nil {
		return formTrouble(source.broken)
	}
	if err != nil {
		refused := problemOf(onField(err, name))
		if refused.status != http.StatusUnprocessableEntity {
			return err
		}
		check.refuse(refused)
		return nil
	}
	f.files[name] = asset
	return nil
}

// source remembers that the request itself broke off: the studio is not to blame for that.
type source struct {
	part   io.Reader
	broken error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.broken = err
	}
	return n, err
}

// onField names the field that a refusal is about.
func onField(err error, name string) error {
	p := problemOf(err)
	if p.status != http.StatusUnprocessableEntity || len(p.fields) > 0 {
		return err
	}
	detail := p.detail
	var kind *assets.KindError
	if errors.As(err, &kind) {
		detail = generation.WrongKind(name, kind)
	}
	return newProblem(p.status, p.code, p.title, detail, fieldProblem{pointer: "/" + name, detail: detail})
}

// discard deletes the files of a request that made nothing, also when the request itself has ended.
func (s *Server) discard(ctx context.Context, p auth.Principal, f *fields) {
	all := maps.Clone(f.files)
	for i, asset := range f.taken {
		all[fmt.Sprintf("further file %d", i+1)] = asset
	}
	for name, asset := range all {
		if err := s.cfg.Assets.Delete(context.WithoutCancel(ctx), p.Owner, asset.ID); err != nil {
			s.cfg.Log.WarnContext(ctx, "a refused request's file was not deleted", "field", name, "err", err)
		}
	}
}
