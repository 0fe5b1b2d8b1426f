package sidecartest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// program is one running fault program.
type program struct {
	mode   string
	engine string
	beat   time.Duration

	first    int    // segment that the run began with
	variant  string // what was loaded
	files    map[string]string
	rawHello string // rawHello and rawLoad stand for the honest frames, unless ""
	rawLoad  string
	open     []*os.File // open are outputs of earlier runs that this program can still write to

	write    sync.Mutex
	state    sync.Mutex
	phase    string
	steps    int64
	canceled chan struct{}
	answers  chan json.RawMessage // what the supervisor answered to our own requests
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Error  json.RawMessage `json:"error"`
}

type runRequest struct {
	Job    string `json:"job"`
	Params struct {
		Mode    string `json:"mode"`
		MIME    string `json:"mime"`
		Content []byte `json:"content"`
		Text    string `json:"text"`
		Code    string `json:"code"`
		Total   int64  `json:"total"`
		MS      int    `json:"ms"`
		MiB     int    `json:"mib"`
		Seed    int64  `json:"seed"`

		Raw rawParams `json:"raw"`
	} `json:"params"`
	Inputs []struct {
		Path string `json:"path"`
	} `json:"inputs"`
	OutDir     string `json:"out_dir"`
	ResumeFrom *struct {
		Index int `json:"index"`
	} `json:"resume_from"`
}

func (p *program) main() int {
	p.answers = make(chan json.RawMessage, 1)
	switch p.mode {
	case Silent:
		sleepForever()
	case ExitAtStart:
		fmt.Fprintln(os.Stderr, "ImportError: no module named nothing")
		return 4
	case IgnoreEnd:
		signal.Ignore(syscall.SIGTERM, syscall.SIGPIPE)
	}
	hello := map[string]any{"protocol": 1, "worker": "0", "engines": []string{p.engine}, "device": "cpu",
		"pid": os.Getpid(), "torch": nil}
	switch p.mode {
	case WrongVersion:
		hello["protocol"] = 2
	case WrongEngine:
		hello["engines"] = []string{"someone-else"}
	}
	if p.rawHello != "" {
		p.raw(append(expand([]byte(p.rawHello), nil), '\n'))
	} else {
		p.notify("hello", hello)
	}
	if p.mode != NoHeartbeat {
		go p.heart()
	}
	return p.serve()
}

// serve reads frames until the end of stdin; runs have a goroutine of their own, so that cancel is seen.
func (p *program) serve() int {
	reader := bufio.NewReader(os.Stdin)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if p.mode == IgnoreEnd {
				sleepForever()
			}
			return 0
		}
		var m message
		if err != nil || json.Unmarshal(line, &m) != nil {
			return 1
		}
		switch m.Method {
		case "":
			p.answers <- m.Error
		case "load":
			p.load(m.ID, m.Params)
		case "run":
			var run runRequest
			if err := json.Unmarshal(m.Params, &run); err != nil {
				p.fail(m.ID, "invalid_input", err.Error())
				continue
			}
			p.state.Lock()
			p.canceled = make(chan struct{})
			p.state.Unlock()
			go p.run(m.ID, run)
		case "cancel":
			p.cancel()
		case "shutdown":
			if p.mode != IgnoreEnd {
				p.answer(m.ID, map[string]any{})
				return 0
			}
		case "ping", "unload":
			p.answer(m.ID, map[string]any{})
		default:
			if len(m.ID) > 0 {
				p.send(map[string]any{"id": m.ID, "error": map[string]any{"code": -32601, "message": "unknown method"}})
			}
		}
	}
}

func (p *program) load(id, params json.RawMessage) {
	var load struct {
		Variant string            `json:"variant"`
		Files   map[string]string `json:"files"`
	}
	_ = json.Unmarshal(params, &load)
	p.variant, p.files = load.Variant, load.Files
	switch p.mode {
	case LoadHang:
		return
	case LoadKill:
		kill()
	case LoadMissing:
		p.fail(id, "model_missing", "weights are not in /srv/secret/models/flux.gguf")
		return
	}
	if p.rawLoad != "" {
		p.raw(append(expand([]byte(p.rawLoad), map[string]string{"$ID": string(id)}), '\n'))
		return
	}
	p.answer(id, map[string]any{"vram_bytes": 0, "ram_bytes": 12345678, "seconds": 0.001})
	if p.mode == DeafInput {
		sleepForever()
	}
}

func (p *program) cancel() {
	p.state.Lock()
	defer p.state.Unlock()
	if p.canceled == nil {
		return
	}
	select {
	case <-p.canceled:
	default:
		close(p.canceled)
	}
}

func (p *program) heart() {
	for range time.Tick(p.beat) {
		p.state.Lock()
		phase, steps := p.phase, p.steps
		p.state.Unlock()
		beat := map[string]any{"vram_bytes": 0, "ram_bytes": 20 << 20, "phase": nil, "steps": steps}
		if phase != "" {
			beat["phase"] = phase
		}
		p.notify("heartbeat", beat)
	}
}

func (p *program) step(job, phase string, step, total int64) {
	p.state.Lock()
	p.phase, p.steps = phase, step
	p.state.Unlock()
	p.notify("progress", map[string]any{"job": job, "phase": phase, "step": step, "total": total, "message": nil,
		"preview": nil})
}

func (p *program) send(m map[string]any) {
	m["jsonrpc"] = "2.0"
	line, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	p.raw(append(line, '\n'))
}

func (p *program) raw(line []byte) {
	p.write.Lock()
	defer p.write.Unlock()
	_, _ = os.Stdout.Write(line)
}

func (p *program) notify(method string, params map[string]any) {
	p.send(map[string]any{"method": method, "params": params})
}

func (p *program) answer(id json.RawMessage, result map[string]any) {
	p.send(map[string]any{"id": id, "result": result})
}

func (p *program) fail(id json.RawMessage, code, text string) {
	p.send(map[string]any{"id": id, "error": map[string]any{
		"code": -32000, "message": text, "data": map[string]any{"code": code, "phase": nil, "field": "text"},
	}})
}

// file writes an output and describes it.
func file(dir, name string, content []byte) map[string]any {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		panic(err)
	}
	return describe(name, content)
}

func describe(name string, content []byte) map[string]any {
	sum := sha256.Sum256(content)
	return map[string]any{"name": "out", "path": name, "mime": "text/plain", "size": len(content),
		"sha256": hex.EncodeToString(sum[:])}
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	sleepForever()
}

func sleepForever() {
	for {
		time.Sleep(time.Hour)
	}
}
