package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
)

// The commands that make and change pictures.

var pictureFormats = []string{"png", "jpg", "webp"}

// pictureFlags are those of commands that sample a picture.
type pictureFlags struct {
	submission

	negative           string
	count, steps       int
	guidance, strength float64
}

func (f *pictureFlags) register(e *environment, cmd *cobra.Command) {
	f.submission.register(e, cmd, pictureFormats...)
	flags := cmd.Flags()
	flags.IntVarP(&f.count, "count", "n", 0, e.text("how many pictures, 1 to 8"))
	flags.StringVar(&f.negative, "negative", "", e.text("what the picture must not show"))
	flags.IntVar(&f.steps, "steps", 0, e.text("sampling steps"))
	flags.Float64Var(&f.guidance, "guidance", 0, e.text("guidance scale"))
}

func (f *pictureFlags) fill(r *request) {
	r.set("negative_prompt", f.negative)
	r.set("num_images", f.count)
	r.set("num_inference_steps", f.steps)
	r.set("guidance_scale", f.guidance)
	r.set("strength", f.strength)
}

func imageCommand(e *environment) *cobra.Command {
	var f pictureFlags
	var size, from string
	cmd := &cobra.Command{
		Use:     "image " + e.text("PROMPT"),
		Short:   e.text("Make a picture from a description"),
		Example: e.text(`  apibr image "Professional headshot of a woman" --size 768x1024 -o headshot.png`),
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			r.set("prompt", args[0])
			if err := r.media("image", from); err != nil {
				return err
			}
			f.fill(r)
			if err := setSize(r, size); err != nil {
				return err
			}
			return f.run(cmd, e, submitting((*apiclient.Client).GenerateImageWithBody), r)
		},
	}
	f.register(e, cmd)
	cmd.Flags().StringVar(&size, "size", "", e.text("WIDTHxHEIGHT in pixels"))
	cmd.Flags().StringVar(&from, "image", "",
		e.text("picture to start from: a file, an asset or job id, or an https URL"))
	cmd.Flags().Float64Var(&f.strength, "strength", 0, e.text("how far to go from the picture, up to 1"))
	return cmd
}

func editCommand(e *environment) *cobra.Command {
	var f pictureFlags
	var mask string
	cmd := &cobra.Command{
		Use:   "edit " + e.text("PICTURE INSTRUCTION"),
		Short: e.text("Change a picture by an instruction, or the part of it under a mask"),
		Example: e.text(`  apibr edit selfie.jpg "make it black and white" -o gray.png
  apibr edit selfie.jpg "a red hat" --mask mask.png --model flux-dev -o hat.png`),
		Args: arguments(2, 2), //nolint:mnd // as in Use
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			if err := r.argument("image", e.text("PICTURE"), args[0]); err != nil {
				return err
			}
			if err := r.media("mask", mask); err != nil {
				return err
			}
			r.set("instruction", args[1])
			f.fill(r)
			return f.run(cmd, e, submitting((*apiclient.Client).EditImageWithBody), r)
		},
	}
	f.register(e, cmd)
	cmd.Flags().StringVar(&mask, "mask", "", e.text("picture of the same size, white or transparent where the other "+
		"changes: a file, an asset or job id, or an https URL"))
	cmd.Flags().Float64Var(&f.strength, "strength", 0,
		e.text("how far to go from what is under the mask, up to 1"))
	return cmd
}

func upscaleCommand(e *environment) *cobra.Command {
	var f submission
	var scale int
	cmd := &cobra.Command{
		Use:     "upscale " + e.text("PICTURE"),
		Short:   e.text("Make a picture 2 or 4 times larger"),
		Example: e.text(`  apibr upscale selfie.jpg --scale 4 -o poster.png`),
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			if err := r.argument("image", e.text("PICTURE"), args[0]); err != nil {
				return err
			}
			r.set("scale", scale)
			return f.run(cmd, e, submitting((*apiclient.Client).UpscaleImageWithBody), r)
		},
	}
	f.register(e, cmd, pictureFormats...)
	cmd.Flags().IntVar(&scale, "scale", 2, e.text("2 or 4")) //nolint:mnd // the usual
	return cmd
}

func setSize(r *request, size string) error {
	if size == "" {
		return nil
	}
	width, height, ok := strings.Cut(size, "x")
	w, errW := strconv.Atoi(width)
	h, errH := strconv.Atoi(height)
	if !ok || errW != nil || errH != nil {
		return exitWith(ExitUsage, "--size is WIDTHxHEIGHT, such as 1024x768, not %q", size)
	}
	r.set("width", w)
	r.set("height", h)
	return nil
}
