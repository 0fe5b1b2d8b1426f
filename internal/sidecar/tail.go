package sidecar

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// tail keeps the end of a sidecar's log and hands its lines on.
type tail struct {
	mu    sync.Mutex
	limit int
	kept  []byte
	rate  rate // rate is for follow alone
}

// rate lets so many lines a second into the server's log: a library that prints in a loop must not fill the disk.
type rate struct {
	most     int
	second   time.Time
	inSecond int
	leftOut  int
}

// allow says whether one more line may be logged now, and how many were left out since the last that was.
func (r *rate) allow(now time.Time) (ok bool, leftOut int) {
	if now.Sub(r.second) >= time.Second {
		r.second, r.inSecond = now, 0
	}
	if r.inSecond++; r.inSecond > r.most {
		r.leftOut++
		return false, 0
	}
	leftOut, r.leftOut = r.leftOut, 0
	return true, leftOut
}

// longestLogLine is how much of one line is logged.
const longestLogLine = 4 << 10

// follow reads r to its end. Each line goes to log, as many a second as the rate allows; how many were left out is
// said.
func (t *tail) follow(r io.Reader, log func(line string, leftOut int)) {
	reader := bufio.NewReaderSize(r, 32<<10)
	for {
		part, err := reader.ReadSlice('\n')
		t.add(part)
		if line := strings.TrimRight(string(part[:min(len(part), longestLogLine)]), "\r\n"); line != "" {
			if ok, leftOut := t.rate.allow(time.Now()); ok {
				log(line, leftOut)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (t *tail) add(part []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, part...)
	// Trimming at twice the limit makes the copy rare; text() cuts to the exact size.
	if len(t.kept) > 2*t.limit {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-t.limit:]...)
	}
}

// text is the scrubbed tail.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	if len(kept) > t.limit {
		kept = kept[len(kept)-t.limit:]
	}
	return Scrub(cleanText(string(kept), len(kept)))
}

var (
	secretNamed = regexp.MustCompile(
		`(?i)\b((?:[a-z0-9_-]*(?:api[_-]?key|token|secret|passw(?:or)?d|authorization))["']?\s*[:=]\s*` +
			`(?:bearer\s+)?)["']?[^\s"',;]+["']?`,
	)
	secretShape = regexp.MustCompile(
		`\b(?:apibr_[A-Za-z0-9]{8,}|hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|bfl_[A-Za-z0-9]{8,}|` +
			`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+)`,
	)
	bearer   = regexp.MustCompile(`(?i)\bbearer\s+[^\s"',;]+`)
	userInfo = regexp.MustCompile(`://[^/\s@]+@`)
	absolute = regexp.MustCompile(`(^|[\s"'(\[{=:,<])((?:/[^/\s"'():,<>\]\[{}]+)+)/?`)
)

// Scrub takes keys and server paths out of a text that users may see. Of a path its last element stays.
func Scrub(text string) string {
	text = secretNamed.ReplaceAllString(text, "${1}[hidden]")
	text = bearer.ReplaceAllString(text, "Bearer [hidden]")
	text = secretShape.ReplaceAllString(text, "[hidden]")
	text = userInfo.ReplaceAllString(text, "://[hidden]@")
	return absolute.ReplaceAllStringFunc(text, func(found string) string {
		match := absolute.FindStringSubmatch(found)
		path := match[2]
		if strings.HasPrefix(path, "//") {
			return found // the rest of a URL
		}
		return match[1] + "…/" + path[strings.LastIndexByte(path, '/')+1:]
	})
}
