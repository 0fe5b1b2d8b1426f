package app

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/queue"
)

// tidyArgs is the hourly util job that removes files nothing refers to and expired links, sessions and tickets.
type tidyArgs struct{}

// Kind is River's name for it.
func (tidyArgs) Kind() string { return "tidy_files" }

// InsertOpts: the next hour is its retry.
func (tidyArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue.Util, MaxAttempts: 1}
}

type tidyWorker struct {
	river.WorkerDefaults[tidyArgs]
	app *App
}

// Timeout bounds a sweep over a large store.
func (w *tidyWorker) Timeout(*river.Job[tidyArgs]) time.Duration { return 30 * time.Minute }

// taskRetention is how long what was done with models is remembered; the newest of each model stays.
const taskRetention = 30 * 24 * time.Hour

// Work sweeps all of them.
func (w *tidyWorker) Work(ctx context.Context, _ *river.Job[tidyArgs]) error {
	sweeper := &blob.Sweeper{Pool: w.app.store.Pool(), Store: w.app.blobs, Log: w.app.log}
	_, swept := sweeper.Sweep(ctx)
	_, pruned := w.app.auth.Prune(ctx)
	return errors.Join(swept, pruned, tasks.Sweep(ctx, w.app.store.Pool(), taskRetention))
}
