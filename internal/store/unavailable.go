package store

import (
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unavailable says whether err means that the database is away for now (it starts, stops or cannot be reached), so that the same
// call may succeed a moment later.
func Unavailable(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer):
		// Class 57P: an operator's intervention, as a shutdown or a crash; 08: a connection exception.
		return strings.HasPrefix(answer.Code, "57P") || strings.HasPrefix(answer.Code, "08")
	case errors.As(err, &connect), errors.As(err, &network):
		return true
	default:
		return pgconn.SafeToRetry(err)
	}
}
