package generation

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/voices"
)

// voiceField is the field of a request that names the voice of all texts that name none themselves.
const voiceField = "voice_id"

// codeDefaultVoice is the code of the warning that the request named no voice.
const codeDefaultVoice = "default_voice"

// chooseVoice gives a request with a text that no voice speaks the default voice of its language. A language without
// one is spoken in the engine's own voice.
func (r *Resolution) chooseVoice(ctx context.Context) {
	spoken, ok := r.in.Request.(Spoken)
	f := r.shape.named(voiceField)
	if !ok || f == nil {
		return
	}
	if name, sent := f.get(r.in.Request); sent && strings.TrimSpace(name.String()) == "" {
		f.set(r.in.Request, "")
	}
	if r.failure != nil || r.Sent(voiceField) || r.told["lines"] {
		return
	}
	language, texts := spoken.Says()
	if !slices.ContainsFunc(texts, func(u Utterance) bool { return u.Voice == "" }) {
		return
	}
	voice, err := r.service.cfg.Library.DefaultVoice(ctx, r.in.Owner, language)
	switch {
	case errors.Is(err, voices.ErrNotFound):
		if language == "" {
			language = defaultLanguage
		}
		r.Warn(codeDefaultVoice, i18n.Say(
			"no voice was chosen, and %s has no default voice: the engine's own voice speaks; %s lists the voices",
			language, seeVoices))
		return
	case err != nil:
		r.refuseErr(voiceField, err)
		return
	}
	r.keepVoice(voice.ID.String(), voice)
	f.set(r.in.Request, voice.ID.String())
	r.Warn(codeDefaultVoice, i18n.Say("no voice was chosen: %s speaks; choose another with %s, %s lists the voices",
		voice.Name, sayVoice, seeVoices))
}

// speakers are the voices of the texts, each once. Unknown ones are refused later, with their field.
func (r *Resolution) speakers(ctx context.Context) (list []*voices.Voice) {
	spoken, ok := r.in.Request.(Spoken)
	if !ok {
		return nil
	}
	_, texts := spoken.Says()
	seen := map[string]bool{}
	for _, text := range texts {
		if text.Voice == "" || seen[text.Voice] {
			continue
		}
		seen[text.Voice] = true
		voice, err := r.findVoice(ctx, text.Voice)
		if err == nil && !slices.ContainsFunc(list, func(v *voices.Voice) bool { return v.ID == voice.ID }) {
			list = append(list, voice)
		}
	}
	return list
}

// language of the request: its own, else that of its voices when it is the same for all.
func (r *Resolution) language(speakers []*voices.Voice) string {
	speaker, ok := r.in.Request.(Speaker)
	if !ok {
		return ""
	}
	language := speaker.Speaks()
	if language != "" || len(speakers) == 0 {
		return language
	}
	first := speakers[0].Language
	if slices.ContainsFunc(speakers, func(v *voices.Voice) bool { return v.Language != first }) {
		return ""
	}
	return first
}

// known is what the choice of an engine needs of the voices.
func known(speakers []*voices.Voice) (list []engine.Voice) {
	for _, voice := range speakers {
		list = append(list, engine.Voice{Name: voice.Name, Owner: engine.ID(voice.Owner())})
	}
	return list
}

// honoured adds to a parameter that the engine of the voice refuses which models take it.
func (r *Resolution) honoured(e *FieldError) {
	var refused engine.FieldError
	if !errors.As(e.Err, &refused) || refused.Kind != engine.Unsupported || len(r.spoken) == 0 ||
		r.spoken[0].Owner() != r.Spec.Engine {
		return
	}
	models := r.service.cfg.Catalogue.Honouring(string(r.kind.Type), e.Field)
	if len(models) == 0 {
		return
	}
	e.Say = i18n.Say("the voice %s does not honour %s: leave it out, or choose a cloned voice and one of the models %s",
		r.spoken[0].Name, e.Field, i18n.Commas(models...))
}
