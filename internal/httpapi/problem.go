package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/telemetry"
)

const mimeProblem = "application/problem+json"

// FieldProblem describes the fault of one field.
type FieldProblem struct {
	Pointer string `json:"pointer" doc:"JSON pointer to the field" example:"/voice_id"`
	Detail  string `json:"detail" doc:"What to change"`
}

// ErrorObject repeats the problem in the shape that OpenAI's clients read.
type ErrorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Code    string  `json:"code"`
	Param   *string `json:"param" nullable:"true"`
}

// Problem is an RFC 9457 problem with two extensions, in the language of its reader.
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

	headers http.Header
}

// Error is the sentence for the caller.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter; the response writer adapts it to what the caller accepts.
func (p *Problem) ContentType(string) string { return mimeProblem }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// problem is a Problem before it is sent: its sentences have no language yet.
type problem struct {
	status        int
	code          string
	title, detail i18n.Sentence
	fields        []fieldProblem
	// more is how many further wrong fields are not in fields.
	more int
	// retryAfter is for the header of that name, in seconds; "" sends none.
	retryAfter string
	// allow are the methods of an address, for a 405.
	allow string
}

// fieldProblem is a FieldProblem before it is sent.
type fieldProblem struct {
	pointer string
	detail  i18n.Sentence
}

func newProblem(status int, code string, title, detail i18n.Sentence, fields ...fieldProblem) *problem {
	return &problem{status: status, code: code, title: title, detail: detail, fields: fields}
}

// Error is the sentence in English.
func (p *problem) Error() string { return p.detail.String() }

// Sentence says how to correct the request.
func (p *problem) Sentence() i18n.Sentence { return p.detail }

// in renders the problem for the caller of a request.
func (p *problem) in(ctx context.Context) *Problem {
	c := callerOf(ctx)
	detail := p.detail.For(c.reader)
	sent := &Problem{Type: "/problems/" + p.code, Title: p.title.For(c.reader), Status: p.status, Detail: detail,
		Instance: c.path, RequestID: telemetry.RequestID(ctx),
		Err: ErrorObject{Message: detail, Type: p.code, Code: p.code}, headers: p.header()}
	for _, field := range p.fields {
		sent.Errors = append(sent.Errors, FieldProblem{field.pointer, field.detail.For(c.reader)})
	}
	if len(p.fields) > 0 {
		param := strings.TrimPrefix(p.fields[0].pointer, "/")
		sent.Err.Param = &param
	}
	return sent
}

func (p *problem) header() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	h.Set("Vary", "Accept, "+varyByReader)
	if p.retryAfter != "" {
		h.Set("Retry-After", p.retryAfter)
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="apibr"`)
	}
	return h
}

// cannotHonour is the title of most refusals.
var cannotHonour = i18n.Say("The request cannot be honoured")

// invalid is a 422 about one field.
func invalid(field string, detail i18n.Sentence) *problem {
	return newProblem(http.StatusUnprocessableEntity, codeInvalid, cannotHonour, detail,
		fieldProblem{pointer: "/" + field, detail: detail})
}

func notFound(detail i18n.Sentence) *problem {
	return newProblem(http.StatusNotFound, "not_found", i18n.Say("Not found"), detail)
}

// answer turns an error into a problem for its caller, and logs the causes that the caller does not see.
func (s *Server) answer(ctx context.Context, err error) *Problem {
	p := problemOf(err)
	if (p.code == "internal" || p.code == "database_unavailable") && ctx.Err() == nil {
		s.cfg.Log.ErrorContext(ctx, "a request failed", "err", err)
	}
	return p.in(ctx)
}

// writeProblem sends a problem from outside huma.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := s.answer(r.Context(), err)
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", mimeProblem)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p)
	}
}
