//! See `store::calls`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::{Row, Sql, Tx, audit, no_call};
use crate::domain::Waveform;
use crate::store::{
    Accepted, CallId, CallPage, CallRecord, CallStatus, Calls, Consent, Correction, CorrectionId, DoneAction, Draft,
    DraftChange, DraftState, Error, Idempotent, JobId, ListedCall, NewCall, NewEvent, Origin, Priority, Remembered,
    Result, Scope, Step, Summary, WhatIsGone, WorkspaceId, from_json, millis, moment, search, to_json,
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

/// Wants the name of the deal and the summary too.
fn listed(row: &Row) -> Result<ListedCall> {
    let summary: Option<String> = row.try_get("summary")?;
    Ok(ListedCall {
        call: record(row)?,
        deal_name: row.try_get("deal_name")?,
        summary: summary
            .as_deref()
            .map(|text| from_json("summary of a call", text))
            .transpose()?,
        found: None,
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
    for statement in [
        "delete from results where call = $1 and workspace = $2 and step = 'analysis'",
        "delete from summaries where call = $1 and workspace = $2",
    ] {
        sqlx::query(statement)
            .bind(call)
            .bind(workspace)
            .execute(&mut **tx)
            .await?;
    }
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

/// A call is worked on again only where there is something to work on.
async fn must_be_there(tx: &mut Tx, workspace: &WorkspaceId, id: &CallId) -> Result<()> {
    if super::privacy::can_be_made_again(tx, workspace, id).await? {
        return Ok(());
    }
    Err(Error::Conflict(
        "neither the recording nor the transcript of the call is kept any more; upload it again".to_owned(),
    ))
}

/// Queues a call whose corrections changed. Work that has begun without them is stopped.
async fn understand_anew(tx: &mut Tx, workspace: &WorkspaceId, call: &CallRecord, now: DateTime<Utc>) -> Result<()> {
    match call.status {
        // It has not read them yet.
        CallStatus::Queued => return Ok(()),
        CallStatus::Live => return Err(Error::Conflict("the call is still going on".to_owned())),
        CallStatus::Running | CallStatus::Done | CallStatus::Failed | CallStatus::Cancelled => (),
    }
    must_be_there(tx, workspace, &call.id).await?;
    super::jobs::cancel(tx, workspace, &call.id, now).await?;
    // Somebody waits at the screen.
    requeue(tx, workspace, &call.id, Priority::Live, now).await
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
                            status, progress, created_at, updated_at, error, source_words)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $14, $15, $16)",
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
    .bind(search::stems(&call.source))
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

    async fn calls(&self, scope: &Scope, page: &CallPage) -> Result<Vec<ListedCall>> {
        let filter = &page.filter;
        let search = filter.search.as_ref();
        let mut query = sqlx::query(
            "select c.id, c.deal, c.owner, c.origin, c.media, c.source, c.blob, c.size, c.meta, c.call_date, c.started_at, c.consent,
                    c.consent_method, c.consent_at, c.hold, c.recording_gone, c.transcript_gone, c.analysis_gone, c.status, c.step,
                    c.progress, c.error, c.created_at, c.updated_at, c.done_at, d.name as deal_name, s.body as summary,
                    r.body as analysis
             from calls c
             left join deals d on d.id = c.deal and ($2 is null or d.owner = $2)
             left join summaries s on s.call = c.id
             left join results r on r.call = c.id and r.step = 'analysis' and s.words is not null and $12 is not null
             where c.workspace = $1 and ($2 is null or c.owner = $2) and ($3 is null or c.id < $3)
               and ($4 is null or c.status = $4) and ($5 is null or c.deal = $5)
               and ($6 = 0 or (c.deal is null and c.consent <> 'denied')) and ($8 is null or s.stage = $8)
               and ($9 is null or c.owner = $9) and ($10 is null or c.call_date >= $10) and ($11 is null or c.call_date <= $11)
               and ($12 is null or exists (select 1 from (select
                    coalesce(c.source_words, '') || coalesce(d.name_words, '') || coalesce(s.words, '') as words) t
                 where (t.words like $12 or t.words like $13) and t.words like $14 and t.words like $15 and t.words like $16
                   and t.words like $17 and t.words like $18))
             order by c.id desc limit $7",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .bind(&page.after)
        .bind(filter.status)
        .bind(&filter.deal)
        .bind(i64::from(filter.inbox))
        .bind(i64::from(page.limit))
        .bind(&filter.stage)
        .bind(&filter.owner)
        .bind(filter.from.map(|day| day.to_string()))
        .bind(filter.to.map(|day| day.to_string()));
        for pattern in search::patterns(search) {
            query = query.bind(pattern);
        }
        let rows = query.fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let analysis: Option<String> = row.try_get("analysis")?;
                Ok(ListedCall {
                    found: search
                        .zip(analysis)
                        .and_then(|(search, analysis)| search.found(&analysis)),
                    ..listed(row)?
                })
            })
            .collect()
    }

    async fn listed_call(&self, scope: &Scope, id: &CallId) -> Result<Option<ListedCall>> {
        let row = sqlx::query(
            "select c.id, c.deal, c.owner, c.origin, c.media, c.source, c.blob, c.size, c.meta, c.call_date, c.started_at, c.consent,
                    c.consent_method, c.consent_at, c.hold, c.recording_gone, c.transcript_gone, c.analysis_gone, c.status, c.step,
                    c.progress, c.error, c.created_at, c.updated_at, c.done_at, d.name as deal_name, s.body as summary
             from calls c
             left join deals d on d.id = c.deal and ($3 is null or d.owner = $3)
             left join summaries s on s.call = c.id
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3)",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(listed).transpose()
    }

    async fn unsummarised(&self, after: Option<&CallId>, limit: u32) -> Result<Vec<(WorkspaceId, CallId, String)>> {
        let rows = sqlx::query(
            "select r.workspace, r.call, r.body from results r
             where r.step = 'analysis' and ($1 is null or r.call > $1)
               and not exists (select 1 from summaries s where s.call = r.call) order by r.call limit $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
            .collect()
    }

    async fn keep_summary(&self, workspace: &WorkspaceId, id: &CallId, summary: &Summary) -> Result<()> {
        let mut tx = self.begin().await?;
        super::jobs::keep_summary(&mut tx, workspace, id, summary).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn index_names(&self, limit: u32) -> Result<u64> {
        let mut tx = self.begin().await?;
        let mut written = 0;
        for (select, update) in [
            (
                "select workspace, id, source from calls where source_words is null limit $1",
                "update calls set source_words = $3 where workspace = $1 and id = $2",
            ),
            (
                "select workspace, id, name from deals where name_words is null limit $1",
                "update deals set name_words = $3 where workspace = $1 and id = $2",
            ),
        ] {
            let rows = sqlx::query(select).bind(i64::from(limit)).fetch_all(&mut *tx).await?;
            for row in &rows {
                let (workspace, id, name): (String, String, String) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                sqlx::query(update)
                    .bind(workspace)
                    .bind(id)
                    .bind(search::stems(&name))
                    .execute(&mut *tx)
                    .await?;
                written += 1;
            }
        }
        tx.commit().await?;
        Ok(written)
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

    async fn keep_waveform(&self, workspace: &WorkspaceId, id: &CallId, waveform: &Waveform) -> Result<()> {
        sqlx::query(
            "insert into waveforms (call, workspace, body)
             select id, workspace, $3 from calls where workspace = $1 and id = $2 and blob is not null
             on conflict (call) do update set body = excluded.body",
        )
        .bind(workspace)
        .bind(id)
        .bind(to_json(waveform)?)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn waveform(&self, scope: &Scope, id: &CallId) -> Result<Option<Waveform>> {
        let row = sqlx::query(
            "select w.body from waveforms w join calls c on c.id = w.call
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3)",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        let body: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
        body.as_deref().map(|body| from_json("waveform", body)).transpose()
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
        must_be_there(&mut tx, &scope.workspace, id).await?;
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
            "select f.draft, f.state, f.revision, f.by_user, f.at, f.send_to, f.approved_revision from follow_ups f join calls c on c.id = f.call
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
        let before = read_follow_up(&mut tx, &scope.workspace, id).await?;
        let was_approved = before
            .as_ref()
            .is_some_and(|before| before.state == DraftState::Approved);
        let earlier = before.as_ref().filter(|_| was_approved);
        let send_to = match change.state {
            DraftState::Draft => Vec::new(),
            DraftState::Approved => {
                let same = || earlier.map(|before| before.send_to.clone()).unwrap_or_default();
                change.send_to.unwrap_or_else(same)
            }
        };
        // Approved again as it is, it is not sent again.
        let is_news = change.state == DraftState::Approved
            && earlier.is_none_or(|before| {
                before.send_to != send_to || (change.draft.is_some() && change.draft != before.draft)
            });
        if is_news && !send_to.is_empty() {
            mail_server_in_use(&mut tx, &scope.workspace).await?;
        }
        let changed = sqlx::query(
            "insert into follow_ups (call, workspace, draft, state, revision, by_user, at, send_to, approved_revision)
             select $1, $2, $3, $4, 1, $5, $6, $8, case when $9 then 1 end where $7 = 0
             on conflict do nothing",
        )
        .bind(id)
        .bind(&scope.workspace)
        .bind(&change.draft)
        .bind(change.state)
        .bind(actor)
        .bind(millis(now))
        .bind(change.seen_revision)
        .bind(send_to.join(" "))
        .bind(is_news)
        .execute(&mut *tx)
        .await?;
        let changed = if changed.rows_affected() == 1 {
            1
        } else {
            sqlx::query(
                "update follow_ups set draft = coalesce($3, draft), state = $4, revision = revision + 1, by_user = $5, at = $6,
                        send_to = $8, approved_revision = case when $9 then revision + 1 else approved_revision end
                 where call = $1 and workspace = $2 and revision = $7",
            )
            .bind(id)
            .bind(&scope.workspace)
            .bind(&change.draft)
            .bind(change.state)
            .bind(actor)
            .bind(millis(now))
            .bind(change.seen_revision)
            .bind(send_to.join(" "))
            .bind(is_news)
            .execute(&mut *tx)
            .await?
            .rows_affected()
        };
        if changed == 0 {
            return Err(Error::changed_meanwhile());
        }
        let kept = read_follow_up(&mut tx, &scope.workspace, id)
            .await?
            .ok_or_else(|| no_call(id))?;
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
            // Not who they are: the log is kept for years.
            &json!({"revision": kept.revision, "recipients": kept.send_to.len()}),
            now,
        )
        .await?;
        if is_news {
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

    async fn done_actions(&self, scope: &Scope, call: &CallId) -> Result<Vec<DoneAction>> {
        let rows = sqlx::query(
            "select d.action, d.by_user, d.at from done_actions d join calls c on c.id = d.call
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3) order by d.action",
        )
        .bind(&scope.workspace)
        .bind(call)
        .bind(&scope.owner)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DoneAction {
                    action: row.try_get(0)?,
                    by_user: row.try_get(1)?,
                    at: moment(row.try_get(2)?),
                })
            })
            .collect()
    }

    async fn tick_action(
        &self,
        scope: &Scope,
        call: &CallId,
        action: &str,
        done: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        seen_call(&mut tx, scope, call).await?;
        let changed = if done {
            sqlx::query(
                "insert into done_actions (call, action, workspace, by_user, at) values ($1, $2, $3, $4, $5)
                 on conflict (call, action) do nothing",
            )
            .bind(call)
            .bind(action)
            .bind(&scope.workspace)
            .bind(actor)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?
        } else {
            sqlx::query("delete from done_actions where workspace = $1 and call = $2 and action = $3")
                .bind(&scope.workspace)
                .bind(call)
                .bind(action)
                .execute(&mut *tx)
                .await?
        };
        if changed.rows_affected() > 0 {
            let details = json!({"action": action, "done": done});
            let what = "call.action_ticked";
            audit(&mut tx, &scope.workspace, actor, what, call.as_str(), &details, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn add_correction(&self, scope: &Scope, correction: Correction, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let call = seen_call(&mut tx, scope, &correction.call).await?;
        sqlx::query("insert into corrections (id, workspace, call, by_user, body, at) values ($1, $2, $3, $4, $5, $6)")
            .bind(&correction.id)
            .bind(&scope.workspace)
            .bind(&correction.call)
            .bind(&correction.by_user)
            .bind(&correction.body)
            .bind(millis(correction.at))
            .execute(&mut *tx)
            .await?;
        understand_anew(&mut tx, &scope.workspace, &call, now).await?;
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

    async fn remove_correction(
        &self,
        scope: &Scope,
        call: &CallId,
        id: &CorrectionId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let seen = seen_call(&mut tx, scope, call).await?;
        let gone = sqlx::query("delete from corrections where workspace = $1 and call = $2 and id = $3")
            .bind(&scope.workspace)
            .bind(call)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(Error::Missing {
                what: "correction",
                id: id.to_string(),
            });
        }
        understand_anew(&mut tx, &scope.workspace, &seen, now).await?;
        let details = json!({"correction": id});
        audit(
            &mut tx,
            &scope.workspace,
            actor,
            "call.correction_taken_back",
            call.as_str(),
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

async fn read_follow_up(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId) -> Result<Option<Draft>> {
    let row = sqlx::query(
        "select draft, state, revision, by_user, at, send_to, approved_revision from follow_ups
         where workspace = $1 and call = $2",
    )
    .bind(workspace)
    .bind(call)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read_draft).transpose()
}

async fn mail_server_in_use(tx: &mut Tx, workspace: &WorkspaceId) -> Result<()> {
    let there = sqlx::query("select 1 from endpoints where workspace = $1 and kind = 'mail' and disabled_at is null")
        .bind(workspace)
        .fetch_optional(&mut **tx)
        .await?;
    there.map(drop).ok_or_else(|| {
        Error::Conflict(
            "there is no mail server to send the letter with: an administrator names one with POST /v1/endpoints, or \
             approve it without `send_to`"
                .to_owned(),
        )
    })
}

fn read_draft(row: &Row) -> Result<Draft> {
    let send_to: String = row.try_get("send_to")?;
    Ok(Draft {
        send_to: send_to.split_whitespace().map(str::to_owned).collect(),
        approved_revision: row.try_get("approved_revision")?,
        draft: row.try_get("draft")?,
        state: row.try_get("state")?,
        revision: row.try_get("revision")?,
        by_user: row.try_get("by_user")?,
        at: moment(row.try_get("at")?),
    })
}
