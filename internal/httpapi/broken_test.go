package httpapi

import (
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
)

// away takes a table out of the database's sight until the function that it returns is called.
func (b *bench) away(table string) (back func()) {
	b.t.Helper()
	_, err := b.pool.Exec(b.ctx, "alter table "+table+" rename to hidden")
	require.NoError(b.t, err)
	return func() {
		_, err := b.pool.Exec(b.ctx, "alter table hidden rename to "+table)
		require.NoError(b.t, err)
	}
}

// numbers collects the seqs of events up to the last one.
func (c *client) numbers(last int) (seqs []int) {
	c.t.Helper()
	for len(seqs) == 0 || seqs[len(seqs)-1] < last {
		m := c.hear()
		require.Equal(c.t, "event", m["type"], m)
		seqs = append(seqs, int(m["seq"].(float64)))
	}
	return seqs
}

// A client must not go on after a missed event. It is told to connect again, and then gets everything.
func TestSocketClosesWhenEventsCannotBeSent(t *testing.T) {
	for name, broken := range map[string]struct {
		table string
		since any
	}{
		"the snapshot cannot be read": {"generation_jobs", nil},
		"the replay cannot be read":   {"events", 0},
		"an event cannot be rendered": {"generation_jobs", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.speech()
			b.speech()
			c := b.connect()
			back := b.away(broken.table)
			c.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": broken.since})
			require.Equal(t, websocket.CloseTryAgainLater, c.closed())
			back()
			b.speech()
			again := b.connect()
			again.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 0})
			require.Equal(t, []int{1, 2, 3}, again.numbers(3))
		})
	}
}

// tellOf writes an event of a job past the services, which could not do it while a table is away.
func (b *bench) tellOf(job object) {
	b.t.Helper()
	_, err := b.pool.Exec(b.ctx, `with n as (update event_counter set seq = seq + 1 returning seq)
		insert into events (seq, owner_id, job_id, type, data)
		select n.seq, $1, $2, 'job.updated', '{"status":"queued"}' from n`,
		auth.LocalAdmin, idIn(b.t, job))
	require.NoError(b.t, err)
	b.hub.Notify(b.ctx, 0)
}

func TestSocketClosesWhenALiveEventCannotBeRendered(t *testing.T) {
	b := newBench(t)
	c := b.connect()
	c.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 0})
	job := b.speech()
	require.Equal(t, []int{1}, c.numbers(1))
	back := b.away("generation_jobs")
	b.tellOf(job)
	require.Equal(t, websocket.CloseTryAgainLater, c.closed())
	back()
	again := b.connect()
	again.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 1})
	require.Equal(t, []int{2}, again.numbers(2), "at once: a failure is not remembered")
}

func TestSocketClosesWhenATopicCannotBeChecked(t *testing.T) {
	b := newBench(t)
	job := b.speech()
	c := b.connect()
	back := b.away("generation_jobs")
	c.say(object{"op": "subscribe", "topics": []string{"job:" + job["id"].(string)}, "since": nil})
	require.Equal(t, websocket.CloseTryAgainLater, c.closed())
	back()
}

func TestStreamEndsWhenEventsCannotBeSent(t *testing.T) {
	b := newBench(t)
	job := b.speech()
	s := b.listen(job)
	require.Equal(t, "1", s.next().id)
	back := b.away("generation_jobs")
	b.tellOf(job)
	require.Zero(t, s.next(), "the stream ends, and nothing was left out of it")
	back()
	again := b.listen(job, "Last-Event-ID", "1").next()
	require.Equal(t, "2", again.id)
	require.Equal(t, "job.updated", again.event)
}
