package queue

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// Models is the queue of a node's model tasks: each node has its own, since the files lie there. Rows of a node that
// died wait for its next start.
func Models(node uuid.UUID) string { return "models_" + node.String() }

// modelAttempts of River: the outcome of a task is in its own row, and only an outcome that could not be written is
// tried again.
const modelAttempts = 25

// ModelTaskArgs names a row of model_tasks.
type ModelTaskArgs struct {
	Task uuid.UUID `json:"task"`
}

// Kind is River's name for it.
func (ModelTaskArgs) Kind() string { return "model_task" }

// InsertOpts without a queue: InsertModelTask names that of the node.
func (ModelTaskArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: modelAttempts}
}

const modelTaskSQL = `
	insert into river.river_job (args, kind, max_attempts, queue, state, scheduled_at)
	values (jsonb_build_object('task', $2::uuid), 'model_task', $3, 'models_' || $1::uuid, 'available', now())`

const pokeModelsSQL = `select pg_notify('river.river_insert', json_build_object('queue', 'models_' || $1::uuid)::text)`

// InsertModelTask queues a task for a node, as part of the transaction that writes its row.
func InsertModelTask(ctx context.Context, tx pgx.Tx, node, task uuid.UUID) error {
	if _, err := tx.Exec(ctx, modelTaskSQL, node, task, modelAttempts); err != nil {
		return fmt.Errorf("queue: insert a model's task: %w", err)
	}
	if _, err := tx.Exec(ctx, pokeModelsSQL, node); err != nil {
		return fmt.Errorf("queue: insert a model's task: %w", err)
	}
	return nil
}
