package events

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
)

const patience = time.Minute

// localAdmin is in every database.
var localAdmin = uuid.MustParse("00000000-0000-7000-8000-000000000001")

func startHub(t *testing.T, s *store.Store, change func(*Config)) *Hub {
	t.Helper()
	cfg := Config{Pool: s.Pool(), Connect: s.Connect, Shared: true}
	if change != nil {
		change(&cfg)
	}
	h := NewHub(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-h.Ready()
	return h
}

func appendOne(t *testing.T, s *store.Store, e Event) int64 {
	t.Helper()
	var seq int64
	require.NoError(t, s.InTx(context.Background(), func(tx pgx.Tx) (err error) {
		seq, err = Append(context.Background(), tx, e)
		return err
	}))
	return seq
}

func next(t *testing.T, s *Subscription) Message {
	t.Helper()
	late := make(chan struct{})
	timer := time.AfterFunc(patience, func() { close(late) })
	defer timer.Stop()
	m, ok, err := s.Next(late)
	require.NoError(t, err)
	require.True(t, ok, "nothing came")
	return m
}

func jobEvent(owner, job uuid.UUID, kind string) Event {
	return Event{Owner: &owner, Job: &job, Type: kind, Data: json.RawMessage(`{}`)}
}

func TestStatementsPrepare(t *testing.T) {
	s := storetest.New(t)
	conn, err := s.Connect(context.Background())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for name, sql := range statements {
		_, err := conn.Prepare(context.Background(), name, sql)
		require.NoError(t, err, name)
	}
}

// Many writers at once: every number is there once, and a reader gets them in order.
func TestNumbersAreGapFreeAndInOrder(t *testing.T) {
	s := storetest.New(t)
	h := startHub(t, s, nil)
	sub := h.Subscribe(Filter{System: true})
	defer sub.Close()
	const writers, each = 8, 25
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				var seq int64
				err := s.InTx(context.Background(), func(tx pgx.Tx) (err error) {
					seq, err = Append(context.Background(), tx, jobEvent(localAdmin, uuid.New(), "job.queued"),
						Event{Type: "queue.paused"})
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				h.Notify(context.Background(), seq)
			}
		})
	}
	group.Wait()
	for want := int64(1); want <= writers*each*2; want++ {
		require.Equal(t, want, next(t, sub).State.Seq)
	}
}

// A lost notification costs a poll, never an event; so does having no LISTEN at all.
func TestEventsArriveWithoutNotification(t *testing.T) {
	s := storetest.New(t)
	h := startHub(t, s, func(c *Config) { c.Connect, c.Poll = nil, 10*time.Millisecond })
	sub := h.Subscribe(Filter{System: true})
	defer sub.Close()
	seq := appendOne(t, s, Event{Type: "queue.paused"})
	require.Equal(t, seq, next(t, sub).State.Seq)
}

// An event of one node reaches the subscribers of another by notification alone.
func TestAnotherNodeHears(t *testing.T) {
	s := storetest.New(t)
	here, there := startHub(t, s, nil), startHub(t, s, func(c *Config) { c.Poll = time.Hour })
	sub := there.Subscribe(Filter{System: true})
	defer sub.Close()
	listening := there.Subscribe(Filter{System: true})
	defer listening.Close()
	// The other hub listens from some moment on: repeat until it has heard once.
	heard := make(chan Message)
	go func() {
		m, _, _ := listening.Next(nil)
		heard <- m
	}()
	require.Eventually(t, func() bool {
		here.Notify(context.Background(), appendOne(t, s, Event{Type: "queue.paused"}))
		select {
		case <-heard:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}, patience, time.Millisecond)
	job := uuid.New()
	sent := report.Progress{Fraction: 0.5, Stage: "render", Message: i18n.Plain("draws the picture")}
	here.Progress(JobProgress{Job: job, Owner: localAdmin, Progress: sent})
	for {
		if m := next(t, sub); m.Progress != nil {
			require.Equal(t, job, m.Progress.Job)
			require.Equal(t, sent, m.Progress.Progress)
			return
		}
	}
}

func TestFilters(t *testing.T) {
	s := storetest.New(t)
	h := startHub(t, s, nil)
	mine, other, job := localAdmin, uuid.New(), uuid.New()
	owners := h.Subscribe(Filter{Owner: &mine})
	defer owners.Close()
	one := h.Subscribe(Filter{Owner: &mine, Job: &job})
	defer one.Close()
	appendOne(t, s, jobEvent(other, uuid.New(), "job.queued"))
	appendOne(t, s, Event{Type: "queue.paused"})
	third := appendOne(t, s, jobEvent(mine, uuid.New(), "job.queued"))
	fourth := appendOne(t, s, jobEvent(mine, job, "job.queued"))
	h.Notify(context.Background(), fourth)
	require.Equal(t, third, next(t, owners).State.Seq)
	require.Equal(t, fourth, next(t, owners).State.Seq)
	require.Equal(t, fourth, next(t, one).State.Seq)

	found, reset, more, err := h.Since(context.Background(), Filter{Owner: &mine}, 0)
	require.NoError(t, err)
	require.False(t, reset || more)
	require.Len(t, found, 2)
}

func TestSinceResets(t *testing.T) {
	s := storetest.New(t)
	h := startHub(t, s, nil)
	for range 5 {
		appendOne(t, s, Event{Type: "queue.paused"})
	}
	_, err := s.Pool().Exec(context.Background(), "delete from events where seq <= 3")
	require.NoError(t, err)
	for seq, want := range map[int64]bool{0: true, 2: true, 3: false, 5: false, 6: true} {
		found, reset, _, err := h.Since(context.Background(), Filter{System: true}, seq)
		require.NoError(t, err)
		require.Equal(t, want, reset, "since %d", seq)
		if !want {
			require.Len(t, found, int(5-seq))
		}
	}
}

// A subscriber that does not read loses progress but no state, until even that is too much.
func TestSlowSubscriber(t *testing.T) {
	h := NewHub(Config{})
	sub := h.Subscribe(Filter{System: true})
	defer sub.Close()
	job := uuid.New()
	for i := range 5000 {
		h.Progress(JobProgress{Job: job, Owner: localAdmin, Progress: report.Progress{Fraction: float64(i) / 5000}})
	}
	for seq := int64(1); seq <= mostStates; seq++ {
		h.publish(Event{Seq: seq, Type: "queue.paused"})
	}
	for seq := int64(1); seq <= mostStates; seq++ {
		require.Equal(t, seq, next(t, sub).State.Seq)
	}
	require.InDelta(t, 4999.0/5000, next(t, sub).Progress.Progress.Fraction, 1e-9, "the newest progress")

	for seq := int64(1); seq <= mostStates+1; seq++ {
		h.publish(Event{Seq: seq, Type: "queue.paused"})
	}
	_, _, err := sub.Next(nil)
	require.ErrorIs(t, err, ErrSlow)
}

// Progress that was measured before a job's end is not sent after it.
func TestNoProgressAfterTheEnd(t *testing.T) {
	h := NewHub(Config{})
	sub := h.Subscribe(Filter{})
	defer sub.Close()
	job := uuid.New()
	h.Progress(JobProgress{Job: job, Owner: localAdmin, Progress: report.Progress{Fraction: 0.9}})
	h.publish(jobEvent(localAdmin, job, "job.completed"))
	require.Equal(t, "job.completed", next(t, sub).State.Type)
	closed := make(chan struct{})
	close(closed)
	_, ok, err := sub.Next(closed)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestPreviewsAreRationed(t *testing.T) {
	h := NewHub(Config{})
	sub := h.Subscribe(Filter{})
	defer sub.Close()
	job, now := uuid.New(), time.Now()
	for i := range 3 {
		h.Preview(Preview{Job: job, Owner: localAdmin, JPEG: fmt.Appendf(nil, "%d", i)})
	}
	m, found, _, err := sub.take(now)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "2", string(m.Preview.JPEG))
	h.Preview(Preview{Job: job, Owner: localAdmin, JPEG: []byte("3")})
	_, found, wait, err := sub.take(now.Add(100 * time.Millisecond))
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, 400*time.Millisecond, wait)
	_, found, _, err = sub.take(now.Add(500 * time.Millisecond))
	require.NoError(t, err)
	require.True(t, found)
}
