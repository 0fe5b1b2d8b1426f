package pgembed

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/apibr/studio/internal/disk"
)

// logLines hands the server's lines to the log, errors as warnings, until the pipe closes.
func (c *Cluster) logLines(stderr io.Reader, tail *tailWriter) {
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			tail.add(line)
			level := slog.LevelDebug
			// While we ask whether it answers yet, the same line comes a hundred times a second.
			repeated := strings.Contains(line, "the database system is starting up") || disk.SaysFull(line)
			if !repeated &&
				(strings.HasPrefix(line, "PANIC") || strings.HasPrefix(line, "FATAL") ||
					strings.HasPrefix(line, "ERROR")) {
				level = slog.LevelWarn
			}
			c.config.Log.Log(context.Background(), level, "postgres: "+line)
		}
		if err != nil {
			return
		}
	}
}

// tailWriter keeps the last line that says what went wrong.
type tailWriter struct {
	mu     sync.Mutex
	line   string
	isFull bool
}

func (t *tailWriter) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.isFull = t.isFull || disk.SaysFull(line)
	if strings.HasPrefix(line, "FATAL") || t.line == "" || strings.HasPrefix(line, "PANIC") {
		t.line = line
	}
}

// full says that the server found no free space on its disk.
func (t *tailWriter) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.isFull
}

func (t *tailWriter) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.line
}
