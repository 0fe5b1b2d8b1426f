package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"syscall"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

// busy is the code of the answers of a computer that is short of file handles, processes or memory.
const busy = "busy"

var noHandles = i18n.Say(
	"the computer is short of memory or open files at the moment: send the request again in a few seconds")

// answers maps the sentinel errors of the services to problems. An empty detail takes the error's own sentence.
var answers = []struct {
	is            error
	status        int
	code          string
	title, detail i18n.Sentence
}{
	{jobs.ErrNotFound, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such job")},
	{jobs.ErrNoSegment, 404, "not_found", i18n.Say("Not found"),
		i18n.Say("the job has no such part that can be played")},
	{voices.ErrNotFound, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such voice")},
	{pronunciations.ErrNotFound, 404, "not_found", i18n.Say("Not found"),
		i18n.Say("there is no such word in your dictionary")},
	{assets.ErrNotFound, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such file")},
	{blob.ErrNotFound, 404, "not_found", i18n.Say("Not found"), i18n.Say("the file's content is gone")},
	{tasks.ErrUnknown, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such model")},
	{tasks.ErrBusy, 409, "model_busy", i18n.Say("Not possible in this state"), i18n.Sentence{}},
	{tasks.ErrInUse, 409, "in_use", i18n.Say("In use"), i18n.Sentence{}},
	{tasks.ErrNoTask, 409, "conflict", i18n.Say("Not possible in this state"), i18n.Sentence{}},
	{tasks.ErrInstalled, 409, "not_installed", i18n.Say("Not possible in this state"), i18n.Sentence{}},
	{studio.ErrNotFound, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such project")},
	{auth.ErrNotFound, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such key")},
	{auth.ErrNoSession, 404, "not_found", i18n.Say("Not found"), i18n.Say("there is no such session")},
	{auth.ErrNotASession, 409, "conflict", i18n.Say("Not possible in this state"), i18n.Sentence{}},
	{assets.ErrBadLink, 403, "bad_link", i18n.Say("The link is not valid"), i18n.Sentence{}},
	{jobs.ErrState, 409, "conflict", i18n.Say("Not possible in this state"), i18n.Sentence{}},
	{jobs.ErrChanged, 412, "changed", i18n.Say("The job has changed"), i18n.Sentence{}},
	{jobs.ErrQueueFull, 429, "queue_full", i18n.Say("The queue is full"), i18n.Sentence{}},
	{jobs.ErrNameTaken, 422, "name_taken", i18n.Say("The name is taken"), i18n.Sentence{}},
	{voices.ErrNameTaken, 422, "name_taken", i18n.Say("The name is taken"), i18n.Sentence{}},
	{voices.ErrBuiltin, 409, "builtin", i18n.Say("A built-in voice"), i18n.Sentence{}},
	{voices.ErrInUse, 409, "in_use", i18n.Say("In use"), i18n.Sentence{}},
	{assets.ErrInUse, 409, "in_use", i18n.Say("In use"), i18n.Sentence{}},
	{assets.ErrNoProject, 422, "invalid_request", cannotHonour, i18n.Sentence{}},
	{assets.ErrWrongKind, 422, "wrong_kind", i18n.Say("The file is of another kind"), i18n.Sentence{}},
	{jobs.ErrBadCursor, 422, "bad_cursor", i18n.Say("The cursor is not valid"), i18n.Sentence{}},
	{assets.ErrBadCursor, 422, "bad_cursor", i18n.Say("The cursor is not valid"), i18n.Sentence{}},
	{studio.ErrBadCursor, 422, "bad_cursor", i18n.Say("The cursor is not valid"), i18n.Sentence{}},
	{jobs.ErrKeyReused, 422, "idempotency_key_reused", i18n.Say("The Idempotency-Key was used"), i18n.Sentence{}},
	{jobs.ErrInFlight, 409, "idempotency_in_flight", i18n.Say("The first request is in flight"), i18n.Sentence{}},
	{auth.ErrUnauthenticated, 401, "unauthenticated", i18n.Say("Not signed in"), i18n.Sentence{}},
	{auth.ErrOrigin, 403, "bad_origin", i18n.Say("Another site's request"), i18n.Sentence{}},
	{auth.ErrUsed, 401, "link_used", i18n.Say("The link was used"), i18n.Sentence{}},
	{auth.ErrBadScope, 422, "bad_scope", i18n.Say("The scopes are not valid"), i18n.Sentence{}},
	{auth.ErrKeyName, 422, "invalid_request", cannotHonour, i18n.Sentence{}},
	{auth.ErrKeyOutlives, 422, "invalid_request", cannotHonour, i18n.Sentence{}},
	{auth.ErrKeyExpiry, 422, "invalid_request", cannotHonour, i18n.Sentence{}},
	{blob.ErrDiskFull, 507, "disk_full", i18n.Say("The disk is full"), i18n.Sentence{}},
	{media.ErrNoFFmpeg, 503, "no_ffmpeg", i18n.Say("A program is missing"), i18n.Sentence{}},
	{syscall.EMFILE, 503, busy, i18n.Say("The computer is busy"), noHandles},
	{syscall.ENFILE, 503, busy, i18n.Say("The computer is busy"), noHandles},
	{syscall.ENOMEM, 503, busy, i18n.Say("The computer is busy"), noHandles},
	{syscall.EAGAIN, 503, busy, i18n.Say("The computer is busy"), noHandles},
	{
		context.DeadlineExceeded,
		503,
		"timeout",
		i18n.Say("It took too long"),
		i18n.Say("the studio did not answer in time: try again"),
	},
}

// problemOf turns any error into a problem. An unknown error becomes a 500 that does not tell the cause.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if p := typedProblem(err); p != nil {
		return p
	}
	for _, a := range answers {
		if errors.Is(err, a.is) {
			detail := a.detail
			if detail.Empty() {
				detail = i18n.For(innermost(err, a.is))
			}
			p := newProblem(a.status, a.code, a.title, detail)
			if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable ||
				a.code == "idempotency_in_flight" {
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
		p := newProblem(http.StatusServiceUnavailable, "database_unavailable", i18n.Say("The database is away"),
			i18n.Say("the database does not answer at the moment: try again"))
		p.retryAfter = "2"
		return p
	}
	return newProblem(500, "internal", i18n.Say("Something went wrong"),
		i18n.Say("the studio failed to answer; its log holds the reason under this request's id"))
}

// typedProblem handles errors that carry a sentence and a field.
func typedProblem(err error) *problem {
	var refusals generation.Errors
	var refusal *generation.FieldError
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
	var same *pronunciations.DuplicateError
	var full *pronunciations.FullError
	var word *pronunciations.TextError
	switch {
	case errors.As(err, &refusals):
		return refusalOf(refusals)
	case errors.As(err, &refusal):
		return refusalOf(generation.Errors{refusal})
	case errors.As(err, &input):
		return invalid(input.Name, input.Detail)
	case errors.As(err, &state):
		return newProblem(409, "conflict", i18n.Say("Not possible in this state"), state.Detail)
	case errors.As(err, &limit):
		return newProblem(422, "limit_exceeded", i18n.Say("A limit is exceeded"), limit.Sentence())
	case errors.As(err, &kind):
		return newProblem(422, "wrong_kind", i18n.Say("The file is of another kind"), kind.Sentence())
	case errors.As(err, &file):
		return newProblem(422, "bad_file", i18n.Say("The file cannot be used"), file.Sentence())
	case errors.As(err, &unavailable):
		p := newProblem(503, busy, i18n.Say("The computer is busy"), unavailable.Sentence())
		p.retryAfter = "5"
		return p
	case errors.As(err, &fetching):
		return newProblem(422, "fetch_failed", i18n.Say("The file could not be fetched"), fetching.Detail)
	case errors.As(err, &slowed):
		return tooManyFailed(slowed)
	case errors.As(err, &credential):
		return newProblem(http.StatusUnauthorized, "unauthenticated", i18n.Say("Not signed in"), credential.Sentence())
	case errors.As(err, &scope):
		return newProblem(403, "missing_scope", i18n.Say("Not allowed"), scope.Sentence())
	case errors.As(err, &licence):
		p := invalid("accept_licence", licence.Sentence())
		p.code = "licence_not_accepted"
		return p
	case errors.As(err, &refused):
		return newProblem(422, "model_refused", cannotHonour, refused.Detail)
	case errors.As(err, &missing):
		return notInstalled(missing)
	case errors.As(err, &model):
		return newProblem(422, "unknown_model", i18n.Say("Unknown model"), model.Sentence(),
			fieldProblem{pointer: "/model", detail: model.Sentence()})
	case errors.As(err, &needs):
		return newProblem(422, codeInvalid, cannotHonour, needs.Sentence(),
			fieldProblem{pointer: "/" + needs.Inputs[0], detail: needs.Sentence()})
	case errors.As(err, &idle):
		return newProblem(422, "unsupported_field", i18n.Say("The engine does not honour a field"), idle.Sentence(),
			fieldProblem{pointer: "/" + idle.Parameter, detail: idle.Sentence()})
	case errors.As(err, &language):
		return newProblem(422, "unsupported_language", i18n.Say("The engine does not speak the language"),
			language.Sentence(), fieldProblem{pointer: "/language", detail: language.Sentence()})
	case errors.As(err, &large):
		return newProblem(422, "no_memory", i18n.Say("The job does not fit this computer"), large.Sentence())
	case errors.As(err, &same):
		return newProblem(409, "duplicate_word", i18n.Say("The word is there already"), same.Sentence(),
			fieldProblem{pointer: "/word", detail: same.Sentence()})
	case errors.As(err, &full):
		return newProblem(422, "limit_exceeded", i18n.Say("A limit is exceeded"), full.Sentence())
	case errors.As(err, &word):
		return invalid(word.Field, word.Why)
	case errors.As(err, &task):
		return newProblem(422, "unsupported", i18n.Say("Not supported"), task.Sentence())
	default:
		return nil
	}
}

// tooManyFailed refuses a wrong credential from an address that has sent too many of them.
func tooManyFailed(e *auth.SlowedError) *problem {
	p := newProblem(http.StatusTooManyRequests, "too_many_failed_signins", i18n.Say("Too many failed sign-ins"),
		e.Sentence())
	p.retryAfter = strconv.Itoa(e.Seconds())
	return p
}

// notInstalled says what to install, as the engine's manifest words it.
func notInstalled(e *engine.NotInstalledError) *problem {
	detail := e.Sentence()
	return newProblem(422, "engine_not_installed", i18n.Say("The engine is not installed"), detail,
		fieldProblem{pointer: "/quality", detail: detail})
}

// innermost is the error in the chain that has a sentence, else the sentinel.
func innermost(err, sentinel error) error {
	if _, says := i18n.Of(err); says {
		return err
	}
	return sentinel
}

// codeHTTP is the code of a status that has no problem of its own.
const codeHTTP = "http_error"

func ofStatus(status int) *problem {
	switch status {
	case http.StatusNotFound:
		return notFound(i18n.Say("there is nothing at this address; the API is described at /api/openapi.json"))
	case http.StatusMethodNotAllowed:
		return newProblem(status, "method_not_allowed", i18n.Say("Method not allowed"),
			i18n.Say("this address does not take this method; the API is described at /api/openapi.json"))
	case http.StatusRequestEntityTooLarge:
		return newProblem(status, "too_large", i18n.Say("The request is too large"),
			i18n.Say("the request is larger than http.max_json_bytes allows: send files as multipart/form-data"))
	case http.StatusUnsupportedMediaType:
		return newProblem(status, "unsupported_media_type", i18n.Say("Unsupported media type"),
			i18n.Say("send application/json or multipart/form-data"))
	default:
		return newProblem(status, codeHTTP, i18n.Plain(http.StatusText(status)), i18n.Plain(http.StatusText(status)))
	}
}
