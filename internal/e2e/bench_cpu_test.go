package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// measureCPU tells how much of a core one job takes, of the server and of all processes of its cluster. Other programs
// on the machine change it little, which is not so of the times.
func measureCPU(b *testing.B, r *report) {
	s, _ := bed{}.start(b, "queue:\n  max_concurrent_jobs: 1\n")
	defer s.stop()
	voice := builtinVoice(s)
	const warmUp, rounds = 100, 500
	burst := func(n int) (submits, runs cpuTime) {
		s.putQueue(true)
		begin := s.cpu()
		var last string
		for range n {
			last, _ = s.speak(voice)
		}
		submitted := s.cpu()
		s.putQueue(false)
		for s.job(last).str("status") != "completed" {
			time.Sleep(100 * time.Millisecond)
		}
		return submitted.less(begin), s.cpu().less(submitted)
	}
	burst(warmUp)
	submits, runs := burst(rounds)
	for _, part := range []struct {
		name, how string
		used      cpuTime
	}{
		{"of a submit", "user and system time of 500 submits by one client, queue paused", submits},
		{"of a run", "the same from the end of the pause to the last of the 500 jobs, one slot: claim, run frame, " +
			"verify, keep and finish", runs},
	} {
		r.add("CPU time "+part.name, "", part.how+"; server / all processes of the cluster", "%.2f ms / %.2f ms",
			part.used.server.Seconds()*1000/rounds, part.used.cluster.Seconds()*1000/rounds)
	}
}

// cpuTime is what the processes of a studio have used, without its sidecars.
type cpuTime struct{ server, cluster time.Duration }

func (t cpuTime) less(o cpuTime) cpuTime { return cpuTime{t.server - o.server, t.cluster - o.cluster} }

func (s *studio) cpu() (used cpuTime) {
	used.server = cpuOf(s.t, s.cmd.Process.Pid)
	for _, p := range s.postgres() {
		used.cluster += cpuOf(s.t, p.pid)
	}
	return used
}

// cpuOf adds up the threads of a process that still run.
func cpuOf(t testing.TB, pid int) (used time.Duration) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(content))[0], 10, 64)
		require.NoError(t, err)
		used += time.Duration(ns)
	}
	return used
}
