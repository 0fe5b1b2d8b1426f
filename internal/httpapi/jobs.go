package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/jobs"
)

// end stores the answer under its Idempotency-Key.
func (s *Server) end(ctx context.Context, once *jobs.IdempotencyKey, made any) error {
	if once == nil {
		return nil
	}
	body, err := json.Marshal(made)
	if err != nil {
		return fmt.Errorf("store the answer: %w", err)
	}
	return s.cfg.Jobs.EndIdempotent(context.WithoutCancel(ctx), *once, jobs.Replay{StatusCode: http.StatusCreated, Body: body})
}

// JobPath holds the id in an address; exported, since huma fills only exported members.
type JobPath struct {
	ID string `path:"id" doc:"Job id"`
}

// uuid of a path: what is no id cannot be one of a job, so it is as unknown as any other.
func (p JobPath) uuid() (uuid.UUID, error) { return pathID(p.ID, jobs.ErrNotFound) }

func pathID(text string, unknown error) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, unknown
	}
	return id, nil
}

type jobAnswer struct {
	ETag string `header:"ETag"`
	Body Job
}

// List is a page of a listing.
type list[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" nullable:"true"`
	NextURL    *string `json:"next_url" nullable:"true"`
}

// JobList is a page of jobs, newest first.
type JobList list[Job]

func nextOf(ctx context.Context, path, cursor string) (next, address *string) {
	if cursor == "" {
		return nil, nil
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	url := baseOf(ctx) + path + separator + "cursor=" + cursor
	return &cursor, &url
}

type listJobsInput struct {
	Status  string `query:"status" doc:"queued, processing, completed, failed or canceled; several with commas"`
	Type    string `query:"type" doc:"Such as audio.speech; several with commas"`
	Project string `query:"project" doc:"Project id"`
	Parent  string `query:"parent" doc:"Job whose versions to list"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" doc:"next_cursor of the page before"`
}

func (i *listJobsInput) filter() (jobs.Filter, error) {
	filter := jobs.Filter{Limit: i.Limit, Cursor: i.Cursor}
	for _, word := range words(i.Status) {
		status := jobs.Status(word)
		switch status {
		case jobs.Queued, jobs.Processing, jobs.Completed, jobs.Failed, jobs.Canceled:
			filter.Statuses = append(filter.Statuses, status)
		default:
			return filter, invalid("status", fmt.Sprintf("%q is no status: use queued, processing, completed, failed or canceled", clip(word)))
		}
	}
	for _, word := range words(i.Type) {
		filter.Types = append(filter.Types, jobs.Type(word))
	}
	for name, value := range map[string]string{"project": i.Project, "parent": i.Parent} {
		if value == "" {
			continue
		}
		id, err := uuid.Parse(value)
		if err != nil {
			return filter, invalid(name, name+" must be an id")
		}
		if name == "project" {
			filter.Project = &id
		} else {
			filter.Parent = &id
		}
	}
	return filter, nil
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func (s *Server) registerJobs() {
	tag := []string{"jobs"}
	huma.Register(s.api, huma.Operation{OperationID: "list-jobs", Method: http.MethodGet, Path: "/api/v1/jobs", Summary: "List jobs, newest first", Tags: tag}, s.listJobs)
	huma.Register(s.api, huma.Operation{OperationID: "get-job", Method: http.MethodGet, Path: "/api/v1/jobs/{id}", Summary: "Read a job", Tags: tag, Errors: []int{404}}, s.getJob)
	huma.Register(s.api, huma.Operation{OperationID: "get-video-status", Method: http.MethodGet, Path: "/api/v1/video/status/{id}", Summary: "Read a job, as get-job", Tags: tag, Errors: []int{404}}, s.getJob)
	s.registerJobChange("cancel-job", "cancel", "Cancel a job; one that has ended is answered as it is", s.cfg.Jobs.Cancel)
	s.registerJobChange("retry-job", "retry", "Run a failed or canceled job again", s.cfg.Jobs.Retry)
	huma.Register(s.api, huma.Operation{OperationID: "update-job", Method: http.MethodPatch, Path: "/api/v1/jobs/{id}", Summary: "Change priority or position of a queued job", Tags: tag, Errors: []int{404, 409, 422}}, s.updateJob)
	huma.Register(s.api, huma.Operation{OperationID: "delete-job", Method: http.MethodDelete, Path: "/api/v1/jobs/{id}", Summary: "Delete a job and its outputs", Tags: tag, DefaultStatus: http.StatusNoContent, Errors: []int{404, 409}}, s.deleteJob)
	huma.Register(s.api, huma.Operation{OperationID: "get-job-content", Method: http.MethodGet, Path: "/api/v1/jobs/{id}/content", Summary: "Download the first output (Range, HEAD)", Tags: tag, Errors: []int{404, 409}}, s.getJobContent)
	huma.Register(s.api, huma.Operation{OperationID: "job-events", Method: http.MethodGet, Path: "/api/v1/jobs/{id}/events", Summary: "Follow a job as server-sent events", Tags: tag, Errors: []int{404}}, s.jobEvents)
}

func (s *Server) listJobs(ctx context.Context, in *listJobsInput) (*struct{ Body JobList }, error) {
	p, err := s.principal(ctx, auth.Read)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	page, err := s.cfg.Jobs.List(ctx, p.Owner, filter)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	views, err := s.views(ctx, page.Jobs...)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	out := &struct{ Body JobList }{JobList{Data: views}}
	out.Body.NextCursor, out.Body.NextURL = nextOf(ctx, "/api/v1/jobs", page.Next)
	return out, nil
}

type getJobInput struct {
	JobPath
	Wait        int    `query:"wait" minimum:"0" maximum:"60" doc:"Seconds to wait for the end"`
	IfNoneMatch string `header:"If-None-Match"`
}

func (s *Server) getJob(ctx context.Context, in *getJobInput) (*jobAnswer, error) {
	p, err := s.principal(ctx, auth.Read)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	id, err := in.uuid()
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	job, err := s.cfg.Jobs.Wait(ctx, p.Owner, id, min(time.Duration(in.Wait)*time.Second, longestWait))
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	etag := s.etag(ctx, job)
	if in.IfNoneMatch == etag && job.Status.Terminal() {
		return nil, huma.Status304NotModified()
	}
	view, err := s.oneView(ctx, job)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	return &jobAnswer{ETag: etag, Body: view}, nil
}

// etag changes with the row, with the day of the signed links and with the host that links name.
func (s *Server) etag(ctx context.Context, job *jobs.Job) string {
	sum := sha256.Sum256(fmt.Append(nil, job.ID, job.RowVersion, job.Reason, assets.GridDay(s.now()), baseOf(ctx)))
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

type jobChange func(ctx context.Context, owner, id uuid.UUID) (*jobs.Job, error)

func (s *Server) registerJobChange(operation, verb, summary string, change jobChange) {
	huma.Register(s.api, huma.Operation{OperationID: operation, Method: http.MethodPost, Path: "/api/v1/jobs/{id}/" + verb, Summary: summary, Tags: []string{"jobs"}, Errors: []int{404, 409}},
		func(ctx context.Context, in *JobPath) (*jobAnswer, error) {
			p, err := s.principal(ctx, auth.Generate)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			id, err := in.uuid()
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			job, err := change(ctx, p.Owner, id)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			s.audit(ctx, p, "job."+verb, id.String())
			return s.answerJob(ctx, job)
		})
}

func (s *Server) answerJob(ctx context.Context, job *jobs.Job) (*jobAnswer, error) {
	view, err := s.oneView(ctx, job)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	return &jobAnswer{ETag: s.etag(ctx, job), Body: view}, nil
}

// JobPatch changes a queued job.
type JobPatch struct {
	Priority *int `json:"priority,omitempty" minimum:"-10" maximum:"10"`
	Position *int `json:"position,omitempty" minimum:"1" doc:"Among the queued jobs of its lane"`
}

type updateJobInput struct {
	JobPath
	Body JobPatch
}

func (s *Server) updateJob(ctx context.Context, in *updateJobInput) (*jobAnswer, error) {
	p, err := s.principal(ctx, auth.Generate)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	id, err := in.uuid()
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	if in.Body.Priority == nil && in.Body.Position == nil {
		return nil, invalid("priority", "send priority or position")
	}
	job, err := s.cfg.Jobs.Update(ctx, p.Owner, id, jobs.Patch{Priority: in.Body.Priority, Position: in.Body.Position})
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	return s.answerJob(ctx, job)
}

func (s *Server) deleteJob(ctx context.Context, in *JobPath) (*struct{}, error) {
	p, err := s.principal(ctx, auth.Generate)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	id, err := in.uuid()
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	if err := s.cfg.Jobs.Delete(ctx, p.Owner, id); err != nil {
		return nil, s.answer(ctx, err)
	}
	s.audit(ctx, p, "job.delete", id.String())
	return nil, nil
}

func (s *Server) getJobContent(ctx context.Context, in *JobPath) (*huma.StreamResponse, error) {
	p, err := s.principal(ctx, auth.Read)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	id, err := in.uuid()
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	job, err := s.cfg.Jobs.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	outputs, err := s.cfg.Assets.ByJobs(ctx, []uuid.UUID{id})
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	if len(outputs[id]) == 0 {
		return nil, noContent(job)
	}
	return s.stream(outputs[id][0]), nil
}

func noContent(job *jobs.Job) *Problem {
	switch {
	case !job.Status.Terminal():
		p := newProblem(409, "not_finished", "The job is not finished", "the job is "+string(job.Status)+": ask again later, or wait with ?wait= on the job")
		p.retryAfter = "2"
		return p
	case job.Status == jobs.Completed:
		return notFound("the job has no file as its result")
	default:
		return newProblem(409, "no_result", "The job has no result", "the job has ended as "+string(job.Status)+": retry it")
	}
}

// stream sends a file with ranges, names and the policy that nothing in it may run.
func (s *Server) stream(asset *assets.Asset) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		c := humaecho.UnwrapV4(ctx)
		s.serveAsset(c.Response(), c.Request(), asset)
	}}
}
