-- Which record of which CRM a deal is. `deals.crm_id` is what clients call the deal; a workspace may have several CRMs.
create table crm_records (
    workspace text not null references workspaces (id) on delete cascade,
    deal text not null references deals (id) on delete cascade,
    endpoint text not null references endpoints (id) on delete cascade,
    crm_id text not null,
    primary key (deal, endpoint)
);
create unique index crm_records_id on crm_records (endpoint, crm_id);
create index crm_records_workspace on crm_records (workspace, crm_id);

-- What the CRM calls the stages of a change; null: it has no other name, or it is no stage.
alter table changes add column old_name text;
alter table changes add column new_name text;
-- JSON: what the CRM has in place of what was expected, where that is a conflict; and its name.
alter table changes add column found_value text;
alter table changes add column found_name text;
