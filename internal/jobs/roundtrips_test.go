package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/store/storetest"
)

// Every additional round trip is paid for each job, so the round trips of a submit, a claim and a finish are counted
// here.
func TestASubmitIsOneRoundTripAClaimAndAFinishAreTwo(t *testing.T) {
	st := storetest.New(t)
	pool, trips := storetest.Counting(t, st)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := &bench{t: t, ctx: ctx, pool: st.Pool(), hub: &heard{}}
	b.Service = New(Config{Pool: pool, Hub: b.hub, NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k"})
	_, err := b.Recover(ctx)
	require.NoError(t, err)

	cl := b.submit(clone("Minha Voz"))
	b.finishClone(cl.ID)
	spoken := speech()
	spoken.Inputs = []InputRef{voiceInput(*cl.VoiceID)}
	b.submit(spoken) // from now on the voice is known to be ready

	var j *Job
	require.Len(t, trips.Of(func() { j = b.submit(spoken) }), 1, "a submit")
	require.Len(t, trips.Of(func() { _, err = b.Waiting(ctx) }), 1, "a reading of the queue")
	require.NoError(t, err)
	var c *Claimed
	require.Len(t, trips.Of(func() { c = b.claim(j.ID) }), 2, "a claim")
	require.Equal(t, "Minha Voz", c.Resolved[0].Voice.Name)
	require.Len(t, trips.Of(func() {
		_, err = b.Finish(ctx, j.ID, c.Fence,
			Result{Outputs: []assets.Output{output(media.Audio, 1)}, Peak: &PeakRecord{PeakKey: PeakKey{Engine: "x"}}})
	}), 2, "a finish")
	require.NoError(t, err)

	_, err = b.ETAs(ctx, b.submit(speech()))
	require.NoError(t, err)
	next := b.submit(speech())
	require.Len(t, trips.Of(func() { _, err = b.ETAs(ctx, next) }), 1, "the forecast of a short queue")
	require.NoError(t, err)
}

// A voice that was ready and is gone is noticed, although a submit does not read it again.
func TestASubmitNoticesThatAVoiceIsGone(t *testing.T) {
	b := newBench(t)
	cl := b.submit(clone("Minha Voz"))
	b.finishClone(cl.ID)
	spoken := speech()
	spoken.Inputs = []InputRef{voiceInput(*cl.VoiceID)}
	b.submit(spoken)
	before := len(b.kinds(uuid.Nil))

	b.exec(`update voices set status = 'failed' where id = $1`, *cl.VoiceID)
	b.exec(`update generation_jobs set status = 'failed', error = '{}', result = null where id = $1`, cl.ID)
	_, err := b.Submit(b.ctx, spoken)
	require.ErrorIs(t, err, ErrInput)
	b.exec(`delete from voices where id = $1`, *cl.VoiceID)
	_, err = b.Submit(b.ctx, spoken)
	require.ErrorIs(t, err, ErrInput)
	require.Len(t, b.kinds(uuid.Nil), before, "a refused submit leaves no event")
}
