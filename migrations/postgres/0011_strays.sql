-- Rows that stood behind the last record of the chain and were none of it, as they were found.
create table strays (
    found_at bigint not null,
    seq bigint not null,
    at bigint not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    previous text not null,
    hash text not null
);
