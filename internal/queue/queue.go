// Package queue is everything about River: the client with its queues, the tickets that wake a node for generation,
// the node's own queue for its models, and the util queue for all other durable work.
//
// River wakes and carries; generation_jobs holds the truth. A ticket does not name a job: the worker that gets one asks
// the scheduler. So a surplus ticket costs one scheduling pass, and the periodic top-up adds missing tickets.
package queue

import (
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

// The queues.
const (
	Gen  = "gen"
	Util = "util"
	// Schema is River's own schema (store.RiverSchema).
	Schema = "river"
)

// GenerateArgs is a ticket: it names no job.
type GenerateArgs struct{}

// Kind is River's name for tickets.
func (GenerateArgs) Kind() string { return "generate" }

// InsertOpts sends tickets to the queue gen; River never retries one.
func (GenerateArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Gen, MaxAttempts: 1}
}

// UtilOpts are the insert options of a util job.
func UtilOpts() river.InsertOpts { return river.InsertOpts{Queue: Util, MaxAttempts: 8} }

// Config of a Client.
type Config struct {
	Pool *pgxpool.Pool
	// PollOnly when LISTEN does not work on Pool's connections (a transaction pooler).
	PollOnly bool

	NodeID uuid.UUID
	BootID uuid.UUID

	// GenWorkers is the number of slots: queue.max_concurrent_jobs. Default 2.
	GenWorkers int
	// UtilWorkers is the width of the util queue: server.workers. Default 4.
	UtilWorkers int
	// Workers holds the generate worker and those of util jobs. TopUp is added by New.
	Workers  *river.Workers
	Periodic []*river.PeriodicJob

	// SoftStop is how long running workers have after ctx ends until their contexts are canceled. Default 20 s.
	SoftStop time.Duration
	// TopUpEvery is the time between two repairs of the ticket count. Default 5 s.
	TopUpEvery time.Duration

	Log *slog.Logger
}

// ClientID is what River writes into attempted_by: the reaper uses it to find a dead node's rows.
func ClientID(node, boot uuid.UUID) string { return node.String() + "." + boot.String() }
