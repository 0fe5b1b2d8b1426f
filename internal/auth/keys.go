package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

const keyCols = `id, owner_id, name, prefix, scopes, limits, created_at, expires_at, last_used_at, revoked_at, made_by`

const createKeySQL = `
	insert into api_keys (id, owner_id, name, prefix, hash, scopes, limits, created_at, expires_at, made_by)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
	returning ` + keyCols

const listKeysSQL = `select ` + keyCols + ` from api_keys where owner_id = $1 order by created_at desc, id desc`

const revokeKeySQL = `
	update api_keys set revoked_at = coalesce(revoked_at, $3) where id = $1 and owner_id = $2 returning ` + keyCols

// ErrKeyName and ErrKeyExpiry refuse a key that cannot be made.
var (
	ErrKeyName   = i18n.NewError("a key needs a name of 1 to 100 characters")
	ErrKeyExpiry = i18n.NewError("a key cannot expire in the past")
	// ErrKeyOutlives refuses a key that would expire after the key that makes it.
	ErrKeyOutlives = i18n.NewError("a key cannot expire later than the key that makes it: choose an earlier expires_at")
)

// CreateKey makes a key and returns its secret, which is shown once and cannot be read again. ErrBadScope, ErrKeyName,
// ErrKeyExpiry, ErrKeyOutlives. A key without expiry expires with the key that makes it. Principal.MayGrant says
// whether the caller may give these scopes away.
func (s *Service) CreateKey(ctx context.Context, k NewKey) (secret string, key *Key, err error) {
	if err := checkScopes(k.Scopes); err != nil {
		return "", nil, err
	}
	k.Name = names.Clean(k.Name)
	if n := utf8.RuneCountInString(k.Name); n < 1 || n > 100 {
		return "", nil, ErrKeyName
	}
	now := s.cfg.Now()
	if k.ExpiresAt != nil && !k.ExpiresAt.After(now) {
		return "", nil, ErrKeyExpiry
	}
	var madeBy *uuid.UUID
	if k.By != nil {
		madeBy = k.By.KeyID
		if end := k.By.KeyExpiresAt; end != nil && k.ExpiresAt != nil && k.ExpiresAt.After(*end) {
			return "", nil, ErrKeyOutlives
		} else if end != nil && k.ExpiresAt == nil {
			k.ExpiresAt = end
		}
	}
	if len(k.Limits) == 0 {
		k.Limits = json.RawMessage("{}")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	secret = newSecret(KeyPrefix, keyBytes)
	h := hash(secret)
	rows, err := s.cfg.Pool.Query(ctx, createKeySQL, id, k.Owner, k.Name, secret[:shownPrefix], h[:], words(k.Scopes),
		k.Limits, now, k.ExpiresAt, madeBy)
	if err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	key, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Key])
	if err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	return secret, key, nil
}

// ListKeys returns the owner's keys, newest first, revoked and expired ones too.
func (s *Service) ListKeys(ctx context.Context, owner uuid.UUID) ([]*Key, error) {
	rows, err := s.cfg.Pool.Query(ctx, listKeysSQL, owner)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Key])
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// RevokeKey ends a key and every session, link, ticket, socket and request that depends on it: at once in this process,
// and by notification on the other nodes. The request that revokes its own key still gets its answer. Revoking twice
// changes nothing. ErrNotFound.
func (s *Service) RevokeKey(ctx context.Context, owner, id uuid.UUID) (*Key, error) {
	var key *Key
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, revokeKeySQL, id, owner, s.cfg.Now())
		if err != nil {
			return err
		}
		if key, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Key]); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, notifySQL, Channel)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("revoke key: %w", err)
	}
	s.ended(ctx, CauseRevoked, func(p Principal) bool { return p.KeyID != nil && *p.KeyID == id })
	return key, nil
}

// Active says whether the key can be used at a time.
func (k *Key) Active(now time.Time) bool {
	return k.RevokedAt == nil && (k.ExpiresAt == nil || k.ExpiresAt.After(now))
}

// MayGrant returns ErrBadScope when the principal lacks a scope that it wants to give to a key.
func (p Principal) MayGrant(scopes []Scope) error {
	for _, sc := range scopes {
		if !p.Can(sc) {
			return ErrBadScope
		}
	}
	return checkScopes(scopes)
}

func checkScopes(scopes []Scope) error {
	if len(scopes) == 0 {
		return ErrBadScope
	}
	for _, sc := range scopes {
		if !slices.Contains(AllScopes, sc) {
			return ErrBadScope
		}
	}
	return nil
}

func words(scopes []Scope) []string {
	out := make([]string, 0, len(scopes))
	for _, sc := range AllScopes { // one order, no doubles
		if slices.Contains(scopes, sc) {
			out = append(out, string(sc))
		}
	}
	return out
}
