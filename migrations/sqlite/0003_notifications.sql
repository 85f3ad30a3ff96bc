-- Notification channels, and an outbox that knows them. Nothing was ever written into the first outbox.

create table channels (
    id text primary key,
    place integer not null,
    from_file integer not null,
    kind text not null,
    enabled integer not null,
    config text not null,
    version integer not null,
    ready_at integer not null,
    failures integer not null,
    last_at integer,
    last_error text
) strict;

drop index outbox_due;
drop table outbox;
create table outbox (
    id text primary key,
    channel text not null,
    recipient text not null,
    event text not null,
    approval text not null,
    payload text not null,
    created_at integer not null,
    attempts integer not null,
    next_at integer not null,
    lease text,
    lease_until integer not null,
    ended text,
    ended_at integer,
    last_error text
) strict;
create index outbox_open on outbox (channel, next_at) where ended_at is null;
create index outbox_ended on outbox (ended_at) where ended_at is not null;
