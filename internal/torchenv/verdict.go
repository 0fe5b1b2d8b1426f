package torchenv

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
)

// verdictFile lies in the environment that it speaks of, so that the two cannot part.
const verdictFile = "apibr-profile.json"

// maxVerdict is many times what is written.
const maxVerdict = 1 << 20

// Verdict is what the self-test said of an environment.
type Verdict struct {
	Profile    Profile       `json:"profile"`
	Torch      string        `json:"torch"`
	DeviceName string        `json:"device_name"` // DeviceName as torch sees it; "" for the processor.
	At         time.Time     `json:"at"`
	Checks     []CheckResult `json:"checks"`

	// Digest is one of all that was to be tried: as long as it stays the same, there is nothing to do.
	Digest string `json:"list"`

	// Files is the environment's Fingerprint when it was tested: a verdict on other files says nothing.
	Files string `json:"files"`

	// Tried are the profiles that failed before this one passed.
	Tried []Attempt `json:"tried,omitempty"`
}

// CheckResult is one line of the self-test.
type CheckResult struct {
	Check   string  `json:"check"`
	OK      bool    `json:"ok"`
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
	Torch   string  `json:"torch,omitempty"`
	Card    string  `json:"card,omitempty"`
}

// Attempt is a profile that could not be used.
type Attempt struct {
	Profile string        `json:"profile"`
	Reason  i18n.Text     `json:"reason"`
	Checks  []CheckResult `json:"checks,omitempty"`
}

// Passed says whether every check has passed.
func (v *Verdict) Passed() bool { return len(v.Checks) > 0 && len(v.Failed()) == 0 }

// Failed are the names of the checks that have not passed.
func (v *Verdict) Failed() []string { return failed(v.Checks) }

func failed(checks []CheckResult) []string {
	var names []string
	for _, check := range checks {
		if !check.OK {
			names = append(names, check.Check)
		}
	}
	return names
}

// Cause is why the first check failed, in one line; "" when all have passed.
func (v *Verdict) Cause() string {
	const longest = 300
	for _, check := range v.Checks {
		if !check.OK {
			line := strings.Join(strings.Fields(check.Detail), " ")
			if runes := []rune(line); len(runes) > longest {
				line = string(runes[:longest]) + "…"
			}
			return check.Check + ": " + line
		}
	}
	return ""
}

// Holds says whether the environment still is the one that was tested.
func (v *Verdict) Holds(venv string) bool { return v.Files != "" && v.Files == Fingerprint(venv) }

// ReadVerdict reads what was kept in the environment. It fails with fs.ErrNotExist when nobody has tested it.
func ReadVerdict(venv string) (*Verdict, error) {
	path := filepath.Join(venv, verdictFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("torchenv: read the verdict: %w", err)
	}
	if info.Size() > maxVerdict {
		return nil, errors.New("torchenv: the verdict is too long")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("torchenv: read the verdict: %w", err)
	}
	var v Verdict
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("torchenv: read the verdict: %w", err)
	}
	return &v, nil
}

func (v *Verdict) write(venv string) error {
	v.Files = Fingerprint(venv)
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("torchenv: %w", err)
	}
	if err := os.WriteFile(filepath.Join(venv, verdictFile), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("torchenv: write the verdict: %w", err)
	}
	return nil
}

// Unknown is the profile of an environment that something else has made.
const Unknown = "unknown"

// Current is the profile of the environment for the variables of its processes. One that nobody tested, as CI's, is
// taken for PyPI's on whatever card is there.
func Current(venv string, gpus []device.GPU) Profile {
	if v, err := ReadVerdict(venv); err == nil && v.Profile.Device != "" {
		return v.Profile
	}
	kind := CPU
	if card, ok := (device.Snapshot{GPUs: gpus}).Best(); ok {
		kind = map[string]string{"hip": ROCm, "cuda": CUDA}[card.Kind]
	}
	return Profile{ID: Unknown, Device: kind}
}

// shortReason is a failed self-test in one sentence.
func shortReason(checks []CheckResult) i18n.Sentence {
	names := failed(checks)
	var first string
	for _, check := range checks {
		if !check.OK {
			first = check.Check + ": " + check.Detail
			break
		}
	}
	const shown = 3
	list := strings.Join(names[:min(shown, len(names))], ", ")
	return i18n.Say("the self-test failed (%s); %s", list, first)
}
