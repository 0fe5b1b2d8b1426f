package media

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"sync"
)

type ffmpegBinary struct {
	configured string
	venvs      []string

	mu   sync.Mutex
	path string
}

// forget makes the next call look for the program again.
func (b *ffmpegBinary) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.path = ""
}

// FFmpeg is the program in use, or ErrNoFFmpeg. A failure is not remembered: `make setup` may run meanwhile.
func (p *Processor) FFmpeg() (string, error) { return p.ffmpeg.find() }

func (b *ffmpegBinary) find() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.path != "" {
		return b.path, nil
	}
	path, err := FindFFmpeg(b.configured, b.venvs...)
	if err != nil {
		return "", err
	}
	b.path = path
	return path, nil
}

// FindFFmpeg returns the configured program, else imageio-ffmpeg's binary in one of the virtual environments, else the
// one on PATH. The environments go before PATH, since their version is pinned and known to have every encoder.
func FindFFmpeg(configured string, venvs ...string) (string, error) {
	if configured != "" {
		path, err := exec.LookPath(configured)
		if err != nil {
			return "", fmt.Errorf("media.ffmpeg names no program: %w", ErrNoFFmpeg)
		}
		return filepath.Abs(path)
	}
	for _, venv := range venvs {
		found, err := filepath.Glob(
			filepath.Join(venv, "lib", "python*", "site-packages", "imageio_ffmpeg", "binaries", "ffmpeg-*"),
		)
		if err != nil {
			continue
		}
		sort.Strings(found)
		for i := len(found) - 1; i >= 0; i-- {
			if info, err := os.Stat(found[i]); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return filepath.Abs(found[i])
			}
		}
	}
	if path, err := exec.LookPath("ffmpeg"); err == nil {
		return filepath.Abs(path)
	}
	return "", ErrNoFFmpeg
}

func (p *Processor) log() *slog.Logger {
	if p.cfg.Log != nil {
		return p.cfg.Log
	}
	return slog.Default()
}
