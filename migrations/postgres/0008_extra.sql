-- What the server is given with a call besides its arguments, as JSON: the approver sees all that runs.
alter table approvals add column extra text;
