package app

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/httpapi"
	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/lifecycle"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/netlimit"
	"github.com/apibr/studio/internal/pgembed"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/queue"
	"github.com/apibr/studio/internal/runner"
	"github.com/apibr/studio/internal/sched"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
	"github.com/apibr/studio/internal/telemetry"
	"github.com/apibr/studio/internal/torchenv"
	"github.com/apibr/studio/internal/voices"
)

// setting is one key of the configuration: a change of it, and what of the studio shows that the change took effect.
type setting struct {
	// yaml is a configuration file with another value than the default. DIR stands for a folder of the test.
	yaml string
	// seen is what a studio built from a configuration does or has. It must differ between the default and the changed
	// one.
	seen func(t *testing.T, a *App) any
}

// settings has an entry for each key of the configuration. Whoever adds a key adds the entry that shows its effect:
// the part that gets the value, or better what that part then does. TestEveryFieldOfAPartIsUsed shows that parts use
// what they get.
var settings = map[string]setting{
	"data_dir": {"data_dir: DIR/other",
		func(_ *testing.T, a *App) any { return strings.HasSuffix(a.blobs.TempDir(), "other/blobs/tmp") }},
	"listen": {"listen: 127.0.0.2:9", func(_ *testing.T, a *App) any { return a.config.Address() }},
	"public_base_url": {"public_base_url: https://s.example",
		func(_ *testing.T, a *App) any { return a.linkBase("127.0.0.1:8000") }},

	"server.host": {"server: {host: 127.0.0.2}", func(_ *testing.T, a *App) any { return a.config.Address() }},
	"server.port": {"server: {port: 9}", func(_ *testing.T, a *App) any { return a.config.Address() }},
	"server.start_patience": {"server: {start_patience: 0}", // TestStartOnAFullDisk of internal/e2e shows what it does
		func(_ *testing.T, a *App) any { return a.config.Server.StartPatience }},
	"server.workers": {"server: {workers: 9}", func(_ *testing.T, a *App) any { return a.queueConfig().UtilWorkers }},

	"gpu.device": {"gpu: {device: cpu}", func(_ *testing.T, a *App) any { return a.runnerConfig().UseGPU }},
	"gpu.memory_fraction": {"gpu: {memory_fraction: 0.5}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().GPUFraction }},

	"models.cache_dir": {"models: {cache_dir: DIR/cache}", findsAnInstalledModel},
	"models.bundled": {"models: {bundled: DIR/bundled}",
		func(_ *testing.T, a *App) any { return a.models.Variants("flux-dev") }},
	"models.max_cache_size": {"models: {max_cache_size: 1GB}",
		func(_ *testing.T, a *App) any { return a.installerConfig(nil).MaxCache }},
	"models.keep_alive": {"models: {keep_alive: 0}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().KeepAlive }},
	"models.hub_url": {"models: {hub_url: https://hub.example}",
		func(_ *testing.T, a *App) any { return a.modelHubConfig().BaseURL }},
	"models.hub_token": {"models: {hub_token: t}",
		func(_ *testing.T, a *App) any { return a.modelHubConfig().Token }},
	"models.extra": {"models: {extra: DIR/extra.yaml}", knowsTheExtraModel},
	"models.torch_indexes": {"models: {torch_indexes: {cpu-pytorch: 'https://mirror.example'}}",
		func(t *testing.T, a *App) any {
			profiles, err := torchenv.Profiles(a.config.TorchRequest("cpu", ""))
			require.NoError(t, err)
			return profiles
		}},
	"models.vram_required": {"models: {vram_required: {flux-dev: 9GiB}}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().VRAMRequired }},

	"queue.max_concurrent_jobs": {"queue: {max_concurrent_jobs: 3}", func(_ *testing.T, a *App) any {
		return [3]int{a.runnerConfig().Slots, a.jobsConfig().Slots, a.queueConfig().GenWorkers}
	}},
	"queue.priority_weights.audio": {"queue: {priority_weights: {audio: 9}}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().Policy.Weights }},
	"queue.priority_weights.image": {"queue: {priority_weights: {image: 9}}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().Policy.Weights }},
	"queue.priority_weights.video": {"queue: {priority_weights: {video: 9}}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().Policy.Weights }},
	"queue.max_wait": {"queue: {max_wait: 1m}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().Policy.MaxWait }},
	"queue.max_queued":      {"queue: {max_queued: 1}", takesASecondJob},
	"queue.event_retention": {"queue: {event_retention: 1h}", keepsAnEventOfTwoHours},

	"engines.chatterbox.cfg": {"engines: {chatterbox: {cfg: 0.1}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.chatterbox.temperature": {"engines: {chatterbox: {temperature: 0.1}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.chatterbox.exaggeration": {"engines: {chatterbox: {exaggeration: 0.1}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.chatterbox.listen": {"engines: {chatterbox: {listen: false}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.chatterbox.most_errors": {"engines: {chatterbox: {most_errors: 0.5}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.kokoro.listen": {"engines: {kokoro: {listen: true}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.kokoro.most_errors": {"engines: {kokoro: {most_errors: 0.5}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.chatterbox.min_sample_duration": {"engines: {chatterbox: {min_sample_duration: 0}}",
		func(_ *testing.T, a *App) any { return a.generationConfig().EngineDefaults }},
	"engines.multitalk.fps":            {"engines: {multitalk: {fps: 30}}", warnings},
	"engines.multitalk.sampling_steps": {"engines: {multitalk: {sampling_steps: 8}}", warnings},
	"engines.multitalk.low_vram_mode":  {"engines: {multitalk: {low_vram_mode: true}}", warnings},
	"engines.multitalk.preset":         {"engines: {multitalk: {preset: fast}}", warnings},
	"engines.bfl.url": {"engines: {bfl: {key: k, url: 'https://b.example'}}",
		func(_ *testing.T, a *App) any { return a.engineEnv() }},
	"engines.bfl.key": {"engines: {bfl: {key: k}}", offersBFL},
	"engines.bfl.model": {"engines: {bfl: {key: k, model: flux-kontext-max}}",
		func(_ *testing.T, a *App) any { return a.engineEnv() }},

	"database.dsn": {"database: {dsn: 'postgres://d.example/x'}",
		func(t *testing.T, a *App) any { return databaseAddress(t, a) }},
	"database.listen_dsn": {"database: {listen_dsn: 'postgres://d.example/x'}",
		func(_ *testing.T, a *App) any { return a.storeConfig("").ListenDSN }},
	"database.pool_mode": {"database: {pool_mode: transaction}",
		func(_ *testing.T, a *App) any { return a.queueConfig().PollOnly }},
	"database.max_connections": {"database: {max_connections: 9}",
		func(_ *testing.T, a *App) any { return a.storeConfig("").MaxConns }},
	"database.binaries": {"database: {binaries: /x}",
		func(_ *testing.T, a *App) any { return a.clusterConfig().Binaries }},
	"database.root_mode": {"database: {root_mode: setuid}",
		func(_ *testing.T, a *App) any { return a.clusterConfig().RootMode }},

	"python.workers": {"python: {workers: DIR/workers}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Workers }},
	"python.draft_venv": {"python: {draft_venv: DIR/v}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Venvs }},
	"python.models_venv": {"python: {models_venv: DIR/v}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Venvs }},
	"python.manifests": {"python: {manifests: [DIR/engines]}",
		func(_ *testing.T, a *App) any { _, ok := a.catalogue.Get("another"); return ok }},

	"sidecars": {"sidecars: {draft-speech: {command: [x]}}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Commands }},

	"supervisor.hang_grace": {"supervisor: {hang_grace: 1m}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().HangGrace }},
	"supervisor.cancel_grace": {"supervisor: {cancel_grace: 1m}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().CancelGrace }},
	"supervisor.term_grace": {"supervisor: {term_grace: 1m}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().TermGrace }},
	"supervisor.spare": {"supervisor: {spare: false}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Spare }},
	"supervisor.max_spares": {"supervisor: {max_spares: 1}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().MaxSpares }},
	"supervisor.sandbox": {"supervisor: {sandbox: false}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Sandbox.Off }},
	"supervisor.sandbox_paths": {"supervisor: {sandbox_paths: [/x]}",
		func(_ *testing.T, a *App) any { return a.sidecarConfig().Sandbox.Write }},
	"supervisor.max_faults": {"supervisor: {max_faults: 1}", runsAgainAfterAFault},
	"supervisor.soft_stop": {"supervisor: {soft_stop: 1m}", func(_ *testing.T, a *App) any {
		return [2]time.Duration{a.runnerConfig().SoftStop, a.queueConfig().SoftStop}
	}},
	"supervisor.stop_writes": {"supervisor: {stop_writes: 1m}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().StopWrites }},
	"supervisor.max_shortages": {"supervisor: {max_shortages: 1}",
		func(_ *testing.T, a *App) any { return a.runnerConfig().MaxShortages }},

	"supervisor.limits.outputs":           {"supervisor: {limits: {outputs: 3}}", limits},
	"supervisor.limits.output_bytes":      {"supervisor: {limits: {output_bytes: 3}}", limits},
	"supervisor.limits.segments":          {"supervisor: {limits: {segments: 3}}", limits},
	"supervisor.limits.phase_changes":     {"supervisor: {limits: {phase_changes: 3}}", limits},
	"supervisor.limits.undeclared_phases": {"supervisor: {limits: {undeclared_phases: 3}}", limits},
	"supervisor.limits.log_messages":      {"supervisor: {limits: {log_messages: 3}}", limits},
	"supervisor.limits.log_lines":         {"supervisor: {limits: {log_lines: 3}}", limits},
	"supervisor.limits.text":              {"supervisor: {limits: {text: 3}}", limits},
	"supervisor.limits.metadata":          {"supervisor: {limits: {metadata: 3}}", limits},
	"supervisor.limits.values":            {"supervisor: {limits: {values: 3}}", limits},
	"supervisor.limits.depth":             {"supervisor: {limits: {depth: 3}}", limits},
	"supervisor.limits.warnings":          {"supervisor: {limits: {warnings: 3}}", limits},

	"guard.min_available":          {"guard: {min_available: 0}", guards},
	"guard.min_available_fraction": {"guard: {min_available_fraction: 0}", guards},
	"guard.pressure_full":          {"guard: {pressure_full: 0}", guards},
	"guard.gtt_growth":             {"guard: {gtt_growth: 0}", guards},

	"media.ffmpeg": {"media: {ffmpeg: /bin/true}",
		func(_ *testing.T, a *App) any { return a.mediaConfig().FFmpeg + a.sidecarConfig().FFmpeg }},
	"media.max_upload_bytes":  {"media: {max_upload_bytes: 4}", takesFiveBytes},
	"media.max_image_pixels":  {"media: {max_image_pixels: 4}", mediaLimits},
	"media.max_image_side":    {"media: {max_image_side: 4}", mediaLimits},
	"media.max_video_pixels":  {"media: {max_video_pixels: 4}", mediaLimits},
	"media.max_audio_seconds": {"media: {max_audio_seconds: 4}", mediaLimits},
	"media.max_video_seconds": {"media: {max_video_seconds: 4}", mediaLimits},
	"media.max_streams":       {"media: {max_streams: 4}", mediaLimits},
	"media.allow_http": {"media: {allow_http: true}",
		func(_ *testing.T, a *App) any { return a.fetchConfig().AllowHTTP }},
	"media.allowed_hosts": {"media: {allowed_hosts: [nas.lan]}",
		func(_ *testing.T, a *App) any { return a.fetchConfig().AllowedHosts }},
	"media.fetch_timeout": {"media: {fetch_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.fetchConfig().Timeout }},
	"media.probe_timeout": {"media: {probe_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.mediaConfig().ProbeTimeout }},
	"media.work_timeout": {"media: {work_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.mediaConfig().WorkTimeout }},
	"media.max_processes": {"media: {max_processes: 7}",
		func(_ *testing.T, a *App) any { return a.mediaConfig().MaxProcesses }},
	"media.max_wait": {"media: {max_wait: 1s}",
		func(_ *testing.T, a *App) any { return a.mediaConfig().MaxWait }},

	"auth.failed_burst":      {"auth: {failed_burst: 9}", signInLimits},
	"auth.failed_per_minute": {"auth: {failed_per_minute: 9}", signInLimits},
	"auth.loopback_factor":   {"auth: {loopback_factor: 9}", signInLimits},
	"auth.failed_addresses":  {"auth: {failed_addresses: 9}", signInLimits},
	"auth.recheck":           {"auth: {recheck: 9s}", func(_ *testing.T, a *App) any { return a.authConfig().Recheck }},
	"voices.min_seconds": {"voices: {min_seconds: 9}",
		func(_ *testing.T, a *App) any { return a.generationConfig().MinVoiceSeconds }},
	"pronunciations.limit": {"pronunciations: {limit: 9}",
		func(_ *testing.T, a *App) any { return a.pronunciationsConfig().Limit }},
	"voices.default":          {"voices: {default: {pt-BR: Another}}", speaksByDefault},
	"voices.default_language": {"voices: {default_language: en}", speaksByDefault},
	"http.max_json_bytes": {"http: {max_json_bytes: 1KB}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).MaxJSONBytes }},
	"http.read_timeout": {"http: {read_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).ReadTimeout }},
	"server.max_connections": {"server: {max_connections: 9}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).Limits.MaxConnections }},
	"server.max_connections_per_address": {"server: {max_connections_per_address: 9}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).Limits.MaxPerAddress }},
	"http.max_text_bytes": {"http: {max_text_bytes: 1KB}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).MaxTextBytes }},
	"server.allowed_hosts": {"server: {allowed_hosts: [studio.example]}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).AllowedHosts }},
	"http.max_streams": {"http: {max_streams: 9}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).MaxStreams }},
	"server.memory_limit": {"server: {memory_limit: 9GiB}",
		func(_ *testing.T, a *App) any { return a.memoryLimit() }},
	"http.write_timeout": {"http: {write_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).Limits.WritePause }},
	"http.idle_timeout": {"http: {idle_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).IdleTimeout }},
	"http.min_rate": {"http: {min_rate: 9}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).Limits.MinRate }},
	"http.drain_bytes": {"http: {drain_bytes: 9}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).Limits.DrainBytes }},
	"http.drain_timeout": {"http: {drain_timeout: 1s}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).Limits.DrainTime }},
	"http.trust_forwarded": {"http: {trust_forwarded: true}",
		func(_ *testing.T, a *App) any { return a.apiConfig(nil).TrustForwarded }},

	"log.level":  {"log: {level: error}", logged},
	"log.format": {"log: {format: json}", logged},
}

// Each key of the configuration changes something, and none is left out.
func TestEverySettingHasAnEffect(t *testing.T) {
	shared := storetest.New(t)
	unchanged := assemble(t, shared, "")
	keys := unchanged.config.Keys()
	for key := range settings {
		require.Contains(t, keys, key, "there is no such key")
	}
	for _, key := range keys {
		s, ok := settings[key]
		require.True(t, ok, "%s has no entry in settings: nothing shows that changing it changes anything", key)
		t.Run(key, func(t *testing.T) {
			before := s.seen(t, unchanged)
			after := s.seen(t, assemble(t, shared, s.yaml))
			require.NotEqual(t, before, after, "%s changes nothing", s.yaml)
		})
	}
}

// assemble builds a node's parts as New does, on a database that is there, and starts nothing.
func assemble(t *testing.T, st *store.Store, yaml string) *App {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "extra.yaml"),
		"models:\n  - {id: mine, engine: flux, like: flux-dev, variants: [{id: Q4_K_S}]}\n")
	workers, err := filepath.Abs("../../pyworkers")
	require.NoError(t, err)
	manifest, err := os.ReadFile(filepath.Join(workers, "apibr_worker/engines/draft_speech/manifest.yaml"))
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "engines/another/manifest.yaml"),
		strings.NewReplacer("id: draft-speech\nversion", "id: another\nversion", "priority: 10",
			"priority: 20").Replace(string(manifest)))
	if strings.Contains(yaml, "workers: DIR") {
		for _, folder := range []string{"apibr_worker/engines/draft_speech", "apibr_worker/engines/draft_voice",
			"apibr_worker/engines/kokoro", "apibr_worker/engines/whisper"} {
			require.NoError(t, os.CopyFS(filepath.Join(dir, "workers", folder),
				os.DirFS(filepath.Join(workers, folder))))
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "cache/flux-dev"), 0o700))
	writeFile(t, filepath.Join(dir, "cache/flux-dev/x.part"), "")
	writeFile(t, filepath.Join(dir, "bundled/flux-dev/installed.json"), `{"model": "flux-dev", "engine": "flux",
		"variants": {"Q4_0": {"transformer": "w.gguf"}}, "files": [{"path": "w.gguf", "size": 1, "sha256": "x"}]}`)

	flags := map[string]any{}
	if !strings.Contains(yaml, "data_dir") {
		flags["data_dir"] = filepath.Join(dir, "data")
	}
	if !strings.Contains(yaml, "workers: DIR") {
		flags["python.workers"] = workers
	}
	path := filepath.Join(dir, "config.yaml")
	writeFile(t, path, strings.ReplaceAll(yaml, "DIR", dir))
	c, err := config.Load(config.Options{File: path, Flags: flags, Environment: []string{"HOME=" + dir}})
	require.NoError(t, err)

	log := slog.New(slog.DiscardHandler)
	a := &App{config: c, log: log, metrics: telemetry.NewMetrics(), host: device.NewHost(""), node: uuid.New(),
		boot:  uuid.New(),
		store: st, stack: lifecycle.New(log)}
	require.NoError(t, os.MkdirAll(c.DataDir, 0o700))
	require.NoError(t, a.buildFiles(t.Context()))
	require.NoError(t, a.buildJobs())
	_, err = a.jobs.Recover(t.Context())
	require.NoError(t, err)
	return a
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// speaksByDefault is the voice of a request that names neither a voice nor a language.
func speaksByDefault(t *testing.T, a *App) any {
	list := []voices.Builtin{{ID: uuid.New(), Name: "Another", Language: "es"}}
	for _, tag := range []string{"en", "pt-BR"} {
		list = append(list, voices.Builtin{ID: uuid.New(), Name: "Of " + tag, Language: tag, Default: true})
	}
	require.NoError(t, a.voices.EnsureBuiltins(t.Context(), list))
	voice, err := a.voices.Default(t.Context(), a.local.Owner, "")
	require.NoError(t, err)
	return voice.Name
}

func warnings(_ *testing.T, a *App) any { return a.config.Warnings }

func limits(_ *testing.T, a *App) any { return a.sidecarConfig().Limits }

func guards(_ *testing.T, a *App) any { return a.sidecarConfig().Guard }

func mediaLimits(_ *testing.T, a *App) any { return a.mediaConfig().Limits }

func logged(t *testing.T, a *App) any {
	var out strings.Builder
	log, err := NewLogger(&out, a.config)
	require.NoError(t, err)
	log.Info("hello")
	return out.Len() == 0 || strings.HasPrefix(out.String(), "{")
}

func databaseAddress(t *testing.T, a *App) string {
	address, err := a.config.DatabaseDSN()
	require.NoError(t, err)
	return address
}

func offersBFL(t *testing.T, a *App) any {
	_, ok := a.catalogue.Get("bfl")
	require.True(t, ok)
	return a.engineEnv()[engine.ID("bfl")] != nil
}

func knowsTheExtraModel(_ *testing.T, a *App) any {
	m, _ := a.catalogue.Get("flux")
	_, ok := m.Model("mine")
	return ok
}

func findsAnInstalledModel(_ *testing.T, a *App) any {
	_, err := os.Stat(filepath.Join(a.config.Models.CacheDir, "flux-dev"))
	return err == nil
}

func someSpeech() jobs.Spec {
	return jobs.Spec{Owner: auth.LocalAdmin, Type: jobs.TypeSpeech, Quality: "draft", Engine: "draft-speech",
		Params: map[string]any{"text": "Olá", "seed": 7}}
}

func submit(t *testing.T, a *App) *jobs.Job {
	job, err := a.jobs.Submit(t.Context(), someSpeech())
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _ = a.store.Pool().Exec(context.Background(), "delete from generation_jobs where id = $1", job.ID)
	})
	return job
}

func takesASecondJob(t *testing.T, a *App) any {
	first := submit(t, a)
	second, err := a.jobs.Submit(t.Context(), someSpeech())
	require.NoError(t, a.jobs.Delete(t.Context(), auth.LocalAdmin, first.ID))
	if errors.Is(err, jobs.ErrQueueFull) {
		return false
	}
	require.NoError(t, err)
	require.NoError(t, a.jobs.Delete(t.Context(), auth.LocalAdmin, second.ID))
	return true
}

func keepsAnEventOfTwoHours(t *testing.T, a *App) any {
	job := submit(t, a)
	_, err := a.store.Pool().Exec(t.Context(), "update events set at = now() - interval '2 hours'")
	require.NoError(t, err)
	submit(t, a)
	require.NoError(t, a.jobs.Sweep(t.Context()))
	var kept bool
	row := a.store.Pool().QueryRow(t.Context(), "select exists (select from events where job_id = $1)", job.ID)
	require.NoError(t, row.Scan(&kept))
	return kept
}

func runsAgainAfterAFault(t *testing.T, a *App) any {
	job := submit(t, a)
	claimed, err := a.jobs.Claim(t.Context(), job.ID, "cpu")
	require.NoError(t, err)
	again, err := a.jobs.Fault(t.Context(), job.ID, claimed.Fence, jobs.Problem{Type: "internal",
		Title: i18n.Plain("x"), Status: 500, Code: "internal"})
	require.NoError(t, err)
	return again
}

func takesFiveBytes(t *testing.T, a *App) any {
	return [2]int64{a.assetsConfig().MaxBytes, a.fetchConfig().MaxBytes}
}

// What a part is given has an effect only if the part reads it: each field of the parts' configurations is used
// outside of the function that fills in defaults.
func TestEveryFieldOfAPartIsUsed(t *testing.T) {
	for folder, part := range map[string]any{
		"assets": assets.Config{}, "auth": auth.Config{}, "events": events.Config{}, "fetch": fetch.Config{},
		"generation": generation.Config{},
		"httpapi":    httpapi.Config{}, "hub": hub.Config{}, "jobs": jobs.Config{}, "media": media.Limits{},
		"models": models.InstallerConfig{}, "netlimit": netlimit.Limits{}, "pgembed": pgembed.Config{},
		"pronunciations": pronunciations.Config{},
		"queue":          queue.Config{}, "runner": runner.Config{},
		"sched": sched.Policy{}, "sidecar": sidecar.Config{}, "store": store.Config{},
	} {
		used := fieldsUsed(t, filepath.Join("..", folder))
		for _, field := range reflect.VisibleFields(reflect.TypeOf(part)) {
			require.Contains(t, used, field.Name, "%s.%s is set and never read", folder, field.Name)
		}
	}
	used := fieldsUsed(t, filepath.Join("..", "sidecar"))
	for _, field := range reflect.VisibleFields(reflect.TypeOf(sidecar.GuardConfig{})) {
		require.Contains(t, used, field.Name, "the guard's %s is set and never read", field.Name)
	}
}

// fieldsUsed are the names that a package selects, but in tests and where defaults are filled in.
func fieldsUsed(t *testing.T, folder string) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncDecl); ok && strings.Contains(strings.ToLower(f.Name.Name), "defaults") {
				return false
			}
			if s, ok := n.(*ast.SelectorExpr); ok {
				used[s.Sel.Name] = true
			}
			return true
		})
	}
	return used
}

func signInLimits(_ *testing.T, a *App) any { return a.authConfig().Limits }
