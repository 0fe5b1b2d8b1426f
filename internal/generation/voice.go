package generation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
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
			language = r.DefaultLanguage
			r.shape.named("language").set(r.in.Request, language)
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
	r.unasked = voice
}

// tellVoice says which voice speaks where none was chosen. An engine that does not know the default voice, since its
// model was asked for, speaks in its own.
func (r *Resolution) tellVoice() {
	if r.unasked == nil || r.manifest == nil {
		return
	}
	say := i18n.Say("no voice was chosen: %s speaks; choose another with %s, %s lists the voices",
		r.unasked.Name, sayVoice, seeVoices)
	owner := engine.ID(r.unasked.Owner())
	if owner != "" && owner != r.manifest.ID && !slices.Contains(r.manifest.VoicesFrom, owner) {
		r.shape.named(voiceField).set(r.in.Request, "")
		say = i18n.Say("no voice was chosen: the model %s speaks in its own voice; choose one with %s, "+
			"%s lists the voices", r.model, sayVoice, seeVoices)
	}
	r.Spec.Warnings = slices.Insert(r.Spec.Warnings, 0, report.Warning{Code: codeDefaultVoice, Message: say})
}

// Restated are the warnings of a job whose input was changed: those of the new input, and of the old ones what still
// holds. The engine stays the same; that a voice was not chosen holds until another one speaks.
func Restated(old *jobs.Job, now jobs.Spec) []report.Warning {
	gone := []string{codeWordsUnread}
	if !slices.Equal(voicesOf(old.Inputs), voicesOf(now.Inputs)) {
		gone = append(gone, codeDefaultVoice)
	}
	for _, w := range now.Warnings {
		gone = append(gone, w.Code)
	}
	kept := slices.DeleteFunc(slices.Clone(old.Warnings), func(w report.Warning) bool {
		return slices.Contains(gone, w.Code)
	})
	return append(kept, now.Warnings...)
}

// voicesOf are the ids of the voices that a job names.
func voicesOf(inputs []jobs.InputRef) (ids []uuid.UUID) {
	for _, input := range inputs {
		if input.VoiceID != nil {
			ids = append(ids, *input.VoiceID)
		}
	}
	return ids
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

// fieldOfVoice is the field that names a voice, by the voice's own name: that of the request, or of its first line that
// does so.
func (r *Resolution) fieldOfVoice(name string) string {
	speech, ok := r.in.Request.(*SpeechRequest)
	if !ok {
		return voiceField
	}
	for i, line := range speech.Lines {
		if voice := r.found[line.VoiceID]; voice != nil && voice.Name == name {
			return fmt.Sprintf("lines/%d/voice_id", i)
		}
	}
	return voiceField
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
