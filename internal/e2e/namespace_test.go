package e2e

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const inNamespace = "APIBR_E2E_IN_NAMESPACE"

// inUserNamespace runs the calling test again as root of a user and mount namespace of its own, for an ordinary user
// may not mount. The outcome there is the outcome here.
func inUserNamespace(t testing.TB) {
	t.Helper()
	require.Empty(t, os.Getenv(inNamespace), "mounting is refused even in a namespace of our own")
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
