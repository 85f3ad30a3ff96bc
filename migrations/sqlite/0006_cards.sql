-- What an approver needs to see, and see quickly.

-- How the tool's definition differed from what was accepted when the call was registered, as JSON; null: it did not.
alter table approvals add column drift text;

-- The history in its order, with everything that it is filtered by: what no filter lets through is not read. For one
-- server in the same way; the index this replaces was chosen for its name alone and made the rows be sorted.
drop index approvals_created;
create index approvals_created on approvals
    (created_at, id, status, server, tool, client_id, agent_name, user_name, decided_by);
drop index approvals_tool;
create index approvals_server on approvals
    (server, created_at, id, status, tool, client_id, agent_name, user_name, decided_by);
