package runner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
)

// One run that took far more than the others, as with a leak, refuses nothing: neither before nor after further
// runs.
func TestOneHighMemoryPeakRefusesNoJob(t *testing.T) {
	r, _, _ := planned(t, "4000000000", "8000000000")
	m, ok := r.cfg.Catalogue.Get("draft-image")
	require.True(t, ok)
	plans := func() (fits bool, need int64) {
		err := r.Fit(m, "image.generate", "draft-image", Size{})
		l := r.loadFor(m, "image.generate", "draft-image", "hip:0", Size{}, r.cfg.Host.Snapshot())
		require.Equal(t, err == nil, l.refused == nil)
		return err == nil, l.need().RAM
	}
	key := peakKey(
		"draft-image",
		"draft-image",
		r.files(
			"draft-image",
			r.loadFor(m, "image.generate", "draft-image", "hip:0", Size{}, r.cfg.Host.Snapshot()).plan.Variant,
		),
		"hip:0",
		0,
	)
	ran := func(ram int64) { r.peaks.add(&jobs.PeakRecord{PeakKey: key, Memory: device.Memory{RAM: ram, VRAM: 1}}) }

	ran(60_000_000_000) // on a machine of 33
	fits, need := plans()
	require.True(t, fits, "the run itself shows that the machine can do it")
	require.Equal(t, int64(4_000_000_000), need)
	for range 10 {
		ran(5_000_000_000)
		fits, need = plans()
		require.True(t, fits)
	}
	require.Equal(t, int64(5_250_000_000), need, "the plan is what the others took")
	ran(1_000_000_000)
	_, need = plans()
	require.Equal(t, int64(5_250_000_000), need, "one small run does not erase it")
	ran(7_000_000_000)
	ran(7_000_000_000)
	_, need = plans()
	require.Equal(t, int64(7_350_000_000), need, "what two runs took counts")
}

// The limits of hangs come from the last runs: one step of hours is forgotten after so many of a second.
func TestHangLimitsComeFromTheLastRuns(t *testing.T) {
	memory := sidecar.NewMemoryHistory()
	id := engine.ID("draft-image")
	memory.Record(id, "m", "sample", 8*time.Hour)
	for range 20 {
		longest, _ := memory.MaxStep(id, "m", "sample")
		require.Equal(t, 8*time.Hour, longest)
		memory.Record(id, "m", "sample", time.Second)
	}
	longest, runs := memory.MaxStep(id, "m", "sample")
	require.Equal(t, time.Second, longest)
	require.Equal(t, 21, runs)

	r, service, _ := planned(t, "1", "1")
	history := NewHistory(service, r.cfg.Log)
	history.Record(id, "m", "sample", 8*time.Hour)
	for range 20 {
		history.Record(id, "m", "sample", time.Second)
	}
	longest, _ = history.MaxStep(id, "m", "sample")
	require.Equal(t, time.Second, longest)
	again := NewHistory(service, r.cfg.Log)
	again.Preload(t.Context())
	longest, _ = again.MaxStep(id, "m", "sample")
	require.Equal(t, time.Second, longest, "after a restart too")
}
