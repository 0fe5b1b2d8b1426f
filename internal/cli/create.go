package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
)

// The commands that make something: speech, clone, image, avatar.

func speechCommand(e *environment) *cobra.Command {
	var f submission
	var voice, lang, file string
	var speed float64
	manner := map[string]*float64{}
	cmd := &cobra.Command{
		Use:     "speech [TEXT | -]",
		Short:   "Speak a text in a cloned or built-in voice",
		Example: "  apibr speech \"Olá, tudo bem?\" --voice \"Minha Voz\" -o ola.wav\n  cat roteiro.txt | apibr speech - --voice \"Minha Voz\" -o roteiro.mp3",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := textArgument(e, args, file)
			if err != nil {
				return err
			}
			r := newRequest()
			r.set("text", text)
			r.set("voice_id", voice)
			r.set("language", lang)
			r.set("speed", speed)
			for name, value := range manner {
				if cmd.Flags().Changed(strings.ReplaceAll(name, "_", "-")) {
					r.fields[name] = *value // 0 means something here
				}
			}
			return f.run(cmd, e, "speech", func(c *apiclient.Client) submitCall {
				return func(ctx context.Context, contentType string, body io.Reader, ed ...apiclient.RequestEditorFn) (*http.Response, error) {
					return c.GenerateSpeechWithBody(ctx, nil, contentType, body, ed...)
				}
			}, r)
		},
	}
	f.register(cmd, "wav", "mp3", "flac", "ogg")
	cmd.Flags().StringVar(&voice, "voice", "", "name or id of the voice (see apibr voices)")
	cmd.Flags().StringVar(&file, "file", "", "read the text from FILE")
	cmd.Flags().StringVar(&lang, "language", "", "language of the text, such as pt-BR or en (default: the voice's)")
	cmd.Flags().Float64Var(&speed, "speed", 0, "0.5 to 2 times the voice's own pace")
	for name, about := range map[string]string{"cfg_weight": "0 to 1: how closely to follow the text; 0 weakens a sample's foreign accent",
		"temperature": "how much takes differ; 1 is usual", "exaggeration": "0 to 2: how lively"} {
		manner[name] = cmd.Flags().Float64(strings.ReplaceAll(name, "_", "-"), 0, about+" (final quality)")
	}
	return cmd
}

// textArgument is the text of the argument, of --file, or of standard input when the argument is -.
func textArgument(e *environment, args []string, file string) (string, error) {
	var content []byte
	var err error
	name := "-"
	switch {
	case file != "" && len(args) > 0:
		return "", exitWith(ExitUsage, "give the text or --file, not both")
	case file != "":
		name = file
		content, err = readText(file)
	case len(args) == 0:
		return "", exitWith(ExitUsage, "give the text as an argument, with --file, or - to read standard input")
	case args[0] == "-":
		content, err = io.ReadAll(io.LimitReader(e.stdin, maxText+1))
	default:
		content = []byte(args[0])
	}
	if err != nil {
		return "", exitWith(ExitUsage, "%s: %v", name, err)
	}
	text, err := decodeText(content)
	if err != nil {
		return "", exitWith(ExitUsage, "%s", e.lang.text(err.Error(), name, maxText>>20))
	}
	return text, nil
}

// readText reads a file of which more than maxText is not needed to refuse it.
func readText(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxText+1))
}

func cloneCommand(e *environment) *cobra.Command {
	var f submission
	var name, lang, consent string
	cmd := &cobra.Command{
		Use:     "clone SAMPLE",
		Short:   "Clone a voice from a recording (15 s or more is best, 3 s the least)",
		Example: "  apibr clone minha_voz.mp3 --name \"Minha Voz\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			if err := r.media("audio", args[0]); err != nil {
				return err
			}
			r.set("name", name)
			r.set("language", lang)
			r.set("consent_note", consent)
			return f.run(cmd, e, "clone", func(c *apiclient.Client) submitCall {
				return func(ctx context.Context, contentType string, body io.Reader, ed ...apiclient.RequestEditorFn) (*http.Response, error) {
					return c.CloneVoiceWithBody(ctx, nil, contentType, body, ed...)
				}
			}, r)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&name, "name", "", "what the voice is called (required)")
	cmd.Flags().StringVar(&lang, "language", "", "language of the speaker, such as pt-BR")
	cmd.Flags().StringVar(&consent, "consent-note", "", "who agreed to the cloning, and when")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

func imageCommand(e *environment) *cobra.Command {
	var f submission
	var size, negative, from string
	var count, steps int
	var guidance, strength float64
	cmd := &cobra.Command{
		Use:     "image PROMPT",
		Short:   "Make a picture from a description",
		Example: "  apibr image \"Professional headshot\" --size 768x1024 -o portrait.png",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			r.set("prompt", args[0])
			if err := r.media("image", from); err != nil {
				return err
			}
			r.set("strength", strength)
			r.set("negative_prompt", negative)
			r.set("num_images", count)
			r.set("num_inference_steps", steps)
			r.set("guidance_scale", guidance)
			if err := setSize(r, size); err != nil {
				return err
			}
			return f.run(cmd, e, "image", func(c *apiclient.Client) submitCall {
				return func(ctx context.Context, contentType string, body io.Reader, ed ...apiclient.RequestEditorFn) (*http.Response, error) {
					return c.GenerateImageWithBody(ctx, nil, contentType, body, ed...)
				}
			}, r)
		},
	}
	f.register(cmd, "png", "jpg", "webp")
	cmd.Flags().StringVar(&size, "size", "", "WIDTHxHEIGHT in pixels")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "how many pictures, 1 to 8")
	cmd.Flags().StringVar(&negative, "negative", "", "what the picture must not show")
	cmd.Flags().IntVar(&steps, "steps", 0, "sampling steps")
	cmd.Flags().Float64Var(&guidance, "guidance", 0, "guidance scale")
	cmd.Flags().StringVar(&from, "image", "", "picture to start from: a file, an asset or job id, or an https URL")
	cmd.Flags().Float64Var(&strength, "strength", 0, "how far to go from the picture, up to 1")
	return cmd
}

func editCommand(e *environment) *cobra.Command {
	var f submission
	var mask, negative string
	var count, steps int
	var guidance, strength float64
	cmd := &cobra.Command{
		Use:     "edit PICTURE INSTRUCTION",
		Short:   "Change a picture by an instruction, or what is under a mask",
		Example: "  apibr edit foto.jpg \"deixe em preto e branco\" -o pb.png\n  apibr edit foto.jpg \"a red hat\" --mask hat.png --model flux-dev -o hat.png",
		Args:    cobra.ExactArgs(2), //nolint:mnd // as in Use
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			if err := r.media("image", args[0]); err != nil {
				return err
			}
			if err := r.media("mask", mask); err != nil {
				return err
			}
			r.set("instruction", args[1])
			r.set("negative_prompt", negative)
			r.set("num_images", count)
			r.set("num_inference_steps", steps)
			r.set("guidance_scale", guidance)
			r.set("strength", strength)
			return f.run(cmd, e, "edit", func(c *apiclient.Client) submitCall {
				return func(ctx context.Context, contentType string, body io.Reader, ed ...apiclient.RequestEditorFn) (*http.Response, error) {
					return c.EditImageWithBody(ctx, nil, contentType, body, ed...)
				}
			}, r)
		},
	}
	f.register(cmd, "png", "jpg", "webp")
	cmd.Flags().StringVar(&mask, "mask", "", "picture of the same size, white or transparent where the other shall change: a file, an asset or job id, or an https URL")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "how many pictures, 1 to 8")
	cmd.Flags().StringVar(&negative, "negative", "", "what must not be there")
	cmd.Flags().IntVar(&steps, "steps", 0, "sampling steps")
	cmd.Flags().Float64Var(&guidance, "guidance", 0, "guidance scale")
	cmd.Flags().Float64Var(&strength, "strength", 0, "how far to go from what is under the mask, up to 1")
	return cmd
}

func upscaleCommand(e *environment) *cobra.Command {
	var f submission
	var scale int
	cmd := &cobra.Command{
		Use:     "upscale PICTURE",
		Short:   "Make a picture 2 or 4 times larger",
		Example: "  apibr upscale foto.jpg --scale 4 -o grande.png",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			if err := r.media("image", args[0]); err != nil {
				return err
			}
			r.set("scale", scale)
			return f.run(cmd, e, "upscale", func(c *apiclient.Client) submitCall {
				return func(ctx context.Context, contentType string, body io.Reader, ed ...apiclient.RequestEditorFn) (*http.Response, error) {
					return c.UpscaleImageWithBody(ctx, nil, contentType, body, ed...)
				}
			}, r)
		},
	}
	f.register(cmd, "png", "jpg", "webp")
	cmd.Flags().IntVar(&scale, "scale", 2, "2 or 4") //nolint:mnd // the usual
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

func avatarCommand(e *environment) *cobra.Command {
	var f submission
	var image, voice, script, audio, aspect, lang string
	var duration float64
	var fps int
	cmd := &cobra.Command{
		Use:     "avatar --image PICTURE (--voice VOICE --script TEXT | --audio FILE)",
		Short:   "Make a portrait speak",
		Example: "  apibr avatar --image foto.jpg --voice \"Minha Voz\" --script \"Olá!\" -o avatar.mp4",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := newRequest()
			if err := r.media("image", image); err != nil {
				return err
			}
			if err := r.media("audio", audio); err != nil {
				return err
			}
			r.set("voice_id", voice)
			r.set("script", script)
			r.set("language", lang)
			r.set("duration", duration)
			r.set("fps", fps)
			r.set("aspect", aspect)
			return f.run(cmd, e, "avatar", func(c *apiclient.Client) submitCall {
				return func(ctx context.Context, contentType string, body io.Reader, ed ...apiclient.RequestEditorFn) (*http.Response, error) {
					return c.CreateAvatarWithBody(ctx, nil, contentType, body, ed...)
				}
			}, r)
		},
	}
	f.register(cmd, "mp4", "webm")
	cmd.Flags().StringVar(&image, "image", "", "portrait: a file, an asset or job id, or an https URL (required)")
	cmd.Flags().StringVar(&voice, "voice", "", "name or id of the voice that speaks the script")
	cmd.Flags().StringVar(&script, "script", "", "what the portrait says")
	cmd.Flags().StringVar(&audio, "audio", "", "speech to use instead of voice and script: a file, an id or an https URL")
	cmd.Flags().StringVar(&lang, "language", "", "language of the script (default: the voice's)")
	cmd.Flags().Float64Var(&duration, "duration", 0, "seconds that the video lasts at least")
	cmd.Flags().IntVar(&fps, "fps", 0, "pictures a second (default 25)")
	cmd.Flags().StringVar(&aspect, "aspect", "", "source, 1:1, 9:16 or 16:9")
	_ = cmd.MarkFlagRequired("image")
	return cmd
}

func (e *environment) printJSON(raw []byte) error {
	_, err := fmt.Fprintf(e.stdout, "%s\n", raw)
	return err
}
