package jobs

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/report"
)

func ptr[T any](v T) *T { return &v }

// lane is the order of the queued jobs of a lane as the scheduler gets it.
func (b *bench) lane() []uuid.UUID {
	b.t.Helper()
	list, err := b.Waiting(b.ctx)
	require.NoError(b.t, err)
	return orderByRank(b.ctx, list.Jobs)
}

func TestPositionAndPriority(t *testing.T) {
	b := newBench(t)
	ids := make([]uuid.UUID, 4)
	for i := range ids {
		ids[i] = b.submit(speech()).ID
	}
	require.Equal(t, ids, b.lane())
	woken := make(chan struct{}, 8)
	b.SetWake(func([]Waiting) { woken <- struct{}{} })
	move := func(id uuid.UUID, position int) {
		_, err := b.Update(b.ctx, localAdmin, id, Patch{Position: &position})
		require.NoError(t, err)
		<-woken
	}
	move(ids[3], 1)
	require.Equal(t, []uuid.UUID{ids[3], ids[0], ids[1], ids[2]}, b.lane())
	move(ids[3], 3)
	require.Equal(t, []uuid.UUID{ids[0], ids[1], ids[3], ids[2]}, b.lane())
	move(ids[0], 99)
	require.Equal(t, []uuid.UUID{ids[1], ids[3], ids[2], ids[0]}, b.lane())
	last := b.submit(speech()).ID
	<-woken
	require.Equal(t, []uuid.UUID{ids[1], ids[3], ids[2], ids[0], last}, b.lane(), "a new job comes last")

	got, err := b.Update(b.ctx, localAdmin, last, Patch{Priority: ptr(5)})
	require.NoError(t, err)
	require.Equal(t, 5, got.Priority)
	require.Equal(t, last, b.lane()[0])
	move(ids[2], 1)
	require.Equal(t, 5, b.job(ids[2]).Priority, "the first place has a price")
	require.Equal(t, []uuid.UUID{ids[2], last, ids[1], ids[3], ids[0]}, b.lane())
	require.Equal(t, []string{EventQueued, EventUpdated, EventUpdated}, b.kinds(ids[3]))

	same, err := b.Update(b.ctx, localAdmin, last, Patch{Priority: ptr(5)})
	require.NoError(t, err)
	require.Equal(t, got.RowVersion, same.RowVersion)
	for _, p := range []Patch{{Priority: ptr(11)}, {Position: ptr(0)}, {Position: ptr(1), Priority: ptr(1)}} {
		_, err := b.Update(b.ctx, localAdmin, last, p)
		require.ErrorIs(t, err, ErrInput)
	}
	_, err = b.Update(b.ctx, uuid.New(), last, Patch{Priority: ptr(1)})
	require.ErrorIs(t, err, ErrNotFound)
}

// Two jobs that always go between the same two neighbours halve their distance until there is no number left.
func TestReorderNeverRunsOutOfRanks(t *testing.T) {
	b := newBench(t)
	ids := make([]uuid.UUID, 4)
	for i := range ids {
		ids[i] = b.submit(speech()).ID
	}
	for i := range 120 {
		moved := ids[2+i%2]
		_, err := b.Update(b.ctx, localAdmin, moved, Patch{Position: ptr(2)})
		require.NoError(t, err)
		order := b.lane()
		require.Equal(t, moved, order[1])
		require.Equal(t, ids[0], order[0])
	}
}

func TestPauseAndResume(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	_, err := b.SetPaused(b.ctx, true, "user")
	require.NoError(t, err)
	_, err = b.SetPaused(b.ctx, true, "user")
	require.NoError(t, err)
	require.Equal(t, ReasonPaused, b.job(j.ID).Reason)
	_, err = b.Claim(b.ctx, j.ID, "cpu")
	require.ErrorIs(t, err, ErrNotClaimable)
	info, err := b.Queue(b.ctx, nil)
	require.NoError(t, err)
	require.True(t, info.Paused)
	require.Equal(t, 1, info.Queued)

	woken := make(chan struct{}, 1)
	b.SetWake(func([]Waiting) { woken <- struct{}{} })
	state, err := b.SetPaused(b.ctx, false, "")
	require.NoError(t, err)
	require.False(t, state.Paused)
	<-woken
	require.Equal(t, ReasonNone, b.job(j.ID).Reason)
	b.claim(j.ID)
	require.Equal(t, []string{EventQueued, EventQueuePaused, EventQueueResumed, EventStarted}, b.kinds(uuid.Nil))
}

func TestReasonsAreSentOnce(t *testing.T) {
	b := newBench(t)
	j, other := b.submit(speech()), b.submit(speech())
	for range 2 {
		require.NoError(t, b.SetReason(b.ctx, map[uuid.UUID]Reason{j.ID: ReasonNoMemory, other.ID: ReasonNone}))
	}
	require.Equal(t, ReasonNoMemory, b.job(j.ID).Reason)
	require.NoError(t, b.SetReason(b.ctx, map[uuid.UUID]Reason{j.ID: ReasonNone}))
	require.Equal(t, ReasonNone, b.job(j.ID).Reason)
	require.Equal(t, []string{EventQueued, EventUpdated, EventUpdated}, b.kinds(j.ID))
	require.Equal(t, []string{EventQueued}, b.kinds(other.ID))
}

// The scheduler gets the next, the oldest and the urgent jobs of a queue of any length.
func TestALongQueueShowsItsHeads(t *testing.T) {
	b := newBench(t)
	b.exec(`insert into generation_jobs (id, owner_id, type, lane, quality, engine, parameters)
		select gen_random_uuid(), $1, 'audio.speech', 'audio', 'draft', 'draft-speech', '{}'
		  from generate_series(1, 1000)`, localAdmin)
	urgent, video := speech(), avatar()
	urgent.Priority, video.Priority = 10, -10
	u, v := b.submit(urgent), b.submit(video)
	list, err := b.Waiting(b.ctx)
	require.NoError(t, err)
	require.Len(t, list.Jobs, 52)
	order := orderByRank(b.ctx, list.Jobs)
	require.Equal(t, u.ID, order[0])
	require.Equal(t, v.ID, order[51])
	var first uuid.UUID
	require.NoError(t, b.pool.QueryRow(b.ctx, `select id from generation_jobs order by rank limit 1`).Scan(&first))
	require.Equal(t, first, order[1])
}

func TestPositionsMatchTheScheduler(t *testing.T) {
	b := newBench(t)
	running, first, second := b.submit(speech()), b.submit(speech()), b.submit(speech())
	b.claim(running.ID)
	blocked := b.submit(avatar(jobInput("audio", KindAudio, second.ID)))
	b.SetOrder(func(ctx context.Context, w []Waiting) []uuid.UUID {
		ids := orderByRank(ctx, w)
		slices.Reverse(ids)
		return ids
	})
	all := []*Job{b.job(running.ID), b.job(first.ID), b.job(second.ID), b.job(blocked.ID)}
	o, err := b.ETAs(b.ctx, all...)
	require.NoError(t, err)
	require.Equal(t, 0, o[running.ID].Position)
	require.Equal(t, 2, o[first.ID].Position)
	require.Equal(t, 1, o[second.ID].Position)
	require.Equal(t, 3, o[blocked.ID].Position)
	for _, j := range all {
		require.NotNil(t, o[j.ID].Seconds)
		require.True(t, o[j.ID].Guess, "this machine has made none yet")
	}
	require.Greater(t, *o[first.ID].Seconds, *o[second.ID].Seconds)

	ended, err := b.Cancel(b.ctx, localAdmin, first.ID)
	require.NoError(t, err)
	o, err = b.ETAs(b.ctx, ended, b.job(blocked.ID))
	require.NoError(t, err)
	require.NotContains(t, o, first.ID)
	require.Equal(t, 2, o[blocked.ID].Position, "a change shows at once")
}

func TestALongQueueIsForecastInRankOrder(t *testing.T) {
	b := newBench(t)
	b.exec(`insert into generation_jobs (id, owner_id, type, lane, quality, engine, parameters)
		select gen_random_uuid(), $1, 'audio.speech', 'audio', 'draft', 'draft-speech', '{}'
		  from generate_series(1, 1500)`, localAdmin)
	last := b.submit(speech())
	asked := 0
	b.SetOrder(func(ctx context.Context, w []Waiting) []uuid.UUID { asked = len(w); return orderByRank(ctx, w) })
	o, err := b.ETAs(b.ctx, last)
	require.NoError(t, err)
	require.Equal(t, 1501, o[last.ID].Position)
	require.Equal(t, orderedJobs, asked)
	later := b.submit(speech())
	o, err = b.ETAs(b.ctx, later)
	require.NoError(t, err)
	require.Equal(t, 1502, o[later.ID].Position, "behind the last forecast")
}

func TestETAsComeFromThisMachinesRuns(t *testing.T) {
	b := newBench(t)
	for range 5 {
		j := b.submit(speech())
		c := b.claim(j.ID)
		_, err := b.Finish(b.ctx, j.ID, c.Fence, Result{Metrics: Metrics{RunSeconds: 20}})
		require.NoError(t, err)
	}
	twice := speech()
	twice.Params = map[string]any{"text": "Olá, mundoOlá, mundo"}
	j := b.submit(twice)
	o, err := b.ETAs(b.ctx, j)
	require.NoError(t, err)
	require.False(t, o[j.ID].Guess)
	require.InDelta(t, 40, *o[j.ID].Seconds, 0.1)

	c := b.claim(j.ID)
	require.NoError(t, b.SetProgress(b.ctx, j.ID, c.Fence, report.Progress{Fraction: 0.75}))
	o, err = b.ETAs(b.ctx, b.job(j.ID))
	require.NoError(t, err)
	require.InDelta(t, 10, *o[j.ID].Seconds, 0.1)
	require.NoError(t, b.SetProgress(b.ctx, j.ID, c.Fence, report.Progress{Fraction: 0.75, ETASeconds: ptr(3.0)}))
	o, err = b.ETAs(b.ctx, b.job(j.ID))
	require.NoError(t, err)
	require.InDelta(t, 3, *o[j.ID].Seconds, 0.1)
}

func TestEstimate(t *testing.T) {
	line := []run{{10, 7, 0}, {20, 12, 0}, {40, 22, 0}} // 2 + 0.5 a unit
	seconds, guess := estimate(line, TypeSpeech, "draft", 100)
	require.InDelta(t, 52, seconds, 1e-9)
	require.False(t, guess)
	seconds, _ = estimate([]run{{10, 5, 0}}, TypeSpeech, "draft", 100)
	require.InDelta(t, 50, seconds, 1e-9, "one run: in proportion")
	seconds, _ = estimate([]run{{10, 9, 0}, {20, 6, 0}, {30, 3, 0}}, TypeSpeech, "draft", 100)
	require.Positive(t, seconds, "noise must not promise a negative time")
	_, guess = estimate(nil, TypeSpeech, "draft", 100)
	require.True(t, guess)
}

func TestUnits(t *testing.T) {
	require.EqualValues(t, 10, Units(TypeSpeech, map[string]any{"text": "Olá, mundo"}))
	require.EqualValues(t, 3, Units(TypeSpeech, map[string]any{"lines": []any{map[string]any{"text": "Olá"}}}))
	require.EqualValues(t, 2, Units(TypeImage, map[string]any{"width": 1000.0, "height": 1000.0, "num_images": 2.0}))
	require.EqualValues(t, 100,
		Units(TypeAvatar, map[string]any{"width": 1000, "height": 1000, "fps": 25, "duration": 4}))
}

func TestListPages(t *testing.T) {
	b := newBench(t)
	var ids []uuid.UUID
	for range 5 {
		ids = append([]uuid.UUID{b.submit(speech()).ID}, ids...)
	}
	b.submit(picture())
	b.exec(`update generation_jobs set created_at = '2026-01-01' where type = 'audio.speech' and id <> $1`, ids[0])
	slices.SortFunc(ids[1:], func(x, y uuid.UUID) int { return -slices.Compare(x[:], y[:]) })
	f := Filter{Types: []Type{TypeSpeech}, Statuses: []Status{Queued}, Limit: 2}
	var found []uuid.UUID
	for {
		page, err := b.List(b.ctx, localAdmin, f)
		require.NoError(t, err)
		found = append(found, idsOf(page.Jobs)...)
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	require.Equal(t, ids, found)
	page, err := b.List(b.ctx, uuid.New(), Filter{})
	require.NoError(t, err)
	require.Empty(t, page.Jobs)
	_, err = b.List(b.ctx, localAdmin, Filter{Cursor: "x"})
	require.ErrorIs(t, err, ErrBadCursor)
	for _, f := range []Filter{{Statuses: []Status{Failed}}, {Project: ptr(uuid.New())}, {Parent: &ids[0]},
		{Content: &ids[0]}} {
		page, err := b.List(b.ctx, localAdmin, f)
		require.NoError(t, err)
		require.Empty(t, page.Jobs)
	}

	active, asOf, err := b.Active(b.ctx, localAdmin)
	require.NoError(t, err)
	require.Len(t, active, 6)
	require.EqualValues(t, 6, asOf)
}

func TestAnOwnersQueueHasALimit(t *testing.T) {
	b := newBench(t)
	b.cfg.MaxQueued = 1
	j := b.submit(speech())
	_, err := b.Submit(b.ctx, speech())
	require.ErrorIs(t, err, ErrQueueFull)
	_, err = b.Cancel(b.ctx, localAdmin, j.ID)
	require.NoError(t, err)
	b.submit(speech())
}

func TestSweepKeepsRecentRows(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	b.submit(speech())
	b.exec(`update events set at = now() - interval '8 days' where job_id = $1`, j.ID)
	b.exec(
		`insert into idempotency (scope, route, key, request_hash, created_at)
			values ('s', 'r', 'old', '', now() - interval '25 hours'), ('s', 'r', 'new', '', now())`,
	)
	require.NoError(t, b.Sweep(b.ctx))
	require.Equal(t, 1, b.count(`select count(*) from events`))
	require.Equal(t, 1, b.count(`select count(*) from idempotency where key = 'new'`))
	require.Equal(t, 1, b.count(`select count(*) from idempotency`))
	require.Equal(t, 1, b.count(`select count(*) from nodes`))
}

// The first sweep of a long history deletes all old segments, a part at a time.
func TestSegmentsAreSweptAPartAtATime(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	c, err := b.Claim(b.ctx, j.ID, "cpu")
	require.NoError(t, err)
	for i := range 5 {
		require.NoError(t, b.AddSegment(b.ctx, j.ID, c.Fence, Segment{Index: i, SHA256: hash(i), MIME: "audio/wav",
			Size: 10}))
	}
	b.exec(`update job_segments set created_at = now() - interval '2 days'`)
	require.NoError(t, b.sweepSegments(b.ctx, 2))
	require.Equal(t, 5, b.count(`select count(*) from job_segments`), "the job runs")
	b.exec(`update generation_jobs set status = 'completed', completed_at = now() - interval '2 days'`)
	require.NoError(t, b.sweepSegments(b.ctx, 2))
	require.Zero(t, b.count(`select count(*) from job_segments`))
}

func TestPhasesRememberTheirLongestStep(t *testing.T) {
	b := newBench(t)
	for _, s := range []float64{1, 2, 0.5} {
		_, err := b.RecordPhase(b.ctx, "e", "m", PhaseRecord{Phase: "sample", MaxStepSeconds: s})
		require.NoError(t, err)
	}
	known, err := b.Phases(b.ctx)
	require.NoError(t, err)
	require.Equal(t, []PhaseHistory{{"e", "m", "sample", 2, 3}}, known)
}

func TestETAIncludesLoadingTheModel(t *testing.T) {
	b := newBench(t)
	for range 3 {
		c := b.claim(b.submit(speech()).ID)
		_, err := b.Finish(b.ctx, c.ID, c.Fence, Result{Metrics: Metrics{RunSeconds: 20, ModelLoadSeconds: 7}})
		require.NoError(t, err)
	}
	first, second, third := b.submit(speech()), b.submit(speech()), b.submit(speech())
	o, err := b.ETAs(b.ctx, first, second, third)
	require.NoError(t, err)
	require.InDelta(t, 27, *o[first.ID].Seconds, 0.1, "it loads the model")
	require.InDelta(t, 20, *o[second.ID].Seconds, 0.1, "which then is there")
	b.SetLoaded(func() []string { return []string{first.Engine + "/" + first.Model} })
	b.submit(speech()) // the forecast is made anew
	o, err = b.ETAs(b.ctx, first)
	require.NoError(t, err)
	require.InDelta(t, 20, *o[first.ID].Seconds, 0.1)
}

func TestPeaksAreTheHighestOfEachSize(t *testing.T) {
	b := newBench(t)
	key := PeakKey{Engine: "flux", Model: "flux-dev", Variant: "Q5_K_S", Device: "hip", Size: 4}
	for _, p := range []device.Memory{{RAM: 5, VRAM: 9}, {RAM: 7, VRAM: 8}} {
		c := b.claim(b.submit(speech()).ID)
		_, err := b.Finish(b.ctx, c.ID, c.Fence, Result{Peak: &PeakRecord{key, p}})
		require.NoError(t, err)
	}
	peaks, err := b.Peaks(b.ctx)
	require.NoError(t, err)
	require.Equal(t, map[PeakKey]device.Memory{key: {RAM: 7, VRAM: 9}}, peaks)
}
