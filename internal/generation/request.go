package generation

import (
	"context"
)

// Request is a caller's request: a pointer to a struct that embeds Common.
type Request interface {
	common() *Common
	// Resolve checks the fields that depend on each other and makes the files and voices of the request inputs of its
	// job. The values alone have been checked.
	Resolve(ctx context.Context, r *Resolution)
}

// Common fields of all requests.
type Common struct {
	ProjectID       string `json:"project_id,omitempty" format:"uuid" doc:"Project that the result belongs to"`
	ParentID        string `json:"parent_id,omitempty" format:"uuid" doc:"Job that this one is a new version of"`
	Quality         string `json:"quality,omitempty" enum:"draft,final" doc:"Default: final if the engine is installed, else draft with a warning"`
	Model           string `json:"model,omitempty" maxLength:"100" doc:"Model to use; see /api/v1/engines"`
	Seed            *int64 `json:"seed,omitempty" param:"engine" minimum:"0" maximum:"9007199254740991" doc:"The same seed gives the same result; chosen when absent"`
	OutputFormat    string `json:"output_format,omitempty" param:"job" enum:"wav,mp3,flac,ogg,png,jpg,webp,mp4,webm" doc:"Format of the result's kind"`
	Priority        int    `json:"priority,omitempty" minimum:"-10" maximum:"10" doc:"Higher runs earlier"`
	ClientReference string `json:"client_reference,omitempty" maxLength:"200" format:"line" doc:"Your own name for this job"`
}

func (c *Common) common() *Common { return c }

// Speaker is a request that is spoken, or makes a voice.
type Speaker interface {
	// Speaks returns the language; "" is that of the voice.
	Speaks() (language string)
}

// A method of another shape would turn the check of the language off without a word.
var _, _, _, _ Speaker = &SpeechRequest{}, &AvatarRequest{}, &CloneVoiceRequest{}, &TranscribeRequest{}

// Sized is a request whose memory depends on the size of its pictures.
type Sized interface {
	// Size in pixels; 0 when it is not known. May is true when the request leaves the size to the studio.
	Size() (width, height, pictures int, free bool)
	// Resize sets the size that was left to the studio.
	Resize(width, height int)
}
