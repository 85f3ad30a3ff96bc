-- Which calls are identical, white space aside (core::call::identity): a kept approval is found by it.
alter table approvals add column identity text not null default '';
drop index approvals_kept;
create index approvals_kept on approvals (client_id, identity) where kept = 1;

-- A row with verdict 'dropped' stands for so many calls that were not recorded.
alter table activity add column dropped integer not null default 0;
