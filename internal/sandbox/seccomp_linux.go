package sandbox

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The kernel gives a filter struct seccomp_data: the system call's number, the architecture, then the arguments in 64
// bits each.
const (
	offsetNumber   = 0
	offsetArch     = 4
	offsetArgument = 16 // the low half of the first one, on a little-endian machine
)

// architectures are the values that the kernel has for what Go calls GOARCH.
var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// foreignNumbers is the bit of the x32 system calls, which amd64 kernels take besides their own.
const foreignNumbers = 0x40000000

// noUnixSockets makes socket(AF_UNIX) fail with EACCES in the calling thread and its children. A pair of connected
// sockets (socketpair) is left: it reaches no other process. io_uring is refused, since it opens sockets without a
// system call, and so are the calls of other architectures. Where the architecture is unknown nothing is filtered.
func noUnixSockets() error {
	arch, known := architectures[runtime.GOARCH]
	if !known {
		return nil
	}
	answer := func(errno unix.Errno) bpf.RetConstant {
		return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)}
	}
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		answer(unix.ENOSYS),
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: foreignNumbers, SkipFalse: 1},
		answer(unix.ENOSYS),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_IO_URING_SETUP, SkipFalse: 1},
		answer(unix.ENOSYS),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_SOCKET, SkipTrue: 1},
		allow,
		bpf.LoadAbsolute{Off: offsetArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_UNIX, SkipTrue: 1},
		allow,
		answer(unix.EACCES),
	})
	if err != nil {
		return fmt.Errorf("sandbox: socket filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0,
		0); err != nil {
		if err == unix.EINVAL || err == unix.ENOSYS {
			return nil // a kernel without filters
		}
		return fmt.Errorf("sandbox: socket filter: %w", err)
	}
	return nil
}
