package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// longestWait that a caller may block for.
const longestWait = 60 * time.Second

// Waiting is how long a caller wants to wait for a job's end: in the address or in the header Prefer, by one rule.
// Exported, since huma fills only exported members.
type Waiting struct {
	Wait   string `query:"wait" doc:"Seconds to wait for the job's end, 1 to 60; more is refused"`
	Prefer string `header:"Prefer" doc:"wait=N does the same. Other preferences are not known and mean nothing"`

	wait time.Duration
	// applied is the preference that was honoured, for the answer; "" when the header asked for nothing.
	applied string
}

// Resolve implements huma.Resolver.
func (w *Waiting) Resolve(ctx huma.Context) []error {
	asked := strings.TrimSpace(w.Wait)
	preferred := preference(humaecho.UnwrapV4(ctx).Request().Header.Values("Prefer"), "wait")
	for _, text := range []string{asked, preferred} {
		if text == "" {
			continue
		}
		wait, ok := seconds(text)
		switch {
		case !ok || wait > longestWait:
			return []error{invalid("wait", i18n.Say("wait is %q; send whole seconds from 1 to %.0f, such as 30 or 30s",
				names.Clip(text), longestWait.Seconds()))}
		case w.wait != wait && text == preferred && asked != "":
			return []error{invalid("wait", i18n.Say(
				"wait is one number in the address and another in the header Prefer: send one of them",
			))}
		}
		w.wait = wait
	}
	if preferred != "" {
		w.applied = "wait=" + strconv.Itoa(int(w.wait.Seconds()))
	}
	return nil
}

// preference is the value of the first preference of a name (RFC 7240), "" when there is none.
func preference(headers []string, name string) string {
	for _, one := range strings.Split(strings.Join(headers, ","), ",") {
		one, _, _ = strings.Cut(one, ";") // its parameters
		key, value, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			if value = strings.Trim(strings.TrimSpace(value), `"`); value == "" {
				return "nothing"
			}
			return value
		}
	}
	return ""
}

// seconds takes whole seconds, with their unit or without.
func seconds(text string) (time.Duration, bool) {
	n, ok := asNumber(strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), "s"))
	if !ok || n < 0 || n > 1e6 || n != float64(int(n)) {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}
