package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func load(t *testing.T, yaml string, flags map[string]any, environment ...string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
	if flags == nil {
		flags = map[string]any{}
	}
	if _, named := flags["python.workers"]; !named {
		flags["python.workers"] = "../../pyworkers"
	}
	return Load(Options{File: path, Flags: flags, Environment: append([]string{"HOME=" + dir}, environment...)})
}

func TestFlagsWinOverEnvironmentOverFileOverDefaults(t *testing.T) {
	c, err := load(
		t,
		"server: {port: 9001, workers: 7}\nqueue: {max_wait: 3m}\n",
		map[string]any{"server.port": 9003},
		"APIBR_SERVER_PORT=9002",
		"APIBR_QUEUE_MAX_WAIT=5m",
	)
	require.NoError(t, err)
	require.Equal(t, 9003, c.Server.Port)
	require.Equal(t, 5*time.Minute, c.Queue.MaxWait)
	require.Equal(t, 7, c.Server.Workers)
	require.Equal(t, 2, c.Queue.MaxConcurrentJobs)
}

// The user's own example must go on working.
func TestEveryKeyOfAUsersFileIsRead(t *testing.T) {
	c, err := load(t, `
server: {host: 0.0.0.0, port: 8000, workers: 4}
gpu: {device: rocm, memory_fraction: 0.8}
models: {cache_dir: /data/models, max_cache_size: 100GB, keep_alive: 5m}
queue:
  max_concurrent_jobs: 2
  priority_weights: {audio: 3, image: 2, video: 1}
engines:
  chatterbox: {cfg: 0.65, temperature: 1.0, exaggeration: 1.0, min_sample_duration: 15}
  multitalk: {fps: 25, sampling_steps: 100, low_vram_mode: true, preset: distilled}
  bfl: {url: "https://api.bfl.ai", key: k}
sidecars:
  draft-speech: {command: [python3, speak.py]}
`, nil)
	require.NoError(t, err)
	require.Equal(t, "0.8", c.GPU.MemoryFraction)
	require.Equal(t, Size(100e9), c.Models.MaxCacheSize)
	require.Equal(t, []string{"python3", "speak.py"}, c.EngineCommands()["draft-speech"])
	require.Equal(t, "0.0.0.0:8000", c.Address())
	require.Equal(t, true, c.EngineSettings()["multitalk"]["low_vram_mode"])
	require.Equal(t, 0.65, c.EngineSettings()["chatterbox"]["cfg"])
}

func TestUnknownKeysAreNamedWithASuggestion(t *testing.T) {
	_, err := load(t, "server: {prot: 9001}\nqueue: {max_concurent_jobs: 3}\n", nil)
	require.ErrorContains(t, err, "server.prot is not known; did you mean server.port?")
	require.ErrorContains(t, err, "queue.max_concurent_jobs is not known; did you mean queue.max_concurrent_jobs?")
	c, err := load(t, "", nil, "APIBR_SERVER_PROT=1", "APIBR_TOKEN=x", "APIBR_SYSFS_ROOT=/x")
	require.NoError(t, err)
	require.Len(t, c.Warnings, 1)
	require.Contains(t, c.Warnings[0].String(), "APIBR_SERVER_PORT")
}

func TestWrongValuesAreNamedTogether(t *testing.T) {
	_, err := load(t, "gpu: {device: amd, memory_fraction: 2}\nlog: {level: loud}\nsidecars: {x: {command: []}}\n", nil)
	for _, part := range []string{"gpu.device", "gpu.memory_fraction", "log.level", "sidecars.x.command"} {
		require.ErrorContains(t, err, part)
	}
	_, err = load(t, "media: {max_upload_bytes: lots}\n", nil)
	require.ErrorContains(t, err, "500MB")
	_, err = load(t, "", map[string]any{"listen": "8000"})
	require.ErrorContains(t, err, "HOST:PORT")
}

// A zero that a part would take for "not set" is refused, or means what it says.
func TestZerosAreRefusedOrMeanSomething(t *testing.T) {
	_, err := load(
		t,
		"supervisor: {max_faults: 0, soft_stop: 0, stop_writes: 0, max_shortages: 0}\nmedia: {max_streams: "+
			"0}\nqueue: {event_retention: 0, max_queued: -1}\n",
		nil,
	)
	for _, key := range []string{"supervisor.max_faults", "supervisor.soft_stop", "supervisor.stop_writes",
		"supervisor.max_shortages", "media.max_streams", "queue.event_retention", "queue.max_queued"} {
		require.ErrorContains(t, err, key)
	}
	_, err = load(
		t,
		"guard: {min_available: 0, pressure_full: 0}\nmodels: {keep_alive: 0}\nqueue: {max_queued: 0}\n",
		nil,
	)
	require.NoError(t, err)
}

func TestTorchIndexesByProfile(t *testing.T) {
	c, err := load(t, "models: {torch_indexes: {rocm-amd: https://mirror.example/amd/, cpu-pytorch: /srv/wheels}}", nil)
	require.NoError(t, err)
	require.Equal(
		t,
		map[string]string{"rocm-amd": "https://mirror.example/amd/", "cpu-pytorch": "/srv/wheels"},
		c.Models.TorchIndexes,
	)
	_, err = load(t, "models: {torch_indexes: {rocm-amdd: https://mirror.example, pypi: mirror}}", nil)
	require.ErrorContains(t, err, "models.torch_indexes.rocm-amdd")
	require.ErrorContains(t, err, "models.torch_indexes.pypi must be")
}

func TestSecretsComeFromFilesAndAreMasked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(path, []byte("postgres://me:hunter2@db.example/apibr\n"), 0o600))
	c, err := load(t, "engines: {bfl: {key: sesame}}", nil, "DATABASE_URL_FILE="+path)
	require.NoError(t, err)
	require.Equal(t, "postgres://me:hunter2@db.example/apibr", c.Database.DSN)
	shown, err := c.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(shown), "hunter2")
	require.NotContains(t, string(shown), "sesame")
	require.Contains(t, string(shown), "db.example")
	field, err := c.Field("database.dsn")
	require.NoError(t, err)
	require.Contains(t, field, "hunter2")
}

func TestTheHubsTokenIsNeverShown(t *testing.T) {
	for _, variables := range [][]string{{"HF_TOKEN=hf_sesame"}, {"APIBR_MODELS_HUB_TOKEN=hf_sesame"},
		{"HF_TOKEN=hf_other", "APIBR_MODELS_HUB_TOKEN=hf_sesame"}, {"APIBR_MODELS_HUB_TOKEN=hf_sesame",
			"HF_TOKEN=hf_other"}} {
		c, err := load(t, "", nil, variables...)
		require.NoError(t, err)
		require.Equal(t, "hf_sesame", c.Models.HubToken)
		require.Equal(t, "https://huggingface.co", c.Models.HubURL)
		shown, err := c.YAML()
		require.NoError(t, err)
		require.NotContains(t, string(shown), "sesame")
		field, err := c.Field("models.hub_token")
		require.NoError(t, err)
		require.NotContains(t, field, "sesame")
	}
	_, err := load(t, "models: {hub_url: huggingface.co}\n", nil)
	require.ErrorContains(t, err, "models.hub_url")
}

// What is shown can be read again and means the same.
func TestShownConfigurationLoads(t *testing.T) {
	c, err := load(t, "", nil)
	require.NoError(t, err)
	shown, err := c.YAML()
	require.NoError(t, err)
	again, err := load(t, string(shown), nil)
	require.NoError(t, err)
	again.Sources, again.SecretFiles = c.Sources, c.SecretFiles
	require.Equal(t, c, again)
}

func TestPrivateDatabaseHasAnAddress(t *testing.T) {
	c, err := load(t, "", map[string]any{"data_dir": "/tmp/x"})
	require.NoError(t, err)
	field, err := c.Field("database.dsn")
	require.NoError(t, err)
	require.Contains(t, field, "%2Ftmp%2Fx%2Fpg%2Frun")
	_, err = c.Field("server.prot")
	require.ErrorContains(t, err, "server.port")
}

func TestExampleFileLoadsAndNamesEveryKey(t *testing.T) {
	content, err := os.ReadFile("../../configs/config.yaml")
	require.NoError(t, err)
	c, err := load(t, string(content), nil)
	require.NoError(t, err)
	for _, key := range c.Keys() {
		parts := []byte(key)
		name := key
		for i, b := range parts {
			if b == '.' {
				name = key[i+1:]
			}
		}
		require.Contains(t, string(content), name+":", "configs/config.yaml does not show %s", key)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"100GB": 100e9, "2 GiB": 2 << 30, "500mb": 500e6, "1024": 1024,
		"1.5KiB": 1536, "0": 0} {
		var s Size
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, s, text)
	}
	for _, text := range []string{"", "x", "-1GB", "GB", "1 parsec"} {
		var s Size
		require.Error(t, s.UnmarshalText([]byte(text)), text)
	}
	require.Equal(t, "100GB", Size(100e9).String())
	require.Equal(t, "2GiB", Size(2<<30).String())
}

func TestLimitsOfConnectionsMustBeAboveZero(t *testing.T) {
	_, err := load(
		t,
		"server: {max_connections: 0, max_connections_per_address: -1}\nhttp: {read_timeout: 0s, write_timeout: 0s, "+
			"idle_timeout: 0s, min_rate: 0, drain_bytes: 0, drain_timeout: 0s}\n",
		nil,
	)
	for _, key := range []string{"server.max_connections must", "server.max_connections_per_address",
		"http.read_timeout", "http.write_timeout", "http.idle_timeout", "http.min_rate", "http.drain_bytes",
		"http.drain_timeout"} {
		require.ErrorContains(t, err, key)
	}
}

// The translations of an engine lie in its folder; a file that cannot be used is named when the studio starts.
func TestAnEnginesTranslationsAreReadFromItsFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine", "sentences.pt-BR.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(`{"%d of my own": "%d meus"}`), 0o600))
	c := Default()
	c.Python.Workers, c.Python.Manifests = "../../pyworkers", []string{dir}
	sentences, err := c.Sentences()
	require.NoError(t, err)
	require.True(t, sentences.Knows("%d of my own"))
	require.True(t, sentences.Knows("the recording is empty: record again"), "of the studio's own engines")
	require.NoError(t, os.WriteFile(file, []byte(`{"%d of my own": "%s meus"}`), 0o600))
	_, err = c.Sentences()
	require.ErrorContains(t, err, file)
}

func TestDefaultVoicesOfLanguages(t *testing.T) {
	c, err := load(t, "voices: {default: {pt_BR: Dora, en: My Voice}}", nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"pt_BR": "Dora", "en": "My Voice"}, c.Voices.Default)
	require.Equal(t, "pt-BR", c.Voices.DefaultLanguage)
	c, err = load(t, "voices: {default: {es: Lucia}}", nil, "APIBR_VOICES_DEFAULT=pt-BR=Minha Voz, en=Heart")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"pt-BR": "Minha Voz", "en": "Heart", "es": "Lucia"}, c.Voices.Default)
	_, err = load(t, "", nil, "APIBR_VOICES_DEFAULT=Dora")
	require.ErrorContains(t, err, "A=B,C=D in the environment")
	_, err = load(t, "voices: {default: {Portuguese: Dora, en: ''}, default_language: Portuguese}", nil)
	for _, want := range []string{"voices.default.Portuguese is not for a language", "voices.default.en names no voice",
		`voices.default_language is "Portuguese"`} {
		require.ErrorContains(t, err, want)
	}
}
