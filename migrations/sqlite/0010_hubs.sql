-- The hubs that serve this store, and when each was seen last: one that was not seen for a while is gone.
create table hubs (
    id text primary key,
    seen_at integer not null
) strict;

-- Which hub a shim with something open came to last. Other hubs end what it holds only when that one is gone.
create table instances (
    client_id text not null,
    instance text not null,
    hub text not null,
    primary key (client_id, instance)
) strict;
create index instances_hub on instances (hub);
