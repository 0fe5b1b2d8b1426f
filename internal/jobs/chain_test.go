package jobs

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/media"
)

func jobInput(name string, kind Kind, id uuid.UUID) InputRef {
	return InputRef{Name: name, Kind: kind, JobID: &id}
}

func voiceInput(id uuid.UUID) InputRef { return InputRef{Name: "voice", Kind: KindVoice, VoiceID: &id} }

func picture() Spec {
	s := speech()
	s.Type, s.Engine = TypeImage, "draft-image"
	return s
}

// finish completes a job with one output of a kind.
func (b *bench) finish(id uuid.UUID, kind media.Kind, n int) *Job {
	b.t.Helper()
	c := b.claim(id)
	j, err := b.Finish(b.ctx, id, c.Fence, Result{Outputs: []assets.Output{output(kind, n)}})
	require.NoError(b.t, err)
	return j
}

func (b *bench) finishClone(id uuid.UUID) {
	b.t.Helper()
	c := b.claim(id)
	_, err := b.Finish(b.ctx, id, c.Fence, Result{Voice: &VoiceResult{Conditionals: json.RawMessage(`{"pitch":120}`)}})
	require.NoError(b.t, err)
}

func TestAnAvatarWaitsForItsPictureAndItsVoice(t *testing.T) {
	b := newBench(t)
	cl, im := b.submit(clone("Minha Voz")), b.submit(picture())
	av := b.submit(avatar(jobInput("image", KindImage, im.ID), voiceInput(*cl.VoiceID)))
	require.Equal(t, 2, av.BlockedBy)
	require.Equal(t, ReasonWaitingForInput, b.job(av.ID).Reason)
	require.Equal(t, 2, b.count(openTickets), "a blocked job has no ticket")
	_, err := b.Claim(b.ctx, av.ID, "cpu")
	require.ErrorIs(t, err, ErrNotClaimable)

	b.finish(im.ID, media.Image, 1)
	require.Equal(t, 1, b.job(av.ID).BlockedBy)
	require.Equal(t, ReasonWaitingForInput, b.job(av.ID).Reason)
	b.finishClone(cl.ID)
	require.Equal(t, ReasonNone, b.job(av.ID).Reason)
	require.Equal(t, 1, b.count(openTickets), "its own; each claim has taken one")

	c := b.claim(av.ID)
	require.Equal(t, hash(1), c.Resolved[0].SHA256)
	require.Equal(t, "image/png", c.Resolved[0].MIME)
	require.Equal(t, "Minha Voz", c.Resolved[1].Metadata["name"])
	conditionals, ok := c.Resolved[1].Voice.For("draft-speech")
	require.True(t, ok)
	require.JSONEq(t, `{"pitch":120}`, string(conditionals))
	require.Equal(t, []string{EventQueued, EventUpdated, EventUpdated, EventStarted}, b.kinds(av.ID))

	// A job does not wait for inputs that are made already.
	second := b.submit(avatar(jobInput("image", KindImage, im.ID), voiceInput(*cl.VoiceID)))
	require.Zero(t, second.BlockedBy)
	b.claim(second.ID)
}

func TestFailedInputFailsItsDependentsAndItsRetryRevivesThem(t *testing.T) {
	for _, end := range []string{"fail", "cancel", "delete"} {
		t.Run(end, func(t *testing.T) {
			b := newBench(t)
			cl := b.submit(clone("Minha Voz"))
			sp := speech()
			sp.Inputs = []InputRef{voiceInput(*cl.VoiceID)}
			said := b.submit(sp)
			av := b.submit(avatar(jobInput("audio", KindAudio, said.ID)))

			switch end {
			case "fail":
				c := b.claim(cl.ID)
				require.NoError(t, b.Fail(b.ctx, cl.ID, c.Fence, boom, false))
			case "cancel":
				_, err := b.Cancel(b.ctx, localAdmin, cl.ID)
				require.NoError(t, err)
			case "delete":
				require.NoError(t, b.Delete(b.ctx, localAdmin, cl.ID))
			}
			for _, id := range []uuid.UUID{said.ID, av.ID} {
				got := b.job(id)
				require.Equal(t, Failed, got.Status)
				require.Equal(t, ReasonDependencyFailed, got.Reason)
				require.Equal(t, "dependency_failed", got.Error.Code)
				require.Equal(t, []string{EventQueued, EventFailed}, b.kinds(id))
			}
			require.Equal(t, 1, b.count(`select count(*) from voices where status = 'failed'`))
			_, err := b.Submit(b.ctx, sp)
			require.ErrorIs(t, err, ErrInput, "a failed voice cannot be waited for")
			if end == "delete" {
				return
			}
			_, err = b.Retry(b.ctx, localAdmin, av.ID)
			require.ErrorIs(t, err, ErrState, "its own input must be retried")
			require.ErrorContains(t, err, said.ID.String())

			_, err = b.Retry(b.ctx, localAdmin, cl.ID)
			require.NoError(t, err)
			require.Equal(t, 1, b.job(said.ID).BlockedBy)
			require.Equal(t, ReasonWaitingForInput, b.job(av.ID).Reason)
			require.Equal(t, 1, b.count(`select count(*) from voices where status = 'pending'`))
			b.exec(`update queue_state set paused = false`)
			b.finishClone(cl.ID)
			b.finish(said.ID, media.Audio, 1)
			b.finish(av.ID, media.Video, 2)
			require.Equal(t, Completed, b.job(av.ID).Status)
		})
	}
}

func TestRetryDoesNotReviveDependentsOfAnotherFailure(t *testing.T) {
	b := newBench(t)
	im, said := b.submit(picture()), b.submit(speech())
	av := b.submit(avatar(jobInput("image", KindImage, im.ID), jobInput("audio", KindAudio, said.ID)))
	for _, j := range []*Job{im, said} {
		_, err := b.Cancel(b.ctx, localAdmin, j.ID)
		require.NoError(t, err)
	}
	_, err := b.Retry(b.ctx, localAdmin, im.ID)
	require.NoError(t, err)
	require.Equal(t, Failed, b.job(av.ID).Status, "its speech is still canceled")
	_, err = b.Retry(b.ctx, localAdmin, said.ID)
	require.NoError(t, err)
	require.Equal(t, 2, b.job(av.ID).BlockedBy)
	b.finish(im.ID, media.Image, 1)
	b.finish(said.ID, media.Audio, 2)
	b.claim(av.ID)
}

// A submit that names a running job and that job's finish meet in every order; the new job must always become runnable.
func TestASubmitRacesWithTheFinishOfItsInput(t *testing.T) {
	b := newBench(t)
	for range 15 {
		im := b.submit(picture())
		c := b.claim(im.ID)
		var wg sync.WaitGroup
		var av *Job
		wg.Go(func() {
			_, err := b.Finish(b.ctx, im.ID, c.Fence, Result{Outputs: []assets.Output{output(media.Image, 1)}})
			require.NoError(t, err)
		})
		wg.Go(func() { av = b.submit(avatar(jobInput("image", KindImage, im.ID))) })
		wg.Wait()
		b.ticketsSuffice()
		b.claim(av.ID)
	}
}

func TestAnInputThatIsGoneFailsTheJobAtItsClaim(t *testing.T) {
	b := newBench(t)
	im := b.submit(picture())
	b.finish(im.ID, media.Image, 1)
	asset := b.job(im.ID).Result.Outputs[0]
	byAsset := b.submit(avatar(InputRef{Name: "image", Kind: KindImage, AssetID: &asset}))
	byJob := b.submit(avatar(jobInput("image", KindImage, im.ID)))
	wrongKind := b.submit(avatar(jobInput("audio", KindAudio, im.ID)))
	_, err := b.Claim(b.ctx, wrongKind.ID, "cpu")
	require.ErrorIs(t, err, ErrInput)
	require.NoError(t, b.Delete(b.ctx, localAdmin, im.ID))
	for _, id := range []uuid.UUID{byAsset.ID, byJob.ID} {
		_, err := b.Claim(b.ctx, id, "cpu")
		require.ErrorIs(t, err, ErrInput)
		got := b.job(id)
		require.Equal(t, Failed, got.Status)
		require.Equal(t, "/image", got.Error.Pointer)
		require.False(t, got.Error.Retryable)
		require.Equal(t, []string{EventQueued, EventFailed}, b.kinds(id))
	}
}

func TestForeignAndUnknownInputsAreRefused(t *testing.T) {
	b := newBench(t)
	other := uuid.New()
	b.exec(`insert into users (id, name) values ($1, 'other')`, other)
	theirs := speech()
	theirs.Owner = other
	foreign := b.submit(theirs)
	theirVoice := clone("Voz")
	theirVoice.Owner = other
	voice := b.submit(theirVoice)
	project := uuid.New()
	b.exec(`insert into projects (id, owner_id, name, type) values ($1, $2, 'theirs', 'mixed')`, project, other)
	before := len(b.kinds(uuid.Nil))

	for name, spec := range map[string]Spec{
		"job":           avatar(jobInput("audio", KindAudio, foreign.ID)),
		"unknown job":   avatar(jobInput("audio", KindAudio, uuid.New())),
		"voice":         avatar(voiceInput(*voice.VoiceID)),
		"unknown voice": avatar(voiceInput(uuid.New())),
		"parent": {Owner: localAdmin, Type: TypeSpeech, Quality: "draft", Engine: "draft-speech",
			ParentID: &foreign.ID},
		"project": {Owner: localAdmin, Type: TypeSpeech, Quality: "draft", Engine: "draft-speech",
			ProjectID: &project},
		"unknown project": {Owner: localAdmin, Type: TypeSpeech, Quality: "draft", Engine: "draft-speech",
			ProjectID: &other},
	} {
		_, err := b.Submit(b.ctx, spec)
		require.ErrorIs(t, err, ErrInput, name)
	}
	require.Len(t, b.kinds(uuid.Nil), before)
	require.Equal(t, 2, b.count(`select count(*) from generation_jobs`))
}

func TestVersionsFollowTheirParent(t *testing.T) {
	b := newBench(t)
	first := b.submit(speech())
	spec := speech()
	spec.ParentID = &first.ID
	second := b.submit(spec)
	spec = speech()
	spec.ParentID = &second.ID
	third := b.submit(spec)
	require.Equal(t, []int{1, 2, 3}, []int{first.Version, second.Version, third.Version})
	require.Equal(t, 3, b.job(third.ID).Version)
}

func TestTheInputOfAQueuedJobCanBeChanged(t *testing.T) {
	b := newBench(t)
	im := b.submit(picture())
	av := b.submit(avatar(jobInput("image", KindImage, im.ID)))
	asset := uuid.New()

	got, err := b.Update(
		b.ctx,
		localAdmin,
		av.ID,
		Patch{
			SetInput: true,
			Params:   map[string]any{"seed": 8},
			Inputs:   []InputRef{{Name: "image", Kind: KindImage, AssetID: &asset}},
		},
	)
	require.NoError(t, err)
	require.Zero(t, got.BlockedBy)
	require.Equal(t, ReasonNone, got.Reason)
	require.EqualValues(t, 8, *got.Seed())
	b.ticketsSuffice()

	_, err = b.Update(b.ctx, localAdmin, im.ID,
		Patch{SetInput: true, Inputs: []InputRef{jobInput("image", KindImage, im.ID)}})
	require.ErrorIs(t, err, ErrInput, "a job cannot wait for itself")
	_, err = b.Update(b.ctx, localAdmin, av.ID,
		Patch{SetInput: true, Inputs: []InputRef{jobInput("image", KindImage, im.ID)}})
	require.NoError(t, err)
	_, err = b.Update(b.ctx, localAdmin, im.ID,
		Patch{SetInput: true, Inputs: []InputRef{jobInput("video", KindVideo, av.ID)}})
	require.ErrorIs(t, err, ErrInput, "nor two for each other")

	stale := got.RowVersion
	_, err = b.Update(b.ctx, localAdmin, av.ID, Patch{SetInput: true, IfRowVersion: &stale})
	require.ErrorIs(t, err, ErrChanged)
	c := b.claim(im.ID)
	_, err = b.Update(b.ctx, localAdmin, im.ID, Patch{SetInput: true})
	require.ErrorIs(t, err, ErrState)
	require.NoError(t, b.FinishCanceled(b.ctx, im.ID, c.Fence))
	require.Equal(t, Failed, b.job(av.ID).Status)
}
