package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/queue"
)

const cols = `id, kind, model, variant, status, done_bytes, total_bytes, error, faults, created_at, started_at,
	ended_at`

const (
	insertSQL = `
	insert into model_tasks (id, kind, model, variant, node_id, owner_id) values ($1, $2, $3, $4, $5, $6)
	returning ` + cols

	// The newest of each model; the models are found by going from one to the next along the index.
	latestSQL = `
	with recursive models (model) as (
	    (select $2::text where $2 <> '' union all
	     (select model from model_tasks where node_id = $1 and $2 = '' order by model limit 1))
	    union all
	    select n.model from models m,
	         lateral (select t.model from model_tasks t
	                   where t.node_id = $1 and t.model > m.model and $2 = '' order by t.model limit 1) n)
	select l.* from models m,
	     lateral (select ` + cols + ` from model_tasks t
	               where t.node_id = $1 and t.model = m.model order by created_at desc, id desc limit 1) l
	 order by l.model`

	openSQL = `
	select exists (select from model_tasks where node_id = $1 and model = $2 and status in ('queued', 'running'))`

	cancelSQL = `
	update model_tasks
	   set cancel_requested_at = coalesce(cancel_requested_at, now()),
	       status   = case when status = 'queued' then 'canceled' else status end,
	       ended_at = case when status = 'queued' then now() end
	 where node_id = $1 and model = $2 and status in ('queued', 'running')
	returning ` + cols

	// The first acceptance is the one that is kept.
	acceptSQL = `
	insert into model_licences (model, licence, url, owner_id, actor) values ($1, $2, $3, $4, $5)
	on conflict (model, licence) do nothing`

	acceptedSQL = `select licence, actor, accepted_at from model_licences where model = $1 and licence = $2`
)

// Asked is who asks for something, for the row, the licence and the audit log.
type Asked struct {
	Owner     uuid.UUID
	Actor     string
	RequestID string
}

// Install queues the installation of a variant; "" is the default one. accept says that the user accepts the model's
// licence.
//
// Fails with ErrUnknown, ErrBusy, *models.LicenceError when the licence is not accepted, and *models.InputError.
func (s *Service) Install(ctx context.Context, by Asked, model, variant string, accept bool) (*Task, error) {
	_, m, ok := s.cfg.Catalogue.Model(model)
	switch {
	case !ok:
		return nil, ErrUnknown
	case !m.NeedsFiles():
		return nil, &models.InputError{Detail: i18n.Say("%s needs no files: it can be used as it is", model)}
	}
	if m.Adapter != nil {
		return nil, &models.InputError{
			Detail: i18n.Say("%s is a LoRA of your own: it needs the files of %s only, install that", model, m.Like),
		}
	}
	if _, ok := m.Variant(variant); variant != "" && !ok {
		ids := make([]string, 0, len(m.Variants))
		for _, v := range m.Variants {
			ids = append(ids, v.ID)
		}
		return nil, &models.InputError{
			Detail: i18n.Say("%s has no variant %.64q; it has %s", model, variant, join(ids)),
		}
	}
	if m.Licence.Accept && !accept {
		accepted, err := s.Licence(ctx, m)
		if err != nil {
			return nil, err
		}
		if accepted == nil {
			return nil, &models.LicenceError{Model: model, Licence: m.Licence}
		}
	}
	return s.add(ctx, by, Install, m, variant, accept)
}

func join(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	text := ids[0]
	for _, id := range ids[1:] {
		text += ", " + id
	}
	return text
}

// Verify queues a check of an installed model's files. Fails with ErrUnknown, ErrBusy, ErrInstalled.
func (s *Service) Verify(ctx context.Context, by Asked, model string) (*Task, error) {
	_, m, ok := s.cfg.Catalogue.Model(model)
	if !ok {
		return nil, ErrUnknown
	}
	if !s.cfg.Store.Has(model) {
		return nil, ErrInstalled
	}
	return s.add(ctx, by, Verify, m, "", false)
}

// add writes the row, its River job, the acceptance and the audit entry together.
func (s *Service) add(
	ctx context.Context,
	by Asked,
	kind string,
	m *engine.Model,
	variant string,
	accept bool,
) (task *Task, err error) {
	err = s.inTx(ctx, kind, func(tx pgx.Tx) (*Task, error) {
		if accept && m.Licence.Accept {
			if _, err := tx.Exec(ctx, acceptSQL, m.ID, licenceKey(m), m.Licence.URL, by.Owner, by.Actor); err != nil {
				return nil, err
			}
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		if task, err = one(ctx, tx, insertSQL, id, kind, m.ID, variant, s.cfg.Node, by.Owner); err != nil {
			return nil, err
		}
		if err := queue.InsertModelTask(ctx, tx, s.cfg.Node, id); err != nil {
			return nil, err
		}
		detail := map[string]any{"variant": variant}
		if accept {
			detail["licence"] = m.Licence.URL
		}
		return task, auth.AuditTx(
			ctx,
			tx,
			auth.Entry{
				Owner:     &by.Owner,
				Actor:     by.Actor,
				Action:    "model." + kind,
				Subject:   m.ID,
				RequestID: by.RequestID,
				Detail:    detail,
			},
		)
	})
	return task, err
}

// licenceKey names the text that was accepted: a model whose licence becomes another one asks again.
func licenceKey(m *engine.Model) string {
	if m.Licence.ID != "" {
		return m.Licence.ID
	}
	return m.Licence.URL
}

// Licence is who accepted the model's licence; nil when nobody did.
func (s *Service) Licence(ctx context.Context, m *engine.Model) (*Acceptance, error) {
	rows, err := s.cfg.Pool.Query(ctx, acceptedSQL, m.ID, licenceKey(m))
	if err != nil {
		return nil, fmt.Errorf("tasks: licence: %w", err)
	}
	accepted, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Acceptance])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody
	}
	if err != nil {
		return nil, fmt.Errorf("tasks: licence: %w", err)
	}
	return accepted, nil
}

// Latest is the newest task of each model of this node, or of the one that is named.
func (s *Service) Latest(ctx context.Context, model string) (map[string]*Task, error) {
	rows, err := s.cfg.Pool.Query(ctx, latestSQL, s.cfg.Node, model)
	if err != nil {
		return nil, fmt.Errorf("tasks: list: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Task])
	if err != nil {
		return nil, fmt.Errorf("tasks: list: %w", err)
	}
	found := map[string]*Task{}
	for _, task := range list {
		found[task.Model] = task
	}
	return found, nil
}

// Cancel ends what is being done with the model. What has been downloaded stays for the next time. Fails with
// ErrUnknown, ErrNoTask.
func (s *Service) Cancel(ctx context.Context, model string) (task *Task, err error) {
	if _, _, ok := s.cfg.Catalogue.Model(model); !ok {
		return nil, ErrUnknown
	}
	err = s.inTx(ctx, "cancel", func(tx pgx.Tx) (*Task, error) {
		task, err = one(ctx, tx, cancelSQL, s.cfg.Node, model)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, ErrNoTask
		}
		return task, err
	})
	if err != nil {
		return nil, err
	}
	s.running.cancel(task.ID)
	return task, nil
}

// Remove takes a model and what an unfinished installation left of it away. Fails with ErrUnknown, ErrBusy, ErrInUse,
// ErrInstalled.
func (s *Service) Remove(ctx context.Context, model string) error {
	if err := s.free(ctx, model); err != nil {
		return err
	}
	if slices.Contains(s.cfg.InUse(), model) {
		return ErrInUse
	}
	left := s.cfg.Store.Incoming(model) > 0
	if err := s.cfg.Store.Forget(model); err != nil {
		return err
	}
	err := s.cfg.Store.Remove(model)
	if errors.Is(err, models.ErrNotInstalled) {
		if err = nil; !left {
			return ErrInstalled
		}
	}
	if err != nil {
		return err
	}
	s.Changed(ctx, model)
	return nil
}

// free says whether nothing is being done with the model.
func (s *Service) free(ctx context.Context, model string) error {
	if _, _, ok := s.cfg.Catalogue.Model(model); !ok {
		return ErrUnknown
	}
	var open bool
	if err := s.cfg.Pool.QueryRow(ctx, openSQL, s.cfg.Node, model).Scan(&open); err != nil {
		return fmt.Errorf("tasks: look: %w", err)
	}
	if open {
		return ErrBusy
	}
	return nil
}

// Pin keeps an installed model from being removed to free space, or lets it go. Fails with ErrUnknown, ErrInstalled.
func (s *Service) Pin(ctx context.Context, model string, pinned bool) error {
	if _, _, ok := s.cfg.Catalogue.Model(model); !ok {
		return ErrUnknown
	}
	if err := s.cfg.Store.Pin(model, pinned); err != nil {
		if errors.Is(err, models.ErrNotInstalled) {
			return ErrInstalled
		}
		return err
	}
	s.Changed(ctx, model)
	return nil
}

// Changed tells that the model is another by now. That nobody could be told is logged: the change itself has happened.
func (s *Service) Changed(ctx context.Context, model string) {
	err := s.inTx(ctx, "tell", func(pgx.Tx) (*Task, error) { return &Task{Model: model}, nil })
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "telling of a changed model failed", "model", model, "err", err)
	}
}

// inTx runs f and appends the event of what it returns, if it returns something, as the last statement.
func (s *Service) inTx(ctx context.Context, what string, f func(tx pgx.Tx) (*Task, error)) error {
	var last int64
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		task, err := f(tx)
		if err != nil || task == nil {
			return err
		}
		data, err := json.Marshal(eventOf(task))
		if err != nil {
			return err
		}
		last, err = events.Append(ctx, tx, events.Event{Type: EventChanged, Data: data})
		return err
	})
	var unique *pgconn.PgError
	if errors.As(err, &unique) && unique.ConstraintName == "model_tasks_open" {
		return ErrBusy
	}
	if err != nil {
		return fmt.Errorf("tasks: %s: %w", what, err)
	}
	if s.cfg.Hub != nil && last > 0 {
		s.cfg.Hub.Notify(ctx, last)
	}
	return nil
}

// eventOf is what listeners read. A sentence of an error is not in it: its language is the reader's.
func eventOf(t *Task) map[string]any {
	data := map[string]any{"model": t.Model}
	if t.ID != uuid.Nil {
		data["task"] = map[string]any{
			"id":          t.ID,
			"kind":        t.Kind,
			"variant":     t.Variant,
			"status":      t.Status,
			"done_bytes":  t.DoneBytes,
			"total_bytes": t.TotalBytes,
		}
	}
	return data
}

// one row of a statement that returns a task.
func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (*Task, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Task])
}

// Sweep deletes ended tasks that are older, but the newest of each model.
func Sweep(ctx context.Context, pool *pgxpool.Pool, olderThan time.Duration) error {
	if _, err := pool.Exec(ctx, sweepSQL, olderThan.Seconds()); err != nil {
		return fmt.Errorf("tasks: sweep: %w", err)
	}
	return nil
}

const sweepSQL = `
	delete from model_tasks t
	 where ended_at < now() - make_interval(secs => $1)
	   and exists (select from model_tasks n
	                where n.node_id = t.node_id and n.model = t.model and n.created_at > t.created_at)`
