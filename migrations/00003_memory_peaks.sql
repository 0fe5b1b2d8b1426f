-- +goose Up
-- The most memory that runs on this machine took: what corrects the plans of the manifests.
create table memory_peaks (
    node_id    uuid not null,
    engine     text not null,
    model      text not null,
    variant    text not null,
    -- cpu, hip or cuda.
    device     text not null,
    -- Quarters of a megapixel of all pictures that are made at once, rounded up; 0 for what makes no pictures.
    size       integer not null,
    ram        bigint not null,
    vram       bigint not null,
    runs       integer not null default 1,
    updated_at timestamptz not null default now(),
    primary key (node_id, engine, model, variant, device, size)
);

-- +goose Down
drop table memory_peaks;
