package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/queue"
)

// now takes the grace after the start of the database out: the test cluster has just started.
var now = NodeConfig{Grace: -1}

func gpuAvatar() Spec {
	s := avatar()
	s.UsesGPU, s.Engine = true, "gpu-avatar"
	return s
}

// boot is a later start of the same node.
func (b *bench) boot(kernel string) {
	b.t.Helper()
	b.Service = b.node(b.cfg.NodeID, kernel)
}

// running writes a River row that a client holds.
func (b *bench) running(kind, q, client string) int64 {
	b.t.Helper()
	var id int64
	require.NoError(b.t, b.pool.QueryRow(b.ctx, `
		insert into river.river_job (args, kind, max_attempts, attempt, queue, state, attempted_at, attempted_by)
		values ('{}', $1, 1, 1, $2, 'running', now(), array[$3]) returning id`, kind, q, client).Scan(&id))
	return id
}

func (b *bench) riverState(id int64) string {
	b.t.Helper()
	var s string
	require.NoError(b.t, b.pool.QueryRow(b.ctx, `select state from river.river_job where id = $1`, id).Scan(&s))
	return s
}

func TestANodeTakesItsEarlierBootsJobsBackAtStart(t *testing.T) {
	b := newBench(t)
	j, canceled, other := b.submit(speech()), b.submit(speech()), b.submit(speech())
	zombie := b.claim(j.ID)
	b.claim(canceled.ID)
	_, err := b.Cancel(b.ctx, localAdmin, canceled.ID)
	require.NoError(t, err)
	node2 := b.node(uuid.New(), "kernel-9")
	_, err = node2.Claim(b.ctx, other.ID, "cpu")
	require.NoError(t, err)
	ticket := b.running("generate", queue.Gen, queue.ClientID(b.cfg.NodeID, b.cfg.BootID))
	util := b.running("export", queue.Util, queue.ClientID(b.cfg.NodeID, b.cfg.BootID))
	theirs := b.running("generate", queue.Gen, queue.ClientID(node2.cfg.NodeID, node2.cfg.BootID))
	b.exec(`delete from river.river_job where state = 'available'`)

	old := b.Service
	b.boot("kernel-1")
	got := b.job(j.ID)
	require.Equal(t, Queued, got.Status)
	require.Equal(t, ReasonNone, got.Reason)
	require.Zero(t, got.Faults, "a node's death is not a fault of the job")
	require.Equal(t, Canceled, b.job(canceled.ID).Status)
	require.Equal(t, Processing, b.job(other.ID).Status)
	require.Equal(t, "cancelled", b.riverState(ticket))
	require.Equal(t, "available", b.riverState(util))
	require.Equal(t, "running", b.riverState(theirs))
	b.ticketsSuffice()

	_, err = old.Finish(b.ctx, j.ID, zombie.Fence, Result{Outputs: []assets.Output{output(media.Audio, 1)}})
	require.ErrorIs(t, err, ErrFenced)
	require.ErrorIs(t, old.Beat(b.ctx), ErrReplaced)
	require.EqualValues(t, 2, b.claim(j.ID).Fence)
	require.Equal(t, []string{EventQueued, EventStarted, EventRequeued, EventStarted}, b.kinds(j.ID))
}

func TestALiveNodeReapsADeadOne(t *testing.T) {
	b := newBench(t)
	node2 := b.node(uuid.New(), "kernel-2")
	j, mine := b.submit(gpuAvatar()), b.submit(speech())
	c, err := node2.Claim(b.ctx, j.ID, "cpu")
	require.NoError(t, err)
	b.claim(mine.ID)
	ticket := b.running("generate", queue.Gen, queue.ClientID(node2.cfg.NodeID, node2.cfg.BootID))
	b.exec(`delete from river.river_job where state = 'available'`)

	reap := func(cfg NodeConfig) int {
		n, err := b.Reap(b.ctx, cfg)
		require.NoError(t, err)
		return n
	}
	require.Zero(t, reap(now), "it beats")
	b.exec(`update nodes set seen_at = now() - interval '14 seconds' where id = $1`, node2.cfg.NodeID)
	require.Zero(t, reap(now), "not yet dead")
	b.exec(`update nodes set seen_at = now() - interval '16 seconds' where id = $1`, node2.cfg.NodeID)
	require.Zero(t, reap(NodeConfig{Grace: time.Hour}), "the database has just started: nobody could beat")
	require.Equal(t, "running", b.riverState(ticket))
	require.Equal(t, 1, reap(now))
	require.Zero(t, reap(now))

	require.Equal(t, Queued, b.job(j.ID).Status)
	require.Equal(t, "cancelled", b.riverState(ticket))
	require.Equal(t, Processing, b.job(mine.ID).Status)
	require.Equal(t, 1, b.count(openTickets))

	// The paused node comes back, and the job still has one result.
	_, err = b.Claim(b.ctx, j.ID, "cpu")
	require.NoError(t, err)
	_, err = node2.Finish(b.ctx, j.ID, c.Fence, Result{Outputs: []assets.Output{output(media.Video, 1)}})
	require.ErrorIs(t, err, ErrFenced)
	_, err = b.Finish(b.ctx, j.ID, c.Fence+1, Result{Outputs: []assets.Output{output(media.Video, 1)}})
	require.NoError(t, err)
	_, err = node2.Finish(b.ctx, j.ID, c.Fence, Result{Outputs: []assets.Output{output(media.Video, 1)}})
	require.ErrorIs(t, err, ErrFenced)
	require.Equal(t, 1, b.count(`select count(*) from media_assets`))
	require.Equal(t, 1, b.count(`select count(*) from events where type = 'job.completed'`))
}

func TestGPUJobIsNotRunAgainAfterItsMachineWentDown(t *testing.T) {
	b := newBench(t)
	gpu, cpu := b.submit(gpuAvatar()), b.submit(avatar())
	b.claim(gpu.ID)
	b.claim(cpu.ID)

	b.boot("kernel-2")
	require.Equal(t, ReasonHostRestarted, b.job(gpu.ID).Reason)
	require.Equal(t, Queued, b.job(cpu.ID).Status)
	require.Equal(t, ReasonPaused, b.job(cpu.ID).Reason)
	state, err := b.QueueState(b.ctx)
	require.NoError(t, err)
	require.True(t, state.Paused)
	require.Equal(t, "host_restarted", state.Cause)
	require.Contains(t, state.Message.String(), gpu.ID.String())
	require.Contains(t, b.kinds(uuid.Nil), EventQueuePaused)
	_, err = b.Claim(b.ctx, gpu.ID, "cpu")
	require.ErrorIs(t, err, ErrNotClaimable, "not by itself")
	list, err := b.Waiting(b.ctx)
	require.NoError(t, err)
	require.Empty(t, list.Jobs)

	// The user says go. This time it finishes a segment before the machine goes down: it may go on from there.
	_, err = b.SetPaused(b.ctx, false, "")
	require.NoError(t, err)
	c := b.claim(gpu.ID)
	b.blob(1)
	require.NoError(t,
		b.AddSegment(b.ctx, gpu.ID, c.Fence, Segment{Index: 0, SHA256: hash(1), MIME: "video/mp4", Size: 10}))
	b.boot("kernel-3")
	require.Equal(t, Queued, b.job(gpu.ID).Status)

	// No new segment since: it fails.
	_, err = b.SetPaused(b.ctx, false, "")
	require.NoError(t, err)
	b.claim(gpu.ID)
	b.boot("kernel-4")
	got := b.job(gpu.ID)
	require.Equal(t, Failed, got.Status)
	require.Equal(t, "host_restarted", got.Error.Code)
	state, err = b.QueueState(b.ctx)
	require.NoError(t, err)
	require.False(t, state.Paused, "what froze the machine is out of the queue")

	// A retry starts counting anew.
	_, err = b.Retry(b.ctx, localAdmin, gpu.ID)
	require.NoError(t, err)
	b.claim(gpu.ID)
	b.boot("kernel-5")
	require.Equal(t, Queued, b.job(gpu.ID).Status)
}

func TestProcessRestartIsNotAReboot(t *testing.T) {
	b := newBench(t)
	j := b.submit(gpuAvatar())
	for range 3 {
		b.claim(j.ID)
		b.boot("kernel-1")
		require.Equal(t, Queued, b.job(j.ID).Status)
		require.Equal(t, ReasonNone, b.job(j.ID).Reason)
	}
}

func TestMissedHeartbeatsAreReportedOnce(t *testing.T) {
	at := time.Now()
	w := beatWatch{after: 10 * time.Second, since: at}
	fail := errors.New("no database")
	require.False(t, w.note(fail, at.Add(9*time.Second)))
	require.True(t, w.note(fail, at.Add(10*time.Second)))
	require.False(t, w.note(fail, at.Add(20*time.Second)))
	require.False(t, w.note(nil, at.Add(21*time.Second)))
	require.False(t, w.note(fail, at.Add(30*time.Second)))
	require.True(t, w.note(fail, at.Add(31*time.Second)))
}

func TestNodeWithoutHeartbeatsStopsItsSidecars(t *testing.T) {
	b := newBench(t)
	lost := make(chan struct{})
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	ended := make(chan error, 1)
	b.pool.Close() // the database is out of reach
	go func() {
		ended <- b.RunNode(ctx, NodeConfig{Shared: true, Beat: time.Millisecond, LostAfter: 20 * time.Millisecond,
			OnLost: func() { close(lost) }})
	}()
	select {
	case <-lost:
	case <-b.ctx.Done():
		t.Fatal("nobody stopped the sidecars")
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestReplacedNodeStops(t *testing.T) {
	b := newBench(t)
	old := b.Service
	b.boot("kernel-1")
	lost := 0
	err := old.RunNode(b.ctx, NodeConfig{OnLost: func() { lost++ }})
	require.ErrorIs(t, err, ErrReplaced)
	require.Equal(t, 1, lost)
}

func TestANodeThatLeftIsReapedAtOnce(t *testing.T) {
	b := newBench(t)
	node2 := b.node(uuid.New(), "kernel-2")
	j := b.submit(speech())
	_, err := node2.Claim(b.ctx, j.ID, "cpu")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	require.NoError(t, node2.RunNode(ctx, NodeConfig{}))
	n, err := b.Reap(b.ctx, now)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
