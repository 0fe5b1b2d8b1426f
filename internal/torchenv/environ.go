package torchenv

import (
	"cmp"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/apibr/studio/internal/device"
)

// Variables is a change to a process's environment.
type Variables struct {
	Set   map[string]string
	Unset []string
}

// Environment is what a process of the profile starts with on a machine with these cards. Kernel caches go below
// dataDir.
func Environment(p Profile, gpus []device.GPU, dataDir string) Variables {
	b := profiles()
	fill := strings.NewReplacer(
		"{cards}",
		visible(gpus, p.Device),
		"{caches}",
		Caches(dataDir),
		"{threads}",
		strconv.Itoa(threads(runtime.NumCPU())),
	)
	v := Variables{Set: map[string]string{}, Unset: slices.Clone(b.Unset[p.Device])}
	for _, part := range []string{"all", p.Device} {
		for name, value := range b.Environment[part] {
			v.Set[name] = fill.Replace(value)
		}
	}
	for _, version := range p.Override {
		v.Set["HSA_OVERRIDE_GFX_VERSION"] = version
	}
	return v
}

// Caches is the folder of the compiled and tuned kernels.
func Caches(dataDir string) string { return filepath.Join(dataDir, "cache") }

// visible are the ordinals of the discrete cards of that kind, best known first: in the order in which
// device.GPU.Index counts them. Without such a card nothing is visible.
func visible(gpus []device.GPU, kind string) string {
	name := map[string]string{ROCm: "hip", CUDA: "cuda"}[kind]
	cards := slices.DeleteFunc(slices.Clone(gpus), func(g device.GPU) bool { return g.Kind != name || g.Integrated })
	slices.SortFunc(cards, func(a, b device.GPU) int { return cmp.Compare(a.Index, b.Index) })
	var ordinals []string
	for _, card := range cards {
		ordinals = append(ordinals, strconv.Itoa(card.Ordinal))
	}
	if len(ordinals) == 0 {
		return "-1"
	}
	return strings.Join(ordinals, ",")
}

// threads: arithmetic gains nothing from the second thread of a core, and the desktop needs some.
func threads(processors int) int {
	const small = 4
	if processors <= small {
		return processors
	}
	return processors / 2
}

// Apply changes an environment of NAME=value entries.
func (v Variables) Apply(environment []string) []string {
	changed := slices.DeleteFunc(slices.Clone(environment), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, set := v.Set[name]
		return set || slices.Contains(v.Unset, name)
	})
	names := make([]string, 0, len(v.Set))
	for name := range v.Set {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		changed = append(changed, name+"="+v.Set[name])
	}
	return changed
}
