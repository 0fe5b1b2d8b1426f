package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/sandbox"
)

const (
	// stderrHead holds what ffmpeg says of the streams, stderrTail what it says when it gives up.
	stderrHead = 256 << 10
	stderrTail = 16 << 10
	niceness   = 10

	// defaultPipeDelay is how long the last words of an ended process may take to be read. They lie in a pipe of 64
	// KiB by then, so only a computer without a free moment needs it.
	defaultPipeDelay = 10 * time.Second

	// defaultSlowest is how many times longer than the processor time of one core a process may take by the clock.
	defaultSlowest = 3
)

// runFFmpeg runs ffmpeg with the arguments and returns what it wrote to stdout and stderr, both capped. It reads files
// only: no network, no other protocol, no stdin, no environment of ours. It runs niced, and dies with this process.
//
// limit bounds the processor time, since the clock also runs while other programs have the processor. The errors keep
// apart who is to blame: *InputError (too much work in the file), *UnavailableError (the computer: no free slot, no
// start, a signal, no time), *exec.ExitError (ffmpeg gave up; its words tell why), or the error of ctx.
func (p *Processor) runFFmpeg(ctx context.Context, limit timeLimit, args ...string) (stdout, stderr string, err error) {
	bin, err := p.FFmpeg()
	if err != nil {
		return "", "", err
	}
	free, err := p.slot(ctx)
	if err != nil {
		return "", "", err
	}
	defer free()
	clock, cancel := context.WithTimeout(ctx, limit.clock)
	defer cancel()
	base := []string{"-hide_banner", "-nostdin", "-nostats", "-y"}
	cmd := exec.CommandContext(clock, bin, append(base, args...)...)
	cmd.Env = []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.Dir = os.TempDir()
	out, errs := &capped{head: stderrHead}, &capped{head: stderrHead, tail: stderrTail}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = p.pipeDelay
	err = p.run(cmd, limit.cpu)
	if errors.Is(err, exec.ErrWaitDelay) { // something of its group still holds the pipe
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	p.log().DebugContext(ctx, "ffmpeg", "args", args, "error", err, "stderr", errs.String())
	if err != nil && ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	if err := p.blame(ctx, cmd, err, limit); err != nil {
		return out.String(), errs.String(), err
	}
	return out.String(), errs.String(), nil
}

// timeLimit is how much time a process may use, and the configuration key that raises it.
type timeLimit struct {
	cpu   time.Duration // all cores together; more is the file's fault
	clock time.Duration // more is the computer's
	key   string
}

func (p *Processor) probeLimit() timeLimit {
	return timeLimit{p.cfg.ProbeTimeout, p.cfg.ProbeTimeout * time.Duration(p.slowest), KeyProbeTimeout}
}

// workLimit counts every core, since encoders use them all.
func (p *Processor) workLimit() timeLimit {
	cores := time.Duration(runtime.NumCPU())
	return timeLimit{p.cfg.WorkTimeout * cores, p.cfg.WorkTimeout * time.Duration(p.slowest), KeyWorkTimeout}
}

// blame decides whose failure the end of a process is.
func (p *Processor) blame(ctx context.Context, cmd *exec.Cmd, err error, limit timeLimit) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case cmd.ProcessState == nil: // it never ran
		p.ffmpeg.forget() // an update may have moved it
	case used(cmd.ProcessState) >= limit.cpu:
		return &InputError{ErrCorrupt, i18n.Say("working through the file took more than %s of processor time: "+
			"send a shorter or smaller one, or raise %s", seconds(limit.cpu), limit.key)}
	case errors.As(err, &exit) && exit.Exited() && !interrupted(exit.ExitCode()):
		return fmt.Errorf("ffmpeg: %w", err)
	}
	p.log().WarnContext(ctx, "ffmpeg did not run to its end, for a reason of the computer", "error", err)
	return errInterrupted
}

var errInterrupted = &UnavailableError{
	i18n.Say("the studio's media program could not run to its end, since the computer is too busy " +
		"or short of memory: try again in a few seconds"),
}

// gaveUp says whether ffmpeg itself ended with a failure, which is all that may be taken for the file's fault.
func gaveUp(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}

func used(state *os.ProcessState) time.Duration { return state.UserTime() + state.SystemTime() }

// interrupted recognises the exit statuses that say nothing of a file: a program that a shell or the loader could not
// start (126, 127) or that a signal ended under a shell (129 to 159), and ffmpeg's own after SIGTERM and the like (255,
// and 123 after several).
func interrupted(status int) bool {
	return status == 126 || status == 127 || status > 128 && status < 160 || status == 255 || status == 123
}

// slot waits until one more process may run. The caller must hold no slot: waiting for a second one could never end.
func (p *Processor) slot(ctx context.Context) (free func(), err error) {
	if p.cfg.MaxWait == patient { // a job's result waits as long as the job lives
		if err := p.slots.Acquire(ctx, 1); err != nil {
			return nil, ctx.Err()
		}
		return func() { p.slots.Release(1) }, nil
	}
	waiting, cancel := context.WithTimeout(ctx, p.cfg.MaxWait)
	defer cancel()
	if err := p.slots.Acquire(waiting, 1); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &UnavailableError{
			i18n.Say("the studio works on other files and did not get to this one within %s: "+
				"send it again in a few seconds, or raise %s or %s", seconds(p.cfg.MaxWait), KeyMaxProcesses,
				KeyMaxWait),
		}
	}
	return func() { p.slots.Release(1) }, nil
}

// run starts the process, held to the files that it needs, and waits for its end.
func (p *Processor) run(cmd *exec.Cmd, cpu time.Duration) error {
	if err := sandbox.Start(cmd, p.cfg.Sandbox, sandbox.Options{Nice: niceness}); err != nil {
		return err
	}
	most := uint64((cpu + time.Second - 1) / time.Second)
	// One second more for ffmpeg to end by itself. Both calls fail only when the process has ended.
	_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: most, Max: most + 1}, nil)
	return cmd.Wait()
}

// shortOfHandles recognises ffmpeg's words for a limit of the computer that it met after its start.
func shortOfHandles(stderr string) bool {
	return strings.Contains(stderr, "Too many open files") ||
		strings.Contains(stderr, "Resource temporarily unavailable")
}

// capped keeps the first head bytes and the last tail bytes of what is written to it.
type capped struct {
	head, tail int
	first      []byte
	last       []byte
}

func (c *capped) Write(b []byte) (int, error) {
	n := len(b)
	if left := c.head - len(c.first); left > 0 {
		take := min(left, len(b))
		c.first, b = append(c.first, b[:take]...), b[take:]
	}
	c.last = append(c.last, b...)
	if over := len(c.last) - c.tail; over > 0 {
		c.last = append(c.last[:0], c.last[over:]...)
	}
	return n, nil
}

func (c *capped) String() string { return string(c.first) + string(c.last) }
