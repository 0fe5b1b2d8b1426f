package sidecartest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func (p *program) run(id json.RawMessage, run runRequest) {
	mode := run.Params.Mode
	if mode == "" {
		mode = p.mode
	}
	defer func() {
		p.state.Lock()
		p.phase = ""
		p.state.Unlock()
	}()
	p.step(run.Job, "first", 1, 2)
	switch mode {
	case Kill:
		kill()
	case PrintThenKill:
		flood(os.Stderr)
		kill()
	case Exit:
		fmt.Fprintln(os.Stderr, "Traceback (most recent call last):")
		fmt.Fprintln(os.Stderr, `  File "/srv/private/apibr/engine.py", line 7, in run`)
		fmt.Fprintln(os.Stderr, "RuntimeError: boom with HF_TOKEN=hf_abcdefghijklmnop at /srv/private/models/x.bin")
		os.Exit(3)
	case Hang:
		sleepForever()
	case Burn:
		for i := 0; ; i++ {
			runtime.KeepAlive(i)
		}
	case Freeze:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		sleepForever()
	case Stubborn:
		signal.Ignore(syscall.SIGTERM)
		p.stepOn(run, nil)
	case Obedient:
		p.stepUntilCanceled(id, run)
	case Children, Abandon:
		p.startChildren(run.OutDir, mode == Children)
		p.stepUntilCanceled(id, run)
	case SlowSteady, Segments:
		p.steady(id, run, mode == Segments)
	case Peek:
		p.peek(id, run)
	case Loaded:
		p.loaded(id, run)
	case Alloc:
		p.alloc(id, run)
	case Fail:
		p.fail(id, run.Params.Code, "as asked, in /srv/private/engine.py")
	case Vandal:
		p.vandal(id, run)
	case Raw:
		p.rawRun(id, run)
	case OOMIn:
		p.oomIn(id, run)
	default:
		p.breakRules(id, run, mode)
	}
}

func (p *program) oomIn(id json.RawMessage, run runRequest) {
	if p.variant != run.Params.Text {
		p.steady(id, run, true)
		return
	}
	if run.Params.Total > 0 {
		p.segment(run, 0)
	}
	p.fail(id, "out_of_memory", "the card is full: close other programs")
}

// vandal writes over its inputs and over the outputs of its earlier runs.
func (p *program) vandal(id json.RawMessage, run runRequest) {
	for _, earlier := range p.open {
		_, _ = earlier.WriteAt([]byte("vandal"), 0)
	}
	for _, input := range run.Inputs {
		_ = os.Chmod(input.Path, 0o600)
		if f, err := os.OpenFile(input.Path, os.O_RDWR, 0); err == nil {
			_, _ = f.WriteAt([]byte("vandal"), 0)
			_ = f.Truncate(3)
			_ = f.Close()
		}
	}
	described := file(run.OutDir, "out.txt", []byte(run.Params.Text))
	if f, err := os.OpenFile(filepath.Join(run.OutDir, "out.txt"), os.O_RDWR, 0); err == nil {
		p.open = append(p.open, f)
	}
	p.notify("segment", map[string]any{"job": run.Job, "index": 0, "file": described})
	p.done(id, described)
}

// breakRules holds the modes that are one wrong frame; what is not among them is an honest echo.
func (p *program) breakRules(id json.RawMessage, run runRequest, mode string) {
	outside := filepath.Join(filepath.Dir(run.OutDir), "outside.txt")
	secret := []byte("secret")
	switch mode {
	case Stdout10MB:
		flood(os.Stdout)
	case Line2MiB:
		p.notify("log", map[string]any{"level": "info", "message": strings.Repeat("x", 2<<20)})
	case HalfFrame:
		p.write.Lock() // for good: no heartbeat shall complete the line
		_, _ = os.Stdout.WriteString(`{"jsonrpc":"2.0","method":"prog`)
		sleepForever()
	case BadJSON:
		p.raw([]byte("this is not JSON\n"))
	case OtherJob:
		p.step("00000000-0000-0000-0000-000000000000", "first", 2, 2)
	case TwoAnswers:
		p.answer(json.RawMessage("99"), map[string]any{})
	case CloseOutput:
		_ = os.Stdout.Close()
		sleepForever()
	case PathOutside:
		_ = os.WriteFile(outside, secret, 0o600)
		p.done(id, describe("../outside.txt", secret))
	case PathAbsolute:
		_ = os.WriteFile(outside, secret, 0o600)
		p.done(id, describe(outside, secret))
	case Symlink:
		_ = os.WriteFile(outside, secret, 0o600)
		_ = os.Symlink(outside, filepath.Join(run.OutDir, "link.txt"))
		p.done(id, describe("link.txt", secret))
	case SymlinkFolder:
		_ = os.WriteFile(outside, secret, 0o600)
		_ = os.Symlink(filepath.Dir(run.OutDir), filepath.Join(run.OutDir, "folder"))
		p.done(id, describe("folder/outside.txt", secret))
	case Fifo:
		_ = syscall.Mkfifo(filepath.Join(run.OutDir, "pipe"), 0o600)
		p.done(id, describe("pipe", nil))
	case WrongHash:
		described := file(run.OutDir, "out.txt", secret)
		described["sha256"] = strings.Repeat("0", 64)
		p.done(id, described)
	case WrongSize:
		described := file(run.OutDir, "out.txt", secret)
		described["size"] = 1
		p.done(id, described)
	case SegmentGap:
		p.segment(run, 1)
	case UnknownMethod:
		p.notify("gossip", map[string]any{"about": "nothing"})
		p.send(map[string]any{"id": 4711, "method": "teapot", "params": map[string]any{}})
		p.done(id, file(run.OutDir, "out.txt", <-p.answers))
	case Print10MB:
		flood(os.Stderr)
		p.echo(id, run)
	default:
		p.echo(id, run)
	}
}

func (p *program) echo(id json.RawMessage, run runRequest) {
	p.step(run.Job, "second", 1, 2)
	p.step(run.Job, "second", 2, 2)
	output := file(run.OutDir, "out.txt", []byte(run.Params.Text))
	if run.Params.MIME != "" {
		output = file(run.OutDir, "out.bin", run.Params.Content)
		output["mime"] = run.Params.MIME
	}
	p.done(id, output)
}

func (p *program) done(id json.RawMessage, outputs ...map[string]any) {
	result := map[string]any{"outputs": outputs, "seed": 7, "timings": map[string]any{"first": 0.5},
		"metadata": map[string]any{"pid": os.Getpid(), "first_segment": p.first}}
	if p.mode == OddSeed {
		result["seed"] = json.RawMessage("7.0")
	}
	p.answer(id, result)
}

func (p *program) isCanceled() bool {
	select {
	case <-p.canceled:
		return true
	default:
		return false
	}
}

func (p *program) stepOn(run runRequest, stop func() bool) {
	for step := int64(1); stop == nil || !stop(); step++ {
		p.step(run.Job, "second", step, 0)
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *program) stepUntilCanceled(id json.RawMessage, run runRequest) {
	p.stepOn(run, p.isCanceled)
	p.fail(id, "canceled", "canceled")
}

func (p *program) steady(id json.RawMessage, run runRequest, segments bool) {
	first := 0
	if run.ResumeFrom != nil {
		first = run.ResumeFrom.Index
	}
	p.first = first
	for i := first; i < int(run.Params.Total); i++ {
		time.Sleep(time.Duration(run.Params.MS) * time.Millisecond)
		if p.isCanceled() {
			p.fail(id, "canceled", "canceled")
			return
		}
		p.step(run.Job, "second", int64(i+1), run.Params.Total)
		if segments {
			p.segment(run, i)
		}
	}
	p.done(id, file(run.OutDir, "out.txt", []byte("steady")))
}

func (p *program) segment(run runRequest, index int) {
	name := fmt.Sprintf("segments/%04d.txt", index)
	p.notify("segment", map[string]any{"job": run.Job, "index": index, "file": file(run.OutDir, name, []byte(name))})
}

// kept holds what alloc took, so that no collector gives it back.
var kept [][]byte

func (p *program) alloc(id json.RawMessage, run runRequest) {
	const piece = 4 << 20
	for taken := 0; taken < run.Params.MiB<<20; taken += piece {
		block := make([]byte, piece)
		for i := 0; i < piece; i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
		p.step(run.Job, "second", int64(len(kept)), 0)
		time.Sleep(10 * time.Millisecond)
		if p.isCanceled() {
			p.fail(id, "canceled", "canceled")
			return
		}
	}
	p.done(id, file(run.OutDir, "out.txt", []byte("all taken")))
}

// startChildren starts one child in our group and one that left group and session, with a parent-death signal as the
// runtime of the real workers sets it; or without, and then a third that has none of our environment either and whose
// parent ended. It writes their pids down.
func (p *program) startChildren(dir string, dieWithUs bool) {
	runtime.LockOSThread() // for good: the signal follows the thread
	var pids []string
	for _, detached := range []bool{false, true} {
		child := exec.Command("sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: detached}
		if dieWithUs {
			child.SysProcAttr.Pdeathsig = syscall.SIGKILL
		}
		if err := child.Start(); err != nil {
			panic(err)
		}
		pids = append(pids, fmt.Sprint(child.Process.Pid))
	}
	if !dieWithUs {
		flight := exec.Command("/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!")
		flight.Env = []string{"PATH=/usr/bin:/bin"}
		pid, err := flight.Output()
		if err != nil {
			panic(err)
		}
		pids = append(pids, strings.TrimSpace(string(pid)))
	}
	if err := os.WriteFile(filepath.Join(dir, "pids.tmp"), []byte(strings.Join(pids, " ")), 0o600); err != nil {
		panic(err)
	}
	_ = os.Rename(filepath.Join(dir, "pids.tmp"), filepath.Join(dir, "pids"))
}

// peek tells of each path in params.text, one a line, whether it can be read, connected to or written.
func (p *program) peek(id json.RawMessage, run runRequest) {
	var told []string
	for _, path := range strings.Fields(run.Params.Text) {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode().Type() == os.ModeSocket:
			var conn net.Conn
			if conn, err = net.Dial("unix", path); err == nil {
				conn.Close()
			}
		case err == nil:
			_, err = os.ReadFile(path)
		default:
			err = os.WriteFile(path, nil, 0o600)
		}
		told = append(told, map[bool]string{true: "yes", false: "no"}[err == nil])
	}
	p.done(id, file(run.OutDir, "out.txt", []byte(strings.Join(told, " "))))
}

func (p *program) loaded(id json.RawMessage, run runRequest) {
	told := []string{fmt.Sprintf("pid %d", os.Getpid())}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		content, err := os.ReadFile(p.files[name])
		if err != nil {
			content = []byte("not readable")
		}
		told = append(told, name+": "+string(content))
	}
	p.done(id, file(run.OutDir, "out.txt", []byte(strings.Join(told, "\n"))))
}

func flood(to *os.File) {
	line := append(bytes.Repeat([]byte("n"), 99), '\n')
	for range 10 << 20 / 100 {
		_, _ = to.Write(line)
	}
}
