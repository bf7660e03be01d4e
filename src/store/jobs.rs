//! Jobs: who works on what, until when.
//!
//! A worker holds a lease and tells that it lives; a lease that ran out is anybody's. Everything that a worker writes
//! names the number of its attempt (the fence), so one that lost its lease cannot overwrite its successor.

use async_trait::async_trait;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::json;

use super::{CallId, CallRecord, DealId, JobId, NewReminder, Problem, Result, Scope, Step, Summary, WorkspaceId};
use crate::domain::CallFigures;

/// Greater goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Again, because another call with the deal changed.
    Rerun,
    Upload,
    /// The end of a live call, a correction: somebody waits at the screen.
    Live,
}

impl Priority {
    pub const fn number(self) -> i64 {
        match self {
            Self::Rerun => 0,
            Self::Upload => 10,
            Self::Live => 20,
        }
    }
}

/// The right to write, until somebody else has the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub job: JobId,
    pub attempt: i64,
}

/// A job that was handed out.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub fence: Fence,
    pub workspace: WorkspaceId,
    pub call: CallRecord,
    /// Tries since something was achieved, this one included.
    pub tries: i64,
}

/// Answer to a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    Held,
    /// Somebody else has the job, or it was cancelled or erased: stop.
    Gone,
}

/// What happened, for the outside.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// As in the contract: `call.analyzed`…
    pub kind: &'static str,
    /// JSON
    pub payload: String,
}

impl NewEvent {
    /// Of a call that failed. Without the message, which may name the file.
    pub fn call_failed(call: &CallRecord, problem: &Problem) -> Self {
        Self {
            kind: "call.failed",
            payload: json!({"call_id": call.id, "deal_id": call.deal, "code": problem.code}).to_string(),
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone)]
pub struct StepDone {
    pub step: Step,
    /// JSON
    pub body: String,
    /// recording, transcript
    pub media: &'static str,
    /// The day of the call, as it is known now.
    pub call_date: NaiveDate,
}

/// What a call adds to what is known of its deal.
#[derive(Debug, Clone)]
pub struct NewRecord {
    pub deal: DealId,
    /// Last record that the history held; another one since is `Stale`.
    pub seen_revision: i64,
    pub call_date: NaiveDate,
    pub stage: Option<String>,
    /// The analysis document without its turns, JSON.
    pub body: String,
    pub figures: CallFigures,
}

/// The end of a call that went well.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The analysis document, JSON.
    pub analysis: String,
    pub summary: Summary,
    pub record: Option<NewRecord>,
    pub events: Vec<NewEvent>,
    /// What is to be done, in place of what earlier calls with the deal left to do.
    pub reminders: Vec<NewReminder>,
}

/// What to do about a call that did not go well.
#[derive(Debug, Clone)]
pub enum Retry {
    /// Again, not before this time.
    At(DateTime<Utc>),
    /// Another try would end the same way. The events tell it.
    Never(Vec<NewEvent>),
}

/// For the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFigures {
    pub queued: i64,
    pub running: i64,
    /// Seconds that the oldest job that is due has waited.
    pub oldest_s: i64,
}

#[async_trait]
pub trait Jobs {
    /// Hands out the job that is due: the highest priority, then the workspace that waited longest, then the oldest. A job
    /// whose lease ran out comes back, but one that did so `most_tries` times with nothing achieved has failed; its call
    /// says why, and `failed` of its kind is told.
    async fn claim_job(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        lease: Duration,
        most_tries: i64,
    ) -> Result<Option<Claimed>>;

    /// A sign of life, and how far the work is (0–1).
    async fn extend_job(
        &self,
        fence: &Fence,
        until: DateTime<Utc>,
        step: &str,
        progress: f64,
        now: DateTime<Utc>,
    ) -> Result<Heartbeat>;

    /// Keeps what a step came to; a later attempt goes on behind it.
    async fn finish_step(&self, fence: &Fence, done: StepDone, now: DateTime<Utc>) -> Result<()>;

    /// Keeps the end of a call in one piece: analysis, record of the deal, events, reminders, and the job that is done.
    async fn record_outcome(&self, fence: &Fence, outcome: Outcome, now: DateTime<Utc>) -> Result<()>;

    /// Keeps a failure.
    async fn fail_job(&self, fence: &Fence, problem: &Problem, retry: Retry, now: DateTime<Utc>) -> Result<()>;

    /// Gives a job back unfinished, to be handed out at once; not counted as a try.
    async fn release_job(&self, fence: &Fence, now: DateTime<Utc>) -> Result<()>;

    /// Gives back all jobs of workers that are known to be gone. Only where no other process can hold one.
    async fn release_all_jobs(&self, now: DateTime<Utc>) -> Result<u64>;

    /// Stops the work on a call. `Missing` if there is no such call; `Conflict` if it has ended.
    async fn cancel_call(&self, scope: &Scope, id: &CallId, actor: &str, now: DateTime<Utc>) -> Result<()>;

    async fn job_figures(&self, now: DateTime<Utc>) -> Result<JobFigures>;
}
