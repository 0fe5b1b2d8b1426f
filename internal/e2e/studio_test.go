package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for something that must happen. It is not a measure: a pass never depends on it.
const patience = 2 * time.Minute

// studio is a real `apibr serve` process with its own data directory and, unless told otherwise, its own Postgres.
type studio struct {
	t      testing.TB
	dir    string // data directory
	addr   string
	config string // path of the configuration file, or ""
	env    []string
	cmd    *exec.Cmd
	log    *logBuffer
	done   chan struct{} // closed when the process has ended
	token  string
	client *http.Client
}

type option func(*studio)

// withConfig gives the studio a configuration file with this YAML.
func withConfig(yaml string) option {
	return func(s *studio) {
		s.config = filepath.Join(s.t.TempDir(), "config.yaml")
		require.NoError(s.t, os.WriteFile(s.config, []byte(yaml), 0o600))
	}
}

func withEnv(pairs ...string) option { return func(s *studio) { s.env = append(s.env, pairs...) } }
func withDir(dir string) option      { return func(s *studio) { s.dir = dir } }

// newStudio prepares a studio without starting it. It is stopped at the test's end.
func newStudio(t testing.TB, options ...option) *studio {
	t.Helper()
	s := &studio{t: t, dir: shortTempDir(t), client: &http.Client{Timeout: patience}, log: &logBuffer{}}
	for _, apply := range options {
		apply(s)
	}
	s.addr = freeAddress(t)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the studio at %s:\n%s", s.addr, s.log.tail(64<<10))
		}
		require.NotContains(t, s.log.String(), "DATA RACE")
	})
	return s
}

// startStudio starts a studio and waits until it takes jobs.
func startStudio(t testing.TB, options ...option) *studio {
	t.Helper()
	s := newStudio(t, options...)
	s.start()
	return s
}

// shortTempDir is a temporary directory whose name is short enough for a Postgres socket.
func shortTempDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "apibr-e2e-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func freeAddress(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (s *studio) launch() {
	s.t.Helper()
	args := []string{"serve", "--data-dir", s.dir, "--listen", s.addr}
	if s.config != "" {
		args = append(args, "--config", s.config)
	}
	s.cmd = exec.Command(apibr, args...)
	s.cmd.Env = append(append(os.Environ(), "APIBR_LOG_FORMAT=json"), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	require.NoError(s.t, s.cmd.Start())
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
}

func (s *studio) start() {
	s.t.Helper()
	s.launch()
	s.awaitReady()
}

func (s *studio) awaitReady() {
	s.t.Helper()
	s.eventually("the studio is ready", func() bool {
		select {
		case <-s.done:
			s.t.Fatalf("the studio ended before it was ready:\n%s", s.log.tail(16<<10))
		default:
		}
		response, err := s.client.Get("http://" + s.addr + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	token, err := os.ReadFile(filepath.Join(s.dir, "cli.token"))
	require.NoError(s.t, err)
	s.token = strings.TrimSpace(string(token))
}

// eventually polls what cannot announce itself (another process, a file, a row) until it is so.
func (s *studio) eventually(what string, so func() bool) {
	s.t.Helper()
	require.Eventually(s.t, so, patience, 20*time.Millisecond, what)
}

// kill is kill -9 of the server alone, as the kernel's out-of-memory killer would do it.
func (s *studio) kill() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Kill())
	<-s.done
}

func (s *studio) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-s.done
		s.t.Errorf("the studio did not stop on SIGTERM")
	}
}

// run runs another apibr command against this studio and returns its standard output.
func (s *studio) run(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(apibr, args...)
	cmd.Env = append(
		append(os.Environ(), "APIBR_DATA_DIR="+s.dir, "APIBR_SERVER=http://"+s.addr, "APIBR_LANG=en"),
		s.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(s.t, err, "apibr %s: %s", strings.Join(args, " "), stderr.String())
	return string(out)
}

// db connects to the studio's own database.
func (s *studio) db() *pgxpool.Pool {
	s.t.Helper()
	args := []string{"config", "print", "--data-dir", s.dir, "--field", "database.dsn"}
	if s.config != "" {
		args = append(args, "--config", s.config)
	}
	pool, err := pgxpool.New(context.Background(), strings.TrimSpace(s.run(args...)))
	require.NoError(s.t, err)
	_, err = pool.Exec(context.Background(), "select 1")
	require.NoError(s.t, err)
	s.t.Cleanup(pool.Close)
	return pool
}

// answer is an HTTP response whose body has been read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t testing.TB) object {
	t.Helper()
	var value object
	require.NoError(t, json.Unmarshal(a.body, &value), "body: %s", a.body)
	return value
}

// object is a JSON object as the API answers it.
type object map[string]any

func (o object) str(name string) string { value, _ := o[name].(string); return value }

func (o object) obj(name string) object {
	value, _ := o[name].(map[string]any)
	return value
}

func (o object) list(name string) []object {
	values, _ := o[name].([]any)
	objects := make([]object, 0, len(values))
	for _, value := range values {
		if entry, ok := value.(map[string]any); ok {
			objects = append(objects, entry)
		}
	}
	return objects
}

func (s *studio) request(method, path, contentType string, body io.Reader) *http.Request {
	s.t.Helper()
	request, err := http.NewRequest(method, "http://"+s.addr+path, body)
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+s.token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return request
}

func (s *studio) do(method, path, contentType string, body io.Reader, header http.Header) answer {
	s.t.Helper()
	request := s.request(method, path, contentType, body)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := s.client.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return answer{response.StatusCode, response.Header, content}
}

func (s *studio) get(path string) answer { return s.do("GET", path, "", nil, nil) }

func (s *studio) post(path string, fields object) answer {
	s.t.Helper()
	encoded, err := json.Marshal(fields)
	require.NoError(s.t, err)
	return s.do("POST", path, "application/json", bytes.NewReader(encoded), nil)
}

// postForm sends multipart/form-data; a value that starts with @ is a file of this machine.
func (s *studio) postForm(path string, fields map[string]string) answer {
	s.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if file, isFile := strings.CutPrefix(value, "@"); isFile {
			part, err := form.CreateFormFile(name, filepath.Base(file))
			require.NoError(s.t, err)
			content, err := os.ReadFile(file)
			require.NoError(s.t, err)
			_, err = part.Write(content)
			require.NoError(s.t, err)
			continue
		}
		require.NoError(s.t, form.WriteField(name, value))
	}
	require.NoError(s.t, form.Close())
	return s.do("POST", path, form.FormDataContentType(), &body, nil)
}

// submit sends a request, by its path below /api/v1, that must become a job.
func (s *studio) submit(path string, fields object) object {
	return s.accepted(s.post("/api/v1"+path, fields))
}

// accepted asserts a 202 and returns the job.
func (s *studio) accepted(a answer) object {
	s.t.Helper()
	require.Equal(s.t, http.StatusAccepted, a.status, "body: %s", a.body)
	return a.json(s.t)
}

func (s *studio) job(id string) object {
	s.t.Helper()
	a := s.get("/api/v1/jobs/" + id)
	require.Equal(s.t, http.StatusOK, a.status, "body: %s", a.body)
	return a.json(s.t)
}

// finished waits until the job has ended, in whatever way.
func (s *studio) finished(id string) object {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		a := s.get("/api/v1/jobs/" + id + "?wait=30")
		if a.status == http.StatusServiceUnavailable {
			continue // its database is just being killed by this test
		}
		require.Equal(s.t, http.StatusOK, a.status, "body: %s", a.body)
		job := a.json(s.t)
		switch job.str("status") {
		case "completed", "failed", "canceled":
			return job
		}
	}
	s.t.Fatalf("job %s did not end: %v", id, s.job(id))
	return nil
}

func (s *studio) completed(id string) object {
	s.t.Helper()
	job := s.finished(id)
	require.Equal(s.t, "completed", job.str("status"), "job: %v", job)
	return job
}

// awaitJob polls a job until it is so.
func (s *studio) awaitJob(id, what string, so func(object) bool) object {
	s.t.Helper()
	var job object
	s.eventually("job "+id+" "+what, func() bool { job = s.job(id); return so(job) })
	return job
}

// logBuffer keeps what a process printed and may be read while it prints.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) tail(n int) string {
	text := l.String()
	if len(text) > n {
		return "…" + text[len(text)-n:]
	}
	return text
}

// apibr is the program that TestMain built.
var apibr string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "apibr-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	apibr = filepath.Join(dir, "bin", "apibr")
	// With the race detector: what these tests shake is exactly what races hide in.
	build := exec.Command("go", "build", "-race", "-o", apibr, "github.com/apibr/studio/cmd/apibr")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The binary lies outside the checkout, so it is told where its Python side is.
	os.Setenv("APIBR_PYTHON_WORKERS", filepath.Join(root, "pyworkers"))
	os.Setenv("APIBR_PYTHON_DRAFT_VENV", filepath.Join(root, ".venv-draft"))
	os.Setenv("APIBR_MODELS_BUNDLED", filepath.Join(root, ".weights"))
	return m.Run()
}

// putQueue pauses the queue or lets it go on.
func (s *studio) putQueue(paused bool) {
	s.t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"paused":%t}`, paused))
	a := s.do("PUT", "/api/v1/queue", "application/json", body, nil)
	require.Equal(s.t, http.StatusOK, a.status, "body: %s", a.body)
}
