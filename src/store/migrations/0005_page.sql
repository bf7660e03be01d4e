-- What lists show of a call and find it by. It goes with the analysis, and the words with the transcript.

create table summaries (
    call text primary key references calls (id) on delete cascade,
    workspace text not null,
    -- Of the deal after the call; null: not decided.
    stage text,
    -- JSON
    body text not null,
    -- Stems of what was said, with a space around each; null: the transcript is not kept any more.
    words text
);
create index summaries_workspace on summaries (workspace, stage);

-- Stems of the file name and of the name, with a space around each; null: of an earlier version, not written yet.
alter table calls add column source_words text;
alter table deals add column name_words text;

-- Peaks of a recording, JSON; they go with it.
create table waveforms (
    call text primary key references calls (id) on delete cascade,
    workspace text not null,
    body text not null
);
