package generation_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/voices"
)

// The way from a request to a job, over real services.
func TestResolve(t *testing.T) {
	b := newBench(t)
	b.test("everything that is wrong is told at once, each field once", allComplaints)
	b.test("what a door has told is not told again", toldBefore)
	b.test("each line has the input of its voice", linesAndVoices)
	b.test("files that were fetched are returned, of a refused request too", fetchedFiles, sidesUpTo(128))
	b.test("a size that was left to the studio fits", fittingSize, onlyFlux, fitting(large))
	b.test("a file that came with the request is its field", fileOfTheRequest)
	b.test("a failure of the studio is not a refusal", failure)
	b.test("a voice is looked up once for each request", oneLookup)
}

// countingLibrary counts how often a voice is looked up.
type countingLibrary struct {
	generation.Library
	voices int
}

func (l *countingLibrary) Voice(ctx context.Context, owner uuid.UUID, idOrName string) (*voices.Voice, error) {
	l.voices++
	return l.Library.Voice(ctx, owner, idOrName)
}

// A voice is looked up once for each request, though its language chooses the engine and it is an input as well.
func oneLookup(b *bench) {
	library := &countingLibrary{Library: b.config.Library}
	b.config.Library = library
	b.Service = generation.New(b.config)
	b.resolve(&generation.SpeechRequest{Text: "Olá", VoiceID: "Clara (rascunho)",
		Common: generation.Common{Quality: "draft"}})
	require.Equal(b.t, 1, library.voices)
}

// All faults are reported at once, each field once.
func allComplaints(b *bench) {
	t := b.t
	file := b.upload(64)
	project := uuid.New()
	require.Equal(t, map[string]string{
		"project_id":    "there is no such project of yours",
		"parent_id":     "parent_id holds the id of a file; GET /api/v1/jobs lists the ids that it takes",
		"output_format": "png is not a format for audio; choose one of wav, mp3, flac, ogg",
		"text":          "there is nothing in the text that can be spoken: write words",
		"voice_id": `there is no voice "Clara"; did you mean "Clara (rascunho)"? ` +
			`GET /api/v1/audio/voices lists the voices`,
	}, b.refused(generation.Input{Request: &generation.SpeechRequest{
		Text: "<br/>...", VoiceID: "Clara", Common: generation.Common{
			ProjectID: project.String(), ParentID: file.ID.String(), OutputFormat: "png",
		},
	}}))
	require.Equal(t, map[string]string{
		"lines/1/text": "there is nothing in the text that can be spoken: write words",
	}, b.refused(generation.Input{Request: &generation.SpeechRequest{Lines: []generation.SpeechLine{
		{Text: "Um"}, {Text: "!", VoiceID: b.builtin.String()},
	}}}))
}

// Faults that the transport has reported are not reported again, and neither are their consequences. Nothing is fetched
// for a refused request.
func toldBefore(b *bench) {
	t := b.t
	in := generation.Input{Owner: owner, Refused: map[string]bool{"text": true}, Request: &generation.SpeechRequest{
		VoiceID: b.builtin.String(),
	}}
	_, _, err := b.Resolve(b.ctx, in)
	require.ErrorIs(t, err, generation.ErrRefused)
	in.Request, in.Refused = &generation.UpscaleRequest{
		Image: "https://127.0.0.1:1/a.png",
	}, map[string]bool{
		"scale": true,
	}
	_, fetched, err := b.Resolve(b.ctx, in)
	require.ErrorIs(t, err, generation.ErrRefused, "the address, which nothing listens at, was not called")
	require.Empty(t, fetched)
	require.Contains(t, b.refused(generation.Input{
		Request: &generation.SpeechRequest{VoiceID: b.builtin.String()}, Empty: map[string]bool{"text": true},
	})["text"], "it was sent without a value")
}

// The lines of a script name their voices by id in the job, and each is an input of its own.
func linesAndVoices(b *bench) {
	t := b.t
	pause := 0
	spec := b.resolve(&generation.SpeechRequest{VoiceID: b.builtin.String(), Lines: []generation.SpeechLine{
		{Text: "Um", PauseMS: &pause}, {Text: "Dois", VoiceID: "Clara (rascunho)"},
	}})
	require.Equal(t, []any{
		map[string]any{"text": "Um", "pause_ms": 0.0},
		map[string]any{"text": "Dois", "voice_id": b.builtin.String()},
	}, spec.Params["lines"])
	require.Equal(t, []string{"voice", "voice_1"}, []string{spec.Inputs[0].Name, spec.Inputs[1].Name})
	require.Equal(t, "lines/1/voice_id", b.FieldOf(spec.Type, "voice_1"))
}

// A file that was fetched is returned with a refusal, so that the transport can delete it.
func fetchedFiles(b *bench) {
	t := b.t
	for scale, refused := range map[int]bool{2: false, 4: true} {
		_, fetched, err := b.Resolve(b.ctx, generation.Input{Owner: owner, Request: &generation.UpscaleRequest{
			Image: dataURI(picture(t, 64)), Scale: scale,
		}})
		require.Equal(t, refused, err != nil)
		require.Len(t, fetched, 1)
		_, err = b.assets.Get(b.ctx, owner, fetched[0].ID)
		require.NoError(t, err, "it is the door's to delete")
	}
}

// A size that was left to the studio becomes the nearest that fits; one that was asked for is refused.
func fittingSize(b *bench) {
	t := b.t
	spec := b.resolve(&generation.ImageRequest{Prompt: "a"})
	require.Equal(t, []any{768, 512}, []any{spec.Params["width"], spec.Params["height"]})
	require.Equal(t, "smaller_size", spec.Warnings[len(spec.Warnings)-1].Code)
	_, _, err := b.Resolve(b.ctx, generation.Input{Owner: owner, Request: &generation.ImageRequest{
		Prompt: "a", Width: 2048, Height: 2048,
	}})
	require.ErrorIs(t, err, large)
	var errs generation.Errors
	require.ErrorAs(t, err, &errs, "it is about the request")
}

// A failure of the studio is not taken for a fault of the request.
func failure(b *bench) {
	t := b.t
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	_, _, err := b.Resolve(ended, generation.Input{Owner: owner, Request: &generation.SpeechRequest{
		Text: "Olá", VoiceID: b.builtin.String(),
	}})
	require.ErrorIs(t, err, context.Canceled)
	var errs generation.Errors
	require.False(t, errors.As(err, &errs), err.Error())
}

// A file that came with the request counts as its field and overrides the field's value.
func fileOfTheRequest(b *bench) {
	t := b.t
	file := b.upload(64)
	spec, _, err := b.Resolve(b.ctx, generation.Input{
		Owner: owner, Request: &generation.UpscaleRequest{Scale: 2}, Files: map[string]*assets.Asset{"image": file},
	})
	require.NoError(t, err)
	require.Equal(t, []jobs.InputRef{{Name: "image", Kind: jobs.KindImage, AssetID: &file.ID}}, spec.Inputs)
}

var large = &plan.TooLargeError{Width: 768, Height: 512}

func fitting(err error) func(*testing.T, *generation.Config) {
	return func(_ *testing.T, c *generation.Config) {
		c.Fit = func(*engine.Manifest, string, string, int, int, int) error { return err }
	}
}

func onlyFlux(t *testing.T, c *generation.Config) {
	c.Catalogue = catalogue(t)
	c.Catalogue.Installed = func(m *engine.Manifest) bool { return m.ID == "flux" }
}

func sidesUpTo(most int64) func(*testing.T, *generation.Config) {
	return func(_ *testing.T, c *generation.Config) { c.MaxImageSide = most }
}

// The package imports neither HTTP nor the command line.
func TestNoTransportIsImported(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, imported := range strings.Fields(string(out)) {
		for _, door := range []string{"labstack/echo", "danielgtaylor/huma", "studio/internal/httpapi", "spf13/cobra"} {
			require.NotContains(t, imported, door)
		}
	}
}
