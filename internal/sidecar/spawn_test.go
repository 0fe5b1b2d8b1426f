package sidecar

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

func TestSidecarIsTheOOMKillersFirstChoice(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	lease := b.acquire()
	pid := lease.PID()
	require.Equal(t, "1000", strings.TrimSpace(readFile(t, fmt.Sprintf("/proc/%d/oom_score_adj", pid))))
	stat, err := device.ProcessStat(pid)
	require.NoError(t, err)
	require.Equal(t, pid, stat.Group, "a group of its own")
	mine, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	require.NoError(t, err)
	its, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	require.NoError(t, err)
	require.Less(t, its, mine, "the raw call counts the other way round: a lower value is nicer")
	lease.Release()
}

// Go ends threads whose goroutine was locked to them; were sidecars started from such a thread, they would die with it.
func TestSidecarsOutliveTheThreadsOfTheirCallers(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	var leases [4]*Lease
	var callers sync.WaitGroup
	for i := range leases {
		callers.Go(func() {
			runtime.LockOSThread()
			leases[i] = b.acquire()
		})
	}
	callers.Wait()
	for _, lease := range leases {
		_, err := lease.Run(b.ctx(), b.request("", nil), Events{})
		require.NoError(t, err)
		lease.Release()
	}
}

func TestSidecarEnvironmentIsMinimal(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://user:password@host/db")
	t.Setenv("APIBR_TOKEN", "apibr_secret")
	t.Setenv("HTTPS_PROXY", "http://proxy")
	t.Setenv("HSA_OVERRIDE_GFX_VERSION", "10.3.0")
	cfg := Config{Workers: "workers", FFmpeg: "/usr/bin/ffmpeg", Env: []string{"HF_HUB_OFFLINE=0"}}
	env := strings.Join(environment(&cfg, sidecartest.Manifest("fault"), "token"), "\n")
	for _, never := range []string{"DATABASE_URL", "APIBR_TOKEN", "PROXY"} {
		require.NotContains(t, env, never)
	}
	wd, err := os.Getwd()
	require.NoError(t, err)
	for _, want := range []string{"HSA_OVERRIDE_GFX_VERSION=10.3.0", "PYTHONPATH=" + wd + "/workers",
		"APIBR_FFMPEG=/usr/bin/ffmpeg", "APIBR_SIDECAR=token"} {
		require.Contains(t, env, want)
	}
	require.True(t, strings.HasSuffix(env, "HF_HUB_OFFLINE=0"), "the configuration has the last word")
	cfg.Adjust = func(m *engine.Manifest, environment []string) []string {
		require.Equal(t, engine.ID("fault"), m.ID)
		return slices.DeleteFunc(environment, func(entry string) bool { return strings.HasPrefix(entry, "HSA_") })
	}
	env = strings.Join(environment(&cfg, sidecartest.Manifest("fault"), "token"), "\n")
	require.NotContains(t, env, "HSA_", "a variable that the card's profile does not want is not inherited")
	require.Contains(t, env, "APIBR_SIDECAR=token")
}
