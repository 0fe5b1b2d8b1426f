package sidecar

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

func TestMain(m *testing.M) {
	sidecartest.Main()
	serverMain()
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// bench is a running pool whose engine "fault" is the fault program.
type bench struct {
	*Pool
	t        testing.TB
	dir      string
	manifest *engine.Manifest
	history  *MemoryHistory
	log      *logBook
	stop     func()
}

// newBench starts a pool whose engine plays mode. Limits are short; tweak changes what the test is about.
func newBench(t testing.TB, mode string, tweak func(*Config)) *bench {
	b := &bench{
		t:        t,
		dir:      t.TempDir(),
		manifest: sidecartest.Manifest("fault"),
		history:  NewMemoryHistory(),
		log:      &logBook{},
	}
	cfg := Config{
		Commands: map[engine.ID][]string{
			"fault": sidecartest.Command(mode),
			"other": sidecartest.Command(sidecartest.Echo),
		},
		WorkDir: b.dir, History: b.history, Log: slog.New(b.log),
		CancelGrace: 200 * time.Millisecond, TermGrace: 200 * time.Millisecond,
		Guard: GuardConfig{MinAvailable: -1, MinAvailableFraction: -1, PressureFull: -1, GTTGrowth: -1},
	}
	if tweak != nil {
		tweak(&cfg)
	}
	b.Pool = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Pool.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bench) acquire() *Lease {
	b.t.Helper()
	lease, err := b.Acquire(b.ctx(), Spec{Engine: b.manifest})
	require.NoError(b.t, err)
	return lease
}

// request is a run in a fresh folder.
func (b *bench) request(mode string, params map[string]any) RunRequest {
	b.t.Helper()
	job := uuid.New()
	dir := filepath.Join(b.dir, job.String(), "1")
	require.NoError(b.t, os.MkdirAll(dir, 0o700))
	all := map[string]any{"mode": mode, "text": "olá"}
	for name, value := range params {
		all[name] = value
	}
	return RunRequest{Job: job, Fence: 1, Task: "test.run", Params: all, OutDir: dir}
}

// try acquires, runs and releases.
func (b *bench) try(mode string, params map[string]any) (*RunResult, error) {
	b.t.Helper()
	lease, err := b.Acquire(b.ctx(), Spec{Engine: b.manifest})
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	return lease.Run(b.ctx(), b.request(mode, params), Events{})
}

// mustWork shows that the pool is well after a fault.
func (b *bench) mustWork() {
	b.t.Helper()
	result, err := b.try(sidecartest.Echo, nil)
	require.NoError(b.t, err)
	content, err := os.ReadFile(result.Outputs[0].Path)
	require.NoError(b.t, err)
	require.Equal(b.t, "olá", string(content))
}

// until waits for a fact that no channel tells (a process of another parent, a file of another program).
func until(t testing.TB, limit time.Duration, what string, fact func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !fact() {
		require.True(t, time.Now().Before(deadline), "not within %s: %s", limit, what)
		<-time.After(5 * time.Millisecond)
	}
}

func alive(pid int) bool {
	stat, err := device.ProcessStat(pid)
	return err == nil && stat.State != 'Z'
}

// pidsIn reads the pids that the fault program wrote for its children.
func pidsIn(t testing.TB, dir string) []int {
	t.Helper()
	var raw []byte
	until(t, patience, "the children's pids", func() bool {
		var err error
		raw, err = os.ReadFile(filepath.Join(dir, "pids"))
		return err == nil
	})
	var pids []int
	for _, field := range strings.Fields(string(raw)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		require.True(t, alive(pid))
		pids = append(pids, pid)
	}
	require.NotEmpty(t, pids)
	return pids
}

// logBook keeps what was logged, with the job id of the context.
type logBook struct {
	mu    sync.Mutex
	lines []logged
}

type logged struct {
	message string
	job     any
	attrs   map[string]any
}

type jobKey struct{}

func (b *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logBook) WithGroup(string) slog.Handler            { return b }

func (b *logBook) Handle(ctx context.Context, record slog.Record) error {
	entry := logged{message: record.Message, job: ctx.Value(jobKey{}), attrs: map[string]any{}}
	record.Attrs(func(attr slog.Attr) bool {
		entry.attrs[attr.Key] = attr.Value.Any()
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, entry)
	return nil
}

func (b *logBook) find(message string) []logged {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []logged
	for _, entry := range b.lines {
		if entry.message == message {
			found = append(found, entry)
		}
	}
	return found
}
