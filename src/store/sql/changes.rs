//! Change-sets; see `store::changes`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::connections::held_by;
use super::{Row, Sql, Tx, audit, publish};
use crate::store::{
    About, Change, ChangeId, ChangeState, Changes, ConnectionFence, DealId, Decision, EndpointId, Error, Found,
    NewChange, NewEvent, NewProposal, Policy, Proposal, ProposalFilter, ProposalId, Result, Scope, WorkspaceId,
    from_json, millis, moment, to_json,
};

/// Who decided where the policy of the customer did.
const POLICY: &str = "policy";

/// Wants all columns of a [`Change`], its id as `change`.
pub(super) fn change(row: &Row) -> Result<Change> {
    let value = |name: &str| -> Result<serde_json::Value> {
        from_json("a value of a change", &row.try_get::<String, _>(name)?)
    };
    let found = row
        .try_get::<Option<String>, _>("found_value")?
        .map(|_| -> Result<Found> {
            Ok(Found {
                value: value("found_value")?,
                name: row.try_get("found_name")?,
            })
        })
        .transpose()?;
    Ok(Change {
        id: row.try_get("change")?,
        proposal: row.try_get("proposal")?,
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        target: row.try_get("target")?,
        old: value("old_value")?,
        old_name: row.try_get("old_name")?,
        new: value("new_value")?,
        new_name: row.try_get("new_name")?,
        evidence: from_json("evidence of a change", &row.try_get::<String, _>("evidence")?)?,
        confidence: row.try_get("confidence")?,
        policy: row.try_get("policy")?,
        why: row.try_get("why")?,
        state: row.try_get("state")?,
        decided_by: row.try_get("decided_by")?,
        decided_at: row.try_get::<Option<i64>, _>("decided_at")?.map(moment),
        attempt: row.try_get("attempt")?,
        crm_id: row.try_get("crm_id")?,
        found,
        message: row.try_get("message")?,
        updated_at: moment(row.try_get("updated_at")?),
    })
}

/// Wants all columns of a [`Proposal`], its id as `proposal`. Without changes.
pub(super) fn proposal(row: &Row) -> Result<Proposal> {
    Ok(Proposal {
        id: row.try_get("proposal")?,
        deal: row.try_get("deal")?,
        call: row.try_get("call")?,
        endpoint: row.try_get("endpoint")?,
        revision: row.try_get("revision")?,
        crm_deal: row.try_get("crm_deal")?,
        created_at: moment(row.try_get("created_at")?),
        changes: Vec::new(),
    })
}

/// From rows of change-sets with their changes, each set with its changes one after the other.
fn proposals(rows: &[Row]) -> Result<Vec<Proposal>> {
    let mut all: Vec<Proposal> = Vec::new();
    for row in rows {
        let next = proposal(row)?;
        if all.last().is_none_or(|last| last.id != next.id) {
            all.push(next);
        }
        if let (Some(last), Some(_)) = (all.last_mut(), row.try_get::<Option<ChangeId>, _>("change")?) {
            last.changes.push(change(row)?);
        }
    }
    Ok(all)
}

const ONE_PROPOSAL: &str =
    "select p.id as proposal, p.deal, p.call, p.endpoint, p.revision, p.crm_deal, p.created_at, c.id as change, c.kind,
            c.name, c.target, c.old_value, c.old_name, c.new_value, c.new_name, c.evidence, c.confidence, c.policy, c.why, c.state, c.decided_by,
            c.decided_at, c.attempt, c.crm_id, c.found_value, c.found_name, c.message, c.updated_at
     from proposals p join deals d on d.id = p.deal left join changes c on c.proposal = p.id
     where p.workspace = $1 and p.id = $2 and ($3 is null or d.owner = $3) order by c.position";

fn no_proposal(id: &ProposalId) -> Error {
    Error::Missing {
        what: "proposal",
        id: id.to_string(),
    }
}

async fn insert(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    of: &NewProposal,
    position: usize,
    change: &NewChange,
    now: DateTime<Utc>,
) -> Result<()> {
    let state = match change.policy {
        Policy::Auto => ChangeState::Approved,
        Policy::Ask => ChangeState::Proposed,
        Policy::Never => ChangeState::Withheld,
    };
    let decided = state == ChangeState::Approved;
    sqlx::query(
        "insert into changes (id, proposal, workspace, endpoint, position, kind, name, target, old_value, old_name, new_value,
                              new_name, evidence, confidence, policy, why, state, decided_by, decided_at, next_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20)",
    )
    .bind(&change.id)
    .bind(&of.id)
    .bind(workspace)
    .bind(&of.endpoint)
    .bind(position as i64)
    .bind(change.kind)
    .bind(&change.name)
    .bind(&change.target)
    .bind(to_json(&change.old)?)
    .bind(&change.old_name)
    .bind(to_json(&change.new)?)
    .bind(&change.new_name)
    .bind(to_json(&change.evidence)?)
    .bind(change.confidence)
    .bind(change.policy)
    .bind(&change.why)
    .bind(state)
    .bind(decided.then_some(POLICY))
    .bind(decided.then(|| millis(now)))
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What earlier change-sets of the deal at the connection proposed, and what of it was approved and not begun or came to
/// nothing, gives way. A note or a task that was approved is still to be made.
async fn supersede(tx: &mut Tx, workspace: &WorkspaceId, by: &NewProposal, now: DateTime<Utc>) -> Result<()> {
    // Whoever decides about one of them holds it.
    let earlier = sqlx::query(concat!(
        "select id from proposals where workspace = $1 and deal = $2 and endpoint = $3 order by id",
        hold!()
    ))
    .bind(workspace)
    .bind(&by.deal)
    .bind(&by.endpoint)
    .fetch_all(&mut **tx)
    .await?;
    if earlier.is_empty() {
        return Ok(());
    }
    // A letter is a note with a name.
    let statement = match by.about {
        About::Deal => {
            "update changes set state = 'superseded', updated_at = $5
             where workspace = $1 and proposal in (select id from proposals where workspace = $1 and deal = $2 and endpoint = $3)
               and ((state in ('proposed', 'approved', 'failed', 'conflict') and kind in ('stage', 'field'))
                 or (state = 'proposed' and not (kind = 'note' and name <> '')
                     and proposal in (select id from proposals where workspace = $1 and call = $4)))"
        }
        About::Letter => {
            "update changes set state = 'superseded', updated_at = $5
             where workspace = $1 and state = 'proposed' and kind = 'note' and name <> ''
               and proposal in (select id from proposals where workspace = $1 and deal = $2 and endpoint = $3 and call = $4)"
        }
    };
    sqlx::query(statement)
        .bind(workspace)
        .bind(&by.deal)
        .bind(&by.endpoint)
        .bind(&by.call)
        .bind(millis(now))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What was proposed for another record of the CRM than the deal is, and is not begun, gives way. None: for any.
pub(super) async fn supersede_of_others(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    deal: &DealId,
    endpoint: &EndpointId,
    crm_deal: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    let others = sqlx::query(concat!(
        "select id from proposals where workspace = $1 and deal = $2 and endpoint = $3 and ($4 is null or crm_deal <> $4)
         order by id",
        hold!()
    ))
    .bind(workspace)
    .bind(deal)
    .bind(endpoint)
    .bind(crm_deal)
    .fetch_all(&mut **tx)
    .await?;
    for other in &others {
        sqlx::query(
            "update changes set state = 'superseded', updated_at = $3 where workspace = $1 and proposal = $2
               and state in ('proposed', 'approved', 'failed', 'conflict')",
        )
        .bind(workspace)
        .bind(other.try_get::<ProposalId, _>(0)?)
        .bind(millis(now))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What a decision does.
struct Moves {
    /// Applies to changes in this state,
    from: ChangeState,
    /// and in these where they are named: nobody tries again what failed by approving all that waits.
    named: &'static [ChangeState],
    to: ChangeState,
    /// In the audit log.
    action: &'static str,
}

const fn moves(decision: Decision) -> Moves {
    match decision {
        Decision::Approve => Moves {
            from: ChangeState::Proposed,
            named: &[ChangeState::Failed, ChangeState::Conflict],
            to: ChangeState::Approved,
            action: "change.approved",
        },
        Decision::Reject => Moves {
            from: ChangeState::Proposed,
            named: &[],
            to: ChangeState::Rejected,
            action: "change.rejected",
        },
        Decision::Undo => Moves {
            from: ChangeState::Applied,
            named: &[],
            to: ChangeState::UndoApproved,
            action: "change.undo_approved",
        },
    }
}

/// The changes that are named, or all to which a decision applies.
fn chosen<'a>(of: &'a Proposal, named: Option<&[ChangeId]>, moves: &Moves) -> Result<Vec<&'a Change>> {
    let from = moves.from;
    let Some(named) = named else {
        let all: Vec<&Change> = of.changes.iter().filter(|change| change.state == from).collect();
        if all.is_empty() {
            return Err(Error::Conflict(format!("no change of it is {}", from.as_str())));
        }
        return Ok(all);
    };
    let mut ids: Vec<&ChangeId> = named.iter().collect();
    ids.sort();
    ids.dedup();
    let mut all = Vec::new();
    for id in ids {
        let change = of.changes.iter().find(|change| change.id == *id);
        let change = change.ok_or_else(|| Error::Missing {
            what: "change",
            id: id.to_string(),
        })?;
        if change.state != from && !moves.named.contains(&change.state) {
            let state = change.state.as_str();
            return Err(Error::Conflict(format!(
                "change `{id}` is {state}, not {}",
                from.as_str()
            )));
        }
        all.push(change);
    }
    Ok(all)
}

#[async_trait]
impl Changes for Sql {
    async fn propose(
        &self,
        workspace: &WorkspaceId,
        fence: &ConnectionFence,
        proposal: NewProposal,
        events: Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        held_by(&mut tx, fence).await?;
        let before = sqlx::query("select 1 from proposals where workspace = $1 and delivery = $2")
            .bind(workspace)
            .bind(&proposal.delivery)
            .fetch_optional(&mut *tx)
            .await?;
        if before.is_some() {
            return Ok(());
        }
        // Holds the deal: what is known of it does not change until this is kept.
        let seen =
            sqlx::query("update deals set revision = revision where workspace = $1 and id = $2 and revision = $3")
                .bind(workspace)
                .bind(&proposal.deal)
                .bind(proposal.revision)
                .execute(&mut *tx)
                .await?;
        if seen.rows_affected() == 0 {
            return Err(Error::Stale);
        }
        supersede(&mut tx, workspace, &proposal, now).await?;
        sqlx::query(
            "insert into proposals (id, workspace, deal, call, endpoint, revision, crm_deal, delivery, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&proposal.id)
        .bind(workspace)
        .bind(&proposal.deal)
        .bind(&proposal.call)
        .bind(&proposal.endpoint)
        .bind(proposal.revision)
        .bind(&proposal.crm_deal)
        .bind(&proposal.delivery)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        for (position, change) in proposal.changes.iter().enumerate() {
            insert(&mut tx, workspace, &proposal, position, change, now).await?;
        }
        let (call, deal) = (Some(&proposal.call), Some(&proposal.deal));
        publish(&mut tx, workspace, call, deal, &events, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn proposal(&self, scope: &Scope, id: &ProposalId) -> Result<Option<Proposal>> {
        let rows = sqlx::query(ONE_PROPOSAL)
            .bind(&scope.workspace)
            .bind(id)
            .bind(&scope.owner)
            .fetch_all(&self.read)
            .await?;
        Ok(proposals(&rows)?.pop())
    }

    async fn proposals(&self, scope: &Scope, filter: &ProposalFilter) -> Result<Vec<Proposal>> {
        let rows = sqlx::query(
            "select p.id as proposal, p.deal, p.call, p.endpoint, p.revision, p.crm_deal, p.created_at, c.id as change, c.kind,
                    c.name, c.target, c.old_value, c.old_name, c.new_value, c.new_name, c.evidence, c.confidence, c.policy, c.why, c.state,
                    c.decided_by, c.decided_at, c.attempt, c.crm_id, c.found_value, c.found_name, c.message, c.updated_at
             from (
                select o.id, o.deal, o.call, o.endpoint, o.revision, o.crm_deal, o.created_at
                from proposals o join deals d on d.id = o.deal
                where o.workspace = $1 and ($2 is null or d.owner = $2) and ($3 is null or o.id < $3)
                  and ($4 is null or o.deal = $4) and ($5 is null or o.call = $5)
                  and ($6 = 0 or exists (select 1 from changes w where w.proposal = o.id and w.state = 'proposed'))
                order by o.id desc limit $7) p
             left join changes c on c.proposal = p.id
             order by p.id desc, c.position",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .bind(&filter.before)
        .bind(&filter.deal)
        .bind(&filter.call)
        .bind(i64::from(filter.open))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.read)
        .await?;
        proposals(&rows)
    }

    async fn decide(
        &self,
        scope: &Scope,
        id: &ProposalId,
        changes: Option<&[ChangeId]>,
        decision: Decision,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Proposal> {
        let workspace = &scope.workspace;
        let moves = moves(decision);
        let mut tx = self.begin().await?;
        sqlx::query(concat!(
            "select 1 from proposals where workspace = $1 and id = $2",
            hold!()
        ))
        .bind(workspace)
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| no_proposal(id))?;
        let before = seen(&mut tx, scope, id).await?;
        let chosen = chosen(&before, changes, &moves)?;
        for change in &chosen {
            let moved = sqlx::query(
                "update changes set state = $4, decided_by = $5, decided_at = $6, next_at = $6, tries = 0, message = null,
                        updated_at = $6,
                        old_value = case when state = 'conflict' then coalesce(found_value, old_value) else old_value end,
                        old_name = case when state = 'conflict' and found_value is not null then found_name else old_name end,
                        found_value = null, found_name = null
                 where workspace = $1 and id = $2 and state = $3",
            )
            .bind(workspace)
            .bind(&change.id)
            .bind(change.state)
            .bind(moves.to)
            .bind(actor)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() == 0 {
                return Err(Error::Conflict(format!(
                    "change `{}` has just become something else",
                    change.id
                )));
            }
        }
        // After the changes: whoever writes one to the CRM holds it while it waits for the workspace.
        for change in &chosen {
            let details = json!({"proposal": id});
            audit(
                &mut tx,
                workspace,
                actor,
                moves.action,
                change.id.as_str(),
                &details,
                now,
            )
            .await?;
        }
        let after = seen(&mut tx, scope, id).await?;
        tx.commit().await?;
        Ok(after)
    }
}

async fn seen(tx: &mut Tx, scope: &Scope, id: &ProposalId) -> Result<Proposal> {
    let rows = sqlx::query(ONE_PROPOSAL)
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_all(&mut **tx)
        .await?;
    proposals(&rows)?.pop().ok_or_else(|| no_proposal(id))
}
