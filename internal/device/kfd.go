package device

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// gfxOf names the instruction set of the cards in amdNames, for a machine without the compute driver's topology.
var gfxOf = map[string]string{
	"1002:73bf": "gfx1030", "1002:73df": "gfx1031", "1002:73ff": "gfx1032", "1002:744c": "gfx1100",
	"1002:747e": "gfx1101", "1002:7480": "gfx1102", "1002:7550": "gfx1201", "1002:7590": "gfx1200",
	"1002:164e": "gfx1036", "1002:13c0": "gfx1036", "1002:15bf": "gfx1103",
	"1002:1638": "gfx90c", "1002:1586": "gfx1151",
}

// computeNode is a card as the compute driver lists it.
type computeNode struct {
	ordinal int    // ordinal is its place in the list, which is how HIP counts.
	gfx     string // gfx is the instruction set, as in gfx1031.
	id      string // id names the card below kfd/proc.
}

const topology = "sys/class/kfd/kfd/topology/nodes"

// computeNodes are the cards in the compute driver's order, by the minor number of their render node. HIP counts in
// this order, which need not be the bus's: the integrated card of a processor often comes first.
func (t tree) computeNodes() map[string]computeNode {
	entries, err := os.ReadDir(filepath.Join(t.root, topology))
	if err != nil {
		return nil
	}
	var numbers []int
	for _, entry := range entries {
		if n, err := strconv.Atoi(entry.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	nodes := map[string]computeNode{}
	for _, n := range numbers {
		dir := filepath.Join(topology, itoa(n))
		properties := t.properties(filepath.Join(dir, "properties"))
		if properties["simd_count"] == 0 {
			continue // a processor
		}
		id, _ := t.read(filepath.Join(dir, "gpu_id"))
		minor := strconv.FormatInt(properties["drm_render_minor"], 10)
		nodes[minor] = computeNode{
			ordinal: len(nodes),
			gfx:     gfxName(properties["gfx_target_version"]),
			id:      strings.TrimSpace(string(id)),
		}
	}
	return nodes
}

// properties reads lines of "name number".
func (t tree) properties(name string) map[string]int64 {
	raw, err := t.read(name)
	if err != nil {
		return nil
	}
	found := map[string]int64{}
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			found[key] = n
		}
	}
	return found
}

// gfxName turns 100301 into gfx1031 and 90012 into gfx90c.
func gfxName(version int64) string {
	if version <= 0 {
		return ""
	}
	return fmt.Sprintf("gfx%d%x%x", version/10000, version/100%100, version%100)
}
