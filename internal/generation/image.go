package generation

import (
	"context"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

var image = Kind{
	Type: jobs.TypeImage, Name: "generate-image", Path: "image/generate", Summary: "Make a picture from a description",
	Output: media.Image, New: func() Request { return &ImageRequest{} },
	Example: map[string]any{
		"prompt": "Professional headshot", "model": "flux-kontext", "width": 1024, "height": 1024,
	},
}

// ImageRequest asks for pictures of a description.
type ImageRequest struct {
	Prompt            string   `json:"prompt" param:"engine" minLength:"1" maxLength:"4000" example:"Professional headshot"`
	NegativePrompt    string   `json:"negative_prompt,omitempty" param:"engine" maxLength:"4000"`
	Width             int      `json:"width,omitempty" param:"engine" minimum:"16" maximum:"16384" doc:"Pixels"`
	Height            int      `json:"height,omitempty" param:"engine" minimum:"16" maximum:"16384" doc:"Pixels"`
	NumImages         int      `json:"num_images,omitempty" param:"engine" minimum:"1" maximum:"8"`
	NumInferenceSteps int      `json:"num_inference_steps,omitempty" param:"engine" minimum:"1" maximum:"200"`
	GuidanceScale     *float64 `json:"guidance_scale,omitempty" param:"engine" minimum:"0" maximum:"50"`
	Image             string   `json:"image,omitempty" alias:"image_id,image_url,image_file" input:"image,image" doc:"Picture to start from"`
	Strength          *float64 `json:"strength,omitempty" param:"engine" minimum:"0" maximum:"1" doc:"How far to go from the picture"`
	Common
}

// Size implements Sized.
func (i *ImageRequest) Size() (width, height, pictures int, free bool) {
	return i.Width, i.Height, i.NumImages, i.Width == 0 && i.Height == 0 && i.Image == ""
}

// Resize implements Sized.
func (i *ImageRequest) Resize(width, height int) { i.Width, i.Height = width, height }

// Resolve implements Request.
func (i *ImageRequest) Resolve(ctx context.Context, r *Resolution) { r.File(ctx, "image") }
