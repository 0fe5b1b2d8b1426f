package httpapi

import (
	"net/http"
	"sync"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
)

// streams counts the open sockets and event streams of each owner.
type streams struct {
	mu   sync.Mutex
	open map[uuid.UUID]int
}

// take counts one more until release is called. It fails with a 429 when the owner has reached the limit.
func (s *streams) take(p auth.Principal, most int) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[p.Owner] >= most {
		refused := newProblem(
			http.StatusTooManyRequests,
			"too_many_streams",
			i18n.Say("Too many connections"),
			i18n.Say(
				"%d sockets and event streams of yours are open, as many as http.max_streams allows: close some first",
				most,
			),
		)
		refused.retryAfter = "2"
		return nil, refused
	}
	if s.open == nil {
		s.open = map[uuid.UUID]int{}
	}
	s.open[p.Owner]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[p.Owner]--; s.open[p.Owner] == 0 {
			delete(s.open, p.Owner)
		}
	}, nil
}
