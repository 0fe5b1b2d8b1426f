package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
)

// client is one WebSocket.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

func (b *bench) dial(header http.Header, query string) (*client, *http.Response, error) {
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(b.http.URL, "http")+"/api/v1/ws"+query,
		header)
	if err != nil {
		return nil, response, err
	}
	b.t.Cleanup(func() { conn.Close() })
	return &client{b.t, conn}, response, nil
}

func (b *bench) connect() *client {
	b.t.Helper()
	c, _, err := b.dial(http.Header{"Authorization": {"Bearer " + b.key}}, "")
	require.NoError(b.t, err)
	return c
}

func (c *client) say(message object) {
	c.t.Helper()
	require.NoError(c.t, c.conn.WriteJSON(message))
}

func (c *client) hear() object {
	c.t.Helper()
	kind, data := c.next()
	require.Equal(c.t, websocket.TextMessage, kind)
	var o object
	require.NoError(c.t, json.Unmarshal(data, &o))
	return o
}

func (c *client) next() (int, []byte) {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	kind, data, err := c.conn.ReadMessage()
	require.NoError(c.t, err)
	return kind, data
}

// event hears the next message, which must be that event of that job.
func (c *client) event(kind string, job object) object {
	c.t.Helper()
	m := c.hear()
	require.Equal(c.t, "event", m["type"], m)
	require.Equal(c.t, kind, m["event"])
	require.Equal(c.t, job["id"], member(m, "job.id"))
	return m
}

func TestSocketSnapshotThenLive(t *testing.T) {
	b := newBench(t)
	first := b.speech()
	c := b.connect()
	c.say(object{"op": "subscribe", "topics": []string{"jobs", "system"}, "since": nil})
	snapshot := c.hear()
	require.Equal(t, "snapshot", snapshot["type"])
	require.Equal(t, first["id"], member(snapshot, "jobs.0.id"))
	require.EqualValues(t, 1, snapshot["as_of"])

	second := b.speech()
	require.EqualValues(t, 2, c.event("job.queued", second)["seq"])
	claimed := b.claim(idIn(t, first))
	require.Equal(t, "processing", member(c.event("job.started", first), "job.status"))
	b.hub.Progress(events.JobProgress{Job: claimed.ID, Owner: claimed.OwnerID, Progress: report.Progress{Fraction: 0.5,
		Stage: "sample"}})
	progress := c.hear()
	require.Equal(t, "progress", progress["type"])
	require.Equal(t, first["id"], progress["job_id"])
	require.EqualValues(t, 0.5, progress["progress"])
	require.NotContains(t, progress, "seq")
	b.hub.Preview(events.Preview{Job: claimed.ID, Owner: claimed.OwnerID, JPEG: []byte{0xFF, 0xD8, 1}})
	kind, data := c.next()
	require.Equal(t, websocket.BinaryMessage, kind)
	require.Equal(t, append(claimed.ID[:], 0xFF, 0xD8, 1), data, "the job's id, then the picture")
	b.finish(claimed)
	done := c.event("job.completed", first)
	require.EqualValues(t, 4, done["seq"])
	require.NotEmpty(t, member(done, "job.output_url"))
	b.send("PUT", "/api/v1/queue", object{"paused": true})
	paused := c.hear()
	require.Equal(t, "queue.paused", paused["event"])
	require.NotContains(t, paused, "job")
	c.say(object{"op": "ping"})
	require.Equal(t, "pong", c.hear()["type"])
}

// Engines' texts come in the listener's language, on sockets and on streams.
func TestListenersGetEngineTextsInTheirLanguage(t *testing.T) {
	knowEngines(t)
	b := newBench(t)
	job := b.speech()
	claimed := b.claim(idIn(t, job))
	topic := "job:" + job["id"].(string)
	listeners := map[string]*client{}
	for _, lang := range []string{"en", "pt-BR"} {
		c, _, err := b.dial(http.Header{"Authorization": {"Bearer " + b.key}, "Accept-Language": {lang}}, "")
		require.NoError(t, err)
		c.say(object{"op": "subscribe", "topics": []string{topic}, "since": nil})
		require.Equal(t, "snapshot", c.hear()["type"])
		listeners[lang] = c
	}
	stream := b.listen(job, "Accept-Language", "pt-BR")
	require.Equal(t, "job.snapshot", stream.next().event)
	told := report.Progress{Fraction: 0.5, Stage: "read", Step: 1,
		Message: i18n.Say("the engine %s does not do %s", "wav2lip", "audio.speech")}
	b.hub.Progress(events.JobProgress{Job: claimed.ID, Owner: claimed.OwnerID, Progress: told})
	portuguese := "o motor wav2lip não faz audio.speech"
	require.Equal(t, told.Message.String(), member(listeners["en"].hear(), "progress_detail.message"))
	heard := listeners["pt-BR"].hear()
	require.Equal(t, portuguese, member(heard, "progress_detail.message"))
	require.Equal(t, "read", member(heard, "progress_detail.stage"))
	streamed := stream.next()
	require.Equal(t, "progress", streamed.event)
	require.Contains(t, streamed.data, portuguese)

	problem := jobs.Problem{Title: i18n.Plain("The model is not ready"), Status: 422, Code: "model_missing",
		Detail: i18n.Say("the model's part %s is missing: install the model again", i18n.Say("voice encoder"))}
	require.NoError(t, b.jobs.Fail(b.ctx, claimed.ID, claimed.Fence, problem, false))
	translated := "falta a parte codificador de voz do modelo: instale o modelo de novo"
	require.Equal(t, problem.Detail.String(), member(listeners["en"].event("job.failed", job), "job.error.detail"))
	require.Equal(t, translated, member(listeners["pt-BR"].event("job.failed", job), "job.error.detail"))
	require.Contains(t, stream.next().data, translated)
}

func TestSocketReplaysMissedEvents(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	b.finish(b.claim(idIn(t, j)))
	c := b.connect()
	c.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 0})
	queued := c.event("job.queued", j)
	require.Equal(t, "queued", member(queued, "job.status"), "the facts of then")
	require.Nil(t, member(queued, "job.output_url"))
	require.EqualValues(t, 0, member(queued, "job.progress"))
	c.event("job.started", j)
	require.Equal(t, "completed", member(c.event("job.completed", j), "job.status"))
	next := b.speech()
	c.event("job.queued", next)

	again := b.connect()
	again.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 3})
	require.EqualValues(t, 4, again.event("job.queued", next)["seq"], "only what came after, and no snapshot")

	_, err := b.pool.Exec(b.ctx, `delete from events where seq <= 2`)
	require.NoError(t, err)
	late := b.connect()
	late.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 0})
	require.Equal(t, "reset", late.hear()["type"])
	snapshot := late.hear()
	require.Equal(t, "snapshot", snapshot["type"])
	require.EqualValues(t, 4, snapshot["as_of"])
	ahead := b.connect()
	ahead.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": 999})
	require.Equal(t, "reset", ahead.hear()["type"], "a number of another database")
}

func TestSocketTopics(t *testing.T) {
	b := newBench(t)
	mine, other := b.speech(), b.speech()
	c := b.connect()
	topic := "job:" + mine["id"].(string)
	c.say(object{"op": "subscribe", "topics": []string{topic, "system"}, "since": nil})
	snapshot := c.hear()
	require.Len(t, snapshot["jobs"], 1)
	b.claim(idIn(t, other))
	b.claim(idIn(t, mine))
	c.event("job.started", mine)
	c.say(object{"op": "unsubscribe", "topics": []string{topic}})
	c.say(object{"op": "ping"})
	require.Equal(t, "pong", c.hear()["type"])
	b.send("POST", "/api/v1/jobs/"+mine["id"].(string)+"/cancel", nil)
	b.send("PUT", "/api/v1/queue", object{"paused": true})
	require.Equal(t, "queue.paused", c.hear()["event"], "the other topic of the message goes on, from where it was")

	for _, refused := range []object{
		{"op": "subscribe", "topics": []string{"everything"}}, {"op": "subscribe", "topics": []string{}},
		{"op": "dance"},
		{"op": "subscribe", "topics": []string{"job:" + uuid.NewString()}},
		{"op": "subscribe", "topics": []string{"job:x"}},
	} {
		c.say(refused)
		m := c.hear()
		require.Equal(t, "error", m["type"], refused)
		require.NotEmpty(t, member(m, "error.detail"))
	}
	require.NoError(t, c.conn.WriteMessage(websocket.TextMessage, []byte("{")))
	require.Equal(t, "error", c.hear()["type"])
}

func TestEventsAreSentOnce(t *testing.T) {
	b := newBench(t)
	c := b.connect()
	for range 2 { // the second takes the first one's place
		c.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": nil})
		require.Equal(t, "snapshot", c.hear()["type"])
	}
	c.event("job.queued", b.speech())
	c.event("job.queued", b.speech())
	// The subscription began before the replay and may bring the same event again. There is no socket here, so sending
	// it twice would fail.
	f := &follower{last: 5}
	require.True(t, f.tell(b.ctx, events.Message{State: &events.Event{Seq: 5}}))
}

func TestSocketSendsOnlyTheOwnersEvents(t *testing.T) {
	b := newBench(t)
	key := b.stranger()
	c, _, err := b.dial(http.Header{"X-Api-Key": {key}}, "")
	require.NoError(t, err)
	c.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": nil})
	require.Empty(t, c.hear()["jobs"])
	b.speech()
	a := b.send("POST", imagePath, object{"prompt": "a cat"}, "Authorization", "Bearer "+key)
	require.Equal(t, 202, a.status)
	require.EqualValues(t, 2, c.event("job.queued", a.json(t))["seq"], "a hole where another's event is")
	c.say(object{"op": "subscribe", "topics": []string{"job:" + b.speech()["id"].(string)}})
	require.Equal(t, "error", c.hear()["type"], "a foreign job is unknown")
}

func TestSocketAuth(t *testing.T) {
	b := newBench(t)
	for name, header := range map[string]http.Header{"none": {}, "a wrong key": {"Authorization": {"Bearer apibr_x"}}} {
		_, response, err := b.dial(header, "")
		require.Error(t, err, name)
		require.Equal(t, 401, response.StatusCode)
	}
	ticket := b.send("POST", "/api/v1/auth/ticket", nil).json(t)["ticket"].(string)
	c, _, err := b.dial(nil, "?ticket="+ticket)
	require.NoError(t, err)
	c.say(object{"op": "ping"})
	require.Equal(t, "pong", c.hear()["type"])
	_, response, err := b.dial(nil, "?ticket="+ticket)
	require.Error(t, err)
	require.Equal(t, 401, response.StatusCode, "a ticket opens one socket")

	cookie := b.login()
	_, _, err = b.dial(http.Header{"Cookie": {cookie}, "Origin": {b.http.URL}}, "")
	require.NoError(t, err)
	_, response, err = b.dial(http.Header{"Cookie": {cookie}, "Origin": {"https://evil.example"}}, "")
	require.Error(t, err)
	require.Equal(t, 403, response.StatusCode)
}

// login redeems a one-time link and returns the session's cookie.
func (b *bench) login() string {
	b.t.Helper()
	link := b.send("POST", "/api/v1/auth/link", nil).json(b.t)["url"].(string)
	a := b.send("GET", strings.TrimPrefix(link, b.http.URL), nil, "Authorization", "")
	require.Equal(b.t, http.StatusSeeOther, a.status)
	require.Equal(b.t, "/", a.header.Get("Location"))
	cookie := a.header.Get("Set-Cookie")
	require.Contains(b.t, cookie, "HttpOnly")
	require.Contains(b.t, cookie, "SameSite=Strict")
	cookie, _, _ = strings.Cut(cookie, ";")
	return cookie
}

func TestSocketEndsWithTheServer(t *testing.T) {
	b := newBench(t)
	c := b.connect()
	c.say(object{"op": "ping"})
	c.hear()
	b.api.stop()
	require.NoError(t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	_, _, err := c.conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseServiceRestart), "%v", err)
}

// stream is one SSE connection.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
}

type sse struct{ id, event, data string }

func (b *bench) listen(job object, headers ...string) *stream {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", member(job, "urls.events").(string), nil)
	require.NoError(b.t, err)
	r.Header.Set("Authorization", "Bearer "+b.key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { response.Body.Close() })
	require.Equal(b.t, 200, response.StatusCode)
	require.Equal(b.t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{b.t, lines}
}

// next event, or the zero value at the stream's end.
func (s *stream) next() (e sse) {
	s.t.Helper()
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data = value
		case "":
			if e.event != "" {
				return e
			}
		}
	}
	return e
}

func TestEventStream(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	s := b.listen(j)
	first := s.next()
	require.Equal(t, "job.snapshot", first.event)
	require.Equal(t, "1", first.id)
	b.speech() // another job's events are not for this stream
	c := b.claim(idIn(t, j))
	started := s.next()
	require.Equal(t, "job.started", started.event)
	require.Contains(t, started.data, `"status":"processing"`)
	b.hub.Progress(events.JobProgress{Job: c.ID, Owner: c.OwnerID, Progress: report.Progress{Fraction: 0.25}})
	progress := s.next()
	require.Equal(t, "progress", progress.event)
	require.Empty(t, progress.id)
	b.finish(c)
	done := s.next()
	require.Equal(t, "job.completed", done.event)
	require.Equal(t, "4", done.id)
	require.Zero(t, s.next(), "the stream ends with the job")

	again := b.listen(j, "Last-Event-ID", started.id)
	require.Equal(t, "job.completed", again.next().event, "only what was missed")
	require.Zero(t, again.next())
	require.Equal(t, "job.queued", b.listen(j, "Last-Event-ID", "0").next().event)
	require.Equal(t, "job.snapshot", b.listen(j).next().event, "of an ended job: how it stands")
}

func TestEventIsRenderedOnceForManyListeners(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	ctx := context.WithValue(b.ctx, callerKey{}, caller{base: "http://x"})
	id := idIn(t, j)
	event := events.Event{Seq: 1, Job: &id, Type: "job.queued", Data: json.RawMessage(`{"status":"queued"}`)}
	first, _, err := b.api.renderEvent(ctx, event)
	require.NoError(t, err)
	second, _, err := b.api.renderEvent(ctx, event)
	require.NoError(t, err)
	require.Same(t, &first[0], &second[0])
	other, _, err := b.api.renderEvent(context.WithValue(b.ctx, callerKey{}, caller{base: "http://y"}), event)
	require.NoError(t, err)
	require.NotEqual(t, string(first), string(other), "links name another host")
	for i := range mostCachedJobs + 10 {
		b.api.events.get(eventKey{seq: int64(i), base: fmt.Sprint(i)}, time.Now())
	}
	require.LessOrEqual(t, len(b.api.events.jobs), mostCachedJobs)
}
