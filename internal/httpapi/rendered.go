package httpapi

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
)

// rendered keeps the jobs of recent events as the JSON that listeners get, so that a thousand sockets cost one look at the database for
// each event. The zero value works.
type rendered struct {
	mu   sync.Mutex
	jobs map[renderKey]*rendering
}

// renderKey: what a listener reads depends on the event, on the host that links name and on who reads its sentences.
type renderKey struct {
	seq    int64
	base   string
	reader i18n.Reader
}

type rendering struct {
	once  sync.Once
	at    time.Time
	json  json.RawMessage
	final bool
	err   error
}

const (
	// renderedLife is short: an event that is replayed later shows the row of then.
	renderedLife = 2 * time.Second
	mostRendered = 1024
)

// event renders the job of a state event once for all who listen in the same way.
func (s *Server) renderEvent(ctx context.Context, e events.Event) (job json.RawMessage, terminal bool, err error) {
	c := callerOf(ctx)
	key := renderKey{e.Seq, c.base, c.reader}
	r := s.rendered.get(key, s.now())
	r.once.Do(func() {
		// It is for all who listen: that one of them leaves must not spoil it.
		view, err := s.eventView(context.WithoutCancel(ctx), e)
		if err != nil {
			r.err = err
			s.rendered.forget(key, r) // who comes back for it shall not find the failure again
			return
		}
		r.final = view.CompletedAt != nil
		r.json, r.err = json.Marshal(view)
	})
	return r.json, r.final, r.err
}

func (r *rendered) get(key renderKey, now time.Time) *rendering {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.jobs[key]; found != nil && now.Sub(found.at) < renderedLife {
		return found
	}
	if r.jobs == nil || len(r.jobs) >= mostRendered {
		r.drop(now)
	}
	fresh := &rendering{at: now}
	r.jobs[key] = fresh
	return fresh
}

// forget drops a rendering that failed.
func (r *rendered) forget(key renderKey, failed *rendering) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs[key] == failed {
		delete(r.jobs, key)
	}
}

// drop what is old, or everything when all of it is young.
func (r *rendered) drop(now time.Time) {
	kept := map[renderKey]*rendering{}
	for key, one := range r.jobs {
		if now.Sub(one.at) < renderedLife {
			kept[key] = one
		}
	}
	if len(kept) >= mostRendered {
		kept = map[renderKey]*rendering{}
	}
	r.jobs = kept
}
