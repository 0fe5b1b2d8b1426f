package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
)

// What engines take from the configuration is declared in their manifests: engines.<engine>.<setting>. So the manifests
// are found first, by python.workers and python.manifests, and then everything is read.

// settingsOf names settings beyond those of Config: which are secret, and which have other names in the environment.
type settingsOf struct {
	// engines by id; nil where no folder with manifests was found, and nothing can be said about engines.*.
	engines map[engine.ID]engine.Declaration
	aliases map[string]string
	secrets []string
}

const enginesSection = "engines"

func engineKey(id engine.ID, setting string) string {
	return enginesSection + "." + string(id) + "." + setting
}

// declared reads the settings of the engines that options lead to.
func declared(options Options) (settingsOf, error) {
	of := settingsOf{aliases: maps.Clone(aliases), secrets: slices.Clone(secrets)}
	workers, manifests, err := findManifests(options)
	if err != nil {
		return of, err
	}
	of.engines, err = engine.Declared(workers, manifests...)
	if engine.IsMissing(err) {
		return of, nil // whoever needs the engines fails with that
	}
	if err != nil {
		return of, err
	}
	for id, declaration := range of.engines {
		for name, setting := range declaration.Settings {
			key := engineKey(id, name)
			if setting.Secret {
				of.secrets = append(of.secrets, key)
			}
			for _, alias := range setting.Aliases {
				of.aliases[alias] = key
			}
		}
	}
	slices.Sort(of.secrets)
	return of, nil
}

// findManifests reads python.workers and python.manifests alone. What is wrong elsewhere is told later.
func findManifests(options Options) (workers string, manifests []string, err error) {
	const keyWorkers, keyManifests = "python.workers", "python.manifests"
	environment, _, err := fromEnvironment(options.Environment, Keys(), settingsOf{aliases: aliases, secrets: secrets})
	if err != nil {
		return "", nil, err
	}
	path, err := findFile(options, environment)
	if err != nil {
		return "", nil, err
	}
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return "", nil, nil // loadFile says what is wrong with it
		}
	}
	for _, layer := range []map[string]any{environment, options.Flags} {
		if err := k.Load(confmap.Provider(layer, "."), nil); err != nil {
			return "", nil, fmt.Errorf("config: %w", err)
		}
	}
	if workers = k.String(keyWorkers); workers == "" {
		workers = findWorkers()
	}
	return workers, k.Strings(keyManifests), nil
}

// presets are the values of the engines' settings where none are configured, by key.
func (of settingsOf) presets() map[string]any {
	values := map[string]any{}
	for id, declaration := range of.engines {
		for name, setting := range declaration.Settings {
			values[engineKey(id, name)] = setting.Preset()
		}
	}
	return values
}

// isOpen says whether the key is one of an engine's, and no manifest was found that could tell whether there is one.
func (of settingsOf) isOpen(key string) bool {
	return of.engines == nil && strings.HasPrefix(key, enginesSection+".")
}

// EngineSettings are the configured values of the engines' settings, as the types that the manifests declare.
func (c *Config) EngineSettings() map[engine.ID]map[string]any {
	all := map[engine.ID]map[string]any{}
	for id, section := range c.Engines {
		if values, ok := section.(map[string]any); ok {
			all[engine.ID(id)] = values
		}
	}
	return all
}

// checkEngines turns the values of engines.* into the types that the manifests declare.
func (c *Config) checkEngines(p *problems) {
	settings := c.EngineSettings()
	for _, id := range slices.Sorted(maps.Keys(settings)) {
		values := settings[id]
		for _, name := range slices.Sorted(maps.Keys(values)) {
			setting, ok := c.of.engines[id].Settings[name]
			if !ok {
				continue
			}
			value, wrong := setting.Value(engineKey(id, name), values[name])
			if wrong.Empty() {
				values[name] = value
			} else {
				*p = append(*p, wrong)
			}
		}
	}
}

// unused warns of settings that change nothing yet, since their engine is one of a later version.
func (c *Config) unused() (warnings []i18n.Sentence) {
	values := c.EngineSettings()
	for _, id := range slices.Sorted(maps.Keys(c.of.engines)) {
		declaration := c.of.engines[id]
		if !declaration.Planned {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(values[id])) {
			setting := declaration.Settings[name]
			value, wrong := setting.Value("", values[id][name])
			if wrong.Empty() && value != setting.Preset() {
				warnings = append(warnings,
					i18n.Say("%s is set, and this version has no engine that uses it yet", engineKey(id, name)))
			}
		}
	}
	return warnings
}
