package sidecar

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sandbox"
)

// process is one sidecar as others see it. What it does at the moment is known to life.loop alone.
type process struct {
	cfg     *Config
	engine  *engine.Manifest
	cmd     *exec.Cmd
	pid     int
	token   string
	started time.Time
	runtime string                  // runtime is the path of the runtime file
	lives   func(token string) bool // lives says that the token is of a process that has not ended
	temp    string                  // temp is its folder for temporary files, gone with it

	stdin, stdout, stderr *os.File
	tail                  *tail

	in          chan frame    // from the reader; closed at the end of stdout
	out         chan []byte   // to the writer
	writeFailed chan error    // from the writer
	exited      chan struct{} // from the waiter: ended, not reaped
	logEnded    chan struct{} // stderr has been read to its end
	asks        chan func(*life)

	hello chan struct{} // closed after a right hello
	gone  chan struct{} // closed when the process and its group are no more; end is then set
	stuck chan struct{} // closed when SIGKILL did not end it in time
	end   error

	ram, vram atomic.Int64 // as the last heartbeat or load said
	beatAt    atomic.Int64 // Unix nanoseconds
	logs      atomic.Pointer[context.Context]
	logRate   rate // logRate is for life.loop alone
}

// call is the one load or run in flight.
type call struct {
	method string
	params any
	job    string
	model  string
	events *inbox         // events is nil for a load
	phases []engine.Phase // phases that the manifest has for the run's task
	reply  chan outcome
	id     int64
}

func (c *call) declares(phase string) bool {
	return slices.ContainsFunc(c.phases, func(p engine.Phase) bool { return p.Name == phase })
}

// outcome is how a call ended.
type outcome struct {
	result            []byte
	err               error
	phases            []PhaseTime
	peakRAM, peakVRAM int64
	ended             bool // ended says that the process is ending or stuck
}

// startProcess spawns the engine's program and the goroutines around it.
func (p *Pool) startProcess(m *engine.Manifest) (*process, error) {
	argv, dir := p.command(m)
	if len(argv) == 0 {
		return nil, fmt.Errorf("start engine %s: %w", m.ID, ErrNoEngine)
	}
	pr := &process{
		cfg: &p.cfg, engine: m, token: rand.Text(), lives: p.lives, started: time.Now(),
		tail:    &tail{limit: p.cfg.StderrTail, rate: rate{most: p.cfg.Limits.LogLines}},
		logRate: rate{most: p.cfg.Limits.LogLines},
		in:      make(chan frame, 64), out: make(chan []byte, 16), writeFailed: make(chan error, 1),
		exited: make(chan struct{}), logEnded: make(chan struct{}), asks: make(chan func(*life)),
		hello: make(chan struct{}), gone: make(chan struct{}), stuck: make(chan struct{}),
	}
	background := context.Background()
	pr.logs.Store(&background)
	policy, err := p.policy(m, pr)
	if err == nil {
		err = pr.spawn(policy, argv, dir)
	}
	if err != nil {
		pr.removeTemp()
		return nil, fmt.Errorf("start engine %s: %w", m.ID, err)
	}
	pr.runtime = writeRuntimeFile(p.cfg.RuntimeDir, pr.pid, pr.token, p.cfg.Log)
	p.cfg.Log.Info("sidecar started", "engine", m.ID, "pid", pr.pid)

	go func() {
		defer close(pr.in)
		readFrames(pr.stdout, func(f frame) { pr.in <- f })
	}()
	go func() {
		defer close(pr.logEnded)
		pr.tail.follow(pr.stderr, pr.logLine)
	}()
	go pr.write()
	go func() {
		waitForExit(pr.pid)
		close(pr.exited)
	}()
	return pr, nil
}

// spawn makes the pipes and starts the program. Of the pipes the child has one end each, this process the other, whose
// reads and writes can be given a deadline.
func (pr *process) spawn(policy *sandbox.Policy, argv []string, dir string) error {
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	inR, inW, err1 := pipe()
	outR, outW, err2 := pipe()
	errR, errW, err3 := pipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		closeAll()
		return err
	}
	pr.cmd = exec.Command(argv[0], argv[1:]...)
	pr.cmd.Dir = dir
	pr.cmd.Env = append(environment(pr.cfg, pr.engine, pr.token), "TMPDIR="+pr.temp)
	pr.cmd.Stdin, pr.cmd.Stdout, pr.cmd.Stderr = inR, outW, errW
	if err := spawn(pr.cmd, policy); err != nil {
		closeAll()
		return err
	}
	_, _, _ = inR.Close(), outW.Close(), errW.Close()
	pr.stdin, pr.stdout, pr.stderr, pr.pid = inW, outR, errR, pr.cmd.Process.Pid
	return nil
}

// write takes frames to the sidecar. One that does not read its stdin fails by the deadline.
func (pr *process) write() {
	for {
		select {
		case <-pr.gone:
			return
		case line := <-pr.out:
			_ = pr.stdin.SetWriteDeadline(time.Now().Add(pr.cfg.WriteTimeout))
			if _, err := pr.stdin.Write(line); err != nil {
				pr.writeFailed <- err
				return
			}
		}
	}
}

// ask runs f in the goroutine that owns the process. False means that the process is gone.
func (pr *process) ask(f func(*life)) bool {
	select {
	case <-pr.gone:
		return false
	default:
	}
	select {
	case pr.asks <- f:
		return true
	case <-pr.gone:
		return false
	}
}

// kill ends the process now, for that reason unless there is an earlier one.
func (pr *process) kill(why error) { pr.ask(func(l *life) { l.fail(why) }) }

// awaitGone waits for the process to be no more; false when it is stuck or ctx ends first.
func (pr *process) awaitGone(ctx context.Context) bool {
	select {
	case <-pr.gone:
		return true
	case <-pr.stuck:
		return false
	case <-ctx.Done():
		return false
	}
}

// do sends a call and waits for its outcome. When ctx ends, cancel is asked once and the outcome awaited.
func (pr *process) do(ctx context.Context, c *call, each func()) outcome {
	c.reply = make(chan outcome, 1)
	if !pr.ask(func(l *life) { l.begin(c) }) {
		return outcome{err: pr.end}
	}
	done := ctx.Done()
	var wake <-chan struct{}
	if c.events != nil {
		wake = c.events.wake
	}
	for {
		select {
		case out := <-c.reply:
			return out
		case <-wake:
			each()
		case <-done:
			done = nil
			pr.ask(func(l *life) { l.cancel(c) })
		}
	}
}

func (pr *process) logLine(line string, leftOut int) {
	args := []any{"engine", pr.engine.ID, "pid", pr.pid, "line", cleanText(line, longestLogLine)}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	pr.cfg.Log.InfoContext(*pr.logs.Load(), "sidecar log", args...)
}

// logUnknown notes what this protocol does not have.
func (pr *process) logUnknown(what, method string) {
	if ok, leftOut := pr.logRate.allow(time.Now()); ok {
		pr.cfg.Log.Warn(what, "engine", pr.engine.ID, "method", cleanLine(method, longestName), "left_out", leftOut)
	}
}

func (pr *process) logFrame(said logParams) {
	ok, leftOut := pr.logRate.allow(time.Now())
	if !ok {
		return
	}
	level := slog.LevelInfo
	switch said.Level {
	case "debug":
		level = slog.LevelDebug
	case "warning", "warn":
		level = slog.LevelWarn
	case "error", "critical":
		level = slog.LevelError
	}
	args := []any{"engine", pr.engine.ID, "pid", pr.pid, "said", said.Message}
	if len(said.Fields) > 0 {
		args = append(args, "fields", said.Fields)
	}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	pr.cfg.Log.Log(*pr.logs.Load(), level, "sidecar", args...)
}
