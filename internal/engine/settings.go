package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// Setting is a value of the configuration that an engine takes.
type Setting struct {
	Description i18n.Text `yaml:"description"`

	// Type is string, number, integer or boolean. Default string.
	Type string `yaml:"type"`

	// Default is the value where none is configured. Default: "", 0 or false.
	Default any `yaml:"default"`

	// Enum lists the values that are taken. Default: all of the type.
	Enum []string `yaml:"enum"`

	// Minimum and Maximum bound a number, both included. Default: no bound.
	Minimum *float64 `yaml:"minimum"`
	Maximum *float64 `yaml:"maximum"`

	// Secret says that the value is hidden wherever the configuration is shown, and may come from a file that the
	// environment variable with _FILE at its end names. Default false.
	Secret bool `yaml:"secret"`

	// Required says that the engine can be used only where the setting has a value. Default false.
	Required bool `yaml:"required"`

	// Env is the environment variable in which the engine's process gets the value. Default: it does not get it.
	Env string `yaml:"env"`

	// Aliases are further environment variables that the server reads the value from, such as one that the maker's own
	// tools read. APIBR_ENGINES_<ENGINE>_<NAME> is always read, and wins. Default: none.
	Aliases []string `yaml:"aliases"`

	// Parameter of a run that has the value where the request does not say it. Default: none.
	Parameter string `yaml:"parameter"`

	// EveryEngine says that the parameter has the value whichever engine runs the job. Default: this engine only.
	EveryEngine bool `yaml:"every_engine"`
}

// Declaration is what the manifest of one engine says about its settings.
type Declaration struct {
	Planned  bool
	Settings map[string]Setting
}

// Declared reads the settings of all engines, without their models, tasks and schemas. It looks where Load looks, and
// fails as Load does for manifests that cannot be read.
func Declared(dir string, extra ...string) (map[ID]Declaration, error) {
	declared := map[ID]Declaration{}
	for _, d := range append([]string{dir}, extra...) {
		files, err := manifestFiles(d)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			m, err := readManifest(file)
			if err != nil {
				return nil, manifestError(file, err)
			}
			declared[m.ID] = Declaration{Planned: m.Planned, Settings: m.Settings}
		}
	}
	return declared, nil
}

// IsMissing says that Load or Declared found no folder with manifests.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

const (
	typeString  = "string"
	typeNumber  = "number"
	typeInteger = "integer"
	typeBoolean = "boolean"
)

func (s *Setting) kind() string {
	if s.Type == "" {
		return typeString
	}
	return s.Type
}

// Preset is the value where none is configured.
func (s *Setting) Preset() any {
	if s.Default != nil {
		if value, wrong := s.Value("", s.Default); wrong.Empty() {
			return value
		}
	}
	switch s.kind() {
	case typeNumber:
		return 0.0
	case typeInteger:
		return int64(0)
	case typeBoolean:
		return false
	default:
		return ""
	}
}

// Value is what was configured, as the setting's type: a string, a float64, an int64 or a bool. Text is read as the
// type, since environment variables have no other. wrong is empty, or says what the value of key must be.
func (s *Setting) Value(key string, configured any) (value any, wrong i18n.Sentence) {
	text := strings.TrimSpace(fmt.Sprint(configured))
	switch s.kind() {
	case typeBoolean:
		value, err := strconv.ParseBool(text)
		if err != nil {
			return nil, i18n.Say("%s is %q; it must be one of: %s", key, text, i18n.Commas("true", "false"))
		}
		return value, i18n.Sentence{}
	case typeNumber, typeInteger:
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
			return nil, i18n.Say("%s is %q; it must be a number", key, text)
		}
		return s.number(key, value)
	default:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			return nil, i18n.Say("%s is %q; it must be one of: %s", key, text, i18n.Commas(s.Enum...))
		}
		return text, i18n.Sentence{}
	}
}

func (s *Setting) number(key string, value float64) (any, i18n.Sentence) {
	switch {
	case s.Minimum != nil && value < *s.Minimum:
		return nil, i18n.Say("%s is %g; it must be %g or more", key, value, *s.Minimum)
	case s.Maximum != nil && value > *s.Maximum:
		return nil, i18n.Say("%s is %g; it must be %g or less", key, value, *s.Maximum)
	case s.kind() == typeInteger && value != math.Trunc(value):
		return nil, i18n.Say("%s is %s; it must be a whole number", key, fmt.Sprint(value))
	case s.kind() == typeInteger:
		return int64(value), i18n.Sentence{}
	default:
		return value, i18n.Sentence{}
	}
}

var (
	settingName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// check finds contradictions of a setting.
func (s *Setting) check(name string) error {
	switch {
	case !settingName.MatchString(name):
		return fmt.Errorf("setting %q: use lower-case letters, digits and underscores", name)
	case !slices.Contains([]string{typeString, typeNumber, typeInteger, typeBoolean}, s.kind()):
		return fmt.Errorf("type of setting %s is %q: write string, number, integer or boolean", name, s.Type)
	case len(s.Enum) > 0 && s.kind() != typeString:
		return fmt.Errorf("setting %s has an enum: only a string can have one", name)
	case s.Required && s.Default != nil:
		return fmt.Errorf("setting %s is required and has a default: remove one of the two", name)
	case s.EveryEngine && s.Parameter == "":
		return fmt.Errorf("setting %s has every_engine and no parameter: name the parameter", name)
	}
	for _, variable := range append(slices.Clone(s.Aliases), s.Env) {
		if variable != "" && !variableName.MatchString(variable) {
			return fmt.Errorf(
				"setting %s: %q cannot be an environment variable: use capitals, digits and _",
				name,
				variable,
			)
		}
	}
	if s.Default != nil {
		if _, wrong := s.Value("default of setting "+name, s.Default); !wrong.Empty() {
			return errors.New(wrong.String())
		}
	}
	return nil
}

// setting is the configured value of an engine's setting, else its preset.
func (c *Catalogue) setting(m *Manifest, name string) any {
	if value, ok := c.Settings[m.ID][name]; ok {
		return value
	}
	declared := m.Settings[name]
	return declared.Preset()
}

// Configured says whether every required setting of the engine has a value.
func (c *Catalogue) Configured(m *Manifest) bool {
	for name, declared := range m.Settings {
		if declared.Required && c.setting(m, name) == "" {
			return false
		}
	}
	return true
}

// Environment are the variables with which the engine's process gets its settings, as NAME=value, sorted. It is empty
// where a required setting has no value: the engine is not used then.
func (c *Catalogue) Environment(m *Manifest) (variables []string) {
	if !c.Configured(m) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		if variable, value := m.Settings[name].Env, c.setting(m, name); variable != "" && value != "" {
			variables = append(variables, fmt.Sprintf("%s=%v", variable, value))
		}
	}
	slices.Sort(variables)
	return variables
}

// ParameterDefaults are the parameters of the engine's runs that have a configured value where the request does not say
// one. They come before the defaults of the parameters' own schema, and are moved into the bounds of that schema.
func (c *Catalogue) ParameterDefaults(m *Manifest, task string) map[string]any {
	defaults := map[string]any{}
	schema, _ := m.Tasks[task].Parameters["properties"].(map[string]any)
	for _, other := range c.all {
		for name, declared := range other.Settings {
			property, ok := schema[declared.Parameter].(map[string]any)
			if ok && (declared.EveryEngine || other == m) {
				defaults[declared.Parameter] = within(property, c.setting(other, name))
			}
		}
	}
	return defaults
}

// within moves a number into the bounds of a parameter's schema.
func within(property map[string]any, value any) any {
	amount, ok := value.(float64)
	if !ok {
		return value
	}
	if least, ok := asNumber(property["minimum"]); ok {
		amount = max(amount, least)
	}
	if most, ok := asNumber(property["maximum"]); ok {
		amount = min(amount, most)
	}
	return amount
}

func asNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	default:
		return 0, false
	}
}
