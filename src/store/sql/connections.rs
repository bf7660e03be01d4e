//! Connections to CRMs: who may speak to one, and what is to be done there; see `store::changes`.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::delivery::{deal_again, delivery, take, wake_next};
use super::endpoints::{held, no_endpoint, read, write};
use super::{Sql, Tx, audit, changes, is_taken, no_deal};
use crate::store::{
    ChangeDone, ChangeId, ChangeState, ConnectionFence, Connections, ContactKey, ContactKind, CrmWork, DealId,
    Endpoint, EndpointId, EndpointKind, Error, Result, Scope, WorkspaceId, millis, moment, to_json,
};

/// Connections that are looked at, where others are quicker to take one.
const LOOKED_AT: i64 = 8;

/// Holds the connection that a worker has, and tells whose it is. `Fenced` where it has it no more.
pub(super) async fn held_by(tx: &mut Tx, fence: &ConnectionFence) -> Result<WorkspaceId> {
    let row = sqlx::query(concat!(
        "select workspace from endpoints where id = $1 and attempt = $2 and lease_until is not null",
        hold!()
    ))
    .bind(&fence.endpoint)
    .bind(fence.attempt)
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(Error::Fenced)?;
    Ok(row.try_get(0)?)
}

/// Gives back what the worker at a connection had in hand.
async fn give_back(tx: &mut Tx, workspace: &WorkspaceId, endpoint: &EndpointId) -> Result<()> {
    sqlx::query(
        "update deliveries set lease_until = null, next_at = created_at
         where workspace = $1 and endpoint = $2 and lease_until is not null",
    )
    .bind(workspace)
    .bind(endpoint)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[async_trait]
impl Connections for Sql {
    async fn claim_connection(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        lease: Duration,
    ) -> Result<Option<(ConnectionFence, Endpoint)>> {
        // Looking costs no writer.
        let waiting = sqlx::query(
            "select e.workspace, e.id from endpoints e
             where e.kind = 'crm' and e.disabled_at is null and e.not_before <= $1
               and (e.lease_until is null or e.lease_until <= $1)
               and (exists (select 1 from deliveries d where d.endpoint = e.id and d.state = 'pending' and d.next_at <= $1)
                 or exists (select 1 from changes c where c.endpoint = e.id and c.next_at <= $1
                              and c.state in ('approved', 'writing', 'undo_approved', 'undoing')))
             order by e.served_at, e.id limit $2",
        )
        .bind(millis(now))
        .bind(LOOKED_AT)
        .fetch_all(&self.read)
        .await?;
        for row in &waiting {
            let (workspace, id): (WorkspaceId, EndpointId) = (row.try_get(0)?, row.try_get(1)?);
            let mut tx = self.begin().await?;
            let free = sqlx::query(concat!(
                "select 1 from endpoints where workspace = $1 and id = $2 and disabled_at is null and not_before <= $3
                   and (lease_until is null or lease_until <= $3)",
                hold_free!()
            ))
            .bind(&workspace)
            .bind(&id)
            .bind(millis(now))
            .fetch_optional(&mut *tx)
            .await?;
            if free.is_none() {
                continue;
            }
            let row = sqlx::query(
                "update endpoints set lease_until = $4, worker = $5, attempt = attempt + 1, served_at = $3
                 where workspace = $1 and id = $2 returning attempt",
            )
            .bind(&workspace)
            .bind(&id)
            .bind(millis(now))
            .bind(millis(now + lease))
            .bind(worker)
            .fetch_one(&mut *tx)
            .await?;
            let attempt = row.try_get(0)?;
            // A worker that died left it.
            give_back(&mut tx, &workspace, &id).await?;
            let endpoint = read(&mut tx, &workspace, &id).await?;
            tx.commit().await?;
            let fence = ConnectionFence { endpoint: id, attempt };
            return Ok(Some((fence, endpoint)));
        }
        Ok(None)
    }

    async fn extend_connection(&self, fence: &ConnectionFence, until: DateTime<Utc>) -> Result<bool> {
        let done = sqlx::query(
            "update endpoints set lease_until = $3 where id = $1 and attempt = $2 and lease_until is not null",
        )
        .bind(&fence.endpoint)
        .bind(fence.attempt)
        .bind(millis(until))
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn release_connection(&self, fence: &ConnectionFence) -> Result<()> {
        let mut tx = self.begin().await?;
        let workspace = match held_by(&mut tx, fence).await {
            Ok(workspace) => workspace,
            Err(Error::Fenced) => return Ok(()),
            Err(error) => return Err(error),
        };
        sqlx::query("update endpoints set lease_until = null, worker = null where workspace = $1 and id = $2")
            .bind(&workspace)
            .bind(&fence.endpoint)
            .execute(&mut *tx)
            .await?;
        give_back(&mut tx, &workspace, &fence.endpoint).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn release_all_connections(&self) -> Result<u64> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("update endpoints set lease_until = null, worker = null where lease_until is not null")
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "update deliveries set lease_until = null, next_at = created_at where lease_until is not null
               and endpoint in (select id from endpoints where kind = 'crm')",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    async fn next_crm_work(&self, fence: &ConnectionFence, now: DateTime<Utc>) -> Result<Option<CrmWork>> {
        let mut tx = self.begin().await?;
        let workspace = held_by(&mut tx, fence).await?;
        let row = sqlx::query(
            "select lease_until from endpoints
             where workspace = $1 and id = $2 and disabled_at is null and not_before <= $3",
        )
        .bind(&workspace)
        .bind(&fence.endpoint)
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let until = row.try_get::<Option<i64>, _>(0)?.map_or(now, moment);
        let row = sqlx::query(
            "select p.id as proposal, p.deal, p.call, p.endpoint, p.revision, p.crm_deal, p.created_at, c.id as change, c.kind,
                    c.name, c.target, c.old_value, c.old_name, c.new_value, c.new_name, c.evidence, c.confidence, c.policy, c.why,
                    c.state, c.decided_by, c.decided_at, c.attempt, c.crm_id, c.found_value, c.found_name, c.message,
                    c.updated_at, c.tries
             from changes c join proposals p on p.id = c.proposal
             where p.workspace = $1 and c.endpoint = $2 and c.next_at <= $3
               and c.state in ('approved', 'writing', 'undo_approved', 'undoing')
             order by c.proposal, c.position limit 1",
        )
        .bind(&workspace)
        .bind(&fence.endpoint)
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = row {
            let change = changes::change(&row)?;
            return Ok(Some(CrmWork::Change {
                unsure: matches!(change.state, ChangeState::Writing | ChangeState::Undoing),
                change: Box::new(change),
                proposal: Box::new(changes::proposal(&row)?),
                tries: row.try_get::<i64, _>("tries")? + 1,
            }));
        }
        let rows = take(&mut tx, &workspace, &fence.endpoint, 1, now, until).await?;
        tx.commit().await?;
        rows.first()
            .map(|row| {
                Ok(CrmWork::Event {
                    delivery: Box::new(delivery(row)?),
                    tries: row.try_get("tries")?,
                    payload: row.try_get("payload")?,
                })
            })
            .transpose()
    }

    async fn begin_change(&self, fence: &ConnectionFence, change: &ChangeId, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let workspace = held_by(&mut tx, fence).await?;
        let begun = sqlx::query(
            "update changes set state = case when state in ('approved', 'writing') then 'writing' else 'undoing' end,
                    attempt = attempt + 1, tries = tries + 1, message = null,
                    updated_at = $4
             where workspace = $1 and id = $2 and endpoint = $3
               and state in ('approved', 'writing', 'undo_approved', 'undoing')",
        )
        .bind(&workspace)
        .bind(change)
        .bind(&fence.endpoint)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        if begun.rows_affected() == 0 {
            return Err(Error::Conflict("the change is not to be written any more".to_owned()));
        }
        tx.commit().await?;
        Ok(())
    }

    async fn finish_change(
        &self,
        fence: &ConnectionFence,
        change: &ChangeId,
        done: ChangeDone,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let workspace = held_by(&mut tx, fence).await?;
        match done {
            ChangeDone::Ended {
                state,
                crm_id,
                found,
                message,
            } => {
                let (found, name) = found.map_or((None, None), |found| (Some(found.value), found.name));
                let ended = sqlx::query(
                    "update changes set state = $4, crm_id = coalesce($5, crm_id), message = $6, updated_at = $7,
                            found_value = $8, found_name = $9
                     where workspace = $1 and id = $2 and endpoint = $3
                       and state in ('approved', 'writing', 'undo_approved', 'undoing')
                     returning proposal",
                )
                .bind(&workspace)
                .bind(change)
                .bind(&fence.endpoint)
                .bind(state)
                .bind(crm_id)
                .bind(message)
                .bind(millis(now))
                .bind(found.as_ref().map(to_json).transpose()?)
                .bind(name)
                .fetch_optional(&mut *tx)
                .await?;
                let written = match state {
                    ChangeState::Applied => Some("change.applied"),
                    ChangeState::Undone => Some("change.undone"),
                    _ => None,
                };
                let proposal: Option<String> = ended.map(|row| row.try_get(0)).transpose()?;
                if let Some(proposal) = &proposal {
                    let row = sqlx::query("select deal from proposals where workspace = $1 and id = $2")
                        .bind(&workspace)
                        .bind(proposal)
                        .fetch_one(&mut *tx)
                        .await?;
                    let deal: String = row.try_get(0)?;
                    wake_next(&mut tx, &workspace, &fence.endpoint, &deal, now).await?;
                }
                if let (Some(proposal), Some(action)) = (proposal, written) {
                    worked(&mut tx, &workspace, &fence.endpoint, now).await?;
                    let details = json!({"proposal": proposal, "endpoint": fence.endpoint});
                    audit(&mut tx, &workspace, "server", action, change.as_str(), &details, now).await?;
                }
            }
            ChangeDone::Again {
                at,
                rest,
                unsure,
                message,
            } => {
                if let Some(rest) = rest {
                    let mut endpoint = read(&mut tx, &workspace, &fence.endpoint).await?;
                    endpoint.not_before = endpoint.not_before.max(rest);
                    write(&mut tx, &endpoint).await?;
                }
                sqlx::query(
                    "update changes set next_at = $4, message = $5, updated_at = $6,
                            state = case when $7 = 1 then state when state = 'writing' then 'approved'
                                         when state = 'undoing' then 'undo_approved' else state end
                     where workspace = $1 and id = $2 and endpoint = $3
                       and state in ('approved', 'writing', 'undo_approved', 'undoing')",
                )
                .bind(&workspace)
                .bind(change)
                .bind(&fence.endpoint)
                .bind(millis(at))
                .bind(message)
                .bind(millis(now))
                .bind(i64::from(unsure))
                .execute(&mut *tx)
                .await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn crm_record(
        &self,
        workspace: &WorkspaceId,
        deal: &DealId,
        endpoint: &EndpointId,
    ) -> Result<Option<String>> {
        let row = sqlx::query(
            "select r.crm_id as known, d.crm_id as said,
                    (select count(*) from endpoints e where e.workspace = $1 and e.kind = 'crm' and e.id <> $3) as others
             from deals d left join crm_records r on r.deal = d.id and r.endpoint = $3
             where d.workspace = $1 and d.id = $2",
        )
        .bind(workspace)
        .bind(deal)
        .bind(endpoint)
        .fetch_optional(&self.read)
        .await?
        .ok_or_else(|| no_deal(deal))?;
        if let Some(known) = row.try_get("known")? {
            return Ok(Some(known));
        }
        // Of which of several CRMs clients speak, they do not say.
        let is_only = row.try_get::<i64, _>("others")? == 0;
        Ok(row.try_get::<Option<String>, _>("said")?.filter(|_| is_only))
    }

    async fn link_crm_deal(
        &self,
        workspace: &WorkspaceId,
        deal: &DealId,
        endpoint: &EndpointId,
        crm_id: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        held(&mut tx, workspace, endpoint).await?;
        let scope = Scope::all(workspace.clone());
        hold_deal(&mut tx, &scope, deal).await?;
        match record(&mut tx, workspace, deal, endpoint).await? {
            Some(known) if known == crm_id => return Ok(()),
            Some(_) => return Err(Error::Conflict("the deal is another record of the CRM".to_owned())),
            None => (),
        }
        link(&mut tx, workspace, deal, endpoint, crm_id).await?;
        let details = json!({"endpoint": endpoint, "crm_id": crm_id});
        let (actor, action) = ("server", "deal.linked");
        audit(&mut tx, workspace, actor, action, deal.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn say_crm_deal(
        &self,
        scope: &Scope,
        deal: &DealId,
        endpoint: &EndpointId,
        crm_id: Option<&str>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let workspace = &scope.workspace;
        let mut tx = self.begin().await?;
        if held(&mut tx, workspace, endpoint).await?.kind != EndpointKind::Crm {
            return Err(no_endpoint(endpoint));
        }
        hold_deal(&mut tx, scope, deal).await?;
        let before = record(&mut tx, workspace, deal, endpoint).await?;
        if before.as_deref() == crm_id {
            return Ok(());
        }
        sqlx::query("delete from crm_records where workspace = $1 and deal = $2 and endpoint = $3")
            .bind(workspace)
            .bind(deal)
            .bind(endpoint)
            .execute(&mut *tx)
            .await?;
        if let Some(crm_id) = crm_id {
            link(&mut tx, workspace, deal, endpoint, crm_id).await?;
        }
        changes::supersede_of_others(&mut tx, workspace, deal, endpoint, crm_id, now).await?;
        deal_again(&mut tx, workspace, endpoint, deal, now).await?;
        let details = json!({"endpoint": endpoint, "crm_id": crm_id, "before": before});
        audit(&mut tx, workspace, actor, "deal.linked", deal.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn crm_records(&self, workspace: &WorkspaceId, deal: &DealId) -> Result<Vec<(EndpointId, String)>> {
        let rows = sqlx::query(
            "select endpoint, crm_id from crm_records where workspace = $1 and deal = $2 order by endpoint",
        )
        .bind(workspace)
        .bind(deal)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    async fn deal_keys(&self, workspace: &WorkspaceId, deal: &DealId) -> Result<Vec<ContactKey>> {
        let rows = sqlx::query(
            "select distinct kind, value from deal_keys where workspace = $1 and deal = $2 order by kind, value",
        )
        .bind(workspace)
        .bind(deal)
        .fetch_all(&self.read)
        .await?;
        let mut keys = Vec::new();
        for row in &rows {
            let kind: ContactKind = row.try_get(0)?;
            keys.extend(ContactKey::new(kind, &row.try_get::<String, _>(1)?));
        }
        Ok(keys)
    }
}

/// Holds a deal that is seen.
async fn hold_deal(tx: &mut Tx, scope: &Scope, deal: &DealId) -> Result<()> {
    sqlx::query(concat!(
        "select 1 from deals where workspace = $1 and id = $2 and ($3 is null or owner = $3)",
        hold!()
    ))
    .bind(&scope.workspace)
    .bind(deal)
    .bind(&scope.owner)
    .fetch_optional(&mut **tx)
    .await?
    .ok_or_else(|| no_deal(deal))?;
    Ok(())
}

async fn record(tx: &mut Tx, workspace: &WorkspaceId, deal: &DealId, endpoint: &EndpointId) -> Result<Option<String>> {
    let row = sqlx::query("select crm_id from crm_records where workspace = $1 and deal = $2 and endpoint = $3")
        .bind(workspace)
        .bind(deal)
        .bind(endpoint)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn link(tx: &mut Tx, workspace: &WorkspaceId, deal: &DealId, endpoint: &EndpointId, crm_id: &str) -> Result<()> {
    sqlx::query("insert into crm_records (workspace, deal, endpoint, crm_id) values ($1, $2, $3, $4)")
        .bind(workspace)
        .bind(deal)
        .bind(endpoint)
        .bind(crm_id)
        .execute(&mut **tx)
        .await
        .map_err(|error| {
            if is_taken(&error) {
                Error::Conflict(format!("another deal is record `{crm_id}` of the CRM"))
            } else {
                error.into()
            }
        })?;
    Ok(())
}

/// The CRM took something.
async fn worked(tx: &mut Tx, workspace: &WorkspaceId, endpoint: &EndpointId, now: DateTime<Utc>) -> Result<()> {
    sqlx::query("update endpoints set failing_since = null, last_success_at = $3 where workspace = $1 and id = $2")
        .bind(workspace)
        .bind(endpoint)
        .bind(millis(now))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
