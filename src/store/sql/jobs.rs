//! See `store::jobs`.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::calls::{requeue, seen_call};
use super::{CLAIM, Sql, Tx, audit, publish, reminders};
use crate::store::{
    CallId, CallStatus, Claimed, DealId, Error, Fence, Heartbeat, JobFigures, JobId, Jobs, NewEvent, Outcome, Priority,
    Problem, Result, Retry, Scope, Step, StepDone, Summary, WorkspaceId, millis, search, to_json,
};

#[async_trait]
impl Jobs for Sql {
    async fn claim_job(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        lease: Duration,
        most_tries: i64,
    ) -> Result<Option<Claimed>> {
        loop {
            let mut tx = self.begin().await?;
            let Some(row) = sqlx::query(CLAIM).bind(millis(now)).fetch_optional(&mut *tx).await? else {
                return Ok(None);
            };
            let job: JobId = row.try_get("id")?;
            let workspace: WorkspaceId = row.try_get("workspace")?;
            let call: CallId = row.try_get("call")?;
            let state: String = row.try_get("state")?;
            let tries: i64 = row.try_get("tries")?;
            if state == "running" && tries >= most_tries {
                let problem = Problem {
                    code: "gave_up".to_owned(),
                    message: format!(
                        "gave up after {tries} tries: each time the worker stopped without a word, which a damaged file \
                         or too little memory may cause"
                    ),
                };
                end_failed(&mut tx, &workspace, &job, &problem, now).await?;
                let lost = seen_call(&mut tx, &Scope::all(workspace.clone()), &call).await?;
                let told = NewEvent::call_failed(&lost, &problem);
                fail_call(&mut tx, &workspace, &call, &problem, &[told], now).await?;
                tx.commit().await?;
                continue;
            }
            let row = sqlx::query(
                // Its place in the queue is from now on behind those that wait already: one that kills its workers keeps nobody
                // from work for longer than a lease.
                "update jobs set state = 'running', lease_until = $2, worker = $3, attempt = attempt + 1, tries = tries + 1,
                                 run_at = $5
                 where id = $1 and workspace = $4 returning attempt",
            )
            .bind(&job)
            .bind(millis(now + lease))
            .bind(worker)
            .bind(&workspace)
            .bind(millis(now))
            .fetch_one(&mut *tx)
            .await?;
            let attempt: i64 = row.try_get(0)?;
            sqlx::query("update calls set status = $3, updated_at = $4 where workspace = $1 and id = $2")
                .bind(&workspace)
                .bind(&call)
                .bind(CallStatus::Running)
                .bind(millis(now))
                .execute(&mut *tx)
                .await?;
            sqlx::query("update workspaces set served_at = $2 where id = $1")
                .bind(&workspace)
                .bind(millis(now))
                .execute(&mut *tx)
                .await?;
            let call = seen_call(&mut tx, &Scope::all(workspace.clone()), &call).await?;
            tx.commit().await?;
            return Ok(Some(Claimed {
                fence: Fence { job, attempt },
                workspace,
                call,
                tries: tries + 1,
            }));
        }
    }

    async fn extend_job(
        &self,
        fence: &Fence,
        until: DateTime<Utc>,
        step: &str,
        progress: f64,
        now: DateTime<Utc>,
    ) -> Result<Heartbeat> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "update jobs set lease_until = $3 where id = $1 and attempt = $2 and state = 'running' returning workspace, call",
        )
        .bind(&fence.job)
        .bind(fence.attempt)
        .bind(millis(until))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else {
            return Ok(Heartbeat::Gone);
        };
        let (workspace, call): (WorkspaceId, CallId) = (row.try_get(0)?, row.try_get(1)?);
        sqlx::query("update calls set step = $3, progress = $4, updated_at = $5 where workspace = $1 and id = $2")
            .bind(&workspace)
            .bind(&call)
            .bind(step)
            .bind(progress)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Heartbeat::Held)
    }

    async fn finish_step(&self, fence: &Fence, done: StepDone, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        // Something was achieved: the tries count from here.
        let row = sqlx::query(
            "update jobs set tries = 1 where id = $1 and attempt = $2 and state = 'running' returning workspace, call",
        )
        .bind(&fence.job)
        .bind(fence.attempt)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::Fenced)?;
        let (workspace, call): (WorkspaceId, CallId) = (row.try_get(0)?, row.try_get(1)?);
        keep_result(&mut tx, &workspace, &call, done.step, &done.body, now).await?;
        sqlx::query(
            "update calls set media = $3, call_date = $4, transcript_gone = null, updated_at = $5
             where workspace = $1 and id = $2",
        )
        .bind(&workspace)
        .bind(&call)
        .bind(done.media)
        .bind(done.call_date.to_string())
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn record_outcome(&self, fence: &Fence, outcome: Outcome, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let (workspace, call) = end(&mut tx, fence, "done", None, now).await?;
        keep_result(&mut tx, &workspace, &call, Step::Analysis, &outcome.analysis, now).await?;
        keep_summary(&mut tx, &workspace, &call, &outcome.summary).await?;
        sqlx::query(
            "update calls set status = $3, step = null, progress = 1, error = null, done_at = $4, updated_at = $4
             where workspace = $1 and id = $2",
        )
        .bind(&workspace)
        .bind(&call)
        .bind(CallStatus::Done)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query("select deal from calls where workspace = $1 and id = $2")
            .bind(&workspace)
            .bind(&call)
            .fetch_one(&mut *tx)
            .await?;
        let deal: Option<DealId> = row.try_get(0)?;
        // The call was put to another deal meanwhile.
        if deal != outcome.record.as_ref().map(|record| record.deal.clone()) {
            return Err(Error::Stale);
        }
        if let Some(record) = &outcome.record {
            let moved = sqlx::query(
                "update deals set revision = revision + 1, stage = $4, updated_at = $5
                 where workspace = $1 and id = $2 and revision = $3",
            )
            .bind(&workspace)
            .bind(&record.deal)
            .bind(record.seen_revision)
            .bind(&record.stage)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() == 0 {
                return Err(Error::Stale);
            }
            sqlx::query(
                "insert into deal_records (deal, revision, workspace, call, call_date, known_at, body, figures)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&record.deal)
            .bind(record.seen_revision + 1)
            .bind(&workspace)
            .bind(&call)
            .bind(record.call_date.to_string())
            .bind(millis(now))
            .bind(&record.body)
            .bind(to_json(&record.figures)?)
            .execute(&mut *tx)
            .await?;
            rerun_later(
                &mut tx,
                &workspace,
                &record.deal,
                &call,
                &record.call_date.to_string(),
                now,
            )
            .await?;
        }
        reminders::replace(&mut tx, &workspace, &call, deal.as_ref(), &outcome.reminders).await?;
        publish(&mut tx, &workspace, Some(&call), deal.as_ref(), &outcome.events, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn fail_job(&self, fence: &Fence, problem: &Problem, retry: Retry, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        match retry {
            Retry::At(at) => {
                let row = sqlx::query(
                    "update jobs set state = 'queued', lease_until = null, worker = null, run_at = $3, error = $4
                     where id = $1 and attempt = $2 and state = 'running' returning workspace, call",
                )
                .bind(&fence.job)
                .bind(fence.attempt)
                .bind(millis(at))
                .bind(to_json(problem)?)
                .fetch_optional(&mut *tx)
                .await?
                .ok_or(Error::Fenced)?;
                let (workspace, call): (WorkspaceId, CallId) = (row.try_get(0)?, row.try_get(1)?);
                sqlx::query("update calls set status = $3, updated_at = $4 where workspace = $1 and id = $2")
                    .bind(&workspace)
                    .bind(&call)
                    .bind(CallStatus::Queued)
                    .bind(millis(now))
                    .execute(&mut *tx)
                    .await?;
            }
            Retry::Never(events) => {
                let (workspace, call) = end(&mut tx, fence, "failed", Some(problem), now).await?;
                fail_call(&mut tx, &workspace, &call, problem, &events, now).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn release_job(&self, fence: &Fence, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "update jobs set state = 'queued', lease_until = null, worker = null, tries = tries - 1, run_at = $3
             where id = $1 and attempt = $2 and state = 'running' returning workspace, call",
        )
        .bind(&fence.job)
        .bind(fence.attempt)
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = row {
            let (workspace, call): (WorkspaceId, CallId) = (row.try_get(0)?, row.try_get(1)?);
            sqlx::query("update calls set status = $3, updated_at = $4 where workspace = $1 and id = $2")
                .bind(&workspace)
                .bind(&call)
                .bind(CallStatus::Queued)
                .bind(millis(now))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn release_all_jobs(&self, now: DateTime<Utc>) -> Result<u64> {
        let done = sqlx::query("update jobs set lease_until = $1 where state = 'running' and lease_until > $1")
            .bind(millis(now))
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected())
    }

    async fn cancel_call(&self, scope: &Scope, id: &CallId, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        seen_call(&mut tx, scope, id).await?;
        if !cancel(&mut tx, &scope.workspace, id, now).await? {
            return Err(Error::Conflict("the work on this call has ended".to_owned()));
        }
        sqlx::query("update calls set status = $3, step = null, updated_at = $4 where workspace = $1 and id = $2")
            .bind(&scope.workspace)
            .bind(id)
            .bind(CallStatus::Cancelled)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        audit(
            &mut tx,
            &scope.workspace,
            actor,
            "call.cancelled",
            id.as_str(),
            &json!({}),
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn job_figures(&self, now: DateTime<Utc>) -> Result<JobFigures> {
        let row = sqlx::query(
            "select count(case when state = 'queued' then 1 end), count(case when state = 'running' then 1 end),
                    min(case when state = 'queued' then run_at end)
             from jobs where state in ('queued', 'running')",
        )
        .fetch_one(&self.read)
        .await?;
        let oldest: Option<i64> = row.try_get(2)?;
        Ok(JobFigures {
            queued: row.try_get(0)?,
            running: row.try_get(1)?,
            oldest_s: oldest.map_or(0, |at| (millis(now) - at).max(0) / 1000),
        })
    }
}

/// Stops the work on a call, also where a worker has begun with it; false: there is none.
pub(super) async fn cancel(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId, now: DateTime<Utc>) -> Result<bool> {
    let stopped = sqlx::query(
        "update jobs set state = 'cancelled', lease_until = null, done_at = $3
         where workspace = $1 and call = $2 and state in ('queued', 'running')",
    )
    .bind(workspace)
    .bind(call)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(stopped.rows_affected() > 0)
}

/// Ends a job that this attempt still holds.
async fn end(
    tx: &mut Tx,
    fence: &Fence,
    state: &str,
    problem: Option<&Problem>,
    now: DateTime<Utc>,
) -> Result<(WorkspaceId, CallId)> {
    let row = sqlx::query(
        "update jobs set state = $3, lease_until = null, done_at = $4, error = $5
         where id = $1 and attempt = $2 and state = 'running' returning workspace, call",
    )
    .bind(&fence.job)
    .bind(fence.attempt)
    .bind(state)
    .bind(millis(now))
    .bind(problem.map(to_json).transpose()?)
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(Error::Fenced)?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Ends a job that nobody holds.
async fn end_failed(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    job: &JobId,
    problem: &Problem,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "update jobs set state = 'failed', lease_until = null, done_at = $3, error = $4
         where workspace = $1 and id = $2",
    )
    .bind(workspace)
    .bind(job)
    .bind(millis(now))
    .bind(to_json(problem)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn fail_call(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &CallId,
    problem: &Problem,
    events: &[NewEvent],
    now: DateTime<Utc>,
) -> Result<()> {
    let row = sqlx::query(
        "update calls set status = $3, error = $4, done_at = $5, updated_at = $5 where workspace = $1 and id = $2
         returning deal",
    )
    .bind(workspace)
    .bind(call)
    .bind(CallStatus::Failed)
    .bind(to_json(problem)?)
    .bind(millis(now))
    .fetch_one(&mut **tx)
    .await?;
    let deal: Option<DealId> = row.try_get(0)?;
    publish(tx, workspace, Some(call), deal.as_ref(), events, now).await
}

pub(super) async fn keep_result(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &CallId,
    step: Step,
    body: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "insert into results (call, step, workspace, body, at) values ($1, $2, $3, $4, $5)
         on conflict (call, step) do update set body = excluded.body, at = excluded.at",
    )
    .bind(call)
    .bind(step)
    .bind(workspace)
    .bind(body)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What lists say of an analysis, and find it by.
pub(super) async fn keep_summary(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId, summary: &Summary) -> Result<()> {
    sqlx::query(
        "insert into summaries (call, workspace, stage, body, words)
         select c.id, c.workspace, $3, $4, case when c.transcript_gone is null then $5 end
         from calls c join results r on r.call = c.id and r.step = 'analysis' where c.workspace = $1 and c.id = $2
         on conflict (call) do update set stage = excluded.stage, body = excluded.body, words = excluded.words",
    )
    .bind(workspace)
    .bind(call)
    .bind(summary.shown.stage.as_ref().map(|stage| stage.as_str().to_owned()))
    .bind(to_json(&summary.shown)?)
    .bind(search::stems(&summary.said))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Calls with the deal that came after this one rest on it: they are run again.
async fn rerun_later(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    deal: &DealId,
    call: &CallId,
    call_date: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let rows = sqlx::query(
        "select id from calls where workspace = $1 and deal = $2 and status = $3
           and (call_date > $4 or (call_date = $4 and id > $5)) order by call_date, id",
    )
    .bind(workspace)
    .bind(deal)
    .bind(CallStatus::Done)
    .bind(call_date)
    .bind(call)
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        requeue(tx, workspace, &row.try_get::<CallId, _>(0)?, Priority::Rerun, now).await?;
    }
    Ok(())
}
