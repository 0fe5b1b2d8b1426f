package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/voices"
)

// builtinMeasures names the engine whose measures a built-in voice stands for.
const builtinMeasures = "draft-voice"

// ensureBuiltinVoices writes the voices that ship with the speech engine into the database.
func (a *App) ensureBuiltinVoices(ctx context.Context) error {
	list, err := readBuiltinVoices(filepath.Join(a.config.Python.Workers, "apibr_worker", "engines", "draft_speech", "voices.yaml"))
	if err != nil {
		return err
	}
	return a.voices.EnsureBuiltins(ctx, list)
}

func readBuiltinVoices(path string) ([]voices.Builtin, error) {
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
		list = append(list, voices.Builtin{ID: id, Name: entry.Name, Language: entry.Language, Conditionals: map[string]json.RawMessage{builtinMeasures: measures}})
	}
	return list, nil
}
