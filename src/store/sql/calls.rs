//! See `store::calls`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::{Row, Sql, Tx, audit, no_call};
use crate::store::{
    Accepted, CallFilter, CallId, CallPage, CallRecord, CallStatus, Calls, Consent, Correction, Draft, DraftChange,
    DraftState, Error, Idempotent, JobId, NewCall, NewEvent, Origin, Priority, Remembered, Result, Scope, Step,
    WhatIsGone, WorkspaceId, from_json, millis, moment, to_json,
};

/// A request that is not an upload is answered sooner, or never.
const LONGEST_REQUEST: chrono::Duration = chrono::Duration::minutes(2);

/// Wants all columns of a [`CallRecord`] by their names.
pub(super) fn record(row: &Row) -> Result<CallRecord> {
    let date: Option<String> = row.try_get("call_date")?;
    let error: Option<String> = row.try_get("error")?;
    let size: Option<i64> = row.try_get("size")?;
    let at = |name: &str| -> Result<Option<DateTime<Utc>>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(moment)) };
    Ok(CallRecord {
        id: row.try_get("id")?,
        deal: row.try_get("deal")?,
        owner: row.try_get("owner")?,
        origin: row.try_get("origin")?,
        media: row.try_get("media")?,
        source: row.try_get("source")?,
        blob: row.try_get("blob")?,
        size: size.and_then(|size| u64::try_from(size).ok()),
        meta: row.try_get("meta")?,
        call_date: date.as_deref().map(day).transpose()?,
        started_at: at("started_at")?,
        consent: row.try_get("consent")?,
        consent_method: row.try_get("consent_method")?,
        consent_at: at("consent_at")?,
        hold: row.try_get::<i64, _>("hold")? != 0,
        gone: WhatIsGone {
            recording: row.try_get("recording_gone")?,
            transcript: row.try_get("transcript_gone")?,
            analysis: row.try_get("analysis_gone")?,
        },
        status: row.try_get("status")?,
        step: row.try_get("step")?,
        progress: row.try_get("progress")?,
        error: error
            .as_deref()
            .map(|text| from_json("error of a call", text))
            .transpose()?,
        created_at: at("created_at")?.unwrap_or_default(),
        updated_at: at("updated_at")?.unwrap_or_default(),
        done_at: at("done_at")?,
    })
}

pub(super) fn day(text: &str) -> Result<chrono::NaiveDate> {
    text.parse().map_err(|_| Error::Corrupt {
        what: "a day",
        cause: "not YYYY-MM-DD".to_owned(),
    })
}

/// Queues the work on a call.
pub(super) async fn add_job(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &CallId,
    priority: Priority,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "insert into jobs (id, workspace, call, priority, state, run_at, created_at)
         values ($1, $2, $3, $4, 'queued', $5, $5)",
    )
    .bind(JobId::fresh())
    .bind(workspace)
    .bind(call)
    .bind(priority.number())
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Queues a call again whose earlier work has ended; what it came to goes.
pub(super) async fn requeue(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &CallId,
    priority: Priority,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query("delete from results where call = $1 and workspace = $2 and step = 'analysis'")
        .bind(call)
        .bind(workspace)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "update calls set status = 'queued', step = null, progress = 0, error = null, done_at = null, analysis_gone = null,
                updated_at = $3
         where id = $1 and workspace = $2",
    )
    .bind(call)
    .bind(workspace)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    add_job(tx, workspace, call, priority, now).await
}

const ONE_CALL: &str =
    "select id, deal, owner, origin, media, source, blob, size, meta, call_date, started_at, consent, consent_method,
            consent_at, hold, recording_gone, transcript_gone, analysis_gone, status, step, progress, error, created_at,
            updated_at, done_at
     from calls where workspace = $1 and id = $2 and ($3 is null or owner = $3)";

/// The row of a call within a transaction that is going to change it.
pub(super) async fn seen_call(tx: &mut Tx, scope: &Scope, id: &CallId) -> Result<CallRecord> {
    let row = sqlx::query(ONE_CALL)
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map_or_else(|| Err(no_call(id)), record)
}

/// Keeps a call with its job, if it needs one, matched to its deal.
pub(super) async fn insert_call(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &NewCall,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let deal = super::deals::match_deal(tx, workspace, call, actor, now).await?;
    let denied = call.consent == Consent::Denied;
    sqlx::query(
        "insert into calls (id, workspace, deal, owner, origin, source, blob, size, meta, call_date, started_at, consent,
                            status, progress, created_at, updated_at, error)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $14, $15)",
    )
    .bind(&call.id)
    .bind(workspace)
    .bind(&deal)
    .bind(&call.owner)
    .bind(call.origin)
    .bind(&call.source)
    .bind(call.blob.as_ref().map(|(hash, _)| hash))
    .bind(call.blob.as_ref().map(|(_, size)| i64::try_from(*size).unwrap_or(i64::MAX)))
    .bind(&call.meta)
    .bind(call.call_date.map(|day| day.to_string()))
    .bind(call.started_at.map(millis))
    .bind(call.consent)
    .bind(match call.origin {
        _ if denied => CallStatus::Cancelled,
        Origin::Upload => CallStatus::Queued,
        Origin::Live => CallStatus::Live,
    })
    .bind(millis(now))
    .bind(denied.then(|| to_json(&super::privacy::denied())).transpose()?)
    .execute(&mut **tx)
    .await?;
    if let Some((hash, _)) = &call.blob {
        sqlx::query("delete from doomed_blobs where workspace = $1 and hash = $2")
            .bind(workspace)
            .bind(hash)
            .execute(&mut **tx)
            .await?;
    }
    if call.origin == Origin::Upload && !denied {
        add_job(tx, workspace, &call.id, call.priority, now).await?;
    }
    let details = json!({"origin": call.origin, "consent": call.consent});
    audit(tx, workspace, actor, "call.added", call.id.as_str(), &details, now).await?;
    Ok(())
}

#[async_trait]
impl Calls for Sql {
    async fn add_call(
        &self,
        workspace: &WorkspaceId,
        call: NewCall,
        idempotent: Option<Idempotent>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Accepted> {
        let mut tx = self.begin().await?;
        if let Some(request) = &idempotent {
            // The row is there from the start: a second request waits for the first to commit.
            let first = sqlx::query(
                "insert into idempotency (workspace, actor, name, request, status, body, subject, at)
                 values ($1, $2, $3, $4, 202, $5, $5, $6) on conflict do nothing",
            )
            .bind(workspace)
            .bind(&request.actor)
            .bind(&request.name)
            .bind(&request.request)
            .bind(call.id.as_str())
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
            if first.rows_affected() == 0 {
                let row = sqlx::query(
                    "select request, body from idempotency where workspace = $1 and actor = $2 and name = $3",
                )
                .bind(workspace)
                .bind(&request.actor)
                .bind(&request.name)
                .fetch_one(&mut *tx)
                .await?;
                let (asked, body): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
                return Ok(match body {
                    Some(body) if asked == request.request => Accepted::Before(CallId::from(body)),
                    _ => Accepted::OtherRequest,
                });
            }
        }
        insert_call(&mut tx, workspace, &call, actor, now).await?;
        tx.commit().await?;
        Ok(Accepted::Call(call.id))
    }

    async fn call(&self, scope: &Scope, id: &CallId) -> Result<Option<CallRecord>> {
        let row = sqlx::query(ONE_CALL)
            .bind(&scope.workspace)
            .bind(id)
            .bind(&scope.owner)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(record).transpose()
    }

    async fn workspace_of_call(&self, id: &CallId) -> Result<Option<WorkspaceId>> {
        let row = sqlx::query("select workspace from calls where id = $1")
            .bind(id)
            .fetch_optional(&self.read)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn calls(&self, scope: &Scope, page: &CallPage) -> Result<Vec<CallRecord>> {
        let CallFilter { status, deal, inbox } = &page.filter;
        let rows = sqlx::query(
            "select id, deal, owner, origin, media, source, blob, size, meta, call_date, started_at, consent, consent_method,
                    consent_at, hold, recording_gone, transcript_gone, analysis_gone, status, step, progress, error, created_at,
                    updated_at, done_at
             from calls
             where workspace = $1 and ($2 is null or owner = $2) and ($3 is null or id < $3)
               and ($4 is null or status = $4) and ($5 is null or deal = $5) and ($6 = 0 or (deal is null and consent <> 'denied'))
             order by id desc limit $7",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .bind(&page.after)
        .bind(status)
        .bind(deal)
        .bind(i64::from(*inbox))
        .bind(i64::from(page.limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(record).collect()
    }

    async fn result(&self, scope: &Scope, id: &CallId, step: Step) -> Result<Option<String>> {
        let row = sqlx::query(
            "select r.body from results r join calls c on c.id = r.call
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3) and r.step = $4",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .bind(step)
        .fetch_optional(&self.read)
        .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn rerun_call(&self, scope: &Scope, id: &CallId, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let call = seen_call(&mut tx, scope, id).await?;
        match call.status {
            CallStatus::Done | CallStatus::Failed | CallStatus::Cancelled => (),
            CallStatus::Queued | CallStatus::Running | CallStatus::Live => {
                return Err(Error::Conflict("the call is still being worked on".to_owned()));
            }
        }
        if call.consent == Consent::Denied {
            return Err(Error::Conflict(
                "consent was denied: the call is not analysed".to_owned(),
            ));
        }
        if !super::privacy::can_be_made_again(&mut tx, &scope.workspace, id).await? {
            return Err(Error::Conflict(
                "neither the recording nor the transcript of the call is kept any more; upload it again".to_owned(),
            ));
        }
        requeue(&mut tx, &scope.workspace, id, Priority::Upload, now).await?;
        audit(
            &mut tx,
            &scope.workspace,
            actor,
            "call.rerun",
            id.as_str(),
            &json!({}),
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn draft(&self, scope: &Scope, id: &CallId) -> Result<Option<Draft>> {
        let row = sqlx::query(
            "select f.draft, f.state, f.revision, f.by_user, f.at from follow_ups f join calls c on c.id = f.call
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3)",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(read_draft).transpose()
    }

    async fn change_draft(
        &self,
        scope: &Scope,
        id: &CallId,
        change: DraftChange,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Draft> {
        let mut tx = self.begin().await?;
        let call = seen_call(&mut tx, scope, id).await?;
        let before = sqlx::query("select state from follow_ups where workspace = $1 and call = $2")
            .bind(&scope.workspace)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let before: Option<DraftState> = before.map(|row| row.try_get(0)).transpose()?;
        let changed = sqlx::query(
            "insert into follow_ups (call, workspace, draft, state, revision, by_user, at)
             select $1, $2, $3, $4, 1, $5, $6 where $7 = 0
             on conflict do nothing",
        )
        .bind(id)
        .bind(&scope.workspace)
        .bind(&change.draft)
        .bind(change.state)
        .bind(actor)
        .bind(millis(now))
        .bind(change.seen_revision)
        .execute(&mut *tx)
        .await?;
        let changed = if changed.rows_affected() == 1 {
            1
        } else {
            sqlx::query(
                "update follow_ups set draft = coalesce($3, draft), state = $4, revision = revision + 1, by_user = $5, at = $6
                 where call = $1 and workspace = $2 and revision = $7",
            )
            .bind(id)
            .bind(&scope.workspace)
            .bind(&change.draft)
            .bind(change.state)
            .bind(actor)
            .bind(millis(now))
            .bind(change.seen_revision)
            .execute(&mut *tx)
            .await?
            .rows_affected()
        };
        if changed == 0 {
            return Err(Error::Conflict(
                "the draft was changed meanwhile; read it again and repeat the change".to_owned(),
            ));
        }
        let row = sqlx::query(
            "select draft, state, revision, by_user, at from follow_ups where call = $1 and workspace = $2",
        )
        .bind(id)
        .bind(&scope.workspace)
        .fetch_one(&mut *tx)
        .await?;
        let kept = read_draft(&row)?;
        let action = match change.state {
            DraftState::Draft => "follow_up.edited",
            DraftState::Approved => "follow_up.approved",
        };
        audit(
            &mut tx,
            &scope.workspace,
            actor,
            action,
            id.as_str(),
            &json!({"revision": kept.revision}),
            now,
        )
        .await?;
        // Approved again as it is, it is not sent again.
        let is_news = before != Some(DraftState::Approved) || change.draft.is_some();
        if change.state == DraftState::Approved && is_news {
            let event = NewEvent {
                kind: "followup.approved",
                payload: json!({
                    "call_id": id,
                    "deal_id": call.deal,
                    "revision": kept.revision,
                    "follow_up": format!("/v1/calls/{id}/follow-up"),
                })
                .to_string(),
            };
            super::publish(&mut tx, &scope.workspace, Some(id), call.deal.as_ref(), &[event], now).await?;
        }
        tx.commit().await?;
        Ok(kept)
    }

    async fn add_correction(&self, scope: &Scope, correction: Correction, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        seen_call(&mut tx, scope, &correction.call).await?;
        sqlx::query("insert into corrections (id, workspace, call, by_user, body, at) values ($1, $2, $3, $4, $5, $6)")
            .bind(&correction.id)
            .bind(&scope.workspace)
            .bind(&correction.call)
            .bind(&correction.by_user)
            .bind(&correction.body)
            .bind(millis(correction.at))
            .execute(&mut *tx)
            .await?;
        let details = json!({"correction": correction.id});
        let subject = correction.call.as_str();
        audit(
            &mut tx,
            &scope.workspace,
            &correction.by_user,
            "call.corrected",
            subject,
            &details,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn corrections(&self, scope: &Scope, id: &CallId) -> Result<Vec<Correction>> {
        let rows = sqlx::query(
            "select k.id, k.by_user, k.body, k.at from corrections k join calls c on c.id = k.call
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3) order by k.id",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Correction {
                    id: row.try_get(0)?,
                    call: id.clone(),
                    by_user: row.try_get(1)?,
                    body: row.try_get(2)?,
                    at: moment(row.try_get(3)?),
                })
            })
            .collect()
    }

    async fn remember(&self, workspace: &WorkspaceId, request: &Idempotent, now: DateTime<Utc>) -> Result<Remembered> {
        let mut tx = self.begin().await?;
        // One that has run for so long has died with its process: it is asked again.
        let first = sqlx::query(
            "insert into idempotency (workspace, actor, name, request, status, body, subject, at)
             values ($1, $2, $3, $4, null, null, $5, $6)
             on conflict (workspace, actor, name) do update set at = excluded.at
             where idempotency.status is null and idempotency.request = excluded.request and idempotency.at <= $7",
        )
        .bind(workspace)
        .bind(&request.actor)
        .bind(&request.name)
        .bind(&request.request)
        .bind(&request.subject)
        .bind(millis(now))
        .bind(millis(now - LONGEST_REQUEST))
        .execute(&mut *tx)
        .await?;
        if first.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(Remembered::New);
        }
        let row = sqlx::query(
            "select request, status, body from idempotency where workspace = $1 and actor = $2 and name = $3",
        )
        .bind(workspace)
        .bind(&request.actor)
        .bind(&request.name)
        .fetch_one(&mut *tx)
        .await?;
        let (asked, status, body): (String, Option<i64>, Option<String>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(match status.and_then(|status| u16::try_from(status).ok()) {
            _ if asked != request.request => Remembered::Other,
            Some(status) => Remembered::Answered {
                status,
                body: body.unwrap_or_default(),
            },
            None => Remembered::Running,
        })
    }

    async fn answered(
        &self,
        workspace: &WorkspaceId,
        request: &Idempotent,
        answer: Option<(u16, String)>,
    ) -> Result<()> {
        match answer {
            Some((status, body)) => {
                sqlx::query(
                    "update idempotency set status = $4, body = $5 where workspace = $1 and actor = $2 and name = $3",
                )
                .bind(workspace)
                .bind(&request.actor)
                .bind(&request.name)
                .bind(i64::from(status))
                .bind(body)
                .execute(&self.write)
                .await?
            }
            None => {
                sqlx::query(
                    "delete from idempotency where workspace = $1 and actor = $2 and name = $3 and status is null",
                )
                .bind(workspace)
                .bind(&request.actor)
                .bind(&request.name)
                .execute(&self.write)
                .await?
            }
        };
        Ok(())
    }
}

fn read_draft(row: &Row) -> Result<Draft> {
    Ok(Draft {
        draft: row.try_get("draft")?,
        state: row.try_get("state")?,
        revision: row.try_get("revision")?,
        by_user: row.try_get("by_user")?,
        at: moment(row.try_get("at")?),
    })
}
