package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/jobs"
)

const (
	longestMessage = 16 << 10
	writePatience  = 10 * time.Second
	readPatience   = 3 * keepAlive
)

// socketRequest is what a client sends.
type socketRequest struct {
	Op     string   `json:"op"`
	Topics []string `json:"topics"`
	Since  *int64   `json:"since"`
}

// socket is one WebSocket connection: a reader that takes requests, and one writer for each subscription at a time.
type socket struct {
	server *Server
	conn   *websocket.Conn
	who    auth.Principal

	writing sync.Mutex // gorilla takes one writer at a time

	mu     sync.Mutex
	topics map[string]context.CancelFunc
}

func (s *Server) socket(c echo.Context) error {
	p, err := s.cfg.Auth.AuthenticateSocket(c.Request().Context(), c.Request())
	if err != nil {
		return err
	}
	if err := p.Require(auth.Read); err != nil {
		return err
	}
	// The origin of a cookie has been checked; a key or ticket cannot be forged by another site.
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, EnableCompression: false}
	conn, err := upgrader.Upgrade(c.Response(), c.Request(), nil)
	if err != nil {
		return nil // the upgrader has answered
	}
	so := &socket{server: s, conn: conn, who: p, topics: map[string]context.CancelFunc{}}
	so.serve(c.Request().Context())
	return nil
}

func (so *socket) serve(parent context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	defer cancel()
	stop := context.AfterFunc(so.server.stopping, func() {
		so.close(websocket.CloseServiceRestart, "the studio stops")
	})
	defer stop()
	defer so.conn.Close()
	so.conn.SetReadLimit(longestMessage)
	alive := func(string) error { return so.conn.SetReadDeadline(time.Now().Add(readPatience)) }
	so.conn.SetPongHandler(alive)
	_ = alive("")
	go so.ping(ctx)
	for {
		kind, message, err := so.conn.ReadMessage()
		if err != nil {
			return
		}
		_ = alive("")
		if kind != websocket.TextMessage {
			so.problem(invalid("op", "send JSON text messages"))
			continue
		}
		so.take(ctx, message)
	}
}

func (so *socket) ping(ctx context.Context) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if so.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writePatience)) != nil {
				return
			}
		}
	}
}

func (so *socket) take(ctx context.Context, message []byte) {
	var request socketRequest
	if err := json.Unmarshal(message, &request); err != nil {
		so.problem(newProblem(422, "bad_json", "The message is no JSON object", jsonTrouble(err)))
		return
	}
	switch request.Op {
	case "ping":
		so.send(map[string]any{"type": "pong"})
	case "subscribe":
		so.subscribe(ctx, request)
	case "unsubscribe":
		so.mu.Lock()
		for _, topic := range request.Topics {
			if cancel := so.topics[topic]; cancel != nil {
				cancel()
				delete(so.topics, topic)
			}
		}
		so.mu.Unlock()
	default:
		so.problem(invalid("op", "op must be subscribe, unsubscribe or ping"))
	}
}

// subscribe follows the topics as one stream: an event that belongs to two of them is sent once.
func (so *socket) subscribe(ctx context.Context, request socketRequest) {
	filter, err := so.filter(request.Topics)
	if err != nil {
		so.problem(problemOf(err))
		return
	}
	following, cancel := context.WithCancel(ctx)
	so.mu.Lock()
	for _, topic := range request.Topics {
		if earlier := so.topics[topic]; earlier != nil {
			earlier()
		}
		so.topics[topic] = cancel
	}
	so.mu.Unlock()
	sub := so.server.cfg.Hub.Subscribe(filter)
	go func() {
		defer sub.Close()
		defer cancel()
		f := &follower{socket: so, filter: filter, sub: sub}
		f.run(following, request.Since)
	}()
}

func (so *socket) filter(topics []string) (events.Filter, error) {
	filter := events.Filter{Owner: &so.who.Owner}
	all, one := false, false
	for _, topic := range topics {
		id, isJob := strings.CutPrefix(topic, "job:")
		switch {
		case topic == "jobs":
			all = true
		case topic == "system":
			filter.System = true
		case isJob && !one:
			job, err := uuid.Parse(id)
			if err != nil {
				return filter, jobs.ErrNotFound
			}
			one, filter.Job = true, &job
		default:
			return filter, invalid("topics", "topics are jobs, system and job:{id}, one job a message")
		}
	}
	switch {
	case len(topics) == 0:
		return filter, invalid("topics", "name at least one topic: jobs, system or job:{id}")
	case all:
		filter.Job = nil
	case !one:
		none := uuid.Nil
		filter.Job = &none // system alone: no job has this id
	}
	return filter, nil
}

// follower tells one subscription's story: snapshot or replay, then live.
type follower struct {
	socket *socket
	filter events.Filter
	sub    *events.Subscription
	last   int64
}

func (f *follower) run(ctx context.Context, since *int64) {
	ok := false
	if since == nil {
		ok = f.snapshot(ctx)
	} else {
		f.last = *since
		ok = f.replay(ctx)
	}
	for ok && ctx.Err() == nil {
		message, found, err := f.sub.Next(ctx.Done())
		switch {
		case errors.Is(err, events.ErrSlow):
			f.socket.close(websocket.CloseTryAgainLater, "too slow: connect again and resume")
			return
		case err != nil:
			f.socket.close(websocket.CloseServiceRestart, "connect again and resume")
			return
		case found:
			ok = f.tell(ctx, message)
		}
	}
}

// snapshot sends the active jobs and the number that they are as of.
func (f *follower) snapshot(ctx context.Context) bool {
	list, asOf, err := f.socket.server.cfg.Jobs.Active(ctx, &f.socket.who.Owner)
	if err != nil {
		return f.socket.problem(problemOf(err))
	}
	if f.filter.Job != nil {
		var one []*jobs.Job
		for _, job := range list {
			if job.ID == *f.filter.Job {
				one = append(one, job)
			}
		}
		list = one
	}
	views, err := f.socket.server.views(ctx, list...)
	if err != nil {
		return f.socket.problem(problemOf(err))
	}
	f.last = asOf
	return f.socket.send(map[string]any{"type": "snapshot", "as_of": asOf, "jobs": views})
}

// replay sends what followed the last number that the client saw, or starts it anew when that is too long ago.
func (f *follower) replay(ctx context.Context) bool {
	for {
		missed, reset, more, err := f.socket.server.cfg.Hub.Since(ctx, f.filter, f.last)
		if err != nil {
			return f.socket.problem(problemOf(err))
		}
		if reset {
			return f.socket.send(map[string]any{"type": "reset"}) && f.snapshot(ctx)
		}
		for i := range missed {
			if !f.tell(ctx, events.Message{State: &missed[i]}) {
				return false
			}
		}
		if !more {
			return true
		}
	}
}

func (f *follower) tell(ctx context.Context, message events.Message) bool {
	switch {
	case message.Progress != nil:
		return f.socket.send(progressMessage(message.Progress))
	case message.Preview != nil:
		return f.socket.binary(append(message.Preview.Job[:], message.Preview.JPEG...))
	case message.State == nil || message.State.Seq <= f.last:
		return true
	}
	e := message.State
	f.last = e.Seq
	out := map[string]any{"type": "event", "seq": e.Seq, "event": e.Type}
	if e.Job == nil {
		out["data"] = e.Data
		return f.socket.send(out)
	}
	view, err := f.socket.server.eventView(ctx, *e)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		out["data"] = map[string]any{"job_id": e.Job, "deleted": true}
	case err != nil:
		return f.socket.problem(problemOf(err))
	default:
		out["job"] = view
	}
	return f.socket.send(out)
}

func (so *socket) send(value any) bool {
	data, err := json.Marshal(value)
	if err != nil {
		return false
	}
	return so.write(websocket.TextMessage, data)
}

func (so *socket) binary(data []byte) bool { return so.write(websocket.BinaryMessage, data) }

func (so *socket) write(kind int, data []byte) bool {
	so.writing.Lock()
	defer so.writing.Unlock()
	_ = so.conn.SetWriteDeadline(time.Now().Add(writePatience))
	if so.conn.WriteMessage(kind, data) != nil {
		so.conn.Close() // the reader ends with it
		return false
	}
	return true
}

func (so *socket) problem(p *Problem) bool {
	return so.send(map[string]any{"type": "error", "error": p})
}

func (so *socket) close(code int, reason string) {
	_ = so.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(writePatience))
	_ = so.conn.Close()
}
