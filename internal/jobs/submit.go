package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// Another owner's project becomes an id that no project has, which the foreign key refuses together with the whole
// batch. A voice among $24 that is not ready any more makes the job's id null, which is refused as well.
const insertJobSQL = `
	insert into generation_jobs as j (id, owner_id, project_id, type, lane, reason, quality, model, engine, priority,
	       parameters, warnings, content_id, step, blocked_by, uses_gpu, parent_id, version, client_reference,
	       units, width, height, pictures)
	values (case when cardinality($24::uuid[]) = (select count(*) from voices v
	                                               where v.id = any($24) and v.status = 'ready'
	                                                 and (v.owner_id = $2 or v.builtin)) then $1::uuid end,
	       $2, case when $3::uuid is not null then
	         coalesce((select p.id from projects p where p.id = $3 and p.owner_id = $2),
	                  '00000000-0000-0000-0000-000000000000') end,
	       $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
	returning j.rank, j.created_at, j.queued_at`

const insertVoiceSQL = `
	insert into voices (id, owner_id, name, status, language, sample_asset_id, job_id, consent_note)
	values ($1, $2, $3, 'pending', $4, $5, $6, $7)`

const insertDepSQL = `insert into job_deps (job_id, depends_on, as_input) values ($1, $2, $3) on conflict do nothing`

// Submit stores a job with its voice, dependencies, ticket and event in one transaction and wakes this node's runner.
// Fails with *InputError, ErrQueueFull, ErrNameTaken.
//
// A job that depends on nothing unfinished is one round trip: the statements go out together and are one implicit
// transaction, so that the event counter is locked no longer than the commit takes.
func (s *Service) Submit(ctx context.Context, spec Spec) (*Job, error) {
	job, err := s.submit(ctx, spec)
	if err == nil && spec.Idempotency != nil {
		s.held.letGo(*spec.Idempotency)
	}
	return job, err
}

func (s *Service) submit(ctx context.Context, spec Spec) (job *Job, err error) {
	if err := s.checkQuota(ctx, spec.Owner, 1); err != nil {
		return nil, err
	}
	free, err := s.standsAlone(ctx, &spec)
	if err != nil {
		return nil, err
	}
	if free {
		if job, err = s.submitAlone(ctx, spec); !errors.Is(err, errNotAlone) {
			return job, err
		}
	}
	err = s.inTx(ctx, "submit", func(t *txn) error {
		job, err = s.submitTx(ctx, t, &spec)
		return err
	})
	if err != nil {
		return nil, submitError(err)
	}
	return job, nil
}

// standsAlone says that nothing that the statements find can forbid the job: no parent, no key to end, no job inputs,
// and all its voices ready.
func (s *Service) standsAlone(ctx context.Context, spec *Spec) (bool, error) {
	if spec.ParentID != nil || spec.Idempotency != nil {
		return false, nil
	}
	named := s.ready.unknown(spec.Owner, voiceIDs(spec.Inputs))
	for _, in := range spec.Inputs {
		if in.JobID != nil {
			return false, nil
		}
	}
	if len(named) == 0 {
		return true, nil
	}
	found, err := readVoices(ctx, s.cfg.Pool, spec.Owner, named)
	if err != nil {
		return false, fmt.Errorf("jobs: submit: %w", err)
	}
	for _, id := range named {
		if found[id].Status != "ready" {
			return false, nil // submitTx checks again, under a lock, and names the fault
		}
	}
	s.ready.add(spec.Owner, named)
	return true, nil
}

// errNotAlone says that a voice is not ready although it was.
var errNotAlone = errors.New("jobs: a voice of the request is not ready")

func (s *Service) submitAlone(ctx context.Context, spec Spec) (*Job, error) {
	t := &txn{}
	job, err := newJob(&spec, 1, 0)
	if err != nil {
		return nil, err
	}
	s.queueSubmit(t, &spec, job, nil, voiceIDs(spec.Inputs))
	if err := s.cfg.Pool.SendBatch(ctx, t.tail()).Close(); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == notNullViolation && pg.ColumnName == "id" {
			s.ready.clear()
			return nil, errNotAlone
		}
		return nil, submitError(fmt.Errorf("jobs: submit: %w", err))
	}
	s.committed(ctx, t)
	return job, nil
}

func (s *Service) submitTx(ctx context.Context, t *txn, spec *Spec) (*Job, error) {
	version, err := parentVersion(ctx, t, spec)
	if err != nil {
		return nil, err
	}
	deps, err := lockDeps(ctx, t, spec.Owner, spec.Inputs)
	if err != nil {
		return nil, err
	}
	job, err := newJob(spec, version, countDeps(deps))
	if err != nil {
		return nil, err
	}
	s.queueSubmit(t, spec, job, deps, []uuid.UUID{}) // lockDeps has looked at the voices
	return job, t.flush(
		ctx,
	) // before the commit goes out: the key may be in other hands, and the next Spec may name this job
}

// newJob is the row as the insert will make it; rank and times come back from it.
func newJob(spec *Spec, version, blockedBy int) (*Job, error) {
	if spec.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("jobs: new id: %w", err)
		}
		spec.ID = id
	}
	if spec.Lane == LaneNone {
		spec.Lane = LaneOf(spec.Type)
	}
	j := &Job{
		ID: spec.ID, OwnerID: spec.Owner, ProjectID: spec.ProjectID, Type: spec.Type, Lane: spec.Lane, Status: Queued,
		Quality: spec.Quality, Model: spec.Model, Engine: spec.Engine, Priority: spec.Priority,
		Params: spec.Params, Inputs: spec.Inputs, Warnings: spec.Warnings, ContentID: spec.ContentID, Step: spec.Step,
		BlockedBy: blockedBy, UsesGPU: spec.UsesGPU, ParentID: spec.ParentID, Version: version,
		ClientReference: spec.ClientReference, RowVersion: 1,
	}
	if j.Params == nil {
		j.Params = map[string]any{}
	}
	if j.Inputs == nil {
		j.Inputs = []InputRef{}
	}
	if j.Warnings == nil {
		j.Warnings = []report.Warning{}
	}
	if blockedBy > 0 {
		j.Reason = ReasonWaitingForInput
	}
	if v := spec.NewVoice; v != nil {
		if v.ID == uuid.Nil {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, fmt.Errorf("jobs: new id: %w", err)
			}
			v.ID = id
		}
		j.VoiceID = &v.ID
	}
	return j, nil
}

// queueSubmit queues the rows of a job. The insert is refused when one of the voices is not ready.
func (s *Service) queueSubmit(t *txn, spec *Spec, j *Job, deps []dep, voices []uuid.UUID) {
	b := &t.last
	size := sizeOf(j.Type, j.Params)
	b.Queue(insertJobSQL, j.ID, j.OwnerID, j.ProjectID, j.Type, nullable(j.Lane), nullable(j.Reason), j.Quality,
		nullable(j.Model), j.Engine, j.Priority, stored{j.Params, j.Inputs}, j.Warnings, j.ContentID, nullable(j.Step),
		j.BlockedBy, j.UsesGPU, j.ParentID, j.Version, nullable(j.ClientReference),
		size.units, size.width, size.height, size.pictures, voices,
	).QueryRow(func(row pgx.Row) error { return row.Scan(&j.Rank, &j.CreatedAt, &j.QueuedAt) })
	if v := spec.NewVoice; v != nil {
		b.Queue(insertVoiceSQL, v.ID, j.OwnerID, v.Name, v.Language, v.SampleAssetID, j.ID, nullable(v.ConsentNote))
	}
	for _, d := range deps {
		b.Queue(insertDepSQL, j.ID, d.job, d.input)
	}
	if k := spec.Idempotency; k != nil {
		b.Queue(endKeySQL, k.Scope, k.Route, k.Key, 202, j.ID, nil).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 0 {
				return ErrInFlight // another request took the key over; this one must leave nothing behind
			}
			return nil
		})
	}
	if j.BlockedBy == 0 {
		t.arrived(j)
	}
	t.emit(EventQueued, j)
}

const notNullViolation = "23502"

// readyVoices are voices that were found ready: one stays so until it is deleted, which the insert notices. The zero
// value works.
type readyVoices struct {
	mu    sync.Mutex
	known map[ownedVoice]struct{}
}

type ownedVoice struct{ owner, voice uuid.UUID }

// mostReady is how many voices are remembered.
const mostReady = 10_000

// unknown are the voices that were not found ready yet.
func (r *readyVoices) unknown(owner uuid.UUID, voices []uuid.UUID) (rest []uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range voices {
		if _, ok := r.known[ownedVoice{owner, id}]; !ok {
			rest = append(rest, id)
		}
	}
	return rest
}

func (r *readyVoices) add(owner uuid.UUID, voices []uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known)+len(voices) > mostReady {
		r.known = map[ownedVoice]struct{}{}
	}
	for _, id := range voices {
		r.known[ownedVoice{owner, id}] = struct{}{}
	}
}

func (r *readyVoices) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = nil
}

// submitError turns a refusal of the schema into an error that a user can act on.
func submitError(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.ConstraintName {
	case "voices_owner_name":
		return fmt.Errorf("%w (%w)", ErrNameTaken, err)
	case "generation_jobs_project_id_fkey":
		return &InputError{Name: "project_id", Detail: i18n.Say("no project of yours has this id")}
	case "voices_sample_asset_id_fkey":
		return &InputError{Name: "sample", Detail: i18n.Say("the sample is gone: upload it again")}
	default:
		return err
	}
}
