package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/pronunciations"
)

// Pronunciation is how a word is said.
type Pronunciation struct {
	ID        uuid.UUID  `json:"id"`
	Word      string     `json:"word"`
	Say       string     `json:"say"`
	Language  *string    `json:"language" nullable:"true" doc:"null: in every language"`
	ProjectID *uuid.UUID `json:"project_id" nullable:"true" doc:"null: in all of your requests"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// PronunciationList holds all entries that were asked for; the dictionary's limit bounds them.
type PronunciationList struct {
	Data []Pronunciation `json:"data"`
}

// PronunciationRequest is POST /audio/pronunciations.
type PronunciationRequest struct {
	Word      string `json:"word" minLength:"1" maxLength:"100" format:"line" example:"APIBR" doc:"As it is written; without regard to case"`
	Say       string `json:"say" minLength:"1" maxLength:"200" format:"line" example:"apê i bê erre" doc:"What the voice reads instead"`
	Language  string `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag" doc:"Only in texts of this language; default: in all"`
	ProjectID string `json:"project_id,omitempty" format:"uuid" doc:"Only in requests of this project, before the words of all; default: in all of yours"`
}

// PronunciationPatch changes an entry.
type PronunciationPatch struct {
	Word     *string `json:"word,omitempty" minLength:"1" maxLength:"100" format:"line"`
	Say      *string `json:"say,omitempty" minLength:"1" maxLength:"200" format:"line"`
	Language *string `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag"`
}

// PronunciationPreview is POST /audio/pronunciations/preview.
type PronunciationPreview struct {
	Word      string `json:"word" minLength:"1" maxLength:"100" format:"line" example:"APIBR"`
	Say       string `json:"say,omitempty" minLength:"1" maxLength:"200" format:"line" doc:"What to try; default: what your dictionary says"`
	Language  string `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag" doc:"BCP 47 tag; default: the voice's"`
	VoiceID   string `json:"voice_id,omitempty" alias:"voice" maxLength:"100" doc:"Id or exact name of a voice"`
	ProjectID string `json:"project_id,omitempty" format:"uuid" doc:"Project whose words are used too"`
}

// PronunciationPath holds the id in an address; exported, since huma fills only exported members.
type PronunciationPath struct {
	ID string `path:"id" doc:"Id of a word of the dictionary"`
}

func (p PronunciationPath) uuid() (uuid.UUID, error) { return pathID(p.ID, pronunciations.ErrNotFound) }

type listPronunciationsInput struct {
	Project  string `query:"project" doc:"Project id: only its own words"`
	Language string `query:"language" doc:"Only the words of this language"`
}

type updatePronunciationInput struct {
	PronunciationPath
	StreamedBody
}

func pronunciationView(e *pronunciations.Entry) Pronunciation {
	return Pronunciation{ID: e.ID, Word: e.Word, Say: e.Say, Language: e.Language, ProjectID: e.ProjectID,
		CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
}

const (
	pronunciationsPath = "/api/v1/audio/pronunciations"
	pronunciationPath  = pronunciationsPath + "/{id}"
)

func (s *Server) registerPronunciations() {
	tag := []string{"pronunciations"}
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-pronunciations",
			Method:      http.MethodGet,
			Path:        pronunciationsPath,
			Summary:     "List the words of your dictionary, by word",
			Tags:        tag,
			Errors:      []int{401, 422},
		},
		as(s, s.listPronunciations),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-pronunciation",
			Method:      http.MethodGet,
			Path:        pronunciationPath,
			Summary:     "Read a word of your dictionary",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, s.getPronunciation),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:   "delete-pronunciation",
			Method:        http.MethodDelete,
			Path:          pronunciationPath,
			Summary:       "Delete a word of your dictionary; jobs that wait keep it",
			Tags:          tag,
			DefaultStatus: http.StatusNoContent,
			Errors:        []int{401, 404},
		},
		as(s, s.deletePronunciation),
	)
	s.registerPronunciationWrites(tag)
}

// registerPronunciationWrites adds the operations that have a body.
func (s *Server) registerPronunciationWrites(tag []string) {
	created := s.binderFor(reflect.TypeFor[PronunciationRequest]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:     "create-pronunciation",
			Method:          http.MethodPost,
			Path:            pronunciationsPath,
			Summary:         "Say how a word is pronounced",
			Tags:            tag,
			DefaultStatus:   http.StatusCreated,
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          []int{401, 409, 422},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *CreateInput) (*createdOther, error) {
			return s.createPronunciation(ctx, p, in, created)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[pronunciationsPath].Post, created)
	s.setAnswer(pronunciationsPath, "201", reflect.TypeFor[Pronunciation]())
	patch := s.binderFor(reflect.TypeFor[PronunciationPatch]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "update-pronunciation",
			Method:      http.MethodPatch,
			Path:        pronunciationPath,
			Summary:     "Change a word of your dictionary; jobs that wait keep it as it was",
			Tags:        tag,
			Errors:      []int{401, 404, 409, 422},
		},
		as(s, func(
			ctx context.Context, p auth.Principal, in *updatePronunciationInput,
		) (*struct{ Body Pronunciation }, error) {
			return s.updatePronunciation(ctx, p, in, patch)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[pronunciationPath].Patch, patch)
	preview := s.binderFor(reflect.TypeFor[PronunciationPreview]())
	const path = pronunciationsPath + "/preview"
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:     "preview-pronunciation",
			Method:          http.MethodPost,
			Path:            path,
			Summary:         "Hear how a word is said, as a speech job",
			Tags:            tag,
			DefaultStatus:   http.StatusAccepted,
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          []int{401, 409, 422, 429, 507},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *MakeInput) (*createdJob, error) {
			return s.previewPronunciation(ctx, p, in, preview)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[path].Post, preview)
}

func (s *Server) listPronunciations(
	ctx context.Context, p auth.Principal, in *listPronunciationsInput,
) (*struct{ Body PronunciationList }, error) {
	language, err := languageFilter(in.Language)
	if err != nil {
		return nil, err
	}
	filter := pronunciations.Filter{Language: language}
	if in.Project != "" {
		id, err := uuid.Parse(in.Project)
		if err != nil {
			return nil, invalid("project",
				i18n.Say("%s must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057", "project"))
		}
		filter.Project = &id
	}
	entries, err := s.cfg.Words.List(ctx, p.Owner, filter)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body PronunciationList }{PronunciationList{Data: []Pronunciation{}}}
	for _, entry := range entries {
		out.Body.Data = append(out.Body.Data, pronunciationView(entry))
	}
	return out, nil
}

func (s *Server) getPronunciation(
	ctx context.Context, p auth.Principal, in *PronunciationPath,
) (*struct{ Body Pronunciation }, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	entry, err := s.cfg.Words.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Pronunciation }{pronunciationView(entry)}, nil
}

func (s *Server) createPronunciation(
	ctx context.Context, p auth.Principal, in *CreateInput, b *binder,
) (*createdOther, error) {
	wanted, f, err := read[PronunciationRequest](b, in.echo, p)
	if err != nil {
		return nil, err
	}
	return s.creating(ctx, in, p, "create-pronunciation", f, func() (any, error) {
		project := f.uuid("project_id")
		if err := s.generation.CheckProject(ctx, p.Owner, project); err != nil {
			return nil, err
		}
		entry, err := s.cfg.Words.Create(ctx, p.Owner, pronunciations.New{
			Project: project, Language: wanted.Language, Word: wanted.Word, Say: wanted.Say,
		})
		if err != nil {
			return nil, err
		}
		return pronunciationView(entry), nil
	})
}

func (s *Server) updatePronunciation(
	ctx context.Context, p auth.Principal, in *updatePronunciationInput, b *binder,
) (*struct{ Body Pronunciation }, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	patch, _, err := read[PronunciationPatch](b, in.echo, p)
	if err != nil {
		return nil, err
	}
	entry, err := s.cfg.Words.Update(ctx, p.Owner, id, pronunciations.Patch(patch))
	if err != nil {
		return nil, err
	}
	return &struct{ Body Pronunciation }{pronunciationView(entry)}, nil
}

func (s *Server) deletePronunciation(ctx context.Context, p auth.Principal, in *PronunciationPath) (*struct{}, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Words.Delete(ctx, p.Owner, id); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "pronunciation.delete", id.String())
	return nil, nil
}

// previewPronunciation says one word as an ordinary speech job.
func (s *Server) previewPronunciation(
	ctx context.Context, p auth.Principal, in *MakeInput, b *binder,
) (*createdJob, error) {
	wanted, f, err := read[PronunciationPreview](b, in.echo, p)
	if err != nil {
		return nil, err
	}
	once, replay, err := s.begin(ctx, p, "preview-pronunciation", in.IdempotencyKey, f)
	if err != nil {
		return nil, err
	}
	if replay != nil && replay.ResourceID != nil {
		job, err := s.cfg.Jobs.Get(ctx, p.Owner, *replay.ResourceID)
		if err != nil {
			return nil, err
		}
		return s.created(ctx, job, in, true)
	}
	var job *jobs.Job
	defer func() {
		if job == nil { // a panic included
			s.abandon(ctx, once)
		}
	}()
	request, err := trial(wanted)
	if err != nil {
		return nil, err
	}
	spec, err := s.resolve(ctx, generation.Input{Owner: p.Owner, Request: request, Empty: f.empty}, f)
	if err != nil {
		return nil, ofWord(err)
	}
	spec.Idempotency = once
	if job, err = s.cfg.Jobs.Submit(ctx, spec); err != nil {
		return nil, err
	}
	return s.created(ctx, job, in, false)
}

// ofWord moves the pointers at the text of a speech request to the word that it was made of.
func ofWord(err error) error {
	var refused *problem
	if !errors.As(err, &refused) {
		return err
	}
	p := *refused
	p.fields = slices.Clone(p.fields)
	for i := range p.fields {
		if p.fields[i].pointer == "/text" {
			p.fields[i].pointer = "/word"
		}
	}
	return &p
}

// trial is the speech that says one word.
func trial(wanted PronunciationPreview) (generation.Request, error) {
	speech := &generation.SpeechRequest{Text: wanted.Word, VoiceID: wanted.VoiceID, Language: wanted.Language}
	speech.ProjectID = wanted.ProjectID
	if wanted.Say == "" {
		return speech, pronunciations.Check("word", wanted.Word)
	}
	said, err := pronunciations.Clean(pronunciations.Said{Word: wanted.Word, Say: wanted.Say})
	if err != nil {
		return nil, err
	}
	return generation.Trial(speech, said), nil
}
