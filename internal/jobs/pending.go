package jobs

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Service is the jobs of one database as one node sees them. Safe for concurrent use.
type Service struct{ cfg Config }

// New makes a Service.
func New(cfg Config) *Service { cfg.setDefaults(); return &Service{cfg: cfg} }

// SetWake sets Config.Wake once the runner exists.
func (s *Service) SetWake(wake func()) {}

// Submit stores a job with its voice, dependencies, ticket and event in one transaction and wakes this node's runner.
// Fails with *InputError, ErrQueueFull, ErrNameTaken.
func (s *Service) Submit(ctx context.Context, spec Spec) (*Job, error) { return nil, ErrNotFound }

// SubmitTx is Submit inside the caller's transaction, as its last statements; call the returned function after the commit.
func (s *Service) SubmitTx(ctx context.Context, tx pgx.Tx, specs ...Spec) ([]*Job, func(context.Context), error) {
	return nil, nil, ErrNotFound
}

// BeginIdempotent takes a key before a create. nil, nil: go on, and end with Spec.Idempotency, EndIdempotent or
// AbandonIdempotent. A Replay: the answer exists. Fails with ErrKeyReused or ErrInFlight.
func (s *Service) BeginIdempotent(ctx context.Context, key IdempotencyKey, hash []byte) (*Replay, error) {
	return nil, nil
}

// EndIdempotent stores the answer of a create that is not a job.
func (s *Service) EndIdempotent(ctx context.Context, key IdempotencyKey, r Replay) error { return nil }

// AbandonIdempotent frees a key whose request was refused.
func (s *Service) AbandonIdempotent(ctx context.Context, key IdempotencyKey) error { return nil }

// RequestHash is the hash of normalised fields (anything JSON) and the SHA-256 of the request's files, in order.
func RequestHash(fields any, files ...string) ([]byte, error) { return nil, nil }

// Get returns a job of the owner; ErrNotFound for every other id.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Job, error) { return nil, ErrNotFound }

// GetAny returns a job whoever owns it: for events, links and the runner.
func (s *Service) GetAny(ctx context.Context, id uuid.UUID) (*Job, error) { return nil, ErrNotFound }

// GetMany returns the jobs of these ids that exist, whoever owns them, in the order of ids.
func (s *Service) GetMany(ctx context.Context, ids []uuid.UUID) ([]*Job, error) { return nil, nil }

// Active returns the unfinished jobs (owner nil: of all), oldest first: the snapshot of api.md with the sequence number
// that it is as of.
func (s *Service) Active(ctx context.Context, owner *uuid.UUID) (jobs []*Job, asOf int64, err error) {
	return nil, 0, nil
}

// List returns a page of the owner's jobs, newest first. Fails with ErrBadCursor.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) (Page, error) {
	return Page{}, nil
}

// Wait returns the job once it has ended or timeout has passed, whichever is first.
func (s *Service) Wait(ctx context.Context, owner, id uuid.UUID, timeout time.Duration) (*Job, error) {
	return nil, ErrNotFound
}

// Outlooks returns positions and ETAs of these jobs.
func (s *Service) Outlooks(ctx context.Context, jobs ...*Job) (map[uuid.UUID]Outlook, error) {
	return nil, nil
}

// Cancel ends a queued job at once and asks the node of a running one to; a finished job is returned as it is.
func (s *Service) Cancel(ctx context.Context, owner, id uuid.UUID) (*Job, error) {
	return nil, ErrNotFound
}

// Retry queues a failed or canceled job again, under the same id. Fails with *StateError otherwise.
func (s *Service) Retry(ctx context.Context, owner, id uuid.UUID) (*Job, error) {
	return nil, ErrNotFound
}

// Update applies a Patch to a queued job. Fails with *StateError, *InputError, ErrChanged.
func (s *Service) Update(ctx context.Context, owner, id uuid.UUID, p Patch) (*Job, error) {
	return nil, ErrNotFound
}

// Delete removes a job and its outputs' rows; a queued one is canceled by it. Fails with *StateError while it runs.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error { return ErrNotFound }

// Queue returns the state of the queue. owner nil: counts all jobs, else the owner's.
func (s *Service) Queue(ctx context.Context, owner *uuid.UUID) (*QueueInfo, error) { return nil, nil }

// QueueState returns whether the queue is paused, and why.
func (s *Service) QueueState(ctx context.Context) (QueueState, error) { return QueueState{}, nil }

// SetPaused pauses or resumes claiming on all nodes; what runs goes on. Doing it twice changes nothing.
func (s *Service) SetPaused(ctx context.Context, paused bool, cause, message string) (QueueState, error) {
	return QueueState{}, nil
}

// Waiting returns what could run now: queued jobs of lanes, unblocked, whose time has come; none while the queue is paused.
// next is when the next job that backs off may run, zero when none does.
func (s *Service) Waiting(ctx context.Context) (jobs []Waiting, next time.Time, err error) {
	return nil, time.Time{}, nil
}

// SetReason says why queued jobs wait (ReasonNoMemory, or ReasonNone to take it back); rows that say so already, or that
// have another reason of their own, stay as they are.
func (s *Service) SetReason(ctx context.Context, reasons map[uuid.UUID]Reason) error { return nil }

// Claim takes a job for this node and resolves its inputs. Fails with ErrNotClaimable when another was faster or the queue is
// paused, and with ErrInput when an input is gone, in which case the job has failed.
func (s *Service) Claim(ctx context.Context, id uuid.UUID, device string) (*Claimed, error) {
	return nil, ErrNotClaimable
}

// AddSegment keeps a finished segment whose blob row it makes too. Fails with ErrFenced.
func (s *Service) AddSegment(ctx context.Context, id uuid.UUID, fence int64, seg Segment) error {
	return ErrFenced
}

// Segments returns the finished segments of a job from index 0 without a hole.
func (s *Service) Segments(ctx context.Context, id uuid.UUID) ([]Segment, error) { return nil, nil }

// SetProgress stores the last progress of a run; call it at most once a second. Fails with ErrFenced.
func (s *Service) SetProgress(ctx context.Context, id uuid.UUID, fence int64, p Progress) error {
	return ErrFenced
}

// CancelRequested says whether a run was asked to stop; also true with ErrFenced when it no longer owns the job.
func (s *Service) CancelRequested(ctx context.Context, id uuid.UUID, fence int64) (bool, error) {
	return false, nil
}

// Finish completes a run: job, outputs, dependents and their tickets, voice, history, event. Fails with ErrFenced.
func (s *Service) Finish(ctx context.Context, id uuid.UUID, fence int64, r Result) (*Job, error) {
	return nil, ErrFenced
}

// Fail ends a run for good. fault says that it counts as one. Dependents fail with it. Fails with ErrFenced.
func (s *Service) Fail(ctx context.Context, id uuid.UUID, fence int64, p Problem, fault bool) error {
	return ErrFenced
}

// Fault counts a fault: the job goes back to the queue for backoff (1 s, then 5 s), or fails with p at the last one.
// It returns whether the job will run again. Fails with ErrFenced.
func (s *Service) Fault(ctx context.Context, id uuid.UUID, fence int64, p Problem) (again bool, err error) {
	return false, ErrFenced
}

// FinishCanceled ends a run that was canceled. Fails with ErrFenced.
func (s *Service) FinishCanceled(ctx context.Context, id uuid.UUID, fence int64) error {
	return ErrFenced
}

// Requeue hands a run back without a verdict: a soft stop, a lost model slot. notBefore zero is now. Fails with ErrFenced.
func (s *Service) Requeue(ctx context.Context, id uuid.UUID, fence int64, reason Reason, notBefore time.Time, fault bool) error {
	return ErrFenced
}

// RecordPhases keeps the longest step of each phase of a run.
func (s *Service) RecordPhases(ctx context.Context, engine, model string, phases []PhaseRecord) error {
	return nil
}

// MaxStep returns the longest gap between two steps that a phase ever had, and in how many runs it was seen.
func (s *Service) MaxStep(ctx context.Context, engine, model, phase string) (time.Duration, int, error) {
	return 0, 0, nil
}

// Units is what the length of a run depends on: characters for speech, megapixels for pictures, megapixels times frames for video.
func Units(t Type, params map[string]any) float64 { return 0 }

func orderByRank(context.Context, []Waiting) []uuid.UUID { return nil }

// CancelChannel is where Cancel of a running job is notified; the payload is the job's id.
const CancelChannel = "apibr_cancel"

// NodeConfig of RunNode.
type NodeConfig struct {
	// Shared says that other nodes may use the database: a node that cannot beat for LostAfter calls OnLost.
	Shared bool
	// OnLost must kill this node's sidecars: another node may be about to take its jobs.
	OnLost func()
	// Beat is the time between two beats. Default 1 s.
	Beat time.Duration
	// DeadAfter is the age of the last beat at which a node is taken for dead. Default 15 s.
	DeadAfter time.Duration
	// Grace after the start of the database in which nobody is. Default 15 s.
	Grace time.Duration
	// LostAfter is how long beats may fail. Default 10 s, less than DeadAfter.
	LostAfter time.Duration
}

// Recover registers this node's boot and takes back the jobs of its earlier ones. Call it once, before anything claims,
// under the lock of the data directory. It returns how many jobs it took back.
func (s *Service) Recover(ctx context.Context) (int, error) { return 0, nil }

// RunNode beats and reaps until ctx ends: a service.
func (s *Service) RunNode(ctx context.Context, cfg NodeConfig) error { <-ctx.Done(); return nil }

// Reap takes back the jobs of dead nodes; RunNode calls it at each beat.
func (s *Service) Reap(ctx context.Context, cfg NodeConfig) (int, error) { return 0, nil }

// Sweep deletes what is past its keeping: events, idempotency keys, old run history. For a util job.
func (s *Service) Sweep(ctx context.Context, eventsOlderThan time.Duration) error { return nil }
