-- The schema. Only text and bigint columns; JSON is text, times are unix milliseconds, truth values are 0 and 1.

-- The head of the audit chain. On PostgreSQL every writing transaction updates this row first, so writers of several
-- hubs queue here and nowhere else. The triggers at the end count in it how often agents and users, servers and their
-- tools, and channels have changed: a hub that has them in memory can tell in its transaction that they are as it knows.
create table chain (
    id integer primary key,
    seq integer not null,
    hash text not null,
    callers integer not null default 0,
    policy integer not null default 0,
    channels integer not null default 0
) strict;
insert into chain (id, seq, hash) values (1, 0, '');

create table audit (
    seq integer primary key,
    at integer not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    previous text not null,
    hash text not null
) strict;
create index audit_subject on audit (subject, seq);

create table users (
    name text primary key,
    role text not null,
    password text,
    ceilings text not null,
    created_at integer not null
) strict;

-- Personal tokens that people asked for have a name in lists; those of single commands have none.
create table user_tokens (
    hash text primary key,
    user_name text not null references users (name) on delete cascade,
    expires_at integer not null,
    id text,
    created_at integer
) strict;
create index user_tokens_user on user_tokens (user_name);
create unique index user_tokens_id on user_tokens (id) where id is not null;

create table links (
    hash text primary key,
    kind text not null,
    user_name text not null,
    expires_at integer
) strict;

create table browser_sessions (
    id text primary key,
    user_name text,
    data text not null,
    expires_at integer not null
) strict;
create index browser_sessions_user on browser_sessions (user_name);

create table agents (
    client_id text primary key,
    name text not null,
    user_name text,
    trust text not null,
    -- null: every server; else a JSON list of names.
    servers text,
    token_hash text not null unique,
    -- The token before, and until when it is good.
    old_token_hash text,
    old_token_until integer,
    created_at integer not null,
    last_seen integer,
    revoked_at integer
) strict;
create unique index agents_old_token on agents (old_token_hash) where old_token_hash is not null;
create unique index agents_name on agents (name) where revoked_at is null;

create table servers (
    name text primary key,
    require_all integer not null,
    threshold text,
    timeout_seconds integer not null,
    rules text not null default '[]',
    -- null: where anything on the server is gated.
    gate_changed_tools integer,
    command text not null,
    first_seen integer not null,
    -- When the first list of its tools was complete; tools that come later are new.
    listed_at integer,
    -- Which agent made it known, so that none fills the hub alone; so with tools.
    added_by text
) strict;

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

create table tools (
    server text not null references servers (name),
    name text not null,
    description text,
    annotations text,
    destructive integer not null,
    definition_sha256 text not null,
    definition text,
    -- The digests of all definitions that were accepted, as a JSON list, and the text of the last of them.
    accepted text not null default '[]',
    accepted_definition text,
    -- The members that may differ from it unaccepted, as a JSON list of pointers.
    varies text not null default '[]',
    drift_since integer,
    -- Who reported the definition that nobody accepted; null where it was not one agent alone.
    drift_by text,
    hitl integer not null,
    admin_trust text,
    reason text,
    first_seen integer not null,
    added_by text,
    primary key (server, name)
) strict;

create table approvals (
    -- In the order of the history.
    number integer primary key,
    id text not null unique,
    -- The id of the live request behind it: another one when an identical call joined it.
    request_id text not null,
    -- 1 while no live request stands behind it and an identical call may join.
    kept integer not null,
    -- How often an identical call has joined.
    asked_again integer not null default 0,
    instance text not null,
    client_id text not null,
    agent_name text not null,
    user_name text,
    -- Whose account the shim says it runs under, where no user is known.
    claimed_user text,
    client_name text not null,
    client_version text not null,
    server text not null,
    tool text not null,
    trust text not null,
    reasons text not null,
    -- Null where the call is a large one, and so is extra.
    arguments text,
    arguments_sha256 text not null,
    -- What the server is given with a call besides its arguments, as JSON: the approver sees all that runs.
    extra text,
    definition_sha256 text,
    description text,
    -- How the tool's definition differed from what was accepted when the call was registered, as JSON; null: it did not.
    drift text,
    digest text not null,
    -- Which calls are identical, white space aside (core::call::identity): a kept approval is found by it.
    identity text not null default '',
    status text not null,
    created_at integer not null,
    deadline_at integer not null,
    seen_at integer,
    decided_at integer,
    decided_by text,
    reason text,
    grace_until integer,
    released_instance text,
    outcome text not null,
    outcome_at integer,
    duration_ms integer
) strict;
-- What large calls are given, in pieces by the digest of the call: their approvals have no arguments and no extra.
create table given (
    digest text not null,
    -- 'arguments' or 'extra'.
    what text not null,
    place integer not null,
    piece text not null,
    written_at integer not null,
    primary key (digest, what, place)
) strict;
create index approvals_large on approvals (digest) where arguments is null;
create index approvals_due on approvals (deadline_at) where status = 'pending';
create index approvals_queue on approvals (created_at, id) where status = 'pending';
create index approvals_pending on approvals (client_id, status) where status = 'pending';
create index approvals_unreleased on approvals (grace_until) where status = 'approved' and outcome = 'waiting';
create index approvals_request on approvals (request_id);
create index approvals_kept on approvals (client_id, identity) where kept = 1;
-- How often each tool of a server was asked for.
create index approvals_tool on approvals (server, tool);
create index approvals_agent on approvals (client_id, created_at);
create index approvals_live on approvals (client_id, instance) where outcome in ('waiting', 'released');

-- A row with verdict 'dropped' stands for so many calls that were not recorded. A call that was told of while it ran is
-- found again by its shim's run and its number there when it ends.
create table activity (
    id integer primary key,
    at integer not null,
    client_id text not null,
    agent_name text not null,
    server text not null,
    tool text not null,
    verdict text not null,
    approval text,
    outcome text,
    duration_ms integer,
    dropped integer not null default 0,
    instance text,
    running integer,
    -- What is kept of a denied call: why, as a JSON list, and what it was.
    reasons text,
    digest text,
    arguments text
) strict;
create index activity_tool on activity (server, tool, at);
create index activity_whole on activity (client_id, id) where arguments is not null;
create index activity_running on activity (client_id, instance, running) where running is not null;

-- What keeps searches from reading everything (src/hub/store/sieve): the chunks of `approvals` and `activity` that are
-- sealed, with what insights count in them, and which rows of each have which marks.
create table chunks (
    history text not null,
    chunk integer not null,
    earliest integer not null,
    latest integer not null,
    summary text,
    primary key (history, chunk)
) strict;
create table marks (
    history text not null,
    page integer not null,
    chunk integer not null,
    bits text not null,
    primary key (history, page, chunk)
) strict;

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

-- Notifications leave from here, written in the transaction of what they tell of.
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

-- Browsers that are told by Web Push. Each is a channel of its own, so that none waits for another's push service.
create table browsers (
    id text primary key,
    user_name text not null,
    name text not null,
    endpoint text not null,
    p256dh text not null,
    auth text not null,
    added_at integer not null
) strict;
create index browsers_of_user on browsers (user_name);

-- The one key by which push services know this hub, or all hubs on this store.
create table push_key (
    id integer primary key,
    pkcs8 text not null
) strict;

-- The hubs that serve this store, and when each was seen last: one that was not seen for a while is gone.
create table hubs (
    id text primary key,
    seen_at integer not null,
    -- Written when it is tried whether there is room for a change.
    room text
) strict;

-- Which hub a shim came to last, where several serve this store, until it is gone. Other hubs end what it holds only when
-- that hub is gone.
create table instances (
    client_id text not null,
    instance text not null,
    hub text not null,
    server text not null,
    -- 1: it has listed tools or asked for something, so people may see it.
    shown integer not null default 0,
    -- What its client starts without a shim, as a JSON list.
    ungated text,
    primary key (client_id, instance)
) strict;
create index instances_hub on instances (hub);

-- Machines that wait under a code, each at one hub, until an administrator says what they are. A machine gets the token
-- whose hash is here: the token itself is with its hub alone.
create table enrolments (
    code text primary key,
    hub text not null,
    host text,
    user_name text,
    version text not null,
    address text not null,
    token_hash text not null,
    -- Of one that was confirmed: until when it must have its token.
    expires_at integer not null,
    -- The agent that it was made.
    client_id text
) strict;

-- What all hubs on this store have spent together, as the time at which as much as there may be is there again; one that
-- is not here has spent nothing.
create table spent (
    what text not null,
    whose text not null,
    full_at integer not null,
    primary key (what, whose)
) strict;

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

-- The one key by which a hub, or all hubs on this store, prove which they are.
create table hub_key (
    id integer primary key,
    pkcs8 text not null
) strict;

-- Tokens of commands beside the hub; without a user, they only look.
create table command_tokens (
    hash text primary key,
    user_name text,
    -- 0 when somebody ended it.
    expires_at integer not null,
    id text not null unique,
    created_at integer not null,
    renewed_at integer not null
) strict;

-- What changes without a hub needing to know, such as when an agent was seen last, is not counted.
create trigger agents_inserted after insert on agents begin update chain set callers = callers + 1; end;
create trigger agents_deleted after delete on agents begin update chain set callers = callers + 1; end;
create trigger agents_updated after update of
    client_id, name, user_name, trust, servers, token_hash, old_token_hash, old_token_until, revoked_at
    on agents begin update chain set callers = callers + 1; end;
create trigger users_inserted after insert on users begin update chain set callers = callers + 1; end;
create trigger users_deleted after delete on users begin update chain set callers = callers + 1; end;
create trigger users_updated after update of name, role, ceilings
    on users begin update chain set callers = callers + 1; end;
create trigger servers_inserted after insert on servers begin update chain set policy = policy + 1; end;
create trigger servers_deleted after delete on servers begin update chain set policy = policy + 1; end;
create trigger servers_updated after update of
    name, require_all, threshold, timeout_seconds, rules, gate_changed_tools, listed_at
    on servers begin update chain set policy = policy + 1; end;
create trigger bypasses_inserted after insert on bypasses begin update chain set policy = policy + 1; end;
create trigger bypasses_deleted after delete on bypasses begin update chain set policy = policy + 1; end;
create trigger bypasses_updated after update of server, client_id, added_by, added_at, reason, expires_at
    on bypasses begin update chain set policy = policy + 1; end;
create trigger tools_inserted after insert on tools begin update chain set policy = policy + 1; end;
create trigger tools_deleted after delete on tools begin update chain set policy = policy + 1; end;
create trigger tools_updated after update on tools begin update chain set policy = policy + 1; end;
create trigger channels_inserted after insert on channels begin update chain set channels = channels + 1; end;
create trigger channels_deleted after delete on channels begin update chain set channels = channels + 1; end;
create trigger channels_updated after update of id, enabled, config
    on channels begin update chain set channels = channels + 1; end;
