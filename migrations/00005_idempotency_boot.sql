-- +goose Up
-- The start of the server that works on a request: a key whose server is gone is free at once. Rows of before have none and are free.
alter table idempotency add column boot_id uuid;

-- +goose Down
alter table idempotency drop column boot_id;
