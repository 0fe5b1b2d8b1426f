package jobs

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store"
)

func keyed(k IdempotencyKey) Spec {
	s := speech()
	s.Idempotency = &k
	return s
}

func TestAReplayGetsTheFirstAnswer(t *testing.T) {
	b := newBench(t)
	key := IdempotencyKey{Scope: "key-1", Route: "POST /x", Key: "k"}
	hash, err := RequestHash(map[string]any{"text": "Olá", "speed": 1}, "aa", "bb")
	require.NoError(t, err)
	same, err := RequestHash(map[string]any{"speed": 1, "text": "Olá"}, "aa", "bb")
	require.NoError(t, err)
	require.Equal(t, hash, same)
	other, err := RequestHash(map[string]any{"text": "Olá", "speed": 1}, "bb", "aa")
	require.NoError(t, err)
	require.NotEqual(t, hash, other)

	r, err := b.BeginIdempotent(b.ctx, key, hash)
	require.NoError(t, err)
	require.Nil(t, r)
	_, err = b.BeginIdempotent(b.ctx, key, hash)
	require.ErrorIs(t, err, ErrInFlight)
	_, err = b.BeginIdempotent(b.ctx, key, other)
	require.ErrorIs(t, err, ErrKeyReused)
	j := b.submit(keyed(key))

	r, err = b.BeginIdempotent(b.ctx, key, hash)
	require.NoError(t, err)
	require.Equal(t, j.ID, *r.ResourceID)
	require.Equal(t, 202, r.StatusCode)
	_, err = b.BeginIdempotent(b.ctx, key, other)
	require.ErrorIs(t, err, ErrKeyReused)

	// Another scope or route is another request.
	for _, k := range []IdempotencyKey{{"key-2", key.Route, key.Key}, {key.Scope, "POST /y", key.Key}} {
		r, err = b.BeginIdempotent(b.ctx, k, other)
		require.NoError(t, err)
		require.Nil(t, r)
		require.NoError(t, b.AbandonIdempotent(b.ctx, k))
		r, err = b.BeginIdempotent(b.ctx, k, hash)
		require.NoError(t, err)
		require.Nil(t, r, "a refused request does not keep its key")
		require.NoError(t, b.EndIdempotent(b.ctx, k, Replay{StatusCode: 201, Body: []byte(`{"id":1}`)}))
		r, err = b.BeginIdempotent(b.ctx, k, hash)
		require.NoError(t, err)
		require.JSONEq(t, `{"id":1}`, string(r.Body))
	}

	// After a day, and after a server that died in between, the key is free.
	b.exec(`update idempotency set created_at = now() - interval '25 hours'`)
	r, err = b.BeginIdempotent(b.ctx, key, other)
	require.NoError(t, err)
	require.Nil(t, r)
	b.exec(`update idempotency set created_at = now() - interval '25 hours'`)
	_, err = b.BeginIdempotent(b.ctx, key, other)
	require.ErrorIs(t, err, ErrInFlight, "a request that is still at work keeps its key, however long it takes")
	b.boot("kernel-1")
	r, err = b.BeginIdempotent(b.ctx, key, hash)
	require.NoError(t, err)
	require.Nil(t, r, "its server is gone")
}

// A key is free as soon as nobody works on its request: when the server starts again, or another node sees that it is
// dead.
func TestKeyIsFreeAfterItsServerDied(t *testing.T) {
	b := newBench(t)
	key := IdempotencyKey{Scope: "s", Route: "r", Key: "k"}
	node2 := b.node(uuid.New(), "kernel-2")
	free := func(s *Service) bool {
		r, err := s.BeginIdempotent(b.ctx, key, []byte("hash"))
		require.Nil(t, r)
		if err != nil {
			require.ErrorIs(t, err, ErrInFlight)
		}
		return err == nil
	}
	require.True(t, free(node2))
	require.False(t, free(b.Service), "node2 lives and works on it")
	b.exec(`update nodes set seen_at = now() - interval '1 minute' where id = $1`, node2.cfg.NodeID)
	require.True(t, free(b.Service), "node2 is dead")
	require.False(t, free(node2), "it wakes up: the key is another's")
	_, err := node2.Submit(b.ctx, keyed(key))
	require.NoError(t, err, "whoever commits first has it")
	_, err = b.Submit(b.ctx, keyed(key))
	require.ErrorIs(t, err, ErrInFlight)
	require.NoError(t, b.AbandonIdempotent(b.ctx, key))
	r, err := b.BeginIdempotent(b.ctx, key, []byte("hash"))
	require.NoError(t, err)
	require.NotNil(t, r.ResourceID)
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs`))

	key.Key = "left"
	require.True(t, free(b.Service))
	require.NoError(t, b.Leave(b.ctx))
	require.True(t, free(b.node(uuid.New(), "kernel-3")))
	b.exec(`update idempotency set boot_id = null where key = 'left'`)
	require.True(t, free(b.node(uuid.New(), "kernel-4")), "a row of an older version")
}

// Postgres that goes away at any step of a request with a key: the same key leads to one answer, at once.
func TestAKeyOutlivesALostDatabase(t *testing.T) {
	b, proxy, _ := newLossyBench(t)
	key := IdempotencyKey{Scope: "s", Route: "r"}
	begin := func() (*Replay, error) { return b.BeginIdempotent(b.ctx, key, []byte("hash")) }

	key.Key = "begin"
	proxy.LoseAnswer(1)
	_, err := begin()
	require.True(t, store.Unavailable(err), "%v", err)
	r, err := begin()
	require.NoError(t, err, "the key is free at once")
	require.Nil(t, r)
	_, err = begin()
	require.ErrorIs(t, err, ErrInFlight, "the second request works on it")

	proxy.LoseAnswer(1)
	_, err = b.Submit(b.ctx, keyed(key))
	require.True(t, store.Unavailable(err), "%v", err)
	require.NoError(t, b.AbandonIdempotent(b.ctx, key))
	r, err = begin()
	require.NoError(t, err)
	require.NotNil(t, r, "the job was made, and this is its answer")
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs where id = $1`, *r.ResourceID))

	key.Key = "down"
	_, err = begin()
	require.NoError(t, err)
	proxy.Down()
	_, err = b.Submit(b.ctx, keyed(key))
	require.True(t, store.Unavailable(err), "%v", err)
	require.Error(t, b.AbandonIdempotent(b.ctx, key))
	proxy.Up()
	r, err = begin()
	require.NoError(t, err)
	require.Nil(t, r)
	require.NoError(t, b.AbandonIdempotent(b.ctx, key))
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs`))

	for name, away := range map[string]func(){"lost": func() { proxy.LoseAnswer(1) }, "down": proxy.Down} {
		key.Key = name
		_, err = begin()
		require.NoError(t, err)
		away()
		require.NoError(
			t,
			b.EndIdempotent(b.ctx, key, Replay{StatusCode: 201, Body: []byte(`{"id":1}`)}),
			"what was made is made",
		)
		proxy.Up()
		require.Eventually(t, func() bool {
			r, err := begin()
			if err != nil {
				require.ErrorIs(t, err, ErrInFlight)
				return false
			}
			require.NotNil(t, r, "it may not be made again")
			return string(r.Body) == `{"id": 1}`
		}, time.Minute, 10*time.Millisecond)
	}
}

func TestConcurrentSubmitsWithOneKeyMakeOneJob(t *testing.T) {
	b := newBench(t)
	key := IdempotencyKey{Scope: "s", Route: "r", Key: "k"}
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	ids := map[uuid.UUID]bool{}
	note := func(what string, id *uuid.UUID) {
		mu.Lock()
		defer mu.Unlock()
		answers[what]++
		if id != nil {
			ids[*id] = true
		}
	}
	for range 12 {
		wg.Go(func() {
			r, err := b.BeginIdempotent(b.ctx, key, []byte("hash"))
			switch {
			case errors.Is(err, ErrInFlight):
				note("in flight", nil)
			case err != nil:
				note(err.Error(), nil)
			case r != nil:
				note("replay", r.ResourceID)
			default:
				j, err := b.Submit(b.ctx, keyed(key))
				require.NoError(t, err)
				note("made", &j.ID)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, answers["made"])
	require.Equal(t, 12, answers["made"]+answers["in flight"]+answers["replay"], "%v", answers)
	require.Len(t, ids, 1)
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs`))
}

func TestASubmitWhoseKeyWasTakenOverLeavesNothing(t *testing.T) {
	b := newBench(t)
	key := IdempotencyKey{Scope: "s", Route: "r", Key: "k"}
	_, err := b.BeginIdempotent(b.ctx, key, []byte("hash"))
	require.NoError(t, err)
	b.submit(keyed(key)) // the one that took over was faster
	_, err = b.Submit(b.ctx, keyed(key))
	require.ErrorIs(t, err, ErrInFlight)
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs`))
	require.Len(t, b.kinds(uuid.Nil), 1)
}
