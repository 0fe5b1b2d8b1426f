package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/names"
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
	return s.cfg.Jobs.EndIdempotent(context.WithoutCancel(ctx), *once,
		jobs.Replay{StatusCode: http.StatusCreated, Body: body})
}

// JobPath holds the id in an address; exported, since huma fills only exported members.
type JobPath struct {
	ID string `path:"id" doc:"Job id"`
}

// uuid of a path. A malformed id gets the same 404 as an unknown one.
func (p JobPath) uuid() (uuid.UUID, error) { return pathID(p.ID, jobs.ErrNotFound) }

func pathID(text string, unknown error) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, unknown
	}
	return id, nil
}

type jobAnswer struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	RetryAfter   string `header:"Retry-After"`
	Preferred    string `header:"Preference-Applied"`
	Body         Job
}

// list is a page of a listing.
type list[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" nullable:"true"`
	NextURL    *string `json:"next_url" nullable:"true"`
}

// JobList is a page of jobs, newest first.
type JobList list[Job]

// nextOf is the cursor and the absolute address of the next page: the caller's own address with that cursor.
func nextOf(ctx context.Context, cursor string) (next, address *string) {
	if cursor == "" {
		return nil, nil
	}
	c := callerOf(ctx)
	query := maps.Clone(c.query)
	if query == nil {
		query = url.Values{}
	}
	query.Set("cursor", cursor)
	full := c.base + c.path + "?" + query.Encode()
	return &cursor, &full
}

type listJobsInput struct {
	Status  string `query:"status" doc:"queued, processing, completed, failed or canceled; several with commas"`
	Type    string `query:"type" doc:"Such as audio.speech; several with commas"`
	Project string `query:"project" doc:"Project id"`
	Parent  string `query:"parent" doc:"Job whose versions to list"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" doc:"next_cursor of the page before"`

	filter jobs.Filter
}

var jobStatuses = []string{"queued", "processing", "completed", "failed", "canceled"}

// jobTypes of the contract; some come with later versions.
var jobTypes = []string{
	"audio.speech",
	"audio.clone_voice",
	"audio.transcribe",
	"image.generate",
	"image.edit",
	"image.upscale",
	"video.avatar",
	"video.animate",
	"studio.content",
	"media.export",
	"scrape",
}

// Resolve implements huma.Resolver: all wrong parameters are refused at once.
func (i *listJobsInput) Resolve(huma.Context) (wrong []error) {
	i.filter = jobs.Filter{Limit: i.Limit, Cursor: i.Cursor}
	for _, word := range words(i.Status) {
		if !slices.Contains(jobStatuses, word) {
			wrong = append(wrong, invalid("status", notAStatus(word)))
		}
		i.filter.Statuses = append(i.filter.Statuses, jobs.Status(word))
	}
	for _, word := range words(i.Type) {
		if !slices.Contains(jobTypes, word) {
			wrong = append(wrong, invalid("type", notAType(word)))
		}
		i.filter.Types = append(i.filter.Types, jobs.Type(word))
	}
	for _, parameter := range []struct {
		name, value string
		id          **uuid.UUID
	}{{"project", i.Project, &i.filter.Project}, {"parent", i.Parent, &i.filter.Parent}} {
		if parameter.value == "" {
			continue
		}
		id, err := uuid.Parse(parameter.value)
		if err != nil {
			wrong = append(
				wrong,
				invalid(parameter.name,
					i18n.Say("%s must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057", parameter.name)),
			)
		}
		*parameter.id = &id
	}
	return wrong
}

func notAStatus(word string) i18n.Sentence {
	if near := names.Closest(word, jobStatuses); near != "" {
		return i18n.Say("%q is not a status; did you mean %s? The statuses are %s", names.Clip(word), near,
			strings.Join(jobStatuses, ", "))
	}
	return i18n.Say("%q is not a status; the statuses are %s", names.Clip(word), strings.Join(jobStatuses, ", "))
}

func notAType(word string) i18n.Sentence {
	if near := names.Closest(word, jobTypes); near != "" {
		return i18n.Say("%q is not a type of job; did you mean %s? The types are %s", names.Clip(word), near,
			strings.Join(jobTypes, ", "))
	}
	return i18n.Say("%q is not a type of job; the types are %s", names.Clip(word), strings.Join(jobTypes, ", "))
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func (s *Server) registerJobs() {
	tag := []string{"jobs"}
	const one = "/api/v1/jobs/{id}"
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-jobs",
			Method:      http.MethodGet,
			Path:        "/api/v1/jobs",
			Summary:     "List jobs, newest first",
			Tags:        tag,
			Errors:      []int{401, 422},
		},
		as(s, s.listJobs),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-job",
			Method:      http.MethodGet,
			Path:        one,
			Summary:     "Read a job",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, s.getJob),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-video-status",
			Method:      http.MethodGet,
			Path:        "/api/v1/video/status/{job_id}",
			Summary:     "Read a job, as get-job",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *videoStatusInput) (*jobAnswer, error) {
			return s.getJob(ctx, p, &getJobInput{JobPath{in.JobID}, in.JobRead})
		}),
	)
	s.registerJobChange("cancel-job", "cancel", "Cancel a job; one that has ended is answered as it is",
		s.cfg.Jobs.Cancel)
	s.registerJobChange("retry-job", "retry", "Run a failed or canceled job again", s.cfg.Jobs.Retry)
	s.registerUpdateJob()
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:   "delete-job",
			Method:        http.MethodDelete,
			Path:          one,
			Summary:       "Delete a job and its outputs",
			Tags:          tag,
			DefaultStatus: http.StatusNoContent,
			Errors:        []int{401, 404, 409},
		},
		as(s, s.deleteJob),
	)
	s.registerDownload(
		huma.Operation{
			OperationID: "get-job-content",
			Path:        one + "/content",
			Summary:     "Download the first output (Range, HEAD)",
			Tags:        tag,
			Errors:      []int{401, 404, 409},
		},
		s.getJobContent,
	)
	s.registerPreview(tag)
	s.registerSegments(tag)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "job-events",
			Method:      http.MethodGet,
			Path:        one + "/events",
			Summary:     "Follow a job as server-sent events",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, s.jobEvents),
	)
}

func (s *Server) listJobs(ctx context.Context, p auth.Principal, in *listJobsInput) (*struct{ Body JobList }, error) {
	page, err := s.cfg.Jobs.List(ctx, p.Owner, in.filter)
	if err != nil {
		return nil, err
	}
	views, err := s.views(ctx, page.Jobs...)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body JobList }{JobList{Data: views}}
	out.Body.NextCursor, out.Body.NextURL = nextOf(ctx, page.Next)
	return out, nil
}

// JobRead is how a job is read; exported, since huma fills only exported members.
type JobRead struct {
	Waiting
	IfNoneMatch string `header:"If-None-Match"`
}

type getJobInput struct {
	JobPath
	JobRead
}

type videoStatusInput struct {
	JobID string `path:"job_id" doc:"Job id"`
	JobRead
}

func (s *Server) getJob(ctx context.Context, p auth.Principal, in *getJobInput) (*jobAnswer, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	job, err := s.cfg.Jobs.Get(ctx, p.Owner, id)
	if err == nil && in.wait > 0 {
		job, err = s.wait(ctx, job, in.wait)
	}
	if err != nil {
		return nil, err
	}
	if etag := s.etag(ctx, job); job.Status.Terminal() && matches(in.IfNoneMatch, etag) {
		return nil, &unchanged{etag}
	}
	out, err := s.answerJob(ctx, job)
	if err == nil {
		out.Preferred = in.applied
	}
	return out, err
}

// matches says whether a list of entity tags has this one. Weak tags match too: proxies make them of strong ones.
func matches(list, etag string) bool {
	for _, tag := range strings.Split(list, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// unchanged is the answer 304, which huma takes as an error.
type unchanged struct{ etag string }

func (u *unchanged) Error() string  { return "not modified" }
func (u *unchanged) GetStatus() int { return http.StatusNotModified }

// GetHeaders implements huma.HeadersError.
func (u *unchanged) GetHeaders() http.Header {
	return http.Header{"Etag": {u.etag}, "Cache-Control": {jobCaching}, "Vary": {varyByReader}}
}

// jobCaching: a client may keep a job and must ask each time whether it has changed.
const jobCaching = "private, no-cache"

// etag changes with the row, with the day of the signed links, with the host that links name and with the reader of
// its sentences.
func (s *Server) etag(ctx context.Context, job *jobs.Job) string {
	sum := sha256.Sum256(
		fmt.Append(nil, job.ID, job.RowVersion, job.Reason, assets.GridDay(s.now()), baseOf(ctx), callerOf(ctx).reader),
	)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

type jobChange func(ctx context.Context, owner, id uuid.UUID) (*jobs.Job, error)

func (s *Server) registerJobChange(operation, verb, summary string, change jobChange) {
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: operation,
			Method:      http.MethodPost,
			Path:        "/api/v1/jobs/{id}/" + verb,
			Summary:     summary,
			Tags:        []string{"jobs"},
			Errors:      []int{401, 404, 409},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *JobPath) (*jobAnswer, error) {
			id, err := in.uuid()
			if err != nil {
				return nil, err
			}
			job, err := change(ctx, p.Owner, id)
			if err != nil {
				return nil, err
			}
			s.audit(ctx, p, "job."+verb, id.String())
			return s.answerJob(ctx, job)
		}),
	)
}

func (s *Server) answerJob(ctx context.Context, job *jobs.Job) (*jobAnswer, error) {
	view, err := s.oneView(ctx, job)
	if err != nil {
		return nil, err
	}
	out := &jobAnswer{ETag: s.etag(ctx, job), CacheControl: jobCaching, Vary: varyByReader, Body: view}
	if !job.Status.Terminal() {
		out.RetryAfter = "2"
	}
	return out, nil
}

func (s *Server) deleteJob(ctx context.Context, p auth.Principal, in *JobPath) (*struct{}, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Jobs.Delete(ctx, p.Owner, id); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "job.delete", id.String())
	return nil, nil
}

func (s *Server) getJobContent(ctx context.Context, p auth.Principal, in *JobPath) (*assets.Asset, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	job, err := s.cfg.Jobs.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	outputs, err := s.cfg.Assets.ByJobs(ctx, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	if len(outputs[id]) == 0 {
		return nil, noContent(job)
	}
	return outputs[id][0], nil
}

func noContent(job *jobs.Job) *problem {
	switch {
	case !job.Status.Terminal():
		p := newProblem(409, "not_finished", i18n.Say("The job is not finished"),
			i18n.Say("the job is %s: ask again later, or wait with ?wait= on the job", job.Status))
		p.retryAfter = "2"
		return p
	case job.Status == jobs.Completed:
		return notFound(i18n.Say("the job has no file as its result"))
	default:
		return newProblem(409, "no_result", i18n.Say("The job has no result"),
			i18n.Say("the job has ended as %s: retry it", job.Status))
	}
}
