package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
)

// JobPatch changes a queued job.
type JobPatch struct {
	Priority *int           `json:"priority,omitempty" minimum:"-10" maximum:"10"`
	Position *int           `json:"position,omitempty" minimum:"1" doc:"Among the queued jobs of its lane: 1 is the next"`
	Input    map[string]any `json:"input,omitempty" doc:"Fields of the request that made the job, to change; null takes one out. Not of a voice clone"`
}

type updateJobInput struct {
	JobPath
	StreamedBody
}

func (s *Server) registerUpdateJob() {
	const path = "/api/v1/jobs/{id}"
	b := s.binderFor(reflect.TypeFor[JobPatch]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:     "update-job",
			Method:          http.MethodPatch,
			Path:            path,
			Summary:         "Change priority, position or input of a queued job",
			Tags:            []string{"jobs"},
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          []int{401, 404, 409, 412, 422},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *updateJobInput) (*jobAnswer, error) {
			return s.updateJob(ctx, p, in, b)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[path].Patch, b)
}

func (s *Server) updateJob(
	ctx context.Context,
	p auth.Principal,
	in *updateJobInput,
	b *binder,
) (answer *jobAnswer, err error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	job, err := s.cfg.Jobs.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	sent, f, err := read[JobPatch](b, in.echo, p)
	defer func() {
		if err != nil {
			s.discard(ctx, p, f)
		}
	}()
	if err != nil {
		return nil, err
	}
	patch := jobs.Patch{Priority: sent.Priority, Position: sent.Position}
	if patch.Priority == nil && patch.Position == nil && sent.Input == nil {
		return nil, invalid("priority", i18n.Say("send priority, position or input"))
	}
	if sent.Input != nil {
		took, err := s.patchInput(ctx, p, job, sent.Input, &patch)
		if err != nil {
			s.discard(ctx, p, took)
			return nil, err
		}
	}
	kind := job.Type
	if job, err = s.cfg.Jobs.Update(ctx, p.Owner, id, patch); err != nil {
		return nil, s.ofField(kind, err)
	}
	s.audit(ctx, p, "job.update", id.String())
	return s.answerJob(ctx, job)
}

// patchInput lays the changes over the request that the job stands for and checks the result as a new request. took
// holds the files that were fetched for it.
func (s *Server) patchInput(
	ctx context.Context,
	p auth.Principal,
	job *jobs.Job,
	changes map[string]any,
	patch *jobs.Patch,
) (took *fields, err error) {
	took = newFields()
	m, known := s.makers[job.Type]
	if !known || job.Type == jobs.TypeCloneVoice {
		return took, invalid("input",
			i18n.Say("the input of a job of type %s cannot be changed: cancel it and send a new request", job.Type))
	}
	if job.Status != jobs.Queued {
		return took, newProblem(409, "conflict", i18n.Say("Not possible in this state"),
			i18n.Say("only a queued job can be changed; this one is %s", job.Status))
	}
	check, values := m.checker(), s.generation.Fields(job)
	for name, value := range changes {
		canonical, ok := check.canonical(m.schema, name)
		switch {
		case !ok:
			check.unknown(m.schema, name, value, "")
		case !s.generation.IsInput(job.Type, canonical):
			check.say("/"+canonical, codeInvalid, "%s of a queued job cannot be changed: send a new request", canonical)
		case check.isEmpty(m.schema.Properties[canonical], value, canonical):
			delete(values, canonical)
		default:
			values[canonical] = value
		}
	}
	took.settle(m.schema, values, check)
	took.values["quality"], took.values["model"] = job.Quality, job.Model
	in, err := m.input(p, took)
	if err != nil {
		return took, err
	}
	in.Changed = true
	spec, err := s.resolve(ctx, in, took)
	if err != nil {
		return took, inside(err, "/input")
	}
	patch.Params, patch.Inputs, patch.SetInput, patch.IfRowVersion = spec.Params, spec.Inputs, true, &job.RowVersion
	patch.Warnings = generation.Restated(job, spec)
	return took, nil
}

// inside moves the pointers of a refusal below a member of the body.
func inside(err error, at string) error {
	p := *problemOf(err)
	p.fields = slices.Clone(p.fields)
	for i := range p.fields {
		p.fields[i].pointer = at + p.fields[i].pointer
	}
	return &p
}
