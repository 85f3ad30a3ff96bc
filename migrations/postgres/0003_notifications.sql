-- Notification channels, and an outbox that knows them. Nothing was ever written into the first outbox.

create table channels (
    id text primary key,
    place bigint not null,
    from_file bigint not null,
    kind text not null,
    enabled bigint not null,
    config text not null,
    version bigint not null,
    ready_at bigint not null,
    failures bigint not null,
    last_at bigint,
    last_error text
);

drop index outbox_due;
drop table outbox;
create table outbox (
    id text primary key,
    channel text not null,
    recipient text not null,
    event text not null,
    approval text not null,
    payload text not null,
    created_at bigint not null,
    attempts bigint not null,
    next_at bigint not null,
    lease text,
    lease_until bigint not null,
    ended text,
    ended_at bigint,
    last_error text
);
create index outbox_open on outbox (channel, next_at) where ended_at is null;
create index outbox_ended on outbox (ended_at) where ended_at is not null;
