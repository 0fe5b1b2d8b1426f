package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// EnsureCLIToken makes sure that path (mode 0600) holds a valid admin key of the local admin, and returns it and who has it. A key
// that the database does not know (another database, a restored one, a revoked key) is replaced by a new one.
func (s *Service) EnsureCLIToken(ctx context.Context, path string) (string, Principal, error) {
	if secret := readToken(path); looksLikeKey(secret) {
		p, err := s.byKey(ctx, secret)
		switch {
		case err == nil && p.Admin && p.Owner == LocalAdmin:
			if err := os.Chmod(path, 0o600); err != nil {
				return "", Principal{}, fmt.Errorf("cli token: %w", err)
			}
			return secret, p, nil
		case err != nil && !errors.Is(err, ErrUnauthenticated):
			return "", Principal{}, fmt.Errorf("cli token: %w", err)
		}
	}
	secret, _, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "CLI on this machine", Scopes: []Scope{Admin}})
	if err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	if err := writeToken(path, secret); err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	p, err := s.byKey(ctx, secret)
	if err != nil {
		return "", Principal{}, fmt.Errorf("cli token: %w", err)
	}
	return secret, p, nil
}

func readToken(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// writeToken replaces the file whole, so that a CLI that reads at this moment gets the old token or the new one.
func writeToken(path, secret string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".cli.token-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.WriteString(secret + "\n"); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
