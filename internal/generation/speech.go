package generation

import (
	"context"
	"fmt"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/pronunciations"
)

var speech = Kind{
	Type: jobs.TypeSpeech, Name: "generate-speech", Path: "audio/generate-speech", Summary: "Speak a text in a voice",
	Output: media.Audio, New: func() Request { return &SpeechRequest{} },
	Example: map[string]any{"text": "Olá, tudo bem?", "voice_id": "Minha Voz", "output_format": "mp3"},
}

// SpeechRequest asks for a text to be spoken.
type SpeechRequest struct {
	Text         string       `json:"text,omitempty" alias:"script" param:"engine" minLength:"1" maxLength:"20000" example:"Olá, tudo bem?" doc:"What to say; or lines"`
	VoiceID      string       `json:"voice_id,omitempty" alias:"voice" input:"voice,voice" maxLength:"100" example:"Dora" doc:"Id or exact name of a voice; default: that of the language"`
	Language     string       `json:"language,omitempty" param:"engine" minLength:"2" maxLength:"16" format:"language-tag" example:"pt-BR" doc:"BCP 47 tag; default: the voice's"`
	Speed        float64      `json:"speed,omitempty" param:"engine" minimum:"0.5" maximum:"2" doc:"Times the voice's own pace"`
	Lines        []SpeechLine `json:"lines,omitempty" param:"engine" minItems:"1" maxItems:"500" doc:"Several lines, each with a voice, instead of text"`
	CFGWeight    *float64     `json:"cfg_weight,omitempty" alias:"cfg" param:"engine" minimum:"0" maximum:"1"`
	Temperature  *float64     `json:"temperature,omitempty" param:"engine" minimum:"0" maximum:"5"`
	Exaggeration *float64     `json:"exaggeration,omitempty" param:"engine" minimum:"0" maximum:"2"`
	Common

	trial *pronunciations.Said // what is said instead of the dictionary's entries; nil: those
}

// SpeechLine is one line of a script.
type SpeechLine struct {
	VoiceID string `json:"voice_id,omitempty" alias:"voice" input:"voice_%d,voice" maxLength:"100" doc:"Voice of this line; default: voice_id of the request"`
	Text    string `json:"text" alias:"script" minLength:"1" maxLength:"20000"`
	PauseMS *int   `json:"pause_ms,omitempty" minimum:"0" maximum:"60000" doc:"Silence after the line, in milliseconds"`
}

// Speaks implements Speaker.
func (s *SpeechRequest) Speaks() (language string) { return s.Language }

// Resolve implements Request.
func (s *SpeechRequest) Resolve(ctx context.Context, r *Resolution) {
	switch {
	case s.Text != "" && len(s.Lines) > 0:
		r.Refuse("lines", i18n.Say("send text or lines, not both"))
	case !r.Sent("text") && !r.Sent("lines"):
		r.Missing("text", i18n.Say("text is missing: send what to say, or lines"))
	}
	r.Speakable("text", s.Text)
	r.Voice(ctx, voiceField)
	s.resolveLines(ctx, r)
}

// resolveLines gives each line's voice an input of its own. Faults of several lines are reported together.
func (s *SpeechRequest) resolveLines(ctx context.Context, r *Resolution) {
	var wrong []*FieldError
	refuse := func(i int, member string, say i18n.Sentence) {
		if !say.Empty() {
			field := fmt.Sprintf("lines/%d/%s", i, member)
			wrong = append(wrong, &FieldError{Field: field, Code: CodeInvalid, Say: say})
		}
	}
	for i := range s.Lines {
		line := &s.Lines[i]
		refuse(i, "text", nothingToSay(line.Text))
		if line.VoiceID != "" {
			field, input := fmt.Sprintf("lines/%d/voice_id", i), fmt.Sprintf("voice_%d", i)
			voice, say := r.voice(ctx, field, input, line.VoiceID)
			refuse(i, "voice_id", say)
			if voice != nil {
				line.VoiceID = voice.ID.String()
			}
		}
	}
	r.add(wrong...)
}
