package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/jobs"
)

// longestWait that a caller may block for.
const longestWait = 60 * time.Second

// CreateInput is what all creating operations take besides their body, which bind.go reads.
type CreateInput struct {
	Wait           int    `query:"wait" minimum:"0" maximum:"60" doc:"Seconds to wait for the end: 200 with the finished job, else 202"`
	Prefer         string `header:"Prefer" doc:"wait=N does the same"`
	IdempotencyKey string `header:"Idempotency-Key" doc:"The same key with the same request gets the same answer for 24 h"`

	request *http.Request
}

// Resolve keeps the request: its body is read as a stream.
func (i *CreateInput) Resolve(ctx huma.Context) []error {
	i.request = humaecho.UnwrapV4(ctx).Request()
	return nil
}

func (i *CreateInput) wait() time.Duration {
	seconds := i.Wait
	for _, preference := range strings.FieldsFunc(i.Prefer, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if value, ok := strings.CutPrefix(preference, "wait="); ok {
			if n, err := strconv.Atoi(value); err == nil {
				seconds = n
			}
		}
	}
	return min(max(time.Duration(seconds)*time.Second, 0), longestWait)
}

// createdJob answers a creating operation.
type createdJob struct {
	Status     int
	Location   string `header:"Location"`
	RetryAfter string `header:"Retry-After"`
	Replayed   string `header:"Idempotency-Replayed"`
	Body       Job
}

func (s *Server) registerGenerations() {
	s.registerGeneration("clone-voice", "/api/v1/audio/clone-voice", "Clone a voice from a sample", cloning, reflect.TypeFor[CloneVoiceRequest]())
	s.registerGeneration("generate-speech", "/api/v1/audio/generate-speech", "Speak a text in a voice", speech, reflect.TypeFor[SpeechRequest]())
	s.registerGeneration("generate-image", "/api/v1/image/generate", "Make a picture from a description", imaging, reflect.TypeFor[ImageRequest]())
	s.registerGeneration("create-avatar", "/api/v1/video/create-avatar", "Make a portrait speak", avatar, reflect.TypeFor[AvatarRequest]())
}

func (s *Server) registerGeneration(id, path, summary string, g generation, body reflect.Type) {
	b := s.binderFor(body)
	operation := huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, DefaultStatus: http.StatusAccepted, Tags: []string{"make"},
		MaxBodyBytes: -1, BodyReadTimeout: -1, Errors: []int{401, 403, 409, 422, 429}}
	huma.Register(s.api, operation, func(ctx context.Context, in *CreateInput) (*createdJob, error) {
		job, replayed, err := s.submit(ctx, in.request, g, b, in.IdempotencyKey)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return s.created(ctx, job, in.wait(), replayed)
	})
	s.setBody(path, b)
}

// answer turns an error into the problem that huma sends, and logs what the caller must not see.
func (s *Server) answer(ctx context.Context, err error) error {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && p.Err.Code == "internal" {
		s.cfg.Log.ErrorContext(ctx, "a request failed", "err", err)
	}
	return p
}

// created waits if the caller wants to, and answers 200 with a finished job or 202 with one under way.
func (s *Server) created(ctx context.Context, job *jobs.Job, wait time.Duration, replayed bool) (*createdJob, error) {
	if wait > 0 && !job.Status.Terminal() {
		waited, err := s.cfg.Jobs.Wait(ctx, job.OwnerID, job.ID, wait)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		job = waited
	}
	view, err := s.oneView(ctx, job)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	out := &createdJob{Status: http.StatusAccepted, Location: "/api/v1/jobs/" + job.ID.String(), RetryAfter: "2", Body: view}
	if wait > 0 && job.Status.Terminal() {
		out.Status, out.RetryAfter = http.StatusOK, ""
	}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// binderFor puts the type's schema into the document and makes the binder that checks by it.
func (s *Server) binderFor(body reflect.Type) *binder {
	registry := s.api.OpenAPI().Components.Schemas
	schema := registry.Schema(body, true, body.Name())
	return &binder{assets: s.cfg.Assets, schema: registry.SchemaFromRef(schema.Ref), registry: registry, maxJSON: s.cfg.MaxJSONBytes}
}

// setBody shows the body in the document. Given at Register, huma would read it itself, a whole upload into memory.
func (s *Server) setBody(path string, b *binder) {
	for name, schema := range s.api.OpenAPI().Components.Schemas.Map() {
		if schema != b.schema {
			continue
		}
		ref := &huma.Schema{Ref: "#/components/schemas/" + name}
		content := map[string]*huma.MediaType{"application/json": {Schema: ref}, "multipart/form-data": {Schema: ref}}
		if name == "UploadRequest" {
			delete(content, "application/json")
		}
		s.api.OpenAPI().Paths[path].Post.RequestBody = &huma.RequestBody{Required: true, Content: content}
	}
}

// creating runs another create operation under an Idempotency-Key: make returns what is stored and answered.
func (s *Server) creating(ctx context.Context, in *CreateInput, route string, b *binder, scope auth.Scope, make func(p auth.Principal, f *fields) (any, error)) (any, bool, error) {
	p, err := s.principal(ctx, scope)
	if err != nil {
		return nil, false, err
	}
	f, err := b.bind(in.request, p)
	if err != nil {
		return nil, false, err
	}
	hash, err := jobs.RequestHash(f.values, f.hashes()...)
	if err != nil {
		return nil, false, err
	}
	once, replay, err := s.begin(ctx, p, route, in.IdempotencyKey, hash)
	if err != nil {
		return nil, false, err
	}
	if replay != nil {
		return replay.Body, true, nil
	}
	made, err := make(p, f)
	if err != nil {
		s.abandon(ctx, once)
		return nil, false, err
	}
	return made, false, s.end(ctx, once, made)
}
