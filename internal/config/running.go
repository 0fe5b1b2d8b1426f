package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/device"
)

// A studio that runs leaves the settings by which its models are found in its data directory: commands on the same
// computer then work on the same models, however the studio was configured.

const runningFile = "running.json"

type running struct {
	PID int `json:"pid"`
	// Started is in clock ticks since boot: with the pid, the process's identity.
	Started  int64          `json:"started"`
	Settings map[string]any `json:"settings"`
}

// WriteRunning leaves what Running reads, for as long as this process lives.
func (c *Config) WriteRunning() error {
	self, err := device.ProcessStat(os.Getpid())
	if err != nil {
		return fmt.Errorf("config: note the running studio's settings: %w", err)
	}
	content, err := json.Marshal(running{PID: self.PID, Started: self.Started, Settings: map[string]any{
		"models.cache_dir": c.Models.CacheDir, "models.extra": c.Models.Extra, "gpu.device": c.GPU.Device,
		"models.bundled": c.Models.Bundled,
		"python.workers": c.Python.Workers, "python.draft_venv": c.Python.DraftVenv,
		"python.models_venv": c.Python.ModelsVenv,
		"python.manifests":   c.Python.Manifests,
	}})
	if err == nil {
		err = datadir.WriteSecret(filepath.Join(c.DataDir, runningFile), content)
	}
	if err != nil {
		return fmt.Errorf("config: note the running studio's settings: %w", err)
	}
	return nil
}

// Running are the settings of the studio that runs on a data directory, by key, for Options.Flags; nil when none runs.
func Running(dataDir string) map[string]any {
	content, err := datadir.ReadSecret(filepath.Join(dataDir, runningFile))
	if err != nil {
		return nil
	}
	var left running
	if json.Unmarshal(content, &left) != nil {
		return nil
	}
	if process, same := device.SameProcess(left.PID, left.Started); !same || process.State == 'Z' {
		return nil
	}
	return left.Settings
}
