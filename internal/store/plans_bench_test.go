package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/store/storetest"
)

// BenchmarkLongHistory measures a submit with its answer's position, and a scheduling pass, of an empty studio and of
// one with a long history and queue.
func BenchmarkLongHistory(b *testing.B) {
	empty, long := storetest.New(b), storetest.New(b)
	conn, err := long.Pool().Acquire(b.Context())
	require.NoError(b, err)
	storetest.FillHistory(b, conn.Conn(), 100_000)
	conn.Release()
	for name, pool := range map[string]*pgxpool.Pool{"empty": empty.Pool(), "long": long.Pool()} {
		b.Run(name, func(b *testing.B) { timeSubmits(b, pool) })
	}
}

func timeSubmits(b *testing.B, pool *pgxpool.Pool) {
	service := jobs.New(jobs.Config{Pool: pool, NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k"})
	_, err := service.Recover(b.Context())
	require.NoError(b, err)
	spec := jobs.Spec{
		Owner:   auth.LocalAdmin,
		Type:    jobs.TypeSpeech,
		Quality: "draft",
		Engine:  "draft-speech",
		Params:  map[string]any{"text": "Olá", "seed": 7},
	}
	var submits, looks, lists []time.Duration
	timed := func(into *[]time.Duration, do func(ctx context.Context) error) {
		begin := time.Now()
		require.NoError(b, do(b.Context()))
		*into = append(*into, time.Since(begin))
	}
	owner := auth.LocalAdmin
	for b.Loop() {
		timed(&submits, func(ctx context.Context) error {
			job, err := service.Submit(ctx, spec)
			if err == nil {
				_, err = service.ETAs(ctx, job)
			}
			return err
		})
		timed(&looks, func(ctx context.Context) error { _, err := service.Queue(ctx, &owner); return err })
		timed(&lists, func(ctx context.Context) error {
			_, err := service.List(ctx, owner, jobs.Filter{Statuses: []jobs.Status{jobs.Failed}})
			return err
		})
	}
	for name, times := range map[string][]time.Duration{"submit": submits, "queue": looks, "list": lists} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, name+"-p95-ms")
	}
}
