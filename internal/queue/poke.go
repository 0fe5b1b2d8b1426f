package queue

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Poker notifies the other nodes that tickets wait, after the commit and in a transaction of its own. Many pokes at
// once become one notification. A private cluster with one node needs none: its runner is woken in-process.
type Poker struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	kick chan struct{}
}

// NewPoker makes a Poker; Run sends.
func NewPoker(pool *pgxpool.Pool, log *slog.Logger) *Poker {
	return &Poker{pool: pool, log: log, kick: make(chan struct{}, 1)}
}

// Poke asks for a notification; it never blocks.
func (p *Poker) Poke() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Run sends notifications until ctx ends. One that fails is only logged: the others poll once a second.
func (p *Poker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.kick:
			if _, err := p.pool.Exec(ctx, pokeSQL); err != nil && ctx.Err() == nil {
				p.log.WarnContext(ctx, "telling other nodes of a new job failed", "err", err)
			}
		}
	}
}
