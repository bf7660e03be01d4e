//! Calls while they go on: what came in, and what was told, so that another connection or another process can go on.

use async_trait::async_trait;
use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::{CallId, Claimed, NewCall, NewEvent, Problem, Result, Scope, WorkspaceId};

/// A call that goes on, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCall {
    /// What was said when it began, JSON.
    pub start: String,
    /// Last number of a message.
    pub seq: i64,
    /// Turns received.
    pub turns: i64,
    pub ended_at: Option<DateTime<Utc>>,
}

/// What came in and what was told of it, kept in one piece.
#[derive(Debug, Clone, Default)]
pub struct LiveNews {
    /// JSON. Numbered on behind those that are there.
    pub turns: Vec<String>,
    /// Number and JSON.
    pub messages: Vec<(i64, String)>,
}

/// A live call that has ended.
#[derive(Debug, Clone)]
pub struct LiveEnd {
    /// As the step `transcript` keeps it, JSON.
    pub transcript: String,
    /// recording, transcript
    pub media: &'static str,
    pub call_date: NaiveDate,
    /// SHA-256 of the recording, hex, and its bytes.
    pub blob: Option<(String, u64)>,
}

#[async_trait]
pub trait Live {
    /// Keeps a call that begins.
    async fn start_live(
        &self,
        workspace: &WorkspaceId,
        call: NewCall,
        start: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    async fn live_call(&self, scope: &Scope, id: &CallId) -> Result<Option<LiveCall>>;

    /// Keeps news of a call. `seen` turns are there before them: `Conflict` if another process has gone on with the call, or
    /// if it has ended.
    async fn keep_live(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        seen: i64,
        news: LiveNews,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// At most `limit` messages behind `after`, with their numbers.
    async fn live_messages(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, String)>>;

    /// All turns, in order.
    async fn live_turns(&self, workspace: &WorkspaceId, id: &CallId) -> Result<Vec<String>>;

    /// The call has ended: its words are kept, and its analysis is this worker's for as long as its lease. `Conflict` if it
    /// has ended before.
    async fn end_live(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        end: LiveEnd,
        worker: &str,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Claimed>;

    /// The call has ended and there is nothing to analyse.
    async fn fail_live(
        &self,
        workspace: &WorkspaceId,
        id: &CallId,
        problem: &Problem,
        events: Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Calls that go on and of which nothing was heard since `before`: of each the workspace.
    async fn silent_live(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<(WorkspaceId, CallId)>>;
}
