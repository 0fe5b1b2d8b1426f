package generation

import (
	"context"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

var avatar = Kind{
	Type: jobs.TypeAvatar, Name: "create-avatar", Path: "video/create-avatar", Summary: "Make a portrait speak",
	Output: media.Video, New: func() Request { return &AvatarRequest{} },
	Example: map[string]any{
		"image": "01890a5d-ac96-774b-bcce-b302099a8057", "voice_id": "Minha Voz",
		"script": "Olá, sou seu assistente AI!", "duration": 5, "aspect": "9:16",
	},
}

// AvatarRequest asks for a video of a portrait that speaks.
type AvatarRequest struct {
	Image    string  `json:"image" alias:"image_id,image_url,image_file" input:"image,image" doc:"Portrait"`
	VoiceID  string  `json:"voice_id,omitempty" alias:"voice" input:"voice,voice" maxLength:"100" example:"Minha Voz" doc:"Voice that speaks the script; default: that of the language"`
	Script   string  `json:"script,omitempty" alias:"text" param:"engine" minLength:"1" maxLength:"20000" example:"Olá, sou seu assistente AI!"`
	Audio    string  `json:"audio,omitempty" alias:"audio_file,reference_audio" input:"audio,audio" doc:"Speech instead of voice and script"`
	Language string  `json:"language,omitempty" param:"engine" minLength:"2" maxLength:"16" format:"language-tag"`
	Duration float64 `json:"duration,omitempty" param:"engine" minimum:"0.5" maximum:"600" doc:"Seconds that the video lasts at least"`
	Prompt   string  `json:"prompt,omitempty" param:"engine" maxLength:"4000"`
	FPS      int     `json:"fps,omitempty" param:"engine" minimum:"1" maximum:"60"`
	Preset   string  `json:"preset,omitempty" param:"engine" enum:"auto,distilled,low_vram,full"`
	Aspect   string  `json:"aspect,omitempty" param:"engine" enum:"source,1:1,9:16,16:9"`
	Speed    float64 `json:"speed,omitempty" param:"engine" minimum:"0.5" maximum:"2"`
	Common
}

// Speaks implements Speaker.
func (a *AvatarRequest) Speaks() (language string) { return a.Language }

// Resolve implements Request.
func (a *AvatarRequest) Resolve(ctx context.Context, r *Resolution) {
	switch {
	case a.Audio != "" && (a.Script != "" || a.VoiceID != ""):
		r.Refuse("audio", i18n.Say("send %s, or %s and %s, not both", sayAudio, sayVoice, sayText))
	case !r.Sent("audio") && !r.Sent("script"):
		r.Missing("script", i18n.Say("%s is missing: send it, with %s if you like, or %s", sayText, sayVoice,
			sayAudio))
	}
	if a.Audio != "" {
		if a.Language != "" {
			r.Refuse("language", scriptOnly("language"))
		}
		if a.Speed != 0 {
			r.Refuse("speed", scriptOnly("speed"))
		}
	}
	r.Speakable("script", a.Script)
	r.File(ctx, "image")
	if a.Audio != "" {
		r.File(ctx, "audio")
	} else {
		r.Voice(ctx, voiceField)
	}
}

func scriptOnly(field string) i18n.Sentence {
	return i18n.Say("%s is for a script: leave it out when you send audio", field)
}
