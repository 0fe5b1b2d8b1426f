package sidecar

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

// card is a fake discrete card whose numbers a test moves.
type card struct{ vram, gtt, looks atomic.Int64 }

func (c *card) host() *device.Host {
	host := fakeHost(32<<30, 64<<30)
	host.GPUs = func() []device.GPU {
		c.looks.Add(1)
		return []device.GPU{{Kind: "hip", VRAMTotal: 12 << 30, VRAMUsed: c.vram.Load(), GTTUsed: c.gtt.Load()}}
	}
	return host
}

func TestEvictWaitsForTheCardsMemory(t *testing.T) {
	var c card
	c.vram.Store(9 << 30)
	b := newBench(t, sidecartest.Echo, func(cfg *Config) { cfg.Host = c.host() })
	lease, err := b.Acquire(b.ctx(), Spec{Engine: b.manifest, Device: "hip:0"})
	require.NoError(t, err)
	b.mu.Lock()
	lease.slot.vram = 8 << 30
	b.mu.Unlock()
	lease.Release()
	evicted := make(chan error, 1)
	go func() { evicted <- b.Evict(b.ctx(), "fault", "") }()
	<-lease.slot.proc.gone
	looks := c.looks.Load()
	until(t, patience, "looks at the card", func() bool { return c.looks.Load() > looks+3 })
	select {
	case <-evicted:
		require.Fail(t, "the memory is not back yet")
	default:
	}
	c.vram.Store(1 << 30)
	require.NoError(t, <-evicted)
	require.Empty(t, b.Loaded())
}

func TestTheGuardSeesMemoryMappedForTheCard(t *testing.T) {
	var c card
	c.gtt.Store(1 << 30)
	b := newBench(t, sidecartest.Echo, func(cfg *Config) {
		cfg.Host = c.host()
		cfg.Guard = GuardConfig{
			Interval:             5 * time.Millisecond,
			MinAvailable:         -1,
			MinAvailableFraction: -1,
			PressureFull:         -1,
		}
	})
	lease, err := b.Acquire(b.ctx(), Spec{Engine: b.manifest, Device: "hip:0"})
	require.NoError(t, err)
	_, err = lease.Run(
		b.ctx(),
		b.request(sidecartest.Obedient, nil),
		Events{Phase: func(string, time.Time) { c.gtt.Store(3 << 30) }},
	)
	var guard *GuardError
	require.ErrorAs(t, err, &guard)
	require.Equal(t, int64(2<<30), guard.GTTGrowth)
	require.Equal(t, int64(2<<30), guard.GTTLimit)
	require.NotEmpty(t, guard.Phase)
	lease.Release()
}

func TestTheGuardTakesTheLargest(t *testing.T) {
	var large atomic.Int64
	var pressure atomic.Int64
	b := newBench(t, sidecartest.Echo, func(cfg *Config) {
		cfg.Guard = GuardConfig{Interval: 5 * time.Millisecond}
		cfg.Host = fakeHost(32<<30, 64<<30)
		cfg.Host.PressureFull = func() (float64, error) { return float64(pressure.Load()), nil }
		cfg.Host.GroupRSS = func(pgid int) int64 {
			if int64(pgid) == large.Load() {
				return 2 << 30
			}
			return 1 << 30
		}
	})
	one, two := b.acquire(), b.acquire()
	large.Store(int64(two.PID()))
	pressure.Store(40)
	<-two.slot.proc.gone
	var guard *GuardError
	require.ErrorAs(t, two.slot.proc.end, &guard)
	require.Equal(
		t,
		"memory pressure reached 40.0 %, above the limit of 15.0 %: close other programs, or choose a smaller size",
		guard.Error()[len("engine fault was stopped to protect the computer: "):],
	)
	_, err := one.Run(b.ctx(), b.request("", nil), Events{})
	require.NoError(t, err, "the average still shows what was, so the next is left alone")
	one.Release()
	two.Release()
}

func TestSparesGoFirstWhenMemoryFalls(t *testing.T) {
	var available atomic.Int64
	available.Store(32 << 30)
	b := newBench(t, sidecartest.Echo, func(cfg *Config) {
		cfg.Spare = true
		cfg.Guard = GuardConfig{Interval: 5 * time.Millisecond}
		cfg.Host = fakeHost(0, 0)
		cfg.Host.Memory = func() (int64, int64, error) { return 32 << 30, available.Load(), nil }
	})
	lease := b.acquire()
	b.Warm(b.manifest)
	require.Len(t, b.living(), 2)
	available.Store(3 << 30) // above the floor of 2 GiB, below twice that
	until(t, patience, "the end of the spare", func() bool { return len(b.living()) == 1 })
	require.True(t, alive(lease.PID()))
	lease.Release()
}

func TestSparesAreEvictedForALoad(t *testing.T) {
	var available atomic.Int64
	available.Store(20 << 30)
	b := newBench(t, sidecartest.Echo, func(cfg *Config) {
		cfg.Spare = true
		cfg.Host = fakeHost(0, 0)
		cfg.Host.Memory = func() (int64, int64, error) { return 32 << 30, available.Load(), nil }
		cfg.Host.ProcessPrivate = func(int) int64 { return 1 << 30 }
	})
	other := sidecartest.Manifest("other")
	b.Warm(other)
	require.Equal(t, int64(1<<30), b.SpareRAM())
	acquire := func(ram int64) {
		lease, err := b.Acquire(
			b.ctx(),
			Spec{Engine: b.manifest, Plan: plan.Plan{Memory: device.Memory{RAM: ram}, Batch: 1}},
		)
		require.NoError(t, err)
		require.NoError(t, b.evictAfter(lease))
	}
	acquire(10 << 30)
	require.Equal(t, int64(1<<30), b.SpareRAM(), "there is memory for both")
	acquire(21 << 30)
	require.Zero(t, b.SpareRAM())
}

func (b *bench) evictAfter(lease *Lease) error {
	lease.Release()
	return b.Evict(b.ctx(), lease.slot.engine.ID, "")
}

// A process in uninterruptible sleep cannot be made here; what the owner does about one can.
func TestProcessThatSurvivesKillIsReported(t *testing.T) {
	cfg := New(Config{Log: slog.New(slog.DiscardHandler)}).cfg
	pr := &process{
		cfg:    &cfg,
		engine: sidecartest.Manifest("fault"),
		stuck:  make(chan struct{}),
		gone:   make(chan struct{}),
	}
	c := &call{method: methodRun, reply: make(chan outcome, 1)}
	l := &life{process: pr, call: c, watch: newWatch(pr.limits(""), phaseRun, noon), killedAt: noon, lastTick: noon}
	l.tick(noon.Add(cfg.KillWait - time.Second))
	require.Empty(t, c.reply)
	l.tick(noon.Add(cfg.KillWait))
	l.tick(noon.Add(2 * cfg.KillWait))
	out := <-c.reply
	var said *EngineError
	require.ErrorAs(t, out.err, &said)
	require.Equal(t, DeviceLost, said.Code)
	require.False(t, pr.awaitGone(t.Context()))
}

func TestMemoryOfAnEngineIsPlannedForItsCard(t *testing.T) {
	var c card
	p := New(Config{Host: c.host()})
	m := &engine.Manifest{ID: "e", Memory: []engine.MemoryPlan{
		{
			Device:  "gpu",
			Variant: "small",
			Memory:  device.Memory{VRAM: 5},
		}, {Device: "hip", Variant: "large", MinVRAMBytes: 10 << 30, Memory: device.Memory{VRAM: 9}},
	}}
	spec := p.complete(Spec{Engine: m, Device: "hip:0"})
	require.Equal(t, "large", spec.Variant)
	require.Equal(t, int64(9), spec.Plan.VRAM)
}
