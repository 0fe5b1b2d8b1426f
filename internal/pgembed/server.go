package pgembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

// How the data files are made and one server process is started.

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
		args := []string{
			"--pgdata=" + making,
			"--username=" + role,
			"--encoding=UTF8",
			"--locale=" + locale,
			"--auth=trust",
			"--data-checksums",
			"--no-instructions",
		}
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

// initdbFailure finds in the output of initdb why it ended with err: often a Postgres that it started had failed.
func initdbFailure(err error, output string) error {
	if disk.SaysFull(output) {
		return fmt.Errorf("pgembed: initdb: %w", disk.ErrFull)
	}
	return i18n.Wrap(err, i18n.Say("PostgreSQL could not make its data files: initdb: %s", complaint(output)))
}

// complaint returns the line of a program's output that says what went wrong, else the last one.
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
		"listen_addresses=", "port=" + strconv.Itoa(socketPort), "unix_socket_directories=" + c.socket,
		"unix_socket_permissions=0700",
		"max_connections=" + strconv.Itoa(
			c.config.MaxConnections,
		), "dynamic_shared_memory_type=mmap", "shared_buffers=64MB", "huge_pages=off",
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

// launch starts the server and waits for its first answer. It tries again while an earlier server of ours still holds
// the shared memory.
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
			return i18n.Wrap(ctx.Err(), i18n.Say("PostgreSQL did not answer in time; its last line: %s", tail.last()))
		case <-exited:
			if tail.full() {
				return fmt.Errorf("pgembed: postgres: %w", disk.ErrFull)
			}
			return i18n.Wrap(errExited, i18n.Say("PostgreSQL ended while it started; its last line: %s", tail.last()))
		case <-tick.C:
		}
	}
}

// clearStalePID removes a postmaster.pid whose process is not a server of this cluster, and kills the processes that a
// killed postmaster left. No other studio is alive here, since this one holds the lock.
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

// backendsOf lists the processes of a server whose postmaster is gone.
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
