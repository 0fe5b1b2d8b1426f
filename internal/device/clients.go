package device

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Client is what one process holds on one card.
type Client struct {
	PID  int
	Name string
	PCI  string // PCI is the card's bus address.
	VRAM int64
	GTT  int64
	// Engine is the time that the card has computed for it, without the compute driver's queues.
	Engine time.Duration
	State  byte // State of the process as in Stat; D is waiting inside a driver.
	Ours   bool // Ours says that it is a sidecar of the studio.
}

// clients are the processes that hold a card open, by what their descriptors tell. Those of other users are seen only
// by root.
func (t tree) clients() []Client {
	entries, err := os.ReadDir(filepath.Join(t.root, "proc"))
	if err != nil {
		return nil
	}
	var found []Client
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			found = append(found, t.clientsOf(pid)...)
		}
	}
	return found
}

// clientsOf is one entry for each card that the process uses. Several descriptors of one drm client report the same
// memory, so each client id counts once.
func (t tree) clientsOf(pid int) []Client {
	dir := filepath.Join("proc", strconv.Itoa(pid))
	var found []Client
	for _, values := range t.drmClients(filepath.Join(dir, "fdinfo")) {
		client := Client{PID: pid, PCI: values["drm-pdev"], VRAM: held(values, "vram"), GTT: held(values, "gtt")}
		for key, value := range values {
			if strings.HasPrefix(key, "drm-engine-") {
				client.Engine += nanoseconds(value)
			}
		}
		found = merge(found, client)
	}
	if len(found) == 0 {
		return nil
	}
	name, _ := t.read(filepath.Join(dir, "comm"))
	environ, _ := t.read(filepath.Join(dir, "environ"))
	raw, _ := t.read(filepath.Join(dir, "stat"))
	stat, _ := parseStat(raw)
	for i := range found {
		found[i].Name, found[i].State = strings.TrimSpace(string(name)), stat.State
		found[i].Ours = bytes.HasPrefix(environ, []byte("APIBR_SIDECAR=")) ||
			bytes.Contains(environ, []byte("\x00APIBR_SIDECAR="))
	}
	return found
}

// merge adds up the drm clients of a process on one card.
func merge(found []Client, one Client) []Client {
	for i := range found {
		if found[i].PCI == one.PCI {
			found[i].VRAM += one.VRAM
			found[i].GTT += one.GTT
			found[i].Engine += one.Engine
			return found
		}
	}
	return append(found, one)
}

// drmClients are the drm lines of a folder of fdinfo, once for each client.
func (t tree) drmClients(dir string) []map[string]string {
	entries, err := os.ReadDir(filepath.Join(t.root, dir))
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	var found []map[string]string
	for _, entry := range entries {
		raw, err := t.read(filepath.Join(dir, entry.Name()))
		if err != nil || !bytes.Contains(raw, []byte("drm-client-id:")) {
			continue
		}
		values := map[string]string{}
		for line := range strings.Lines(string(raw)) {
			key, value, _ := strings.Cut(line, ":")
			values[key] = strings.TrimSpace(value)
		}
		if client := values["drm-pdev"] + "/" + values["drm-client-id"]; !seen[client] {
			seen[client] = true
			found = append(found, values)
		}
	}
	return found
}

// held is memory of one kind; newer kernels say drm-resident where older ones say drm-memory.
func held(values map[string]string, kind string) int64 {
	if text, ok := values["drm-memory-"+kind]; ok {
		return size(text)
	}
	return size(values["drm-resident-"+kind])
}

func nanoseconds(text string) time.Duration {
	number, _, _ := strings.Cut(text, " ")
	n, _ := strconv.ParseInt(number, 10, 64)
	return time.Duration(n)
}

// nvidiaClients asks nvidia-smi for the processes that compute.
func nvidiaClients(query func(context.Context) ([]byte, error)) []Client {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	raw, err := query(ctx)
	if err != nil {
		return nil
	}
	reader := csv.NewReader(bytes.NewReader(raw))
	reader.TrimLeadingSpace = true
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil
	}
	var found []Client
	for _, record := range records {
		if len(record) < 4 {
			continue
		}
		pid, errPID := strconv.Atoi(record[1])
		used, errUsed := strconv.ParseInt(strings.TrimSpace(record[3]), 10, 64)
		if errPID == nil && errUsed == nil {
			found = append(
				found,
				Client{PID: pid, Name: filepath.Base(record[2]), PCI: strings.ToLower(record[0]), VRAM: used << 20},
			)
		}
	}
	return found
}

func queryNvidiaClients(ctx context.Context) ([]byte, error) {
	return exec.CommandContext(ctx, "nvidia-smi", "--query-compute-apps=gpu_bus_id,pid,process_name,used_memory",
		"--format=csv,noheader,nounits").
		Output()
}
