package jobs

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/store/storetest"
)

// BenchmarkSubmit measures submissions by 8 clients at once: go test -bench Submit ./internal/jobs.
func BenchmarkSubmit(b *testing.B) {
	s := New(Config{Pool: storetest.New(b).Pool(), NodeID: uuid.New(), BootID: uuid.New()})
	ctx := context.Background()
	b.SetParallelism(4) // of 2 cores
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Submit(ctx, speech()); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkClaimFinish measures the database's part of a job's run.
func BenchmarkClaimFinish(b *testing.B) {
	s := New(Config{Pool: storetest.New(b).Pool(), NodeID: uuid.New(), BootID: uuid.New()})
	ctx := context.Background()
	for b.Loop() {
		j, err := s.Submit(ctx, speech())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Waiting(ctx); err != nil {
			b.Fatal(err)
		}
		c, err := s.Claim(ctx, j.ID, "cpu")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Finish(ctx, j.ID, c.Fence, Result{}); err != nil {
			b.Fatal(err)
		}
	}
}
