package generation

import (
	"context"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

var upscale = Kind{
	Type: jobs.TypeUpscale, Name: "upscale-image", Path: "image/upscale", Summary: "Make a picture larger",
	Output: media.Image, New: func() Request { return &UpscaleRequest{} },
	Example: map[string]any{"image": "01890a5d-ac96-774b-bcce-b302099a8057", "scale": 2},
}

// UpscaleRequest asks for a larger picture.
type UpscaleRequest struct {
	Image string `json:"image" alias:"image_id,image_url,image_file" input:"image,image" doc:"Picture to enlarge"`
	Scale int    `json:"scale" param:"engine" minimum:"2" maximum:"4" example:"2" doc:"2 or 4 times wider and higher"`
	Common
}

// Resolve implements Request.
func (u *UpscaleRequest) Resolve(ctx context.Context, r *Resolution) {
	picture := r.File(ctx, "image")
	if !measured(picture) {
		return
	}
	width, height := int64(*picture.Width)*int64(u.Scale), int64(*picture.Height)*int64(u.Scale)
	if width*height > r.MaxImagePixels || max(width, height) > r.MaxImageSide {
		r.Refuse("scale", i18n.Say(
			"the result would have %d x %d pixels; the most are %d pixels (media.max_image_pixels) and edges of %d "+
				"(media.max_image_side): send a smaller image or scale 2",
			width, height, r.MaxImagePixels, r.MaxImageSide,
		))
	}
}
