package generation_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

// Steps of a chain name each other before they have rows.
func TestPending(t *testing.T) {
	b := newBench(t)
	b.test("a transaction that fails leaves no step", noStep)
	b.test("steps that name each other are inserted in one transaction and run", stepsThatRun)
	b.test("voices that are made before, and only the owner's steps, can be named", voicesOfSteps)
}

// steps makes a picture and an avatar of it, which names the job of the picture before that has a row.
func (b *bench) steps() (picture, avatar jobs.Spec) {
	b.t.Helper()
	picture = b.resolve(&generation.ImageRequest{Prompt: "a portrait"})
	pending := &generation.Pending{Library: b.Library(), Specs: []jobs.Spec{picture}}
	avatar, _, err := b.With(pending).Resolve(b.ctx, generation.Input{Owner: owner, Request: &generation.AvatarRequest{
		Image: picture.ID.String(), VoiceID: "Clara (rascunho)", Script: "Olá",
	}})
	require.NoError(b.t, err)
	require.Zero(b.t, b.count(), "nothing is stored by making a job of a request")
	return picture, avatar
}

func stepsThatRun(b *bench) {
	t := b.t
	first, second := b.steps()
	made, err := b.jobs.SubmitAll(b.ctx, first, second)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{first.ID, second.ID}, []uuid.UUID{made[0].ID, made[1].ID})

	waiting, err := b.jobs.Get(b.ctx, owner, second.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.ReasonWaitingForInput, waiting.Reason)
	b.run(first.ID, media.Image, "image/png")
	claimed := b.run(second.ID, media.Video, "video/mp4")
	outputs, err := b.assets.ByJobs(b.ctx, []uuid.UUID{first.ID})
	require.NoError(t, err)
	require.Equal(t, outputs[first.ID][0].SHA256, claimed.Resolved[0].SHA256,
		"the avatar is made of the first step's picture")
	for _, id := range []uuid.UUID{first.ID, second.ID} {
		job, err := b.jobs.Get(b.ctx, owner, id)
		require.NoError(t, err)
		require.Equal(t, jobs.Completed, job.Status)
	}
}

func noStep(b *bench) {
	t := b.t
	first, second := b.steps()
	third, nobody := b.resolve(&generation.ImageRequest{Prompt: "a"}), uuid.New()
	third.ParentID = &nobody
	_, err := b.jobs.SubmitAll(b.ctx, first, second, third)
	require.ErrorIs(t, err, jobs.ErrInput)
	require.Zero(t, b.count(), "the steps before the one that failed are gone too")
	_, err = b.jobs.SubmitAll(b.ctx, second)
	require.ErrorIs(t, err, jobs.ErrInput, "the step that it names is not there")
}

// A voice that a step makes can be named by the next, by its id and by its name; the job of another owner cannot.
func voicesOfSteps(b *bench) {
	t := b.t
	clone := jobs.Spec{ID: uuid.New(), Owner: owner, Type: jobs.TypeCloneVoice, NewVoice: &jobs.NewVoice{
		ID: uuid.New(), Name: "Minha Voz", Language: "pt-BR",
	}}
	foreign := jobs.Spec{ID: uuid.New(), Owner: uuid.New(), Type: jobs.TypeImage}
	pending := b.With(&generation.Pending{Library: b.Library(), Specs: []jobs.Spec{clone, foreign}})
	for _, voice := range []string{"Minha Voz", clone.NewVoice.ID.String()} {
		spec, _, err := pending.Resolve(b.ctx, generation.Input{
			Owner: owner, Request: &generation.SpeechRequest{Text: "Olá", VoiceID: voice},
		})
		require.NoError(t, err)
		require.Equal(t, clone.NewVoice.ID, *spec.Inputs[0].VoiceID)
	}
	for image, why := range map[uuid.UUID]string{
		foreign.ID: "names no file and no job of yours", clone.ID: "has no image output",
	} {
		_, _, err := pending.Resolve(b.ctx, generation.Input{Owner: owner, Request: &generation.AvatarRequest{
			Image: image.String(), VoiceID: "Minha Voz", Script: "Olá",
		}})
		require.ErrorContains(t, err, why)
	}
	_, _, err := pending.Resolve(b.ctx, generation.Input{
		Owner: owner, Request: &generation.SpeechRequest{Text: "Olá", VoiceID: "minha vos"},
	})
	require.ErrorContains(t, err, `did you mean "Minha Voz"?`)
}
