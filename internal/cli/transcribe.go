package cli

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
)

// The forms of a transcript, by the MIME type of the job's output.
const (
	mimeText = "text/plain"
	mimeSRT  = "application/x-subrip"
	mimeVTT  = "text/vtt"
)

// videoExtensions are those of files that are sent as video. All others are sent as audio.
var videoExtensions = []string{".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg"}

func transcribeCommand(e *environment) *cobra.Command {
	var f submission
	var language string
	var srt, vtt bool
	cmd := &cobra.Command{
		Use:   "transcribe " + e.text("FILE"),
		Short: e.text("Write down what a recording or a video says"),
		Example: e.text(`  apibr transcribe interview.mp3
  apibr transcribe "my class.mp4" --language pt-BR --srt -o class.srt`),
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := transcriptForm(f.output, srt, vtt)
			if err != nil {
				return err
			}
			r := newRequest()
			if err := r.argument(soundField(args[0]), e.text("FILE"), args[0]); err != nil {
				return err
			}
			r.set("language", language)
			s, ended, err := f.wait(cmd, e, submitting((*apiclient.Client).TranscribeWithBody), r)
			if err != nil || ended == nil {
				return err
			}
			return e.finishTranscript(cmd.Context(), s, ended, f.output, form)
		},
	}
	f.register(e, cmd)
	cmd.Flags().StringVar(&language, "language", "",
		e.text("language that is spoken, such as pt-BR or en (default: it is detected)"))
	cmd.Flags().BoolVar(&srt, "srt", false, e.text("subtitles as a SubRip file instead of the text"))
	cmd.Flags().BoolVar(&vtt, "vtt", false, e.text("subtitles as a WebVTT file instead of the text"))
	return cmd
}

// transcriptForm is the form that is wanted: by the flags, else by the name of the file to write, else the text.
func transcriptForm(output string, srt, vtt bool) (mime string, err error) {
	extension := strings.ToLower(path.Ext(output))
	switch {
	case srt && vtt:
		return "", exitWith(ExitUsage, "give --srt or --vtt, not both")
	case srt, !vtt && extension == ".srt":
		return mimeSRT, nil
	case vtt, extension == ".vtt":
		return mimeVTT, nil
	default:
		return mimeText, nil
	}
}

// soundField is the request's field for a file or an address, by its extension.
func soundField(source string) string {
	name := source
	if u, err := url.Parse(source); err == nil && u.Host != "" {
		name = u.Path
	}
	if slices.Contains(videoExtensions, strings.ToLower(path.Ext(name))) {
		return "video"
	}
	return "audio"
}

// finishTranscript prints the transcript in a form, or writes it to the file that was named.
func (e *environment) finishTranscript(ctx context.Context, s *studio, j *job, output, form string) error {
	if err := e.report(s, j, output); err != nil || e.json && output == "" {
		return err
	}
	i := slices.IndexFunc(j.Outputs, func(out jobOutput) bool { return out.MimeType == form })
	switch {
	case i < 0:
		return exitWith(ExitError, "the job has no output of the type %s", form)
	case output == "" || output == "-":
		return s.download(ctx, s.file(j.Outputs[i].ID), e.stdout)
	}
	if err := s.downloadFile(ctx, s.file(j.Outputs[i].ID), output); err != nil {
		return err
	}
	fmt.Fprintln(e.stderr, s.text("saved %s", output))
	return nil
}
