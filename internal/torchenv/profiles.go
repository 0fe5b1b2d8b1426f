package torchenv

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// The kinds of device that an environment is made for.
const (
	Auto = "auto" // Auto takes the best card that is there, else the processor.
	ROCm = "rocm"
	CUDA = "cuda"
	CPU  = "cpu"

	anyDevice = "any"
)

// Profile is one way to make the environment.
type Profile struct {
	ID string `yaml:"id" json:"id"`

	// Device is rocm, cuda or cpu; in the file also any, which stands for the device that is wanted.
	Device string `yaml:"device" json:"device"`

	GFX          []string          `yaml:"gfx"          json:"gfx,omitempty"`
	Index        string            `yaml:"index"        json:"index,omitempty"`
	Packages     []string          `yaml:"packages"     json:"packages,omitempty"`
	Requirements []string          `yaml:"requirements" json:"requirements"` // paths below the checkout
	Python       string            `yaml:"python"       json:"python"`
	Override     map[string]string `yaml:"override"     json:"override,omitempty"`
	Disk         int64             `yaml:"disk"         json:"-"`
}

type book struct {
	Order       map[string][]string          `yaml:"order"`
	Profiles    []Profile                    `yaml:"profiles"`
	Environment map[string]map[string]string `yaml:"environment"`
	Unset       map[string][]string          `yaml:"unset"`
}

//go:embed profiles.yaml
var profilesYAML []byte

// profiles reads the embedded file, which a test proves to be whole.
var profiles = sync.OnceValue(func() *book {
	var b book
	if err := yaml.Unmarshal(profilesYAML, &b); err != nil {
		panic(fmt.Sprintf("torchenv: profiles.yaml: %v", err))
	}
	return &b
})

// IDs lists the profiles.
func IDs() []string {
	var ids []string
	for _, p := range profiles().Profiles {
		ids = append(ids, p.ID)
	}
	return ids
}

func byID(id string) (Profile, bool) {
	i := slices.IndexFunc(profiles().Profiles, func(p Profile) bool { return p.ID == id })
	if i < 0 {
		return Profile{}, false
	}
	return profiles().Profiles[i], true
}

// Request says what environment is wanted.
type Request struct {
	// Device is auto, rocm, cuda or cpu. Default auto.
	Device string

	// Profile is the only one to try. Default: the device's list.
	Profile string

	// Indexes replace the profiles' indexes, by id.
	Indexes map[string]string

	// GPUs are the cards of this machine.
	GPUs []device.GPU
}

// Profiles are what to try, in order, for the machine's best discrete card.
//
// With auto the processor's profiles come last, so that a machine whose card no wheel knows still has an environment;
// a device that was asked for by name is never replaced by another. It fails when there is no such card or profile.
func Profiles(want Request) ([]Profile, error) {
	if want.Profile != "" {
		return single(want)
	}
	kind := want.Device
	card, found := device.Snapshot{GPUs: want.GPUs}.Best()
	has := ""
	if found {
		has = map[string]string{"hip": ROCm, "cuda": CUDA}[card.Kind]
	}
	switch kind {
	case Auto, "":
		kind = CPU
		if found {
			kind = has
		}
	case ROCm, CUDA:
		if kind != has {
			// A machine with cards of both makers: the best of that maker.
			if card, found = bestOf(want.GPUs, kind); !found {
				return nil, &Error{
					i18n.Say("no graphics card for %s was found: use --device auto, or see apibr doctor", kind),
				}
			}
		}
	case CPU:
	default:
		return nil, &Error{i18n.Say("device %q is not known: use auto, rocm, cuda or cpu", want.Device)}
	}
	list := filled(profiles().Order[kind], kind, card.GFX, want.Indexes)
	if kind == ROCm && want.Device != ROCm {
		list = append(list, filled(profiles().Order[CPU], CPU, "", want.Indexes)...)
	}
	return list, nil
}

// single is the list of one profile that the user names.
func single(want Request) ([]Profile, error) {
	p, ok := byID(want.Profile)
	if !ok {
		hint := ""
		if near := names.Nearest(want.Profile, IDs()); near != "" {
			hint = near
		} else {
			hint = strings.Join(IDs(), ", ")
		}
		return nil, &Error{i18n.Say("profile %q is not known: try %s", want.Profile, hint)}
	}
	kind := p.Device
	if kind == anyDevice {
		kind = CPU
		if _, ok := bestOf(want.GPUs, CUDA); ok && want.Device != CPU {
			kind = CUDA
		}
	}
	card, _ := bestOf(want.GPUs, kind)
	list := filled([]string{p.ID}, kind, card.GFX, want.Indexes)
	if len(list) == 0 {
		return nil, &Error{i18n.Say("profile %s has no wheels for this computer's card", p.ID)}
	}
	return list, nil
}

func bestOf(gpus []device.GPU, kind string) (device.GPU, bool) {
	name := map[string]string{ROCm: "hip", CUDA: "cuda"}[kind]
	only := slices.DeleteFunc(slices.Clone(gpus), func(g device.GPU) bool { return g.Kind != name })
	return device.Snapshot{GPUs: only}.Best()
}

// filled fills the profiles in for one kind of device and card; those without wheels for the card are left out.
func filled(ids []string, kind, gfx string, indexes map[string]string) []Profile {
	var list []Profile
	for _, id := range ids {
		p, ok := byID(id)
		if !ok || len(p.GFX) > 0 && !slices.Contains(p.GFX, gfx) {
			continue
		}
		p.Device, p.GFX = kind, nil
		if gfx != "" {
			p.GFX = []string{gfx}
		}
		if index := indexes[id]; index != "" {
			p.Index = index
		}
		p.Packages = slices.Clone(p.Packages)
		for i := range p.Packages {
			p.Packages[i] = strings.ReplaceAll(p.Packages[i], "{gfx}", gfx)
		}
		override := p.Override[gfx]
		p.Override = nil
		if override != "" {
			p.Override = map[string]string{gfx: override}
		}
		list = append(list, p)
	}
	return list
}

// Error is a failure that its user can act on.
type Error struct{ sentence i18n.Sentence }

func (e *Error) Error() string { return e.sentence.String() }

// Sentence is the error for people.
func (e *Error) Sentence() i18n.Sentence { return e.sentence }
