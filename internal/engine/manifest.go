package engine

import (
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/apibr/studio/internal/i18n"
)

// ID names an engine, as in `draft-speech`. It never changes once released.
type ID string

// The two qualities of a generation.
const (
	Draft = "draft"
	Final = "final"
)

// Manifest is what one engine says about itself.
type Manifest struct {
	ID          ID        `yaml:"id"`
	Version     int       `yaml:"version"` // Version grows when the output for the same input changes.
	Quality     string    `yaml:"quality"` // Quality is draft or final.
	Module      string    `yaml:"module"`  // Module holds the class Engine; the worker imports it.
	Venv        string    `yaml:"venv"`    // Venv is draft or models.
	UsesGPU     bool      `yaml:"uses_gpu"`
	Licence     string    `yaml:"licence"`
	Description i18n.Text `yaml:"description"`

	// Planned says that the engine is not part of this version. Requests may name its models and the configuration its
	// settings, so that neither is refused as a mistake; it answers nothing and is not listed. Default false.
	Planned bool `yaml:"planned"`

	// Network says that the engine's process needs the network, and gets the variables of a proxy. Default false.
	Network bool `yaml:"network"`

	// Settings of the configuration that the engine takes, by name, as in engines.<engine>.<name>.
	Settings map[string]Setting `yaml:"settings"`

	// VoicesFrom are engines whose conditionals of a voice this engine reads where it has none of its own, best first.
	VoicesFrom []ID `yaml:"voices_from"`

	// BuiltinVoices is a YAML file beside the manifest with voices that ship with the studio. They belong to this
	// engine: it speaks them before any other, and their conditionals are under its id. Default: none.
	BuiltinVoices string `yaml:"builtin_voices"`

	// OwnVoicesOnly says that the engine speaks its built-in voices and no others. Default false.
	OwnVoicesOnly bool `yaml:"own_voices_only"`

	// EveryQuality says that the engine answers requests of the other quality too, for the voices that belong to it;
	// the job then has the engine's own quality. Default false.
	EveryQuality bool `yaml:"every_quality"`

	// Languages a speech engine speaks, as BCP 47 tags. Empty when language means nothing to the engine.
	Languages []string `yaml:"languages"`
	Models    []Model  `yaml:"models"`

	// BlockSeconds is the longest time for which the engine does not check whether it is canceled. Default 1.
	BlockSeconds float64         `yaml:"block_seconds"`
	Memory       []MemoryPlan    `yaml:"memory"`
	Tasks        map[string]Task `yaml:"tasks"`
	Install      i18n.Text       `yaml:"install"` // Install says what to do when the engine is missing.

	schemas map[string]*jsonschema.Schema
	file    string // file is the path of the manifest.
}

// Task is one thing that an engine does, as in `audio.speech`.
type Task struct {
	// Priority is the engine's place among those of its quality that do the task: the lowest is asked first. No two
	// engines may have the same. Default 100.
	Priority int `yaml:"priority"`

	// DefaultEdge is the width and height, in pixels, of a picture for which the request says no size and sends no
	// picture. Default 0: the schema's defaults.
	DefaultEdge int `yaml:"default_edge"`

	Parameters map[string]any `yaml:"parameters"` // Parameters is a JSON Schema object of the run's params.
	Inputs     []Port         `yaml:"inputs"`
	Outputs    []Port         `yaml:"outputs"`
	Phases     []Phase        `yaml:"phases"`
}

// Port is a file that goes in or comes out.
type Port struct {
	Name     string `yaml:"name"`
	Kind     string `yaml:"kind"` // Kind is image, audio, video, voice or data.
	MIME     string `yaml:"mime"`
	Required bool   `yaml:"required"`

	// MinSide is the fewest pixels that the shorter side of a picture may have; 0 for any.
	MinSide int `yaml:"min_side"`

	// Sample says that the engine takes a cloned voice's recording too, as <name>_sample: it can make its own of a
	// voice that another engine cloned.
	Sample bool `yaml:"sample"`
}

// Phase is a stage of a run with its share of the progress bar.
type Phase struct {
	Name     string  `yaml:"name"`
	Weight   float64 `yaml:"weight"`
	Segments bool    `yaml:"segments"` // Segments says that the phase delivers segments, which outlive a crash.
}

// Block is the longest time for which the engine does not check whether it is canceled.
func (m *Manifest) Block() time.Duration {
	return time.Duration(m.BlockSeconds * float64(time.Second))
}

// Does says whether the engine does the task.
func (m *Manifest) Does(task string) bool {
	_, ok := m.Tasks[task]
	return ok
}

// VoiceSources are the engines whose conditionals of a voice the engine reads, best first: its own, then VoicesFrom.
func (m *Manifest) VoiceSources() []string {
	sources := []string{string(m.ID)}
	for _, id := range m.VoicesFrom {
		sources = append(sources, string(id))
	}
	return sources
}
