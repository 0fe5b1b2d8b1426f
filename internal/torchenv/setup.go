package torchenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
)

// Options say what Setup makes and where.
type Options struct {
	// Venv is where the environment will be; a link is followed. Beside it a folder with .new is made meanwhile.
	Venv string

	// Workers is the folder of apibr_worker; the requirement files are relative to the folder that it lies in.
	Workers string

	// Manifests are further folders of engines, whose imports are tested too.
	Manifests []string

	// DataDir keeps the kernel caches.
	DataDir string

	// UV is the program. Default FindUV beside Workers.
	UV string

	// Profiles are what to try, in order.
	Profiles []Profile

	// GPUs are the cards of this machine.
	GPUs []device.GPU

	// Force makes the environment anew even if nothing has changed.
	Force bool

	// Report hears of every step. Default: nobody does.
	Report func(Progress)

	// Log takes what uv prints. Default: it is dropped.
	Log io.Writer
}

// Progress is one step of Setup.
type Progress struct {
	Profile string
	Step    string       // Step is venv, packages, torch, selftest, check, failed or kept.
	Check   *CheckResult // Check is the result that step check tells of.
	Reason  i18n.Text    // Reason of step failed.
}

// Result is what Setup has done.
type Result struct {
	Changed bool     `json:"changed"` // Changed is false when the environment was already what is wanted.
	Verdict *Verdict `json:"verdict"`
}

// NoProfileError says why no profile could be used.
type NoProfileError struct{ Tried []Attempt }

func (e *NoProfileError) Error() string {
	text := "no environment passed; what was there before stays"
	for _, attempt := range e.Tried {
		text += "\n  " + attempt.Profile + ": " + attempt.Reason.In(language.English)
	}
	return text
}

// ErrBusy says that another setup runs.
var ErrBusy = &Error{i18n.Say("another apibr models setup is running: wait for it to end")}

// Setup makes the environment with the first profile of the list whose self-test passes.
//
// It fails with *NoProfileError when none does, with *Error for what the user can change, and with ctx's cause.
// Whatever happens, the environment that was there stays until a better one has its place.
func Setup(ctx context.Context, o Options) (*Result, error) {
	s, err := newSetup(o)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(s.venv), 0o755); err != nil {
		return nil, &Error{
			i18n.Say("the folder for the models' environment cannot be made: choose another with python.models_venv"),
		}
	}
	unlock, err := lock(s.venv + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	digest, err := s.digest()
	if err != nil {
		return nil, err
	}
	if v, err := ReadVerdict(s.venv); err == nil && !o.Force && v.Digest == digest && v.Passed() && v.Holds(s.venv) &&
		s.starts(ctx) {
		return &Result{Verdict: v}, nil
	}
	var tried []Attempt
	for _, profile := range o.Profiles {
		attempt, verdict := s.attempt(ctx, profile)
		if ctx.Err() != nil {
			s.clean()
			return nil, context.Cause(ctx)
		}
		if verdict == nil {
			s.o.Report(Progress{Profile: profile.ID, Step: "failed", Reason: attempt.Reason})
			tried = append(tried, attempt)
			continue
		}
		verdict.Digest, verdict.Tried = digest, tried
		if err := s.keep(verdict); err != nil {
			return nil, err
		}
		s.o.Report(Progress{Profile: profile.ID, Step: "kept"})
		return &Result{Changed: true, Verdict: verdict}, nil
	}
	s.clean()
	return nil, &NoProfileError{Tried: tried}
}

// Test runs the self-test of the environment that is there, as after an update of the engines or when something else
// has made it, and keeps the verdict: also one that says no. Profiles and Force of the options mean nothing to it.
//
// It fails with *Error when there is no environment or the test does not begin, and with ctx's cause.
func Test(ctx context.Context, o Options) (*Verdict, error) {
	s, err := newSetup(o)
	if err != nil {
		return nil, err
	}
	if !s.starts(ctx) {
		return nil, &Error{i18n.Say("there is no models' environment yet: run apibr models setup")}
	}
	unlock, err := lock(s.venv + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := ReadVerdict(s.venv)
	if err != nil {
		old = &Verdict{Profile: Current(s.venv, o.GPUs)}
	}
	v, err := s.test(ctx, s.venv, old.Profile)
	if err != nil {
		return nil, err
	}
	v.Digest, v.Tried = old.Digest, old.Tried
	return v, v.write(s.venv)
}

type setup struct {
	o    Options
	venv string // venv is where the environment really is, links followed.
	root string
	uv   string
}

func newSetup(o Options) (*setup, error) {
	if o.Report == nil {
		o.Report = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	workers, err := filepath.Abs(o.Workers)
	if err != nil {
		return nil, fmt.Errorf("torchenv: %w", err)
	}
	o.Workers = workers
	s := &setup{o: o, root: filepath.Dir(workers), uv: o.UV}
	if s.uv == "" {
		if s.uv, err = FindUV(s.root); err != nil {
			return nil, err
		}
	}
	if s.venv, err = filepath.Abs(o.Venv); err != nil {
		return nil, fmt.Errorf("torchenv: %w", err)
	}
	if real, err := filepath.EvalSymlinks(s.venv); err == nil {
		s.venv = real
	}
	return s, nil
}

func (s *setup) fresh() string { return s.venv + ".new" }

func (s *setup) clean() { _ = os.RemoveAll(s.fresh()) }

// digest names all that decides what would be installed.
func (s *setup) digest() (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(s.o.Profiles); err != nil {
		return "", fmt.Errorf("torchenv: %w", err)
	}
	for _, profile := range s.o.Profiles {
		for _, name := range profile.Requirements {
			raw, err := os.ReadFile(filepath.Join(s.root, name))
			if err != nil {
				return "", &Error{
					i18n.Say("%s is missing: the models' environment is made from a checkout of the studio", name),
				}
			}
			sum.Write(raw)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (s *setup) starts(ctx context.Context) bool {
	return command(ctx, filepath.Join(s.venv, "bin", "python"), "-V").Run() == nil
}

// attempt makes and tests one profile. Its verdict is nil when it cannot be used.
func (s *setup) attempt(ctx context.Context, p Profile) (Attempt, *Verdict) {
	s.clean()
	fail := func(err error) (Attempt, *Verdict) { return Attempt{Profile: p.ID, Reason: i18n.For(err).Text()}, nil }
	step := func(name string) { s.o.Report(Progress{Profile: p.ID, Step: name}) }
	in := installer{uv: s.uv, root: s.root, venv: s.fresh(), log: s.o.Log}
	if err := in.install(ctx, p, step); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Join(Caches(s.o.DataDir), "miopen"), 0o700); err != nil {
		return fail(&Error{i18n.Say("the data directory cannot be written")})
	}
	v, err := s.test(ctx, s.fresh(), p)
	switch {
	case err != nil:
		return fail(err)
	case !v.Passed():
		return Attempt{Profile: p.ID, Reason: shortReason(v.Checks).Text(), Checks: v.Checks}, nil
	default:
		return Attempt{}, v
	}
}

// test runs the self-test of an environment as one of that profile.
func (s *setup) test(ctx context.Context, venv string, p Profile) (*Verdict, error) {
	s.o.Report(Progress{Profile: p.ID, Step: "selftest"})
	test := SelfTest{
		Venv:      venv,
		Workers:   s.o.Workers,
		Manifests: s.o.Manifests,
		Device:    p.Device,
		Variables: Environment(p, s.o.GPUs, s.o.DataDir),
	}
	checks, err := test.Run(ctx, func(r CheckResult) { s.o.Report(Progress{Profile: p.ID, Step: "check", Check: &r}) })
	if err != nil {
		return nil, err
	}
	v := &Verdict{Profile: p, At: time.Now().UTC().Truncate(time.Second), Checks: checks}
	for _, check := range checks {
		if check.Torch != "" {
			v.Torch, v.DeviceName = check.Torch, check.Card
		}
	}
	return v, nil
}

// keep puts the new environment into the old one's place. The old one is gone only after that.
func (s *setup) keep(v *Verdict) error {
	if err := v.write(s.fresh()); err != nil {
		return err
	}
	old := s.venv + ".old"
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("torchenv: %w", err)
	}
	if err := os.Rename(s.venv, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("torchenv: move the old environment: %w", err)
	}
	if err := os.Rename(s.fresh(), s.venv); err != nil {
		return errors.Join(fmt.Errorf("torchenv: move the new environment: %w", err), os.Rename(old, s.venv))
	}
	return os.RemoveAll(old)
}

// lock holds a file for as long as this process lives or until unlock.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &Error{
			i18n.Say("the folder of the models' environment cannot be written: choose another with python.models_venv"),
		}
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, ErrBusy
	}
	return func() { _ = file.Close() }, nil
}
