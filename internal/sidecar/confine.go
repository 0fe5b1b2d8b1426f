package sidecar

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sandbox"
)

// tempDir is the folder in WorkDir of the processes' own folders for temporary files.
const tempDir = "tmp"

// policy makes the process its folder for temporary files and says what it reaches.
func (p *Pool) policy(m *engine.Manifest, pr *process) (*sandbox.Policy, error) {
	pr.temp = filepath.Join(p.cfg.WorkDir, tempDir, pr.token)
	if err := os.MkdirAll(pr.temp, 0o700); err != nil {
		return nil, err
	}
	policy := *p.cfg.Sandbox
	policy.Write = append(policy.Write[:len(policy.Write):len(policy.Write)], p.cfg.WorkDir)
	if command := p.cfg.Commands[m.ID]; len(command) > 0 {
		policy.WriteOutside = true
		policy.Read = append(policy.Read[:len(policy.Read):len(policy.Read)], filesOf(command)...)
	}
	return &policy, nil
}

// filesOf are the files that a command names, its program among them: they may lie in the data directory. A folder is
// none.
func filesOf(command []string) (files []string) {
	for _, word := range command {
		if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
			files = append(files, word)
		}
	}
	return files
}

func (pr *process) removeTemp() {
	if err := os.RemoveAll(pr.temp); err != nil {
		pr.cfg.Log.Warn("the temporary files of a sidecar were not removed", "engine", pr.engine.ID, "error", err)
	}
}

// endStrays ends what sidecars left behind, in whatever session and with whatever environment: only a process with the
// token of a sidecar that lives is spared.
func (l *life) endStrays() {
	ended := sandbox.EndStrays(func(environ []byte) bool {
		_, after, marked := bytes.Cut(environ, []byte(tokenKey+"="))
		token, _, _ := strings.Cut(string(after), "\x00")
		return marked && l.lives(token)
	})
	if ended > 0 {
		l.cfg.Log.Warn(
			"ended processes that left their sidecar",
			"engine",
			l.engine.ID,
			"pid",
			l.pid,
			"processes",
			ended,
		)
	}
}

// lives says that the token is of a process that has not ended. One that is being started is waited for, since the
// start holds p.mu.
func (p *Pool) lives(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.slots, func(s *slot) bool { return s.proc.token == token && s.proc.alive() })
}
