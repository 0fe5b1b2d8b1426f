package jobs

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
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
	b.exec(`update idempotency set created_at = now() - interval '2 minutes'`)
	r, err = b.BeginIdempotent(b.ctx, key, other)
	require.NoError(t, err)
	require.Nil(t, r)
}

func TestManyWithOneKeyMakeOneJob(t *testing.T) {
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
