package generation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/voices"
)

// A recording may be named by any id that has sound: of a file, of a finished job, of a job that is still running.
func TestWhatIsWrittenDown(t *testing.T) {
	b := newBench(t)
	naturally(b, "whisper-base")
	portrait := b.upload(256).ID.String()
	submit := func() *jobs.Job {
		job, err := b.jobs.Submit(b.ctx, b.resolve(&generation.AvatarRequest{Image: portrait, Script: "Olá",
			Common: generation.Common{Quality: "draft"}}))
		require.NoError(t, err)
		return job
	}
	waiting, done := submit(), submit()
	of := func(id string) jobs.InputRef {
		return b.resolve(&generation.TranscribeRequest{Audio: id, Language: "pt-BR"}).Inputs[0]
	}
	require.Equal(t, jobs.InputRef{Name: "video", Kind: "video", JobID: &waiting.ID}, of(waiting.ID.String()))
	b.run(done.ID, media.Video, "video/mp4")
	made := of(done.ID.String())
	require.Equal(t, "video", made.Name)
	require.Equal(t, made, of(made.AssetID.String()), "the file of the job")

	refused := func(r generation.TranscribeRequest) map[string]string {
		return b.refused(generation.Input{Request: &r})
	}
	require.Contains(t, refused(generation.TranscribeRequest{Audio: portrait})["audio"], "takes audio files")
	video := generation.TranscribeRequest{Audio: made.AssetID.String()}
	klingon := video
	klingon.Language = "tlh"
	require.Contains(t, refused(klingon)["language"], "does not speak tlh")
	_, err := b.pool.Exec(b.ctx, `update media_assets set metadata = '{"has_audio": false}' where id = $1`,
		made.AssetID)
	require.NoError(t, err)
	require.Contains(t, refused(video)["video"], "has no sound")
}

// A model that does not know the default voice speaks in its own, and the job says so.
func TestAModelWithItsOwnVoiceSpeaksWhereNoneIsChosen(t *testing.T) {
	b := newBench(t)
	naturally(b, "kokoro", "chatterbox")
	b.config.Catalogue.Installed = func(*engine.Manifest) bool { return true }
	spec := b.resolve(&generation.SpeechRequest{Text: "Olá", Common: generation.Common{Model: "chatterbox"}})
	require.Equal(t, "chatterbox", spec.Engine)
	require.Empty(t, spec.Inputs)
	require.Equal(t, []string{"default_voice"}, codesOf(spec))
	require.Contains(t, spec.Warnings[0].Message.String(), "the model chatterbox speaks in its own voice")

	b.test("in a language without a default voice", func(b *bench) {
		spec := b.resolve(&generation.SpeechRequest{Text: "Guten Tag"})
		require.Equal(b.t, "de", spec.Params["language"])
		require.Contains(b.t, spec.Warnings[0].Message.String(), "de has no default voice")
	}, func(_ *testing.T, c *generation.Config) {
		library := *c.Library.(*generation.Stored)
		library.Voices = voices.New(b.pool, voices.Defaults{Language: "de"})
		c.Library, c.DefaultLanguage = &library, "de"
	})
}
