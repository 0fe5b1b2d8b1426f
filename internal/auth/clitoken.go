package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/apibr/studio/internal/datadir"
)

// EnsureCLIToken makes sure that path (mode 0600) holds a valid admin key of the local admin, and returns it with its
// principal. A key that the database does not know (another database, a restored one, a revoked key) is replaced by a
// new one.
func (s *Service) EnsureCLIToken(ctx context.Context, path string) (string, Principal, error) {
	secret, err := readToken(path)
	if err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	if looksLikeKey(secret) {
		p, err := s.byKey(ctx, secret)
		switch {
		case err == nil && p.Admin && p.Owner == LocalAdmin:
			return secret, p, nil
		case err != nil && !errors.Is(err, ErrUnauthenticated):
			return "", Principal{}, fmt.Errorf("cli token: %w", err)
		}
	}
	secret, _, err = s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "CLI on this machine", Scopes: []Scope{Admin}})
	if err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	if err := datadir.WriteSecret(path, []byte(secret+"\n")); err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	p, err := s.byKey(ctx, secret)
	if err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	return secret, p, nil
}

func readToken(path string) (string, error) {
	content, err := datadir.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(content)), err
}
