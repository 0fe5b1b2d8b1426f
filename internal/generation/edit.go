package generation

import (
	"context"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

var edit = Kind{
	Type: jobs.TypeImageEdit, Name: "edit-image", Path: "image/edit", Summary: "Change a picture by an instruction",
	Output: media.Image, New: func() Request { return &EditRequest{} },
	Example: map[string]any{
		"image": "01890a5d-ac96-774b-bcce-b302099a8057", "instruction": "Deixe a foto em preto e branco",
	},
}

// EditRequest asks for a picture to be changed.
type EditRequest struct {
	Image             string   `json:"image" alias:"image_id,image_url,image_file" input:"image,image" doc:"Picture to change"`
	Instruction       string   `json:"instruction" param:"engine" minLength:"1" maxLength:"4000" example:"Make it night" doc:"What to change, or what to put under the mask"`
	Mask              string   `json:"mask,omitempty" input:"mask,image" doc:"As large as image; white or transparent where it shall change, black where it shall stay"`
	NegativePrompt    string   `json:"negative_prompt,omitempty" param:"engine" maxLength:"4000"`
	NumImages         int      `json:"num_images,omitempty" param:"engine" minimum:"1" maximum:"8"`
	NumInferenceSteps int      `json:"num_inference_steps,omitempty" param:"engine" minimum:"1" maximum:"200"`
	GuidanceScale     *float64 `json:"guidance_scale,omitempty" param:"engine" minimum:"0" maximum:"50"`
	Strength          *float64 `json:"strength,omitempty" param:"engine" minimum:"0" maximum:"1" doc:"How far to go from what is under the mask"`
	Common
}

// Size implements Sized. The result is as large as the picture.
func (e *EditRequest) Size() (width, height, pictures int, free bool) {
	return 0, 0, e.NumImages, false
}

// Resize implements Sized.
func (e *EditRequest) Resize(int, int) {}

// Resolve implements Request.
func (e *EditRequest) Resolve(ctx context.Context, r *Resolution) {
	picture := r.File(ctx, "image")
	mask := r.File(ctx, "mask")
	if measured(picture) && measured(mask) && (*picture.Width != *mask.Width || *picture.Height != *mask.Height) {
		r.Refuse("mask", i18n.Say(
			"the mask is %d x %d pixels and the image %d x %d: send a mask of the image's size, "+
				"white where it shall change",
			*mask.Width, *mask.Height, *picture.Width, *picture.Height,
		))
	}
}
