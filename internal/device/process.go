package device

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is USER_HZ, which Linux fixes at 100 for what it tells programs on every architecture that Go runs on.
const ticks = 100

// Stat is the part of /proc/PID/stat that identifies a process and says what it costs.
type Stat struct {
	PID, Parent, Group int
	State              byte  // State is Z for a process that has ended and waits to be reaped.
	Started            int64 // Started is in clock ticks since boot; with the pid it names a process for good.
	CPU                time.Duration
	RSS                int64
}

// SameProcess reads the process that has the number and started at that time, as Stat.Started tells it; false when it
// is gone, whatever has its number now. One that has ended and is not reaped yet counts: its State is 'Z'.
func SameProcess(pid int, started int64) (Stat, bool) {
	stat, err := ProcessStat(pid)
	return stat, err == nil && stat.Started == started
}

// ProcessStat reads one process. It fails with fs.ErrNotExist when there is none.
func ProcessStat(pid int) (Stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, err
	}
	return parseStat(raw)
}

func parseStat(raw []byte) (Stat, error) {
	// The command's name stands in brackets and may itself hold brackets and blanks: count from the last one.
	open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if open < 1 || end < open {
		return Stat{}, fmt.Errorf("device: stat %q", raw)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(raw[:open])))
	fields := strings.Fields(string(raw[end+1:]))
	if err != nil || len(fields) < 22 {
		return Stat{}, fmt.Errorf("device: stat %q", raw)
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	return Stat{
		PID: pid, State: fields[0][0], Parent: int(number(1)), Group: int(number(2)),
		CPU:     time.Duration(number(11)+number(12)) * time.Second / ticks,
		Started: number(19),
		RSS:     number(21) * int64(os.Getpagesize()),
	}, nil
}

// Processes are all that run now.
func Processes() []Stat {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Stat
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := ProcessStat(pid); err == nil {
			found = append(found, stat)
		}
	}
	return found
}

// processPrivate is the memory of a process that only its end gives back, in bytes: what it maps from files, as
// weights, is the kernel's to take. 0 when it has ended.
func processPrivate(pid int) (bytes int64) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "RssAnon" && name != "RssShmem" {
			continue
		}
		if kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); err == nil {
			bytes += kilobytes << 10
		}
	}
	return bytes
}

func groupRSS(pgid int) int64 {
	var sum int64
	for _, stat := range Processes() {
		if stat.Group == pgid {
			sum += stat.RSS
		}
	}
	return sum
}

func groupCPU(pgid int) time.Duration {
	var sum time.Duration
	for _, stat := range Processes() {
		if stat.Group == pgid {
			sum += stat.CPU
		}
	}
	return sum
}

// processGPU adds up what a process holds on all cards. A moved root that does not know the process leaves it to the
// real machine.
func (t tree) processGPU(pid int) (vram, gtt int64) {
	dir := filepath.Join("proc", strconv.Itoa(pid), "fdinfo")
	clients := t.drmClients(dir)
	if len(clients) == 0 && t.root != "/" {
		clients = tree{root: "/"}.drmClients(dir)
	}
	for _, values := range clients {
		vram += held(values, "vram")
		gtt += held(values, "gtt")
	}
	return vram, gtt
}

// size reads "1234 KiB".
func size(text string) int64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	if len(fields) == 2 {
		switch fields[1] {
		case "KiB":
			n <<= 10
		case "MiB":
			n <<= 20
		case "GiB":
			n <<= 30
		}
	}
	return n
}
