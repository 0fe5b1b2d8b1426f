package sidecar

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/sandbox"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

func TestASidecarDoesNotReachTheStudiosSecrets(t *testing.T) {
	require.Positive(t, sandbox.Version(), "this kernel has no Landlock: these promises cannot be tested on it")
	data := t.TempDir()
	token, key, socket := filepath.Join(data, "cli.token"), filepath.Join(data, "signing.key"), filepath.Join(data, "s")
	for _, secret := range []string{token, key} {
		require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	}
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listener.Close()

	b := newBench(t, sidecartest.Peek, func(c *Config) {
		c.WorkDir, c.RuntimeDir = filepath.Join(data, "work"), filepath.Join(data, "run")
		c.Sandbox = &sandbox.Policy{Hidden: []string{data}}
	})
	b.dir = filepath.Join(data, "work")
	lease := b.acquire()
	defer lease.Release()
	runtimeFiles, err := filepath.Glob(filepath.Join(data, "run", "*.json"))
	require.NoError(t, err)
	require.Len(t, runtimeFiles, 1)
	environ := fmt.Sprintf("/proc/%d/environ", os.Getpid())
	asked := map[string]string{
		token:                              "no",
		key:                                "no",
		socket:                             "no",
		runtimeFiles[0]:                    "no",
		filepath.Join(data, "new"):         "no",
		environ:                            "no",
		filepath.Join(data, "work", "new"): "yes",
	}
	var paths, want []string
	for path, answer := range asked {
		paths, want = append(paths, path), append(want, answer)
	}
	result, err := lease.Run(b.ctx(), b.request("", map[string]any{"text": strings.Join(paths, "\n")}), Events{})
	require.NoError(t, err)
	require.Equal(t, strings.Join(want, " "), readFile(t, result.Outputs[0].Path), strings.Join(paths, "\n"))
}

// A program that replaces an engine may lie in the data directory itself; it gets nothing else of it.
func TestAProgramInTheDataDirectoryStarts(t *testing.T) {
	data := t.TempDir()
	secret := filepath.Join(data, "cli.token")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	self, err := os.ReadFile(sidecartest.Command("")[0])
	require.NoError(t, err)
	program := filepath.Join(data, "engines", "mine")
	require.NoError(t, os.MkdirAll(filepath.Dir(program), 0o700))
	require.NoError(t, os.WriteFile(program, self, 0o700))
	b := newBench(t, sidecartest.Peek, func(c *Config) {
		command := sidecartest.Command(sidecartest.Peek)
		c.Commands["fault"] = append([]string{program}, command[1:]...)
		c.WorkDir, c.RuntimeDir = filepath.Join(data, "work"), filepath.Join(data, "run")
		c.Sandbox = &sandbox.Policy{Hidden: []string{data}}
	})
	b.dir = filepath.Join(data, "work")
	lease := b.acquire()
	defer lease.Release()
	result, err := lease.Run(b.ctx(), b.request("", map[string]any{"text": secret}), Events{})
	require.NoError(t, err)
	require.Equal(t, "no", readFile(t, result.Outputs[0].Path))
}

func TestTemporaryFilesGoWithTheProcess(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	temp := lease.slot.proc.temp
	require.DirExists(t, temp)
	require.NoError(t, os.WriteFile(filepath.Join(temp, "left"), nil, 0o600))
	require.Contains(t, readFile(t, fmt.Sprintf("/proc/%d/environ", lease.PID())), "TMPDIR="+temp+"\x00")
	lease.slot.proc.kill(ErrCanceled)
	lease.Release()
	<-lease.slot.proc.gone
	require.NoDirExists(t, temp)
}
