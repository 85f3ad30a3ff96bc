-- The first schema. Only text and bigint columns; JSON is text, times are unix milliseconds, truth values are 0 and 1.

-- The head of the audit chain. On PostgreSQL every writing transaction updates this row first, so writers of several
-- hubs queue here and nowhere else.
create table chain (
    id bigint primary key,
    seq bigint not null,
    hash text not null
);
insert into chain (id, seq, hash) values (1, 0, '');

create table audit (
    seq bigint primary key,
    at bigint not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    previous text not null,
    hash text not null
);
create index audit_subject on audit (subject, seq);

create table users (
    name text primary key,
    role text not null,
    password text,
    ceilings text not null,
    created_at bigint not null
);

create table user_tokens (
    hash text primary key,
    user_name text not null references users (name) on delete cascade,
    expires_at bigint not null
);
create index user_tokens_user on user_tokens (user_name);

create table links (
    hash text primary key,
    kind text not null,
    user_name text not null,
    expires_at bigint
);

create table web_sessions (
    id text primary key,
    user_name text,
    data text not null,
    expires_at bigint not null
);
create index web_sessions_user on web_sessions (user_name);

create table agents (
    client_id text primary key,
    name text not null,
    user_name text,
    trust text not null,
    token_hash text not null unique,
    created_at bigint not null,
    last_seen bigint,
    revoked_at bigint
);
create unique index agents_name on agents (name) where revoked_at is null;

create table servers (
    name text primary key,
    require_all bigint not null,
    threshold text,
    bypass text not null,
    timeout_seconds bigint not null,
    command text not null,
    first_seen bigint not null
);

create table tools (
    server text not null references servers (name),
    name text not null,
    description text,
    annotations text,
    destructive bigint not null,
    definition_sha256 text not null,
    hitl bigint not null,
    admin_trust text,
    reason text,
    first_seen bigint not null,
    primary key (server, name)
);

create table approvals (
    id text primary key,
    -- The id of the live request behind it: another one when an identical call joined it.
    request_id text not null,
    -- 1 while no live request stands behind it and an identical call may join.
    kept bigint not null,
    instance text not null,
    client_id text not null,
    agent_name text not null,
    user_name text,
    client_name text not null,
    client_version text not null,
    server text not null,
    tool text not null,
    trust text not null,
    reasons text not null,
    arguments text not null,
    arguments_sha256 text not null,
    definition_sha256 text,
    description text,
    digest text not null,
    status text not null,
    created_at bigint not null,
    deadline_at bigint not null,
    seen_at bigint,
    decided_at bigint,
    decided_by text,
    reason text,
    grace_until bigint,
    released_instance text,
    released_at bigint,
    outcome text not null,
    outcome_at bigint,
    duration_ms bigint
);
create index approvals_due on approvals (deadline_at) where status = 'pending';
create index approvals_queue on approvals (created_at, id) where status = 'pending';
create index approvals_pending on approvals (client_id, status) where status = 'pending';
create index approvals_unreleased on approvals (grace_until) where status = 'approved' and outcome = 'waiting';
create index approvals_request on approvals (request_id);
create index approvals_kept on approvals (client_id, digest) where kept = 1;
create index approvals_created on approvals (created_at, id);
create index approvals_agent on approvals (client_id, created_at);
create index approvals_live on approvals (client_id, instance) where outcome in ('waiting', 'released');

create table activity (
    id bigint primary key,
    at bigint not null,
    client_id text not null,
    agent_name text not null,
    server text not null,
    tool text not null,
    verdict text not null,
    arguments_sha256 text,
    approval text,
    outcome text,
    duration_ms bigint
);

-- Notifications leave from here, written in the transaction of what they tell of.
create table outbox (
    id text primary key,
    channel text not null,
    recipient text not null,
    approval text,
    payload text not null,
    created_at bigint not null,
    attempts bigint not null,
    next_at bigint not null,
    lease_by text,
    lease_until bigint,
    delivered_at bigint,
    last_error text
);
create index outbox_due on outbox (next_at) where delivered_at is null;
