package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"

	"github.com/apibr/studio/internal/i18n"
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

// openKey are keys below sections whose names the user chooses; Config.check checks the names.
var openKey = regexp.MustCompile(`^(sidecars\.[a-z0-9-]+\.command` +
	`|models\.torch_indexes\.[a-z0-9-]+|models\.vram_required\.[a-z0-9.-]+` +
	`|voices\.default\.[A-Za-z0-9_-]+)$`)

// other names of settings in the environment, kept for what others write.
var aliases = map[string]string{
	"DATABASE_URL":        "database.dsn",
	"DATABASE_LISTEN_URL": "database.listen_dsn",
	"HF_TOKEN":            "models.hub_token",
}

// variables that are ours without being settings.
var notSettings = []string{
	"APIBR_SERVER",
	"APIBR_TOKEN",
	"APIBR_LANG",
	"APIBR_CONFIG",
	"APIBR_SYSFS_ROOT",
	"APIBR_FFMPEG",
	"APIBR_WITHOUT_LISTENER",
	"APIBR_CONFORMANCE_",
	"APIBR_E2E_",
	"APIBR_TEST_",
}

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
	config.Sources, config.Warnings = sources, append(warnings, config.unused()...)
	config.SecretFiles = secretFiles(options.Environment, of)
	if path != "" {
		config.SecretFiles = append(config.SecretFiles, path)
	}
	if err := config.finish(); err != nil {
		return nil, err
	}
	return config, config.check()
}

// fromEnvironment picks the settings out of the environment; NAME_FILE names a file that holds a secret.
func fromEnvironment(
	environment, known []string, of settingsOf,
) (values map[string]any, warnings []i18n.Sentence, err error) {
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
			if _, isAlias := of.aliases[name]; isAlias &&
				slices.ContainsFunc(
					environment,
					func(e string) bool { return strings.HasPrefix(e, envName(key)+"=") },
				) {
				continue // the setting's own name wins
			}
			values[key] = listOrText(key, value)
			continue
		}
		if base, isFile := strings.CutSuffix(name, "_FILE"); isFile && slices.Contains(of.secrets, keys[base]) {
			content, err := os.ReadFile(value)
			if err != nil {
				return nil, nil, invalid("%s: the file cannot be read", name)
			}
			values[keys[base]] = strings.TrimSpace(string(content))
			continue
		}
		ours := slices.ContainsFunc(
			notSettings,
			func(p string) bool { return name == p || strings.HasSuffix(p, "_") && strings.HasPrefix(name, p) },
		)
		engines := of.engines == nil && strings.HasPrefix(name, envName(enginesSection)+"_")
		if strings.HasPrefix(name, "APIBR_") && !ours && !engines {
			warnings = append(
				warnings,
				unknown(i18n.Say("environment variable %s", name), name, slices.Sorted(maps.Keys(keys))),
			)
		}
	}
	return values, warnings, nil
}

// secretFiles are the files that NAME_FILE variables name.
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

// pairsOrText reads pt-BR=NAME,en=NAME. A text that is something else stays, and is refused for its kind.
func pairsOrText(text string) any {
	pairs := map[string]any{}
	for _, pair := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return text
		}
		pairs[key] = strings.TrimSpace(value)
	}
	return pairs
}

// listOrText splits lists at commas.
func listOrText(key, value string) any {
	switch key {
	case "python.manifests", "media.allowed_hosts", "server.allowed_hosts":
		return strings.Split(value, ",")
	case "voices.default":
		return pairsOrText(value)
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
		if errors.Is(err, fs.ErrNotExist) {
			return invalid("there is no configuration file %s", path)
		}
		return invalid("the configuration file %s cannot be read: %s", filepath.Base(path), err)
	}
	var wrong problems
	for _, key := range own.Keys() {
		if slices.Contains(known, key) || openKey.MatchString(key) || of.isOpen(key) ||
			isSection(key, own.Get(key), known) {
			continue
		}
		what := i18n.Say("configuration file %s: key %s", filepath.Base(path), key)
		wrong = append(wrong, unknown(what, key, known))
	}
	if err := wrong.err(); err != nil {
		return err
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
	return key == "sidecars" || key == "models.torch_indexes" ||
		slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".") })
}

// unknown says that a name is not one of those known, with the nearest of them.
func unknown(what i18n.Sentence, name string, known []string) i18n.Sentence {
	if nearest := names.Nearest(name, known); nearest != "" {
		return i18n.Say("%s is not known; did you mean %s?", what, nearest)
	}
	return i18n.Say("%s is not known", what)
}

func decode(k *koanf.Koanf) (*Config, error) {
	var config Config
	hooks := mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(),
		mapstructure.TextUnmarshallerHookFunc(),
		mapstructure.StringToSliceHookFunc(","),
	)
	err := k.UnmarshalWithConf("", &config, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook: hooks, WeaklyTypedInput: true, Result: &config, TagName: "koanf"}})
	if err != nil {
		return nil, &InvalidError{decodeProblems(err)}
	}
	return &config, nil
}

// invalid is a configuration with one problem.
func invalid(format string, args ...any) error {
	return &InvalidError{[]i18n.Sentence{i18n.Say(format, args...)}}
}

// decodeProblems says which values are of the wrong kind.
func decodeProblems(err error) (list []i18n.Sentence) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // each error of the join is wanted
		for _, one := range joined.Unwrap() {
			list = append(list, decodeProblems(one)...)
		}
		return list
	}
	var field *mapstructure.DecodeError
	if !errors.As(err, &field) {
		return []i18n.Sentence{i18n.For(err)}
	}
	if inner := decodeProblems(field.Unwrap()); len(inner) > 1 {
		return inner // of a section
	}
	return []i18n.Sentence{kindProblem(field)}
}

// kindProblem says what the value of a setting must be, by its default.
func kindProblem(field *mapstructure.DecodeError) i18n.Sentence {
	defaults := koanf.New(".")
	_ = defaults.Load(structs.Provider(Default(), "koanf"), nil) // our own struct: cannot fail
	if sentence, ok := i18n.Of(field.Unwrap()); ok {
		return i18n.Say("%s: %s", field.Name(), sentence)
	}
	switch defaults.Get(field.Name()).(type) {
	case time.Duration:
		return i18n.Say("%s must be a duration, such as 90s or 10m", field.Name())
	case bool:
		return i18n.Say("%s must be true or false", field.Name())
	case float64:
		return i18n.Say("%s must be a number", field.Name())
	case string:
		return i18n.Say("%s must be a text", field.Name())
	case []string:
		return i18n.Say("%s must be a list of texts", field.Name())
	case map[string]string, map[string]any:
		return i18n.Say("%s must be names with their values: {A: B, C: D} in the file, A=B,C=D in the environment",
			field.Name())
	case int, int64, Size:
		return i18n.Say("%s must be a whole number, such as 4", field.Name())
	default:
		return i18n.Say("%s cannot be read: %s", field.Name(), field.Unwrap())
	}
}
