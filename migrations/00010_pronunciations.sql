-- +goose Up
-- How a user's words are said.
create table pronunciations (
    id         uuid primary key,
    owner_id   uuid not null references users (id) on delete cascade,
    -- null: in all of the owner's requests
    project_id uuid references projects (id) on delete cascade,
    -- null: in every language
    language   text,
    word       text not null check (length(word) between 1 and 100),
    -- the word as it is looked for in a text: NFKC, without case
    folded     text not null,
    say        text not null check (length(say) between 1 and 200),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
-- The hash, since the folded form of a word can be longer than an index takes.
create unique index pronunciations_word on pronunciations
    (owner_id, coalesce(project_id, '00000000-0000-0000-0000-000000000000'), coalesce(language, ''), md5(folded));
create index pronunciations_project on pronunciations (project_id);

-- Null for a segment that cannot be played by itself.
alter table job_segments add column duration_seconds double precision;

-- +goose Down
alter table job_segments drop column duration_seconds;
drop table pronunciations;
