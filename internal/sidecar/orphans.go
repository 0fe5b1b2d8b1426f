package sidecar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/device"
)

const runtimeDir = "sidecars"

// runtimeFile names a running sidecar for the next server, should this one die.
type runtimeFile struct {
	PID     int    `json:"pid"`
	Started int64  `json:"started"` // Started is in clock ticks since boot: with the pid, the process's identity.
	BootID  string `json:"boot_id"`
	Token   string `json:"token"`
}

// realBootID is of the machine whose processes these are, wherever APIBR_SYSFS_ROOT points.
func realBootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func writeRuntimeFile(dir string, pid int, token string, log *slog.Logger) string {
	stat, err := device.ProcessStat(pid)
	if err != nil {
		return "" // ended already
	}
	raw, err := json.Marshal(runtimeFile{PID: pid, Started: stat.Started, BootID: realBootID(), Token: token})
	path := filepath.Join(dir, strconv.Itoa(pid)+".json")
	if err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		log.Warn(
			"the runtime file of a sidecar was not written; a crash of this server may leave it behind",
			"error",
			err,
		)
		return ""
	}
	return path
}

// reapLimit is how long the reaper waits for what it killed.
const reapLimit = 5 * time.Second

// reapOrphans ends what a server that died left behind. A process is killed only when it is the one that was written
// down (pid and start time, same boot of the machine) or carries its token.
func reapOrphans(dir string, log *slog.Logger) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return
	}
	boot := realBootID()
	for _, path := range files {
		var left runtimeFile
		raw, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(raw, &left) == nil && left.BootID == boot && left.PID > 1 {
			if killed := reap(left); killed > 0 {
				log.Warn("ended processes that an earlier server left", "pid", left.PID, "processes", killed)
			}
		}
		_ = os.Remove(path)
	}
}

func reap(left runtimeFile) int {
	killed := 0
	if stat, same := device.SameProcess(left.PID, left.Started); same && stat.State != 'Z' {
		// Wait for the very process, not for its number.
		pidfd, err := unix.PidfdOpen(left.PID, 0)
		if stat.Group == left.PID {
			signalGroup(left.PID, unix.SIGKILL)
		} else {
			_ = unix.Kill(left.PID, unix.SIGKILL)
		}
		killed++
		if err == nil {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(reapLimit.Milliseconds()))
			_ = unix.Close(pidfd)
		}
	}
	return killed + killMarked(left.Token)
}

// killMarked kills every process that was started with the token, in whatever group or session it is now.
func killMarked(token string) int {
	if token == "" {
		return 0
	}
	mark := []byte(tokenKey + "=" + token)
	killed := 0
	for _, stat := range device.Processes() {
		if stat.State == 'Z' || stat.PID == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", stat.PID))
		if err == nil && bytes.Contains(env, mark) && unix.Kill(stat.PID, unix.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}
