package generation_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/voices"
)

var dora, heart = uuid.New(), uuid.New()

// naturally gives the bench natural voices, one of which is the user's own, and says which models are installed.
func naturally(b *bench, installed ...string) {
	b.t.Helper()
	service := voices.New(b.pool, voices.Defaults{Voices: map[string]string{"fr": "Ma Voix"}})
	require.NoError(b.t, service.EnsureBuiltins(b.ctx, []voices.Builtin{
		{ID: dora, Name: "Dora", Language: "pt-BR", Engine: "kokoro", Default: true, Formerly: []string{"Clara"}},
		{ID: heart, Name: "Heart", Language: "en", Engine: "kokoro", Default: true},
	}))
	_, err := b.pool.Exec(b.ctx, `insert into voices (id, owner_id, name, language, status) values
		(gen_random_uuid(), $1, 'Ma Voix', 'fr', 'ready') on conflict do nothing`, owner)
	require.NoError(b.t, err)
	library := *b.config.Library.(*generation.Stored)
	library.Voices = service
	b.config.Library = &library
	b.config.Catalogue = catalogue(b.t)
	b.config.Catalogue.Installed = func(m *engine.Manifest) bool { return m.Venv == "draft" }
	b.config.Catalogue.Variants = func(model string) []string {
		if slices.Contains(installed, model) {
			return []string{"int8"}
		}
		return nil
	}
	b.Service = generation.New(b.config)
}

func codesOf(spec jobs.Spec) (codes []string) {
	for _, w := range spec.Warnings {
		codes = append(codes, w.Code)
	}
	return codes
}

func TestARequestWithoutAVoiceIsSpokenByTheDefaultVoiceOfItsLanguage(t *testing.T) {
	b := newBench(t)
	naturally(b, "kokoro")
	spec := b.resolve(&generation.SpeechRequest{Text: "Olá"})
	require.Equal(t, dora, *spec.Inputs[0].VoiceID)
	require.Equal(t, "kokoro", spec.Engine)
	require.Equal(t, "final", spec.Quality)
	require.Equal(t, []string{"default_voice"}, codesOf(spec))
	require.Contains(t, spec.Warnings[0].Message.String(), "Dora speaks; choose another with voice_id")
	fields := b.Fields(&jobs.Job{Type: spec.Type, Params: spec.Params, Inputs: spec.Inputs})
	require.Equal(t, dora.String(), fields["voice_id"], "the job records who speaks")

	require.Equal(t, heart, *b.resolve(&generation.SpeechRequest{Text: "Hi", Language: "en-US"}).Inputs[0].VoiceID)
	spec = b.resolve(&generation.SpeechRequest{Lines: []generation.SpeechLine{
		{Text: "Um"}, {Text: "Dois", VoiceID: "Heart"}}})
	require.Equal(t, []string{"voice", "voice_1"}, []string{spec.Inputs[0].Name, spec.Inputs[1].Name})
	require.Equal(t, dora, *spec.Inputs[0].VoiceID)
	require.Equal(t, "kokoro", spec.Engine, "one engine speaks both")

	spec = b.resolve(&generation.SpeechRequest{Text: "Bonjour", Language: "fr-FR"})
	require.Equal(t, "draft-speech", spec.Engine, "the configured voice is the user's own")
	require.Contains(t, spec.Warnings[0].Message.String(), "Ma Voix speaks")

	spec = b.resolve(&generation.SpeechRequest{Text: "Guten Tag", Language: "de"})
	require.Empty(t, spec.Inputs)
	require.Equal(t, "draft-speech", spec.Engine)
	require.Contains(t, spec.Warnings[0].Message.String(), "de has no default voice")

	portrait := b.upload(256)
	spec = b.resolve(&generation.AvatarRequest{Image: portrait.ID.String(), Script: "Olá",
		Common: generation.Common{Quality: "draft"}})
	require.Equal(t, dora, *spec.Inputs[1].VoiceID)
}

func TestWhatTheVoicesEngineCannotDoIsRefusedOrTold(t *testing.T) {
	b := newBench(t)
	naturally(b)
	spec := b.resolve(&generation.SpeechRequest{Text: "Olá", VoiceID: "Clara"})
	require.Equal(t, dora, *spec.Inputs[0].VoiceID, "a former name still finds the voice")
	require.Equal(t, []string{"draft", "draft-speech"}, []string{spec.Quality, spec.Engine})
	require.Equal(t, []string{engine.CodeNaturalVoiceMissing}, codesOf(spec))
	require.Contains(t, spec.Warnings[0].Message.String(), "run `make setup`, or `apibr models install kokoro`")
	final := generation.Common{Quality: "final"}
	require.Contains(t, b.refused(generation.Input{Request: &generation.SpeechRequest{Text: "Olá", Common: final}}),
		"quality")

	naturally(b, "kokoro")
	weight := 0.5
	require.Equal(t, map[string]string{"cfg_weight": "the voice Dora does not honour cfg_weight: leave it out, " +
		"or choose a cloned voice and one of the models chatterbox, chatterbox-en, chatterbox-pt-br"},
		b.refused(generation.Input{Request: &generation.SpeechRequest{Text: "Olá", CFGWeight: &weight}}))
	require.Contains(t, b.refused(generation.Input{Request: &generation.SpeechRequest{
		Text: "Hallo", Language: "de", VoiceID: "Dora", Common: final}})["language"], "does not speak de")
	require.Equal(t, map[string]string{"voice_id": "the model kokoro speaks only its own voices, " +
		"and Ma Voix is not one " +
		"of them: choose one of them, or leave the model out"}, b.refused(generation.Input{
		Request: &generation.SpeechRequest{
			Text: "Olá", VoiceID: "Ma Voix", Common: generation.Common{Model: "kokoro"},
		}}))
	require.Contains(t, b.refused(generation.Input{Request: &generation.SpeechRequest{Lines: []generation.SpeechLine{
		{Text: "Um", VoiceID: "Dora"}, {Text: "Dois", VoiceID: "Ma Voix"}}, Common: generation.Common{Model: "kokoro"},
	}}), "lines/1/voice_id")
	require.Equal(t, map[string]string{"voice_id": "the model of this job, kokoro, speaks only its own voices: " +
		"choose one of them, or cancel the job and send a new request"}, b.refused(generation.Input{Changed: true,
		Request: &generation.SpeechRequest{
			Text: "Olá", VoiceID: "Ma Voix", Common: generation.Common{Model: "kokoro"},
		}}))
	misspelt := generation.Input{Request: &generation.SpeechRequest{Text: "Olá", VoiceID: "Clarra"}}
	require.Contains(t, b.refused(misspelt)["voice_id"], `did you mean "Dora"?`, "the name of today is suggested")

	spec = b.resolve(&generation.SpeechRequest{Lines: []generation.SpeechLine{
		{Text: "Um", VoiceID: "Dora"}, {Text: "Dois", VoiceID: "Ma Voix"}}})
	require.Equal(t, "draft-speech", spec.Engine, "the draft engine knows both kinds of voices")
	require.Equal(t, []string{engine.CodeMixedVoices}, codesOf(spec))
	require.Equal(t, "draft-speech", b.resolve(&generation.SpeechRequest{
		Text: "Olá", VoiceID: "Dora", Common: generation.Common{Model: "draft-speech"},
	}).Engine, "the model asked for wins")
}
