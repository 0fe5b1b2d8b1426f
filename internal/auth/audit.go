package auth

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type commandTag = pgconn.CommandTag

const auditSQL = `
	insert into audit_log (owner_id, actor, action, subject, request_id, detail)
	values ($1, $2, $3, nullif($4, ''), nullif($5, ''), $6)`

// Statements are all of this package by name, for the test that looks at their plans.
func Statements() map[string]string { return statements }

// statements of this package, for the test that prepares them all.
var statements = map[string]string{
	"key": keySQL, "session": sessionSQL, "createKey": createKeySQL, "listKeys": listKeysSQL, "revokeKey": revokeKeySQL,
	"createToken": createTokenSQL, "spend": spendSQL, "listSessions": listSessionsSQL, "endSession": endSessionSQL,
	"prune": pruneSQL, "active": activeSQL, "notify": notifySQL, "audit": auditSQL,
}

// Audit writes an entry.
func (s *Service) Audit(ctx context.Context, e Entry) error { return audit(ctx, s.cfg.Pool, e) }

// AuditTx writes an entry inside the caller's transaction, so that it exists exactly if the change does.
func AuditTx(ctx context.Context, tx pgx.Tx, e Entry) error { return audit(ctx, tx, e) }

func audit(ctx context.Context, db execer, e Entry) error {
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return fmt.Errorf("audit %s: %w", e.Action, err)
		}
	}
	if _, err := db.Exec(ctx, auditSQL, e.Owner, e.Actor, e.Action, e.Subject, e.RequestID, detail); err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// Actor is the name of the principal in the audit log.
func (p Principal) Actor() string {
	switch {
	case p.SessionID != nil:
		return "session:" + p.SessionID.String()
	case p.KeyID != nil:
		return "key:" + p.KeyID.String()
	default:
		return string(p.Via)
	}
}
