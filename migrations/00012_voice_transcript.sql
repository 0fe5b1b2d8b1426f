-- +goose Up
-- What is said in a cloned voice's sample, where an engine listened to it.
alter table voices add column transcript text;

-- +goose Down
alter table voices drop column transcript;
