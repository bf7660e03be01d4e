//! See `store::privacy`.
//!
//! Rows are locked in one order, so that nobody waits in a circle: jobs of the call, its deal, the call, later calls with
//! the deal, change-sets, reminders, deliveries, the workspace.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::calls::{requeue, seen_call};
use super::{COMPACT, DOOMED, SCRUB, Sql, Tx, audit, no_deal};
use crate::store::{
    Blobs, CallId, CallRecord, CallStatus, Consent, ConsentSaid, DealId, DeliveryId, DraftState, Error, Gone, Priority,
    Privacy, Problem, Result, Retention, Scope, WorkspaceId, from_json, millis, to_json,
};

/// What a file is called whose name is not kept.
const NO_NAME: &str = "upload";
/// Answers to repeated requests are kept so long.
const REPEATED_HOURS: i64 = 24;
/// Bytes that could not be removed are tried again after so long.
const REMOVE_AGAIN_S: i64 = 60;

/// Why nothing is done with a call.
pub(super) fn denied() -> Problem {
    Problem {
        code: "denied".to_owned(),
        message: "consent was denied: the call is not analysed, and nothing of it is kept".to_owned(),
    }
}

/// The rest of an analysis is there to make it from: a transcript, or bytes.
pub(super) async fn can_be_made_again(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId) -> Result<bool> {
    let row = sqlx::query(
        "select 1 from calls c where c.workspace = $1 and c.id = $2 and (c.blob is not null
            or exists (select 1 from results r where r.call = c.id and r.step = 'transcript'))",
    )
    .bind(workspace)
    .bind(call)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some())
}

/// Takes what a call told out of what is known of its deal. Later calls with the deal may quote it: their analyses, their
/// records since it was known, and letters that people edited since go, and they are run again. Change-sets of the deal
/// since then may quote it too, be it as the value that the CRM had; they go, and so does what receivers answered.
pub(super) async fn unquote(tx: &mut Tx, workspace: &WorkspaceId, call: &CallRecord, now: DateTime<Utc>) -> Result<()> {
    let Some(deal) = &call.deal else {
        return Ok(());
    };
    // Locks the deal. A call with it that is being worked on finds another number than it saw, and reads the history anew.
    sqlx::query("update deals set revision = revision + 1 where workspace = $1 and id = $2")
        .bind(workspace)
        .bind(deal)
        .execute(&mut **tx)
        .await?;
    let known = sqlx::query(
        "select min(revision), min(call_date), min(known_at) from deal_records
         where workspace = $1 and deal = $2 and call = $3",
    )
    .bind(workspace)
    .bind(deal)
    .bind(&call.id)
    .fetch_one(&mut **tx)
    .await?;
    let said = call.call_date.map(|day| day.to_string());
    let recorded: (Option<i64>, Option<String>, Option<i64>) =
        (known.try_get(0)?, known.try_get(1)?, known.try_get(2)?);
    let (revision, from, since) = match (recorded, said) {
        ((Some(revision), Some(first), Some(since)), said) => {
            (revision, said.map_or(first.clone(), |said| said.min(first)), since)
        }
        // Its records were old enough to go; what rests on them may still be there.
        (_, Some(said)) if call.gone.analysis == Some(Gone::Retention) => (0, said, 0),
        _ => return Ok(()),
    };
    sqlx::query(
        "delete from deal_records where workspace = $1 and deal = $2
           and (call = $3 or (revision > $4 and (call_date > $5 or (call_date = $5 and call > $3))))",
    )
    .bind(workspace)
    .bind(deal)
    .bind(&call.id)
    .bind(revision)
    .bind(&from)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update follow_ups set draft = null, state = $5, revision = revision + 1, at = $6, send_to = ''
         where workspace = $1 and at >= $7 and call in (
            select id from calls where workspace = $1 and deal = $2 and (call_date > $4 or (call_date = $4 and id > $3)))",
    )
    .bind(workspace)
    .bind(deal)
    .bind(&call.id)
    .bind(&from)
    .bind(DraftState::Draft)
    .bind(millis(now))
    .bind(since)
    .execute(&mut **tx)
    .await?;
    sqlx::query("delete from proposals where workspace = $1 and deal = $2 and (call = $3 or revision >= $4)")
        .bind(workspace)
        .bind(deal)
        .bind(&call.id)
        .bind(revision)
        .execute(&mut **tx)
        .await?;
    // Those that are run again make their own.
    sqlx::query("delete from reminders where workspace = $1 and deal = $2")
        .bind(workspace)
        .bind(deal)
        .execute(&mut **tx)
        .await?;
    forget_what_was_answered(tx, workspace, deal, since).await?;
    let later = sqlx::query(
        "select id from calls where workspace = $1 and deal = $2 and status = $5
           and (call_date > $4 or (call_date = $4 and id > $3)) order by call_date, id",
    )
    .bind(workspace)
    .bind(deal)
    .bind(&call.id)
    .bind(&from)
    .bind(CallStatus::Done)
    .fetch_all(&mut **tx)
    .await?;
    for row in &later {
        let later: CallId = row.try_get(0)?;
        if can_be_made_again(tx, workspace, &later).await? {
            requeue(tx, workspace, &later, Priority::Rerun, now).await?;
            continue;
        }
        let gone = sqlx::query("delete from results where workspace = $1 and call = $2 and step = 'analysis'")
            .bind(workspace)
            .bind(&later)
            .execute(&mut **tx)
            .await?;
        sqlx::query("delete from summaries where workspace = $1 and call = $2")
            .bind(workspace)
            .bind(&later)
            .execute(&mut **tx)
            .await?;
        if gone.rows_affected() > 0 {
            sqlx::query("update calls set analysis_gone = $3, updated_at = $4 where workspace = $1 and id = $2")
                .bind(workspace)
                .bind(&later)
                .bind(Gone::Erasure)
                .bind(millis(now))
                .execute(&mut **tx)
                .await?;
        }
    }
    restage(tx, workspace, deal).await
}

/// Receivers may say again what they were told of a deal since a moment.
async fn forget_what_was_answered(tx: &mut Tx, workspace: &WorkspaceId, deal: &DealId, since: i64) -> Result<()> {
    let rows = sqlx::query(concat!(
        "select id from deliveries where workspace = $1 and created_at >= $3 and event_seq in (
            select v.seq from events v join calls c on c.id = v.call where c.workspace = $1 and c.deal = $2)
         order by id",
        hold!()
    ))
    .bind(workspace)
    .bind(deal)
    .bind(since)
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        let id: DeliveryId = row.try_get(0)?;
        for statement in [
            "update deliveries set message = null where workspace = $1 and id = $2 and message is not null",
            "update attempts set answer = '' where workspace = $1 and delivery = $2 and answer <> ''",
        ] {
            sqlx::query(statement)
                .bind(workspace)
                .bind(&id)
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

/// What a record says of the deal.
#[derive(serde::Deserialize)]
struct Recorded {
    deal: RecordedDeal,
}

#[derive(serde::Deserialize)]
struct RecordedDeal {
    stage: Option<String>,
}

/// The deal stands where its last record says.
async fn restage(tx: &mut Tx, workspace: &WorkspaceId, deal: &DealId) -> Result<()> {
    let row =
        sqlx::query("select body from deal_records where workspace = $1 and deal = $2 order by revision desc limit 1")
            .bind(workspace)
            .bind(deal)
            .fetch_optional(&mut **tx)
            .await?;
    let body: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    let stage = body
        .and_then(|body| serde_json::from_str::<Recorded>(&body).ok())
        .and_then(|recorded| recorded.deal.stage);
    sqlx::query("update deals set stage = $3 where workspace = $1 and id = $2")
        .bind(workspace)
        .bind(deal)
        .bind(stage)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends all work on a call: what a worker finds from now on is not kept. Locks the jobs, so that one that is just being
/// recorded is recorded first and goes with the rest.
async fn end_jobs(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId) -> Result<()> {
    sqlx::query("delete from jobs where workspace = $1 and call = $2")
        .bind(workspace)
        .bind(call)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Bytes of what is deleted here may stay in the file until this time.
async fn remains(tx: &mut Tx, until: DateTime<Utc>) -> Result<()> {
    if COMPACT.is_some() {
        sqlx::query("insert into remains (due) values ($1)")
            .bind(millis(until))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Takes away what names a call from outside of its row; and its bytes, if no other call has them.
async fn forget(tx: &mut Tx, workspace: &WorkspaceId, call: &CallRecord, now: DateTime<Utc>) -> Result<()> {
    remains(tx, now).await?;
    // Deliveries go with their events. Whoever writes down what came of some holds them in this order.
    sqlx::query(concat!(
        "select 1 from deliveries where workspace = $1
           and event_seq in (select seq from events where workspace = $1 and call = $2) order by id",
        hold!()
    ))
    .bind(workspace)
    .bind(&call.id)
    .fetch_all(&mut **tx)
    .await?;
    for statement in [
        "delete from events where workspace = $1 and call = $2",
        "delete from deal_keys where workspace = $1 and call = $2",
    ] {
        sqlx::query(statement)
            .bind(workspace)
            .bind(&call.id)
            .execute(&mut **tx)
            .await?;
    }
    forget_answers(tx, workspace, call.id.as_str()).await?;
    match &call.blob {
        Some(hash) => doom(tx, workspace, hash, now).await,
        None => Ok(()),
    }
}

/// Answers to requests about a call or deal, or that name it.
async fn forget_answers(tx: &mut Tx, workspace: &WorkspaceId, subject: &str) -> Result<()> {
    sqlx::query("delete from idempotency where workspace = $1 and (subject = $2 or body like $3)")
        .bind(workspace)
        .bind(subject)
        .bind(format!("%{subject}%"))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// To be called when the call has let go of them.
async fn doom(tx: &mut Tx, workspace: &WorkspaceId, hash: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "insert into doomed_blobs (workspace, hash, at)
         select $1, $2, $3 where not exists (select 1 from calls where workspace = $1 and blob = $2)
         on conflict (workspace, hash) do update set at = excluded.at",
    )
    .bind(workspace)
    .bind(hash)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn delete_row(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId) -> Result<()> {
    // Everything of its own goes with the row.
    sqlx::query("delete from calls where workspace = $1 and id = $2")
        .bind(workspace)
        .bind(call)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Leaves of a call only that it was, and that consent was denied.
async fn empty(tx: &mut Tx, workspace: &WorkspaceId, call: &CallRecord, now: DateTime<Utc>) -> Result<()> {
    unquote(tx, workspace, call, now).await?;
    sqlx::query(
        "update calls set blob = null, size = null, source = $3, source_words = '', meta = '{}', recording_gone = $4, transcript_gone = $4,
                analysis_gone = $4
         where workspace = $1 and id = $2",
    )
    .bind(workspace)
    .bind(&call.id)
    .bind(NO_NAME)
    .bind(Gone::Consent)
    .execute(&mut **tx)
    .await?;
    for statement in [
        "delete from results where workspace = $1 and call = $2",
        "delete from summaries where workspace = $1 and call = $2",
        "delete from waveforms where workspace = $1 and call = $2",
        "delete from follow_ups where workspace = $1 and call = $2",
        "delete from corrections where workspace = $1 and call = $2",
        "delete from done_actions where workspace = $1 and call = $2",
        "delete from live_calls where workspace = $1 and call = $2",
        "delete from proposals where workspace = $1 and call = $2",
        "delete from reminders where workspace = $1 and call = $2",
    ] {
        sqlx::query(statement)
            .bind(workspace)
            .bind(&call.id)
            .execute(&mut **tx)
            .await?;
    }
    forget(tx, workspace, call, now).await
}

fn on_hold() -> Error {
    Error::Conflict("the call is on legal hold; an administrator may erase it with `despite_hold=true`".to_owned())
}

#[async_trait]
impl Privacy for Sql {
    async fn erase_call(
        &self,
        scope: &Scope,
        id: &CallId,
        despite_hold: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let workspace = &scope.workspace;
        let mut tx = self.begin().await?;
        seen_call(&mut tx, scope, id).await?;
        end_jobs(&mut tx, workspace, id).await?;
        // As it is now that no worker can change it.
        let call = seen_call(&mut tx, scope, id).await?;
        if call.hold && !despite_hold {
            return Err(on_hold());
        }
        unquote(&mut tx, workspace, &call, now).await?;
        delete_row(&mut tx, workspace, id).await?;
        forget(&mut tx, workspace, &call, now).await?;
        let deal_too = match &call.deal {
            None => false,
            Some(deal) => {
                let gone = sqlx::query(
                    "delete from deals where workspace = $1 and id = $2 and by_call = 1
                       and not exists (select 1 from calls where calls.deal = $2)",
                )
                .bind(workspace)
                .bind(deal)
                .execute(&mut *tx)
                .await?;
                gone.rows_affected() > 0
            }
        };
        let details = json!({"deal_too": deal_too, "despite_hold": call.hold});
        audit(&mut tx, workspace, actor, "call.erased", id.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn erase_deal(
        &self,
        scope: &Scope,
        id: &DealId,
        despite_hold: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let workspace = &scope.workspace;
        let mut tx = self.begin().await?;
        sqlx::query("select 1 from deals where workspace = $1 and id = $2 and ($3 is null or owner = $3)")
            .bind(workspace)
            .bind(id)
            .bind(&scope.owner)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| no_deal(id))?;
        sqlx::query(
            "delete from jobs where workspace = $1 and call in (select id from calls where workspace = $1 and deal = $2)",
        )
        .bind(workspace)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        sqlx::query("update deals set revision = revision + 1 where workspace = $1 and id = $2")
            .bind(workspace)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let rows = sqlx::query("select id from calls where workspace = $1 and deal = $2 order by id")
            .bind(workspace)
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
        let all = Scope::all(workspace.clone());
        let mut erased = Vec::new();
        for row in &rows {
            let call = seen_call(&mut tx, &all, &row.try_get::<CallId, _>(0)?).await?;
            if call.hold && !despite_hold {
                return Err(on_hold());
            }
            delete_row(&mut tx, workspace, &call.id).await?;
            forget(&mut tx, workspace, &call, now).await?;
            erased.push(call);
        }
        sqlx::query("delete from deals where workspace = $1 and id = $2")
            .bind(workspace)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        sqlx::query("delete from events where workspace = $1 and deal = $2")
            .bind(workspace)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        forget_answers(&mut tx, workspace, id.as_str()).await?;
        for call in &erased {
            let (subject, details) = (call.id.as_str(), json!({"deal": id, "despite_hold": call.hold}));
            audit(&mut tx, workspace, actor, "call.erased", subject, &details, now).await?;
        }
        let details = json!({"calls": rows.len()});
        audit(&mut tx, workspace, actor, "deal.erased", id.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn set_consent(
        &self,
        scope: &Scope,
        id: &CallId,
        said: &ConsentSaid,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let workspace = &scope.workspace;
        let mut tx = self.begin().await?;
        seen_call(&mut tx, scope, id).await?;
        let is_denied = said.consent == Consent::Denied;
        if is_denied {
            end_jobs(&mut tx, workspace, id).await?;
        }
        let call = seen_call(&mut tx, scope, id).await?;
        if is_denied && !call.hold {
            empty(&mut tx, workspace, &call, now).await?;
        }
        sqlx::query(
            "update calls set consent = $3, consent_method = $4, consent_at = $5, updated_at = $6
             where workspace = $1 and id = $2",
        )
        .bind(workspace)
        .bind(id)
        .bind(said.consent)
        .bind(said.method)
        .bind(said.at.map(millis))
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        if is_denied {
            sqlx::query(
                "update calls set status = $3, step = null, error = $4, done_at = coalesce(done_at, $5)
                 where workspace = $1 and id = $2",
            )
            .bind(workspace)
            .bind(id)
            .bind(CallStatus::Cancelled)
            .bind(to_json(&denied())?)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        }
        let details = json!({"consent": said.consent, "method": said.method, "at": said.at});
        audit(&mut tx, workspace, actor, "consent.changed", id.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn set_hold(&self, scope: &Scope, id: &CallId, hold: bool, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let workspace = &scope.workspace;
        let mut tx = self.begin().await?;
        let call = seen_call(&mut tx, scope, id).await?;
        if call.hold == hold {
            return Ok(());
        }
        if !hold && call.consent == Consent::Denied {
            empty(&mut tx, workspace, &call, now).await?;
        }
        sqlx::query("update calls set hold = $3, updated_at = $4 where workspace = $1 and id = $2")
            .bind(workspace)
            .bind(id)
            .bind(i64::from(hold))
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        let action = if hold { "hold.set" } else { "hold.lifted" };
        audit(&mut tx, workspace, actor, action, id.as_str(), &json!({}), now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn set_retention(
        &self,
        workspace: &WorkspaceId,
        retention: Option<&Retention>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("update workspaces set retention = $2 where id = $1")
            .bind(workspace)
            .bind(retention.map(to_json).transpose()?)
            .execute(&mut *tx)
            .await?;
        let details = json!({"retention": retention});
        let subject = workspace.as_str();
        audit(&mut tx, workspace, actor, "retention.changed", subject, &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn retentions(&self) -> Result<Vec<(WorkspaceId, Option<Retention>)>> {
        let rows = sqlx::query("select id, retention from workspaces order by id")
            .fetch_all(&self.read)
            .await?;
        rows.iter()
            .map(|row| {
                let text: Option<String> = row.try_get(1)?;
                let retention = text.as_deref().map(|text| from_json("retention", text)).transpose()?;
                Ok((row.try_get(0)?, retention))
            })
            .collect()
    }

    async fn expire(
        &self,
        workspace: &WorkspaceId,
        retention: &Retention,
        now: DateTime<Utc>,
        most: u32,
    ) -> Result<u64> {
        let before = |days: u32| millis(now - Duration::days(i64::from(days)));
        let mut gone = 0;
        for (kind, days) in [
            (Kind::Recording, retention.recording_days),
            (Kind::Transcript, retention.transcript_days),
            (Kind::Analysis, retention.analysis_days),
        ] {
            if let Some(days) = days {
                gone += self.expire_kind(workspace, kind, before(days), now, most).await?;
            }
        }
        if let Some(days) = retention.event_days {
            let done = sqlx::query(
                "delete from events where workspace = $1 and seq in
                    (select seq from events where workspace = $1 and at < $2 order by at limit $3)",
            )
            .bind(workspace)
            .bind(before(days))
            .bind(i64::from(most))
            .execute(&self.write)
            .await?;
            gone += done.rows_affected();
        }
        if let Some(days) = retention.audit_days {
            gone += self.expire_audit(workspace, before(days), most).await?;
        }
        Ok(gone)
    }

    async fn expire_passing(&self, now: DateTime<Utc>) -> Result<u64> {
        let repeated = sqlx::query("delete from idempotency where at < $1")
            .bind(millis(now - Duration::hours(REPEATED_HOURS)))
            .execute(&self.write)
            .await?;
        let sessions = sqlx::query("delete from sessions where expires_at < $1")
            .bind(millis(now))
            .execute(&self.write)
            .await?;
        Ok(repeated.rows_affected() + sessions.rows_affected())
    }

    async fn expect_blob(&self, workspace: &WorkspaceId, hash: &str, until: DateTime<Utc>) -> Result<()> {
        // Where a call refers to them nothing is expected, and where they are doomed already they still are.
        sqlx::query(
            "insert into doomed_blobs (workspace, hash, at)
             select $1, $2, $3 where not exists (select 1 from calls where workspace = $1 and blob = $2)
             on conflict (workspace, hash) do nothing",
        )
        .bind(workspace)
        .bind(hash)
        .bind(millis(until))
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn settle_blob(&self, workspace: &WorkspaceId, hash: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("select 1 from calls where workspace = $1 and blob = $2 limit 1")
            .bind(workspace)
            .bind(hash)
            .fetch_optional(&mut *tx)
            .await?;
        if row.is_some() {
            // Waits for whoever is removing them.
            sqlx::query("delete from doomed_blobs where workspace = $1 and hash = $2")
                .bind(workspace)
                .bind(hash)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(row.is_some())
    }

    async fn remove_doomed(&self, blobs: &Blobs, now: DateTime<Utc>) -> Result<bool> {
        // Looking costs no writer.
        let due = sqlx::query("select 1 from doomed_blobs where at <= $1 limit 1")
            .bind(millis(now))
            .fetch_optional(&self.read)
            .await?;
        if due.is_none() {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        let Some(row) = sqlx::query(DOOMED).bind(millis(now)).fetch_optional(&mut *tx).await? else {
            return Ok(false);
        };
        let (workspace, hash): (WorkspaceId, String) = (row.try_get(0)?, row.try_get(1)?);
        let used = sqlx::query("select 1 from calls where workspace = $1 and blob = $2 limit 1")
            .bind(&workspace)
            .bind(&hash)
            .fetch_optional(&mut *tx)
            .await?;
        let removed = match used {
            Some(_) => Ok(()),
            None => blobs.remove(&workspace, &hash).await,
        };
        let done = match removed {
            Ok(()) => sqlx::query("delete from doomed_blobs where workspace = $1 and hash = $2")
                .bind(&workspace)
                .bind(&hash),
            // Others are not held up by it.
            Err(_) => sqlx::query("update doomed_blobs set at = $3 where workspace = $1 and hash = $2")
                .bind(&workspace)
                .bind(&hash)
                .bind(millis(now + Duration::seconds(REMOVE_AGAIN_S))),
        };
        done.execute(&mut *tx).await?;
        tx.commit().await?;
        removed.map(|()| true)
    }

    async fn scrub(&self) -> Result<()> {
        if let Some(statement) = SCRUB {
            sqlx::query(statement).execute(&self.write).await?;
        }
        Ok(())
    }

    async fn compact(&self, now: DateTime<Utc>) -> Result<bool> {
        let Some(statement) = COMPACT else {
            return Ok(false);
        };
        let due = sqlx::query("select 1 from remains where due <= $1 limit 1")
            .bind(millis(now))
            .fetch_optional(&self.read)
            .await?;
        if due.is_none() {
            return Ok(false);
        }
        // One connection for all: it is the only one that writes, so nothing is erased between.
        let mut connection = self.write.acquire().await?;
        sqlx::query(statement).execute(&mut *connection).await?;
        sqlx::query("delete from remains").execute(&mut *connection).await?;
        if let Some(statement) = SCRUB {
            sqlx::query(statement).execute(&mut *connection).await?;
        }
        Ok(true)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Recording,
    Transcript,
    Analysis,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Transcript => "transcript",
            Self::Analysis => "analysis",
        }
    }

    /// Calls that have it and came in before `$2`; none that is on hold or still worked on.
    const fn due(self) -> &'static str {
        match self {
            Self::Recording => {
                "select id, blob from calls c where workspace = $1 and created_at < $2 and hold = 0
                   and status in ('done', 'failed', 'cancelled') and blob is not null
                   and coalesce(media, '') <> 'transcript'
                 order by created_at limit $3"
            }
            Self::Transcript => {
                "select id, blob from calls c where workspace = $1 and created_at < $2 and hold = 0
                   and status in ('done', 'failed', 'cancelled') and ((blob is not null and media = 'transcript')
                     or exists (select 1 from results r where r.call = c.id and r.step = 'transcript')
                     or exists (select 1 from summaries s where s.call = c.id and s.words is not null)
                     or exists (select 1 from live_calls l where l.call = c.id))
                 order by created_at limit $3"
            }
            Self::Analysis => {
                "select id, blob from calls c where workspace = $1 and created_at < $2 and hold = 0
                   and status in ('done', 'failed', 'cancelled') and (
                     exists (select 1 from results r where r.call = c.id and r.step = 'analysis')
                     or exists (select 1 from deal_records d where d.call = c.id)
                     or exists (select 1 from follow_ups f where f.call = c.id)
                     or exists (select 1 from corrections k where k.call = c.id)
                     or exists (select 1 from proposals p where p.call = c.id)
                     or exists (select 1 from reminders m where m.call = c.id))
                 order by created_at limit $3"
            }
        }
    }

    /// What takes it away.
    const fn take(self) -> &'static [&'static str] {
        match self {
            Self::Recording => &[
                "update calls set blob = null, size = null where workspace = $1 and id = $2 and blob is not null
                   and coalesce(media, '') <> 'transcript'",
                "delete from waveforms where workspace = $1 and call = $2",
            ],
            Self::Transcript => &[
                "update calls set blob = null, size = null where workspace = $1 and id = $2 and blob is not null
                   and media = 'transcript'",
                "delete from results where workspace = $1 and call = $2 and step = 'transcript'",
                "update summaries set words = null where workspace = $1 and call = $2 and words is not null",
                "delete from live_calls where workspace = $1 and call = $2",
            ],
            Self::Analysis => &[
                "delete from results where workspace = $1 and call = $2 and step = 'analysis'",
                "delete from summaries where workspace = $1 and call = $2",
                "delete from deal_records where workspace = $1 and call = $2",
                "delete from follow_ups where workspace = $1 and call = $2",
                "delete from corrections where workspace = $1 and call = $2",
                "delete from done_actions where workspace = $1 and call = $2",
                "delete from proposals where workspace = $1 and call = $2",
                "delete from reminders where workspace = $1 and call = $2",
            ],
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Recording => "update calls set recording_gone = $3, updated_at = $4 where workspace = $1 and id = $2",
            Self::Transcript => {
                "update calls set transcript_gone = $3, updated_at = $4 where workspace = $1 and id = $2"
            }
            Self::Analysis => "update calls set analysis_gone = $3, updated_at = $4 where workspace = $1 and id = $2",
        }
    }
}

impl Sql {
    async fn expire_kind(
        &self,
        workspace: &WorkspaceId,
        kind: Kind,
        before: i64,
        now: DateTime<Utc>,
        most: u32,
    ) -> Result<u64> {
        let due = sqlx::query(kind.due())
            .bind(workspace)
            .bind(before)
            .bind(i64::from(most))
            .fetch_all(&self.read)
            .await?;
        let mut calls = 0;
        // A transaction for each: nobody waits long for it.
        for row in &due {
            let (call, blob): (CallId, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            let mut tx = self.begin().await?;
            // Locks the call, and looks again: it may have been put on hold or set to work meanwhile.
            let free = sqlx::query(
                "update calls set updated_at = updated_at where workspace = $1 and id = $2 and hold = 0
                   and status in ('done', 'failed', 'cancelled')",
            )
            .bind(workspace)
            .bind(&call)
            .execute(&mut *tx)
            .await?;
            if free.rows_affected() == 0 {
                continue;
            }
            let mut taken = 0;
            for statement in kind.take() {
                let done = sqlx::query(*statement)
                    .bind(workspace)
                    .bind(&call)
                    .execute(&mut *tx)
                    .await?;
                taken += done.rows_affected();
            }
            // Another process was faster.
            if taken == 0 {
                continue;
            }
            sqlx::query(kind.mark())
                .bind(workspace)
                .bind(&call)
                .bind(Gone::Retention)
                .bind(millis(now))
                .execute(&mut *tx)
                .await?;
            if let Some(hash) = &blob {
                doom(&mut tx, workspace, hash, now).await?;
            }
            let bare = sqlx::query(
                "update calls set source = $3, source_words = '', meta = '{}', error = null where workspace = $1 and id = $2
                   and blob is null and not exists (select 1 from results r where r.call = calls.id)",
            )
            .bind(workspace)
            .bind(&call)
            .bind(NO_NAME)
            .execute(&mut *tx)
            .await?;
            if bare.rows_affected() > 0 {
                // Why a job failed may name the file.
                end_jobs(&mut tx, workspace, &call).await?;
            }
            remains(&mut tx, now + Duration::days(1)).await?;
            let details = json!({"what": kind.as_str()});
            audit(
                &mut tx,
                workspace,
                "server",
                "call.expired",
                call.as_str(),
                &details,
                now,
            )
            .await?;
            tx.commit().await?;
            calls += 1;
        }
        Ok(calls)
    }

    /// Takes away the oldest lines; the chain then begins at the hash of the last of them.
    async fn expire_audit(&self, workspace: &WorkspaceId, before: i64, most: u32) -> Result<u64> {
        let mut tx = self.begin().await?;
        let last = sqlx::query(
            "select seq, hash from (select seq, hash, at from audit where workspace = $1 order by seq limit $3) oldest
             where at < $2 order by seq desc limit 1",
        )
        .bind(workspace)
        .bind(before)
        .bind(i64::from(most))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(last) = last else {
            return Ok(0);
        };
        let (seq, hash): (i64, String) = (last.try_get(0)?, last.try_get(1)?);
        let gone = sqlx::query("delete from audit where workspace = $1 and seq <= $2")
            .bind(workspace)
            .bind(seq)
            .execute(&mut *tx)
            .await?;
        sqlx::query("update workspaces set audit_root = $2 where id = $1")
            .bind(workspace)
            .bind(hash)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }
}
