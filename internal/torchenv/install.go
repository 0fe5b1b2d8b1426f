package torchenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

// FindUV is uv of the checkout's tools, else the one of PATH.
func FindUV(root string) (string, error) {
	own := filepath.Join(root, ".tools", "uv", "bin", "uv")
	if unix.Access(own, unix.X_OK) == nil {
		return own, nil
	}
	if found, err := exec.LookPath("uv"); err == nil {
		return found, nil
	}
	return "", &Error{
		i18n.Say(
			"uv, which installs the models' environment, was not found: run make setup, or install it " +
				"(https://docs.astral.sh/uv)",
		),
	}
}

// installer fills one new environment.
type installer struct {
	uv   string
	root string // root is the checkout, which requirement files are relative to.
	venv string
	log  io.Writer
}

// install makes the environment of the profile. What the card's own index must give comes last, so that everything it
// needs besides is there already, pinned by hash.
func (i installer) install(ctx context.Context, p Profile, step func(string)) error {
	if err := i.freeSpace(p); err != nil {
		return err
	}
	if err := reachable(ctx, p.Index); err != nil {
		return err
	}
	step("venv")
	if err := i.run(ctx, "venv", "--quiet", "--relocatable", "--no-python-downloads", "--python", p.Python,
		i.venv); err != nil {
		return err
	}
	step("packages")
	args := []string{"pip", "install", "--python", i.python(), "--compile-bytecode", "--no-deps", "--require-hashes"}
	for _, file := range p.Requirements {
		args = append(args, "--requirements", filepath.Join(i.root, file))
	}
	if err := i.run(ctx, args...); err != nil {
		return err
	}
	if len(p.Packages) == 0 {
		return nil
	}
	step("torch")
	args = []string{"pip", "install", "--python", i.python(), "--compile-bytecode", "--default-index", p.Index}
	return i.run(ctx, append(args, p.Packages...)...)
}

func (i installer) python() string { return filepath.Join(i.venv, "bin", "python") }

// freeSpace refuses before hours of download what the disk cannot hold.
func (i installer) freeSpace(p Profile) error {
	free, err := disk.Free(filepath.Dir(i.venv))
	if err != nil {
		return fmt.Errorf("torchenv: look at the disk: %w", err)
	}
	if free >= p.Disk {
		return nil
	}
	const gb = 1e9
	return &Error{
		i18n.Say(
			"%.0f GB of disk are needed and %.0f GB are free: free some space or move it with python.models_venv",
			float64(p.Disk)/gb,
			float64(free)/gb,
		),
	}
}

// reachable asks an index for torch before anything is downloaded.
func reachable(ctx context.Context, index string) error {
	if !strings.HasPrefix(index, "http://") && !strings.HasPrefix(index, "https://") {
		return nil // none, or a folder
	}
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	refused := &Error{
		i18n.Say("its package index cannot be reached: check the network, or name another with models.torch_indexes"),
	}
	request, err := http.NewRequestWithContext(
		ctx,
		http.MethodGet,
		strings.TrimSuffix(index, "/")+"/torch/",
		http.NoBody,
	)
	if err != nil {
		return refused
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return refused
	}
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return refused
	}
	return nil
}

// run calls uv with an argument vector. Its output goes to the log; what it says at the end is the reason of a failure.
func (i installer) run(ctx context.Context, args ...string) error {
	cmd := command(ctx, i.uv, args...)
	said := &tail{limit: 8 << 10}
	cmd.Stdout, cmd.Stderr = io.Discard, io.MultiWriter(i.log, said)
	cmd.Env = append(os.Environ(), "UV_NO_PROGRESS=1", "NO_COLOR=1")
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		reason := uvReason(said.String(), i.root)
		return &Error{i18n.Say("installing failed: %s", reason)}
	}
	return nil
}

// uvReason is uv's own explanation in one line, without the drawing around it and without folders of this machine.
func uvReason(text, root string) string {
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.Trim(line, " \t\r\n×│├╰─▶·")
		if strings.HasPrefix(line, "error:") || strings.HasPrefix(line, "No solution found") {
			kept = nil
		}
		if line != "" && !strings.HasPrefix(line, "hint:") {
			kept = append(kept, line)
		}
	}
	reason := strings.Join(kept, " ")
	for _, folder := range []string{root, os.Getenv("HOME"), os.TempDir()} {
		if len(folder) > 1 {
			reason = strings.ReplaceAll(reason, folder+"/", "")
		}
	}
	const longest = 600
	if reason == "" {
		reason = "no message"
	}
	return reason[:min(longest, len(reason))]
}
