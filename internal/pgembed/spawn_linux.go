package pgembed

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/apibr/studio/internal/i18n"
)

// RootMode says how Postgres is run when the studio runs as root. Anyone else runs it as themselves.
type RootMode string

const (
	// RootAuto tries a user namespace first and another user when the kernel forbids namespaces. The default.
	RootAuto RootMode = "auto"
	// RootUserNamespace runs Postgres in a user namespace; its files stay root's.
	RootUserNamespace RootMode = "userns"
	// RootSetUID runs Postgres as user postgres, else nobody. The data directory must be reachable for that user.
	RootSetUID RootMode = "setuid"
)

// namespaceUID is who we are inside the namespace: anything but 0.
const namespaceUID = 1000

// identity is how the server programs are run.
type identity struct {
	mode     RootMode // RootUserNamespace, RootSetUID, or "" for an ordinary user
	uid, gid int      // of RootSetUID
}

// chooseIdentity decides how to run; it fails only when a mode was asked for that cannot work.
func chooseIdentity(mode RootMode) (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	if mode == RootUserNamespace || (mode == RootAuto && namespacesAllowed()) {
		return identity{mode: RootUserNamespace}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		return identity{mode: RootSetUID, uid: uid, gid: gid}, nil
	}
	return identity{}, i18n.NewError(
		"PostgreSQL cannot run as root, and this computer has neither user namespaces nor a " +
			"user postgres or nobody: run the studio as an ordinary user",
	)
}

func namespacesAllowed() bool {
	cmd := exec.Command("/proc/self/exe")
	cmd.Path = "/bin/true"
	cmd.SysProcAttr = (&identity{mode: RootUserNamespace}).attributes()
	return cmd.Run() == nil
}

// attributes of a process of this identity, in a process group of its own.
func (id *identity) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	switch id.mode {
	case RootUserNamespace:
		attributes.Cloneflags = syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: namespaceUID, HostID: os.Geteuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: namespaceUID, HostID: os.Getegid(), Size: 1}}
	case RootSetUID:
		attributes.Credential = &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.gid)}
	}
	return attributes
}

// own gives a folder to the user that Postgres runs as.
func (id *identity) own(dir string) error {
	if id.mode != RootSetUID {
		return nil
	}
	return os.Chown(dir, id.uid, id.gid)
}

// reaches opens the data directory for passing through (its files keep their own rights) and checks that the other
// user gets in.
func (id *identity) reaches(dataDir, socket string) error {
	if id.mode != RootSetUID {
		return nil
	}
	const passable = 0o711
	if err := os.Chmod(dataDir, passable); err != nil {
		return fmt.Errorf("pgembed: %w", err)
	}
	probe := exec.Command("/usr/bin/test", "-w", socket)
	probe.SysProcAttr = id.attributes()
	if probe.Run() != nil {
		return ErrUnreachable
	}
	return nil
}

// environment holds only what a server program needs: the user's PG* variables must not reach it.
func environment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// spawner starts processes from one operating-system thread that lives until close. The parent-death signal follows
// the thread that forked, not the process, so a goroutine on any thread will not do.
type spawner struct {
	jobs chan func()
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error)
	s.jobs <- func() { result <- cmd.Start() }
	return <-result
}

func (s *spawner) close() { close(s.jobs) }

// ourPostmaster says whether pid is a postgres of this data directory.
func ourPostmaster(pid int, dataDir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || cwd != dataDir {
		return false
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.HasPrefix(string(comm), "postgres")
}
