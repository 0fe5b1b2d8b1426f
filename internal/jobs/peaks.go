package jobs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const recordPeakSQL = `
	insert into memory_peaks as p (node_id, engine, model, variant, device, size, ram, vram) values ($1, $2, $3, $4, $5, $6, $7, $8)
	on conflict (node_id, engine, model, variant, device, size) do update
	   set ram = greatest(p.ram, excluded.ram), vram = greatest(p.vram, excluded.vram), runs = p.runs + 1, updated_at = now()`

const peaksSQL = `select engine, model, variant, device, size, ram, vram from memory_peaks where node_id = $1`

// PeakKey is what the memory of a run depends on.
type PeakKey struct {
	Engine, Model, Variant string
	Device                 string // Device is cpu, hip or cuda.
	Size                   int    // Size is the class of plan.Size; 0 for what makes no pictures.
}

// Peak is the most that runs took, in bytes.
type Peak struct{ RAM, VRAM int64 }

// PeakRecord is the peak of one run.
type PeakRecord struct {
	PeakKey
	Peak
}

// Peaks are all that this node has seen.
func (s *Service) Peaks(ctx context.Context) (map[PeakKey]Peak, error) {
	rows, err := s.cfg.Pool.Query(ctx, peaksSQL, s.cfg.NodeID)
	if err != nil {
		return nil, fmt.Errorf("jobs: peaks: %w", err)
	}
	peaks := map[PeakKey]Peak{}
	var k PeakKey
	var p Peak
	_, err = pgx.ForEachRow(rows, []any{&k.Engine, &k.Model, &k.Variant, &k.Device, &k.Size, &p.RAM, &p.VRAM}, func() error {
		peaks[k] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: peaks: %w", err)
	}
	return peaks, nil
}

func (s *Service) recordPeak(ctx context.Context, t *txn, r *PeakRecord) error {
	if r == nil {
		return nil
	}
	if _, err := t.Exec(ctx, recordPeakSQL, s.cfg.NodeID, r.Engine, r.Model, r.Variant, r.Device, r.Size, r.RAM, r.VRAM); err != nil {
		return fmt.Errorf("peak: %w", err)
	}
	return nil
}
