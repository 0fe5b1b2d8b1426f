package torchenv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/sandbox"
)

// maxLine bounds one line of the self-test.
const maxLine = 64 << 10

// SelfTest is a run of apibr_worker.runtime.selftest.
type SelfTest struct {
	Venv      string
	Workers   string    // Workers is the folder of apibr_worker.
	Manifests []string  // Manifests are further folders of engines.
	Device    string    // Device is rocm, cuda or cpu.
	Variables Variables // Variables of the profile.

	// Timeout is default 15 minutes: the first convolution on ROCm may tune for six.
	Timeout time.Duration
}

// Run starts the self-test in a process of its own, since a broken driver ends the process that asks it. A check that
// has no line when the process has ended has failed: the first of them is the one that it ended in. It fails when the
// test did not even begin.
func (s SelfTest) Run(ctx context.Context, report func(CheckResult)) ([]CheckResult, error) {
	if s.Timeout == 0 {
		s.Timeout = 15 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	target := "cuda:0" // torch calls ROCm's devices so too
	if s.Device == CPU {
		target = "cpu"
	}
	args := []string{"-m", "apibr_worker.runtime.selftest", "--json", "--device", target}
	for _, folder := range s.Manifests {
		args = append(args, "--manifests", folder)
	}
	cmd := command(ctx, filepath.Join(s.Venv, "bin", "python"), args...)
	cmd.Env = append(
		s.Variables.Apply(sandbox.Inherited(os.Environ())),
		"PYTHONPATH="+s.Workers,
		"PYTHONNOUSERSITE=1",
		"LANG=C.UTF-8",
	)
	stderr := &tail{limit: 8 << 10}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, &Error{i18n.Say("the environment's Python does not start")}
	}
	names, results := readLines(bufio.NewScanner(stdout), report)
	ended := cmd.Wait()
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, context.Cause(ctx)
	}
	if len(names) == 0 {
		reason := lastLine(stderr.String())
		return nil, &Error{i18n.Say("the self-test did not begin: %s", reason)}
	}
	return complete(names, results, endedHow(ctx, ended)), nil
}

// readLines reads the plan and the results; a line that is neither is somebody else's and is skipped.
func readLines(scanner *bufio.Scanner, report func(CheckResult)) (names []string, results map[string]CheckResult) {
	scanner.Buffer(nil, maxLine)
	results = map[string]CheckResult{}
	for scanner.Scan() {
		var line struct {
			Checks []string `json:"checks"`
			CheckResult
		}
		switch err := json.Unmarshal(scanner.Bytes(), &line); {
		case err != nil:
		case len(line.Checks) > 0:
			names = line.Checks
		case line.Check != "":
			results[line.Check] = line.CheckResult
			if report != nil {
				report(line.CheckResult)
			}
		}
	}
	return names, results
}

// complete gives every planned check a result.
func complete(names []string, results map[string]CheckResult, ended string) []CheckResult {
	var all []CheckResult
	crashed := false
	for _, name := range names {
		result, ok := results[name]
		switch {
		case ok:
		case crashed:
			result = CheckResult{Check: name, Detail: "not run"}
		default:
			crashed = true
			result = CheckResult{Check: name, Detail: "the process ended in this check: " + ended}
		}
		all = append(all, result)
	}
	return all
}

func endedHow(ctx context.Context, ended error) string {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "it took too long"
	case errors.As(ended, &exit):
		return exit.Error() // "signal: segmentation fault" or "exit status 1"
	case ended != nil:
		return ended.Error()
	default:
		return "without a word"
	}
}

// command is a process in a group of its own, all of which ends with ctx.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	const patience = 5 * time.Second // for a grandchild that keeps a pipe open
	cmd.WaitDelay = patience
	return cmd
}

// tail keeps the last bytes that were written.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - t.limit; extra > 0 {
		t.kept = bytes.Clone(t.kept[extra:])
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }

// lastLine is the last line with something on it: what most programs say why they end with.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	const longest = 300
	line := strings.TrimSpace(lines[len(lines)-1])
	if line == "" {
		return "no message"
	}
	return line[:min(longest, len(line))]
}
