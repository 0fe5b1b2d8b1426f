package queue

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

const (
	// River waits this long between two fetches. Its default of 100 ms would be the latency of every second job of a
	// burst.
	fetchCooldown = 5 * time.Millisecond
	pollInterval  = time.Second
	// pollOnlyInterval replaces LISTEN behind a transaction pooler.
	pollOnlyInterval = 250 * time.Millisecond
	// stopGrace is the time that workers have, after SoftStop, to put their jobs back.
	stopGrace = 10 * time.Second
)

func (c *Config) setDefaults() {
	if c.GenWorkers == 0 {
		c.GenWorkers = 2
	}
	if c.UtilWorkers == 0 {
		c.UtilWorkers = 4
	}
	if c.Workers == nil {
		c.Workers = river.NewWorkers()
	}
	if c.SoftStop == 0 {
		c.SoftStop = 20 * time.Second
	}
	if c.TopUpEvery == 0 {
		c.TopUpEvery = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Client works both queues of one node.
type Client struct {
	cfg   Config
	river *river.Client[pgx.Tx]
}

// New makes a Client; Run starts it. It fails when a worker or periodic job is not one that River takes.
//
// JobTimeout is off: a generation may take 40 minutes, and hangs are found by phase. With it off River's rescuer never
// touches a running row, which is why jobs.Reap closes those of dead nodes. Util workers set a Timeout of their own.
func New(cfg Config) (*Client, error) {
	cfg.setDefaults()
	if err := river.AddWorkerSafely(cfg.Workers, &topUpWorker{pool: cfg.Pool}); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	poll := pollInterval
	if cfg.PollOnly {
		poll = pollOnlyInterval
	}
	periodic := append([]*river.PeriodicJob{Every(cfg.TopUpEvery, "top_up", TopUpArgs{})}, cfg.Periodic...)
	rc, err := river.NewClient(riverpgxv5.New(cfg.Pool), &river.Config{
		ID:                          ClientID(cfg.NodeID, cfg.BootID),
		Schema:                      Schema,
		Logger:                      cfg.Log,
		Workers:                     cfg.Workers,
		PeriodicJobs:                periodic,
		JobTimeout:                  -1,
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           poll,
		PollOnly:                    cfg.PollOnly,
		SoftStopTimeout:             cfg.SoftStop,
		CompletedJobRetentionPeriod: time.Hour,
		Queues: map[string]river.QueueConfig{
			Gen:  {MaxWorkers: cfg.GenWorkers},
			Util: {MaxWorkers: cfg.UtilWorkers},
			// One model at a time: two downloads at once only share the line.
			Models(cfg.NodeID): {MaxWorkers: 1},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return &Client{cfg: cfg, river: rc}, nil
}

// Every is a periodic util job, run at start too; one that is still open is not inserted again.
func Every(d time.Duration, id string, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(d), func() (river.JobArgs, *river.InsertOpts) {
		opts := UtilOpts()
		opts.MaxAttempts = 1
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: openStates}
		return args, &opts
	}, &river.PeriodicJobOpts{ID: id, RunOnStart: true})
}

// River gives the client for inserting util jobs in transactions of their own or of the caller.
func (c *Client) River() *river.Client[pgx.Tx] { return c.river }

// Run works until ctx ends, then stops softly: nothing more is fetched, running work has SoftStop to end, then its
// context is canceled. It returns when all workers have returned.
func (c *Client) Run(ctx context.Context) error {
	// River would cancel its workers with the context given to Start; the soft stop below ends them instead.
	if err := c.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("queue: start: %w", err)
	}
	<-ctx.Done()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.SoftStop+stopGrace)
	defer cancel()
	if err := c.river.Stop(stopCtx); err != nil {
		return fmt.Errorf("queue: stop: %w", err)
	}
	return nil
}
