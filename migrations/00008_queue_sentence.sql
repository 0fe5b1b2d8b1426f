-- +goose Up
-- What queue_state.message is translated from: a key with its arguments. Null for a message without translations.
alter table queue_state add column sentence jsonb;

-- +goose Down
alter table queue_state drop column sentence;
