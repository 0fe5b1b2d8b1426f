package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is one entry of /proc, named by its start time too, so that a reused number is not taken for it.
type process struct {
	pid     int
	parent  int
	start   string
	state   string
	command string
}

func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, false
	}
	// The name is in parentheses and may hold spaces: fields are counted after its end.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	parent, _ := strconv.Atoi(fields[1])
	cmdline, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return process{pid: pid, parent: parent, state: fields[0], start: fields[19],
		command: strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))}, true
}

func allProcesses() []process {
	entries, _ := os.ReadDir("/proc")
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

// descendants are the children of pid, their children and so on, as they are now.
func descendants(pid int) []process {
	all := allProcesses()
	found := map[int]bool{pid: true}
	var result []process
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if found[p.parent] && !found[p.pid] {
				found[p.pid] = true
				result = append(result, p)
				grew = true
			}
		}
	}
	return result
}

// alive says whether the very same process still runs; a zombie that waits to be reaped does not.
func (p process) alive() bool {
	now, ok := readProcess(p.pid)
	return ok && now.start == p.start && now.state != "Z"
}

func (p process) isPostgres() bool { return strings.Contains(p.command, "postgres") }

// requireGone waits until none of the processes is alive, at most limit.
func requireGone(t testing.TB, what string, processes []process, limit time.Duration) {
	t.Helper()
	require.NotEmpty(t, processes, "there is no %s to watch: the test would prove nothing", what)
	var left []process
	require.Eventually(t, func() bool {
		left = left[:0]
		for _, p := range processes {
			if p.alive() {
				left = append(left, p)
			}
		}
		return len(left) == 0
	}, limit, 10*time.Millisecond, "%s still alive: %v", what, &left)
}

// sidecars are the studio's Python processes and whatever they started.
func (s *studio) sidecars() []process {
	var result []process
	for _, p := range descendants(s.cmd.Process.Pid) {
		if !p.isPostgres() {
			result = append(result, p)
		}
	}
	return result
}

func (s *studio) postgres() []process {
	var result []process
	for _, p := range descendants(s.cmd.Process.Pid) {
		if p.isPostgres() {
			result = append(result, p)
		}
	}
	return result
}
