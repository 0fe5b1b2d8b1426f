package sidecar

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func still() time.Duration { return 0 }

func testWatch(history *MemoryHistory) *watch {
	return newWatch(limits{
		grace: 10 * time.Minute, floor: 10 * time.Second, loadFloor: 90 * time.Second, silence: 15 * time.Second,
		history: history, engine: "e", model: "m",
	}, "sample", noon)
}

// beat keeps the process alive, so that only the steps decide.
func beat(w *watch, now time.Time) *HangError {
	w.heartbeat("", 0, now)
	return w.check(now, still)
}

func TestHangLimits(t *testing.T) {
	known := NewMemoryHistory()
	known.Set("e", "m", "sample", 2*time.Second, 1)
	w := testWatch(known)
	require.Nil(t, beat(w, at(9.9)))
	hang := beat(w, at(10))
	require.Equal(t, &HangError{Engine: "e", Phase: "sample", Limit: 10 * time.Second, Learned: true}, hang)

	known.Set("e", "m", "sample", 4*time.Second, 1)
	require.Nil(t, beat(testWatch(known), at(19.9)), "five times the longest step")

	w = testWatch(NewMemoryHistory())
	require.Nil(t, beat(w, at(599)))
	require.False(t, beat(w, at(600)).Learned)
}

func TestASlowPhaseRaisesItsOwnLimit(t *testing.T) {
	known := NewMemoryHistory()
	known.Set("e", "m", "sample", 100*time.Millisecond, 9)
	w := testWatch(known)
	now := 0.0
	for step := int64(1); step < 400; step++ { // 52 minutes, 8 s a step
		for range 8 {
			now++
			require.Nil(t, beat(w, at(now)))
		}
		w.progressed("sample", step, at(now))
	}
	require.Nil(t, beat(w, at(now+39)), "8 s steps allow 40 s")
	require.NotNil(t, beat(w, at(now+40)))
}

func TestOnlyStepsResetTheHangLimit(t *testing.T) {
	known := NewMemoryHistory()
	known.Set("e", "m", "sample", time.Second, 1)
	w := testWatch(known)
	w.progressed("sample", 5, at(1))
	w.heartbeat("sample", 41, at(1.5)) // the heartbeat may count otherwise
	for s := 2.0; s < 11; s++ {
		w.progressed("sample", 5, at(s))
		w.heartbeat("sample", 41, at(s))
		require.Nil(t, w.check(at(s), still))
	}
	require.NotNil(t, beat(w, at(12)), "the same step again is not a step")
}

func TestComputingExtendsTheLimitOnce(t *testing.T) {
	known := NewMemoryHistory()
	known.Set("e", "m", "sample", time.Second, 1)
	w := testWatch(known)
	now := 0.0
	computing := func() time.Duration { return time.Duration(now * float64(time.Second)) }
	for now = 1; now < 20; now++ {
		w.heartbeat("", 0, at(now))
		require.Nil(t, w.check(at(now), computing))
	}
	w.heartbeat("", 0, at(20))
	require.NotNil(t, w.check(at(20), computing), "and not a second one")
}

func TestSilenceNeedsNoHeartbeatAndNoCPUTime(t *testing.T) {
	w := testWatch(NewMemoryHistory())
	now := 0.0
	computing := func() time.Duration { return time.Duration(now * float64(time.Second)) }
	for now = 1; now < 120; now++ {
		require.Nil(t, w.check(at(now), computing), "C code that holds the lock")
	}
	var hang *HangError
	stopped := now
	for ; hang == nil && now < stopped+60; now++ {
		hang = w.check(at(now), func() time.Duration { return time.Hour })
	}
	require.True(t, hang.Silent)
}

func TestPauseOfTheServerIsNotAHang(t *testing.T) {
	known := NewMemoryHistory()
	known.Set("e", "m", "sample", time.Second, 1)
	w := testWatch(known)
	w.forgive(time.Hour)
	require.Nil(t, beat(w, at(3600+9)))
	require.NotNil(t, beat(w, at(3600+10)))
}

func TestPhasesAreTimed(t *testing.T) {
	w := testWatch(NewMemoryHistory())
	w.progressed("sample", 1, at(1))
	w.progressed("sample", 2, at(4))
	require.True(t, w.progressed("decode", 0, at(5)))
	phases := w.finish(at(6))
	require.Equal(t, []PhaseTime{
		{Phase: "sample", Start: noon, End: at(5), Longest: 3 * time.Second},
		{Phase: "decode", Start: at(5), End: at(6), Longest: time.Second},
	}, phases)
}

func TestALateHeartbeatDoesNotTurnBack(t *testing.T) {
	w := testWatch(NewMemoryHistory())
	require.True(t, w.progressed("decode", 0, at(1)))
	require.False(t, w.heartbeat("sample", 4, at(2)))
	require.Equal(t, "decode", w.phase)
	require.True(t, w.heartbeat("mux", 5, at(3)), "a phase that only heartbeats know")
}

func TestCancelLadderStepsInTime(t *testing.T) {
	l := cancelLadder{flag: 2 * time.Second, term: 2 * time.Second}
	require.Equal(t, notCanceled, l.step(at(100)))
	require.True(t, l.start(noon))
	require.False(t, l.start(at(1)), "a second cancel changes nothing")
	require.Equal(t, notCanceled, l.step(at(1.9)))
	require.Equal(t, terminated, l.step(at(2)))
	require.Equal(t, notCanceled, l.step(at(3.9)))
	require.Equal(t, killed, l.step(at(4)))
	require.Equal(t, notCanceled, l.step(at(60)))
}

func TestBreaker(t *testing.T) {
	b := newBreaker(Config{}.withDefaults().Breaker)
	refusal := func(seconds float64) time.Duration {
		b.crashed("e", "m", at(seconds))
		err, _ := b.allow("e", "m", at(seconds)).(*BreakerError)
		if err == nil {
			return 0
		}
		return err.Until.Sub(at(seconds))
	}
	require.Zero(t, refusal(0))
	require.Zero(t, refusal(200))
	require.Zero(t, refusal(301), "the first one is out of the window")
	require.Equal(t, time.Minute, refusal(302))
	require.NoError(t, b.allow("e", "other", at(302)))
	require.NoError(t, b.allow("e", "m", at(363)))
	require.Equal(t, 2*time.Minute, refusal(363), "one more is enough now")
	require.Equal(t, 4*time.Minute, refusal(484))
	b.crashed("e", "m", at(500))
	require.Equal(t, 5*time.Minute, refusal(501))
	b.succeeded("e", "m")
	require.NoError(t, b.allow("e", "m", at(502)))
	require.Zero(t, refusal(503))
}

func TestGuardRules(t *testing.T) {
	cfg := Config{}.withDefaults().Guard
	const gib = 1 << 30
	fine := facts{memoryKnown: true, total: 32 * gib, available: 8 * gib, pressureKnown: true, pressure: 3}
	require.Nil(t, cfg.judge(fine, false))
	require.Nil(t, cfg.judge(facts{}, false), "what is not known kills nobody")

	low := fine
	low.available = 2*gib - 1
	require.Equal(t, &GuardError{Available: 2*gib - 1, Floor: 2 * gib}, cfg.judge(low, true))
	low.total, low.available = 64*gib, 3*gib
	require.NotNil(t, cfg.judge(low, false), "6 % of 64 GiB are more than 2 GiB")

	pressed := fine
	pressed.pressure = 15.1
	require.Equal(t, &GuardError{Pressure: 15.1, PressureLimit: 15}, cfg.judge(pressed, false))
	require.Nil(t, cfg.judge(pressed, true), "the average has not seen the last kill yet")

	grown := fine
	grown.gttGrowth = 2 * gib
	require.Equal(t, &GuardError{GTTGrowth: 2 * gib, GTTLimit: 2 * gib}, cfg.judge(grown, false))
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", maxFrame)
	stream := `{"method":"hello","params":{}}` + "\n\n" + long + "\n[1]\n" + `{"id":1}` + "\n" +
		`{"id":2,"result":null,"error":null}` + "\r\n" +
		`{"id":3,"result":{}}` + "\n" + `{"method":"half`
	var got []string
	readFrames(strings.NewReader(stream), func(f frame) { got = append(got, f.Method+string(f.ID)+f.bad.String()) })
	require.Equal(t, []string{
		"hello", "the process sent a frame of more than 1 MiB",
		"the process sent a line that is not a JSON-RPC message",
		"the process sent an answer with neither or both of result and error", "2", "3",
	}, got)
}

func TestScrub(t *testing.T) {
	for given, want := range map[string]string{
		`File "/root/x/engine.py", line 3`:        `File "…/engine.py", line 3`,
		`open('/data/a b')`:                       `open('…/a b')`,
		"HF_TOKEN=hf_secretsecret":                "HF_TOKEN=[hidden]",
		"Authorization: Bearer abc.def":           "Authorization: Bearer [hidden]",
		"key apibr_12345678abc":                   "key [hidden]",
		"postgres://user:pw@host/db":              "postgres://[hidden]@host/db",
		"ratio 1/2, 10 MB/s and https://x.org/a/": "ratio 1/2, 10 MB/s and https://x.org/a/",
	} {
		require.Equal(t, want, Scrub(given))
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw)
}

// writeMeminfo moves the machine's memory, in KiB, as one step: a reader sees the old file or the new one.
func writeMeminfo(t testing.TB, root string, totalKiB, availableKiB int64) {
	t.Helper()
	dir := filepath.Join(root, "proc")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	text := fmt.Sprintf("MemTotal: %d kB\nMemAvailable: %d kB\n", totalKiB, availableKiB)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "meminfo.new"), []byte(text), 0o600))
	require.NoError(t, os.Rename(filepath.Join(dir, "meminfo.new"), filepath.Join(dir, "meminfo")))
}

func fallingHost(root string, _ *Config, _ testing.TB) *device.Host { return device.NewHost(root) }

func fakeHost(available, total int64) *device.Host {
	host := device.NewHost("/")
	host.Memory = func() (int64, int64, error) { return total, available, nil }
	return host
}

func TestPoolPlansAreTheManifests(t *testing.T) {
	p := New(Config{Host: device.NewHost(t.TempDir())})
	m := &engine.Manifest{
		ID:     "e",
		Models: []engine.Model{{ID: "own"}},
		Memory: []engine.MemoryPlan{{Device: "cpu", Variant: "small", Memory: device.Memory{RAM: 5}}},
	}
	spec := p.complete(Spec{Engine: m, Model: "flux-dev"})
	require.Equal(t, "own", spec.Model, "a draft stands in for a model that it cannot load")
	require.Equal(t, "cpu", spec.Device)
	require.Equal(t, "small", spec.Variant)
	require.Equal(t, int64(5), spec.Plan.RAM)
}
