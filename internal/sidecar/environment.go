package sidecar

import (
	"os"
	"path/filepath"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sandbox"
)

// tokenKey marks a sidecar and everything that it starts, so that all of it can be found again.
const tokenKey = "APIBR_SIDECAR"

// environment is what a sidecar of the engine starts with.
func environment(cfg *Config, m *engine.Manifest, token string) []string {
	env := append(sandbox.Inherited(os.Environ()),
		"LANG=C.UTF-8", "PYTHONUNBUFFERED=1", "PYTHONNOUSERSITE=1", "HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1",
		"HF_HUB_DISABLE_TELEMETRY=1", "APIBR_ENGINE="+string(m.ID), tokenKey+"="+token)
	if cfg.Workers != "" {
		workers, err := filepath.Abs(cfg.Workers)
		if err != nil {
			workers = cfg.Workers
		}
		env = append(env, "PYTHONPATH="+workers)
	}
	if cfg.FFmpeg != "" {
		env = append(env, "APIBR_FFMPEG="+cfg.FFmpeg)
	}
	env = append(env, cfg.EngineEnv[m.ID]...)
	if cfg.Adjust != nil {
		env = cfg.Adjust(m, env)
	}
	return append(env, cfg.Env...)
}

// command is the engine's program and the directory to start it in. A configured command starts where the server did,
// so that relative paths in it mean what the user meant.
func (p *Pool) command(m *engine.Manifest) (argv []string, dir string) {
	if argv = p.cfg.Commands[m.ID]; len(argv) > 0 {
		return argv, ""
	}
	if !p.cfg.Installed(m) {
		return nil, ""
	}
	python, err := filepath.Abs(p.cfg.python(m))
	if err != nil {
		return nil, ""
	}
	return []string{python, "-m", "apibr_worker", "--engine", string(m.ID)}, p.cfg.WorkDir
}
