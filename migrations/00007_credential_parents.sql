-- +goose Up
-- Every session, link and ticket knows the key that it comes from, and the session that it was made in: it ends with them.
-- Those that exist do not know theirs and could outlive it, so they end now: `apibr open` prints a new link.
delete from auth_tokens;
alter table auth_tokens
    add column id         uuid not null unique,
    add column key_id     uuid not null references api_keys (id) on delete cascade,
    -- A session that expired by itself leaves those that were opened from it alone; ending it ends them (internal/auth).
    add column parent_id  uuid references auth_tokens (id) on delete set null,
    add column user_agent text;
create index auth_tokens_key on auth_tokens (key_id);
create index auth_tokens_parent on auth_tokens (parent_id) where parent_id is not null;
create index auth_tokens_owner on auth_tokens (owner_id, created_at desc) where kind = 'session';

-- The key that made this one, itself or through a session; null for keys of the studio's own and of earlier versions.
alter table api_keys add column made_by uuid references api_keys (id) on delete set null;

-- +goose Down
alter table api_keys drop column made_by;
delete from auth_tokens;
alter table auth_tokens drop column id, drop column key_id, drop column parent_id, drop column user_agent;
