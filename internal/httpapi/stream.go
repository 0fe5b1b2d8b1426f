package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
)

// keepAlive is the pause between signs of life on streams and sockets; it is below the idle limits of proxies.
const keepAlive = 15 * time.Second

type jobEventsInput struct {
	JobPath
	LastEventID string `header:"Last-Event-ID" doc:"The last seq that was seen"`
	Since       string `query:"since" doc:"The same, for clients that cannot set headers"`
}

// jobEvents is the event stream of one job: the same events as on the WebSocket, until the job ends.
func (s *Server) jobEvents(ctx context.Context, p auth.Principal, in *jobEventsInput) (*huma.StreamResponse, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	if _, err := s.cfg.Jobs.Get(ctx, p.Owner, id); err != nil {
		return nil, err
	}
	last := in.LastEventID
	if last == "" {
		last = in.Since
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		c := humaecho.UnwrapV4(hctx)
		release, err := s.streams.take(p, s.cfg.MaxStreams)
		if err != nil {
			s.writeProblem(c.Response(), c.Request(), err)
			return
		}
		defer release()
		e := &eventStream{server: s, w: c.Response(), owner: p.Owner, job: id}
		e.run(c.Request().Context(), last)
	}}, nil
}

// eventStream writes one job's events as they come.
type eventStream struct {
	server *Server
	w      http.ResponseWriter
	owner  uuid.UUID
	job    uuid.UUID
	last   int64
	ended  bool
}

func (e *eventStream) run(ctx context.Context, last string) {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	e.w.WriteHeader(http.StatusOK)
	filter := events.Filter{Owner: &e.owner, Job: &e.job}
	sub := e.server.cfg.Hub.Subscribe(filter)
	defer sub.Close()
	if !e.catchUp(ctx, filter, last) {
		return
	}
	e.follow(ctx, sub)
}

// catchUp sends the events that the client missed, or the job itself when the client connects for the first time.
func (e *eventStream) catchUp(ctx context.Context, filter events.Filter, last string) bool {
	since, err := strconv.ParseInt(last, 10, 64)
	for err == nil && !e.ended {
		missed, reset, more, readErr := e.server.cfg.Hub.Since(ctx, filter, since)
		if readErr != nil {
			return false
		}
		if reset {
			break
		}
		for _, event := range missed {
			if !e.state(ctx, event) {
				return false
			}
			since = event.Seq
		}
		if !more {
			return !e.ended
		}
	}
	if e.ended {
		return false
	}
	return e.snapshot(ctx)
}

func (e *eventStream) snapshot(ctx context.Context) bool {
	newest, err := e.server.cfg.Hub.Newest(ctx)
	if err != nil {
		return false
	}
	job, err := e.server.cfg.Jobs.GetAny(ctx, e.job)
	if err != nil {
		return false
	}
	view, err := e.server.oneView(ctx, job)
	if err != nil {
		return false
	}
	e.last = newest
	e.send(newest, "job.snapshot", view)
	return !job.Status.Terminal()
}

func (e *eventStream) follow(ctx context.Context, sub *events.Subscription) {
	for !e.ended {
		done, cancel := context.WithTimeout(ctx, keepAlive)
		stop := context.AfterFunc(e.server.stopping, cancel)
		message, ok, err := sub.Next(done.Done())
		stop()
		cancel()
		switch {
		case err != nil || ctx.Err() != nil || e.server.stopping.Err() != nil:
			return // the client comes back with Last-Event-ID
		case !ok:
			e.write([]byte(": alive\n\n"))
		case message.State != nil && !e.state(ctx, *message.State):
			return
		case message.Progress != nil:
			e.progress(ctx, message.Progress)
		}
	}
}

// state sends a state event unless it was sent already; false when the stream is broken.
func (e *eventStream) state(ctx context.Context, event events.Event) bool {
	if event.Seq <= e.last {
		return true
	}
	e.last = event.Seq
	view, ended, err := e.server.renderEvent(ctx, event)
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, jobs.ErrNotFound):
		e.send(event.Seq, jobs.EventDeleted, map[string]any{"id": e.job, "deleted": true})
		e.ended = true
	case err != nil:
		return false
	default:
		e.send(event.Seq, event.Type, view)
		e.ended = e.ended || ended
	}
	return true
}

func (e *eventStream) progress(ctx context.Context, p *events.JobProgress) {
	e.send(0, "progress", e.server.progressMessage(ctx, p))
}

func (e *eventStream) send(seq int64, name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		e.ended = true // the client comes back with the last number that it saw
		return
	}
	text := fmt.Sprintf("event: %s\ndata: %s\n\n", name, data)
	if seq > 0 {
		text = fmt.Sprintf("id: %d\n", seq) + text
	}
	e.write([]byte(text))
}

func (e *eventStream) write(text []byte) {
	if _, err := e.w.Write(text); err != nil {
		e.ended = true
		return
	}
	if err := http.NewResponseController(e.w).Flush(); err != nil {
		e.ended = true
	}
}

// progressMessage is progress as sockets and streams send it.
func (s *Server) progressMessage(ctx context.Context, p *events.JobProgress) map[string]any {
	return map[string]any{"type": "progress", "job_id": p.Job, "progress": p.Progress.Fraction,
		"progress_detail": s.progressDetail(ctx, p.Job, p.Progress)}
}

// queueEvent is the data of an event about the queue with its message in the caller's language.
func (s *Server) queueEvent(ctx context.Context, data json.RawMessage) json.RawMessage {
	var state struct {
		Paused   bool            `json:"paused"`
		Cause    *string         `json:"cause"`
		Message  string          `json:"message"`
		Sentence json.RawMessage `json:"sentence"`
	}
	if json.Unmarshal(data, &state) != nil {
		return data
	}
	message := told(ctx, i18n.Restore(state.Message, state.Sentence))
	rendered, err := json.Marshal(
		map[string]any{"paused": state.Paused, "cause": state.Cause, "message": orNull(message)},
	)
	if err != nil {
		return data
	}
	return rendered
}
