package sidecar

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/sandbox"
)

// niceness of sidecars: the studio and the user's desktop go first.
const niceness = 5

// spawn starts cmd in a group of its own that dies with this process and reaches only the files that policy allows.
func spawn(cmd *exec.Cmd, policy *sandbox.Policy) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := sandbox.Start(cmd, policy, sandbox.Options{Nice: niceness}); err != nil {
		return err
	}
	// When memory runs out anyway, the kernel shall take the sidecar and not the desktop. Raising one's own needs no
	// right.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid), []byte("1000"), 0)
	return nil
}

// waitForExit returns when the process has ended and before it is reaped: its number, and so its group's, is still
// ours.
func waitForExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

func signalGroup(pgid int, signal unix.Signal) { _ = unix.Kill(-pgid, signal) }
