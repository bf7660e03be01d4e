-- What leaves the machine: where to, what, and what came of it. Secrets are sealed by `deliver` before they come here.

create table endpoints (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    -- webhook, crm, mail
    kind text not null,
    -- Where a webhook goes; the name of the connection of a CRM; the server of mail, without its password.
    target text not null,
    -- Types of events, space-separated; '': all that it can be told.
    types text not null,
    -- Sealed. Signs webhooks; what else a connection needs, JSON.
    secret text not null,
    -- Sealed; signs too until the moment beside it.
    previous_secret text,
    previous_until bigint,
    -- TOML of a CRM connection that the customer wrote; null: the one of the program with that name.
    file text,
    created_at bigint not null,
    -- person, gone, failing, receiver; null: it is in use.
    disabled_why text,
    disabled_at bigint,
    -- Since when nothing succeeded; null: the last try did.
    failing_since bigint,
    last_success_at bigint,
    -- Nothing is sent before: the receiver asked for it, or did not answer.
    not_before bigint not null default 0,
    -- When something was last handed out for it: the one that waited longest is next.
    served_at bigint not null default 0,
    -- A CRM is written by one worker at a time: its rate is counted there.
    lease_until bigint,
    worker text,
    -- Fence of the lease.
    attempt bigint not null default 0
);
create index endpoints_workspace on endpoints (workspace, id);

-- One event for one endpoint.
create table deliveries (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    endpoint text not null references endpoints (id) on delete cascade,
    event text not null,
    event_seq bigint not null,
    event_kind text not null,
    call text,
    -- Deliveries of a deal go one after the other; '': of none.
    deal text not null,
    -- pending, delivered, failed, dropped
    state text not null,
    -- Attempts of all time, and of this round of the schedule.
    attempt bigint not null default 0,
    tries bigint not null default 0,
    -- While it is being sent: when the lease ends.
    next_at bigint not null,
    -- null: nobody has it.
    lease_until bigint,
    -- Why it has not been delivered, for people.
    message text,
    created_at bigint not null,
    done_at bigint,
    foreign key (workspace, event_seq) references events (workspace, seq) on delete cascade
);
create unique index deliveries_event on deliveries (endpoint, event);
-- Those that wait are few among all that were.
create index deliveries_due on deliveries (endpoint, next_at, event_seq) where state = 'pending';
create index deliveries_order on deliveries (endpoint, deal, event_seq) where state = 'pending';
create index deliveries_held on deliveries (endpoint, lease_until) where lease_until is not null;
create index deliveries_failed on deliveries (endpoint, done_at) where state = 'failed';
create index deliveries_workspace on deliveries (workspace, id);
create index deliveries_event_seq on deliveries (workspace, event_seq);

create table attempts (
    delivery text not null references deliveries (id) on delete cascade,
    number bigint not null,
    workspace text not null,
    started_at bigint not null,
    duration_ms bigint not null,
    -- Of HTTP; null: there was no answer.
    status bigint,
    -- timeout, refused, reset, name, tls, blocked, too_slow…; null: an answer came.
    error text,
    -- First bytes of the answer.
    answer text not null,
    primary key (delivery, number)
);

-- What an analysis would change in the CRM.
create table proposals (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    deal text not null references deals (id) on delete cascade,
    call text not null references calls (id) on delete cascade,
    endpoint text not null references endpoints (id) on delete cascade,
    -- Of the deal, when it was made.
    revision bigint not null,
    -- Id of the deal in the CRM.
    crm_deal text not null,
    -- The delivery that asked for it: only one is made for each.
    delivery text not null,
    created_at bigint not null
);
create unique index proposals_delivery on proposals (delivery);
create index proposals_workspace on proposals (workspace, id);
create index proposals_deal on proposals (deal, endpoint);
create index proposals_call on proposals (call);

create table changes (
    id text primary key,
    proposal text not null references proposals (id) on delete cascade,
    workspace text not null,
    endpoint text not null,
    position bigint not null,
    -- stage, field, note, task
    kind text not null,
    -- Ours: the field or the action; '': there is but one.
    name text not null,
    -- The CRM's: its field, or ''.
    target text not null,
    -- JSON, as the CRM has it and is to have it.
    old_value text not null,
    new_value text not null,
    -- JSON [{call, turn, quote}]
    evidence text not null,
    confidence double precision,
    -- auto, ask, never
    policy text not null,
    -- Why a person is asked: backwards, closes, unsure…; null: the policy of the customer says it.
    why text,
    -- proposed, withheld, approved, writing, applied, not_applied, conflict, failed, rejected, superseded,
    -- undo_approved, undoing, undone, undo_conflict, undo_failed
    state text not null,
    decided_by text,
    decided_at bigint,
    -- Requests to the CRM that were begun; the intent of one is written before it.
    attempt bigint not null default 0,
    tries bigint not null default 0,
    next_at bigint not null,
    -- Of what was made in the CRM.
    crm_id text,
    -- What the CRM said, for people.
    message text,
    updated_at bigint not null
);
create index changes_proposal on changes (proposal, position);
create index changes_due on changes (endpoint, state, next_at);

-- What somebody has to do, and when it is due. A row goes when it was told.
create table reminders (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    call text not null references calls (id) on delete cascade,
    deal text,
    -- JSON: what the event tells.
    payload text not null,
    due_at bigint not null
);
create index reminders_due on reminders (due_at);
create index reminders_call on reminders (call);
create index reminders_deal on reminders (deal);
