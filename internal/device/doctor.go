package device

import "context"

// Level says how much a check matters.
type Level string

// The levels of a Check.
const (
	Fine    Level = "ok"
	Warning Level = "warning" // works, but slower or with less
	Failure Level = "error"   // the studio cannot run like this
)

// Text is a sentence in the two languages of the product.
type Text struct {
	En   string `json:"en"`
	PtBR string `json:"pt-BR"`
}

// Check is one finding of the doctor.
type Check struct {
	ID      string `json:"id"` // ID is stable, as in memory or gpu.render_node.
	OK      bool   `json:"ok"` // OK is true when nothing has to be done.
	Level   Level  `json:"level"`
	Message Text   `json:"message"`
	Fix     Text   `json:"fix"` // Fix says what to do; empty when OK.
}

// DoctorConfig says where the parts of an installation should be.
type DoctorConfig struct {
	DataDir  string
	FFmpeg   string            // FFmpeg is the program that was found; "" when there is none.
	Venvs    map[string]string // Venvs are the Python environments by name (draft, models).
	Postgres string            // Postgres is the directory of initdb and postgres; "" when none was found.
	External bool              // External says that a database outside is used, so that no binaries are needed.
}

// Doctor checks the host: memory, disk, kernel, cards and the programs that the studio starts. It only looks; the checks
// come in the order in which they should be read.
func Doctor(ctx context.Context, h *Host, cfg DoctorConfig) []Check {
	return (&doctor{host: h, cfg: cfg}).run(ctx)
}
