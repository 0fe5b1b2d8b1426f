package cli

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/datadir"
)

// The commands that make speech, voices and avatars; those that make pictures are in pictures.go.

func speechCommand(e *environment) *cobra.Command {
	var f submission
	var voice, language, file string
	var speed float64
	cmd := &cobra.Command{
		Use:   "speech " + e.text("[TEXT | -]"),
		Short: e.text("Speak a text in a cloned or built-in voice"),
		Example: e.text(`  apibr speech "Hello, how are you?" -o audio.wav
  cat podcast.txt | apibr speech - --voice "My Voice" -o podcast.mp3`),
		Args: arguments(0, 1),
	}
	f.register(e, cmd, "wav", "mp3", "flac", "ogg")
	flags := cmd.Flags()
	flags.StringVar(&voice, "voice", "",
		e.text("name or id of the voice (default: the language's; see `apibr voices`)"))
	flags.StringVar(&file, "file", "", e.text("read the text from a file"))
	flags.StringVar(&language, "language", "",
		e.text("language of the text, such as pt-BR or en (default: the voice's)"))
	flags.Float64Var(&speed, "speed", 0, e.text("0.5 to 2 times the voice's own pace"))
	manner := map[string]*float64{
		"cfg_weight": flags.Float64("cfg-weight", 0, e.text(
			"0 to 1: how closely to follow the text; 0 weakens a sample's foreign accent "+
				"(cloned voices, final quality)")),
		"temperature": flags.Float64("temperature", 0,
			e.text("how much takes differ; 1 is usual (cloned voices, final quality)")),
		"exaggeration": flags.Float64("exaggeration", 0, e.text("0 to 2: how lively (cloned voices, final quality)")),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := textArgument(e, args, file)
		if err != nil {
			return err
		}
		r := newRequest()
		r.set("text", text)
		r.set("voice_id", voice)
		r.set("language", language)
		r.set("speed", speed)
		for name, value := range manner {
			if cmd.Flags().Changed(strings.ReplaceAll(name, "_", "-")) {
				r.fields[name] = *value // 0 means something here
			}
		}
		return f.run(cmd, e, submitting((*apiclient.Client).GenerateSpeechWithBody), r)
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
		return "", exitWith(ExitUsage, "%s: %s", name, datadir.FileProblem(err))
	}
	text, err := decodeText(content)
	if err != nil {
		return "", textProblem(name, err)
	}
	return text, nil
}

// readText reads a file, but no more than is needed to see that it is longer than maxText.
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
	var name, language, consent string
	cmd := &cobra.Command{
		Use:     "clone " + e.text("SAMPLE"),
		Short:   e.text("Clone a voice from a recording of 3 s or more; 15 s or more is best"),
		Example: e.text(`  apibr clone audio.mp3 --name "My Voice"`),
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := newRequest()
			if err := r.argument("audio", e.text("SAMPLE"), args[0]); err != nil {
				return err
			}
			r.set("name", name)
			r.set("language", language)
			r.set("consent_note", consent)
			return f.run(cmd, e, submitting((*apiclient.Client).CloneVoiceWithBody), r)
		},
	}
	f.register(e, cmd)
	cmd.Flags().StringVar(&name, "name", "", e.text("what the voice is called (required)"))
	cmd.Flags().StringVar(&language, "language", "", e.text("language of the speaker, such as pt-BR"))
	cmd.Flags().StringVar(&consent, "consent-note", "", e.text("who agreed to the cloning, and when"))
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

func avatarCommand(e *environment) *cobra.Command {
	var f submission
	var image, voice, script, audio, aspect, language string
	var duration float64
	var fps int
	cmd := &cobra.Command{
		Use:     "avatar " + e.text("--image PICTURE (--script TEXT [--voice VOICE] | --audio FILE)"),
		Short:   e.text("Make a portrait speak"),
		Example: e.text(`  apibr avatar --image selfie.jpg --script "Hello!" -o avatar.mp4`),
		Args:    noArguments,
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
			r.set("language", language)
			r.set("duration", duration)
			r.set("fps", fps)
			r.set("aspect", aspect)
			return f.run(cmd, e, submitting((*apiclient.Client).CreateAvatarWithBody), r)
		},
	}
	f.register(e, cmd, "mp4", "webm")
	flags := cmd.Flags()
	flags.StringVar(&image, "image", "", e.text("portrait: a file, an asset or job id, or an https URL (required)"))
	flags.StringVar(&voice, "voice", "",
		e.text("name or id of the voice that speaks the script (default: the language's)"))
	flags.StringVar(&script, "script", "", e.text("what the portrait says"))
	flags.StringVar(&audio, "audio", "",
		e.text("speech to use instead of voice and script: a file, an id or an https URL"))
	flags.StringVar(&language, "language", "", e.text("language of the script (default: the voice's)"))
	flags.Float64Var(&duration, "duration", 0, e.text("seconds that the video lasts at least"))
	flags.IntVar(&fps, "fps", 0, e.text("pictures a second (default: 25)"))
	flags.StringVar(&aspect, "aspect", "", e.text("source, 1:1, 9:16 or 16:9"))
	_ = cmd.MarkFlagRequired("image")
	return cmd
}
