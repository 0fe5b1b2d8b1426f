package generation

import (
	"context"
	"errors"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/voices"
)

// Pronunciations is the parameter with the words of the user's dictionary that a job's text has. It is not a field of
// a request: the studio chooses the words, and the job keeps them.
const Pronunciations = "pronunciations"

// codeWordsUnread is the code of the warning that the engine does not read them.
const codeWordsUnread = "pronunciations_not_used"

// Spoken is a request whose texts are spoken.
type Spoken interface {
	// Says returns the texts with the voice of each; "" is the language's default voice.
	Says() (language string, texts []Utterance)
}

// Utterance is a text and the voice, by id or name, that says it.
type Utterance struct{ Text, Voice string }

// Says implements Spoken.
func (s *SpeechRequest) Says() (language string, texts []Utterance) {
	if s.Text != "" {
		return s.Language, []Utterance{{s.Text, s.VoiceID}}
	}
	for _, line := range s.Lines {
		voice := line.VoiceID
		if voice == "" {
			voice = s.VoiceID
		}
		texts = append(texts, Utterance{line.Text, voice})
	}
	return s.Language, texts
}

// Says implements Spoken.
func (a *AvatarRequest) Says() (language string, texts []Utterance) {
	if a.Script == "" {
		return a.Language, nil
	}
	return a.Language, []Utterance{{a.Script, a.VoiceID}}
}

// Trial is a speech request that says a word in a given way, whatever the dictionary has for it.
func Trial(request *SpeechRequest, said pronunciations.Said) Request {
	request.Text, request.trial = said.Word, &said
	return request
}

// pronounce chooses the entries of the dictionary for the request's texts.
func (r *Resolution) pronounce(ctx context.Context) error {
	spoken, ok := r.in.Request.(Spoken)
	if !ok {
		return nil
	}
	chosen, err := r.said(ctx, spoken)
	if err != nil || len(chosen) == 0 {
		return err
	}
	properties, _ := r.manifest.Tasks[string(r.kind.Type)].Parameters["properties"].(map[string]any)
	if properties[Pronunciations] == nil {
		r.Warn(codeWordsUnread, i18n.Say(
			"engine %s does not read the dictionary of pronunciations: the words of the text are said as written",
			r.manifest.ID,
		))
		return nil
	}
	list := make([]any, len(chosen))
	for i, said := range chosen {
		list[i] = map[string]any{"word": said.Word, "say": said.Say}
	}
	r.Spec.Params[Pronunciations] = list
	return nil
}

// said are the entries that the texts have, each looked for in the language of its voice unless the request names one.
func (r *Resolution) said(ctx context.Context, spoken Spoken) ([]pronunciations.Said, error) {
	if speech, ok := spoken.(*SpeechRequest); ok && speech.trial != nil {
		return []pronunciations.Said{*speech.trial}, nil
	}
	language, utterances := spoken.Says()
	if len(utterances) == 0 {
		return nil, nil
	}
	entries, err := r.service.cfg.Library.Pronunciations(ctx, r.in.Owner, r.Spec.ProjectID)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	texts := make([]pronunciations.Text, len(utterances))
	for i, utterance := range utterances {
		texts[i] = pronunciations.Text{Text: utterance.Text, Language: language}
		if language != "" {
			continue
		}
		if texts[i].Language, err = r.languageOf(ctx, utterance.Voice); err != nil {
			return nil, err
		}
	}
	return pronunciations.Choose(entries, texts), nil
}

// languageOf a voice that the request names by its id or name.
func (r *Resolution) languageOf(ctx context.Context, voice string) (string, error) {
	if voice == "" {
		return r.DefaultLanguage, nil
	}
	found, err := r.findVoice(ctx, voice)
	if errors.Is(err, voices.ErrNotFound) {
		return r.DefaultLanguage, nil // it was deleted a moment ago; the submit refuses it
	}
	if err != nil {
		return "", err
	}
	return found.Language, nil
}
