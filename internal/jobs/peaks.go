package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/device"
)

const (
	// learnedRuns is how many runs of a kind are remembered: a single measurement, in a run that went wrong or next to
	// another program, must not decide for ever.
	learnedRuns = 20
	// learnedFor is how long one of them counts.
	learnedFor = 30 * 24 * time.Hour
	// loneRuns is how many other runs it takes to disbelieve a peak that only one of them had.
	loneRuns = 5
	// likeShare is the share of a peak that another run must have taken to confirm it.
	likeShare = 0.8
)

// The newest first; ram and vram are the most of those that are kept.
const recordPeakSQL = `
	insert into memory_peaks as p (node_id, engine, model, variant, device, size, ram, vram, rams, vrams, times)
	values ($1, $2, $3, $4, $5, $6, $7, $8, array[$7::bigint], array[$8::bigint], array[now()])
	on conflict (node_id, engine, model, variant, device, size) do update
	   set ram = (select max(x) from unnest((excluded.rams || p.rams)[1:20]) x),
	       vram = (select max(x) from unnest((excluded.vrams || p.vrams)[1:20]) x),
	       rams = (excluded.rams || p.rams)[1:20], vrams = (excluded.vrams || p.vrams)[1:20],
	       times = (excluded.times || p.times)[1:20],
	       runs = p.runs + 1, updated_at = now()`

const peaksSQL = `
	select engine, model, variant, device, size, ram, vram, rams, vrams, times, updated_at 
	  from memory_peaks where node_id = $1`

// PeakKey holds the properties on which the memory of a run depends.
type PeakKey struct {
	Engine, Model, Variant string
	Device                 string // Device is cpu, hip or cuda.
	Size                   int    // Size is the class of plan.Size; 0 for what makes no pictures.
}

// PeakRecord is the peak of one run.
type PeakRecord struct {
	PeakKey
	device.Memory
}

// PeakWindow are the peaks of the last runs of a kind. The zero value has none.
type PeakWindow struct{ seen []seenPeak }

type seenPeak struct {
	device.Memory
	at time.Time
}

// Add takes in one more run.
func (w *PeakWindow) Add(p device.Memory, at time.Time) {
	w.seen = append(w.seen, seenPeak{p, at})
	slices.SortStableFunc(w.seen, func(a, b seenPeak) int { return b.at.Compare(a.at) })
	w.seen = w.seen[:min(len(w.seen), learnedRuns)]
}

// Highest is the most that the runs took, without a peak that one run had and several others were far from.
func (w *PeakWindow) Highest(now time.Time) device.Memory {
	return w.each(now, func(values []int64) int64 {
		if len(values) > loneRuns && !confirms(values[1], values[0]) {
			return values[1]
		}
		return values[0]
	})
}

// Confirmed is the most that at least two runs took. It is 0 after a single run, because one run is not
// enough to refuse anything.
func (w *PeakWindow) Confirmed(now time.Time) device.Memory {
	return w.each(now, func(values []int64) int64 {
		switch {
		case len(values) < 2:
			return 0
		case confirms(values[1], values[0]):
			return values[0]
		default:
			return values[1]
		}
	})
}

func confirms(second, first int64) bool { return float64(second) >= likeShare*float64(first) }

// each measures RAM and VRAM by a rule over the values that still count, the largest first.
func (w *PeakWindow) each(now time.Time, rule func([]int64) int64) device.Memory {
	var ram, vram []int64
	for _, s := range w.seen {
		if now.Sub(s.at) < learnedFor {
			ram, vram = append(ram, s.RAM), append(vram, s.VRAM)
		}
	}
	if len(ram) == 0 {
		return device.Memory{}
	}
	for _, values := range [][]int64{ram, vram} {
		slices.Sort(values)
		slices.Reverse(values)
	}
	return device.Memory{RAM: rule(ram), VRAM: rule(vram)}
}

// PeakWindows are this node's measurements of each kind of run.
func (s *Service) PeakWindows(ctx context.Context) (map[PeakKey]*PeakWindow, error) {
	rows, err := s.cfg.Pool.Query(ctx, peaksSQL, s.cfg.NodeID)
	if err != nil {
		return nil, fmt.Errorf("jobs: peaks: %w", err)
	}
	windows := map[PeakKey]*PeakWindow{}
	var (
		k           PeakKey
		most        device.Memory
		rams, vrams []int64
		times       []time.Time
		updated     time.Time
	)
	dests := []any{
		&k.Engine,
		&k.Model,
		&k.Variant,
		&k.Device,
		&k.Size,
		&most.RAM,
		&most.VRAM,
		&rams,
		&vrams,
		&times,
		&updated,
	}
	_, err = pgx.ForEachRow(rows, dests, func() error {
		w := &PeakWindow{}
		for i := range min(len(rams), len(vrams), len(times)) {
			w.Add(device.Memory{RAM: rams[i], VRAM: vrams[i]}, times[i])
		}
		if len(w.seen) == 0 {
			w.Add(most, updated)
		}
		windows[k] = w
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: peaks: %w", err)
	}
	return windows, nil
}

// Peaks are the highest of all that this node has seen, as PeakWindow.Highest.
func (s *Service) Peaks(ctx context.Context) (map[PeakKey]device.Memory, error) {
	windows, err := s.PeakWindows(ctx)
	if err != nil {
		return nil, err
	}
	peaks, now := map[PeakKey]device.Memory{}, time.Now()
	for k, w := range windows {
		if p := w.Highest(now); p != (device.Memory{}) {
			peaks[k] = p
		}
	}
	return peaks, nil
}
