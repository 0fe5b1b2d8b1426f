package sandbox

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/device"
)

const marker = "apibr-sandbox-probe"

// TestMain plays the restricted program when it is started as one: each argument is an action, each line of output what
// came of it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == marker {
		for _, deed := range os.Args[2:] {
			fmt.Println(try(deed))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func try(deed string) string {
	verb, path, _ := strings.Cut(deed, " ")
	var err error
	switch verb {
	case "read":
		_, err = os.ReadFile(path)
	case "write":
		err = os.WriteFile(path, []byte("written"), 0o600)
	case "list":
		_, err = os.ReadDir(path)
	case "connect":
		var conn net.Conn
		if conn, err = net.Dial("unix", path); err == nil {
			conn.Close()
		}
	case "pair":
		_, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	case "signal":
		var pid int
		if _, err = fmt.Sscan(path, &pid); err == nil {
			err = unix.Kill(pid, 0)
		}
	case "status":
		raw, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(raw)) {
			if name, value, _ := strings.Cut(line, ":"); name == path {
				return strings.TrimSpace(value)
			}
		}
	case "flee": // a program in a session of its own, without our environment, whose parent ends at once
		cmd := exec.Command("/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0")
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		err = cmd.Run()
	}
	if err != nil {
		return "refused"
	}
	return "done"
}

// probe runs the actions under the policy and returns what came of each.
func probe(t *testing.T, policy *Policy, deeds ...string) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, append([]string{marker}, deeds...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, Start(cmd, policy, Options{}))
	require.NoError(t, cmd.Wait(), errs.String())
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func file(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	return path
}

func needLandlock(t *testing.T) {
	t.Helper()
	require.Positive(t, Version(), "this kernel has no Landlock: these promises cannot be tested on it")
}

func TestSecretsOfTheDataDirectoryCannotBeRead(t *testing.T) {
	needLandlock(t)
	root := t.TempDir()
	data := filepath.Join(root, "data")
	secret, key, model := file(
		t,
		data,
		"cli.token",
	), file(
		t,
		data,
		"postgres",
		"base",
	), file(
		t,
		data,
		"models",
		"weights",
	)
	work, beside := file(t, data, "work", "in"), file(t, root, "beside", "file")
	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(data, link))
	policy := &Policy{Hidden: []string{data}, Read: []string{filepath.Dir(model)}, Write: []string{filepath.Dir(work)}}
	seen := probe(
		t,
		policy,
		"read "+secret,
		"write "+secret,
		"read "+key,
		"read "+filepath.Join(link, "cli.token"),
		"write "+filepath.Join(data, "new"),
		"read "+model,
		"write "+model,
		"read "+work,
		"write "+filepath.Join(data, "work", "out"),
		"read "+beside,
		"write "+beside,
		"read /etc/hostname",
		"write /dev/null",
		"list "+root,
	)
	require.Equal(t, []string{
		"refused", "refused", "refused", "refused", "refused",
		"done", "refused", "done", "done", "done", "refused",
		"done", "done", "done"}, seen)
	content, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "content", string(content))
}

func TestUserProgramMayWriteOutsideTheDataDirectory(t *testing.T) {
	needLandlock(t)
	root := t.TempDir()
	secret, own := file(t, root, "data", "cli.token"), file(t, root, "own", "state")
	policy := &Policy{Hidden: []string{filepath.Join(root, "data")}, WriteOutside: true}
	require.Equal(t, []string{"refused", "refused", "done", "done"},
		probe(t, policy, "read "+secret, "write "+secret, "write "+own, "write "+filepath.Join(root, "own", "new")))
}

func TestHiddenFileIsTheOnlyOneHidden(t *testing.T) {
	needLandlock(t)
	root := t.TempDir()
	config, other := file(t, root, "etc", "config.yaml"), file(t, root, "etc", "other")
	require.Equal(
		t,
		[]string{"refused", "done"},
		probe(t, &Policy{Hidden: []string{config}}, "read "+config, "read "+other),
	)
}

func TestSwitchedOffLeavesFilesAlone(t *testing.T) {
	secret := file(t, t.TempDir(), "secret")
	require.Equal(
		t,
		[]string{"done", "1", "2"},
		probe(t, &Policy{Hidden: []string{secret}, Off: true}, "read "+secret, "status NoNewPrivs", "status Seccomp"),
	)
}

func TestNoUnixSocketAndNoNewRights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer listener.Close()
	require.Equal(
		t,
		[]string{"refused", "done", "1"},
		probe(t, &Policy{}, "connect "+path, "pair", "status NoNewPrivs"),
	)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err, "this process itself stays free")
	conn.Close()
}

// The environment of the studio holds the database's password.
func TestTheStartersMemoryAndEnvironmentCannotBeRead(t *testing.T) {
	needLandlock(t)
	proc := fmt.Sprintf("/proc/%d/", os.Getpid())
	require.Equal(t, []string{"refused", "refused"}, probe(t, &Policy{}, "read "+proc+"environ", "read "+proc+"auxv"))
}

func TestTheOutsideCannotBeSignalled(t *testing.T) {
	if Version() < 6 {
		t.Logf("Landlock %d knows no signals", Version())
		return
	}
	require.Equal(t, []string{"refused"}, probe(t, &Policy{}, fmt.Sprintf("signal %d", os.Getpid())))
}

func TestStartingProcessStaysUnrestricted(t *testing.T) {
	for range 2 {
		probe(t, &Policy{})
	}
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	require.NoError(t, err)
	for _, task := range tasks {
		raw, err := os.ReadFile(task)
		if err == nil && strings.Contains(string(raw), "NoNewPrivs:\t1") {
			// The thread of a program that has just ended may still be on its way out.
			require.Eventually(
				t,
				func() bool { _, err := os.Stat(task); return err != nil },
				10*time.Second,
				time.Millisecond,
			)
		}
	}
}

func TestStrayInItsOwnSessionIsEnded(t *testing.T) {
	require.NoError(t, BecomeReaper())
	require.Equal(t, []string{"done"}, probe(t, &Policy{}, "flee"))
	strayed := strays()
	require.NotEmpty(t, strayed)
	require.Equal(t, 0, EndStrays(func([]byte) bool { return true }), "what its program still needs is spared")
	require.Positive(t, EndStrays(func([]byte) bool { return false }))
	require.Empty(t, strays())
	for _, pid := range strayed {
		_, err := device.ProcessStat(pid)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A program that was started here is its starter's to wait for, even when it has ended already.
func TestOwnChildrenAreNotStrays(t *testing.T) {
	require.NoError(t, BecomeReaper())
	cmd := exec.Command("/bin/sh", "-c", "echo ready; exit 3")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, Start(cmd, &Policy{}, Options{}))
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	awaitExit(cmd.Process.Pid)
	require.Zero(t, EndStrays(func([]byte) bool { return false }))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 3, exit.ExitCode())
}
