package engine

import (
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// ID names an engine, as in `draft-speech`. It never changes once released.
type ID string

// The two qualities of a generation.
const (
	Draft = "draft"
	Final = "final"
)

// Text is a sentence in the two languages of the product.
type Text struct {
	En   string `yaml:"en" json:"en"`
	PtBR string `yaml:"pt-BR" json:"pt-BR"`
}

// Manifest is what one engine says about itself.
type Manifest struct {
	ID          ID     `yaml:"id"`
	Version     int    `yaml:"version"` // Version grows when the output for the same input changes.
	Quality     string `yaml:"quality"` // Quality is draft or final.
	Module      string `yaml:"module"`  // Module holds the class Engine; the worker imports it.
	Venv        string `yaml:"venv"`    // Venv is draft or models.
	UsesGPU     bool   `yaml:"uses_gpu"`
	Licence     string `yaml:"licence"`
	Description Text   `yaml:"description"`

	// Languages a speech engine speaks, as BCP 47 tags. Empty when language means nothing to the engine.
	Languages []string `yaml:"languages"`
	Models    []Model  `yaml:"models"`

	// BlockSeconds is the longest time between two looks at the cancel flag. Default 1.
	BlockSeconds float64         `yaml:"block_seconds"`
	Memory       []MemoryPlan    `yaml:"memory"`
	Tasks        map[string]Task `yaml:"tasks"`
	Install      Text            `yaml:"install"` // Install says what to do when the engine is missing.

	schemas map[string]*jsonschema.Schema
}

// Task is one thing that an engine does, as in `audio.speech`.
type Task struct {
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

	// Sample says that the engine takes a cloned voice's recording too, as <name>_sample: it can make its own of a voice that
	// another engine cloned.
	Sample bool `yaml:"sample"`
}

// Phase is a stage of a run with its share of the progress bar.
type Phase struct {
	Name     string  `yaml:"name"`
	Weight   float64 `yaml:"weight"`
	Segments bool    `yaml:"segments"` // Segments says that the phase delivers segments, which outlive a crash.
}

// Block is how long the engine may not look at the cancel flag.
func (m *Manifest) Block() time.Duration {
	return time.Duration(m.BlockSeconds * float64(time.Second))
}
