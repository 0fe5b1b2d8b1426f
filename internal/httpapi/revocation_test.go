package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/auth"
)

// closed waits for the socket's end and returns the code that the server gave.
func (c *client) closed() int {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		_, _, err := c.conn.ReadMessage()
		if err == nil {
			continue
		}
		var closing *websocket.CloseError
		require.ErrorAs(c.t, err, &closing)
		return closing.Code
	}
}

// adminKey is a key of the local admin with an own id.
func (b *bench) adminKey(body object) (id, secret string) {
	b.t.Helper()
	body["name"] = "short"
	body["scopes"] = []string{"read", "generate", "admin"}
	a := b.send("POST", "/api/v1/keys", body)
	require.Equal(b.t, 201, a.status, string(a.body))
	made := a.json(b.t)
	return made["id"].(string), made["key"].(string)
}

// opened is all that can be opened with one key.
type opened struct {
	sockets      map[string]*client
	stream       *stream
	waiting      chan answer
	cookie       string
	ticket, link string
}

func (b *bench) openAll(key string, job object) *opened {
	b.t.Helper()
	bearer := []string{"Authorization", "Bearer " + key}
	o := &opened{sockets: map[string]*client{}, waiting: make(chan answer, 1)}
	dial := func(name string, header http.Header, query string) {
		c, _, err := b.dial(header, query)
		require.NoError(b.t, err, name)
		c.say(object{"op": "subscribe", "topics": []string{"jobs"}, "since": nil})
		require.Equal(b.t, "snapshot", c.hear()["type"])
		o.sockets[name] = c
	}
	ticket := func(headers ...string) string {
		return b.send("POST", "/api/v1/auth/ticket", nil, headers...).json(b.t)["ticket"].(string)
	}
	link := func() string {
		url := b.send("POST", "/api/v1/auth/link", nil, bearer...).json(b.t)["url"].(string)
		return strings.TrimPrefix(url, b.http.URL)
	}
	login := b.send("GET", link(), nil, "Authorization", "")
	require.Equal(b.t, http.StatusSeeOther, login.status)
	o.cookie, _, _ = strings.Cut(login.header.Get("Set-Cookie"), ";")
	dial("key", http.Header{"Authorization": {"Bearer " + key}}, "")
	dial("ticket", nil, "?ticket="+ticket(bearer...))
	dial("session", http.Header{"Cookie": {o.cookie}, "Origin": {b.http.URL}}, "")
	dial("ticket of the session", nil, "?ticket="+ticket("Authorization", "", "Cookie", o.cookie, "Origin", b.http.URL))
	o.ticket, o.link = ticket(bearer...), link()
	o.stream = b.listen(job, bearer...)
	require.Equal(b.t, "job.snapshot", o.stream.next().event)
	go func() { o.waiting <- b.send("GET", "/api/v1/jobs/"+job["id"].(string)+"?wait=60", nil, bearer...) }()
	return o
}

// requireEnded checks that every opened connection has ended and cannot be used.
func (o *opened) requireEnded(b *bench) {
	b.t.Helper()
	for name, c := range o.sockets {
		require.Equal(b.t, websocket.ClosePolicyViolation, c.closed(), name)
	}
	require.Zero(b.t, o.stream.next(), "the stream ends")
	select {
	case a := <-o.waiting:
		require.Equal(b.t, 401, a.status, string(a.body))
	case <-time.After(patience):
		b.t.Fatal("the request that waits goes on")
	}
	session := []string{"Authorization", "", "Cookie", o.cookie, "Origin", b.http.URL}
	require.Equal(b.t, 401, b.send("GET", "/api/v1/auth/me", nil, session...).status)
	made := b.send("POST", "/api/v1/keys", object{"name": "x", "scopes": []string{"admin"}}, session...)
	require.Equal(b.t, 401, made.status, "a session makes no key after its own has ended")
	require.Equal(b.t, 401, b.send("GET", o.link, nil, "Authorization", "").status)
	_, response, err := b.dial(nil, "?ticket="+o.ticket)
	require.Error(b.t, err)
	require.Equal(b.t, 401, response.StatusCode)
}

func TestRevokedKeyLosesItsConnections(t *testing.T) {
	b := newBench(t)
	job := b.speech()
	id, key := b.adminKey(object{})
	o := b.openAll(key, job)
	bystander := b.connect()
	require.Equal(t, 200, b.send("DELETE", "/api/v1/keys/"+id, nil).status)
	o.requireEnded(b)
	bystander.say(object{"op": "ping"})
	require.Equal(t, "pong", bystander.hear()["type"], "another key's socket goes on")
}

func TestExpiredKeyLosesItsConnections(t *testing.T) {
	b := newBench(t)
	job := b.speech()
	end := time.Now().Add(3 * time.Second)
	_, key := b.adminKey(object{"expires_at": end.Format(time.RFC3339Nano)})
	o := b.openAll(key, job)
	require.True(t, time.Now().Before(end), "all was opened in time")
	o.requireEnded(b)
}

func TestKeyThatRevokesItselfGetsItsAnswer(t *testing.T) {
	b := newBench(t)
	id, key := b.adminKey(object{})
	a := b.send("DELETE", "/api/v1/keys/"+id, nil, "Authorization", "Bearer "+key)
	require.Equal(t, 200, a.status, string(a.body))
	require.NotNil(t, a.json(t)["revoked_at"])
	var entries int
	require.NoError(t, b.pool.QueryRow(b.ctx,
		`select count(*) from audit_log where action = 'key.revoke' and subject = $1`, id).Scan(&entries))
	require.Equal(t, 1, entries)
	require.Equal(t, 401, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "Bearer "+key).status)
}

func TestLogoutEndsTheSessionAndItsConnections(t *testing.T) {
	b := newBench(t)
	cookie := b.login()
	other := b.login()
	session := []string{"Authorization", "", "Cookie", cookie, "Origin", b.http.URL}
	socket, _, err := b.dial(http.Header{"Cookie": {cookie}, "Origin": {b.http.URL}}, "")
	require.NoError(t, err)
	ticket := b.send("POST", "/api/v1/auth/ticket", nil, session...).json(t)["ticket"].(string)
	require.Equal(t, 403, b.send("POST", "/api/v1/auth/logout", nil, "Authorization", "", "Cookie", cookie,
		"Origin", "https://evil.example").status)

	a := b.send("POST", "/api/v1/auth/logout", nil, session...)
	require.Equal(t, 204, a.status, string(a.body))
	require.Contains(t, a.header.Get("Set-Cookie"), auth.SessionCookie+"=;")
	require.Contains(t, a.header.Get("Set-Cookie"), "Max-Age=0")
	require.Equal(t, websocket.ClosePolicyViolation, socket.closed())
	_, response, err := b.dial(nil, "?ticket="+ticket)
	require.Error(t, err)
	require.Equal(t, 401, response.StatusCode)
	again := b.send("GET", "/api/v1/auth/me", nil, session...)
	require.Equal(t, 401, again.status)
	require.Contains(t, again.header.Get("Set-Cookie"), "Max-Age=0", "a dead cookie is taken from the browser")
	require.Equal(t, 200, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "Cookie", other).status)
	byKey := b.send("POST", "/api/v1/auth/logout", nil)
	require.Equal(t, 409, byKey.status)
	require.Contains(t, byKey.json(t)["detail"], "revoking")
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	b := newBench(t)
	mine, other := b.login(), b.login()
	list := b.send("GET", "/api/v1/auth/sessions", nil, "Authorization", "", "Cookie", mine).json(t)
	require.Len(t, list["data"], 2)
	require.Equal(t, false, member(list, "data.0.current"))
	require.Equal(t, true, list["data"].([]any)[1].(object)["current"])
	me := b.send("GET", "/api/v1/auth/me", nil).json(t)
	require.Equal(t, me["key_id"], member(list, "data.0.key_id"))
	require.Contains(t, member(list, "data.0.user_agent"), "Go-http-client")
	id := member(list, "data.0.id").(string)
	reader := b.newKey(auth.LocalAdmin, auth.Read, auth.Generate)
	for _, refused := range []answer{
		b.send("GET", "/api/v1/auth/sessions", nil, "Authorization", "Bearer "+reader),
		b.send("DELETE", "/api/v1/auth/sessions/"+id, nil, "Authorization", "Bearer "+reader),
	} {
		require.Equal(t, 403, refused.status)
	}
	require.Equal(t, 204, b.send("DELETE", "/api/v1/auth/sessions/"+id, nil).status)
	require.Equal(t, 401, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "Cookie", other).status)
	require.Equal(t, 200, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "Cookie", mine).status)
	for _, unknown := range []string{id, "x"} {
		require.Equal(t, 404, b.send("DELETE", "/api/v1/auth/sessions/"+unknown, nil).status)
	}
}

func TestAuditAndListNameTheCreatingKey(t *testing.T) {
	b := newBench(t)
	cookie := b.login()
	parent := b.send("GET", "/api/v1/auth/me", nil).json(t)["key_id"].(string)
	a := b.send("POST", "/api/v1/keys", object{"name": "child", "scopes": []string{"read"}}, "Authorization", "",
		"Cookie", cookie, "Origin", b.http.URL)
	require.Equal(t, 201, a.status)
	require.Equal(t, parent, a.json(t)["made_by_key_id"])
	for _, action := range []string{"session.open", "key.create"} {
		var actor, key, subject string
		require.NoError(t, b.pool.QueryRow(b.ctx,
			`select actor, detail ->> 'key_id', subject from audit_log where action = $1`, action).
			Scan(&actor, &key, &subject))
		require.Regexp(t, "^session:", actor, action)
		require.Equal(t, parent, key, action)
		require.NotEmpty(t, subject)
	}
	require.Equal(t, 1, b.count(
		`select count(*) from audit_log where action = 'link.create' and actor = $1 and subject is not null`,
		"key:"+parent))
}

func TestEveryCauseHasItsSentence(t *testing.T) {
	seen := map[string]bool{}
	for _, cause := range []auth.Cause{auth.CauseMissing, auth.CauseMalformed, auth.CauseUnknown, auth.CauseExpired,
		auth.CauseRevoked, auth.CauseUsed} {
		said := (&auth.CredentialError{Cause: cause}).Sentence()
		sentence := said.String()
		require.NotEqual(t, sentence, said.In(language.BrazilianPortuguese))
		require.False(t, seen[sentence], sentence)
		seen[sentence] = true
	}
}

func TestRepeatedWrongKeysAreSlowedAndGoodOnesWork(t *testing.T) {
	b := newBench(t)
	var last answer
	for range 1000 { // this computer has ten times 20, and ten more each minute
		if last.status == 429 {
			break
		}
		last = b.send("GET", "/api/v1/auth/me", nil, "Authorization", "Bearer apibr_"+strings.Repeat("1", 32),
			"Accept-Language", "pt-BR")
	}
	require.Equal(t, 429, last.status)
	seconds, err := strconv.Atoi(last.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, seconds)
	detail := last.json(t)["detail"]
	require.Contains(t, detail, "muitas tentativas")
	require.NotContains(t, detail, "too many")
	require.Equal(t, 200, b.send("GET", "/api/v1/auth/me", nil).status)
	fresh := b.newKey(auth.LocalAdmin, auth.Read)
	require.Equal(t, 200, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "Bearer "+fresh).status)
	require.Equal(t, 401, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "").status)
	file := "/api/v1/files/" + uuid.NewString() + "?exp=1&sig=x"
	for path, status := range map[string]int{"/login?token=x": 429, "/api/v1/ws?ticket=x": 429, file: 429} {
		a := b.send("GET", path, nil, "Authorization", "")
		require.Equal(t, status, a.status, path)
		require.NotEmpty(t, a.header.Get("Retry-After"), path)
	}
	page := b.send("GET", "/login?token=x", nil, "Authorization", "", "Accept", "text/html")
	require.Equal(t, 429, page.status)
	require.NotEmpty(t, page.header.Get("Retry-After"))
}
