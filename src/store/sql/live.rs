//! See `store::live`.

use std::sync::PoisonError;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use sqlx::Row as _;
use tokio::sync::oneshot;

use super::calls::{insert_call, seen_call};
use super::jobs::{fail_call, keep_result};
use super::{Sql, Tx};
use crate::store::{
    CallId, CallStatus, Claimed, Error, Fence, JobId, Live, LiveCall, LiveEnd, LiveNews, NewCall, NewEvent, Priority,
    Problem, Result, Scope, Step, WorkspaceId, millis, moment,
};

/// Marks a call as ended; only once.
async fn close(tx: &mut Tx, workspace: &WorkspaceId, id: &CallId, now: DateTime<Utc>) -> Result<()> {
    let closed = sqlx::query(
        "update live_calls set ended_at = $3, last_seen_at = $3 where call = $1 and workspace = $2 and ended_at is null",
    )
    .bind(id)
    .bind(workspace)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    if closed.rows_affected() == 0 {
        return Err(Error::Conflict("the call has ended".to_owned()));
    }
    Ok(())
}

/// News of a live call that is to be kept.
pub(super) struct Waiting {
    workspace: WorkspaceId,
    id: CallId,
    seen: i64,
    news: LiveNews,
    now: DateTime<Utc>,
    reply: oneshot::Sender<Result<()>>,
}

impl Sql {
    /// Keeps the news of several calls in one transaction, and tells each what came of it.
    async fn keep_all(&self, batch: Vec<Waiting>) {
        match self.keep_together(&batch).await {
            Ok(results) => {
                for (one, kept) in batch.into_iter().zip(results) {
                    let _ = one.reply.send(kept);
                }
            }
            // What one of them broke is not to be the end of the others.
            Err(_) => {
                for one in batch {
                    let alone = self.keep_together(std::slice::from_ref(&one)).await;
                    let kept = alone.and_then(|results| results.into_iter().collect());
                    let _ = one.reply.send(kept);
                }
            }
        }
    }

    async fn keep_together(&self, batch: &[Waiting]) -> Result<Vec<Result<()>>> {
        let mut tx = self.begin().await?;
        let mut results = Vec::with_capacity(batch.len());
        for one in batch {
            let kept = match keep_one(&mut tx, one).await {
                Err(error @ Error::Conflict(_)) => Err(error),
                other => Ok(other?),
            };
            results.push(kept);
        }
        tx.commit().await?;
        Ok(results)
    }
}

async fn keep_one(tx: &mut Tx, one: &Waiting) -> Result<()> {
    let Waiting {
        workspace,
        id,
        seen,
        news,
        now,
        ..
    } = one;
    let count = i64::try_from(news.turns.len()).unwrap_or(i64::MAX);
    let last = news.messages.last().map_or(0, |(seq, _)| *seq);
    let kept = sqlx::query(
        "update live_calls set turns = turns + $4, seq = case when seq < $5 then $5 else seq end, last_seen_at = $6
         where call = $1 and workspace = $2 and turns = $3 and ended_at is null",
    )
    .bind(id)
    .bind(workspace)
    .bind(seen)
    .bind(count)
    .bind(last)
    .bind(millis(*now))
    .execute(&mut **tx)
    .await?;
    if kept.rows_affected() == 0 {
        return Err(Error::Conflict("the call goes on elsewhere".to_owned()));
    }
    for (number, body) in (seen + 1..).zip(&news.turns) {
        sqlx::query("insert into live_turns (call, number, workspace, body) values ($1, $2, $3, $4)")
            .bind(id)
            .bind(number)
            .bind(workspace)
            .bind(body)
            .execute(&mut **tx)
            .await?;
    }
    for (seq, body) in &news.messages {
        sqlx::query("insert into live_messages (call, seq, workspace, body) values ($1, $2, $3, $4)")
            .bind(id)
            .bind(seq)
            .bind(workspace)
            .bind(body)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

#[async_trait]
impl Live for Sql {
    async fn start_live(
        &self,
        workspace: &WorkspaceId,
        call: NewCall,
        start: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let id = call.id.clone();
        insert_call(&mut tx, workspace, &call, actor, now).await?;
        sqlx::query("insert into live_calls (call, workspace, start, last_seen_at) values ($1, $2, $3, $4)")
            .bind(&id)
            .bind(workspace)
            .bind(start)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn live_call(&self, scope: &Scope, id: &CallId) -> Result<Option<LiveCall>> {
        let row = sqlx::query(
            "select l.start, l.seq, l.turns, l.ended_at from live_calls l join calls c on c.id = l.call
             where c.workspace = $1 and c.id = $2 and ($3 is null or c.owner = $3)",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(LiveCall {
            start: row.try_get(0)?,
            seq: row.try_get(1)?,
            turns: row.try_get(2)?,
            ended_at: row.try_get::<Option<i64>, _>(3)?.map(moment),
        }))
    }

    async fn keep_live(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        seen: i64,
        news: LiveNews,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let (reply, kept) = oneshot::channel();
        let news = Waiting {
            workspace: workspace.clone(),
            id: id.clone(),
            seen,
            news,
            now,
            reply,
        };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(news);
        // Whoever comes to write next writes for all who wait: many calls cost one flush of the disk.
        let writing = self.keeping.lock().await;
        let batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !batch.is_empty() {
            self.keep_all(batch).await;
        }
        drop(writing);
        kept.await.unwrap_or_else(|_| {
            Err(Error::Conflict(
                "the news of the call was not kept; resume it".to_owned(),
            ))
        })
    }

    async fn live_messages(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, String)>> {
        let rows = sqlx::query(
            "select seq, body from live_messages where call = $1 and workspace = $2 and seq > $3 order by seq limit $4",
        )
        .bind(id)
        .bind(workspace)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    async fn live_turns(&self, workspace: &WorkspaceId, id: &CallId) -> Result<Vec<String>> {
        let rows = sqlx::query("select body from live_turns where call = $1 and workspace = $2 order by number")
            .bind(id)
            .bind(workspace)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn end_live(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        end: LiveEnd,
        worker: &str,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Claimed> {
        let mut tx = self.begin().await?;
        close(&mut tx, workspace, id, now).await?;
        keep_result(&mut tx, workspace, id, Step::Transcript, &end.transcript, now).await?;
        let (blob, size) = end.blob.unzip();
        sqlx::query(
            "update calls set media = $3, call_date = $4, blob = $5, size = $6, status = $7, updated_at = $8
             where workspace = $1 and id = $2",
        )
        .bind(workspace)
        .bind(id)
        .bind(end.media)
        .bind(end.call_date.to_string())
        .bind(&blob)
        .bind(size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)))
        .bind(CallStatus::Running)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        if let Some(hash) = &blob {
            sqlx::query("delete from doomed_blobs where workspace = $1 and hash = $2")
                .bind(workspace)
                .bind(hash)
                .execute(&mut *tx)
                .await?;
        }
        let job = JobId::fresh();
        sqlx::query(
            "insert into jobs (id, workspace, call, priority, state, run_at, lease_until, worker, attempt, tries, created_at)
             values ($1, $2, $3, $4, 'running', $5, $6, $7, 1, 1, $5)",
        )
        .bind(&job)
        .bind(workspace)
        .bind(id)
        .bind(Priority::Live.number())
        .bind(millis(now))
        .bind(millis(now + lease))
        .bind(worker)
        .execute(&mut *tx)
        .await?;
        let call = seen_call(&mut tx, &Scope::all(workspace.clone()), id).await?;
        tx.commit().await?;
        Ok(Claimed {
            fence: Fence { job, attempt: 1 },
            workspace: workspace.clone(),
            call,
            tries: 1,
        })
    }

    async fn fail_live(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        problem: &Problem,
        events: Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        close(&mut tx, workspace, id, now).await?;
        fail_call(&mut tx, workspace, id, problem, &events, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn silent_live(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<(WorkspaceId, CallId)>> {
        let rows = sqlx::query(
            "select workspace, call from live_calls where ended_at is null and last_seen_at < $1
             order by last_seen_at limit $2",
        )
        .bind(millis(before))
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}
