package pgembed

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const patience = time.Minute

// asServer makes the test binary run a cluster until it is killed, as the studio does.
const asServer = "APIBR_TEST_PGEMBED_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asServer); dir != "" {
		c, err := New(Config{DataDir: dir, SearchVenvs: venvs(), FastUnsafe: true})
		if err == nil {
			err = c.Start(context.Background())
		}
		fmt.Println("started", c != nil && c.cmd != nil && c.cmd.Process != nil, err)
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(c.cmd.Process.Pid)
		select {}
	}
	os.Exit(m.Run())
}

func venvs() []string { return []string{"../../.venv-draft"} }

// dataDir is short, for the socket's sake, and passable, for the other user's.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newCluster(t *testing.T, dir string, change ...func(*Config)) *Cluster {
	t.Helper()
	config := Config{DataDir: dir, SearchVenvs: venvs(), FastUnsafe: true}
	for _, apply := range change {
		apply(&config)
	}
	c, err := New(config)
	require.NoError(t, err)
	return c
}

func start(t *testing.T, c *Cluster) {
	t.Helper()
	require.NoError(t, c.Start(context.Background()))
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
}

func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), c.DSN())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	var value string
	require.NoError(t, conn.QueryRow(context.Background(), sql).Scan(&value))
	return value
}

func TestStartStopStart(t *testing.T) {
	t.Setenv("LANG", "ru_RU.UTF-8") // not installed, and not ours to use
	t.Setenv("PGDATA", "/nonsense")
	t.Setenv("PGPORT", "1")
	dir := dataDir(t)
	c := newCluster(t, dir)
	start(t, c)
	<-c.Ready()
	require.Equal(t, "UTF8", query(t, c, "show server_encoding"))
	require.Empty(t, query(t, c, "show listen_addresses"), "it listens on a socket only")
	require.Equal(t, "on", query(t, c, "show data_checksums"))
	query(t, c, "select set_config('x.y', 'z', false)")
	require.NoError(t, c.Stop(context.Background()))
	again := newCluster(t, dir)
	require.Equal(t, c.DSN(), again.DSN())
	start(t, again)
	require.Equal(t, "1", query(t, again, "select 1::text"))
}

func TestBothWaysOfRunningAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		c := newCluster(t, dataDir(t), func(c *Config) { c.RootMode = RootSetUID })
		require.Empty(t, c.identity.mode, "an ordinary user runs it as themselves")
		return
	}
	for _, mode := range []RootMode{RootUserNamespace, RootSetUID} {
		t.Run(string(mode), func(t *testing.T) {
			c := newCluster(t, dataDir(t), func(c *Config) { c.RootMode = mode })
			start(t, c)
			require.Equal(t, "1", query(t, c, "select 1::text"))
		})
	}
	t.Run("setuid behind a private folder", func(t *testing.T) {
		private := dataDir(t)
		require.NoError(t, os.Chmod(private, 0o700))
		dir := filepath.Join(private, "data")
		require.NoError(t, os.Mkdir(dir, 0o700))
		c := newCluster(t, dir, func(c *Config) { c.RootMode = RootSetUID })
		require.ErrorIs(t, c.Start(context.Background()), ErrUnreachable)
	})
}

func TestSecondStudioIsRefused(t *testing.T) {
	dir := dataDir(t)
	start(t, newCluster(t, dir))
	require.ErrorIs(t, newCluster(t, dir).Start(context.Background()), ErrLocked)
}

// A pid file of a server that is gone, whose number another program has now, does not stop a start.
func TestStalePIDFile(t *testing.T) {
	dir := dataDir(t)
	c := newCluster(t, dir)
	start(t, c)
	require.NoError(t, c.Stop(context.Background()))
	stale := fmt.Sprintf("%d\n%s\n0\n5432\n", os.Getpid(), c.dataDir)
	require.NoError(t, os.WriteFile(filepath.Join(c.dataDir, "postmaster.pid"), []byte(stale), 0o600))
	again := newCluster(t, dir)
	start(t, again)
	require.Equal(t, "1", query(t, again, "select 1::text"))
}

func TestWrongRightsAreMended(t *testing.T) {
	dir := dataDir(t)
	c := newCluster(t, dir)
	start(t, c)
	require.NoError(t, c.Stop(context.Background()))
	require.NoError(t, os.Chmod(c.dataDir, 0o755))
	start(t, newCluster(t, dir))
}

func TestLongDataDirectory(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", dataDir(t))
	dir := filepath.Join(dataDir(t), strings.Repeat("long/", 25))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	c := newCluster(t, dir)
	require.True(t, strings.HasPrefix(c.socket, os.Getenv("XDG_RUNTIME_DIR")))
	start(t, c)
	require.Equal(t, "1", query(t, c, "select 1::text"))
	dsn, err := DSNFor(dir)
	require.NoError(t, err)
	require.Equal(t, c.DSN(), dsn)
}

func TestAnotherMajorVersionIsNamedAndUntouched(t *testing.T) {
	dir := dataDir(t)
	file := filepath.Join(dir, "pg", "9", "PG_VERSION")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte("9\n"), 0o600))
	_, err := New(Config{DataDir: dir, SearchVenvs: venvs()})
	require.ErrorContains(t, err, "PostgreSQL 9")
	require.FileExists(t, file)
	_, err = New(Config{DataDir: dataDir(t), Binaries: "/nonexistent"})
	require.ErrorIs(t, err, ErrNoBinaries)
}

// A half-made cluster (the machine died during initdb) is made anew.
func TestAHalfMadeClusterIsMadeAnew(t *testing.T) {
	dir := dataDir(t)
	c := newCluster(t, dir)
	require.NoError(t, os.MkdirAll(c.dataDir+".making", 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.dataDir+".making", "half"), nil, 0o600))
	start(t, c)
}

// A postmaster that is killed with a backend at work is started again by Run.
func TestRunRestarts(t *testing.T) {
	c := newCluster(t, dataDir(t))
	start(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	busy, err := pgx.Connect(ctx, c.DSN())
	require.NoError(t, err)
	before := query(t, c, "select pg_postmaster_start_time()::text")
	require.NoError(t, c.cmd.Process.Kill())
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(ctx, c.DSN())
		if err != nil {
			return false
		}
		defer conn.Close(ctx)
		var now string
		return conn.QueryRow(ctx, "select pg_postmaster_start_time()::text").Scan(&now) == nil && now != before
	}, patience, 20*time.Millisecond)
	_ = busy.Close(ctx)
	cancel()
	require.NoError(t, <-ended)
}

// kill -9 of our process: Postgres shuts down cleanly by itself, and the next start finds nothing to repair.
func TestPostgresGoesWithItsStudio(t *testing.T) {
	dir := dataDir(t)
	self, err := os.Executable()
	require.NoError(t, err)
	server := exec.Command(self)
	server.Env = append(os.Environ(), asServer+"="+dir)
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "started true <nil>", lines.Text())
	require.True(t, lines.Scan())
	pid, err := strconv.Atoi(lines.Text())
	require.NoError(t, err)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	require.Eventually(
		t,
		func() bool { return syscall.Kill(pid, 0) != nil },
		5*time.Second,
		10*time.Millisecond,
		"postgres outlives its studio",
	)
	require.Empty(t, backendsOf(filepath.Join(dir, "pg", "15")))
	matches, err := filepath.Glob(filepath.Join(dir, "pg", "*", "postmaster.pid"))
	require.NoError(t, err)
	require.Empty(t, matches, "a clean shutdown removes its pid file")
	start(t, newCluster(t, dir))
}
