-- A call that was told of while it ran is found again by its shim's run and its number there when it ends.
alter table activity add column instance text;
alter table activity add column running bigint;
create index activity_running on activity (client_id, instance, running) where running is not null;
