package jobs

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

var (
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
	ErrChanged = errors.New("the job has changed since you read it: read it again")
	// ErrQueueFull: the owner has as many unfinished jobs as the limit allows.
	ErrQueueFull = errors.New("your queue is full: wait for a job to end, or cancel one")
	// ErrInput is wrapped by *InputError: a job, voice or parent that a Spec names cannot be used.
	ErrInput = errors.New("jobs: unusable input")
	// ErrNameTaken: the owner has a voice of that name.
	ErrNameTaken = errors.New("you already have a voice of this name: choose another, or delete that one")
	// ErrBadCursor: not a cursor that List gave out.
	ErrBadCursor = errors.New("the cursor is not one that this list gave out")
	// ErrKeyReused: the Idempotency-Key was used for another request.
	ErrKeyReused = errors.New("this Idempotency-Key was used for a different request: use a new key")
	// ErrInFlight: the first request with this Idempotency-Key has not been answered yet.
	ErrInFlight = errors.New("the first request with this Idempotency-Key is still in flight: try again in a moment")
)

// StateError says what state forbids what. It wraps ErrState; its text is for users.
type StateError struct {
	Job    uuid.UUID
	Status Status
	Detail string
}

func (e *StateError) Error() string { return e.Detail }
func (e *StateError) Unwrap() error { return ErrState }

func stateError(j *Job, format string, args ...any) error {
	return &StateError{Job: j.ID, Status: j.Status, Detail: fmt.Sprintf(format, args...)}
}

// InputError names the input that a Spec cannot have. It wraps ErrInput; its text is for users.
type InputError struct {
	// Name of the input; "parent_id" and "project_id" for those.
	Name   string
	Detail string
}

func (e *InputError) Error() string { return e.Detail }
func (e *InputError) Unwrap() error { return ErrInput }
