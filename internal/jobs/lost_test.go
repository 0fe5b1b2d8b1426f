package jobs

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
)

// handful is the set of runs that a runner has.
type handful map[uuid.UUID]bool

func (h handful) Running(job uuid.UUID) bool         { return h[job] }
func (h handful) Unwritten(uuid.UUID, int64) bool    { return false }
func (h handful) during(job uuid.UUID, claim func()) { h[job] = true; claim(); delete(h, job) }

// lossy is a bench whose answers can be lost on their way, with the runs of its runner.
func newLossyBench(t *testing.T) (*bench, *storetest.Proxy, handful) {
	t.Helper()
	proxy := storetest.NewProxy(t, storetest.DSN(t))
	b := &bench{t: t, ctx: t.Context(), pool: proxy.Open(t).Pool(), hub: &heard{}}
	b.Service = b.node(uuid.New(), "kernel-1")
	hand := handful{}
	b.SetRuns(hand)
	return b, proxy, hand
}

// Every transition, with the answer to its commit lost: the caller's reaction (a runner asks again, a client sends the
// request again, the node beats) leads to the same state as if nothing had happened.
func TestLostAnswerDoesNotChangeTheOutcome(t *testing.T) {
	b, proxy, hand := newLossyBench(t)
	running := func() *Claimed {
		c := b.claim(b.submit(speech()).ID)
		hand[c.ID] = true
		return c
	}
	// lose runs a write whose answer is lost, then does what its caller does.
	lose := func(name string, write func() error, again func() error) {
		t.Helper()
		proxy.LoseAnswer(1)
		before := proxy.Lost()
		err := write()
		require.Equal(t, before+1, proxy.Lost(), "%s: no answer was lost", name)
		require.True(t, err == nil || store.Unavailable(err), "%s: %v", name, err)
		require.NoError(t, again(), name)
	}
	is := func(id uuid.UUID, want Status, events ...string) {
		t.Helper()
		require.Equal(t, want, b.job(id).Status)
		require.Equal(t, events, b.kinds(id))
		b.ticketsSuffice()
	}

	// A submit without a key is made once and the client is told that it may try again.
	var j *Job
	lose("submit", func() error { _, err := b.Submit(b.ctx, speech()); return err }, func() error {
		found, err := b.List(b.ctx, localAdmin, Filter{})
		require.Len(t, found.Jobs, 1)
		j = found.Jobs[0]
		return err
	})
	is(j.ID, Queued, EventQueued)

	lose("set reason", func() error { return b.SetReason(b.ctx, map[uuid.UUID]Reason{j.ID: ReasonNoMemory}) },
		func() error { return b.SetReason(b.ctx, map[uuid.UUID]Reason{j.ID: ReasonNoMemory}) })
	is(j.ID, Queued, EventQueued, EventUpdated)
	priority := 3
	patch := func() error { _, err := b.Update(b.ctx, localAdmin, j.ID, Patch{Priority: &priority}); return err }
	lose("patch", patch, patch)
	is(j.ID, Queued, EventQueued, EventUpdated, EventUpdated)

	// A claim: the row says processing and nobody runs it, until the node's next beat.
	hand.during(j.ID, func() {
		lose("claim", func() error { _, err := b.Claim(b.ctx, j.ID, "cpu"); return err }, func() error {
			closed, err := b.Reconcile(b.ctx)
			require.Zero(t, closed, "while the claim is under way nobody may take it back")
			return err
		})
	})
	require.Equal(t, Processing, b.job(j.ID).Status)
	require.NoError(t, b.RunNodeOnce(NodeConfig{}))
	is(j.ID, Queued, EventQueued, EventUpdated, EventUpdated, EventStarted, EventRequeued)
	require.Zero(t, b.job(j.ID).Faults)
	require.Zero(t, b.job(j.ID).Attempt, "no attempt was made")
	c := b.claim(j.ID)
	require.EqualValues(t, 2, c.Fence)

	// The taking back itself.
	lose("reconcile", func() error { _, err := b.Reconcile(b.ctx); return err },
		func() error { _, err := b.Reconcile(b.ctx); return err })
	require.Equal(t, Queued, b.job(j.ID).Status)
	_, err := b.Finish(b.ctx, j.ID, c.Fence, Result{})
	require.ErrorIs(t, err, ErrFenced)
	require.NoError(t, b.Delete(b.ctx, localAdmin, j.ID))

	c = running()
	segment := func() error {
		return b.AddSegment(b.ctx, c.ID, c.Fence, Segment{SHA256: hash(1), MIME: "video/mp4", Size: 1})
	}
	lose("segment", segment, segment)
	require.Equal(t, 1, b.count(`select count(*) from job_segments where job_id = $1`, c.ID))
	progress := func() error { return b.SetProgress(b.ctx, c.ID, c.Fence, report.Progress{Fraction: 0.5}) }
	lose("progress", progress, progress)
	finish := func() error {
		_, err := b.Finish(b.ctx, c.ID, c.Fence, Result{Outputs: []assets.Output{output(media.Audio, 1)}})
		return err
	}
	lose("finish", finish, finish)
	is(c.ID, Completed, EventQueued, EventStarted, EventCompleted)
	require.Equal(t, 1, b.count(`select count(*) from media_assets where job_id = $1`, c.ID))

	c = running()
	requeue := func() error { return b.Requeue(b.ctx, c.ID, c.Fence, ReasonNone, time.Time{}, false) }
	lose("requeue", requeue, requeue)
	is(c.ID, Queued, EventQueued, EventStarted, EventRequeued)
	c = b.claim(c.ID)
	fault := func() error {
		again, err := b.Fault(b.ctx, c.ID, c.Fence, boom)
		require.True(t, err != nil || again)
		return err
	}
	lose("fault", fault, fault)
	require.Equal(t, 1, b.job(c.ID).Faults, "counted once")
	b.exec(`update generation_jobs set not_before = '-infinity', faults = 2 where id = $1`, c.ID)
	c = b.claim(c.ID)
	lastFault := func() error {
		again, err := b.Fault(b.ctx, c.ID, c.Fence, boom)
		require.False(t, again)
		return err
	}
	lose("last fault", lastFault, lastFault)
	is(c.ID, Failed, EventQueued, EventStarted, EventRequeued, EventStarted, EventRequeued, EventStarted, EventFailed)

	retry := func() error { _, err := b.Retry(b.ctx, localAdmin, c.ID); return err }
	lose("retry", retry, func() error { return nil })
	require.ErrorIs(t, retry(), ErrState, "it is queued")
	c = b.claim(c.ID)
	fail := func() error { return b.Fail(b.ctx, c.ID, c.Fence, boom, false) }
	lose("fail", fail, fail)
	require.Equal(t, Failed, b.job(c.ID).Status)

	c = running()
	cancel := func() error { _, err := b.Cancel(b.ctx, localAdmin, c.ID); return err }
	lose("cancel of a running job", cancel, cancel)
	canceled := func() error { return b.FinishCanceled(b.ctx, c.ID, c.Fence) }
	lose("canceled", canceled, canceled)
	is(c.ID, Canceled, EventQueued, EventStarted, EventUpdated, EventCanceled)
	j = b.submit(speech())
	cancel = func() error { _, err := b.Cancel(b.ctx, localAdmin, j.ID); return err }
	lose("cancel of a queued job", cancel, cancel)
	is(j.ID, Canceled, EventQueued, EventCanceled)
	lose("delete", func() error { return b.Delete(b.ctx, localAdmin, j.ID) }, func() error {
		require.ErrorIs(t, b.Delete(b.ctx, localAdmin, j.ID), ErrNotFound)
		return nil
	})

	pause := func(paused bool) func() error {
		return func() error { _, err := b.SetPaused(b.ctx, paused, "user"); return err }
	}
	lose("pause", pause(true), pause(true))
	lose("resume", pause(false), pause(false))
	require.Equal(t, 1, b.count(`select count(*) from events where type = $1`, EventQueuePaused))
	require.Equal(t, 1, b.count(`select count(*) from events where type = $1`, EventQueueResumed))

	beat := func() error { return b.Beat(b.ctx) }
	lose("beat", beat, beat)
	sweep := func() error { return b.Sweep(b.ctx) }
	lose("sweep", sweep, sweep)

	// The starts of nodes, and taking back the jobs of dead ones.
	c = running()
	recover := func() error { _, err := b.Recover(b.ctx); return err }
	b.Service = New(
		Config{Pool: b.pool, Hub: b.hub, NodeID: b.cfg.NodeID, BootID: uuid.New(), KernelBootID: "kernel-1"},
	)
	b.SetRuns(hand)
	lose("recover", recover, recover)
	is(c.ID, Queued, EventQueued, EventStarted, EventRequeued)
	other := b.node(uuid.New(), "kernel-2")
	_, err = other.Claim(b.ctx, c.ID, "cpu")
	require.NoError(t, err)
	b.exec(`update nodes set seen_at = now() - interval '1 hour' where id = $1`, other.cfg.NodeID)
	reap := func() error { _, err := b.Reap(b.ctx, now); return err }
	lose("reap", reap, reap)
	is(c.ID, Queued, EventQueued, EventStarted, EventRequeued, EventStarted, EventRequeued)
	leave := func() error { return other.Leave(b.ctx) }
	lose("leave", leave, leave)
	require.Zero(t, b.count(`select count(*) from generation_jobs where status = 'processing'`))
	b.kinds(uuid.Nil) // event numbers have no hole
}

// RunNodeOnce is one beat of RunNode.
func (b *bench) RunNodeOnce(cfg NodeConfig) error {
	cfg.setDefaults()
	return b.beatOnce(b.ctx, cfg)
}

// A claim of an earlier boot can reach the database after that boot's end: the row is of this node, and of no boot
// that will close it.
func TestLateClaimOfAnEarlierBootIsTakenBack(t *testing.T) {
	b := newBench(t)
	earlier := b.Service
	b.boot("kernel-1")
	b.SetRuns(handful{})
	c, err := earlier.Claim(b.ctx, b.submit(speech()).ID, "cpu")
	require.NoError(t, err)
	require.NoError(t, b.RunNodeOnce(NodeConfig{}))
	require.Equal(t, Queued, b.job(c.ID).Status)

	c, err = earlier.Claim(b.ctx, c.ID, "cpu")
	require.NoError(t, err)
	j, err := b.Cancel(b.ctx, localAdmin, c.ID)
	require.NoError(t, err)
	require.Equal(t, Canceled, j.Status)
}

// Another node's jobs are that node's business.
func TestReconcileLeavesOtherNodesAlone(t *testing.T) {
	b := newBench(t)
	b.SetRuns(handful{})
	node2 := b.node(uuid.New(), "kernel-2")
	c, err := node2.Claim(b.ctx, b.submit(speech()).ID, "cpu")
	require.NoError(t, err)
	closed, err := b.Reconcile(b.ctx)
	require.NoError(t, err)
	require.Zero(t, closed)
	j, err := b.Cancel(b.ctx, localAdmin, c.ID)
	require.NoError(t, err)
	require.Equal(t, Processing, j.Status)
	require.Equal(t, ReasonCanceling, j.Reason)
}
