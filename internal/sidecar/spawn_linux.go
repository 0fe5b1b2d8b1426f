package sidecar

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// niceness of sidecars: the studio and the user's desktop go first.
const niceness = 5

// spawner starts processes from one thread. Pdeathsig is tied to the thread that forked: were it done from any
// goroutine, the runtime ending an idle thread would kill a healthy sidecar.
type spawner struct {
	requests chan spawnRequest
	ended    chan struct{}
}

type spawnRequest struct {
	cmd   *exec.Cmd
	reply chan error
}

func newSpawner() *spawner {
	return &spawner{requests: make(chan spawnRequest), ended: make(chan struct{})}
}

// run serves until stop closes. The thread ends with it (it is never unlocked), and the kernel then kills what is left.
func (s *spawner) run(stop <-chan struct{}) {
	runtime.LockOSThread()
	defer close(s.ended)
	// On Linux this sets the calling thread's niceness only, and children inherit it from the thread that forks them.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	for {
		select {
		case <-stop:
			return
		case request := <-s.requests:
			request.reply <- request.cmd.Start()
		}
	}
}

// start starts cmd in a group of its own that dies with this process.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	request := spawnRequest{cmd: cmd, reply: make(chan error, 1)}
	select {
	case s.requests <- request:
	case <-s.ended:
		return ErrClosed
	}
	if err := <-request.reply; err != nil {
		return err
	}
	// When memory runs out anyway, the kernel shall take the sidecar and not the desktop. Raising one's own needs no right.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid), []byte("1000"), 0)
	return nil
}

// waitForExit returns when the process has ended and before it is reaped: its number, and so its group's, is still ours.
func waitForExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

func signalGroup(pgid int, signal unix.Signal) { _ = unix.Kill(-pgid, signal) }
