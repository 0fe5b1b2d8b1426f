package jobs

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/media"
)

// expected says that an error is one that a race may bring.
func expected(err error) bool {
	for _, e := range []error{nil, ErrNotClaimable, ErrFenced, ErrState, ErrInput, ErrNotFound, ErrChanged} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Everybody does everything to the jobs of some diamonds (a picture and a speech, two avatars of them, one of those) at
// once. There must be no deadlock, no hole in the events, and no job that waits for an input that will never come.
func TestTransitionsInAnyOrderKeepTheRules(t *testing.T) {
	b := newBench(t)
	var ids []uuid.UUID
	for range 4 {
		im, said := b.submit(picture()), b.submit(speech())
		one := b.submit(avatar(jobInput("image", KindImage, im.ID), jobInput("audio", KindAudio, said.ID)))
		two := b.submit(avatar(jobInput("image", KindImage, im.ID), jobInput("video", KindVideo, one.ID)))
		ids = append(ids, im.ID, said.ID, one.ID, two.ID)
	}
	var wg sync.WaitGroup
	var transitions atomic.Int32
	for worker := range 8 {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(7, uint64(worker)))
			for range 60 {
				id := ids[dice.IntN(len(ids))]
				err := b.anything(dice, id)
				if !expected(err) {
					t.Errorf("unexpected: %v", err)
				}
				if err == nil {
					transitions.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.Greater(t, transitions.Load(), int32(50))
	b.kinds(uuid.Nil)
	b.ticketsSuffice()
	require.Zero(t, b.count(`
		select count(*) from generation_jobs j
		 where j.status = 'queued'
		   and j.blocked_by <> (select count(distinct d.depends_on) from job_deps d
		                          join generation_jobs o on o.id = d.depends_on
		                         where d.job_id = j.id and o.status <> 'completed')`),
		"blocked_by counts what is not there yet")
	require.Zero(t, b.count(`
		select count(*) from generation_jobs j join job_deps d on d.job_id = j.id
		  join generation_jobs o on o.id = d.depends_on
		 where j.status = 'queued' and o.status in ('failed', 'canceled')`), "nothing waits for what will never come")
	require.Zero(
		t,
		b.count(`select count(*) from generation_jobs where (status = 'completed') <> (result is not null)`),
	)
	require.Zero(
		t,
		b.count(`select count(*) from (select job_id from media_assets group by job_id having count(*) > 1) x`),
		"one set of assets",
	)
}

func (b *bench) anything(dice *rand.Rand, id uuid.UUID) error {
	switch dice.IntN(8) {
	case 0:
		_, err := b.Cancel(b.ctx, localAdmin, id)
		return err
	case 1, 2:
		_, err := b.Retry(b.ctx, localAdmin, id)
		return err
	case 3:
		position := 1 + dice.IntN(3)
		_, err := b.Update(b.ctx, localAdmin, id, Patch{Position: &position})
		return err
	}
	c, err := b.Claim(b.ctx, id, "cpu")
	if err != nil {
		return err
	}
	switch dice.IntN(6) {
	case 0:
		return b.Fail(b.ctx, id, c.Fence, boom, false)
	case 1:
		return b.Requeue(b.ctx, id, c.Fence, ReasonNone, time.Time{}, false)
	case 2:
		return b.FinishCanceled(b.ctx, id, c.Fence)
	}
	kind := map[Type]media.Kind{TypeSpeech: media.Audio, TypeImage: media.Image, TypeAvatar: media.Video}[c.Type]
	_, err = b.Finish(b.ctx, id, c.Fence, Result{Outputs: []assets.Output{output(kind, 1)}})
	return err
}

func TestManyReapersTakeAJobBackOnce(t *testing.T) {
	b := newBench(t)
	dead := b.node(uuid.New(), "kernel-2")
	const jobs = 5
	for range jobs {
		j := b.submit(speech())
		_, err := dead.Claim(b.ctx, j.ID, "cpu")
		require.NoError(t, err)
	}
	b.exec(`update nodes set seen_at = '-infinity' where id = $1`, dead.cfg.NodeID)
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		reaper := b.node(uuid.New(), "kernel-3")
		wg.Go(func() {
			n, err := reaper.Reap(b.ctx, now)
			if err != nil {
				t.Errorf("reap: %v", err)
			}
			taken.Add(int32(n))
		})
	}
	wg.Wait()
	require.EqualValues(t, jobs, taken.Load())
	require.Equal(t, jobs, b.count(`select count(*) from events where type = 'job.requeued'`))
}
