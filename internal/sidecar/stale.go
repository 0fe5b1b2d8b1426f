package sidecar

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// onDisk tells one state of a model's files from another: where they are, and what the disk says of them. A model that
// was installed or imported again lies in a new folder of the same name, so that the facts of each part suffice.
func onDisk(files map[string]string) string {
	facts := make([]string, 0, len(files))
	for part, path := range files {
		fact := fmt.Sprintf("%s=%s", part, path)
		if info, err := os.Stat(path); err == nil {
			fact += fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
			if stat, ok := inode(info); ok {
				fact += fmt.Sprintf(" %d", stat)
			}
		}
		facts = append(facts, fact)
	}
	slices.Sort(facts)
	return strings.Join(facts, "\n")
}

// endStale tells the idle processes of the spec's model to end that have loaded other files than those that are there
// now: half of what they would read later lies in a folder that has gone.
func (p *Pool) endStale(spec Spec) {
	now := onDisk(spec.Files)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.state == idle && s.engine.ID == spec.Engine.ID && s.model == spec.Model && s.variant == spec.Variant &&
			s.files != now {
			s.state = ending
			go s.proc.ask(func(l *life) { l.shutdown() })
		}
	}
}
