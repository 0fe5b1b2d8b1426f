package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
)

const (
	longestMessage = 16 << 10
	writePatience  = 10 * time.Second
	readPatience   = 3 * keepAlive
	// closePatience is short: the studio does not wait for a client that does not read.
	closePatience = time.Second
)

// socketRequest is a client's message.
type socketRequest struct {
	Op     string   `json:"op"`
	Topics []string `json:"topics"`
	Since  *int64   `json:"since"`
}

// socket is one WebSocket connection: a reader that takes requests, and a follower for each subscription.
type socket struct {
	server *Server
	conn   *websocket.Conn
	who    auth.Principal

	writing sync.Mutex // gorilla takes one writer at a time

	// topics are the followers by their topics. Only the reader touches it.
	topics map[string]*follower
}

// mostTopics of one socket.
const mostTopics = 64

func (s *Server) socket(c echo.Context) error {
	p, ok := auth.FromContext(c.Request().Context())
	if !ok {
		return auth.ErrUnauthenticated
	}
	release, err := s.streams.take(p, s.cfg.MaxStreams)
	if err != nil {
		return err
	}
	defer release()
	// The origin of a cookie has been checked; a key or ticket cannot be forged by another site.
	upgrader := websocket.Upgrader{
		CheckOrigin:       func(*http.Request) bool { return true },
		EnableCompression: false,
		HandshakeTimeout:  writePatience,
	}
	conn, err := upgrader.Upgrade(c.Response(), c.Request(), nil)
	if err != nil {
		return nil // the upgrader has answered
	}
	ctx, stop := s.cfg.Auth.Watch(context.WithoutCancel(c.Request().Context()), p)
	defer stop()
	so := &socket{server: s, conn: conn, who: p, topics: map[string]*follower{}}
	so.serve(ctx)
	return nil
}

func (so *socket) serve(parent context.Context) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	defer context.AfterFunc(parent, so.signedOut)()
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
			so.problem(ctx, invalid("op", i18n.Say("send JSON text messages")))
			continue
		}
		so.take(ctx, message)
	}
}

// signedOut closes the socket when its key or session has ended.
func (so *socket) signedOut() {
	so.close(websocket.ClosePolicyViolation, "the key or session has ended")
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
		so.problem(ctx, newProblem(422, "bad_json", i18n.Say("The message is not a JSON object"), jsonTrouble(err)))
		return
	}
	switch request.Op {
	case "ping":
		so.send(map[string]any{"type": "pong"})
	case "subscribe":
		so.subscribe(ctx, request)
	case "unsubscribe":
		so.leave(ctx, request.Topics)
	default:
		so.problem(ctx, invalid("op", i18n.Say("op must be subscribe, unsubscribe or ping")))
	}
}

// subscribe follows the topics as one stream: an event that belongs to two of them is sent once.
func (so *socket) subscribe(ctx context.Context, request socketRequest) {
	if err := so.check(ctx, request.Topics); err != nil {
		so.refuse(ctx, err)
		return
	}
	so.leave(ctx, request.Topics)
	so.follow(ctx, request.Topics, request.Since)
}

// leave ends the subscription to the topics. A follower that has other topics too goes on with those.
func (so *socket) leave(ctx context.Context, topics []string) {
	for _, topic := range topics {
		f := so.topics[topic]
		if f == nil {
			continue
		}
		f.cancel()
		<-f.ended
		rest := slices.DeleteFunc(slices.Clone(f.topics), func(t string) bool { return t == topic })
		delete(so.topics, topic)
		if len(rest) > 0 {
			last := f.last
			so.follow(ctx, rest, &last)
		}
	}
}

func (so *socket) follow(parent context.Context, topics []string, since *int64) {
	ctx, cancel := context.WithCancel(parent)
	filter := so.filter(topics)
	f := &follower{
		socket: so,
		topics: slices.Compact(slices.Sorted(slices.Values(topics))),
		filter: filter,
		sub:    so.server.cfg.Hub.Subscribe(filter),
		cancel: cancel,
		ended:  make(chan struct{}),
	}
	for _, topic := range f.topics {
		so.topics[topic] = f
	}
	go func() {
		defer close(f.ended)
		defer f.sub.Close()
		defer cancel()
		f.run(ctx, since)
	}()
}

// check refuses topics that do not exist, or are not the caller's.
func (so *socket) check(ctx context.Context, topics []string) error {
	jobTopics := 0
	for _, topic := range topics {
		id, isJob := strings.CutPrefix(topic, "job:")
		switch {
		case topic == "jobs", topic == "system":
		case isJob:
			jobTopics++
			job, err := uuid.Parse(id)
			if err != nil {
				return jobs.ErrNotFound
			}
			if _, err := so.server.cfg.Jobs.Get(ctx, so.who.Owner, job); err != nil {
				return err
			}
		default:
			return invalid("topics", i18n.Say("topics are jobs, system and job:{id}"))
		}
	}
	switch {
	case len(topics) == 0:
		return invalid("topics", i18n.Say("name at least one topic: jobs, system or job:{id}"))
	case jobTopics > 1:
		return invalid("topics", i18n.Say("name one job in a message: subscribe again for the next"))
	case len(so.topics)+len(topics) > mostTopics:
		return invalid("topics", i18n.Say("this socket follows too many topics: unsubscribe from some, or follow jobs"))
	}
	return nil
}

func (so *socket) filter(topics []string) events.Filter {
	none := uuid.Nil
	filter := events.Filter{
		Owner:  &so.who.Owner,
		System: slices.Contains(topics, "system"),
		Job:    &none,
	} // no job has this id
	for _, topic := range topics {
		if id, ok := strings.CutPrefix(topic, "job:"); ok {
			job := uuid.MustParse(id) // it has been checked
			filter.Job = &job
		}
	}
	if slices.Contains(topics, "jobs") {
		filter.Job = nil
	}
	return filter
}

// follower serves one subscription: a snapshot or a replay, then live events.
type follower struct {
	socket *socket
	topics []string
	filter events.Filter
	sub    *events.Subscription
	cancel context.CancelFunc
	ended  chan struct{}
	// last number that was sent; others read it only after ended.
	last int64
}

// run ends with the socket. It closes the socket when an event cannot be sent: the client would miss it and not notice.
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
		case err != nil && ctx.Err() == nil:
			f.socket.close(websocket.CloseServiceRestart, "connect again and resume")
			return
		case found:
			ok = f.tell(ctx, message)
		}
	}
}

// broken closes the socket when an event cannot be sent. The client connects again and resumes from the last number
// that it saw.
func (f *follower) broken(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		f.socket.server.answer(ctx, err) // logs the studio's own failures
		f.socket.close(websocket.CloseTryAgainLater, "an event could not be read: connect again and resume")
	}
	return false
}

// snapshot sends the active jobs and the number of the last event that they include.
func (f *follower) snapshot(ctx context.Context) bool {
	list, asOf, err := f.socket.server.cfg.Jobs.Active(ctx, f.socket.who.Owner)
	if err != nil {
		return f.broken(ctx, err)
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
		return f.broken(ctx, err)
	}
	f.last = asOf
	return f.socket.send(map[string]any{"type": "snapshot", "as_of": asOf, "jobs": views})
}

// replay sends the events after the last number that the client saw, or a reset when that is too long ago.
func (f *follower) replay(ctx context.Context) bool {
	for {
		missed, reset, more, err := f.socket.server.cfg.Hub.Since(ctx, f.filter, f.last)
		if err != nil {
			return f.broken(ctx, err)
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
		return f.socket.send(f.socket.server.progressMessage(ctx, message.Progress))
	case message.Preview != nil:
		return f.socket.binary(append(message.Preview.Job[:], message.Preview.JPEG...))
	case message.State == nil || message.State.Seq <= f.last:
		return true
	}
	e := message.State
	f.last = e.Seq
	out := map[string]any{"type": "event", "seq": e.Seq, "event": e.Type}
	if e.Job == nil {
		if out["data"] = e.Data; e.Type == jobs.EventQueuePaused || e.Type == jobs.EventQueueResumed {
			out["data"] = f.socket.server.queueEvent(ctx, e.Data)
		}
		return f.socket.send(out)
	}
	view, _, err := f.socket.server.renderEvent(ctx, *e)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		out["data"] = map[string]any{"job_id": e.Job, "deleted": true}
	case err != nil:
		return f.broken(ctx, err)
	default:
		out["job"] = view
	}
	return f.socket.send(out)
}

func (so *socket) send(value any) bool {
	data, err := json.Marshal(value)
	if err != nil {
		so.close(websocket.CloseInternalServerErr, "a message could not be written: connect again and resume")
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

// problem sends the client the fault of its message.
func (so *socket) problem(ctx context.Context, err error) {
	if ctx.Err() == nil {
		so.send(map[string]any{"type": "error", "error": so.server.answer(ctx, err)})
	}
}

// refuse sends a problem when the client's message is wrong. When the studio has failed, it closes the socket, so that
// the client connects again.
func (so *socket) refuse(ctx context.Context, err error) {
	if p := problemOf(err); p.status < http.StatusInternalServerError {
		so.problem(ctx, p)
	} else if ctx.Err() == nil {
		so.server.answer(ctx, err)
		so.close(websocket.CloseTryAgainLater, "the topics could not be checked: connect again and resume")
	}
}

func (so *socket) close(code int, reason string) {
	_ = so.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason),
		time.Now().Add(closePatience))
	_ = so.conn.Close()
}
