-- Which agent made a server or a tool known, so that none fills the hub alone.
alter table servers add column added_by text;
update servers set added_by =
    (select actor from audit where action = 'server.added' and subject = servers.name order by seq desc limit 1);
alter table tools add column added_by text;
-- Who reported the definition that nobody accepted; null where it was not one agent alone.
alter table tools add column drift_by text;

-- Personal tokens that people asked for have a name in lists; those of single commands have none.
alter table user_tokens add column id text;
alter table user_tokens add column created_at integer;
create unique index user_tokens_id on user_tokens (id) where id is not null;
