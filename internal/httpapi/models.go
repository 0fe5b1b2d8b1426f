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

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/telemetry"
)

// Model is a model of the catalogue and its installed variants.
type Model struct {
	ID             string         `json:"id"`
	Name           string         `json:"name"`
	Engine         string         `json:"engine"`
	Description    Texts          `json:"description"`
	Tasks          []string       `json:"tasks"`
	Languages      []string       `json:"languages"`
	Licence        ModelLicence   `json:"licence"`
	Like           *string        `json:"like" nullable:"true" doc:"Of a LoRA of your own: the model whose files it uses"`
	Gated          bool           `json:"gated" doc:"The hub gives the files only to those who accepted the licence there: models.hub_token is needed"`
	NeedsFiles     bool           `json:"needs_files" doc:"False: it can be used without an installation"`
	Installed      bool           `json:"installed"`
	Variants       []ModelVariant `json:"variants"`
	DefaultVariant string         `json:"default_variant"`
	SizeBytes      int64          `json:"size_bytes" doc:"Size of the installed files"`
	Pinned         bool           `json:"pinned" doc:"It is not removed to free disk space"`
	Source         *string        `json:"source" nullable:"true" doc:"hub, import, or bundled: it came with the studio"`
	InstalledAt    *time.Time     `json:"installed_at" nullable:"true"`
	LastUsedAt     *time.Time     `json:"last_used_at" nullable:"true"`
	Task           *ModelTask     `json:"task" doc:"The newest installation or check"`
}

// ModelVariant is the weights in one precision.
type ModelVariant struct {
	ID        string `json:"id"`
	DiskBytes int64  `json:"disk_bytes" doc:"About what it takes; 0 is not known"`
	Installed bool   `json:"installed"`
}

// ModelLicence is the licence of a model, and whether it was accepted.
type ModelLicence struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	URL        string     `json:"url" doc:"Where to read it"`
	Commercial bool       `json:"commercial" doc:"What the model makes may be sold without asking its maker"`
	Accept     bool       `json:"accept" doc:"It must be accepted before the model is installed"`
	AcceptedAt *time.Time `json:"accepted_at" nullable:"true"`
	AcceptedBy *string    `json:"accepted_by" nullable:"true"`
	Text       *string    `json:"text,omitempty" doc:"The text itself, where it was asked for and the maker's repository has it"`
}

// ModelTask is an installation or a check.
type ModelTask struct {
	ID         uuid.UUID    `json:"id"`
	Kind       string       `json:"kind" enum:"install,verify"`
	Model      string       `json:"model"`
	Variant    string       `json:"variant"`
	Status     string       `json:"status" enum:"queued,running,completed,failed,canceled"`
	Progress   float64      `json:"progress" minimum:"0" maximum:"1"`
	DoneBytes  int64        `json:"done_bytes"`
	TotalBytes int64        `json:"total_bytes"`
	Error      *ModelError  `json:"error"`
	Faults     []ModelFault `json:"faults" doc:"Of a check: the files that are not what they were"`
	CreatedAt  time.Time    `json:"created_at"`
	StartedAt  *time.Time   `json:"started_at" nullable:"true"`
	EndedAt    *time.Time   `json:"ended_at" nullable:"true"`
}

// ModelError is why a task failed.
type ModelError struct {
	Code   string `json:"code"`
	Detail string `json:"detail" doc:"A sentence that tells what to change"`
}

// ModelFault is an installed file that has changed or is gone.
type ModelFault struct {
	Path string `json:"path"`
	Why  string `json:"why" enum:"missing,size,content"`
}

// ModelList lists the models of the catalogue.
type ModelList struct {
	Data []Model `json:"data"`
}

// ModelInstall asks for an installation.
type ModelInstall struct {
	Variant       string `json:"variant,omitempty" maxLength:"64" doc:"Default: the model's default_variant" example:"Q5_K_S"`
	AcceptLicence bool   `json:"accept_licence,omitempty" doc:"You have read the licence and accept it; asked for once"`
}

// ModelPatch changes an installed model.
type ModelPatch struct {
	Pinned bool `json:"pinned" doc:"Keep it when others need disk space"`
}

// ModelPath holds the id in an address; exported, since huma fills only exported members.
type ModelPath struct {
	ID string `path:"id" doc:"Model id" example:"flux-dev"`
}

type modelBody struct {
	ModelPath
	StreamedBody
}

type modelAnswer struct{ Body Model }

type modelTaskAnswer struct{ Body ModelTask }

func (s *Server) registerModels() {
	const path, one = "/api/v1/models", "/api/v1/models/{id}"
	operation := func(id, method, path, summary string, status int, errs ...int) huma.Operation {
		return huma.Operation{
			OperationID:     id,
			Method:          method,
			Path:            path,
			Summary:         summary,
			Tags:            []string{"models"},
			DefaultStatus:   status,
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          errs,
		}
	}
	huma.Register(
		s.api,
		operation("list-models", http.MethodGet, path, "List the models and what is installed of them", 200, 401),
		as(s, s.listModels),
	)
	huma.Register(s.api, operation("get-model", http.MethodGet, one, "Read a model", 200, 401, 404), as(s, s.getModel))
	huma.Register(
		s.api,
		operation("get-model-licence", http.MethodGet, one+"/licence",
			"Read what a model comes under, and who accepted it", 200, 401, 404),
		as(s, s.modelLicence),
	)
	install := s.binderFor(reflect.TypeFor[ModelInstall]())
	huma.Register(
		s.api,
		operation("install-model", http.MethodPost, one+"/install", "Install a model, or repair one", 202, 401, 403,
			404, 409, 422),
		as(s, func(ctx context.Context, p auth.Principal, in *modelBody) (*modelTaskAnswer, error) {
			return s.installModel(ctx, p, in, install)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[one+"/install"].Post, install)
	huma.Register(
		s.api,
		operation("verify-model", http.MethodPost, one+"/verify",
			"Read an installed model again and compare it with what came", 202, 401, 403, 404, 409),
		as(s, s.verifyModel),
	)
	huma.Register(
		s.api,
		operation("cancel-model-task", http.MethodPost, one+"/cancel", "Cancel the installation or check of a model",
			200, 401, 403, 404, 409),
		as(s, s.cancelModelTask),
	)
	huma.Register(
		s.api,
		operation("delete-model", http.MethodDelete, one, "Remove a model from the disk", 204, 401, 403, 404, 409),
		as(s, s.deleteModel),
	)
	patch := s.binderFor(reflect.TypeFor[ModelPatch]())
	huma.Register(
		s.api,
		operation("update-model", http.MethodPatch, one, "Keep a model when others need disk space, or let it go",
			200, 401, 403, 404, 409, 422),
		as(s, func(ctx context.Context, p auth.Principal, in *modelBody) (*modelAnswer, error) {
			return s.updateModel(ctx, p, in, patch)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[one].Patch, patch)
}

func (s *Server) listModels(ctx context.Context, _ auth.Principal, _ *struct{}) (*struct{ Body ModelList }, error) {
	latest, err := s.cfg.Models.Latest(ctx, "")
	if err != nil {
		return nil, err
	}
	out := &struct{ Body ModelList }{ModelList{Data: []Model{}}}
	for _, m := range s.cfg.Catalogue.All() {
		for i := range m.Models {
			view, err := s.modelView(ctx, m, &m.Models[i], latest[m.Models[i].ID])
			if err != nil {
				return nil, err
			}
			out.Body.Data = append(out.Body.Data, *view)
		}
	}
	return out, nil
}

// model returns a model of the catalogue.
func (s *Server) model(ctx context.Context, id string) (*Model, error) {
	m, model, ok := s.cfg.Catalogue.Model(id)
	if !ok {
		return nil, tasks.ErrUnknown
	}
	latest, err := s.cfg.Models.Latest(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.modelView(ctx, m, model, latest[id])
}

func (s *Server) getModel(ctx context.Context, _ auth.Principal, in *ModelPath) (*modelAnswer, error) {
	view, err := s.model(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &modelAnswer{*view}, nil
}

// LicenceInput asks for a licence.
type LicenceInput struct {
	ModelPath
	Text bool `query:"text" doc:"Fetch the text from the maker's repository too"`
}

func (s *Server) modelLicence(
	ctx context.Context,
	_ auth.Principal,
	in *LicenceInput,
) (*struct{ Body ModelLicence }, error) {
	view, err := s.model(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Text {
		_, model, _ := s.cfg.Catalogue.Model(in.ID)
		text, err := s.cfg.Models.LicenceText(ctx, model)
		if err != nil {
			return nil, err
		}
		if text != "" {
			view.Licence.Text = &text
		}
	}
	return &struct{ Body ModelLicence }{view.Licence}, nil
}

func (s *Server) modelView(
	ctx context.Context,
	m *engine.Manifest,
	model *engine.Model,
	task *tasks.Task,
) (*Model, error) {
	view := &Model{
		ID:             model.ID,
		Name:           model.Title(),
		Engine:         string(m.ID),
		Description:    texts(model.Description),
		Tasks:          slices.Clone(model.Tasks),
		Languages:      slices.Clone(model.Languages),
		Gated:          model.Gated,
		NeedsFiles:     model.NeedsFiles(),
		Installed:      !model.NeedsFiles(),
		Variants:       []ModelVariant{},
		DefaultVariant: model.DefaultVariant,
		Task:           taskView(ctx, task),
	}
	if len(view.Tasks) == 0 {
		for task := range m.Tasks {
			view.Tasks = append(view.Tasks, task)
		}
		slices.Sort(view.Tasks)
	}
	if len(view.Languages) == 0 {
		view.Languages = append([]string{}, m.Languages...)
	}
	l := model.Licence
	view.Licence = ModelLicence{ID: l.ID, Name: l.Name, URL: l.URL, Commercial: l.Commercial, Accept: l.Accept}
	accepted, err := s.cfg.Models.Licence(ctx, model)
	if err != nil {
		return nil, err
	}
	if accepted != nil {
		view.Licence.AcceptedAt, view.Licence.AcceptedBy = &accepted.AcceptedAt, &accepted.Actor
	}
	store := s.cfg.Models.Store()
	installed := store.Variants(model.ID)
	if model.Adapter != nil {
		view.Installed, view.Like = len(installed) > 0, &model.Like
	}
	for _, v := range model.Variants {
		view.Variants = append(view.Variants, ModelVariant{v.ID, v.DiskBytes, slices.Contains(installed, v.ID)})
	}
	if record, err := store.Get(model.ID); err == nil && model.NeedsFiles() {
		used := store.LastUsed(record)
		view.Installed, view.SizeBytes, view.Pinned = true, record.Bytes(), record.Pinned
		view.Source, view.InstalledAt, view.LastUsedAt = &record.Source, &record.InstalledAt, &used
	}
	return view, nil
}

func taskView(ctx context.Context, t *tasks.Task) *ModelTask {
	if t == nil {
		return nil
	}
	view := &ModelTask{
		ID:         t.ID,
		Kind:       t.Kind,
		Model:      t.Model,
		Variant:    t.Variant,
		Status:     t.Status,
		DoneBytes:  t.DoneBytes,
		TotalBytes: t.TotalBytes,
		Faults:     []ModelFault{},
		CreatedAt:  t.CreatedAt,
		StartedAt:  t.StartedAt,
		EndedAt:    t.EndedAt,
	}
	switch {
	case t.Status == tasks.Completed:
		view.Progress = 1
	case t.TotalBytes > 0:
		view.Progress = min(float64(t.DoneBytes)/float64(t.TotalBytes), 1)
	}
	if t.Faults != nil {
		_ = json.Unmarshal(t.Faults, &view.Faults) // our own writing
	}
	if t.Error != nil {
		view.Error = &ModelError{t.Error.Code, told(ctx, t.Error.Detail)}
	}
	return view
}

func asked(ctx context.Context, p auth.Principal) tasks.Asked {
	return tasks.Asked{Owner: p.Owner, Actor: p.Actor(), RequestID: telemetry.RequestID(ctx)}
}

func (s *Server) installModel(
	ctx context.Context,
	p auth.Principal,
	in *modelBody,
	b *binder,
) (*modelTaskAnswer, error) {
	wanted, _, err := read[ModelInstall](b, in.echo, p)
	if err != nil {
		return nil, err
	}
	task, err := s.cfg.Models.Install(ctx, asked(ctx, p), in.ID, wanted.Variant, wanted.AcceptLicence)
	if err != nil {
		return nil, err
	}
	return &modelTaskAnswer{*taskView(ctx, task)}, nil
}

func (s *Server) verifyModel(ctx context.Context, p auth.Principal, in *ModelPath) (*modelTaskAnswer, error) {
	task, err := s.cfg.Models.Verify(ctx, asked(ctx, p), in.ID)
	if err != nil {
		return nil, err
	}
	return &modelTaskAnswer{*taskView(ctx, task)}, nil
}

func (s *Server) cancelModelTask(ctx context.Context, p auth.Principal, in *ModelPath) (*modelTaskAnswer, error) {
	task, err := s.cfg.Models.Cancel(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, p, "model.cancel", in.ID)
	return &modelTaskAnswer{*taskView(ctx, task)}, nil
}

func (s *Server) deleteModel(ctx context.Context, p auth.Principal, in *ModelPath) (*struct{}, error) {
	if err := s.cfg.Models.Remove(ctx, in.ID); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "model.delete", in.ID)
	return nil, nil
}

func (s *Server) updateModel(ctx context.Context, p auth.Principal, in *modelBody, b *binder) (*modelAnswer, error) {
	patch, _, err := read[ModelPatch](b, in.echo, p)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Models.Pin(ctx, in.ID, patch.Pinned); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "model.update", in.ID)
	return s.getModel(ctx, p, &in.ModelPath)
}
