package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolFor makes a small pool to where conn is connected, for libraries that take only pools.
func poolFor(ctx context.Context, conn *pgx.Conn) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(conn.Config().ConnString())
	if err != nil {
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	config.ConnConfig = conn.Config().Copy()
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	return pool, nil
}
