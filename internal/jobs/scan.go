package jobs

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/apibr/studio/internal/report"
)

// jobCols are the columns of a job under the alias j, in the order of scanJob; good for select and returning alike.
const jobCols = `j.id, j.owner_id, j.project_id, j.type, coalesce(j.lane, ''), j.status, coalesce(j.reason, ''),
	j.quality, coalesce(j.model, ''), j.engine, j.priority, j.rank, j.parameters, j.result, j.error, j.warnings,
	j.metrics, j.content_id, coalesce(j.step, ''), j.blocked_by, j.not_before, j.attempt, j.faults, j.host_restarts,
	j.fence, coalesce(j.device, ''),
	j.uses_gpu, j.node_id, j.boot_id, j.cancel_requested_at, j.parent_id, j.version, coalesce(j.client_reference, ''),
	j.row_version, j.created_at, j.queued_at, j.started_at, j.completed_at, j.shortage`

// viewCols and viewFrom add the values that a reader sees beyond the row.
const (
	viewCols = jobCols + `,
	case when j.type = 'audio.clone_voice' then (select v.id from voices v where v.job_id = j.id limit 1) end,
	p.progress, p.detail,
	(select paused from queue_state),
	exists (select from generation_jobs r where r.status = 'processing' and r.uses_gpu and r.device <> 'cpu')`
	viewFrom = ` from generation_jobs j ` + viewJoins

	viewJoins = `
	left join job_progress p on p.job_id = j.id and p.fence = j.fence and j.status = 'processing'`
)

// stored is generation_jobs.parameters.
type stored struct {
	Params map[string]any `json:"params"`
	Inputs []InputRef     `json:"inputs"`
}

func jobDests(j *Job, p *stored, notBefore *pgtype.Timestamptz) []any {
	return []any{
		&j.ID, &j.OwnerID, &j.ProjectID, &j.Type, &j.Lane, &j.Status, &j.Reason, &j.Quality,
		&j.Model, &j.Engine, &j.Priority, &j.Rank, p, &j.Result, &j.Error, &j.Warnings, &j.Metrics, &j.ContentID,
		&j.Step, &j.BlockedBy, notBefore, &j.Attempt, &j.Faults, &j.HostRestarts, &j.Fence, &j.Device,
		&j.UsesGPU, &j.NodeID, &j.BootID, &j.CancelRequestedAt, &j.ParentID, &j.Version, &j.ClientReference,
		&j.RowVersion, &j.CreatedAt, &j.QueuedAt, &j.StartedAt, &j.CompletedAt, &j.Shortage,
	}
}

func (j *Job) settle(p stored, notBefore pgtype.Timestamptz) {
	j.Params, j.Inputs = p.Params, p.Inputs
	if j.Reason != ReasonNoMemory {
		j.Shortage = nil
	}
	if j.Params == nil {
		j.Params = map[string]any{}
	}
	if notBefore.InfinityModifier == pgtype.Finite {
		j.NotBefore = notBefore.Time
	}
}

// scanJob reads jobCols.
func scanJob(row pgx.CollectableRow) (*Job, error) {
	var (
		j         Job
		p         stored
		notBefore pgtype.Timestamptz
	)
	if err := row.Scan(jobDests(&j, &p, &notBefore)...); err != nil {
		return nil, err
	}
	j.settle(p, notBefore)
	return &j, nil
}

// scanView reads viewCols.
func scanView(row pgx.CollectableRow) (*Job, error) {
	var (
		j         Job
		p         stored
		notBefore pgtype.Timestamptz
		value     *float64
		detail    *report.Progress
		paused    bool
		busy      bool // a card runs a job
	)
	if err := row.Scan(append(jobDests(&j, &p, &notBefore), &j.VoiceID, &value, &detail, &paused,
		&busy)...); err != nil {
		return nil, err
	}
	j.settle(p, notBefore)
	if value != nil && detail != nil {
		detail.Fraction = *value
		j.Progress = detail
	}
	if paused && j.Status == Queued && j.Reason == ReasonNone && j.Lane != LaneNone {
		j.Reason = ReasonPaused
	}
	if busy && j.Status == Queued && j.Reason == ReasonNone && j.UsesGPU && j.BlockedBy == 0 && j.Lane != LaneNone {
		j.Reason = ReasonDeviceBusy
	}
	return &j, nil
}

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// one returns the job that a statement with jobCols yields; pgx.ErrNoRows when none.
func one(ctx context.Context, q querier, sql string, args ...any) (*Job, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, scanJob)
}

func many(ctx context.Context, q querier, sql string, args ...any) ([]*Job, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanJob)
}

// nullable turns "" into null.
func nullable[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	v := string(s)
	return &v
}
