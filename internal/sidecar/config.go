package sidecar

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sandbox"
)

// Config says how sidecars are started and watched. Zero values take the defaults.
type Config struct {
	// Workers is the pyworkers directory; it becomes PYTHONPATH.
	Workers string

	// Venvs are the Python environments by the name that manifests use (draft, models).
	Venvs map[string]string

	// Commands replace the process of an engine by another program that speaks the protocol.
	Commands map[engine.ID][]string

	// WorkDir is the folder of runs, below which sidecars read and write. It must be on local disk. Required.
	WorkDir string

	// EngineEnv is added to the environment of one engine's sidecar, as KEY=VALUE: what no other process shall see.
	EngineEnv map[engine.ID][]string

	// Env is added to the small environment that a sidecar gets, as KEY=VALUE; a later entry wins.
	Env []string

	// Adjust changes what a sidecar of the engine inherits and gets, when it is started: the variables of the card that
	// is there now. Default: nothing is changed.
	Adjust func(m *engine.Manifest, environment []string) []string

	// Sandbox is what processes reach of the machine's files; each also gets WorkDir and a folder for temporary files,
	// and the program of a configured command may write everywhere outside the hidden paths. Default: all files are
	// left as they are; Unix sockets and new rights are denied in any case.
	Sandbox *sandbox.Policy

	// RuntimeDir holds the runtime files, which no sidecar may write. Default <WorkDir>/sidecars.
	RuntimeDir string

	// FFmpeg is the program that sidecars are told to use, as APIBR_FFMPEG. Default: none.
	FFmpeg string

	// Device is where engines run that do not use the GPU. Default "cpu".
	Device string

	// HangGrace is how long a phase may show no step before its sidecar is taken for hung, while this machine
	// has no history of that phase. Default 10 minutes; first-run kernel tuning on ROCm takes up to 6.
	HangGrace time.Duration

	// HangFloor is the least limit that history can lead to; a busy machine may well stand still for seconds.
	// Default 10 s; of the load phase, where a cold disk can cost fifty times the warm figure, it is LoadFloor.
	HangFloor time.Duration

	// LoadFloor is HangFloor of the load phase. Default 90 s.
	LoadFloor time.Duration

	// HeartbeatLost is how long heartbeats may be missing, with the CPU time of the process standing still too, before
	// the process is taken for hung. Default 15 s.
	HeartbeatLost time.Duration

	// HelloTimeout is how long a program may take to say hello. Default 3 minutes: torch imports in 20 s on two quiet
	// cores. A program that neither speaks nor computes for HeartbeatLost is given up before.
	HelloTimeout time.Duration

	// CancelGrace is how long a canceled run may take to see the flag; an engine that declares a longer block time gets
	// that. Default 2 s.
	CancelGrace time.Duration

	// TermGrace is how long a process may take to end after SIGTERM before SIGKILL goes to its group. Default 2 s.
	TermGrace time.Duration

	// KillWait is how long to wait for a killed process. One in uninterruptible sleep inside a driver does not end;
	// the device is then reported lost. Default 10 s.
	KillWait time.Duration

	// WriteTimeout is the deadline of one frame to a sidecar. Default 10 s.
	WriteTimeout time.Duration

	// Spare keeps the next process of a used engine ready: started, imports done, waiting for load.
	Spare bool

	// MaxSpares is how many spare processes may wait at once; the oldest ends first. Default 2.
	MaxSpares int

	// KeepAlive is how long an idle process keeps its model. Default 0: until it is evicted.
	KeepAlive time.Duration

	// StderrTail is how many bytes of a sidecar's log are kept for the user's error. Default 64 KiB.
	StderrTail int

	// Limits bound what a process may send.
	Limits Limits

	Breaker BreakerConfig
	Guard   GuardConfig

	// Host is the machine that the guard watches. Default device.NewHost("").
	Host *device.Host

	// History is what the hang limits are learned from. Default NewMemoryHistory().
	History PhaseHistory

	// Metrics receives what is counted. Default: nothing is.
	Metrics Metrics

	// Log takes the supervisor's and the sidecars' lines. Default slog.Default().
	Log *slog.Logger
}

// GuardConfig is when the memory guard kills a sidecar. Negative values switch a rule off.
type GuardConfig struct {
	// Interval is the time between two looks. Default 100 ms.
	Interval time.Duration

	// MinAvailable and MinAvailableFraction: the floor is the larger of the two, in bytes and as a share of all memory.
	// Defaults 2 GiB and 0.06.
	MinAvailable         int64
	MinAvailableFraction float64

	// PressureFull is the highest memory pressure (full avg10, percent). Default 15.
	PressureFull float64

	// GTTGrowth is how many bytes of host memory a card may map beyond what it did when the sidecar started: GTT is
	// charged to no process and freezes the machine just as well. Default 2 GiB.
	GTTGrowth int64

	// Hold is how long after a kill the pressure rule rests: the average needs that long to forget. Default 10 s.
	Hold time.Duration
}

// BreakerConfig is when a model is refused after crashes.
type BreakerConfig struct {
	Crashes int           // Crashes within Window open the breaker. Default 3.
	Window  time.Duration // Window is default 5 minutes.
	First   time.Duration // First is how long the first refusal lasts; each further one doubles. Default 1 minute.
	Longest time.Duration // Longest is default 5 minutes.
}

// PhaseHistory is what this machine remembers of phases. MaxStep is asked while a run goes on and must answer from
// memory, at once; Record is called in the background and may write to a database.
type PhaseHistory interface {
	// MaxStep is the longest time that one step of the phase ever took in a run that succeeded, and how many such runs
	// there were; 0 runs means no history.
	MaxStep(id engine.ID, model, phase string) (longest time.Duration, runs int)

	// Record adds the longest step of a phase of one successful run.
	Record(id engine.ID, model, phase string, longest time.Duration)
}

// Metrics is what the supervisor counts.
type Metrics interface {
	PhaseSeconds(engine, phase string, seconds float64)
	SidecarRestart(engine, why string)
}

func (c Config) withDefaults() Config {
	def(&c.Device, "cpu")
	def(&c.HangGrace, 10*time.Minute)
	def(&c.HangFloor, 10*time.Second)
	def(&c.LoadFloor, 90*time.Second)
	def(&c.HeartbeatLost, 15*time.Second)
	def(&c.HelloTimeout, 3*time.Minute)
	def(&c.CancelGrace, 2*time.Second)
	def(&c.TermGrace, 2*time.Second)
	def(&c.KillWait, 10*time.Second)
	def(&c.WriteTimeout, 10*time.Second)
	def(&c.MaxSpares, 2)
	def(&c.StderrTail, 64<<10)
	c.Limits.setDefaults()
	def(&c.Guard.Interval, 100*time.Millisecond)
	def(&c.Guard.MinAvailable, 2<<30)
	def(&c.Guard.MinAvailableFraction, 0.06)
	def(&c.Guard.PressureFull, 15)
	def(&c.Guard.GTTGrowth, 2<<30)
	def(&c.Guard.Hold, 10*time.Second)
	def(&c.Breaker.Crashes, 3)
	def(&c.Breaker.Window, 5*time.Minute)
	def(&c.Breaker.First, time.Minute)
	def(&c.Breaker.Longest, 5*time.Minute)
	if c.Host == nil {
		c.Host = device.NewHost("")
	}
	if c.Sandbox == nil {
		c.Sandbox = &sandbox.Policy{Off: true}
	}
	if c.RuntimeDir == "" {
		c.RuntimeDir = filepath.Join(c.WorkDir, runtimeDir)
	}
	if c.History == nil {
		c.History = NewMemoryHistory()
	}
	if c.Metrics == nil {
		c.Metrics = noMetrics{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

type noMetrics struct{}

func (noMetrics) PhaseSeconds(string, string, float64) {}
func (noMetrics) SidecarRestart(string, string)        {}

// Installed says whether the engine's process can be started: a command replaces it, or its environment is there.
func (c Config) Installed(m *engine.Manifest) bool {
	if len(c.Commands[m.ID]) > 0 {
		return true
	}
	if c.Venvs[m.Venv] == "" {
		return false
	}
	info, err := os.Stat(c.python(m))
	return err == nil && !info.IsDir()
}

func (c Config) python(m *engine.Manifest) string {
	return filepath.Join(c.Venvs[m.Venv], "bin", "python")
}
