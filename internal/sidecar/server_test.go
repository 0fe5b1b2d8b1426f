package sidecar

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

// serverMain turns the test binary into a server with one run in flight, for the tests that kill it. Its sidecar does
// not notice the end of its input, so that only the kernel can end it. It prints the sidecar's pid.
func serverMain() {
	if len(os.Args) != 3 || os.Args[1] != "sidecar-server" {
		return
	}
	dir := os.Args[2]
	pool := New(Config{
		Commands: map[engine.ID][]string{"fault": sidecartest.Command(sidecartest.IgnoreEnd)},
		WorkDir:  dir, Log: slog.New(slog.DiscardHandler),
	})
	go func() { _ = pool.Run(context.Background()) }()
	lease, err := pool.Acquire(context.Background(), Spec{Engine: sidecartest.Manifest("fault")})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(lease.PID())
	_, err = lease.Run(context.Background(), RunRequest{
		Job: uuid.New(), Fence: 1, Task: "test.run", OutDir: dir, Params: map[string]any{"mode": sidecartest.Children},
	}, Events{})
	fmt.Println(err)
	os.Exit(1)
}

func TestAKilledServerLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	server := exec.Command(self, "sidecar-server", dir)
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	sidecar, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err, line)
	all := append(pidsIn(t, dir), sidecar)
	t.Cleanup(func() {
		for _, pid := range all {
			if alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})

	require.NoError(t, server.Process.Kill())
	killedAt := time.Now()
	_ = server.Wait()
	for _, pid := range all {
		until(
			t,
			time.Second-time.Since(killedAt),
			"the end of what the server started",
			func() bool { return !alive(pid) },
		)
	}
	files, err := filepath.Glob(filepath.Join(dir, runtimeDir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1, "the next server finds the file of the last one")
	b := newBench(t, sidecartest.Echo, func(c *Config) { c.WorkDir = dir })
	b.mustWork()
	require.NoFileExists(t, files[0])
}

// The leftovers of a dead server are ended by identity: the recorded process and those with its token, and not
// another one that has got the number since.
func TestOrphansAreReapedByIdentity(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, runtimeDir), 0o700))
	start := func(token string) (*exec.Cmd, chan struct{}) {
		cmd := exec.Command("sleep", "1000")
		cmd.Env = []string{tokenKey + "=" + token}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			<-ended
		})
		return cmd, ended
	}
	leader, leaderEnded := start("left-behind")
	_, strayEnded := start("left-behind")
	innocent, _ := start("someone")
	log := slog.New(slog.DiscardHandler)
	require.NotEmpty(t, writeRuntimeFile(filepath.Join(dir, runtimeDir), leader.Process.Pid, "left-behind", log))
	stranger := writeRuntimeFile(filepath.Join(dir, runtimeDir), innocent.Process.Pid, "ended-long-ago", log)
	raw, err := os.ReadFile(stranger)
	require.NoError(t, err)
	started := strings.Index(string(raw), `"started":`) + len(`"started":`)
	require.NoError(t, os.WriteFile(stranger, []byte(string(raw[:started])+"1"+string(raw[started:])), 0o600))

	reapOrphans(filepath.Join(dir, runtimeDir), log)
	for _, ended := range []chan struct{}{leaderEnded, strayEnded} {
		select {
		case <-ended:
		case <-time.After(patience):
			require.Fail(t, "an orphan lives")
		}
	}
	require.True(t, alive(innocent.Process.Pid))
	files, err := os.ReadDir(filepath.Join(dir, runtimeDir))
	require.NoError(t, err)
	require.Empty(t, files)
}
