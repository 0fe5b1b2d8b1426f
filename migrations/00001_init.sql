-- +goose Up
-- All tables live in schema apibr, which internal/store creates and puts on the search_path before this runs.

create table users (
    id         uuid primary key,
    name       text not null,
    role       text not null default 'user' check (role in ('admin', 'user')),
    created_at timestamptz not null default now()
);

-- The local admin owns what the CLI and the one-time link make.
insert into users (id, name, role) values ('00000000-0000-7000-8000-000000000001', 'local', 'admin');

create table api_keys (
    id           uuid primary key,
    owner_id     uuid not null references users (id) on delete cascade,
    name         text not null,
    prefix       text not null,
    hash         bytea not null unique,
    scopes       text[] not null,
    limits       jsonb not null default '{}',
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
create index api_keys_owner on api_keys (owner_id, created_at desc);

-- Browser sessions, one-time links and WebSocket tickets: secrets are kept as SHA-256 only.
create table auth_tokens (
    hash       bytea primary key,
    kind       text not null check (kind in ('session', 'link', 'ticket')),
    owner_id   uuid not null references users (id) on delete cascade,
    scopes     text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index auth_tokens_expiry on auth_tokens (expires_at);

create table projects (
    id         uuid primary key,
    owner_id   uuid not null references users (id) on delete cascade,
    name       text not null check (length(name) between 1 and 200),
    type       text not null check (type in ('audio', 'image', 'video', 'mixed')),
    status     text not null default 'draft',
    metadata   jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index projects_owner on projects (owner_id, created_at desc, id desc);

-- Content-addressed files. A blob without a reference is swept by a util job.
create table blobs (
    sha256     text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes bigint not null check (size_bytes >= 0),
    mime_type  text not null,
    created_at timestamptz not null default now()
);

create table nodes (
    id             uuid primary key,
    boot_id        uuid not null,
    kernel_boot_id text not null,
    hostname       text not null,
    -- Where this node keeps its files: other nodes of the same machine read there what they lack.
    blob_dir       text,
    started_at     timestamptz not null default now(),
    seen_at        timestamptz not null default now()
);

create table generation_jobs (
    id                  uuid primary key,
    owner_id            uuid not null references users (id) on delete cascade,
    project_id          uuid references projects (id) on delete set null,
    type                text not null check (type in ('audio.speech', 'audio.clone_voice', 'image.generate', 'image.edit',
                            'image.upscale', 'video.avatar', 'video.animate', 'studio.content', 'media.export', 'scrape')),
    lane                text check (lane in ('audio', 'image', 'video')),
    status              text not null default 'queued'
                            check (status in ('queued', 'processing', 'completed', 'failed', 'canceled')),
    reason              text check (reason in ('waiting_for_input', 'paused', 'no_memory', 'backing_off', 'canceling',
                            'host_restarted', 'dependency_failed')),
    quality             text not null check (quality in ('draft', 'final')),
    model               text,
    engine              text not null,
    priority            smallint not null default 0 check (priority between -10 and 10),
    -- Order among jobs of one lane and priority; a new job takes the next number, a reorder puts it between two others.
    rank                double precision not null,
    -- Normalised request: {"params": {...}, "inputs": [...]}; the seed really used is in params.
    parameters          jsonb not null,
    result              jsonb,
    error               jsonb,
    warnings            jsonb not null default '[]',
    metrics             jsonb not null default '{}',
    content_id          uuid references generation_jobs (id) on delete cascade,
    step                text,
    blocked_by          integer not null default 0 check (blocked_by >= 0),
    not_before          timestamptz not null default '-infinity',
    attempt             integer not null default 0 check (attempt >= 0),
    faults              integer not null default 0 check (faults >= 0),
    host_restarts       integer not null default 0 check (host_restarts >= 0),
    fence               bigint not null default 0 check (fence >= 0),
    device              text,
    uses_gpu            boolean not null default false,
    node_id             uuid,
    boot_id             uuid,
    cancel_requested_at timestamptz,
    parent_id           uuid references generation_jobs (id) on delete set null,
    version             integer not null default 1 check (version >= 1),
    client_reference    text,
    -- Grows with every change that a reader can see: the ETag.
    row_version         bigint not null default 1,
    created_at          timestamptz not null default now(),
    queued_at           timestamptz not null default now(),
    started_at          timestamptz,
    completed_at        timestamptz,
    check (status <> 'processing' or (node_id is not null and boot_id is not null and fence > 0)),
    check ((status in ('completed', 'failed', 'canceled')) = (completed_at is not null)),
    check (status <> 'failed' or error is not null)
);
create sequence job_rank as bigint;
alter table generation_jobs alter column rank set default nextval('job_rank');
-- What a claim looks for: small even when the history is long.
create index generation_jobs_waiting on generation_jobs (lane, priority desc, rank) where status = 'queued' and blocked_by = 0;
create index generation_jobs_running on generation_jobs (node_id, boot_id) where status = 'processing';
create index generation_jobs_owner on generation_jobs (owner_id, created_at desc, id desc);
create index generation_jobs_project on generation_jobs (project_id, created_at desc) where project_id is not null;
create index generation_jobs_parent on generation_jobs (parent_id) where parent_id is not null;
create index generation_jobs_content on generation_jobs (content_id) where content_id is not null;

create table job_deps (
    job_id     uuid not null references generation_jobs (id) on delete cascade,
    depends_on uuid not null references generation_jobs (id) on delete cascade,
    as_input   text not null,
    primary key (job_id, depends_on, as_input)
);
create index job_deps_depends_on on job_deps (depends_on);

create table job_segments (
    job_id     uuid not null references generation_jobs (id) on delete cascade,
    idx        integer not null check (idx >= 0),
    sha256     text not null references blobs (sha256),
    fence      bigint not null,
    mime_type  text not null,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    primary key (job_id, idx)
);
create index job_segments_blob on job_segments (sha256);

-- The last progress of a running job, at most once a second: worth nothing after a crash, so not logged.
create unlogged table job_progress (
    job_id     uuid primary key,
    fence      bigint not null,
    progress   double precision not null,
    detail     jsonb not null,
    updated_at timestamptz not null default now()
) with (fillfactor = 50);

create table media_assets (
    id               uuid primary key,
    owner_id         uuid not null references users (id) on delete cascade,
    project_id       uuid references projects (id) on delete set null,
    job_id           uuid references generation_jobs (id) on delete cascade,
    -- Position among the outputs of its job; null for an upload.
    output_index     integer,
    type             text not null check (type in ('audio', 'image', 'video', 'data')),
    origin           text not null check (origin in ('upload', 'generated', 'remote')),
    url              text not null,
    name             text not null,
    filename         text not null,
    mime_type        text not null,
    sha256           text not null references blobs (sha256),
    -- Hash of the bytes as they were sent, before anything that can track a person was removed.
    original_sha256  text,
    size_bytes       bigint not null,
    width            integer,
    height           integer,
    duration_seconds double precision,
    metadata         jsonb not null default '{}',
    created_at       timestamptz not null default now(),
    unique (job_id, output_index)
);
create index media_assets_owner on media_assets (owner_id, created_at desc, id desc);
create index media_assets_project on media_assets (project_id, created_at desc) where project_id is not null;
create index media_assets_blob on media_assets (sha256);

create table voices (
    id              uuid primary key,
    -- null: a built-in voice that every user sees
    owner_id        uuid references users (id) on delete cascade,
    name            text not null check (length(name) between 1 and 100),
    status          text not null default 'pending' check (status in ('pending', 'ready', 'failed')),
    language        text not null,
    builtin         boolean not null default false,
    sample_seconds  double precision,
    sample_asset_id uuid references media_assets (id) on delete set null,
    job_id          uuid references generation_jobs (id) on delete set null,
    -- What an engine measured or computed of the voice, per engine: {"draft-voice": {...}}.
    conditionals    jsonb not null default '{}',
    consent_note    text,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
create unique index voices_owner_name on voices (owner_id, name);
create index voices_job on voices (job_id);
create index voices_sample on voices (sample_asset_id);

create table events (
    seq      bigint primary key,
    owner_id uuid,
    job_id   uuid,
    type     text not null,
    data     jsonb not null,
    at       timestamptz not null default now()
);
create index events_job on events (job_id, seq);
create index events_at on events (at);
-- seq comes from this row, updated as the last statement of a transaction: gap-free and in commit order.
create table event_counter (
    only_row boolean primary key default true check (only_row),
    seq      bigint not null
);
insert into event_counter (seq) values (0);

create table queue_state (
    only_row   boolean primary key default true check (only_row),
    paused     boolean not null default false,
    -- Why: 'user' or 'host_restarted'.
    cause      text,
    message    text,
    updated_at timestamptz not null default now()
);
insert into queue_state default values;

-- How long things took on this machine: the source of every ETA and of the learned hang limits.
create table run_history (
    id           bigint generated always as identity primary key,
    node_id      uuid not null,
    type         text not null,
    engine       text not null,
    model        text not null,
    -- What the run's length depends on: pixels for pictures, characters for speech, pixels x frames for video.
    units        double precision not null,
    run_seconds  double precision not null,
    load_seconds double precision not null,
    peak_ram     bigint,
    peak_vram    bigint,
    at           timestamptz not null default now()
);
create index run_history_lookup on run_history (type, engine, model, at desc);

create table phase_history (
    engine           text not null,
    model            text not null,
    phase            text not null,
    -- The longest gap between two steps ever seen, and how many runs were seen.
    max_step_seconds double precision not null,
    runs             integer not null,
    updated_at       timestamptz not null default now(),
    primary key (engine, model, phase)
);

create table idempotency (
    -- The key's owner and id: the same Idempotency-Key of another API key is another request.
    scope        text not null,
    route        text not null,
    key          text not null,
    request_hash bytea not null,
    -- null while the first request is in flight.
    status_code  integer,
    resource_id  uuid,
    body         jsonb,
    created_at   timestamptz not null default now(),
    primary key (scope, route, key)
);
create index idempotency_age on idempotency (created_at);

create table audit_log (
    id         bigint generated always as identity primary key,
    owner_id   uuid,
    actor      text not null,
    action     text not null,
    subject    text,
    request_id text,
    detail     jsonb not null default '{}',
    at         timestamptz not null default now()
);
create index audit_log_at on audit_log (at desc);

-- +goose Down
drop table audit_log, idempotency, phase_history, run_history, queue_state, event_counter, events, voices, media_assets,
    job_progress, job_segments, job_deps, generation_jobs, nodes, blobs, projects, auth_tokens, api_keys, users;
drop sequence job_rank;
