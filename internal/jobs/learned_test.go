package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
)

// A peak that one run had is forgotten, and a real one is not erased by one small run.
func TestPeaksForgetAnOutlierAndKeepARealPeak(t *testing.T) {
	b := newBench(t)
	key := PeakKey{Engine: "flux", Model: "flux-dev", Variant: "Q5_K_S", Device: "hip", Size: 4}
	run := func(p device.Memory) device.Memory {
		c := b.claim(b.submit(speech()).ID)
		_, err := b.Finish(b.ctx, c.ID, c.Fence, Result{Peak: &PeakRecord{key, p}})
		require.NoError(t, err)
		peaks, err := b.Peaks(b.ctx)
		require.NoError(t, err)
		return peaks[key]
	}
	confirmed := func() device.Memory {
		windows, err := b.PeakWindows(b.ctx)
		require.NoError(t, err)
		return windows[key].Confirmed(time.Now())
	}
	require.Equal(t, device.Memory{RAM: 90, VRAM: 90}, run(device.Memory{RAM: 90, VRAM: 90}))
	require.Equal(t, device.Memory{}, confirmed(), "one run confirms nothing")
	for n := range loneRuns - 1 {
		require.Equal(t, device.Memory{RAM: 90, VRAM: 90}, run(device.Memory{RAM: 10, VRAM: 20}),
			"after %d small runs", n+1)
		require.LessOrEqual(t, confirmed().RAM, int64(10))
	}
	require.Equal(t, device.Memory{RAM: 10, VRAM: 20}, run(device.Memory{RAM: 10, VRAM: 20}),
		"one run among several is not believed")

	require.Equal(t, device.Memory{RAM: 60, VRAM: 20},
		func() device.Memory {
			run(device.Memory{RAM: 60, VRAM: 20})
			return run(device.Memory{RAM: 60, VRAM: 20})
		}(), "two are")
	require.Equal(t, device.Memory{RAM: 60, VRAM: 20}, confirmed())
	for range learnedRuns - 2 {
		require.Equal(t, int64(60), run(device.Memory{RAM: 10, VRAM: 20}).RAM, "a small run does not erase it")
	}
	run(device.Memory{RAM: 10, VRAM: 20})
	require.Equal(t, device.Memory{RAM: 10, VRAM: 20}, run(device.Memory{RAM: 10, VRAM: 20}),
		"as many runs as are remembered do")
	require.Equal(
		t,
		1,
		b.count(`select count(*) from memory_peaks where cardinality(rams) = 20 and ram = 10 and vram = 20`),
	)

	b.exec(`update memory_peaks set rams = array[70, 70, 5]::bigint[], vrams = array[7, 7, 5]::bigint[],
		times = array[now() - interval '31 days', now() - interval '32 days', now()]`)
	peaks, err := b.Peaks(b.ctx)
	require.NoError(t, err)
	require.Equal(t, device.Memory{RAM: 5, VRAM: 5}, peaks[key], "what is too old does not count")
}

// A model's memory is counted in bytes, and two gigabytes of them are past a 32-bit number.
func TestARunThatNeededManyGigabytesIsRecorded(t *testing.T) {
	b := newBench(t)
	c := b.claim(b.submit(speech()).ID)
	const ram, vram = int64(20) << 30, int64(10) << 30
	done, err := b.Finish(b.ctx, c.ID, c.Fence, Result{Metrics: Metrics{PeakRAMBytes: ram, PeakVRAMBytes: vram}})
	require.NoError(t, err)
	require.Equal(t, Completed, done.Status)
	require.Equal(t, 1, b.count(`select count(*) from run_history where peak_ram = $1 and peak_vram = $2`, ram, vram))
}

// A step that stood still once does not keep hangs from being seen for ever.
func TestLongestStepsForgetAnOutlier(t *testing.T) {
	b := newBench(t)
	record := func(seconds float64) PhaseHistory {
		known, err := b.RecordPhase(b.ctx, "e", "m", PhaseRecord{Phase: "sample", MaxStepSeconds: seconds})
		require.NoError(t, err)
		all, err := b.Phases(b.ctx)
		require.NoError(t, err)
		require.Equal(t, []PhaseHistory{known}, all)
		return known
	}
	require.Equal(t, 28800.0, record(28800).MaxStepSeconds)
	for range learnedRuns - 1 {
		require.Equal(t, 28800.0, record(1).MaxStepSeconds)
	}
	require.Equal(t, PhaseHistory{"e", "m", "sample", 1, learnedRuns + 1}, record(1))
	require.Equal(
		t,
		1,
		b.count(`select count(*) from phase_history where cardinality(steps) = 20 and max_step_seconds = 1`),
	)
	b.exec(`update phase_history set steps[1] = 500, times[1] = now() - interval '31 days'`)
	require.Equal(t, 2.0, record(2).MaxStepSeconds, "what is too old does not count")
}
