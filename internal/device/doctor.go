package device

import (
	"context"
	"encoding/json"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Level says how much a check matters.
type Level string

// The levels of a Check.
const (
	Fine    Level = "ok"
	Warning Level = "warning" // works, but slower or with less
	Failure Level = "error"   // the studio cannot run like this
)

// Check is one finding of the doctor.
type Check struct {
	ID      string // ID is stable, as in memory or gpu.render_node.
	OK      bool   // OK is true when nothing has to be done.
	Level   Level
	Message i18n.Sentence
	Fix     i18n.Sentence // Fix says what to do; empty when OK.
}

// MarshalJSON writes message and fix in every language: {"en": ..., "pt-BR": ...}.
func (c Check) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID      string    `json:"id"`
		OK      bool      `json:"ok"`
		Level   Level     `json:"level"`
		Message i18n.Text `json:"message"`
		Fix     i18n.Text `json:"fix"`
	}{c.ID, c.OK, c.Level, c.Message.Text(), c.Fix.Text()})
}

// DoctorConfig says where the parts of an installation should be.
type DoctorConfig struct {
	DataDir  string
	FFmpeg   string            // FFmpeg is the program that was found; "" when there is none.
	Venvs    map[string]string // Venvs are the Python environments by name (draft, models).
	Postgres string            // Postgres is the directory of initdb and postgres; "" when none was found.
	External bool              // External says that a database outside is used, so that no binaries are needed.

	ModelsDir string        // ModelsDir is where models are kept. Default: it is not checked.
	Tested    *Tested       // Tested is what the self-test said of the models environment; nil before the first test.
	NoGPU     bool          // NoGPU says that the configuration keeps the card out of use.
	Settle    time.Duration // Settle is the time between two looks at a card that seems to hang. Default 1 s.
}

// Tested is the verdict of the models environment.
type Tested struct {
	Profile string
	Kind    string // Kind is rocm, cuda or cpu.
	GFX     string // GFX is the instruction set that it was made for; "" for any.
	Torch   string
	Device  string // Device as torch calls it; "" for the processor.
	At      time.Time
	Failed  []string // Failed are the checks that have not passed.
	Cause   string   // Cause is why the first of them failed, in one line.
	Stale   bool     // Stale says that the environment is no longer the one that was tested.
}

// Doctor checks the host: memory, disk, kernel, cards and the programs that the studio starts. It only looks; the
// checks come in the order in which they should be read.
func Doctor(ctx context.Context, h *Host, cfg DoctorConfig) []Check {
	return (&doctor{host: h, cfg: cfg}).run(ctx)
}

// Card checks only what a job on the card needs: the card, its driver and rights, and the models environment. It is
// what is asked before the first such job.
func Card(ctx context.Context, h *Host, cfg DoctorConfig) []Check {
	d := &doctor{host: h, cfg: cfg}
	d.gpus(ctx)
	d.selfTest(ctx)
	return d.checks
}
