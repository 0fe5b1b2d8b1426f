package store

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// awayCodes are answers of a server that cannot serve at the moment: it starts, stops, recovers, or has no connection
// or memory left. 57P is an operator's intervention, as a shutdown or a crash; 08 a connection exception; 25006 a
// standby that takes no writes yet.
var awayCodes = []string{"57P", "08", "53200", "53300", "53400", "25006"}

// refusalClasses: cardinality, data, constraint, syntax or rights, a limit of the server, something it does not
// support.
var refusalClasses = []string{"21", "22", "23", "42", "54", "0A"}

// Unavailable says whether err means that the database is away for now (it starts, stops or cannot be reached), so
// that the same call may succeed a moment later.
func Unavailable(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	var lost *lostError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer):
		return slices.ContainsFunc(awayCodes, func(code string) bool { return strings.HasPrefix(answer.Code, code) })
	case errors.As(err, &connect), errors.As(err, &network), errors.As(err, &lost):
		return true
	default:
		return pgconn.SafeToRetry(err)
	}
}

// DiskFull says whether the database has no disk space left for a write.
func DiskFull(err error) bool {
	const diskFull = "53100" // SQLSTATE
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == diskFull
}

// Refused says whether the statement will never be taken, however often it is sent: Postgres refused it for its
// content, or its values cannot even be written in Postgres's formats.
func Refused(err error) bool {
	var answer *pgconn.PgError
	var kind *json.UnsupportedTypeError
	var value *json.UnsupportedValueError
	var marshal *json.MarshalerError
	switch {
	case errors.As(err, &answer):
		return slices.ContainsFunc(refusalClasses,
			func(class string) bool { return strings.HasPrefix(answer.Code, class) })
	default:
		return errors.As(err, &kind) || errors.As(err, &value) || errors.As(err, &marshal)
	}
}

// lostError marks the failure of a connection to the database. pgx returns such errors unchanged, and a bare EOF could
// also come from a client's upload.
type lostError struct{ err error }

func (e *lostError) Error() string {
	return "the connection to the database was lost: " + e.err.Error()
}
func (e *lostError) Unwrap() error { return e.err }

// conn marks the errors of a connection. Deadlines are not marked: pgx sets and recognises them.
type conn struct{ net.Conn }

func (c conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, marked(err)
}

func (c conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, marked(err)
}

func marked(err error) error {
	var network net.Error
	if err == nil || errors.As(err, &network) && network.Timeout() {
		return err
	}
	return &lostError{err}
}

func marking(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn{raw}, nil
	}
}
