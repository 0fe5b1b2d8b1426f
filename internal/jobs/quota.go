package jobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Up to the cap: more is as full.
const countOpenSQL = `
	select count(*) from (select from generation_jobs
	                       where owner_id = $1 and status in ('queued', 'processing')
	                       order by status, created_at, id limit $2) o`

// countLife is how long a count of an owner's jobs serves. Jobs that other nodes accept in that time may exceed the
// cap.
const countLife = time.Second

// quota knows about how many unfinished jobs each owner has: a burst does not count thousands of rows for each of its
// submissions. The zero value works.
type quota struct {
	mu     sync.Mutex
	owners map[uuid.UUID]openJobs
}

// openJobs is a count plus the jobs submitted here since; jobs that ended since are not subtracted.
type openJobs struct {
	n  int
	at time.Time
}

// checkQuota takes places for that many more jobs of an owner. Fails with ErrQueueFull, never on an old count.
func (s *Service) checkQuota(ctx context.Context, owner uuid.UUID, more int) error {
	if s.cfg.MaxQueued <= 0 || s.quota.take(owner, more, s.cfg.MaxQueued) {
		return nil
	}
	at := time.Now()
	var open int
	if err := s.cfg.Pool.QueryRow(ctx, countOpenSQL, owner, s.cfg.MaxQueued).Scan(&open); err != nil {
		return fmt.Errorf("jobs: count open jobs: %w", err)
	}
	if open+more > s.cfg.MaxQueued {
		return ErrQueueFull
	}
	s.quota.counted(owner, openJobs{n: open + more, at: at})
	return nil
}

func (q *quota) take(owner uuid.UUID, more, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	known, ok := q.owners[owner]
	if !ok || known.n+more > limit || time.Since(known.at) >= countLife {
		return false
	}
	known.n += more
	q.owners[owner] = known
	return true
}

// counted keeps a new count. It forgets the owners whose counts are old, so that the map stays as small as the load.
func (q *quota) counted(owner uuid.UUID, fresh openJobs) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.owners == nil {
		q.owners = map[uuid.UUID]openJobs{}
	}
	for other, known := range q.owners {
		if time.Since(known.at) >= countLife {
			delete(q.owners, other)
		}
	}
	q.owners[owner] = fresh
}
