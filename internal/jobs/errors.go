package jobs

import (
	"errors"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/i18n"
)

var (
	// ErrNoSegment: the job has no such segment, or none yet.
	ErrNoSegment = errors.New("jobs: no such segment")
	// ErrNotFound: no such job, or another owner's.
	ErrNotFound = errors.New("jobs: not found")
	// ErrFenced: another attempt owns this job, or it ended; throw the files of this run away.
	ErrFenced = errors.New("jobs: another attempt owns this job")
	// ErrUnreadable: the result holds a value that could be written and never read again, as the number 1e400.
	ErrUnreadable = errors.New("jobs: a value that cannot be read back")
	// ErrNotClaimable: the job is not queued, waits for an input or for its time, or is being canceled.
	ErrNotClaimable = errors.New("jobs: not claimable")
	// ErrState is wrapped by *StateError: the job's state does not allow it.
	ErrState = errors.New("jobs: not possible in this state")
	// ErrChanged: the row version asked for is no longer the current one.
	ErrChanged = i18n.NewError("the job has changed since you read it: read it again")
	// ErrQueueFull: the owner has as many unfinished jobs as the limit allows.
	ErrQueueFull = i18n.NewError("your queue is full: wait for a job to end, or cancel one")
	// ErrInput is wrapped by *InputError: a job, voice or parent that a Spec names cannot be used.
	ErrInput = errors.New("jobs: unusable input")
	// ErrNameTaken: the owner has a voice of that name.
	ErrNameTaken = i18n.NewError("you already have a voice of this name: choose another, or delete that one")
	// ErrBadCursor: not a cursor that List gave out.
	ErrBadCursor = i18n.NewError("the cursor is not one that this list gave out")
	// ErrKeyReused: the Idempotency-Key was used for another request.
	ErrKeyReused = i18n.NewError("this Idempotency-Key was used for a different request: use a new key")
	// ErrInFlight: the first request with this Idempotency-Key has not been answered yet.
	ErrInFlight = i18n.NewError("the first request with this Idempotency-Key is still in flight: try again in a moment")
)

// StateError names a state and the command that it forbids. It wraps ErrState; its text is for users.
type StateError struct {
	Job    uuid.UUID
	Status Status
	Detail i18n.Sentence
}

func (e *StateError) Error() string           { return e.Detail.String() }
func (e *StateError) Unwrap() error           { return ErrState }
func (e *StateError) Sentence() i18n.Sentence { return e.Detail }

func stateError(j *Job, format string, args ...any) error {
	return &StateError{Job: j.ID, Status: j.Status, Detail: i18n.Say(format, args...)}
}

// InputError names the input that a Spec cannot have. It wraps ErrInput; its text is for users.
type InputError struct {
	// Name of the input; "parent_id" and "project_id" for those.
	Name   string
	Detail i18n.Sentence
}

func (e *InputError) Error() string           { return e.Detail.String() }
func (e *InputError) Unwrap() error           { return ErrInput }
func (e *InputError) Sentence() i18n.Sentence { return e.Detail }
