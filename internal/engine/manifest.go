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
	Memory       []Memory        `yaml:"memory"`
	Tasks        map[string]Task `yaml:"tasks"`
	Install      Text            `yaml:"install"` // Install says what to do when the engine is missing.

	schemas map[string]*jsonschema.Schema
}

// Model is one set of weights (or one recipe) that an engine can load.
type Model struct {
	ID      string `yaml:"id"`
	Default bool   `yaml:"default"`
}

// Memory is what the engine needs on one kind of device.
type Memory struct {
	Device  string `yaml:"device"` // Device is cpu, gpu, hip or cuda; gpu stands for both kinds.
	Variant string `yaml:"variant"`

	// MinVRAMBytes is the smallest card that the variant is meant for. Default 0: any.
	MinVRAMBytes int64                 `yaml:"min_vram_bytes"`
	RAMBytes     int64                 `yaml:"ram_bytes"`
	VRAMBytes    int64                 `yaml:"vram_bytes"`
	Phases       map[string]MemoryPlan `yaml:"phases"`
}

// MemoryPlan is a peak, in bytes.
type MemoryPlan struct {
	RAMBytes  int64 `yaml:"ram_bytes" json:"ram_bytes"`
	VRAMBytes int64 `yaml:"vram_bytes" json:"vram_bytes"`
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

// DefaultModel is the model loaded when nobody asks for another: the marked one, else the first, else the engine's id.
func (m *Manifest) DefaultModel() string {
	for _, model := range m.Models {
		if model.Default {
			return model.ID
		}
	}
	if len(m.Models) > 0 {
		return m.Models[0].ID
	}
	return string(m.ID)
}

// HasModel says whether the engine can load the model.
func (m *Manifest) HasModel(id string) bool {
	for _, model := range m.Models {
		if model.ID == id {
			return true
		}
	}
	return false
}

// ModelFor is the model that the engine loads for what was asked: that one when it has it, else its default. A draft
// engine stands in for models that it cannot load, so a job's model and the loaded one may differ.
func (m *Manifest) ModelFor(asked string) string {
	if m.HasModel(asked) {
		return asked
	}
	return m.DefaultModel()
}
