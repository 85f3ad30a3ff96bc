-- Browsers that are told by Web Push. Each is a channel of its own, so that none waits for another's push service.
create table browsers (
    id text primary key,
    user_name text not null,
    name text not null,
    endpoint text not null,
    p256dh text not null,
    auth text not null,
    added_at bigint not null
);
create index browsers_of_user on browsers (user_name);

-- The one key by which push services know this hub, or all hubs on this store.
create table push_key (
    id bigint primary key,
    pkcs8 text not null
);
