-- Next actions that somebody has ticked off. The action's key within its call: see `document::action_key`.
create table done_actions (
    call text not null references calls (id) on delete cascade,
    action text not null,
    workspace text not null references workspaces (id) on delete cascade,
    by_user text not null,
    at bigint not null,
    primary key (call, action)
);
