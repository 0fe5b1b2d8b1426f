package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const setReasonSQL = `
	update generation_jobs j
	   set reason = r.reason, shortage = r.shortage::jsonb, row_version = row_version + 1
	  from unnest($1::uuid[], $2::text[], $3::text[]) as r (id, reason, shortage)
	 where j.id = r.id and j.status = 'queued' and j.blocked_by = 0
	   and (j.reason is null or j.reason in ('no_memory', 'host_restarted', 'backing_off'))
	   and j.reason is distinct from r.reason
	   and not (j.reason = 'backing_off' and j.not_before > now())
	   and not (r.reason is null and j.reason = 'host_restarted')
	returning ` + jobCols

// New numbers alone send no event: readers of the job see them.
const refreshShortageSQL = `
	update generation_jobs j
	   set shortage = r.shortage::jsonb, row_version = row_version + 1
	  from unnest($1::uuid[], $2::text[]) as r (id, shortage)
	 where j.id = r.id and j.status = 'queued' and j.reason = 'no_memory'
	   and j.shortage is distinct from r.shortage::jsonb`

const shortJobsSQL = `
	select id, shortage from generation_jobs
	 where owner_id = $1 and status = 'queued' and reason = 'no_memory' and shortage is not null
	 order by rank limit 100`

// Shortage describes the memory that a job with ReasonNoMemory waits for, in bytes: its need, and the free memory at
// the last check.
type Shortage struct {
	Device     string `json:"device"`
	NeededRAM  int64  `json:"needed_ram_bytes"`
	FreeRAM    int64  `json:"free_ram_bytes"`
	NeededVRAM int64  `json:"needed_vram_bytes"`
	FreeVRAM   int64  `json:"free_vram_bytes"`
}

// ShortJob is a job of GET /queue that waits for memory.
type ShortJob struct {
	JobID uuid.UUID `json:"job_id"`
	Shortage
}

// SetReason says why queued jobs wait (ReasonNoMemory, or ReasonNone to take it back); rows that have the reason
// already, or another reason of their own, do not change.
func (s *Service) SetReason(ctx context.Context, reasons map[uuid.UUID]Reason) error {
	return s.setReasons(ctx, reasons, nil)
}

// SetNoMemory says of queued jobs that they wait for memory, and of how much.
func (s *Service) SetNoMemory(ctx context.Context, short map[uuid.UUID]Shortage) error {
	reasons := make(map[uuid.UUID]Reason, len(short))
	for id := range short {
		reasons[id] = ReasonNoMemory
	}
	return s.setReasons(ctx, reasons, short)
}

func (s *Service) setReasons(ctx context.Context, reasons map[uuid.UUID]Reason, short map[uuid.UUID]Shortage) error {
	if len(reasons) == 0 {
		return nil
	}
	ids := sortedIDs(reasons)
	words, numbers := make([]*string, len(ids)), make([]*string, len(ids))
	for i, id := range ids {
		words[i], numbers[i] = nullable(reasons[id]), asText(short, id)
	}
	return s.inTx(ctx, "set reason", func(t *txn) error {
		changed, err := many(ctx, t, setReasonSQL, ids, words, numbers)
		if err != nil {
			return err
		}
		for _, j := range changed {
			t.emit(EventUpdated, j)
		}
		return nil
	})
}

// RefreshShortage brings the numbers of jobs that wait for memory up to date, without an event.
func (s *Service) RefreshShortage(ctx context.Context, short map[uuid.UUID]Shortage) error {
	if len(short) == 0 {
		return nil
	}
	ids := sortedIDs(short)
	numbers := make([]*string, len(ids))
	for i, id := range ids {
		numbers[i] = asText(short, id)
	}
	if _, err := s.cfg.Pool.Exec(ctx, refreshShortageSQL, ids, numbers); err != nil {
		return fmt.Errorf("jobs: refresh shortage: %w", err)
	}
	return nil
}

func sortedIDs[T any](of map[uuid.UUID]T) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(of))
	for id := range of {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

func asText(short map[uuid.UUID]Shortage, id uuid.UUID) *string {
	shortage, ok := short[id]
	if !ok {
		return nil
	}
	raw, _ := json.Marshal(shortage) // numbers and a word: cannot fail
	text := string(raw)
	return &text
}

// shortJobs are the owner's jobs that wait for memory, with the numbers.
func (s *Service) shortJobs(ctx context.Context, owner uuid.UUID) ([]ShortJob, error) {
	rows, err := s.cfg.Pool.Query(ctx, shortJobsSQL, owner)
	if err != nil {
		return nil, fmt.Errorf("jobs: short of memory: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j ShortJob, err error) {
		err = row.Scan(&j.JobID, &j.Shortage)
		return j, err
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: short of memory: %w", err)
	}
	return found, nil
}
