package httpapi

// The requests that make something, as the document shows them. They are bound by bind.go; the tags are their schema.

// Common fields of all generations.
type Common struct {
	ProjectID       string `json:"project_id,omitempty" format:"uuid" doc:"Project that the result belongs to"`
	ParentID        string `json:"parent_id,omitempty" format:"uuid" doc:"Job that this one is a new version of"`
	Quality         string `json:"quality,omitempty" enum:"draft,final" doc:"Default: final if the engine is installed, else draft with a warning"`
	Model           string `json:"model,omitempty" maxLength:"100" doc:"Model to use; see /api/v1/engines"`
	Seed            int64  `json:"seed,omitempty" minimum:"0" maximum:"9007199254740991" doc:"The same seed gives the same result; chosen when absent"`
	OutputFormat    string `json:"output_format,omitempty" enum:"wav,mp3,flac,ogg,png,jpg,webp,mp4,webm" doc:"Format of the result's kind"`
	Priority        int    `json:"priority,omitempty" minimum:"-10" maximum:"10" doc:"Higher runs earlier"`
	ClientReference string `json:"client_reference,omitempty" maxLength:"200" format:"line" doc:"Your own name for this job"`
}

// SpeechRequest is POST /audio/generate-speech.
type SpeechRequest struct {
	Text         string       `json:"text,omitempty" minLength:"1" maxLength:"20000" example:"Olá, tudo bem?" doc:"What to say; or lines"`
	VoiceID      string       `json:"voice_id,omitempty" maxLength:"100" example:"Clara (rascunho)" doc:"Id or exact name of a voice"`
	Language     string       `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag" example:"pt-BR" doc:"BCP 47 tag; default: the voice's"`
	Speed        float64      `json:"speed,omitempty" minimum:"0.5" maximum:"2" doc:"Times the voice's own pace"`
	Lines        []SpeechLine `json:"lines,omitempty" minItems:"1" maxItems:"500" doc:"Several lines, each with a voice, instead of text"`
	CFGWeight    float64      `json:"cfg_weight,omitempty" minimum:"0" maximum:"1"`
	Temperature  float64      `json:"temperature,omitempty" minimum:"0" maximum:"5"`
	Exaggeration float64      `json:"exaggeration,omitempty" minimum:"0" maximum:"2"`
	Common
}

// SpeechLine is one line of a script.
type SpeechLine struct {
	VoiceID string `json:"voice_id,omitempty" maxLength:"100" doc:"Voice of this line; default: voice_id"`
	Text    string `json:"text" minLength:"1" maxLength:"20000"`
	PauseMS int    `json:"pause_ms,omitempty" minimum:"0" maximum:"60000" doc:"Silence after the line, in milliseconds"`
}

// CloneVoiceRequest is POST /audio/clone-voice.
type CloneVoiceRequest struct {
	Name        string `json:"name" minLength:"1" maxLength:"100" format:"line" example:"Minha Voz"`
	Audio       string `json:"audio" doc:"Sample: a multipart file, asset id, job id, https URL or data: URI. 15 s or more is best"`
	Language    string `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag" example:"pt-BR"`
	ConsentNote string `json:"consent_note,omitempty" maxLength:"2000" format:"line" doc:"Who agreed to the cloning, and when"`
	Common
}

// ImageRequest is POST /image/generate.
type ImageRequest struct {
	Prompt            string  `json:"prompt" minLength:"1" maxLength:"4000" example:"Professional headshot"`
	NegativePrompt    string  `json:"negative_prompt,omitempty" maxLength:"4000"`
	Width             int     `json:"width,omitempty" minimum:"16" maximum:"16384" doc:"Pixels"`
	Height            int     `json:"height,omitempty" minimum:"16" maximum:"16384" doc:"Pixels"`
	NumImages         int     `json:"num_images,omitempty" minimum:"1" maximum:"8"`
	NumInferenceSteps int     `json:"num_inference_steps,omitempty" minimum:"1" maximum:"200"`
	GuidanceScale     float64 `json:"guidance_scale,omitempty" minimum:"0" maximum:"50"`
	Image             string  `json:"image,omitempty" doc:"Picture to start from: a multipart file, asset id, job id, https URL or data: URI"`
	Strength          float64 `json:"strength,omitempty" minimum:"0" maximum:"1" doc:"How far to go from the picture"`
	Common
}

// EditRequest is POST /image/edit.
type EditRequest struct {
	Image             string  `json:"image" doc:"Picture to change: a multipart file, asset id, job id, https URL or data: URI"`
	Instruction       string  `json:"instruction" minLength:"1" maxLength:"4000" example:"Make it night" doc:"What to change, or what to put under the mask"`
	Mask              string  `json:"mask,omitempty" doc:"A picture of the same size that is white or transparent where it shall change and black where it shall stay; the same for every model"`
	NegativePrompt    string  `json:"negative_prompt,omitempty" maxLength:"4000"`
	NumImages         int     `json:"num_images,omitempty" minimum:"1" maximum:"8"`
	NumInferenceSteps int     `json:"num_inference_steps,omitempty" minimum:"1" maximum:"200"`
	GuidanceScale     float64 `json:"guidance_scale,omitempty" minimum:"0" maximum:"50"`
	Strength          float64 `json:"strength,omitempty" minimum:"0" maximum:"1" doc:"How far to go from what is under the mask"`
	Common
}

// UpscaleRequest is POST /image/upscale.
type UpscaleRequest struct {
	Image string `json:"image" doc:"Picture to enlarge: a multipart file, asset id, job id, https URL or data: URI"`
	Scale int    `json:"scale" minimum:"2" maximum:"4" example:"2" doc:"2 or 4 times wider and higher"`
	Common
}

// AvatarRequest is POST /video/create-avatar.
type AvatarRequest struct {
	Image    string  `json:"image" doc:"Portrait: a multipart file, asset id, job id, https URL or data: URI"`
	VoiceID  string  `json:"voice_id,omitempty" maxLength:"100" example:"Minha Voz" doc:"Voice that speaks the script"`
	Script   string  `json:"script,omitempty" minLength:"1" maxLength:"20000" example:"Olá, sou seu assistente AI!"`
	Audio    string  `json:"audio,omitempty" doc:"Speech instead of voice and script"`
	Language string  `json:"language,omitempty" minLength:"2" maxLength:"16" format:"language-tag"`
	Duration float64 `json:"duration,omitempty" minimum:"0.5" maximum:"600" doc:"Seconds that the video lasts at least"`
	Prompt   string  `json:"prompt,omitempty" maxLength:"4000"`
	FPS      int     `json:"fps,omitempty" minimum:"1" maximum:"60"`
	Preset   string  `json:"preset,omitempty" enum:"auto,distilled,low_vram,full"`
	Aspect   string  `json:"aspect,omitempty" enum:"source,1:1,9:16,16:9"`
	Speed    float64 `json:"speed,omitempty" minimum:"0.5" maximum:"2"`
	Common
}

// ProjectRequest is POST /studio/create-project.
type ProjectRequest struct {
	Name string `json:"name" minLength:"1" maxLength:"200" format:"line" example:"Meu Avatar AI"`
	Type string `json:"type" enum:"audio,image,video,mixed"`
}

// KeyRequest is POST /keys.
type KeyRequest struct {
	Name      string   `json:"name" minLength:"1" maxLength:"100" format:"line" example:"n8n"`
	Scopes    []string `json:"scopes" minItems:"1" maxItems:"4" doc:"read, generate, admin, scrape_script"`
	ExpiresAt string   `json:"expires_at,omitempty" format:"date-time"`
}

// UploadRequest is POST /assets.
type UploadRequest struct {
	File      string `json:"file" doc:"The file"`
	ProjectID string `json:"project_id,omitempty" format:"uuid" doc:"Project that the file belongs to"`
}

// mediaFields are bound as files or references, by name, with the kind that they must be.
var mediaFields = map[string]string{"image": "image", "mask": "image", "audio": "audio", "video": "video", "file": ""}

// aliases are accepted and never emitted. text and script stand for each other, depending on which one the request has.
var aliases = map[string]string{
	"audio_file": "audio", "reference_audio": "audio", "image_id": "image", "image_url": "image", "image_file": "image", "video_id": "video",
	"voice": "voice_id", "cfg": "cfg_weight", "callback_url": "webhook_url", "text": "script", "script": "text",
}

// absent are fields of the contract whose feature does not exist yet.
var absent = map[string]string{
	"webhook_url": "webhooks", "webhook_events": "webhooks", "template_id": "templates", "captions": "captions", "speakers": "two speakers", "box": "two speakers",
}
