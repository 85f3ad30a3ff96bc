-- Argument rules, bypass entries with their story, tool definitions as they were accepted, the servers an agent may use.

alter table servers add column rules text not null default '[]';
-- null: where anything on the server is gated.
alter table servers add column gate_changed_tools integer;
-- When the first list of its tools was complete; tools that come later are new.
alter table servers add column listed_at integer;
update servers set listed_at = first_seen where exists (select 1 from tools where tools.server = servers.name);

create table bypasses (
    server text not null references servers (name),
    client_id text not null,
    added_by text not null,
    added_at integer not null,
    reason text,
    expires_at integer,
    last_used_at integer,
    primary key (server, client_id)
) strict;
insert into bypasses (server, client_id, added_by, added_at)
    select servers.name, entry.value, 'operator', servers.first_seen from servers, json_each(servers.bypass) as entry;
alter table servers drop column bypass;

alter table tools add column definition text;
-- The digests of all definitions that were accepted, as a JSON list, and the text of the last of them.
alter table tools add column accepted text not null default '[]';
alter table tools add column accepted_definition text;
alter table tools add column drift_since integer;
update tools set accepted = '["' || definition_sha256 || '"]';

-- null: every server; else a JSON list of names.
alter table agents add column servers text;

create index activity_tool on activity (server, tool, at);
create index approvals_tool on approvals (server, tool);
