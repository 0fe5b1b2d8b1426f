package device

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tree reads files below a root that stands for /.
type tree struct{ root string }

func (t tree) read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(t.root, name)) }

// readOrReal takes the real machine's file where a moved root has none.
func (t tree) readOrReal(name string) ([]byte, error) {
	raw, err := t.read(name)
	if errors.Is(err, fs.ErrNotExist) && t.root != "/" {
		return os.ReadFile("/" + name)
	}
	return raw, err
}

func (t tree) bootID() (string, error) {
	raw, err := t.readOrReal("proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("device: read the kernel's boot id: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func (t tree) memory() (total, available int64, err error) {
	raw, err := t.readOrReal("proc/meminfo")
	if err != nil {
		return 0, 0, fmt.Errorf("device: read memory: %w", err)
	}
	total, okTotal := meminfo(raw, "MemTotal")
	available, okAvailable := meminfo(raw, "MemAvailable")
	if !okTotal || !okAvailable {
		// A tree that another program is just writing reads half; the next look will do.
		return 0, 0, errors.New("device: meminfo has no MemTotal and MemAvailable")
	}
	return total, available, nil
}

func (t tree) swap() (total, free int64, err error) {
	raw, err := t.readOrReal("proc/meminfo")
	if err != nil {
		return 0, 0, fmt.Errorf("device: read swap: %w", err)
	}
	total, _ = meminfo(raw, "SwapTotal")
	free, ok := meminfo(raw, "SwapFree")
	if !ok {
		free = total
	}
	return total, free, nil
}

func (t tree) kernel() string {
	raw, err := t.readOrReal("proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func (t tree) module(name string) (version string, ok bool) {
	dir := filepath.Join("sys/module", name)
	if info, err := os.Stat(filepath.Join(t.root, dir)); err != nil || !info.IsDir() {
		return "", false
	}
	return t.word(filepath.Join(dir, "version")), true
}

func (t tree) owner(path string) string {
	info, err := os.Stat(filepath.Join(t.root, path))
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	group, err := user.LookupGroupId(strconv.FormatUint(uint64(stat.Gid), 10))
	if err != nil {
		return ""
	}
	return group.Name
}

// meminfo is one line of /proc/meminfo in bytes.
func meminfo(raw []byte, name string) (int64, bool) {
	for line := range bytes.Lines(raw) {
		key, value, found := strings.Cut(string(line), ":")
		if !found || key != name {
			continue
		}
		fields := strings.Fields(value)
		if len(fields) != 2 || fields[1] != "kB" {
			return 0, false
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		return n << 10, err == nil
	}
	return 0, false
}

func (t tree) pressureFull() (float64, error) {
	raw, err := t.read("proc/pressure/memory")
	if err != nil {
		return 0, fmt.Errorf("device: read memory pressure: %w", err)
	}
	for line := range bytes.Lines(raw) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 || fields[0] != "full" {
			continue
		}
		if value, ok := strings.CutPrefix(fields[1], "avg10="); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("device: memory pressure has no full line: %w", fs.ErrNotExist)
}

func itoa(n int) string { return strconv.Itoa(n) }
