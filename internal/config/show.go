package config

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/pgembed"
	"github.com/apibr/studio/internal/torchenv"
)

const mask = "********"

// DatabaseDSN is the configured database, or the private cluster's address.
func (c *Config) DatabaseDSN() (string, error) {
	if c.Database.DSN != "" {
		return c.Database.DSN, nil
	}
	return pgembed.DSNFor(c.DataDir)
}

// flat is the configuration by key, in words.
func (c *Config) flat() (*koanf.Koanf, error) {
	k := koanf.New(".")
	shown := *c
	shown.Engines = map[string]any{} // copied, since secrets are masked in what is shown
	for id, values := range c.EngineSettings() {
		shown.Engines[string(id)] = maps.Clone(values)
	}
	if err := k.Load(structs.Provider(&shown, "koanf"), nil); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	for key, size := range map[string]Size{"models.max_cache_size": c.Models.MaxCacheSize,
		"guard.min_available": c.Guard.MinAvailable, "guard.gtt_growth": c.Guard.GTTGrowth,
		"media.max_upload_bytes": c.Media.MaxUploadBytes, "http.max_json_bytes": c.HTTP.MaxJSONBytes} {
		_ = k.Set(key, size.String())
	}
	for key, value := range k.All() {
		if text, ok := value.(fmt.Stringer); ok {
			_ = k.Set(key, text.String())
		}
	}
	return k, nil
}

// Field is one setting in words. Secrets are shown, but the hub's token: scripts ask for database.dsn to connect with
// it, on the machine that has it anyway; nothing but the studio needs the token.
func (c *Config) Field(key string) (string, error) {
	if key == "database.dsn" {
		return c.DatabaseDSN()
	}
	k, err := c.flat()
	if err != nil {
		return "", err
	}
	if !k.Exists(key) {
		return "", &InvalidError{[]i18n.Sentence{unknown(i18n.Say("key %s", key), key, k.Keys())}}
	}
	if key == "models.hub_token" && k.String(key) != "" {
		return mask, nil
	}
	return fmt.Sprint(k.Get(key)), nil
}

// YAML is the whole configuration with its secrets masked.
func (c *Config) YAML() ([]byte, error) {
	k, err := c.flat()
	if err != nil {
		return nil, err
	}
	for _, key := range c.of.secrets {
		if value := k.String(key); value != "" {
			_ = k.Set(key, masked(value))
		}
	}
	return k.Marshal(yaml.Parser())
}

// masked keeps a URL's host and hides its password.
func masked(value string) string {
	address, err := url.Parse(value)
	if err != nil || address.Scheme == "" || address.Host == "" {
		return mask
	}
	if address.User != nil {
		address.User = url.UserPassword(address.User.Username(), mask)
	}
	return strings.ReplaceAll(address.String(), url.QueryEscape(mask), mask)
}

// Keys are all settings, sorted: those of Config and those that the engines' manifests declare.
func (c *Config) Keys() []string {
	keys := append(Keys(), slices.Collect(maps.Keys(c.of.presets()))...)
	slices.Sort(keys)
	return keys
}

// Keys are the settings that do not belong to an engine, sorted.
func Keys() []string {
	k := koanf.New(".")
	_ = k.Load(structs.Provider(Default(), "koanf"), nil) // our own struct: cannot fail
	keys := slices.DeleteFunc(k.Keys(), func(key string) bool { return key == enginesSection })
	slices.Sort(keys)
	return keys
}

// Catalogue loads the engines of python.workers and python.manifests, and the models of models.extra.
func (c *Config) Catalogue() (*engine.Catalogue, error) {
	catalogue, err := engine.Load(filepath.Join(c.Python.Workers, "apibr_worker", "engines"), c.Python.Manifests...)
	if err != nil {
		return nil, err
	}
	catalogue.Settings = c.EngineSettings()
	catalogue.Replaced = func(id engine.ID) bool { return len(c.EngineCommands()[id]) > 0 }
	return catalogue, catalogue.AddExtra(c.Models.Extra)
}

// Sentences loads the studio's translations and those that lie beside the code of its engines, in python.workers and
// python.manifests. It fails with the name of a file that cannot be used.
func (c *Config) Sentences() (*i18n.Catalogue, error) {
	sources := []fs.FS{i18n.Embedded(), i18n.Beside(filepath.Join(c.Python.Workers, "apibr_worker"))}
	for _, dir := range c.Python.Manifests {
		sources = append(sources, i18n.Beside(dir))
	}
	return i18n.Load(sources...)
}

// TorchRequest asks for the models' environment, with the package indexes of models.torch_indexes. device "" is
// gpu.device.
func (c *Config) TorchRequest(device, profile string) torchenv.Request {
	if device == "" {
		device = c.GPU.Device
	}
	return torchenv.Request{Device: device, Profile: profile, Indexes: c.Models.TorchIndexes}
}

// EngineCommands are the configured replacements of engines' processes.
func (c *Config) EngineCommands() map[engine.ID][]string {
	commands := map[engine.ID][]string{}
	for id, sidecar := range c.Sidecars {
		commands[engine.ID(id)] = sidecar.Command
	}
	return commands
}
