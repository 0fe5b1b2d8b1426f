package httpapi

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
)

// eventCache keeps the jobs of recent events as the JSON that listeners get, so that an event costs one query of the
// database however many sockets hear of it. The zero value works.
type eventCache struct {
	mu   sync.Mutex
	jobs map[eventKey]*cachedEvent
}

// eventKey is everything that the JSON depends on: the event, the host in its links, and the reader of its sentences.
type eventKey struct {
	seq    int64
	base   string
	reader i18n.Reader
}

type cachedEvent struct {
	once  sync.Once
	at    time.Time
	json  json.RawMessage
	final bool
	err   error
}

const (
	// cacheLife is short: an event that is replayed later shows the row of then.
	cacheLife      = 2 * time.Second
	mostCachedJobs = 1024
)

// renderEvent is the JSON of a state event's job, made once for all listeners with the same reader. terminal says that
// the job has ended.
func (s *Server) renderEvent(ctx context.Context, e events.Event) (job json.RawMessage, terminal bool, err error) {
	c := callerOf(ctx)
	key := eventKey{e.Seq, c.base, c.reader}
	cached := s.events.get(key, s.now())
	cached.once.Do(func() {
		// The result is shared, so it must not fail because one of its listeners has left.
		view, err := s.eventView(context.WithoutCancel(ctx), e)
		if err != nil {
			cached.err = err
			s.events.forget(key, cached) // the next listener tries again
			return
		}
		cached.final = view.CompletedAt != nil
		cached.json, cached.err = json.Marshal(view)
	})
	return cached.json, cached.final, cached.err
}

func (c *eventCache) get(key eventKey, now time.Time) *cachedEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.jobs[key]; found != nil && now.Sub(found.at) < cacheLife {
		return found
	}
	if c.jobs == nil || len(c.jobs) >= mostCachedJobs {
		c.drop(now)
	}
	fresh := &cachedEvent{at: now}
	c.jobs[key] = fresh
	return fresh
}

// forget drops an event whose JSON could not be made.
func (c *eventCache) forget(key eventKey, failed *cachedEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs[key] == failed {
		delete(c.jobs, key)
	}
}

// drop removes the old entries, or all when none is old.
func (c *eventCache) drop(now time.Time) {
	kept := map[eventKey]*cachedEvent{}
	for key, one := range c.jobs {
		if now.Sub(one.at) < cacheLife {
			kept[key] = one
		}
	}
	if len(kept) >= mostCachedJobs {
		kept = map[eventKey]*cachedEvent{}
	}
	c.jobs = kept
}
