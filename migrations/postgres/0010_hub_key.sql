-- The one key by which a hub, or all hubs on this store, prove which they are.
create table hub_key (
    id bigint primary key,
    pkcs8 text not null
);

-- Tokens of commands beside the hub; without a user, they only look.
create table command_tokens (
    hash text primary key,
    user_name text,
    expires_at bigint not null
);
