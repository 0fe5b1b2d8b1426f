-- +goose Up
-- What is done with models: one row for each installation or check that was asked for, on the node that has (or gets) the files.
create table model_tasks (
    id                  uuid primary key,
    kind                text not null check (kind in ('install', 'verify')),
    model               text not null,
    -- '' is the model's default variant, or every variant for a check.
    variant             text not null default '',
    node_id             uuid not null,
    owner_id            uuid not null references users (id) on delete cascade,
    status              text not null default 'queued' check (status in ('queued', 'running', 'completed', 'failed', 'canceled')),
    done_bytes          bigint not null default 0,
    total_bytes         bigint not null default 0,
    -- {"code": "...", "en": "...", "pt-BR": "..."}
    error               jsonb,
    -- Of a check: [{"path": "...", "why": "..."}].
    faults              jsonb,
    cancel_requested_at timestamptz,
    created_at          timestamptz not null default now(),
    started_at          timestamptz,
    ended_at            timestamptz,
    check ((status in ('completed', 'failed', 'canceled')) = (ended_at is not null)),
    check (status <> 'failed' or error is not null)
);
-- One at a time for a model on a node.
create unique index model_tasks_open on model_tasks (node_id, model) where status in ('queued', 'running');
create index model_tasks_latest on model_tasks (node_id, model, created_at desc);

-- Who accepted which licence, and when: asked once, also after the model was removed.
create table model_licences (
    model       text not null,
    licence     text not null,
    url         text not null,
    owner_id    uuid,
    actor       text not null,
    accepted_at timestamptz not null default now(),
    primary key (model, licence)
);

-- +goose Down
drop table model_licences, model_tasks;
