package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/voices"
)

// ensureBuiltinVoices writes the voices that ship with speech engines into the database.
func (a *App) ensureBuiltinVoices(ctx context.Context) error {
	var all []voices.Builtin
	for _, m := range a.catalogue.All() {
		if m.BuiltinVoices == "" {
			continue
		}
		list, err := readBuiltinVoices(m.Beside(m.BuiltinVoices), string(m.ID))
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	return a.voices.EnsureBuiltins(ctx, all)
}

// readBuiltinVoices reads the voices that belong to the engine owner: their conditionals are its own.
func readBuiltinVoices(path, owner string) ([]voices.Builtin, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the built-in voices cannot be read: is python.workers right? %w", err)
	}
	var entries []struct {
		ID           string         `yaml:"id"`
		Name         string         `yaml:"name"`
		Language     string         `yaml:"language"`
		Conditionals map[string]any `yaml:"conditionals"`
	}
	if err := yaml.Unmarshal(content, &entries); err != nil {
		return nil, fmt.Errorf("read the built-in voices: %w", err)
	}
	var list []voices.Builtin
	for _, entry := range entries {
		id, err := uuid.Parse(entry.ID)
		if err != nil {
			return nil, fmt.Errorf("read the built-in voices: id of %s: %w", entry.Name, err)
		}
		measures, err := json.Marshal(entry.Conditionals)
		if err != nil {
			return nil, fmt.Errorf("read the built-in voices: %s: %w", entry.Name, err)
		}
		list = append(list, voices.Builtin{ID: id, Name: entry.Name, Language: entry.Language,
			Conditionals: map[string]json.RawMessage{owner: measures}})
	}
	return list, nil
}
