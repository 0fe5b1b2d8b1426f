package jobs

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/report"
)

func TestAJobFromSubmitToResult(t *testing.T) {
	b := newBench(t)
	woken := make(chan struct{}, 1)
	b.SetWake(func([]Waiting) { woken <- struct{}{} })

	j := b.submit(speech())
	<-woken
	got := b.job(j.ID)
	require.Equal(t, Queued, got.Status)
	require.Equal(t, LaneAudio, got.Lane)
	require.Equal(t, j.CreatedAt, got.CreatedAt, "the answer of Submit is the row")
	require.EqualValues(t, 7, *got.Seed())
	require.EqualValues(t, 1, b.hub.last)
	b.ticketsSuffice()

	c := b.claim(j.ID)
	require.EqualValues(t, 1, c.Fence)
	require.Equal(t, 1, c.Attempt)
	require.NotNil(t, c.StartedAt)
	require.NoError(t,
		b.SetProgress(b.ctx, j.ID, c.Fence, report.Progress{Fraction: 0.5, Stage: "sample", Step: 2, TotalSteps: 4}))
	require.Equal(t, 0.5, b.job(j.ID).Progress.Fraction)
	require.Equal(t, "sample", b.job(j.ID).Progress.Stage)

	done, err := b.Finish(b.ctx, j.ID, c.Fence, Result{
		Outputs:  []assets.Output{output(media.Audio, 1)},
		Metadata: map[string]any{"sample_rate": 22050},
		Warnings: []report.Warning{{Code: "short", Message: i18n.Plain("short")}},
		Metrics:  Metrics{RunSeconds: 1.5, ModelLoadSeconds: 0.5},
	})
	require.NoError(t, err)
	got = b.job(j.ID)
	require.Equal(t, Completed, got.Status)
	require.Equal(t, done.RowVersion, got.RowVersion)
	require.Nil(t, got.Progress)
	require.Equal(t, []report.Warning{{Code: "short", Message: i18n.Plain("short")}}, got.Warnings)
	require.Equal(t, 1.5, got.Metrics.RunSeconds)
	require.Equal(t, "cpu", got.Metrics.Device)
	require.Len(t, got.Result.Outputs, 1)
	require.Equal(
		t,
		1,
		b.count(
			`select count(*) from media_assets where id = $1 and job_id = $2 and output_index = 0`,
			got.Result.Outputs[0],
			j.ID,
		),
	)
	require.Equal(
		t,
		1,
		b.count(`select count(*) from run_history where type = 'audio.speech' and run_seconds = 1.5 and units = 10`),
	)
	require.Equal(t, []string{EventQueued, EventStarted, EventCompleted}, b.kinds(j.ID))
	require.EqualValues(t, 3, b.hub.last)

	again, err := b.Finish(b.ctx, j.ID, c.Fence, Result{Outputs: []assets.Output{output(media.Audio, 1)}})
	require.NoError(t, err, "an answer that got lost can be asked for again")
	require.Equal(t, done.Result.Outputs, again.Result.Outputs)
	require.Equal(t, 1, b.count(`select count(*) from media_assets`))
}

func TestAFailedFinishLeavesNothing(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	c := b.claim(j.ID)
	bad := output(media.Audio, 1)
	bad.SHA256 = "not a hash"
	_, err := b.Finish(b.ctx, j.ID, c.Fence, Result{Outputs: []assets.Output{output(media.Audio, 2), bad}})
	require.Error(t, err)
	require.Equal(t, Processing, b.job(j.ID).Status)
	require.Zero(t, b.count(`select count(*) from media_assets`))
	require.Equal(t, []string{EventQueued, EventStarted}, b.kinds(j.ID))
}

func TestOneOfManyClaimersWins(t *testing.T) {
	b := newBench(t)
	const jobs, claimers = 10, 8
	ids := make([]uuid.UUID, jobs)
	for i := range ids {
		ids[i] = b.submit(speech()).ID
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(func() {
			for _, id := range ids {
				switch _, err := b.Claim(b.ctx, id, "cpu"); {
				case err == nil:
					won.Add(1)
				default:
					require.ErrorIs(t, err, ErrNotClaimable)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, jobs, won.Load())
	require.Equal(t, jobs, b.count(`select count(*) from generation_jobs where fence = 1 and attempt = 1`))
	require.Len(t, b.kinds(uuid.Nil), 2*jobs)
}

func TestRunWithAnOldFenceChangesNothing(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	first := b.claim(j.ID)
	require.NoError(t, b.Requeue(b.ctx, j.ID, first.Fence, ReasonNone, time.Time{}, false))
	second := b.claim(j.ID)
	require.Equal(t, first.Fence+1, second.Fence)
	before := asJSON(t, b.job(j.ID))
	b.blob(3)

	_, err := b.Finish(b.ctx, j.ID, first.Fence, Result{Outputs: []assets.Output{output(media.Audio, 1)}})
	require.ErrorIs(t, err, ErrFenced)
	require.ErrorIs(t, b.Fail(b.ctx, j.ID, first.Fence, boom, true), ErrFenced)
	require.ErrorIs(t, b.FinishCanceled(b.ctx, j.ID, first.Fence), ErrFenced)
	require.ErrorIs(t, b.Requeue(b.ctx, j.ID, first.Fence, ReasonNone, time.Time{}, false), ErrFenced)
	_, err = b.Fault(b.ctx, j.ID, first.Fence, boom)
	require.ErrorIs(t, err, ErrFenced)
	require.ErrorIs(t,
		b.AddSegment(b.ctx, j.ID, first.Fence, Segment{Index: 0, SHA256: hash(3), MIME: "video/mp4", Size: 10}),
		ErrFenced)
	require.ErrorIs(t, b.SetProgress(b.ctx, j.ID, first.Fence, report.Progress{Fraction: 1}), ErrFenced)
	_, err = b.CancelRequested(b.ctx, j.ID, first.Fence)
	require.ErrorIs(t, err, ErrFenced)

	require.Equal(t, before, asJSON(t, b.job(j.ID)))
	require.Zero(t, b.count(`select count(*) from media_assets`))
	require.Zero(t, b.count(`select count(*) from job_segments`))
	require.Zero(t, b.count(`select count(*) from job_progress`))
	_, err = b.Finish(b.ctx, j.ID, second.Fence, Result{Outputs: []assets.Output{output(media.Audio, 1)}})
	require.NoError(t, err)
	require.Equal(t, []string{EventQueued, EventStarted, EventRequeued, EventStarted, EventCompleted}, b.kinds(j.ID))
}

func TestFaultsBackOffAndThenFail(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	for n, want := range []struct {
		again bool
		wait  time.Duration
	}{{true, time.Second}, {true, 5 * time.Second}, {false, 0}} {
		c := b.claim(j.ID)
		again, err := b.Fault(b.ctx, j.ID, c.Fence, boom)
		require.NoError(t, err)
		require.Equal(t, want.again, again)
		got := b.job(j.ID)
		require.Equal(t, n+1, got.Faults)
		if !again {
			break
		}
		require.Equal(t, ReasonBackingOff, got.Reason)
		_, err = b.Claim(b.ctx, j.ID, "cpu")
		require.ErrorIs(t, err, ErrNotClaimable, "its time has not come")
		list, err := b.Waiting(b.ctx)
		require.NoError(t, err)
		require.Empty(t, list.Jobs)
		require.WithinDuration(t, time.Now().Add(want.wait), list.Next, 900*time.Millisecond)
		require.Equal(
			t,
			1,
			b.count(
				`select count(*) from river.river_job where scheduled_at > now() and scheduled_at = $1`,
				got.NotBefore,
			),
		)
		b.exec(`update generation_jobs set not_before = now()`)
		b.exec(`delete from river.river_job`)
	}
	got := b.job(j.ID)
	require.Equal(t, Failed, got.Status)
	require.Equal(t, boom, *got.Error)

	// Retry: same id, everything about the failure is gone, attempts count on.
	got, err := b.Retry(b.ctx, localAdmin, j.ID)
	require.NoError(t, err)
	require.Equal(t, Queued, got.Status)
	require.Nil(t, got.Error)
	require.Zero(t, got.Faults)
	require.Nil(t, got.CompletedAt)
	require.Equal(t, 3, got.Attempt)
	b.ticketsSuffice()
	_, err = b.Retry(b.ctx, localAdmin, j.ID)
	require.ErrorIs(t, err, ErrState)
	require.Equal(t, 4, b.claim(j.ID).Attempt)
}

func TestSegmentsStayWithTheirFence(t *testing.T) {
	b := newBench(t)
	j := b.submit(avatar())
	c := b.claim(j.ID)
	for i := range 3 {
		require.NoError(t,
			b.AddSegment(b.ctx, j.ID, c.Fence, Segment{Index: i, SHA256: hash(i), MIME: "video/mp4", Size: 10}))
	}
	require.NoError(t, b.Requeue(b.ctx, j.ID, c.Fence, ReasonNone, time.Time{}, false))
	c = b.claim(j.ID)
	require.Len(t, c.Segments, 3)
	require.NoError(t,
		b.AddSegment(b.ctx, j.ID, c.Fence, Segment{Index: 2, SHA256: hash(9), MIME: "video/mp4", Size: 10}))
	require.NoError(t,
		b.AddSegment(b.ctx, j.ID, c.Fence, Segment{Index: 4, SHA256: hash(4), MIME: "video/mp4", Size: 10}))
	segs, err := b.Segments(b.ctx, j.ID)
	require.NoError(t, err)
	require.Len(t, segs, 3, "what lies behind a hole is of no use")
	require.Equal(t, hash(2), segs[2].SHA256)
	require.EqualValues(t, 1, segs[2].Fence)
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	var asked []uuid.UUID
	b.SetOnCancel(func(id uuid.UUID) { asked = append(asked, id) })

	queued := b.submit(speech())
	got, err := b.Cancel(b.ctx, localAdmin, queued.ID)
	require.NoError(t, err)
	require.Equal(t, Canceled, got.Status)
	twice, err := b.Cancel(b.ctx, localAdmin, queued.ID)
	require.NoError(t, err)
	require.Equal(t, got, twice)
	require.Equal(t, []string{EventQueued, EventCanceled}, b.kinds(queued.ID))
	require.Empty(t, asked)

	running := b.submit(speech())
	c := b.claim(running.ID)
	got, err = b.Cancel(b.ctx, localAdmin, running.ID)
	require.NoError(t, err)
	require.Equal(t, Processing, got.Status)
	require.Equal(t, ReasonCanceling, got.Reason)
	require.Equal(t, []uuid.UUID{running.ID}, asked)
	twice, err = b.Cancel(b.ctx, localAdmin, running.ID)
	require.NoError(t, err)
	require.Equal(t, got, twice)
	yes, err := b.CancelRequested(b.ctx, running.ID, c.Fence)
	require.NoError(t, err)
	require.True(t, yes)
	require.ErrorIs(t, b.Delete(b.ctx, localAdmin, running.ID), ErrState)

	// A soft stop of a job that was asked to stop cancels it.
	require.NoError(t, b.Requeue(b.ctx, running.ID, c.Fence, ReasonNone, time.Time{}, false))
	require.Equal(t, Canceled, b.job(running.ID).Status)
	require.Equal(t, []string{EventQueued, EventStarted, EventUpdated, EventCanceled}, b.kinds(running.ID))

	// A finish that commits first wins.
	winner := b.submit(speech())
	c = b.claim(winner.ID)
	_, err = b.Cancel(b.ctx, localAdmin, winner.ID)
	require.NoError(t, err)
	_, err = b.Finish(b.ctx, winner.ID, c.Fence, Result{})
	require.NoError(t, err)
	require.ErrorIs(t, b.FinishCanceled(b.ctx, winner.ID, c.Fence), ErrFenced)
	got, err = b.Cancel(b.ctx, localAdmin, winner.ID)
	require.NoError(t, err)
	require.Equal(t, Completed, got.Status)

	stranger := uuid.New()
	_, err = b.Cancel(b.ctx, stranger, winner.ID)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, b.Delete(b.ctx, stranger, winner.ID), ErrNotFound)
	require.NoError(t, b.Delete(b.ctx, localAdmin, winner.ID))
	_, err = b.Get(b.ctx, localAdmin, winner.ID)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestACancelIsNotified(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	b.claim(j.ID)
	conn, err := b.pool.Acquire(b.ctx)
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(b.ctx, "listen "+CancelChannel)
	require.NoError(t, err)
	_, err = b.Cancel(b.ctx, localAdmin, j.ID)
	require.NoError(t, err)
	n, err := conn.Conn().WaitForNotification(b.ctx)
	require.NoError(t, err)
	require.Equal(t, j.ID.String(), n.Payload)
}

func TestWaitEndsWithTheJob(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	c := b.claim(j.ID)
	still, err := b.Wait(b.ctx, localAdmin, j.ID, time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, Processing, still.Status)

	got := make(chan *Job, 1)
	go func() {
		j, _ := b.Wait(b.ctx, localAdmin, j.ID, time.Minute)
		got <- j
	}()
	_, err = b.Finish(b.ctx, j.ID, c.Fence, Result{})
	require.NoError(t, err)
	require.Equal(t, Completed, (<-got).Status)
	_, err = b.Wait(b.ctx, uuid.New(), j.ID, time.Minute)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestACloneFillsItsVoice(t *testing.T) {
	b := newBench(t)
	j := b.submit(clone("Minha Voz"))
	_, err := b.Submit(b.ctx, clone("Minha Voz"))
	require.ErrorIs(t, err, ErrNameTaken)
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs`), "a refused submit leaves no job")
	require.Len(t, b.kinds(uuid.Nil), 1)

	c := b.claim(j.ID)
	_, err = b.Finish(
		b.ctx,
		j.ID,
		c.Fence,
		Result{Voice: &VoiceResult{Conditionals: json.RawMessage(`{"pitch":120}`), SampleSeconds: 16,
			Transcript: "Olá!"}},
	)
	require.NoError(t, err)
	require.Equal(t, *j.VoiceID, *b.job(j.ID).VoiceID)
	require.Equal(t, 1, b.count(`select count(*) from voices where id = $1 and status = 'ready' and sample_seconds = 16
		and conditionals = '{"draft-voice":{"pitch":120}}' and transcript = 'Olá!'`, *j.VoiceID))
}
