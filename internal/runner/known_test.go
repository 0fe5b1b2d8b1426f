package runner

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store/storetest"
)

// From a submit to its claim nothing is read but what the claim itself reads, and so it is for the next job of a slot
// that becomes free.
func TestAFreshJobIsClaimedWithoutReadingTheQueue(t *testing.T) {
	r, service, trips := counted(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer func() { cancel(errStopping); r.attempts.Wait() }()
	dispatch := func() {
		_, err := r.dispatch(ctx, ctx)
		require.NoError(t, err)
	}
	require.Len(t, trips(dispatch), 1, "the first time the queue is read")
	submit := func() *jobs.Job {
		job, err := service.Submit(
			ctx,
			jobs.Spec{
				Owner:   owner,
				Type:    jobs.TypeSpeech,
				Quality: "draft",
				Engine:  "draft-speech",
				Model:   "draft-speech",
				Params:  map[string]any{"seed": 7},
			},
		)
		require.NoError(t, err)
		return job
	}
	first, second := submit(), submit()
	require.Len(t, trips(dispatch), 2, "the claim's own round trips")
	require.True(t, r.Running(first.ID), "the slot goes to the first")
	require.False(t, r.Running(second.ID))
	require.Len(t, trips(func() { r.freeSlot(first.ID); dispatch() }), 2, "the next one's claim")
	require.True(t, r.Running(second.ID))
	require.Empty(t, trips(func() { r.freeSlot(second.ID); dispatch() }), "nothing waits, which is known")

	// Any other change is read.
	third := submit()
	_, err := service.Cancel(ctx, owner, third.ID)
	require.NoError(t, err)
	sent := trips(dispatch)
	require.NotEmpty(t, sent)
	require.Contains(t, sent[len(sent)-1], "order by j.lane", "a claim that finds nothing makes the queue be read")
}

func TestKnownQueueNeverHidesAJob(t *testing.T) {
	now := time.Now()
	job := func() jobs.Waiting { return jobs.Waiting{ID: uuid.New()} }
	ids := func(k *known) (list []uuid.UUID) {
		found, _, ok := k.get(now)
		require.True(t, ok)
		for _, w := range found.Jobs {
			list = append(list, w.ID)
		}
		return list
	}
	unread := func(k *known) {
		t.Helper()
		_, _, ok := k.get(now)
		require.False(t, ok)
	}
	fill := func(list jobs.WaitingList) *known {
		k := &known{}
		unread(k)
		_, changes, _ := k.get(now)
		k.set(list, now, changes)
		return k
	}
	a, b := job(), job()
	k := fill(jobs.WaitingList{Jobs: []jobs.Waiting{a}})
	k.changed([]jobs.Waiting{a, b})
	require.Equal(t, []uuid.UUID{a.ID, b.ID}, ids(k), "one that the reading found is told of once more")
	k.remove(a.ID)
	require.Equal(t, []uuid.UUID{b.ID}, ids(k))
	k.forget()
	unread(k)

	k = &known{}
	_, changes, _ := k.get(now)
	k.changed([]jobs.Waiting{a}) // while the queue is being read
	k.set(jobs.WaitingList{}, now, changes)
	unread(k)

	k = fill(jobs.WaitingList{Heads: true})
	k.changed([]jobs.Waiting{a})
	unread(k)

	k = fill(jobs.WaitingList{Next: now.Add(time.Second)})
	_, _, ok := k.get(now.Add(time.Second))
	require.False(t, ok, "the time of one that backed off has come")

	k = fill(jobs.WaitingList{Jobs: slices.Repeat([]jobs.Waiting{a}, mostKnown+1)})
	k.changed([]jobs.Waiting{b})
	unread(k)
	_, _, ok = fill(jobs.WaitingList{}).get(now.Add(knownFor))
	require.False(t, ok)
}

// counted is a node with one slot, of which only the dispatcher's passes run, and the round trips of the queue.
func counted(t *testing.T) (*Runner, *jobs.Service, func(func()) []string) {
	t.Helper()
	pool, trips := storetest.Counting(t, storetest.New(t))
	dir := t.TempDir()
	service := jobs.New(jobs.Config{Pool: pool, NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k"})
	_, err := service.Recover(t.Context())
	require.NoError(t, err)
	host := device.NewHost("")
	r := New(
		Config{
			Jobs: service,
			Pool: sidecar.New(sidecar.Config{WorkDir: dir, Host: host}),
			Hub:  events.NewHub(events.Config{Pool: pool}),
			Catalogue: writeCatalogue(
				t,
				filepath.Join(dir, "engines"),
			),
			Host:                 host,
			Slots:                1,
			WorkDir:              dir,
			MinAvailable:         1,
			MinAvailableFraction: 0.0001,
		},
	)
	// A run asks once a second whether it is still wanted.
	watches := func(sql string) bool { return strings.Contains(sql, "cancel_requested_at is not null from") }
	return r, service, func(f func()) []string { return slices.DeleteFunc(trips.Of(f), watches) }
}
