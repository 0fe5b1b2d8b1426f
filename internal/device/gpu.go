package device

import (
	"cmp"
	"context"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// amdNames are the cards that our users have, by PCI device and, where one device is sold under several names,
// revision. A card that is missing here is called by its ids and works the same.
var amdNames = map[string]string{
	"1002:73df:c0": "AMD Radeon RX 6750 XT",
	"1002:73df:c1": "AMD Radeon RX 6700 XT",
	"1002:73df:c5": "AMD Radeon RX 6700 XT",
	"1002:73df:df": "AMD Radeon RX 6700",
	"1002:73df":    "AMD Radeon RX 6700/6750 XT",
	"1002:73bf:c0": "AMD Radeon RX 6900 XT",
	"1002:73bf:c1": "AMD Radeon RX 6800 XT",
	"1002:73bf:c3": "AMD Radeon RX 6800",
	"1002:73bf":    "AMD Radeon RX 6800/6900 XT",
	"1002:73ff":    "AMD Radeon RX 6600",
	"1002:744c":    "AMD Radeon RX 7900 XT/XTX",
	"1002:747e":    "AMD Radeon RX 7700/7800 XT",
	"1002:7480":    "AMD Radeon RX 7600",
	"1002:7550":    "AMD Radeon RX 9070/9070 XT",
	"1002:7590":    "AMD Radeon RX 9060 XT",
	"1002:164e":    "AMD Raphael (integrated)",
	"1002:13c0":    "AMD Granite Ridge (integrated)",
	"1002:15bf":    "AMD Phoenix (integrated)",
	"1002:1638":    "AMD Cezanne (integrated)",
	"1002:1586":    "AMD Strix Halo (integrated)",
}

// integratedIDs are the devices of amdNames that live inside a processor.
var integratedIDs = []string{"1002:164e", "1002:13c0", "1002:15bf", "1002:1638", "1002:1586"}

// smallestDiscrete: an AMD card below this much own memory is taken for integrated when its id is not known. The
// carve-out of a desktop processor is 512 MiB by default and no discrete card that can compute has under 2 GiB.
const smallestDiscrete = 2 << 30

var cardName = regexp.MustCompile(`^card\d+$`)

func (t tree) amdgpu() []GPU {
	cards, err := os.ReadDir(filepath.Join(t.root, "sys/class/drm"))
	if err != nil {
		return nil
	}
	var found []GPU
	nodes := t.computeNodes()
	for _, card := range cards {
		if !cardName.MatchString(card.Name()) {
			continue
		}
		dir := filepath.Join("sys/class/drm", card.Name(), "device")
		total, ok := t.number(filepath.Join(dir, "mem_info_vram_total"))
		if !ok {
			continue // another driver, or a connector
		}
		gpu := GPU{
			Kind:       "hip",
			VRAMTotal:  total,
			PCI:        t.pciAddress(dir),
			RenderNode: t.renderNode(dir),
			Card:       card.Name(),
			Ordinal:    unknown,
		}
		gpu.Driver = t.event(dir, "DRIVER")
		gpu.VRAMUsed, _ = t.number(filepath.Join(dir, "mem_info_vram_used"))
		gpu.GTTUsed, _ = t.number(filepath.Join(dir, "mem_info_gtt_used"))
		id := t.hex(dir, "vendor") + ":" + t.hex(dir, "device")
		gpu.Name = amdName(id, t.hex(dir, "revision"))
		if name, err := t.read(filepath.Join(dir, "product_name")); err == nil &&
			strings.TrimSpace(string(name)) != "" {
			gpu.Name = strings.TrimSpace(string(name))
		}
		gpu.Integrated = slices.Contains(integratedIDs, id) || amdNames[id] == "" && total < smallestDiscrete
		gpu.GFX = gfxOf[id]
		if node, ok := nodes[strings.TrimPrefix(gpu.RenderNode, "/dev/dri/renderD")]; ok {
			gpu.Ordinal, gpu.GFX = node.ordinal, node.gfx
		}
		found = append(found, gpu)
	}
	return found
}

func amdName(id, revision string) string {
	if name, ok := amdNames[id+":"+revision]; ok {
		return name
	}
	if name, ok := amdNames[id]; ok {
		return name
	}
	return "AMD GPU " + id
}

func (t tree) number(name string) (int64, bool) {
	raw, err := t.read(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	return n, err == nil
}

func (t tree) hex(dir, name string) string {
	raw, err := t.read(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(string(raw)), "0x")
}

// pciAddress comes from the uevent file, since a copied tree has no links to follow.
func (t tree) pciAddress(dir string) string { return t.event(dir, "PCI_SLOT_NAME") }

// event is one value of a device's uevent file.
func (t tree) event(dir, name string) string {
	raw, err := t.read(filepath.Join(dir, "uevent"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value
		}
	}
	return ""
}

func (t tree) renderNode(dir string) string {
	entries, err := os.ReadDir(filepath.Join(t.root, dir, "drm"))
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "renderD") {
			return "/dev/dri/" + entry.Name()
		}
	}
	return ""
}

// unknown is the Ordinal of a card that the compute driver does not list.
const unknown = -1

// order says how HIP and CUDA count each kind, by the bus where the driver does not tell, and numbers what a sidecar
// sees: the discrete cards. The integrated card of a processor comes last, so that no number of a discrete one depends
// on it.
func order(gpus []GPU) []GPU {
	slices.SortStableFunc(gpus, func(a, b GPU) int {
		return cmp.Or(strings.Compare(b.Kind, a.Kind), strings.Compare(a.PCI, b.PCI))
	})
	count := map[string]int{}
	for i := range gpus {
		if gpus[i].Ordinal == unknown {
			gpus[i].Ordinal = count[gpus[i].Kind]
		}
		count[gpus[i].Kind]++
	}
	slices.SortStableFunc(gpus, func(a, b GPU) int {
		return cmp.Or(last(a.Integrated)-last(b.Integrated), strings.Compare(b.Kind, a.Kind), a.Ordinal-b.Ordinal)
	})
	clear(count)
	for i := range gpus {
		gpus[i].Index = count[gpus[i].Kind]
		count[gpus[i].Kind]++
	}
	return gpus
}

func last(integrated bool) int {
	if integrated {
		return 1
	}
	return 0
}

// nvidiaReader asks nvidia-smi at most once a second: it takes tens of milliseconds and the guard looks every 100 ms.
type nvidiaReader struct {
	query func(context.Context) ([]byte, error)

	mu   sync.Mutex
	at   time.Time
	last []GPU
	gone bool
}

func (n *nvidiaReader) gpus() []GPU {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone || time.Since(n.at) < time.Second {
		return n.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	raw, err := n.query(ctx)
	n.at = time.Now()
	if err != nil {
		// Without the program there is no such card, and there will be none while this server runs.
		n.gone, n.last = ctx.Err() == nil, nil
		return nil
	}
	n.last = parseNvidia(raw)
	return n.last
}

func queryNvidia(ctx context.Context) ([]byte, error) {
	return exec.CommandContext(ctx, "nvidia-smi",
		"--query-gpu=name,pci.bus_id,memory.total,memory.used", "--format=csv,noheader,nounits").Output()
}

func parseNvidia(raw []byte) []GPU {
	reader := csv.NewReader(strings.NewReader(string(raw)))
	reader.TrimLeadingSpace = true
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil
	}
	var found []GPU
	for _, record := range records {
		if len(record) < 4 {
			continue
		}
		total, errTotal := strconv.ParseInt(strings.TrimSpace(record[2]), 10, 64)
		used, errUsed := strconv.ParseInt(strings.TrimSpace(record[3]), 10, 64)
		if errTotal != nil || errUsed != nil {
			continue
		}
		found = append(
			found,
			GPU{
				Kind:      "cuda",
				Driver:    "nvidia",
				Name:      record[0],
				PCI:       strings.ToLower(record[1]),
				Ordinal:   unknown,
				VRAMTotal: total << 20,
				VRAMUsed:  used << 20,
			},
		)
	}
	return found
}
