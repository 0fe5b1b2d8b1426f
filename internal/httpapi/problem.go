package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/telemetry"
	"github.com/apibr/studio/internal/voices"
)

const mimeProblem = "application/problem+json"

// FieldProblem is what is wrong with one field.
type FieldProblem struct {
	Pointer string `json:"pointer" doc:"JSON pointer to the field" example:"/voice_id"`
	Detail  string `json:"detail" doc:"What to change"`

	// inPortuguese is Detail in Portuguese where the catalogue cannot give it.
	inPortuguese string
}

// ErrorObject repeats the problem in the shape that OpenAI's clients read.
type ErrorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Code    string  `json:"code"`
	Param   *string `json:"param" nullable:"true"`
}

// Problem is an RFC 9457 problem with two extensions.
type Problem struct {
	Type      string         `json:"type" example:"/problems/invalid_request"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail" doc:"A sentence that tells what to change"`
	Instance  string         `json:"instance,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	Retryable *bool          `json:"retryable,omitempty" doc:"On a job's error: whether trying again unchanged may help"`
	Errors    []FieldProblem `json:"errors,omitempty"`
	Err       ErrorObject    `json:"error"`

	retryAfter string
	// allow are the methods of an address, for a 405.
	allow string
	// inPortuguese is Detail in Portuguese where the catalogue cannot give it: a text that came in both languages.
	inPortuguese string
	// more is how many wrong fields Errors leaves out.
	more int
}

// Error is the sentence for the caller.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter; the response writer adapts it to what the caller accepts.
func (p *Problem) ContentType(string) string { return mimeProblem }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	h.Set("Vary", "Accept, Accept-Language")
	if p.retryAfter != "" {
		h.Set("Retry-After", p.retryAfter)
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="apibr"`)
	}
	return h
}

func newProblem(status int, code, title, detail string, fields ...FieldProblem) *Problem {
	p := &Problem{Type: "/problems/" + code, Title: title, Status: status, Detail: detail, Errors: fields,
		Err: ErrorObject{Message: detail, Type: code, Code: code}}
	if len(fields) > 0 {
		param := strings.TrimPrefix(fields[0].Pointer, "/")
		p.Err.Param = &param
	}
	return p
}

// invalid is a 422 about one field.
func invalid(field, detail string) *Problem {
	return newProblem(http.StatusUnprocessableEntity, "invalid_request", "The request cannot be honoured", detail, FieldProblem{Pointer: "/" + field, Detail: detail})
}

func notFound(what string) *Problem {
	return newProblem(http.StatusNotFound, "not_found", "Not found", what)
}

// What a computer without a free handle, process or page answers.
const (
	busy      = "busy"
	noHandles = "the computer is short of memory or open files at the moment: send the request again in a few seconds"
)

// answers maps what the services return. A text of "" takes the error's own, which those packages write for users.
var answers = []struct {
	is     error
	status int
	code   string
	title  string
	text   string
}{
	{jobs.ErrNotFound, 404, "not_found", "Not found", "there is no such job"},
	{voices.ErrNotFound, 404, "not_found", "Not found", "there is no such voice"},
	{assets.ErrNotFound, 404, "not_found", "Not found", "there is no such file"},
	{blob.ErrNotFound, 404, "not_found", "Not found", "the file's content is gone"},
	{tasks.ErrUnknown, 404, "not_found", "Not found", "there is no such model"},
	{tasks.ErrBusy, 409, "model_busy", "Not possible in this state", ""},
	{tasks.ErrInUse, 409, "in_use", "In use", ""},
	{tasks.ErrNoTask, 409, "conflict", "Not possible in this state", ""},
	{tasks.ErrInstalled, 409, "not_installed", "Not possible in this state", ""},
	{studio.ErrNotFound, 404, "not_found", "Not found", "there is no such project"},
	{auth.ErrNotFound, 404, "not_found", "Not found", "there is no such key"},
	{auth.ErrNoSession, 404, "not_found", "Not found", "there is no such session"},
	{auth.ErrNotASession, 409, "conflict", "Not possible in this state", ""},
	{assets.ErrBadLink, 403, "bad_link", "The link is not valid", ""},
	{jobs.ErrState, 409, "conflict", "Not possible in this state", ""},
	{jobs.ErrChanged, 412, "changed", "The job has changed", ""},
	{jobs.ErrQueueFull, 429, "queue_full", "The queue is full", ""},
	{jobs.ErrNameTaken, 422, "name_taken", "The name is taken", ""},
	{voices.ErrNameTaken, 422, "name_taken", "The name is taken", ""},
	{voices.ErrBuiltin, 409, "builtin", "A built-in voice", ""},
	{voices.ErrInUse, 409, "in_use", "In use", ""},
	{assets.ErrInUse, 409, "in_use", "In use", ""},
	{assets.ErrNoProject, 422, "invalid_request", "The request cannot be honoured", ""},
	{assets.ErrWrongKind, 422, "wrong_kind", "The file is of another kind", ""},
	{jobs.ErrBadCursor, 422, "bad_cursor", "The cursor is not valid", ""},
	{assets.ErrBadCursor, 422, "bad_cursor", "The cursor is not valid", ""},
	{studio.ErrBadCursor, 422, "bad_cursor", "The cursor is not valid", ""},
	{jobs.ErrKeyReused, 422, "idempotency_key_reused", "The Idempotency-Key was used", ""},
	{jobs.ErrInFlight, 409, "idempotency_in_flight", "The first request is in flight", ""},
	{auth.ErrUnauthenticated, 401, "unauthenticated", "Not signed in", ""},
	{auth.ErrOrigin, 403, "bad_origin", "Another site's request", ""},
	{auth.ErrUsed, 401, "link_used", "The link was used", ""},
	{auth.ErrBadScope, 422, "bad_scope", "The scopes are not valid", ""},
	{auth.ErrKeyName, 422, "invalid_request", "The request cannot be honoured", ""},
	{auth.ErrKeyOutlives, 422, "invalid_request", "The request cannot be honoured", ""},
	{auth.ErrKeyExpiry, 422, "invalid_request", "The request cannot be honoured", ""},
	{blob.ErrDiskFull, 507, "disk_full", "The disk is full", ""},
	{media.ErrNoFFmpeg, 503, "no_ffmpeg", "A program is missing", ""},
	{syscall.EMFILE, 503, busy, "The computer is busy", noHandles},
	{syscall.ENFILE, 503, busy, "The computer is busy", noHandles},
	{syscall.ENOMEM, 503, busy, "The computer is busy", noHandles},
	{syscall.EAGAIN, 503, busy, "The computer is busy", noHandles},
	{context.DeadlineExceeded, 503, "timeout", "It took too long", "the studio did not answer in time: try again"},
}

// problemOf turns any error into what the caller reads. What it does not know becomes a 500 without a word of its cause.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	if p := typedProblem(err); p != nil {
		return p
	}
	for _, a := range answers {
		if errors.Is(err, a.is) {
			text := a.text
			if text == "" {
				text = userText(err, a.is)
			}
			p := newProblem(a.status, a.code, a.title, text)
			if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable || a.code == "idempotency_in_flight" {
				p.retryAfter = "2"
			}
			return p
		}
	}
	var echoError *echo.HTTPError
	if errors.As(err, &echoError) {
		return ofStatus(echoError.Code)
	}
	if store.DiskFull(err) {
		return problemOf(blob.ErrDiskFull)
	}
	if store.Unavailable(err) {
		p := newProblem(http.StatusServiceUnavailable, "database_unavailable", "The database is away", "the database does not answer at the moment: try again")
		p.retryAfter = "2"
		return p
	}
	return newProblem(500, "internal", "Something went wrong", "the studio failed to answer; its log holds the reason under this request's id")
}

// typedProblem handles errors that carry a sentence and a field.
func typedProblem(err error) *Problem {
	var input *jobs.InputError
	var state *jobs.StateError
	var kind *assets.KindError
	var file *media.InputError
	var limit *media.LimitError
	var unavailable *media.UnavailableError
	var fetching *fetch.Error
	var scope *auth.ScopeError
	var credential *auth.CredentialError
	var slowed *auth.SlowedError
	var missing *engine.NotInstalledError
	var licence *models.LicenceError
	var refused *models.InputError
	var model *engine.UnknownModelError
	var task *engine.UnknownTaskError
	var needs *engine.NeedsInputError
	var idle *engine.IdleParameterError
	var language *engine.LanguageError
	var large *plan.TooLargeError
	switch {
	case errors.As(err, &input):
		return invalid(fieldOf(input.Name), input.Detail)
	case errors.As(err, &state):
		return newProblem(409, "conflict", "Not possible in this state", state.Detail)
	case errors.As(err, &limit):
		return newProblem(422, "limit_exceeded", "A limit is exceeded", limit.Error())
	case errors.As(err, &kind):
		return newProblem(422, "wrong_kind", "The file is of another kind", kind.Error())
	case errors.As(err, &file):
		return newProblem(422, "bad_file", "The file cannot be used", file.Error())
	case errors.As(err, &unavailable):
		p := newProblem(503, busy, "The computer is busy", unavailable.Error())
		p.retryAfter = "5"
		return p
	case errors.As(err, &fetching):
		return newProblem(422, "fetch_failed", "The file could not be fetched", fetching.Detail)
	case errors.As(err, &slowed):
		return tooManyFailed(slowed)
	case errors.As(err, &credential):
		return newProblem(http.StatusUnauthorized, "unauthenticated", "Not signed in", credential.Error())
	case errors.As(err, &scope):
		return newProblem(403, "missing_scope", "Not allowed", scope.Error())
	case errors.As(err, &licence):
		p := invalid("accept_licence", licence.Error())
		p.Type, p.Err.Code, p.Err.Type = "/problems/licence_not_accepted", "licence_not_accepted", "licence_not_accepted"
		return p
	case errors.As(err, &refused):
		return newProblem(422, "model_refused", "The request cannot be honoured", refused.Detail)
	case errors.As(err, &missing):
		return notInstalled(missing)
	case errors.As(err, &model):
		return unknownModel(model)
	case errors.As(err, &needs):
		return newProblem(422, codeInvalid, "The request cannot be honoured", needs.Error(), FieldProblem{Pointer: "/" + fieldOf(needs.Inputs[0]), Detail: needs.Error()})
	case errors.As(err, &idle):
		return newProblem(422, "unsupported_field", "The engine does not honour a field", idle.Error(), FieldProblem{Pointer: "/" + idle.Parameter, Detail: idle.Error()})
	case errors.As(err, &language):
		return newProblem(422, "unsupported_language", "The engine does not speak the language", language.Error(), FieldProblem{Pointer: "/language", Detail: language.Error()})
	case errors.As(err, &large):
		return newProblem(422, "no_memory", "The job does not fit this computer", large.Error())
	case errors.As(err, &task):
		return newProblem(422, "unsupported", "Not supported", task.Error())
	default:
		return nil
	}
}

// unknownModel names the nearest.
func unknownModel(e *engine.UnknownModelError) *Problem {
	detail := e.Error()
	if near := closest(e.Model, e.Known); near != "" {
		detail = fmt.Sprintf("model %q is not known for %s; did you mean %s? Known: %s", clip(e.Model), e.Task, near, strings.Join(e.Known, ", "))
	}
	return newProblem(http.StatusUnprocessableEntity, "unknown_model", "Unknown model", detail, FieldProblem{Pointer: "/model", Detail: detail})
}

// tooManyFailed says what is wrong with the credential, and that its address has to wait before it is told so again.
func tooManyFailed(e *auth.SlowedError) *Problem {
	refused := problemOf(e.Refused)
	p := newProblem(http.StatusTooManyRequests, "too_many_failed_signins", "Too many failed sign-ins", e.Error())
	p.retryAfter = strconv.Itoa(e.Seconds())
	p.inPortuguese = fmt.Sprintf("%s (muitas tentativas de entrar falharam neste endereço: espere %d s)", inPortuguese(refused.Detail), e.Seconds())
	return p
}

// notInstalled says what to install, in the words of the engine's own manifest.
func notInstalled(e *engine.NotInstalledError) *Problem {
	p := newProblem(422, "engine_not_installed", "The engine is not installed", e.Error(), FieldProblem{Pointer: "/quality", Detail: e.Error()})
	p.inPortuguese = fmt.Sprintf("o motor %s não está instalado: %s", e.Engine, e.How.PtBR)
	if e.Model != "" {
		p.inPortuguese = fmt.Sprintf("o motor %s do modelo %s não está instalado: %s", e.Engine, e.Model, e.How.PtBR)
	}
	p.Errors[0].inPortuguese = p.inPortuguese
	return p
}

// fieldOf is the request's name for an engine's input.
func fieldOf(input string) string {
	switch {
	case input == "sample":
		return "audio"
	case input == "voice":
		return "voice_id"
	case strings.HasPrefix(input, "voice_") && input != "voice_id":
		return "lines/" + strings.TrimPrefix(input, "voice_") + "/voice_id"
	default:
		return input
	}
}

// userText is the innermost text: what wraps it names operations, which are for the log.
func userText(err, sentinel error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if inner == sentinel { //nolint:errorlint // the very sentinel
			return inner.Error()
		}
	}
	return sentinel.Error()
}

func ofStatus(status int) *Problem {
	switch status {
	case http.StatusNotFound:
		return notFound("there is nothing at this address; the API is described at /api/openapi.json")
	case http.StatusMethodNotAllowed:
		return newProblem(status, "method_not_allowed", "Method not allowed", "this address does not take this method; the API is described at /api/openapi.json")
	case http.StatusRequestEntityTooLarge:
		return newProblem(status, "too_large", "The request is too large", "the request is larger than http.max_json_bytes allows: send files as multipart/form-data")
	case http.StatusUnsupportedMediaType:
		return newProblem(status, "unsupported_media_type", "Unsupported media type", "send application/json or multipart/form-data")
	default:
		return newProblem(status, "http_error", http.StatusText(status), http.StatusText(status))
	}
}

// in adds what is known only when the problem is sent: for which request, and the language of its sentences.
func (p *Problem) in(ctx context.Context) *Problem {
	sent := *p
	c := callerOf(ctx)
	sent.Instance, sent.RequestID = c.path, telemetry.RequestID(ctx)
	if c.lang != portuguese {
		return &sent
	}
	sent.Title, sent.Detail, sent.Err.Message = inPortuguese(p.Title), inPortuguese(p.Detail), inPortuguese(p.Err.Message)
	sent.Errors = nil
	for _, field := range p.Errors {
		if field.Detail = inPortuguese(field.Detail); field.inPortuguese != "" {
			field.Detail = field.inPortuguese
		}
		sent.Errors = append(sent.Errors, field)
	}
	if len(sent.Errors) > 1 {
		sent.Detail = together(sent.Errors, "%d coisas a mudar: ", " (e mais %d)", p.more)
		sent.Err.Message = sent.Detail
		return &sent
	}
	if p.inPortuguese != "" {
		sent.Detail, sent.Err.Message = p.inPortuguese, p.inPortuguese
		for i := range sent.Errors {
			sent.Errors[i].Detail = p.inPortuguese
		}
	}
	return &sent
}

// answer turns an error into the problem that the caller reads, and logs what they must not see.
func (s *Server) answer(ctx context.Context, err error) *Problem {
	p := problemOf(err)
	if (p.Err.Code == "internal" || p.Err.Code == "database_unavailable") && ctx.Err() == nil {
		s.cfg.Log.ErrorContext(ctx, "a request failed", "err", err)
	}
	return p.in(ctx)
}

// writeProblem sends a problem from outside huma.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := s.answer(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", mimeProblem)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p)
	}
}
