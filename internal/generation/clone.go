package generation

import (
	"context"
	"math"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
)

var cloneVoice = Kind{
	Type: jobs.TypeCloneVoice, Name: "clone-voice", Path: "audio/clone-voice", Summary: "Clone a voice from a sample",
	New:      func() Request { return &CloneVoiceRequest{} },
	Settings: map[string]func(Settings) any{"min_seconds": func(s Settings) any { return s.MinVoiceSeconds }},
	Example: map[string]any{
		"name": "Minha Voz", "audio": "https://example.com/minha_voz.mp3", "language": "pt-BR",
		"consent_note": "My own voice, 2026-11-24",
	},
}

// CloneVoiceRequest asks for a voice that is like the one of a sample.
type CloneVoiceRequest struct {
	Name        string `json:"name" param:"engine" minLength:"1" maxLength:"100" format:"line" example:"Minha Voz"`
	Audio       string `json:"audio" alias:"audio_file,reference_audio" input:"sample,audio" doc:"Sample of the voice, best 15 s or more"`
	Language    string `json:"language,omitempty" param:"engine" minLength:"2" maxLength:"16" format:"language-tag" example:"pt-BR"`
	ConsentNote string `json:"consent_note,omitempty" param:"job" maxLength:"2000" format:"line" doc:"Who agreed to the cloning, and when"`
	Common
}

// Speaks implements Speaker.
func (c *CloneVoiceRequest) Speaks() (language string) { return c.Language }

// Resolve implements Request.
func (c *CloneVoiceRequest) Resolve(ctx context.Context, r *Resolution) {
	c.checkSample(r, r.File(ctx, "audio"))
	if !r.OK() {
		return
	}
	language := c.Language
	if language == "" {
		language = defaultLanguage
	}
	r.Spec.NewVoice = &jobs.NewVoice{
		Name: c.Name, Language: language, SampleAssetID: r.Spec.Inputs[0].AssetID, ConsentNote: c.ConsentNote,
	}
}

// checkSample refuses a sample that is too short before any work starts. One that is still being made is checked by
// the engine.
func (c *CloneVoiceRequest) checkSample(r *Resolution, sample *assets.Asset) {
	if sample == nil || sample.DurationSeconds == nil {
		return
	}
	got, least := *sample.DurationSeconds, r.MinVoiceSeconds
	// The sentence shows tenths of a second, because containers are a few milliseconds off.
	if told := math.Round(got*10) / 10; got < least && told < least {
		r.Refuse("audio", i18n.Say(
			"the sample is %.1f s long; the shortest is %g s (voices.min_seconds): record 15 s or more of clear speech",
			got, least,
		))
	}
}
