package jobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

const countAllSQL = `
	select count(*) filter (where status = 'queued'), count(*) filter (where status = 'processing')
	  from generation_jobs where status in ('queued', 'processing')`

const countOwnSQL = `
	select count(*) filter (where status = 'queued'), count(*) filter (where status = 'processing')
	  from generation_jobs where status in ('queued', 'processing') and owner_id = $1`

// Counts are the unfinished jobs by status.
type Counts struct{ Queued, Processing int }

// counts keeps those of long queues for countLife, so that a thousand readers do not count the same queue a thousand
// times. Short ones are counted anew each time. The zero value works.
type counts struct {
	mu sync.Mutex
	of map[uuid.UUID]counted // uuid.Nil: of all owners
}

// longCount is how many unfinished jobs make counting them anew each time dear.
const longCount = 500

type counted struct {
	Counts
	at time.Time
}

// Counts of the unfinished jobs; owner nil: of all owners. Of a long queue they are up to a second old.
func (s *Service) Counts(ctx context.Context, owner *uuid.UUID) (Counts, error) {
	c := &s.counts
	key, sql, args := uuid.Nil, countAllSQL, []any{}
	if owner != nil {
		key, sql, args = *owner, countOwnSQL, []any{*owner}
	}
	c.mu.Lock()
	defer c.mu.Unlock() // while it counts, too: one count serves all who wait
	if known, ok := c.of[key]; ok && time.Since(known.at) < countLife {
		return known.Counts, nil
	}
	var found Counts
	if err := s.cfg.Pool.QueryRow(ctx, sql, args...).Scan(&found.Queued, &found.Processing); err != nil {
		return Counts{}, fmt.Errorf("jobs: count: %w", err)
	}
	if found.Queued+found.Processing > longCount {
		c.keep(key, found)
	} else {
		delete(c.of, key)
	}
	return found, nil
}

// keep remembers a count and forgets old ones.
func (c *counts) keep(key uuid.UUID, found Counts) {
	if c.of == nil {
		c.of = map[uuid.UUID]counted{}
	}
	for other, known := range c.of {
		if time.Since(known.at) >= countLife {
			delete(c.of, other)
		}
	}
	c.of[key] = counted{found, time.Now()}
}

// Queue returns the state of the queue. owner nil: of all jobs, else of the owner's.
func (s *Service) Queue(ctx context.Context, owner *uuid.UUID) (*QueueInfo, error) {
	state, err := s.QueueState(ctx)
	if err != nil {
		return nil, err
	}
	open, err := s.Counts(ctx, owner)
	if err != nil {
		return nil, err
	}
	f, err := s.forecast(ctx)
	if err != nil {
		return nil, err
	}
	info := &QueueInfo{QueueState: state, Queued: open.Queued, Processing: open.Processing, Waiting: f.order}
	if owner != nil {
		info.Waiting = f.byOwner[*owner]
		if info.NoMemory, err = s.shortJobs(ctx, *owner); err != nil {
			return nil, err
		}
	}
	return info, nil
}
