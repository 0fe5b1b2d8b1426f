package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/studio"
)

// Project groups jobs and files.
type Project struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	Type      string    `json:"type" enum:"audio,image,video,mixed"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ProjectList is a page of projects, newest first.
type ProjectList list[Project]

func projectView(p *studio.Project) Project {
	return Project{p.ID, p.Name, p.Type, p.Status, p.CreatedAt, p.UpdatedAt}
}

// createdOther answers a creating operation that makes no job.
type createdOther struct {
	Status   int
	Replayed string `header:"Idempotency-Replayed"`
	Body     json.RawMessage
}

func createdAnswer(made any, replayed bool) (*createdOther, error) {
	out := &createdOther{Status: http.StatusCreated}
	if replayed {
		out.Replayed = "true"
	}
	if raw, ok := made.([]byte); ok {
		out.Body = raw
		return out, nil
	}
	body, err := json.Marshal(made)
	out.Body = body
	return out, err
}

// PageInput asks for a page of a listing.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

// ProjectRequest is POST /studio/create-project.
type ProjectRequest struct {
	Name string `json:"name" minLength:"1" maxLength:"200" format:"line" example:"Meu Avatar AI"`
	Type string `json:"type" enum:"audio,image,video,mixed"`
}

func (s *Server) registerProjects() {
	tag := []string{"projects"}
	const path = "/api/v1/studio/create-project"
	b := s.binderFor(reflect.TypeFor[ProjectRequest]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:     "create-project",
			Method:          http.MethodPost,
			Path:            path,
			Summary:         "Create a project",
			Tags:            tag,
			DefaultStatus:   http.StatusCreated,
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          []int{401, 409, 422},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *CreateInput) (*createdOther, error) {
			wanted, f, err := read[ProjectRequest](b, in.echo, p)
			if err != nil {
				return nil, err
			}
			return s.creating(ctx, in, p, "create-project", f, func() (any, error) {
				project, err := s.cfg.Projects.Create(ctx, p.Owner, wanted.Name, wanted.Type)
				if err != nil {
					return nil, err
				}
				return projectView(project), nil
			})
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[path].Post, b)
	s.setAnswer(path, "201", reflect.TypeFor[Project]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-projects",
			Method:      http.MethodGet,
			Path:        "/api/v1/studio/projects",
			Summary:     "List projects, newest first",
			Tags:        tag,
			Errors:      []int{401, 422},
		},
		as(s, s.listProjects),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-project",
			Method:      http.MethodGet,
			Path:        "/api/v1/studio/projects/{id}",
			Summary:     "Read a project",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, s.getProject),
	)
}

func (s *Server) listProjects(
	ctx context.Context,
	p auth.Principal,
	in *PageInput,
) (*struct{ Body ProjectList }, error) {
	page, err := s.cfg.Projects.List(ctx, p.Owner, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body ProjectList }{ProjectList{Data: []Project{}}}
	for _, project := range page.Projects {
		out.Body.Data = append(out.Body.Data, projectView(project))
	}
	out.Body.NextCursor, out.Body.NextURL = nextOf(ctx, page.Next)
	return out, nil
}

// ProjectPath holds the id in an address; exported, since huma fills only exported members.
type ProjectPath struct {
	ID string `path:"id" doc:"Project id"`
}

func (s *Server) getProject(ctx context.Context, p auth.Principal, in *ProjectPath) (*struct{ Body Project }, error) {
	id, err := pathID(in.ID, studio.ErrNotFound)
	if err != nil {
		return nil, err
	}
	project, err := s.cfg.Projects.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Project }{projectView(project)}, nil
}

// setAnswer shows the type of an answer that is sent as raw JSON.
func (s *Server) setAnswer(path, status string, body reflect.Type) {
	schema := s.api.OpenAPI().Components.Schemas.Schema(body, true, body.Name())
	s.api.OpenAPI().Paths[path].Post.Responses[status].Content = map[string]*huma.MediaType{
		"application/json": {Schema: schema},
	}
}

// Queue is the state of the queue.
type Queue struct {
	Paused     bool        `json:"paused"`
	Cause      *string     `json:"cause" nullable:"true" doc:"user or host_restarted, while paused"`
	Message    *string     `json:"message" nullable:"true"`
	Queued     int         `json:"queued"`
	Processing int         `json:"processing"`
	Waiting    []uuid.UUID `json:"waiting" doc:"Your queued jobs in the order in which they would run now"`
	// NoMemory are the caller's.
	NoMemory []ShortJob `json:"no_memory" doc:"Your jobs that wait for memory which other programs hold, with what they need and what is free"`
}

// ShortJob is a job that waits for memory.
type ShortJob struct {
	JobID uuid.UUID `json:"job_id"`
	MemoryWait
}

// QueueUpdate pauses or resumes.
type QueueUpdate struct {
	Paused bool `json:"paused"`
}

func (s *Server) registerQueue() {
	tag := []string{"queue"}
	const path = "/api/v1/queue"
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-queue",
			Method:      http.MethodGet,
			Path:        path,
			Summary:     "Read the queue",
			Tags:        tag,
			Errors:      []int{401},
		},
		as(s,
			func(ctx context.Context, p auth.Principal, _ *struct{}) (*queueAnswer, error) { return s.queue(ctx, p) }),
	)
	b := s.binderFor(reflect.TypeFor[QueueUpdate]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "update-queue",
			Method:      http.MethodPut,
			Path:        path,
			Summary:     "Pause or resume the queue; pausing gives the GPU back",
			Tags:        tag,
			Errors:      []int{401, 403, 422},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *StreamedBody) (*queueAnswer, error) {
			wanted, _, err := read[QueueUpdate](b, in.echo, p)
			if err != nil {
				return nil, err
			}
			if _, err := s.cfg.Jobs.SetPaused(ctx, wanted.Paused, "user"); err != nil {
				return nil, err
			}
			s.audit(ctx, p, "queue.update", map[bool]string{true: "paused", false: "resumed"}[wanted.Paused])
			return s.queue(ctx, p)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[path].Put, b)
}

type queueAnswer struct{ Body Queue }

func (s *Server) queue(ctx context.Context, p auth.Principal) (*queueAnswer, error) {
	info, err := s.cfg.Jobs.Queue(ctx, &p.Owner)
	if err != nil {
		return nil, err
	}
	waiting := info.Waiting
	if waiting == nil {
		waiting = []uuid.UUID{}
	}
	short := make([]ShortJob, len(info.NoMemory))
	for i, j := range info.NoMemory {
		short[i] = ShortJob{j.JobID, MemoryWait(j.Shortage)}
	}
	return &queueAnswer{
		Queue{
			Paused:     info.Paused,
			Cause:      orNull(info.Cause),
			Message:    orNull(told(ctx, info.Message)),
			Queued:     info.Queued,
			Processing: info.Processing,
			Waiting:    waiting,
			NoMemory:   short,
		},
	}, nil
}

// Engine is a program that runs jobs, with its abilities.
type Engine struct {
	ID          string         `json:"id"`
	Quality     string         `json:"quality" enum:"draft,final"`
	Installed   bool           `json:"installed"`
	Version     int            `json:"version"`
	Tasks       map[string]any `json:"tasks" doc:"By task: the JSON Schema of its parameters"`
	Models      []string       `json:"models"`
	Languages   []string       `json:"languages"`
	UsesGPU     bool           `json:"uses_gpu"`
	Licence     string         `json:"licence"`
	Description Texts          `json:"description"`
	Install     Texts          `json:"install" doc:"What to do when it is missing"`
}

// Texts is a sentence in each language of the catalogue, by the language's tag.
type Texts map[string]string

// Schema documents Texts as an object with a member for each language.
func (Texts) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for _, tag := range i18n.Default().Languages() {
		s.Properties[tag.String()] = &huma.Schema{Type: huma.TypeString}
		s.Required = append(s.Required, tag.String())
	}
	slices.Sort(s.Required)
	r.Map()["Texts"] = s
	return &huma.Schema{Ref: "#/components/schemas/Texts"}
}

// texts renders a sentence or a text in each language.
func texts(t interface{ In(tag language.Tag) string }) Texts {
	all := Texts{}
	for _, tag := range i18n.Default().Languages() {
		all[tag.String()] = t.In(tag)
	}
	return all
}

// EngineList lists all engines of the catalogue.
type EngineList struct {
	Data []Engine `json:"data"`
}

func (s *Server) registerEngines() {
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-engines",
			Method:      http.MethodGet,
			Path:        "/api/v1/engines",
			Summary:     "List the engines and what they can do",
			Tags:        []string{"engines"},
			Errors:      []int{401},
		},
		as(s, func(context.Context, auth.Principal, *struct{}) (*struct{ Body EngineList }, error) {
			out := &struct{ Body EngineList }{EngineList{Data: []Engine{}}}
			for _, m := range s.cfg.Catalogue.All() {
				out.Body.Data = append(out.Body.Data, engineView(m, s.cfg.Catalogue.IsInstalled(m.ID)))
			}
			return out, nil
		}),
	)
}

func engineView(m *engine.Manifest, installed bool) Engine {
	e := Engine{
		ID:          string(m.ID),
		Quality:     m.Quality,
		Installed:   installed,
		Version:     m.Version,
		Tasks:       map[string]any{},
		Models:      []string{},
		Languages:   []string{},
		UsesGPU:     m.UsesGPU,
		Licence:     m.Licence,
		Description: texts(m.Description),
		Install:     texts(m.Install),
	}
	e.Languages = append(e.Languages, m.Languages...)
	for _, model := range m.Models {
		e.Models = append(e.Models, model.ID)
	}
	for name, task := range m.Tasks {
		e.Tasks[name] = task.Parameters
	}
	return e
}
