package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"

	"github.com/apibr/studio/internal/names"
)

// Options say where Load looks.
type Options struct {
	// File is --config; "" looks in the usual places.
	File string
	// Flags are the values of flags that were given, by key.
	Flags map[string]any
	// Environment as KEY=VALUE. Default os.Environ().
	Environment []string
}

// openKey are keys below sections whose names the user chooses; config.check looks at the names.
var openKey = regexp.MustCompile(`^(sidecars\.[a-z0-9-]+\.command|models\.torch_indexes\.[a-z0-9-]+|models\.vram_required\.[a-z0-9.-]+)$`)

// other names of settings in the environment, kept for what others write.
var aliases = map[string]string{"DATABASE_URL": "database.dsn", "DATABASE_LISTEN_URL": "database.listen_dsn", "HF_TOKEN": "models.hub_token"}

// variables that are ours without being settings.
var notSettings = []string{"APIBR_SERVER", "APIBR_TOKEN", "APIBR_LANG", "APIBR_CONFIG", "APIBR_SYSFS_ROOT", "APIBR_FFMPEG", "APIBR_CONFORMANCE_", "APIBR_E2E_", "APIBR_TEST_"}

// Load reads and checks the configuration. Its error names every wrong key and value at once.
func Load(options Options) (*Config, error) {
	if options.Environment == nil {
		options.Environment = os.Environ()
	}
	k := koanf.New(".")
	if err := k.Load(structs.Provider(Default(), "koanf"), nil); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	of, err := declared(options)
	if err != nil {
		return nil, err
	}
	if err := k.Load(confmap.Provider(of.presets(), "."), nil); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	known := k.Keys()
	environment, warnings, err := fromEnvironment(options.Environment, known, of)
	if err != nil {
		return nil, err
	}
	path, err := findFile(options, environment)
	if err != nil {
		return nil, err
	}
	sources := []string{"defaults"}
	if path != "" {
		if err := loadFile(k, path, known, of); err != nil {
			return nil, err
		}
		sources = append(sources, path)
	}
	for _, layer := range []map[string]any{environment, options.Flags} {
		if err := k.Load(confmap.Provider(layer, "."), nil); err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
	}
	config, err := decode(k)
	if err != nil {
		return nil, err
	}
	config.of = of
	wrong := config.typed()
	config.Sources, config.Warnings = sources, append(warnings, config.unused()...)
	config.SecretFiles = secretFiles(options.Environment, of)
	if path != "" {
		config.SecretFiles = append(config.SecretFiles, path)
	}
	if err := config.finish(); err != nil {
		return nil, err
	}
	return config, errors.Join(config.check(), wrong)
}

// fromEnvironment picks the settings out of the environment; NAME_FILE names a file that holds a secret.
func fromEnvironment(environment, known []string, of settingsOf) (values map[string]any, warnings []string, err error) {
	keys := map[string]string{}
	for _, key := range known {
		keys[envName(key)] = key
	}
	for name, key := range of.aliases {
		keys[name] = key
	}
	values = map[string]any{}
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if key, ok := keys[name]; ok {
			if _, isAlias := of.aliases[name]; isAlias && slices.ContainsFunc(environment, func(e string) bool { return strings.HasPrefix(e, envName(key)+"=") }) {
				continue // the setting's own name wins
			}
			values[key] = listOrText(key, value)
			continue
		}
		if base, isFile := strings.CutSuffix(name, "_FILE"); isFile && slices.Contains(of.secrets, keys[base]) {
			content, err := os.ReadFile(value)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: the file cannot be read", name)
			}
			values[keys[base]] = strings.TrimSpace(string(content))
			continue
		}
		ours := slices.ContainsFunc(notSettings, func(p string) bool { return name == p || strings.HasSuffix(p, "_") && strings.HasPrefix(name, p) })
		engines := of.engines == nil && strings.HasPrefix(name, envName(enginesSection)+"_")
		if strings.HasPrefix(name, "APIBR_") && !ours && !engines {
			warnings = append(warnings, unknown("environment variable "+name, name, mapKeys(keys)))
		}
	}
	return values, warnings, nil
}

// secretFiles are those that NAME_FILE variables name.
func secretFiles(environment []string, of settingsOf) (paths []string) {
	var names []string
	for _, key := range of.secrets {
		names = append(names, envName(key)+"_FILE")
	}
	for alias, key := range of.aliases {
		if slices.Contains(of.secrets, key) {
			names = append(names, alias+"_FILE")
		}
	}
	for _, entry := range environment {
		if name, path, _ := strings.Cut(entry, "="); slices.Contains(names, name) {
			paths = append(paths, path)
		}
	}
	return paths
}

func mapKeys(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// listOrText splits lists at commas.
func listOrText(key, value string) any {
	switch key {
	case "python.manifests", "media.allowed_hosts", "server.allowed_hosts":
		return strings.Split(value, ",")
	default:
		return value
	}
}

// findFile is --config, APIBR_CONFIG, then the user's and the data directory's.
func findFile(options Options, environment map[string]any) (string, error) {
	if options.File != "" {
		return options.File, nil
	}
	var base string
	for _, entry := range options.Environment {
		if path, ok := strings.CutPrefix(entry, "APIBR_CONFIG="); ok && path != "" {
			return path, nil
		}
		if dir, ok := strings.CutPrefix(entry, "XDG_CONFIG_HOME="); ok {
			base = dir
		}
	}
	if base == "" {
		if home, err := os.UserHomeDir(); err == nil {
			base = filepath.Join(home, ".config")
		}
	}
	dataDir := defaultDataDir()
	for _, layer := range []map[string]any{environment, options.Flags} {
		if dir, ok := layer["data_dir"].(string); ok && dir != "" {
			dataDir = dir
		}
	}
	for _, path := range []string{filepath.Join(dataDir, "config.yaml"), filepath.Join(base, "apibr", "config.yaml")} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", nil
}

func loadFile(k *koanf.Koanf, path string, known []string, of settingsOf) error {
	own := koanf.New(".")
	if err := own.Load(file.Provider(path), yaml.Parser()); err != nil {
		return fmt.Errorf("config file %s: %w", filepath.Base(path), err)
	}
	var problems []error
	for _, key := range own.Keys() {
		if slices.Contains(known, key) || openKey.MatchString(key) || of.isOpen(key) || isSection(key, own.Get(key), known) {
			continue
		}
		problems = append(problems, errors.New(unknown("config file "+filepath.Base(path)+": key "+key, key, known)))
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	return k.Merge(own)
}

// isSection allows a section that is written and left empty.
func isSection(key string, value any, known []string) bool {
	if value != nil {
		if m, ok := value.(map[string]any); !ok || len(m) > 0 {
			return false
		}
	}
	return key == "sidecars" || key == "models.torch_indexes" || slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".") })
}

func unknown(what, name string, known []string) string {
	if nearest := names.Nearest(name, known); nearest != "" {
		return fmt.Sprintf("%s is not known; did you mean %s?", what, nearest)
	}
	return what + " is not known"
}

func decode(k *koanf.Koanf) (*Config, error) {
	var config Config
	hooks := mapstructure.ComposeDecodeHookFunc(mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(), mapstructure.StringToSliceHookFunc(","))
	err := k.UnmarshalWithConf("", &config, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook: hooks, WeaklyTypedInput: true, Result: &config, TagName: "koanf"}})
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return &config, nil
}
