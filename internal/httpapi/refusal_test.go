package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve runs the API as it runs in production: with its own listener and limits.
func (b *bench) serve() (address string) {
	b.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	b.api.cfg.Listener = listener
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.api.Run(ctx) }()
	b.t.Cleanup(func() { cancel(); <-ended })
	return listener.Addr().String()
}

// wire is a client that speaks HTTP by hand.
type wire struct {
	t testing.TB
	net.Conn
	reader *bufio.Reader
}

func dialWire(t testing.TB, address string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &wire{t, conn, bufio.NewReader(conn)}
}

func (w *wire) answer() answer {
	w.t.Helper()
	response, err := http.ReadResponse(w.reader, nil)
	require.NoError(w.t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	if response.Close { // ReadResponse takes the header out
		response.Header.Set("Connection", "close")
	}
	return answer{response.StatusCode, response.Header, content}
}

// upload writes the head and then the whole body before it reads anything, as many clients do.
func (w *wire) upload(head, begin string, size int) answer {
	w.t.Helper()
	head += "Content-Length: " + strconv.Itoa(size+len(begin)) + "\r\n\r\n" + begin
	_, err := io.WriteString(w, head)
	require.NoError(w.t, err)
	zeros := make([]byte, 1<<20)
	for size > 0 {
		n, err := w.Write(zeros[:min(size, len(zeros))])
		require.NoError(w.t, err, "the server must read on while the caller sends")
		size -= n
	}
	return w.answer()
}

// refusals are requests with a body that is refused before its end, by the status of the refusal.
func (b *bench) refusals() map[string]struct {
	head, begin string
	status      int
} {
	type refused = struct {
		head, begin string
		status      int
	}
	key := "X-API-Key: " + b.key + "\r\n"
	post := func(path, headers string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n" + headers
	}
	form := "Content-Type: multipart/form-data; boundary=b\r\n"
	part := func(name string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"a.wav\"\r\nContent-Type: " +
			"audio/wav\r\n\r\n"
	}
	return map[string]refused{
		"a wrong field":      {post(clonePath, key+form), part("audoi"), 422},
		"a file for a value": {post(speechPath, key+form), part("text"), 422},
		"a wrong path":       {post("/api/v1/audio/clone", key+form), part("audio"), 404},
		"a wrong path, open": {post("/upload", form), part("audio"), 404},
		"a wrong method":     {strings.Replace(post(clonePath, key+form), "POST", "PUT", 1), part("audio"), 405},
		"a wrong type":       {post(clonePath, key+"Content-Type: text/plain\r\n"), "", 415},
		"no key":             {post(clonePath, form), part("audio"), 401},
		"a wrong key":        {post(clonePath, "X-API-Key: apibr_wrong\r\n"+form), part("audio"), 401},
		"a wrong query":      {post(clonePath+"?wiat=1", key+form), part("audio"), 422},
		"an unknown id": {post("/api/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057/cancel", key+form),
			part("audio"), 404},
		"no body is expected": {strings.Replace(post("/api/v1/jobs", key+form), "POST", "GET", 1), part("audio"), 200},
		"a text too long":     {post(speechPath, key+"Content-Type: application/json\r\n"), `{"text": "`, 413},
	}
}

// TestRefusalReachesACallerThatIsStillSending: for every fault of an upload, its sender reads the reason, and
// no broken connection.
func TestRefusalReachesACallerThatIsStillSending(t *testing.T) {
	b := newBench(t)
	address := b.serve()
	for name, refused := range b.refusals() {
		t.Run(name, func(t *testing.T) {
			for i := range 20 {
				size := 4 << 20
				if i == 0 {
					size = 24 << 20
				}
				a := dialWire(t, address).upload(refused.head, refused.begin, size)
				require.Equal(t, refused.status, a.status, string(a.body))
				require.NotEmpty(t, a.json(t))
			}
		})
	}
	refused := b.refusals()["no key"]
	require.Equal(t, 401, dialWire(t, address).upload(refused.head, refused.begin, 100<<20).status)
}

// TestAConnectionServesOnAfterARefusal: a connection whose request was read to its end is used again.
func TestAConnectionServesOnAfterARefusal(t *testing.T) {
	b := newBench(t)
	w := dialWire(t, b.serve())
	for name, refused := range b.refusals() {
		a := w.upload(refused.head, refused.begin, 3<<20)
		require.Equal(t, refused.status, a.status, name)
		require.Empty(t, a.header.Get("Connection"), name)
	}
	chunked := strings.Replace(b.refusals()["no key"].head, "Accept", "Transfer-Encoding: chunked\r\nAccept", 1)
	_, err := io.WriteString(w, chunked+"\r\n"+strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", 1<<10,
		bytes.Repeat([]byte{'x'}, 1<<10)), 3<<10)+"0\r\n\r\n")
	require.NoError(t, err)
	require.Equal(t, 401, w.answer().status)
	_, err = io.WriteString(w, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	require.Equal(t, 200, w.answer().status)
}

// TestTheRefusalDoesNotWaitForTheBody: the refusal comes before the body does, and a body that never comes does not
// hold the connection.
func TestTheRefusalDoesNotWaitForTheBody(t *testing.T) {
	b := newBench(t, func(c *Config) { c.ReadTimeout = 300 * time.Millisecond })
	address := b.serve()
	for name, refused := range b.refusals() {
		if name == "a text too long" {
			continue // the fault is in the body
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dialWire(t, address)
			_, err := io.WriteString(w, refused.head+"Content-Length: 1000\r\n\r\n"+refused.begin)
			require.NoError(t, err)
			require.Equal(t, refused.status, w.answer().status)
			_, err = w.reader.ReadByte()
			require.ErrorIs(t, err, io.EOF, "the connection ends")
		})
	}
}

func TestRefusedBodyIsReadUpToALimit(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.DrainBytes = 1 << 20; c.Limits.DrainTime = time.Second })
	address := b.serve()
	refused := b.refusals()["no key"]
	w := dialWire(t, address)
	_, err := io.WriteString(w, refused.head+"Content-Length: 100000000\r\n\r\n")
	require.NoError(t, err)
	a := w.answer()
	require.Equal(t, 401, a.status)
	require.Equal(t, "close", a.header.Get("Connection"))
	sent := 0
	for piece := make([]byte, 1<<20); err == nil; sent += len(piece) {
		_, err = w.Write(piece)
	}
	require.Less(t, sent, 50<<20)

	// An endless body that keeps coming is cut by the time.
	endless := dialWire(t, address)
	_, err = io.WriteString(endless, refused.head+"Transfer-Encoding: chunked\r\n\r\n")
	require.NoError(t, err)
	require.Equal(t, 401, endless.answer().status)
	for err == nil {
		_, err = io.WriteString(endless, "1\r\nx\r\n")
	}
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	var timeout net.Error
	require.False(t, asTimeout(err, &timeout), "the server ends it")
}

func asTimeout(err error, as *net.Error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as the connection returns it
	*as = timeout
	return ok && timeout.Timeout()
}

// TestExpectContinueIsRefusedBeforeTheBody: Expect: 100-continue gets the refusal instead of the invitation.
func TestExpectContinueIsRefusedBeforeTheBody(t *testing.T) {
	b := newBench(t, func(c *Config) { c.ReadTimeout = 300 * time.Millisecond })
	address := b.serve()
	for name, refused := range b.refusals() {
		if name == "a text too long" || refused.status == 422 && name != "a wrong query" {
			continue // the fault is in the body
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dialWire(t, address)
			_, err := io.WriteString(w, refused.head+"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
			require.NoError(t, err)
			a := w.answer()
			require.Equal(t, refused.status, a.status)
			require.Equal(t, "close", a.header.Get("Connection"))
			rest, err := io.ReadAll(w.reader)
			require.NoError(t, err)
			require.Empty(t, rest)
		})
	}
}

func TestExpectContinueIsAcceptedBeforeTheBody(t *testing.T) {
	b := newBench(t)
	address := b.serve()
	w := dialWire(t, address)
	body := `{"text":"Olá","voice_id":"` + b.builtin.String() + `"}`
	head := "POST " + speechPath + " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + b.key +
		"\r\nContent-Type: application/json\r\n"
	_, err := io.WriteString(w, head+"Expect: 100-continue\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n")
	require.NoError(t, err)
	line, err := w.reader.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = w.reader.ReadString('\n')
	require.NoError(t, err)
	_, err = io.WriteString(w, body)
	require.NoError(t, err)
	require.Equal(t, 202, w.answer().status)
}

// TestCallersWithoutAKeyAreAnsweredWithoutWaitingForTheBody sends bodies that never come, or come byte by byte, to
// every route of the API and to addresses outside it.
func TestCallersWithoutAKeyAreAnsweredWithoutWaitingForTheBody(t *testing.T) {
	b := newBench(t, func(c *Config) { c.ReadTimeout = 300 * time.Millisecond })
	address := b.serve()
	addresses := map[string]bool{"POST /": true, "GET /": true, "POST /login": true, "GET /metrics": true,
		"POST /healthz": true, "GET /api/v1/ws": true, "POST /nowhere": true, "TRACE /": true}
	for path, item := range b.api.api.OpenAPI().Paths {
		for method, operation := range map[string]any{"GET": item.Get, "POST": item.Post, "PUT": item.Put,
			"PATCH": item.Patch, "DELETE": item.Delete} {
			if !reflect.ValueOf(operation).IsNil() {
				addresses[method+" "+strings.NewReplacer("{id}", uuid.NewString(), "{job_id}",
					uuid.NewString()).Replace(path)] = true
			}
		}
	}
	require.Greater(t, len(addresses), 40)
	for target := range addresses {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			silent, dripping := dialWire(t, address), dialWire(t, address)
			for _, w := range []*wire{silent, dripping} {
				_, err := io.WriteString(w, target+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+
					"application/json\r\nContent-Length: 100000\r\n\r\n")
				require.NoError(t, err)
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				for _, w := range []*wire{silent, dripping} {
					_, err := io.Copy(io.Discard, w)
					assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server ends it")
				}
			}()
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-gone:
					return
				case <-tick.C:
					_, _ = io.WriteString(dripping, "x")
				}
			}
		})
	}
}
