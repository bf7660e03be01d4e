-- One text for SQLite and PostgreSQL: 64-bit numbers, texts, moments as milliseconds since 1970 (UTC), JSON as text.
-- Everything belongs to a workspace and goes with it.

create table workspaces (
    id text primary key,
    name text not null,
    created_at bigint not null,
    -- Last number given to an event: counted here so that numbers appear in the order of commits.
    event_seq bigint not null default 0,
    audit_seq bigint not null default 0,
    audit_hash text not null default '',
    -- Hash of the last line that was old enough to go: the chain begins here.
    audit_root text not null default '',
    -- When a job of it was last handed out: the one that waited longest is next.
    served_at bigint not null default 0,
    -- The sales process as TOML; null: the one of the server.
    process text,
    -- Days that each kind is kept, as JSON; null: the defaults of the server.
    retention text
);

create table users (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    -- In small letters. Names one person of the whole server: people sign in with it.
    email text not null,
    name text not null,
    role text not null,
    -- Argon2id, PHC string; null: has no password.
    password text,
    disabled_at bigint,
    created_at bigint not null
);
create unique index users_email on users (email);
create index users_workspace on users (workspace, id);

create table api_keys (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    -- null: a key of the workspace, not of a person.
    user_id text references users (id) on delete cascade,
    name text not null,
    role text not null,
    -- Space-separated.
    scopes text not null,
    -- First characters, to tell keys apart.
    prefix text not null,
    -- SHA-256 of the key, hex.
    hash text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint,
    last_used_at bigint
);
create unique index api_keys_hash on api_keys (hash);
create index api_keys_workspace on api_keys (workspace, id);

create table sessions (
    -- SHA-256 of the cookie, hex.
    hash text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    user_id text not null references users (id) on delete cascade,
    created_at bigint not null,
    -- Moves with use, but not past the end.
    expires_at bigint not null,
    ends_at bigint not null
);
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

-- Append only; each line holds the hash of the line before it.
create table audit (
    workspace text not null references workspaces (id) on delete cascade,
    seq bigint not null,
    at bigint not null,
    actor text not null,
    action text not null,
    subject text not null,
    -- JSON without personal data.
    details text not null,
    hash text not null,
    primary key (workspace, seq)
);

create table deals (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    name text not null,
    crm_id text,
    -- The user who owns it.
    owner text,
    -- Grows with everything that changes what is known of it; 0: no call is analysed yet.
    revision bigint not null default 0,
    stage text,
    -- 1: made because a call named it; it goes with the last of its calls.
    by_call bigint not null default 0,
    created_at bigint not null,
    updated_at bigint not null
);
create unique index deals_crm on deals (workspace, crm_id);
create index deals_workspace on deals (workspace, id);

-- What a call is matched by: normalised phone numbers, e-mail addresses, names.
create table deal_keys (
    workspace text not null references workspaces (id) on delete cascade,
    deal text not null references deals (id) on delete cascade,
    kind text not null,
    value text not null,
    -- The call that told it, and with which it goes; '': the deal has it of its own.
    call text not null default '',
    primary key (workspace, kind, value, deal, call)
);
create index deal_keys_deal on deal_keys (deal);
create index deal_keys_call on deal_keys (workspace, call);

create table calls (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    -- null: waits in the inbox.
    deal text references deals (id),
    -- The user whose call it is.
    owner text,
    -- upload, live
    origin text not null,
    -- recording, transcript; what the bytes are is known when they are read.
    media text,
    -- File name as given.
    source text not null,
    -- SHA-256 of the bytes, hex; null when there are none (any more).
    blob text,
    size bigint,
    -- What the client said about the call, JSON.
    meta text not null,
    -- YYYY-MM-DD
    call_date text,
    started_at bigint,
    -- granted, denied, unknown
    consent text not null,
    -- spoken, written, form, notice, other; null: not said.
    consent_method text,
    consent_at bigint,
    -- 1: on legal hold, age takes nothing away.
    hold bigint not null default 0,
    -- Why there is none any more: retention, erasure, consent.
    recording_gone text,
    transcript_gone text,
    analysis_gone text,
    -- queued, running, done, failed, cancelled, live
    status text not null,
    step text,
    progress double precision not null,
    -- JSON {code, message}; null: none.
    error text,
    created_at bigint not null,
    updated_at bigint not null,
    done_at bigint
);
create index calls_workspace on calls (workspace, id);
create index calls_deal on calls (deal);
create index calls_blob on calls (workspace, blob);
create index calls_created on calls (workspace, created_at);

-- What each step came to.
create table results (
    call text not null references calls (id) on delete cascade,
    -- transcript, analysis
    step text not null,
    workspace text not null,
    body text not null,
    at bigint not null,
    primary key (call, step)
);
create index results_workspace on results (workspace, step, at);

create table jobs (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    call text not null references calls (id) on delete cascade,
    -- Greater goes first.
    priority bigint not null,
    -- queued, running, done, failed, cancelled
    state text not null,
    run_at bigint not null,
    lease_until bigint,
    worker text,
    -- Fence: a worker that lost its lease has an older number.
    attempt bigint not null default 0,
    -- Tries since something was achieved.
    tries bigint not null default 0,
    error text,
    created_at bigint not null,
    done_at bigint
);
create index jobs_due on jobs (state, run_at);
create index jobs_call on jobs (call);
create index jobs_workspace on jobs (workspace, state);

create table events (
    workspace text not null references workspaces (id) on delete cascade,
    seq bigint not null,
    id text not null,
    kind text not null,
    call text,
    deal text,
    -- JSON
    payload text not null,
    at bigint not null,
    primary key (workspace, seq)
);
create index events_call on events (call);
create index events_at on events (workspace, at);

-- What was known of a deal, and since when. Rows are only added; erasing a call takes its rows away.
create table deal_records (
    deal text not null references deals (id) on delete cascade,
    revision bigint not null,
    workspace text not null,
    call text not null references calls (id) on delete cascade,
    call_date text not null,
    known_at bigint not null,
    -- The analysis document without turns, JSON.
    body text not null,
    -- Ids, days and numbers of the analysis, JSON.
    figures text not null,
    primary key (deal, revision)
);
create index deal_records_workspace on deal_records (workspace, known_at);
create index deal_records_call on deal_records (call);

create table follow_ups (
    call text primary key references calls (id) on delete cascade,
    workspace text not null,
    -- Edited draft, JSON; null: as the analysis has it.
    draft text,
    -- draft, approved
    state text not null,
    revision bigint not null,
    by_user text,
    at bigint not null
);

create table corrections (
    id text primary key,
    workspace text not null references workspaces (id) on delete cascade,
    call text not null references calls (id) on delete cascade,
    by_user text not null,
    -- JSON
    body text not null,
    at bigint not null
);
create index corrections_call on corrections (call);

-- Answers to requests that came with an Idempotency-Key.
create table idempotency (
    workspace text not null references workspaces (id) on delete cascade,
    -- Who sent it: a key or a user.
    actor text not null,
    name text not null,
    -- SHA-256 of method, path and body.
    request text not null,
    -- null while the first request runs.
    status bigint,
    body text,
    -- The call or deal that the path names.
    subject text,
    at bigint not null,
    primary key (workspace, actor, name)
);
create index idempotency_at on idempotency (at);

-- Bytes that nothing may refer to any more, to be removed from the blob store from a time on. An upload is here before its
-- bytes are stored, in case it never comes to a call.
create table doomed_blobs (
    workspace text not null,
    hash text not null,
    at bigint not null,
    primary key (workspace, hash)
);
create index doomed_blobs_at on doomed_blobs (at);

-- Something was deleted whose bytes may still lie in the file of the database, and must not from this time on.
create table remains (
    due bigint not null
);

create table live_calls (
    call text primary key references calls (id) on delete cascade,
    workspace text not null,
    -- The start message, JSON.
    start text not null,
    -- Last number of a message.
    seq bigint not null default 0,
    -- Turns received.
    turns bigint not null default 0,
    last_seen_at bigint not null,
    ended_at bigint
);
create index live_calls_seen on live_calls (ended_at, last_seen_at);

-- What was sent to the client, to be sent again to one that lost its connection.
create table live_messages (
    call text not null references live_calls (call) on delete cascade,
    seq bigint not null,
    workspace text not null,
    body text not null,
    primary key (call, seq)
);

-- Turns as the client sent them.
create table live_turns (
    call text not null references live_calls (call) on delete cascade,
    number bigint not null,
    workspace text not null,
    body text not null,
    primary key (call, number)
);
