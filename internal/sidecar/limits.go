package sidecar

// Limits bound what one process may send. Exceeding a limit of number or size ends the run with a protocol error
// that names the limit; texts are shortened instead. Zero values take the defaults.
type Limits struct {
	// Outputs of one run. Default 64.
	Outputs int

	// OutputBytes is how large the files of one run may be together, its segments apart from its outputs: each is read
	// to its end, and a file with holes can claim any size. Default 16 GiB.
	OutputBytes int64

	// Segments of one job, over all of its runs. Default 10,000.
	Segments int

	// PhaseChanges is how often one run may go from one phase to another. Default 500.
	PhaseChanges int

	// UndeclaredPhases is how many names of phases that the engine's manifest does not have one run may use. All of
	// them are told as the phase "other". Default 16.
	UndeclaredPhases int

	// LogMessages of one run, unknown notifications included. Default 10,000.
	LogMessages int

	// LogLines is how many lines of one process, frames and stderr apart, go to the studio's log in a second; the
	// number of those left out is logged. Default 200.
	LogLines int

	// Text is the longest message for a user, in characters; the rest is cut off. Default 2,000.
	Text int

	// Metadata is the size of all metadata of a run's result, in bytes of JSON. Default 256 KiB.
	Metadata int

	// Values is how many values (numbers, texts, lists and objects) a run's metadata may have. Default 10,000.
	Values int

	// Depth is how deep lists and objects may be nested in metadata and in a voice. Default 32.
	Depth int

	// Warnings of one run. Default 32.
	Warnings int
}

func (l *Limits) setDefaults() {
	def(&l.Outputs, 64)
	def(&l.OutputBytes, 16<<30)
	def(&l.Segments, 10_000)
	def(&l.PhaseChanges, 500)
	def(&l.UndeclaredPhases, 16)
	def(&l.LogMessages, 10_000)
	def(&l.LogLines, 200)
	def(&l.Text, 2_000)
	def(&l.Metadata, 256<<10)
	def(&l.Values, 10_000)
	def(&l.Depth, 32)
	def(&l.Warnings, 32)
}

// Bounds that need no configuration.
const (
	// longestName of an output, phase, field or code, in characters.
	longestName = 100

	// longestPath that a sidecar may name, in bytes; the system's own limit of one element is 255.
	longestPath = 1024

	// mostBytes of memory that a process can hold. A larger number is a mistake and must not reach the plans of later
	// jobs.
	mostBytes = 1 << 46

	// mostSteps is the largest whole number that survives JSON everywhere.
	mostSteps = 1 << 53
)
