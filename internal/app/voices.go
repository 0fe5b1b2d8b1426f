package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/voices"
)

// voiceDefaults are the voices that speak where a request names none.
func (a *App) voiceDefaults() voices.Defaults {
	tag := func(text string) string { return strings.ReplaceAll(text, "_", "-") }
	set := voices.Defaults{Language: tag(a.config.Voices.DefaultLanguage), Voices: map[string]string{}}
	for language, voice := range a.config.Voices.Default {
		set.Voices[tag(language)] = voice
	}
	return set
}

// ensureBuiltinVoices writes the voices that ship with speech engines into the database.
func (a *App) ensureBuiltinVoices(ctx context.Context) error {
	var all []voices.Builtin
	for _, m := range a.catalogue.All() {
		if m.BuiltinVoices == "" {
			continue
		}
		list, err := readBuiltinVoices(m)
		if err != nil {
			return fmt.Errorf("read the built-in voices of %s: %w", m.ID, err)
		}
		all = append(all, list...)
	}
	if err := a.voices.EnsureBuiltins(ctx, all); err != nil {
		return err
	}
	return a.warnOfDefaults(ctx)
}

// warnOfDefaults tells of voices that the configuration names and the local user does not have. They may be those of
// other users, or be cloned later, so that they do not stop the start.
func (a *App) warnOfDefaults(ctx context.Context) error {
	unknown, err := a.voices.UnknownDefaults(ctx, a.local.Owner)
	if err != nil || len(unknown) == 0 {
		return err
	}
	list, err := a.voices.List(ctx, a.local.Owner, voices.Filter{})
	if err != nil {
		return err
	}
	known := make([]string, 0, len(list))
	for _, voice := range list {
		known = append(known, voice.Name)
	}
	for language, name := range unknown {
		a.log.Warn("there is no such voice as voices.default names: the built-in one of the language speaks",
			"language",
			language, "voice", name, "nearest", names.Closest(name, known))
	}
	return nil
}

// builtinVoice is an entry of the file.
type builtinVoice struct {
	ID           string         `yaml:"id"`
	Name         string         `yaml:"name"`
	Sex          string         `yaml:"sex"`
	Language     string         `yaml:"language"`
	Default      bool           `yaml:"default"`
	Formerly     []string       `yaml:"formerly"`
	Preview      string         `yaml:"preview"`
	Conditionals map[string]any `yaml:"conditionals"`
}

// readBuiltinVoices reads the voices that belong to an engine: their conditionals are its own.
func readBuiltinVoices(m *engine.Manifest) ([]voices.Builtin, error) {
	content, err := os.ReadFile(m.Beside(m.BuiltinVoices))
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: is python.workers right? %w", err)
	}
	var entries []builtinVoice
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&entries); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	list := make([]voices.Builtin, 0, len(entries))
	for _, entry := range entries {
		voice, err := entry.voice(string(m.ID))
		if err != nil {
			return nil, fmt.Errorf("voice %s: %w", entry.Name, err)
		}
		list = append(list, voice)
	}
	return list, nil
}

func (b *builtinVoice) voice(owner string) (v voices.Builtin, err error) {
	id, err := uuid.Parse(b.ID)
	switch {
	case err != nil:
		return v, fmt.Errorf("id: %w", err)
	case b.Sex != "" && b.Sex != "female" && b.Sex != "male":
		return v, fmt.Errorf("sex is %q: write female or male", b.Sex)
	case b.Preview != "" && (!filepath.IsLocal(b.Preview) || filepath.Ext(b.Preview) != ".ogg"):
		return v, errors.New("preview must be an OGG file beside the manifest")
	}
	measures, err := json.Marshal(b.Conditionals)
	if err != nil {
		return v, err
	}
	return voices.Builtin{ID: id, Name: b.Name, Language: b.Language, Engine: owner, Sex: b.Sex, Default: b.Default,
		Formerly: b.Formerly, Preview: b.Preview,
		Conditionals: map[string]json.RawMessage{owner: measures}}, nil
}
