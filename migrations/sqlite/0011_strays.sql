-- Rows that stood behind the last record of the chain and were none of it, as they were found.
create table strays (
    found_at integer not null,
    seq integer not null,
    at integer not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    previous text not null,
    hash text not null
) strict;
