package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/voices"
)

// Voice is a voice for speech: the caller's own or a built-in one.
type Voice struct {
	ID            uuid.UUID `json:"id"`
	Name          string    `json:"name"`
	Status        string    `json:"status" enum:"pending,ready,failed"`
	Language      string    `json:"language"`
	Builtin       bool      `json:"builtin"`
	SampleSeconds *float64  `json:"sample_seconds" nullable:"true"`
	Transcript    *string   `json:"transcript" nullable:"true" doc:"What its sample says, up to 2000 characters, where it was listened to"`
	ConsentNote   *string   `json:"consent_note" nullable:"true"`
	Sex           *string   `json:"sex" nullable:"true" enum:"female,male" doc:"Of a built-in voice"`
	Default       bool      `json:"default" doc:"It speaks its language where a request names no voice"`
	Engine        *string   `json:"engine" nullable:"true" doc:"Engine that speaks it now"`
	Quality       *string   `json:"quality" nullable:"true" enum:"draft,final" doc:"Quality in which it is spoken now"`
	PreviewURL    *string   `json:"preview_url" nullable:"true" doc:"A recording of the voice; needs no header, for a day or two"`
	CreatedAt     time.Time `json:"created_at"`
}

// VoiceList holds the same list under two names.
type VoiceList struct {
	Data   []Voice `json:"data"`
	Voices []Voice `json:"voices"`
}

// VoicePatch changes a voice.
type VoicePatch struct {
	Name        *string `json:"name,omitempty" minLength:"1" maxLength:"100" format:"line"`
	Language    *string `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag"`
	ConsentNote *string `json:"consent_note,omitempty" maxLength:"2000" format:"line"`
}

// voiceView shows a voice; defaults are those of its reader.
func (s *Server) voiceView(ctx context.Context, v *voices.Voice, defaults map[uuid.UUID]bool) Voice {
	view := Voice{
		ID:            v.ID,
		Name:          v.Name,
		Status:        string(v.Status),
		Language:      v.Language,
		Builtin:       v.Builtin,
		SampleSeconds: millisOf(v.SampleSeconds),
		Transcript:    v.Transcript,
		ConsentNote:   v.ConsentNote,
		Sex:           v.Sex,
		Default:       defaults[v.ID],
		PreviewURL:    orNull(s.voiceLink(ctx, v)),
		CreatedAt:     v.CreatedAt,
	}
	chosen, err := s.cfg.Catalogue.Choose(engine.Choice{
		Task: string(jobs.TypeSpeech), Language: v.Language,
		Voices: []engine.Voice{{Name: v.Name, Owner: engine.ID(v.Owner())}},
	})
	if err == nil {
		id := string(chosen.Manifest.ID)
		view.Engine, view.Quality = &id, &chosen.Manifest.Quality
	}
	return view
}

type voiceAnswer struct{ Body Voice }

func (s *Server) answerVoice(ctx context.Context, p auth.Principal, v *voices.Voice) (*voiceAnswer, error) {
	defaults, err := s.cfg.Voices.AllDefaults(ctx, p.Owner)
	if err != nil {
		return nil, err
	}
	return &voiceAnswer{s.voiceView(ctx, v, defaults)}, nil
}

// VoicePath holds the id in an address; exported, since huma fills only exported members.
type VoicePath struct {
	ID string `path:"id" doc:"Voice id"`
}

type updateVoiceInput struct {
	VoicePath
	StreamedBody
}

type listVoicesInput struct {
	Status   string `query:"status" enum:"pending,ready,failed"`
	Language string `query:"language" doc:"BCP 47 tag; pt finds pt-BR too"`
	Sex      string `query:"sex" enum:"female,male"`
}

func (s *Server) registerVoices() {
	tag := []string{"voices"}
	const path, one = "/api/v1/audio/voices", "/api/v1/audio/voices/{id}"
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-voices",
			Method:      http.MethodGet,
			Path:        path,
			Summary:     "List your voices and the built-in ones",
			Tags:        tag,
			Errors:      []int{401, 422},
		},
		as(s, s.listVoices),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-voice",
			Method:      http.MethodGet,
			Path:        one,
			Summary:     "Read a voice",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, s.getVoice),
	)
	b := s.binderFor(reflect.TypeFor[VoicePatch]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "update-voice",
			Method:      http.MethodPatch,
			Path:        one,
			Summary:     "Rename a voice",
			Tags:        tag,
			Errors:      []int{401, 404, 409, 422},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *updateVoiceInput) (*voiceAnswer, error) {
			return s.updateVoice(ctx, p, in, b)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[one].Patch, b)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:   "delete-voice",
			Method:        http.MethodDelete,
			Path:          one,
			Summary:       "Delete a voice",
			Tags:          tag,
			DefaultStatus: http.StatusNoContent,
			Errors:        []int{401, 404, 409},
		},
		as(s, s.deleteVoice),
	)
	s.registerVoicePreview(tag)
}

func (s *Server) listVoices(
	ctx context.Context,
	p auth.Principal,
	in *listVoicesInput,
) (*struct{ Body VoiceList }, error) {
	language, err := languageFilter(in.Language)
	if err != nil {
		return nil, err
	}
	found, err := s.cfg.Voices.List(ctx, p.Owner,
		voices.Filter{Status: voices.Status(in.Status), Language: language, Sex: in.Sex})
	if err != nil {
		return nil, err
	}
	defaults, err := s.cfg.Voices.AllDefaults(ctx, p.Owner)
	if err != nil {
		return nil, err
	}
	views := make([]Voice, 0, len(found))
	for _, v := range found {
		views = append(views, s.voiceView(ctx, v, defaults))
	}
	return &struct{ Body VoiceList }{VoiceList{views, views}}, nil
}

// languageFilter is the tag that a caller may have written as pt_BR.
func languageFilter(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	tag, ok := generation.LanguageTag(text)
	switch near := generation.LanguageNamed(text); {
	case ok:
		return tag, nil
	case near != "":
		return "", invalid("language", i18n.Say(
			"%s is %q; send the BCP 47 tag of a language: did you mean %s?", "language",
			names.Clip(text), near))
	default:
		return "", invalid("language",
			i18n.Say("%s is %q; send the BCP 47 tag of a language, such as pt-BR or en", "language", names.Clip(text)))
	}
}

func (s *Server) getVoice(ctx context.Context, p auth.Principal, in *VoicePath) (*voiceAnswer, error) {
	id, err := pathID(in.ID, voices.ErrNotFound)
	if err != nil {
		return nil, err
	}
	v, err := s.cfg.Voices.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	return s.answerVoice(ctx, p, v)
}

func (s *Server) updateVoice(
	ctx context.Context,
	p auth.Principal,
	in *updateVoiceInput,
	b *binder,
) (*voiceAnswer, error) {
	id, err := pathID(in.ID, voices.ErrNotFound)
	if err != nil {
		return nil, err
	}
	patch, _, err := read[VoicePatch](b, in.echo, p)
	if err != nil {
		return nil, err
	}
	v, err := s.cfg.Voices.Update(ctx, p.Owner, id, voices.Patch(patch))
	if err != nil {
		return nil, err
	}
	return s.answerVoice(ctx, p, v)
}

func (s *Server) deleteVoice(ctx context.Context, p auth.Principal, in *VoicePath) (*struct{}, error) {
	id, err := pathID(in.ID, voices.ErrNotFound)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Voices.Delete(ctx, p.Owner, id); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "voice.delete", id.String())
	return nil, nil
}
