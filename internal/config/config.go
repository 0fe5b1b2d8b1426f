// Package config is what can be set, where it is read from and what it means.
//
// Flags win over the environment, that over the file, that over the defaults. A key that nobody knows is an error that
// names the nearest known one: a setting that is silently ignored is worse than none. Nothing here is global; the one
// Config that Load returns is handed down by internal/app.
package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Config holds every setting. The yaml names are the keys of the file, of --field and, in capitals with APIBR_ in
// front and _ for each dot, of the environment.
type Config struct {
	// DataDir holds everything the studio keeps. Default $XDG_DATA_HOME/apibr.
	DataDir string `koanf:"data_dir"`
	// Listen is HOST:PORT and wins over server.host and server.port.
	Listen string `koanf:"listen"`
	// PublicBaseURL is how users reach the studio, when that is not what they send as Host. Default: the request's
	// Host.
	PublicBaseURL string `koanf:"public_base_url"`

	Server         Server             `koanf:"server"`
	GPU            GPU                `koanf:"gpu"`
	Models         Models             `koanf:"models"`
	Queue          Queue              `koanf:"queue"`
	Engines        map[string]any     `koanf:"engines"` // by engine: the settings that its manifest declares
	Database       Database           `koanf:"database"`
	Python         Python             `koanf:"python"`
	Sidecars       map[string]Sidecar `koanf:"sidecars"`
	Supervisor     Supervisor         `koanf:"supervisor"`
	Guard          Guard              `koanf:"guard"`
	Media          Media              `koanf:"media"`
	Voices         Voices             `koanf:"voices"`
	Pronunciations Pronunciations     `koanf:"pronunciations"`
	HTTP           HTTP               `koanf:"http"`
	Auth           Auth               `koanf:"auth"`
	Log            Log                `koanf:"log"`

	// SecretFiles are files that were read for what they hold; no process that the studio starts may read them.
	SecretFiles []string `koanf:"-"`
	// Sources are the places that were read, for `config check`.
	Sources []string `koanf:"-"`
	// Warnings are harmless mistakes, such as an unknown APIBR_ variable.
	Warnings []i18n.Sentence `koanf:"-"`

	of settingsOf
}

// Server says where the API listens.
type Server struct {
	Host string `koanf:"host"` // default 127.0.0.1; 0.0.0.0 opens it to the network
	Port int    `koanf:"port"` // default 8000
	// Workers is the width of the queue for everything but generation. Default 4.
	Workers int `koanf:"workers"`
	// StartPatience is how long a start waits for free space on a full disk before it gives up. Default 5m; 0 gives up
	// at once.
	StartPatience time.Duration `koanf:"start_patience"`
	// MaxConnections to the API in all, and of one remote address; this computer's own count only for the first. Never
	// more than the limit of open files allows. Defaults 512 and 256.
	MaxConnections           int `koanf:"max_connections"`
	MaxConnectionsPerAddress int `koanf:"max_connections_per_address"`
	// AllowedHosts are names that the studio is reached by, besides this computer's own and that of public_base_url:
	// *.example.org is each name below example.org, * is any. Default none.
	AllowedHosts []string `koanf:"allowed_hosts"`
	// MemoryLimit is what the server's own process should stay below; engines have theirs. GOMEMLIMIT wins. 0, the
	// default, is an eighth of the computer's memory, 1 to 4 GiB.
	MemoryLimit Size `koanf:"memory_limit"`
}

// GPU says what the studio may use of the graphics card.
type GPU struct {
	Device string `koanf:"device"` // auto, rocm, cuda or cpu; default auto
	// MemoryFraction is the share of the card that the studio may hold, 0..1, or auto: all but the desktop's part and
	// 1 GiB.
	MemoryFraction string `koanf:"memory_fraction"`
}

// Models says where models are kept.
type Models struct {
	CacheDir string `koanf:"cache_dir"` // default <data_dir>/models
	// what all models together may take; 0 sets no limit; default 100GB
	MaxCacheSize Size          `koanf:"max_cache_size"`
	KeepAlive    time.Duration `koanf:"keep_alive"` // how long an idle model stays on the card; default 10m

	// Bundled is a folder of models that came with the studio, which is read only; none for no folder. Default .weights
	// beside pyworkers.
	Bundled string `koanf:"bundled"`

	// HubURL is where models are installed from. Default https://huggingface.co; a mirror of one's own may have http.
	HubURL string `koanf:"hub_url"`
	// HubToken is sent to the hub, and nowhere else, for gated models. Also HF_TOKEN.
	HubToken string `koanf:"hub_token"`
	// Extra is a file, or a folder of files, with models and LoRAs of one's own. Default none.
	Extra string `koanf:"extra"`
	// TorchIndexes replace the package indexes from which `apibr models setup` takes torch, by profile. Default: the
	// profiles' own.
	TorchIndexes map[string]string `koanf:"torch_indexes"`
	// VRAMRequired overrides, by a model's id, how much of a card its plan asks for.
	VRAMRequired map[string]Size `koanf:"vram_required"`
}

// Queue says how jobs share the machine.
type Queue struct {
	MaxConcurrentJobs int           `koanf:"max_concurrent_jobs"` // default 2
	PriorityWeights   Weights       `koanf:"priority_weights"`
	MaxWait           time.Duration `koanf:"max_wait"` // default 10m: what has waited longer is next
	// MaxQueued is how many unfinished jobs one owner may have; 0 sets no limit. Default 10000.
	MaxQueued int `koanf:"max_queued"`
	// EventRetention is how long events can be replayed. Default 168h.
	EventRetention time.Duration `koanf:"event_retention"`
}

// Weights are the lanes' shares of the starts. Default 3, 2, 1.
type Weights struct {
	Audio int `koanf:"audio"`
	Image int `koanf:"image"`
	Video int `koanf:"video"`
}

// Database says which Postgres to use. With DSN empty the studio runs its own.
type Database struct {
	DSN            string `koanf:"dsn"`
	ListenDSN      string `koanf:"listen_dsn"` // a direct connection, when DSN goes through a pooler
	PoolMode       string `koanf:"pool_mode"`  // auto, session or transaction
	MaxConnections int    `koanf:"max_connections"`
	Binaries       string `koanf:"binaries"`  // folder of postgres and initdb; default: searched
	RootMode       string `koanf:"root_mode"` // auto, userns or setuid; matters only as root
}

// Python says where the sidecars' code and environments are.
type Python struct {
	Workers    string   `koanf:"workers"`     // default ../pyworkers beside the binary
	DraftVenv  string   `koanf:"draft_venv"`  // default .venv-draft beside pyworkers
	ModelsVenv string   `koanf:"models_venv"` // default .venv-models beside pyworkers
	Manifests  []string `koanf:"manifests"`   // further folders with engines' manifests
}

// Sidecar replaces an engine's process.
type Sidecar struct {
	Command []string `koanf:"command"`
}

// Supervisor says how sidecars are watched.
type Supervisor struct {
	HangGrace   time.Duration `koanf:"hang_grace"`   // default 10m
	CancelGrace time.Duration `koanf:"cancel_grace"` // default 2s
	TermGrace   time.Duration `koanf:"term_grace"`   // default 2s
	Spare       bool          `koanf:"spare"`        // default true
	// MaxSpares is how many processes may wait ready at once; each holds up to 1 GB. Default 2; 0 is none.
	MaxSpares int `koanf:"max_spares"`
	// Sandbox hides the studio's secrets from engines' processes and ffmpeg where the kernel has Landlock. Default
	// true.
	Sandbox bool `koanf:"sandbox"`
	// SandboxPaths are further files and folders that those processes may read and write. Default none.
	SandboxPaths []string      `koanf:"sandbox_paths"`
	MaxFaults    int           `koanf:"max_faults"`    // default 3
	SoftStop     time.Duration `koanf:"soft_stop"`     // default 20s
	StopWrites   time.Duration `koanf:"stop_writes"`   // default 10s
	MaxShortages int           `koanf:"max_shortages"` // default 10

	Limits SidecarLimits `koanf:"limits"`
}

// SidecarLimits bound what an engine's process may send; sidecar.Limits says what each is.
type SidecarLimits struct {
	Outputs          int  `koanf:"outputs"`           // default 64
	OutputBytes      Size `koanf:"output_bytes"`      // default 16GiB
	Segments         int  `koanf:"segments"`          // default 10000
	PhaseChanges     int  `koanf:"phase_changes"`     // default 500
	UndeclaredPhases int  `koanf:"undeclared_phases"` // default 16
	LogMessages      int  `koanf:"log_messages"`      // default 10000
	LogLines         int  `koanf:"log_lines"`         // a second; default 200
	Text             int  `koanf:"text"`              // characters; default 2000
	Metadata         Size `koanf:"metadata"`          // default 256KiB
	Values           int  `koanf:"values"`            // default 10000
	Depth            int  `koanf:"depth"`             // default 32
	Warnings         int  `koanf:"warnings"`          // default 32
}

// Guard says when a sidecar is killed to keep the computer alive.
type Guard struct {
	MinAvailable         Size    `koanf:"min_available"`          // default 2GiB
	MinAvailableFraction float64 `koanf:"min_available_fraction"` // default 0.06
	PressureFull         float64 `koanf:"pressure_full"`          // default 15 percent
	GTTGrowth            Size    `koanf:"gtt_growth"`             // default 2GiB
}

// Media are the limits of uploads and remote inputs.
type Media struct {
	FFmpeg          string        `koanf:"ffmpeg"` // default: the draft venv's, else the system's
	MaxUploadBytes  Size          `koanf:"max_upload_bytes"`
	MaxImagePixels  int64         `koanf:"max_image_pixels"`
	MaxImageSide    int           `koanf:"max_image_side"`
	MaxVideoPixels  int64         `koanf:"max_video_pixels"`
	MaxAudioSeconds float64       `koanf:"max_audio_seconds"`
	MaxVideoSeconds float64       `koanf:"max_video_seconds"`
	MaxStreams      int           `koanf:"max_streams"`
	AllowHTTP       bool          `koanf:"allow_http"`
	AllowedHosts    []string      `koanf:"allowed_hosts"`
	FetchTimeout    time.Duration `koanf:"fetch_timeout"`
	ProbeTimeout    time.Duration `koanf:"probe_timeout"` // processor time of one look at a file; default 1m
	WorkTimeout     time.Duration `koanf:"work_timeout"`  // processor time and core of one conversion; default 15m
	MaxProcesses    int           `koanf:"max_processes"` // ffmpegs at once; 0 is the number of cores
	MaxWait         time.Duration `koanf:"max_wait"`      // of an upload for a free ffmpeg; default 1m
}

// Voices are the limits of voice samples, and the voices that speak where none is named.
type Voices struct {
	MinSeconds float64 `koanf:"min_seconds"` // a shorter sample is an error; default 3
	// Default names a voice by its id or name for each language, as {pt-BR: Dora}. Default: the built-in voices.
	Default map[string]string `koanf:"default"`
	// DefaultLanguage of a text whose request names neither a language nor a voice. Default pt-BR.
	DefaultLanguage string `koanf:"default_language"`
}

// Pronunciations are the users' dictionaries.
type Pronunciations struct {
	Limit int `koanf:"limit"` // words of one user; default 500
}

// HTTP are the API's own limits.
type HTTP struct {
	MaxJSONBytes Size `koanf:"max_json_bytes"` // default 64MiB: data: URIs travel in JSON
	MaxTextBytes Size `koanf:"max_text_bytes"` // of a body without its files and data: URIs; default 1MiB
	// of a request's headers and of a pause in an upload; default 30s
	ReadTimeout  time.Duration `koanf:"read_timeout"`
	WriteTimeout time.Duration `koanf:"write_timeout"` // of a caller that takes nothing of an answer; default 30s
	MaxStreams   int           `koanf:"max_streams"`   // sockets and event streams of one owner; default 64
	IdleTimeout  time.Duration `koanf:"idle_timeout"`  // of a connection without a request; default 2m
	// a second, of an upload and of an answer that waits for its reader; default 1KiB
	MinRate Size `koanf:"min_rate"`
	// DrainBytes and DrainTimeout bound what is read of a body that was refused, so that its sender reads the refusal.
	// Defaults 1GiB and 1m.
	DrainBytes     Size          `koanf:"drain_bytes"`
	DrainTimeout   time.Duration `koanf:"drain_timeout"`
	TrustForwarded bool          `koanf:"trust_forwarded"`
}

// Auth says how keys are watched.
type Auth struct {
	// Recheck is how often the keys and sessions of open sockets, streams and requests are checked again. Default 1m.
	// What this studio ends itself ends at once.
	Recheck time.Duration `koanf:"recheck"`
	// FailedBurst is how many sign-ins of one address (of one /64 of IPv6) may fail before the next wrong ones get a
	// 429. Default 20.
	FailedBurst int `koanf:"failed_burst"`
	// FailedPerMinute is how many more may fail each minute after that. Default 20.
	FailedPerMinute int `koanf:"failed_per_minute"`
	// LoopbackFactor is how many times as many may fail that come from this computer. Default 10.
	LoopbackFactor int `koanf:"loopback_factor"`
	// FailedAddresses is how many addresses are remembered. Default 4096.
	FailedAddresses int `koanf:"failed_addresses"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn or error
	Format string `koanf:"format"` // text or json
}

// Default is the configuration of a machine where nothing is set.
func Default() *Config {
	return &Config{
		DataDir: defaultDataDir(),
		Server: Server{
			Host:                     "127.0.0.1",
			Port:                     8000,
			Workers:                  4,
			StartPatience:            5 * time.Minute,
			MaxConnections:           512,
			MaxConnectionsPerAddress: 256,
			AllowedHosts:             []string{},
		},
		GPU: GPU{Device: "auto", MemoryFraction: "auto"},
		Models: Models{
			MaxCacheSize: 100e9,
			KeepAlive:    10 * time.Minute,
			HubURL:       "https://huggingface.co",
			TorchIndexes: map[string]string{},
			VRAMRequired: map[string]Size{},
		},
		Queue: Queue{
			MaxConcurrentJobs: 2,
			PriorityWeights:   Weights{3, 2, 1},
			MaxWait:           10 * time.Minute,
			MaxQueued:         10000,
			EventRetention:    7 * 24 * time.Hour,
		},
		Engines:  map[string]any{},
		Python:   Python{Manifests: []string{}},
		Database: Database{PoolMode: "auto", MaxConnections: 20, RootMode: "auto"},
		Supervisor: Supervisor{
			HangGrace:    10 * time.Minute,
			CancelGrace:  2 * time.Second,
			TermGrace:    2 * time.Second,
			Spare:        true,
			MaxSpares:    2,
			Sandbox:      true,
			SandboxPaths: []string{},
			MaxFaults:    3,
			SoftStop:     20 * time.Second,
			StopWrites:   10 * time.Second,
			MaxShortages: 10,
			Limits: SidecarLimits{
				Outputs:          64,
				OutputBytes:      16 << 30,
				Segments:         10_000,
				PhaseChanges:     500,
				UndeclaredPhases: 16,
				LogMessages:      10_000,
				LogLines:         200,
				Text:             2000,
				Metadata:         256 << 10,
				Values:           10_000,
				Depth:            32,
				Warnings:         32,
			},
		},
		Guard: Guard{MinAvailable: 2 << 30, MinAvailableFraction: 0.06, PressureFull: 15, GTTGrowth: 2 << 30},
		Media: Media{
			MaxUploadBytes:  500 << 20,
			MaxImagePixels:  50e6,
			MaxImageSide:    16384,
			MaxVideoPixels:  3840 * 2160,
			MaxAudioSeconds: 3600,
			MaxVideoSeconds: 600,
			MaxStreams:      8,
			AllowedHosts:    []string{},
			FetchTimeout:    time.Minute,
			ProbeTimeout:    time.Minute,
			WorkTimeout:     15 * time.Minute,
			MaxWait:         time.Minute,
		},
		Pronunciations: Pronunciations{Limit: 500},
		Voices:         Voices{MinSeconds: 3, Default: map[string]string{}, DefaultLanguage: "pt-BR"},
		HTTP: HTTP{
			MaxJSONBytes: 64 << 20,
			MaxTextBytes: 1 << 20,
			ReadTimeout:  30 * time.Second,
			WriteTimeout: 30 * time.Second,
			IdleTimeout:  2 * time.Minute,
			MinRate:      1 << 10,
			MaxStreams:   64,
			DrainBytes:   1 << 30,
			DrainTimeout: time.Minute,
		},
		Auth: Auth{
			Recheck:         time.Minute,
			FailedBurst:     20,
			FailedPerMinute: 20,
			LoopbackFactor:  10,
			FailedAddresses: 4096,
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

func defaultDataDir() string {
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "apibr")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "share", "apibr")
}

// Address is where the API listens.
func (c *Config) Address() string {
	if c.Listen != "" {
		return c.Listen
	}
	return fmt.Sprintf("%s:%d", c.Server.Host, c.Server.Port)
}

// ListenHost is the host of Address.
func (c *Config) ListenHost() string {
	host, _, err := net.SplitHostPort(c.Address())
	if err != nil {
		return ""
	}
	return host
}

// finish fills in what depends on other settings.
func (c *Config) finish() error {
	absolute, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	c.DataDir = absolute
	if c.Models.CacheDir == "" {
		c.Models.CacheDir = filepath.Join(c.DataDir, "models")
	}
	if c.Python.Workers == "" {
		c.Python.Workers = findWorkers()
	}
	beside := filepath.Dir(c.Python.Workers)
	if c.Python.DraftVenv == "" {
		c.Python.DraftVenv = filepath.Join(beside, ".venv-draft")
	}
	if c.Python.ModelsVenv == "" {
		c.Python.ModelsVenv = filepath.Join(beside, ".venv-models")
	}
	if c.Models.Bundled == "" {
		c.Models.Bundled = filepath.Join(beside, ".weights")
	}
	return nil
}

// BundledModels is the folder of the models that came with the studio; "" for none.
func (c *Config) BundledModels() string {
	if c.Models.Bundled == "none" {
		return ""
	}
	return c.Models.Bundled
}

// findWorkers looks beside the binary (bin/apibr in a checkout), then in the working directory (go run).
func findWorkers() string {
	var candidates []string
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		candidates = append(candidates, filepath.Join(filepath.Dir(self), "..", "pyworkers"))
	}
	if working, err := os.Getwd(); err == nil {
		candidates = append(candidates, filepath.Join(working, "pyworkers"))
	}
	for _, dir := range candidates {
		if info, err := os.Stat(filepath.Join(dir, "apibr_worker")); err == nil && info.IsDir() {
			return filepath.Clean(dir)
		}
	}
	return filepath.Clean(candidates[0])
}

// secret keys are masked when the configuration is shown; engines' manifests declare further ones.
var secrets = []string{"database.dsn", "database.listen_dsn", "models.hub_token"}

func envName(key string) string {
	return "APIBR_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}
