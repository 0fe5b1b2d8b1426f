-- +goose Up
-- What built-in voices have besides: the engine that they belong to, former names that still find them, and a recording
-- that ships with them. A voice that no version ships any more is retired: it is found by its id only, for jobs that
-- name it.
alter table voices
    add column engine     text,
    add column sex        text check (sex in ('female', 'male')),
    add column formerly   text[] not null default '{}',
    add column preview    text,
    -- Speaks its language where a request names no voice.
    add column is_default boolean not null default false,
    add column retired    boolean not null default false;

-- +goose Down
-- The earlier version writes its own built-in voices at its start; it cannot speak these.
delete from voices where builtin;
alter table voices drop column engine, drop column sex, drop column formerly, drop column preview,
    drop column is_default, drop column retired;
