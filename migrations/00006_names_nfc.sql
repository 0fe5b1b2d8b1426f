-- +goose Up
-- Names are looked for in NFC and as one visible line, so those of before become that too. A name that another one has already stays.
-- +goose StatementBegin
create function pg_temp.clean_name(name text) returns text language sql immutable as $$
    select normalize(btrim(regexp_replace(regexp_replace(name,
        '[\u0001-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]', '', 'g'),
        '[\s\u0085\u00a0\u2028\u2029]+', ' ', 'g')), nfc)
$$;
-- +goose StatementEnd
update voices v set name = pg_temp.clean_name(v.name)
 where pg_temp.clean_name(v.name) <> v.name and length(pg_temp.clean_name(v.name)) between 1 and 100
   and not exists (select 1 from voices o where o.id <> v.id and o.owner_id is not distinct from v.owner_id
                      and pg_temp.clean_name(o.name) = pg_temp.clean_name(v.name));
update projects p set name = pg_temp.clean_name(p.name)
 where pg_temp.clean_name(p.name) <> p.name and length(pg_temp.clean_name(p.name)) >= 1;
update api_keys k set name = pg_temp.clean_name(k.name)
 where pg_temp.clean_name(k.name) <> k.name and length(pg_temp.clean_name(k.name)) >= 1;
drop function pg_temp.clean_name(text);

-- +goose Down
-- What the names were is not kept, and clean ones are right for every version.
select 1;
