package app

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/doctor"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/pgembed"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/queue"
	"github.com/apibr/studio/internal/runner"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/telemetry"
	"github.com/apibr/studio/internal/torchenv"
)

// This file translates the configuration into the packages' own, one function a part.

// NewLogger is the log of the configuration.
func NewLogger(out io.Writer, c *config.Config) (*slog.Logger, error) {
	return telemetry.NewLogger(out, c.Log.Level, c.Log.Format)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// zeroIsOff translates a setting whose 0 switches something off for parts whose zero values mean a default.
func zeroIsOff[T ~int | ~int64 | ~float64](value T) T {
	if value == 0 {
		return -1
	}
	return value
}

func (a *App) clusterConfig() pgembed.Config {
	d := a.config.Database
	return pgembed.Config{DataDir: a.config.DataDir, Binaries: d.Binaries,
		SearchVenvs: []string{a.config.Python.DraftVenv},
		RootMode:    pgembed.RootMode(d.RootMode), Log: a.log}
}

func (a *App) storeConfig(dsn string) store.Config {
	d := a.config.Database
	return store.Config{DSN: dsn, ListenDSN: d.ListenDSN, MaxConns: int32(d.MaxConnections),
		PoolMode: store.PoolMode(d.PoolMode), Log: a.log}
}

func (a *App) mediaConfig() media.Config {
	m := a.config.Media
	return media.Config{FFmpeg: m.FFmpeg, Venvs: []string{a.config.Python.DraftVenv}, Sandbox: a.mediaSandbox(),
		Log:          a.log,
		ProbeTimeout: m.ProbeTimeout, WorkTimeout: m.WorkTimeout, MaxProcesses: m.MaxProcesses, MaxWait: m.MaxWait,
		Limits: media.Limits{ImagePixels: m.MaxImagePixels, ImageSide: m.MaxImageSide, VideoPixels: m.MaxVideoPixels,
			AudioDuration: seconds(m.MaxAudioSeconds), VideoDuration: seconds(m.MaxVideoSeconds),
			Streams: m.MaxStreams}}
}

func (a *App) fetchConfig() fetch.Config {
	m := a.config.Media
	return fetch.Config{AllowHTTP: m.AllowHTTP, AllowedHosts: m.AllowedHosts, MaxBytes: int64(m.MaxUploadBytes),
		Timeout: m.FetchTimeout,
		Log:     a.log}
}

func (a *App) assetsConfig() assets.Config {
	return assets.Config{Pool: a.store.Pool(), Blobs: a.blobs, Media: a.media, Fetch: fetch.New(a.fetchConfig()),
		MaxBytes: int64(a.config.Media.MaxUploadBytes), Log: a.log}
}

func (a *App) pronunciationsConfig() pronunciations.Config {
	return pronunciations.Config{Pool: a.store.Pool(), Limit: a.config.Pronunciations.Limit}
}

func (a *App) authConfig() auth.Config {
	c := a.config.Auth
	cfg := auth.Config{Pool: a.store.Pool(), Recheck: c.Recheck, OnFailed: a.metrics.SignInFailed,
		TrustForwarded: a.config.HTTP.TrustForwarded, Log: a.log,
		Limits: auth.Limits{Burst: c.FailedBurst, PerMinute: c.FailedPerMinute, LoopbackFactor: c.LoopbackFactor,
			Addresses: c.FailedAddresses}}
	if base, err := url.Parse(a.config.PublicBaseURL); err == nil && base.Host != "" {
		cfg.SecureCookie = base.Scheme == "https"
		cfg.AllowedOrigins = []string{base.Scheme + "://" + base.Host}
	}
	return cfg
}

func (a *App) hubConfig() events.Config {
	cfg := events.Config{Pool: a.store.Pool(), Shared: a.shared(), Log: a.log,
		// Both are set when events come, long after the parts below are built.
		OnState: func(e events.Event) {
			if e.Job != nil {
				a.jobs.Touch(*e.Job)
			}
		},
		Notifications: map[string]func(string){jobs.CancelChannel: func(payload string) {
			if id, err := uuid.Parse(payload); err == nil {
				a.runner.Cancel(id)
			}
		}, auth.Channel: func(string) { a.auth.Changed() }},
	}
	if a.store.CanListen() {
		cfg.Connect = a.store.Connect
	}
	return cfg
}

func (a *App) jobsConfig() jobs.Config {
	hostname, _ := os.Hostname()
	cfg := jobs.Config{Pool: a.store.Pool(), Hub: a.hub, NodeID: a.node, BootID: a.boot, KernelBootID: a.kernelBoot(),
		Hostname: hostname,
		Slots:    a.config.Queue.MaxConcurrentJobs, MaxFaults: a.config.Supervisor.MaxFaults,
		MaxQueued:      a.config.Queue.MaxQueued,
		EventRetention: a.config.Queue.EventRetention, Log: a.log}
	if a.shared() {
		cfg.WakeOthers = a.poker.Poke
	}
	return cfg
}

func (a *App) nodeConfig() jobs.NodeConfig {
	return jobs.NodeConfig{Shared: a.shared(), OnLost: func() {
		a.log.Error("the database has been out of reach for too long: stopping what runs, since another node may " +
			"take it over")
		a.runner.Abandon()
		const patience = 5 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		a.pool.Abort(ctx, sidecar.ErrClosed)
	}}
}

func sidecarLimits(l config.SidecarLimits) sidecar.Limits {
	return sidecar.Limits{Outputs: l.Outputs, OutputBytes: int64(l.OutputBytes), Segments: l.Segments,
		PhaseChanges: l.PhaseChanges, UndeclaredPhases: l.UndeclaredPhases,
		LogMessages: l.LogMessages, LogLines: l.LogLines, Text: l.Text, Metadata: int(l.Metadata), Values: l.Values,
		Depth: l.Depth, Warnings: l.Warnings}
}

func (a *App) sidecarConfig() sidecar.Config {
	c := a.config
	ffmpeg, err := media.FindFFmpeg(c.Media.FFmpeg, c.Python.DraftVenv)
	if err != nil {
		a.log.Warn("ffmpeg was not found: run `make setup`; media jobs will fail", "err", err)
	}
	return sidecar.Config{
		Workers: c.Python.Workers, Venvs: map[string]string{"draft": c.Python.DraftVenv, "models": c.Python.ModelsVenv},
		Commands: c.EngineCommands(),
		Env:      []string{"APIBR_CACHE_DIR=" + filepath.Join(c.DataDir, "cache")}, EngineEnv: a.engineEnv(),
		WorkDir: filepath.Join(c.DataDir, "work"), RuntimeDir: filepath.Join(c.DataDir, "sidecars"),
		Sandbox: a.sandbox(), Adjust: a.adjust, FFmpeg: ffmpeg, HangGrace: c.Supervisor.HangGrace,
		CancelGrace: c.Supervisor.CancelGrace,
		TermGrace:   c.Supervisor.TermGrace, Spare: c.Supervisor.Spare && c.Supervisor.MaxSpares > 0,
		MaxSpares: c.Supervisor.MaxSpares,
		Limits:    sidecarLimits(c.Supervisor.Limits), Host: a.host, History: a.history, Metrics: a.metrics, Log: a.log,
		Guard: sidecar.GuardConfig{MinAvailable: zeroIsOff(int64(c.Guard.MinAvailable)),
			MinAvailableFraction: zeroIsOff(c.Guard.MinAvailableFraction),
			PressureFull:         zeroIsOff(c.Guard.PressureFull), GTTGrowth: zeroIsOff(int64(c.Guard.GTTGrowth))},
	}
}

// proxyVariables are what a process needs to reach the network from behind a proxy.
var proxyVariables = []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// engineEnv are the variables that only one engine's process gets: its settings, and the proxy where it needs the
// network.
func (a *App) engineEnv() map[engine.ID][]string {
	variables := map[engine.ID][]string{}
	for _, m := range a.catalogue.All() {
		if !a.catalogue.Configured(m) {
			continue
		}
		own := a.catalogue.Environment(m)
		for _, name := range proxyVariables {
			if value, set := os.LookupEnv(name); set && m.Network {
				own = append(own, name+"="+value)
			}
		}
		if len(own) > 0 {
			variables[m.ID] = own
		}
	}
	return variables
}

// adjust gives the processes of the models venv the variables of its profile, read anew each time: the environment may
// have been made again since, and a card may have come back.
func (a *App) adjust(m *engine.Manifest, environment []string) []string {
	if m.Venv != "models" {
		return environment
	}
	cards := a.host.GPUs()
	profile := torchenv.Current(a.config.Python.ModelsVenv, cards)
	if a.config.GPU.Device == torchenv.CPU {
		profile.Device = torchenv.CPU
	}
	return torchenv.Environment(profile, cards, a.config.DataDir).Apply(environment)
}

// beforeGPU asks the doctor whether a job on the card can work.
func (a *App) beforeGPU(ctx context.Context) error {
	for _, check := range doctor.BeforeGPU(ctx, a.config, a.host).Checks {
		if !check.OK && check.Level == device.Failure {
			return &runner.CardError{Detail: i18n.Say("%s: %s", check.Message, check.Fix)}
		}
	}
	return nil
}

func (a *App) runnerConfig() runner.Config {
	c := a.config
	weights := c.Queue.PriorityWeights
	required := map[string]int64{}
	for model, size := range c.Models.VRAMRequired {
		required[model] = int64(size)
	}
	fraction, _ := strconv.ParseFloat(c.GPU.MemoryFraction, 64) // "auto" is 0
	return runner.Config{
		Jobs: a.jobs, Pool: a.pool, Catalogue: a.catalogue, Host: a.host, Blobs: a.blobs, Media: a.media, Hub: a.hub,
		History: a.history, Models: a.models, VRAMRequired: required,
		WorkDir: filepath.Join(c.DataDir, "work"), Slots: c.Queue.MaxConcurrentJobs,
		Policy: sched.Policy{Weights: map[sched.Lane]int{"audio": weights.Audio, "image": weights.Image,
			"video": weights.Video}, MaxWait: c.Queue.MaxWait},
		MinAvailable:         zeroIsOff(int64(c.Guard.MinAvailable)),
		MinAvailableFraction: zeroIsOff(c.Guard.MinAvailableFraction), GPUFraction: fraction,
		UseGPU:    c.GPU.Device != "cpu",
		BeforeGPU: a.beforeGPU,
		KeepAlive: max(c.Models.KeepAlive, 1), SoftStop: c.Supervisor.SoftStop, StopWrites: c.Supervisor.StopWrites,
		MaxShortages: c.Supervisor.MaxShortages, Shared: a.shared(), Metrics: a.metrics, Log: a.log,
	}
}

func (a *App) queueConfig() queue.Config {
	c := a.config
	workers := river.NewWorkers()
	river.AddWorker(workers, a.runner.Tickets())
	river.AddWorker(workers, &jobs.SweepWorker{Jobs: a.jobs})
	river.AddWorker(workers, &tidyWorker{app: a})
	river.AddWorker(workers, a.tasks.Worker())
	return queue.Config{Pool: a.store.Pool(), PollOnly: strings.Contains(c.Database.PoolMode, "transaction") ||
		!a.store.CanListen(), NodeID: a.node, BootID: a.boot,
		GenWorkers: c.Queue.MaxConcurrentJobs, UtilWorkers: c.Server.Workers, Workers: workers,
		SoftStop: c.Supervisor.SoftStop, Log: telemetry.AtLeast(a.log, slog.LevelWarn),
		Periodic: []*river.PeriodicJob{queue.Every(sweepEvery(c.Queue.EventRetention), "sweep_jobs", jobs.SweepArgs{}),
			queue.Every(time.Hour, "tidy_files", tidyArgs{})}}
}

// sweepEvery is how often past events are deleted: soon enough that a short retention means something.
func sweepEvery(retention time.Duration) time.Duration {
	return min(max(retention/10, 5*time.Second), time.Hour)
}
