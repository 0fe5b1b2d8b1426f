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

// countLife is how long a count of an owner's jobs serves. What other nodes take in meanwhile may pass the cap by as much.
const countLife = time.Second

// room knows about how many unfinished jobs each owner has: a burst does not count thousands of rows for each of its
// submissions. The zero value works.
type room struct {
	mu     sync.Mutex
	owners map[uuid.UUID]openJobs
}

// openJobs is a count and what has been submitted here since; what ended since is not taken off.
type openJobs struct {
	n  int
	at time.Time
}

// checkRoom takes a place for one more job. Fails with ErrQueueFull, never on an old count.
func (s *Service) checkRoom(ctx context.Context, owner uuid.UUID) error {
	if s.cfg.MaxQueued <= 0 || s.room.take(owner, s.cfg.MaxQueued) {
		return nil
	}
	at := time.Now()
	var open int
	if err := s.cfg.Pool.QueryRow(ctx, countOpenSQL, owner, s.cfg.MaxQueued).Scan(&open); err != nil {
		return fmt.Errorf("jobs: count open jobs: %w", err)
	}
	if open >= s.cfg.MaxQueued {
		return ErrQueueFull
	}
	s.room.counted(owner, openJobs{n: open + 1, at: at})
	return nil
}

func (r *room) take(owner uuid.UUID, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.owners[owner]
	if !ok || known.n >= limit || time.Since(known.at) >= countLife {
		return false
	}
	known.n++
	r.owners[owner] = known
	return true
}

// counted keeps a new count. Owners whose counts are old are forgotten, so that the map stays as small as the present load.
func (r *room) counted(owner uuid.UUID, fresh openJobs) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owners == nil {
		r.owners = map[uuid.UUID]openJobs{}
	}
	for other, known := range r.owners {
		if time.Since(known.at) >= countLife {
			delete(r.owners, other)
		}
	}
	r.owners[owner] = fresh
}
