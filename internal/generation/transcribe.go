package generation

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

var transcribe = Kind{
	Type: jobs.TypeTranscribe, Name: "transcribe", Path: "audio/transcribe",
	Summary: "Write down what a recording or a video says",
	New:     func() Request { return &TranscribeRequest{} },
	Example: map[string]any{"audio": "https://example.com/entrevista.mp3", "language": "pt-BR"},
}

// TranscribeRequest asks for the words of a recording or a video. The job's first output is the text; its metadata
// have the text too (`transcript`, at most 20,000 characters).
type TranscribeRequest struct {
	Audio    string `json:"audio,omitempty" alias:"audio_file,reference_audio" input:"audio,audio" doc:"Recording to write down, or the id of a video; or video"`
	Video    string `json:"video,omitempty" alias:"video_id" input:"video,video" doc:"Video whose sound is written down"`
	Language string `json:"language,omitempty" param:"engine" minLength:"2" maxLength:"16" format:"language-tag" example:"pt-BR" doc:"BCP 47 tag of what is spoken; default: it is detected"`
	Common
}

// Speaks implements Speaker.
func (t *TranscribeRequest) Speaks() (language string) { return t.Language }

// Resolve implements Request.
func (t *TranscribeRequest) Resolve(ctx context.Context, r *Resolution) {
	switch {
	case t.Audio != "" && t.Video != "":
		r.Refuse("video", i18n.Say("send audio or video, not both"))
		return
	case !r.Sent("audio") && !r.Sent("video"):
		r.Missing("audio", i18n.Say("audio is missing: send a recording, or video"))
		return
	}
	if r.isVideo(ctx, t.Audio) {
		t.Audio, t.Video = "", t.Audio
	}
	r.File(ctx, "audio")
	if video := r.File(ctx, "video"); video != nil && mute(video) {
		r.Refuse("video", i18n.Say("the video has no sound: send one with a sound track, or a recording as audio"))
	}
}

// isVideo says whether a text is the id of a video, or of a job that makes one.
func (r *Resolution) isVideo(ctx context.Context, text string) bool {
	id, err := uuid.Parse(text)
	if err != nil {
		return false
	}
	library := r.service.cfg.Library
	if asset, err := library.Asset(ctx, r.in.Owner, id); err == nil {
		return asset.Kind == media.Video
	}
	job, err := library.Job(ctx, r.in.Owner, id)
	if err != nil {
		return false
	}
	kind, _ := r.service.Of(job.Type)
	return kind.Output == media.Video
}

// mute says whether a video is known to have no sound. One that is still being made is heard by the engine.
func mute(video *assets.Asset) bool {
	var known struct {
		HasAudio *bool `json:"has_audio"`
	}
	return json.Unmarshal(video.Metadata, &known) == nil && known.HasAudio != nil && !*known.HasAudio
}
