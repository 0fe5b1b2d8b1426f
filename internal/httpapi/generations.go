package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
)

// CreateInput holds the inputs of all creating operations besides their body, which bind.go reads.
type CreateInput struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"The same key with the same request gets the same answer for 24 h"`
	StreamedBody
}

// MakeInput holds the inputs of operations that make a job. They answer 200 when it ends while the caller waits, else
// 202.
type MakeInput struct {
	Waiting
	CreateInput
}

// Resolve implements huma.Resolver for both parts.
func (i *MakeInput) Resolve(ctx huma.Context) []error {
	return append(i.CreateInput.Resolve(ctx), i.Waiting.Resolve(ctx)...)
}

// StreamedBody keeps the request, whose body is read as a stream. (A member named RawBody would make huma read it
// first.)
type StreamedBody struct{ echo echo.Context }

// Resolve implements huma.Resolver.
func (b *StreamedBody) Resolve(ctx huma.Context) []error {
	b.echo = humaecho.UnwrapV4(ctx)
	return nil
}

// createdJob answers a creating operation.
type createdJob struct {
	Status     int
	Location   string `header:"Location"`
	RetryAfter string `header:"Retry-After"`
	Replayed   string `header:"Idempotency-Replayed"`
	Preferred  string `header:"Preference-Applied"`
	Body       Job
}

// apiRoot is before the path of each kind of request.
const apiRoot = "/api/v1/"

func (s *Server) registerGenerations() {
	for _, kind := range s.generation.All() {
		s.registerGeneration(kind)
	}
}

func (s *Server) registerGeneration(kind generation.Kind) {
	path := apiRoot + kind.Path
	b := s.binderFor(reflect.TypeOf(kind.New()).Elem())
	s.sayWhatFilesAre(b)
	s.makers[kind.Type] = maker{kind, b}
	s.rules[http.MethodPost+" "+path] = needs(auth.Generate)
	operation := huma.Operation{
		OperationID: kind.Name, Method: http.MethodPost, Path: path, Summary: kind.Summary,
		DefaultStatus: http.StatusAccepted, Tags: []string{"make"}, MaxBodyBytes: -1, BodyReadTimeout: -1,
		Errors: []int{401, 403, 408, 409, 413, 415, 422, 429, 507},
	}
	make := func(ctx context.Context, p auth.Principal, in *MakeInput) (*createdJob, error) {
		job, replayed, err := s.submit(ctx, in.echo, p, s.makers[kind.Type], in.IdempotencyKey)
		if err != nil {
			return nil, err
		}
		return s.created(ctx, job, in, replayed)
	}
	huma.Register(s.api, operation, as(s, make))
	documented := s.api.OpenAPI().Paths[path].Post
	s.setBody(documented, b)
	documented.RequestBody.Content["application/json"].Example = kind.Example
}

// sayWhatFilesAre describes the fields for files in the document.
func (s *Server) sayWhatFilesAre(b *binder) {
	for name, property := range b.schema.Properties {
		if _, ok := s.generation.FileKind(name); ok {
			property.Description += ": a multipart file, asset id, job id, https URL or data: URI"
		}
	}
}

// maker reads requests of one kind.
type maker struct {
	generation.Kind
	*binder
}

// input is a bound request as the generation takes it.
func (m maker) input(p auth.Principal, f *fields) (generation.Input, error) {
	request := m.New()
	err := f.into(request)
	return generation.Input{
		Owner:   p.Owner,
		Request: request,
		Files:   f.files,
		Empty:   f.empty,
		Refused: f.wrong.told,
	}, err
}

// spec turns a bound request into a job. The caller learns of all faults: those of binding and those of the checks
// after it.
func (s *Server) spec(ctx context.Context, p auth.Principal, m maker, f *fields) (jobs.Spec, error) {
	in, err := m.input(p, f)
	if err != nil {
		return jobs.Spec{}, err
	}
	return s.resolve(ctx, in, f)
}

func (s *Server) resolve(ctx context.Context, in generation.Input, f *fields) (jobs.Spec, error) {
	spec, fetched, err := s.generation.Resolve(ctx, in)
	f.taken = append(f.taken, fetched...)
	if !errors.Is(err, generation.ErrRefused) {
		f.wrong.add(err)
	}
	return spec, f.wrong.err()
}

// as wraps a handler: it takes the caller from the context, and turns errors into problems. The table in access.go says
// who may call it.
func as[I, O any](
	s *Server, handle func(ctx context.Context, p auth.Principal, in *I) (*O, error),
) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		p, ok := auth.FromContext(ctx)
		if !ok {
			return nil, s.answer(ctx, auth.ErrUnauthenticated)
		}
		if err := checkParameters(ctx); err != nil {
			return nil, s.answer(ctx, err)
		}
		out, err := handle(ctx, p, in)
		if ended := auth.EndedBy(ctx); ended != nil {
			return nil, s.answer(ctx, ended) // a key that was revoked meanwhile gets no answer
		}
		if err == nil {
			return out, nil
		}
		var unchanged *unchanged
		if errors.As(err, &unchanged) {
			return nil, unchanged
		}
		return nil, s.answer(ctx, s.elsewhere(ctx, p, err))
	}
}

// created waits if the caller wants to, and answers 200 with a finished job or 202 with one under way.
func (s *Server) created(ctx context.Context, job *jobs.Job, in *MakeInput, replayed bool) (*createdJob, error) {
	if in.wait > 0 && !job.Status.Terminal() {
		waited, err := s.wait(ctx, job, in.wait)
		if err != nil {
			return nil, err
		}
		job = waited
	}
	view, err := s.oneView(ctx, job)
	if err != nil {
		return nil, err
	}
	out := &createdJob{
		Status: http.StatusAccepted, Location: "/api/v1/jobs/" + job.ID.String(), RetryAfter: "2",
		Preferred: in.applied, Body: view,
	}
	if in.wait > 0 && job.Status.Terminal() {
		out.Status, out.RetryAfter = http.StatusOK, ""
	}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// wait for the job's end, no longer than asked for and no longer than this server runs.
func (s *Server) wait(ctx context.Context, job *jobs.Job, longest time.Duration) (*jobs.Job, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	waited, err := s.cfg.Jobs.Wait(waiting, job.OwnerID, job.ID, longest)
	if err != nil && s.stopping.Err() != nil {
		return job, nil
	}
	return waited, err
}

// binderFor puts the type's schema into the document and makes the binder that checks by it.
func (s *Server) binderFor(body reflect.Type) *binder {
	registry := s.api.OpenAPI().Components.Schemas
	schema := registry.Schema(body, true, body.Name())
	return &binder{
		assets: s.cfg.Assets, kinds: s.generation.Kinds, schema: registry.SchemaFromRef(schema.Ref), registry: registry,
		maxJSON: s.cfg.MaxJSONBytes, maxText: s.cfg.MaxTextBytes, pause: s.cfg.ReadTimeout,
	}
}

// setBody shows the body in the document. Given at Register, huma would read it itself, a whole upload into memory.
func (s *Server) setBody(operation *huma.Operation, b *binder) {
	for name, schema := range s.api.OpenAPI().Components.Schemas.Map() {
		if schema != b.schema {
			continue
		}
		ref := &huma.Schema{Ref: "#/components/schemas/" + name}
		json := &huma.MediaType{Schema: ref}
		if example, ok := examples[operation.OperationID]; ok {
			json.Example = example
		}
		content := map[string]*huma.MediaType{"application/json": json, "multipart/form-data": {Schema: ref}}
		operation.RequestBody = &huma.RequestBody{Required: true, Content: content}
	}
}

// creating runs another create operation under an Idempotency-Key: create returns the answer, which is also stored.
func (s *Server) creating(
	ctx context.Context, in *CreateInput, p auth.Principal, route string, f *fields, create func() (any, error),
) (out *createdOther, err error) {
	once, replay, err := s.begin(ctx, p, route, in.IdempotencyKey, f)
	if err != nil {
		return nil, err
	}
	if replay != nil {
		return createdAnswer(replay.Body, true)
	}
	var made any
	defer func() {
		if made == nil { // a panic included
			s.abandon(ctx, once)
		}
	}()
	if made, err = create(); err != nil {
		made = nil
		return nil, err
	}
	if err := s.end(ctx, once, made); err != nil {
		return nil, err
	}
	return createdAnswer(made, false)
}
