-- What an approver needs to see, and see quickly.

-- How the tool's definition differed from what was accepted when the call was registered, as JSON; null: it did not.
alter table approvals add column drift text;

-- The history of one server in its order. No more columns: an entry that is too long for an index fails the insert.
create index approvals_server on approvals (server, created_at, id);
