package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"time"
)

const (
	// stderrHead holds what ffmpeg says of the streams, stderrTail what it says when it gives up.
	stderrHead = 256 << 10
	stderrTail = 16 << 10
	niceness   = 10
)

type ffmpegBinary struct {
	configured string
	venvs      []string

	mu   sync.Mutex
	path string
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
		found, err := filepath.Glob(filepath.Join(venv, "lib", "python*", "site-packages", "imageio_ffmpeg", "binaries", "ffmpeg-*"))
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

// runFFmpeg runs ffmpeg with the arguments and returns what it wrote to stdout and stderr, both capped. It reads files
// only: no network, no other protocol, no stdin, no environment of ours. It runs niced, and dies with this process.
func (p *Processor) runFFmpeg(ctx context.Context, limit time.Duration, args ...string) (stdout, stderr string, err error) {
	bin, err := p.FFmpeg()
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	base := []string{"-hide_banner", "-nostdin", "-nostats", "-y"}
	cmd := exec.CommandContext(ctx, bin, append(base, args...)...)
	cmd.Env = []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.Dir = os.TempDir()
	out, errs := &capped{head: stderrHead}, &capped{head: stderrHead, tail: stderrTail}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	err = runLocked(cmd)
	p.log().DebugContext(ctx, "ffmpeg", "args", args, "error", err, "stderr", errs.String())
	switch {
	case err == nil:
		return out.String(), errs.String(), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", "", &InputError{ErrCorrupt, fmt.Sprintf("working through the file took longer than %s: send a shorter or smaller one", seconds(limit))}
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	}
	return out.String(), errs.String(), fmt.Errorf("ffmpeg: %w", err)
}

// runLocked keeps the thread that starts the process until its end: Pdeathsig follows the thread, not the process.
func runLocked(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, niceness)
	return cmd.Wait()
}

func (p *Processor) log() *slog.Logger {
	if p.cfg.Log != nil {
		return p.cfg.Log
	}
	return slog.Default()
}

// diskFull recognises ffmpeg's words for a full disk, which its exit status does not tell.
func diskFull(stderr string) bool {
	return bytes.Contains([]byte(stderr), []byte("No space left on device")) ||
		bytes.Contains([]byte(stderr), []byte("Disk quota exceeded"))
}

// capped keeps the first head bytes and the last tail bytes of what is written to it.
type capped struct {
	head, tail int
	first      []byte
	last       []byte
}

func (c *capped) Write(b []byte) (int, error) {
	n := len(b)
	if room := c.head - len(c.first); room > 0 {
		take := min(room, len(b))
		c.first, b = append(c.first, b[:take]...), b[take:]
	}
	c.last = append(c.last, b...)
	if over := len(c.last) - c.tail; over > 0 {
		c.last = append(c.last[:0], c.last[over:]...)
	}
	return n, nil
}

func (c *capped) String() string { return string(c.first) + string(c.last) }
