package jobs

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/media"
)

// chain is a picture, a voice and an avatar that needs both, none of which is stored yet.
func chain() (im, voice, av Spec) {
	im, voice, av = picture(), clone("Ana"), avatar()
	im.ID, voice.ID = uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	voice.NewVoice.ID = uuid.Must(uuid.NewV7())
	av.Inputs = []InputRef{jobInput("image", KindImage, im.ID), voiceInput(voice.NewVoice.ID)}
	return im, voice, av
}

func TestJobsOfOneSubmitWaitForEachOther(t *testing.T) {
	b := newBench(t)
	woken := make(chan struct{}, 1)
	b.SetWake(func([]Waiting) {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	im, voice, av := chain()
	jobs, err := b.SubmitAll(b.ctx, im, voice, av)
	require.NoError(t, err)
	<-woken
	require.Equal(t, im.ID, jobs[0].ID)
	require.Equal(t, voice.NewVoice.ID, *jobs[1].VoiceID)
	require.Equal(t, 2, b.job(jobs[2].ID).BlockedBy)
	require.Equal(t, ReasonWaitingForInput, b.job(jobs[2].ID).Reason)
	require.Equal(t, 2, b.count(openTickets), "the avatar cannot run yet")

	b.finish(im.ID, media.Image, 1)
	require.Equal(t, 1, b.job(jobs[2].ID).BlockedBy)
	b.finishClone(voice.ID)
	require.Zero(t, b.job(jobs[2].ID).BlockedBy)
	require.Len(t, b.claim(jobs[2].ID).Resolved, 2)
}

func TestJobsOfOneSubmitAreStoredTogetherOrNotAtAll(t *testing.T) {
	im, voice, av := chain()
	for name, c := range map[string]struct {
		specs []Spec
		err   error
	}{
		"an input that is not there": {[]Spec{im, voice, avatar(jobInput("image", KindImage, uuid.New()))},
			ErrInput},
		"a job after the one it is for": {[]Spec{av, im, voice}, ErrInput},
		"a name that is taken":          {[]Spec{im, voice, clone("Ana")}, ErrNameTaken},
		"more than the queue takes":     {[]Spec{im, voice, av, speech()}, ErrQueueFull},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.cfg.MaxQueued = 3
			_, err := b.SubmitAll(b.ctx, c.specs...)
			require.ErrorIs(t, err, c.err)
			require.Empty(t, b.kinds(uuid.Nil))
			for _, table := range []string{"generation_jobs", "voices where not builtin", "job_deps"} {
				require.Zero(t, b.count(`select count(*) from `+table), table)
			}
			require.Zero(t, b.count(openTickets))
		})
	}
}

func TestAKeyOfOneSubmitEndsWithAllItsJobs(t *testing.T) {
	b := newBench(t)
	im, voice, av := chain()
	key := IdempotencyKey{Scope: "key-1", Route: "POST /x", Key: "k"}
	av.Idempotency = &key
	_, err := b.SubmitAll(b.ctx, im, voice, av)
	require.ErrorIs(t, err, ErrInFlight, "the key was not begun")
	require.Zero(t, b.count(`select count(*) from generation_jobs`), "a key in other hands leaves nothing behind")

	hash, err := RequestHash("x")
	require.NoError(t, err)
	_, err = b.BeginIdempotent(b.ctx, key, hash)
	require.NoError(t, err)
	jobs, err := b.SubmitAll(b.ctx, im, voice, av)
	require.NoError(t, err)
	again, err := b.BeginIdempotent(b.ctx, key, hash)
	require.NoError(t, err)
	require.Equal(t, jobs[2].ID, *again.ResourceID)
}
