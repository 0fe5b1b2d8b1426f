package conformance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// message is any frame of a sidecar.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *failure        `json:"error"`
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Code  string `json:"code"`
		Phase string `json:"phase"`
		Field string `json:"field"`
	} `json:"data"`
}

// peer is the supervisor's end of a conversation, without its forgiveness: every line must be a right frame.
type peer struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	frames chan message
	wrong  chan string
	ended  chan struct{}
	nextID int
	log    *logTail
}

// logTail keeps what the program printed, for the message of a failed test.
type logTail struct {
	mu   sync.Mutex
	kept []byte
}

func (l *logTail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, b...)
	if len(l.kept) > 8<<10 {
		l.kept = l.kept[len(l.kept)-8<<10:]
	}
	return len(b), nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.kept)
}

// start starts the program without waiting for hello.
func (p Program) start(t *testing.T) *peer {
	t.Helper()
	c := &peer{t: t, frames: make(chan message, 1024), wrong: make(chan string, 1), ended: make(chan struct{}),
		log: &logTail{}}
	c.cmd = exec.Command(p.Command[0], p.Command[1:]...)
	c.cmd.Env = p.Env
	c.cmd.Dir = t.TempDir()
	c.cmd.Stderr = c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(stdout)
	}()
	go func() {
		<-read
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.ended
		if t.Failed() {
			t.Logf("the program's log ends so:\n%s", c.log)
		}
	})
	return c
}

func (c *peer) read(stdout io.Reader) {
	reader := bufio.NewReaderSize(stdout, 64<<10)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		var m message
		switch err := json.Unmarshal([]byte(line), &m); {
		case err != nil:
			c.complain("a line is not JSON: %.200q", line)
		case len(line) > 1<<20:
			c.complain("a frame has %d bytes", len(line))
		case m.Version != "2.0":
			c.complain("a frame lacks jsonrpc 2.0: %.200q", line)
		default:
			c.frames <- m
		}
	}
}

func (c *peer) complain(format string, args ...any) {
	select {
	case c.wrong <- fmt.Sprintf(format, args...):
	default:
	}
}

// next is the next frame that want accepts; others are passed to each (which may be nil).
func (c *peer) next(what string, want func(message) bool, each func(message)) message {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m := <-c.frames:
			if want(m) {
				return m
			}
			if each != nil {
				each(m)
			}
		case wrong := <-c.wrong:
			require.Fail(c.t, wrong)
		case <-c.ended:
			require.Fail(c.t, "the program ended", "while waiting for %s", what)
		case <-timeout:
			require.Fail(c.t, "the program does not answer", "while waiting for %s", what)
		}
	}
}

func (c *peer) raw(line string) {
	c.t.Helper()
	_, err := io.WriteString(c.stdin, line+"\n")
	require.NoError(c.t, err)
}

func (c *peer) send(m map[string]any) {
	c.t.Helper()
	m["jsonrpc"] = "2.0"
	m["x_unknown_member"] = true // both sides ignore what they do not know
	line, err := json.Marshal(m)
	require.NoError(c.t, err)
	c.raw(string(line))
}

func (c *peer) notify(method string, params any) {
	c.t.Helper()
	c.send(map[string]any{"method": method, "params": params})
}

// ask sends a request without waiting and gives its id.
func (c *peer) ask(method string, params any) int {
	c.t.Helper()
	c.nextID++
	c.send(map[string]any{"id": c.nextID, "method": method, "params": params})
	return c.nextID
}

func (c *peer) answer(id int, each func(message)) message {
	c.t.Helper()
	return c.next(fmt.Sprintf("the answer to request %d", id), func(m message) bool {
		return m.Method == "" && string(m.ID) == fmt.Sprint(id)
	}, each)
}

// must asks and wants a result.
func (c *peer) must(method string, params any) message {
	c.t.Helper()
	m := c.answer(c.ask(method, params), nil)
	require.Nil(c.t, m.Error, "%s failed", method)
	return m
}

// exits waits for the end of the program.
func (c *peer) exits() {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case <-c.frames:
		case <-c.ended:
			return
		case <-timeout:
			require.Fail(c.t, "the program does not end")
		}
	}
}

// shared is the process that serves several rules.
type shared struct {
	parent *testing.T
	peer   *peer
}

// begin gives the program with the engine loaded: the shared process if there is one, else a fresh one.
func (p Program) begin(t *testing.T) *peer {
	t.Helper()
	if p.shared == nil {
		return p.fresh(t)
	}
	if p.shared.peer == nil {
		p.shared.peer = p.fresh(p.shared.parent)
	}
	p.shared.peer.t = t
	return p.shared.peer
}

// fresh starts the program and loads the engine.
func (p Program) fresh(t *testing.T) *peer {
	t.Helper()
	c := p.start(t)
	c.next("hello", func(m message) bool { return m.Method == "hello" }, nil)
	c.must("load", p.loadParams())
	return c
}

func (p Program) loadParams() map[string]any {
	model, variant, files := p.Model, p.Variant, p.Files
	if model == "" {
		model, variant, files = p.Engine.DefaultModel(), p.Engine.Variant("cpu", 0), map[string]string{}
	}
	return map[string]any{
		"engine": string(p.Engine.ID), "model": model, "variant": variant, "files": files,
		"plan": map[string]any{"device": "cpu", "ram_bytes": p.Engine.Plan("cpu").RAM, "vram_bytes": 0},
	}
}

func fields(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	var value map[string]any
	require.NoError(t, json.Unmarshal(raw, &value), "not an object: %.200s", strings.TrimSpace(string(raw)))
	return value
}
