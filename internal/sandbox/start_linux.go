package sandbox

import (
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/device"
)

// children are the programs that this process started restricted, by pid, with the time of their start in clock ticks
// since boot. There is one list for the whole process, as the kernel's own is: a restricted child of ours that is not
// on it was left behind by one that is.
var children = struct {
	sync.Mutex
	started map[int]int64
}{started: map[int]int64{}}

// manyChildren is when the list is cleared of those that have ended.
const manyChildren = 256

// Options are what Start sets on the thread besides the restrictions.
type Options struct {
	// Nice is added to the niceness of the program, 0 to 19: the studio and the user's desktop go first. Default 0.
	Nice int
}

// Start starts cmd under the policy. Restrictions that the kernel lacks are left out; one that it has and refuses is an
// error, and nothing is started then. The caller waits for cmd as after cmd.Start.
func Start(cmd *exec.Cmd, policy *Policy, options Options) error {
	// Named before the thread is restricted, which might no longer reach the folders in between.
	var rules []rule
	if !policy.Off && Version() > 0 {
		rules = policy.rules()
	}
	started := make(chan error)
	onOwnThread(func() {
		err := restrict(rules, options)
		if err == nil {
			err = startKnown(cmd)
		}
		if err != nil {
			started <- err
			return
		}
		pid := cmd.Process.Pid
		started <- nil
		awaitExit(pid)
	})
	return <-started
}

// onOwnThread runs f in the background on a thread that ends with it: Go ends a thread whose goroutine ended while
// locked to it. The process's first thread is passed over, since it would stay, restricted, and the kernel takes it for
// the whole process.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			f()
			return
		}
		begun := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(begun)
			f()
		}()
		<-begun // on another thread, since this one is taken
		runtime.UnlockOSThread()
	}()
}

// startKnown starts cmd and puts it on the list in one step: EndStrays must never see it in between.
func startKnown(cmd *exec.Cmd) error {
	children.Lock()
	defer children.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	// One that has ended is there until the caller waits for it.
	if stat, err := device.ProcessStat(cmd.Process.Pid); err == nil {
		children.started[stat.PID] = stat.Started
	}
	if len(children.started) > manyChildren {
		maps.DeleteFunc(children.started, func(pid int, started int64) bool {
			_, same := device.SameProcess(pid, started)
			return !same
		})
	}
	return nil
}

// restrict works on the calling thread, for good.
func restrict(rules []rule, options Options) error {
	if options.Nice != 0 {
		// On Linux this is the calling thread's, and what it starts inherits it.
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, options.Nice)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	dropCapabilities()
	if rules != nil {
		if err := landlock(rules); err != nil {
			return err
		}
	}
	return noUnixSockets()
}

// kept are the capabilities that a program of root keeps: those over files, which the policy bounds, and over locked
// memory, which cards need. With the others it would read the memory of this process, load modules or mount.
var kept = []uintptr{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_IPC_LOCK}

// dropCapabilities takes the others out of what the calling thread's programs can ever have. It does nothing for who
// has none.
func dropCapabilities() {
	for capability := range uintptr(unix.CAP_LAST_CAP + 1) {
		if !slices.Contains(kept, capability) {
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		}
	}
}

// awaitExit returns when the process has ended, whether or not it has been reaped already.
func awaitExit(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}
