package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/device"
)

// BecomeReaper makes this process the parent of every descendant whose own parent ends: what a program starts in a
// session of its own can then be found by EndStrays instead of vanishing to the system's first process. It holds for
// the whole process.
func BecomeReaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

const (
	// strayRounds bounds the chase of a program that starts others faster than they are ended.
	strayRounds = 50

	strayPatience = 2 * time.Second
)

// EndStrays kills and reaps the processes that restricted programs left to this one. keep is asked with the environment
// that a stray was started with, and true spares it: its program may still be at work. It returns how many were ended.
// BecomeReaper comes first.
func EndStrays(keep func(environ []byte) bool) (ended int) {
	for range strayRounds {
		found := 0
		for _, pid := range strays() {
			environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if len(environ) > 0 && keep(environ) {
				continue
			}
			if end(pid) {
				found++
			}
		}
		if ended += found; found == 0 {
			return ended
		}
	}
	return ended
}

// strays are our restricted children that we did not start.
func strays() []int {
	children.Lock()
	defer children.Unlock()
	var found []int
	self := os.Getpid()
	for _, stat := range device.Processes() {
		if stat.Parent == self && children.started[stat.PID] != stat.Started && restricted(stat.PID) {
			found = append(found, stat.PID)
		}
	}
	return found
}

// restricted says that the process was started under a Policy, or by one that was. No other child of ours is: the mark
// is inherited and cannot be taken off.
func restricted(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && bytes.Contains(status, []byte("\nNoNewPrivs:\t1\n"))
}

// end kills and reaps one process; what it started comes to us next. A process that sleeps in a driver is left.
func end(pid int) bool {
	_ = unix.Kill(pid, unix.SIGKILL)
	if pidfd, err := unix.PidfdOpen(pid, 0); err == nil {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(strayPatience.Milliseconds()))
		_ = unix.Close(pidfd)
	}
	reaped, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil && reaped == pid
}
