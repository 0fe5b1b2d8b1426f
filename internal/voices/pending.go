package voices

import (
	"context"

	"github.com/google/uuid"
)

// EnsureBuiltins writes the built-in voices, once at start; doing it again updates them.
func (s *Service) EnsureBuiltins(ctx context.Context, voices []Builtin) error { return nil }

// Get returns a voice that the owner sees.
func (s *Service) Get(ctx context.Context, owner, id uuid.UUID) (*Voice, error) {
	return nil, ErrNotFound
}

// Find takes what a request may hold as voice_id: the id, or the exact name of one of the caller's voices (then of a built-in one).
func (s *Service) Find(ctx context.Context, owner uuid.UUID, idOrName string) (*Voice, error) {
	return nil, ErrNotFound
}

// List returns the owner's voices, newest first, then the built-in ones by name.
func (s *Service) List(ctx context.Context, owner uuid.UUID, f Filter) ([]*Voice, error) {
	return nil, nil
}

// Update renames a voice or changes what is known of it. Fails with ErrBuiltin, ErrNameTaken.
func (s *Service) Update(ctx context.Context, owner, id uuid.UUID, p Patch) (*Voice, error) {
	return nil, ErrNotFound
}

// Delete removes a voice; ErrInUse while an unfinished job needs it, ErrBuiltin.
func (s *Service) Delete(ctx context.Context, owner, id uuid.UUID) error { return ErrNotFound }
