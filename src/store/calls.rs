//! Calls: what came in, how far it is, what each step came to.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CallId, ConsentMethod, ContactKey, CorrectionId, DealId, FoundQuote, Gone, Priority, Result, Scope, Search, UserId,
    WorkspaceId,
};
use crate::domain::{CallSummary, Waveform};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[sqlx(type_name = "text", rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}
pub(super) use words;

words! {
    /// Where a call is.
    CallStatus {
        Queued = "queued",
        Running = "running",
        Done = "done",
        Failed = "failed",
        Cancelled = "cancelled",
        /// It is being held.
        Live = "live",
    }
}

words! {
    Origin {
        Upload = "upload",
        Live = "live",
    }
}

words! {
    /// Whether the people on the call agreed to its being recorded and analysed.
    Consent {
        Granted = "granted",
        /// Nothing is done with the call.
        Denied = "denied",
        Unknown = "unknown",
    }
}

words! {
    /// What is stored on the way, in this order.
    Step {
        Transcript = "transcript",
        Analysis = "analysis",
    }
}

words! {
    DraftState {
        Draft = "draft",
        Approved = "approved",
    }
}

/// Why something went wrong, for the person whose call it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// For programs: `bad_input`, `missing_model`, `gave_up`, `denied`, `internal`.
    pub code: String,
    pub message: String,
}

/// Which deal a call belongs to, as the client said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DealHint {
    /// By its contacts, if they are known; else it waits in the inbox.
    Unsaid,
    /// One of ours.
    Ours(DealId),
    /// One of the customer's CRM; made here if it is not known yet.
    Crm { id: String, name: Option<String> },
    /// By its name; made if there is none.
    Named(String),
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct NewCall {
    pub id: CallId,
    pub owner: Option<UserId>,
    /// Whoever brings it sees only the deals of this user, and it is put to no other; None: all of the workspace.
    pub sees: Option<UserId>,
    pub origin: Origin,
    pub source: String,
    /// SHA-256 of its bytes, hex, and how many; None for a live call.
    pub blob: Option<(String, u64)>,
    /// JSON, as `service::Meta` writes it.
    pub meta: String,
    pub call_date: Option<NaiveDate>,
    pub started_at: Option<DateTime<Utc>>,
    pub consent: Consent,
    pub deal: DealHint,
    /// What else a deal may be recognised by.
    pub keys: Vec<ContactKey>,
    pub priority: Priority,
}

/// A request that may be repeated.
#[derive(Debug, Clone)]
pub struct Idempotent {
    /// Who sent it.
    pub actor: String,
    /// The client's key.
    pub name: String,
    /// SHA-256 of what was asked, hex.
    pub request: String,
    /// The call or deal that it is about: erased with it.
    pub subject: Option<String>,
}

/// What a repeated request finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remembered {
    /// It is the first.
    New,
    /// The first has not ended.
    Running,
    /// It asked for something else under the same key.
    Other,
    Answered {
        status: u16,
        body: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    Call(CallId),
    /// The same request came before; this call was its answer.
    Before(CallId),
    /// The same key came with another request.
    OtherRequest,
}

/// What is not kept any more of a call, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct WhatIsGone {
    pub recording: Option<Gone>,
    pub transcript: Option<Gone>,
    pub analysis: Option<Gone>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    pub id: CallId,
    pub deal: Option<DealId>,
    pub owner: Option<UserId>,
    pub origin: Origin,
    /// recording, transcript; None until the bytes were read.
    pub media: Option<String>,
    pub source: String,
    pub blob: Option<String>,
    pub size: Option<u64>,
    pub meta: String,
    pub call_date: Option<NaiveDate>,
    pub started_at: Option<DateTime<Utc>>,
    pub consent: Consent,
    pub consent_method: Option<ConsentMethod>,
    pub consent_at: Option<DateTime<Utc>>,
    /// On legal hold.
    pub hold: bool,
    pub gone: WhatIsGone,
    pub status: CallStatus,
    pub step: Option<String>,
    pub progress: f64,
    pub error: Option<Problem>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub done_at: Option<DateTime<Utc>>,
}

/// What an analysis is found by.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub shown: CallSummary,
    /// The words of the transcript.
    pub said: String,
}

/// A call as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedCall {
    pub call: CallRecord,
    /// None too where the deal may not be seen.
    pub deal_name: Option<String>,
    /// None where there is no analysis.
    pub summary: Option<CallSummary>,
    /// Where the transcript has one of the words that were searched for.
    pub found: Option<FoundQuote>,
}

#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    pub status: Option<CallStatus>,
    pub deal: Option<DealId>,
    /// Only those that wait for a deal.
    pub inbox: bool,
    /// Words of the transcript, of the file's name or of the deal's: each must be there.
    pub search: Option<Search>,
    /// Of the deal after the call.
    pub stage: Option<String>,
    pub owner: Option<UserId>,
    /// First and last day.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
}

/// A page of a list, the newest first: at most `limit` rows behind `after`.
#[derive(Debug, Clone)]
pub struct CallPage {
    pub filter: CallFilter,
    pub after: Option<CallId>,
    pub limit: u32,
}

/// The follow-up of a call where a person touched it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Edited, JSON; None: as the analysis has it.
    pub draft: Option<String>,
    pub state: DraftState,
    /// Grows with every change.
    pub revision: i64,
    pub by_user: Option<String>,
    pub at: DateTime<Utc>,
    /// Addresses that it is sent to as mail: named with the approval.
    pub send_to: Vec<String>,
    /// The revision whose approval was last told.
    pub approved_revision: Option<i64>,
}

/// A change to the follow-up of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftChange {
    /// The one that the client saw; 0: nobody touched it.
    pub seen_revision: i64,
    /// Edited, JSON; None: it stays as it is.
    pub draft: Option<String>,
    pub state: DraftState,
    /// Addresses that an approved one is sent to; None: as they are. A draft goes to nobody.
    pub send_to: Option<Vec<String>>,
}

/// A next action that somebody has ticked off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneAction {
    /// Its key: see `document::action_key`.
    pub action: String,
    pub by_user: String,
    pub at: DateTime<Utc>,
}

/// What a person knows better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    pub id: CorrectionId,
    pub call: CallId,
    pub by_user: String,
    /// JSON
    pub body: String,
    pub at: DateTime<Utc>,
}

#[async_trait]
pub trait Calls {
    /// Keeps a call and its job, matched to its deal. Its bytes must be in the blob store already.
    async fn add_call(
        &self,
        workspace: &WorkspaceId,
        call: NewCall,
        idempotent: Option<Idempotent>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Accepted>;

    async fn call(&self, scope: &Scope, id: &CallId) -> Result<Option<CallRecord>>;

    /// Whose call it is. For whoever runs the server; a client's request always names its workspace.
    async fn workspace_of_call(&self, id: &CallId) -> Result<Option<WorkspaceId>>;

    async fn calls(&self, scope: &Scope, page: &CallPage) -> Result<Vec<ListedCall>>;

    async fn listed_call(&self, scope: &Scope, id: &CallId) -> Result<Option<ListedCall>>;

    /// Analyses that an earlier version stored, of which lists say nothing yet: at most `limit`, of calls behind `after`.
    async fn unsummarised(&self, after: Option<&CallId>, limit: u32) -> Result<Vec<(WorkspaceId, CallId, String)>>;

    /// Keeps what lists say of such an analysis, if it is still there.
    async fn keep_summary(&self, workspace: &WorkspaceId, id: &CallId, summary: &Summary) -> Result<()>;

    /// Writes the words of names that an earlier version stored, at most `limit` of each kind; how many there were.
    async fn index_names(&self, limit: u32) -> Result<u64>;

    /// What a step came to, if it is done.
    async fn result(&self, scope: &Scope, id: &CallId, step: Step) -> Result<Option<String>>;

    /// Keeps the peaks of a recording, as long as it is kept.
    async fn keep_waveform(&self, workspace: &WorkspaceId, id: &CallId, waveform: &Waveform) -> Result<()>;

    async fn waveform(&self, scope: &Scope, id: &CallId) -> Result<Option<Waveform>>;

    /// Runs a call again, from its transcript, or from its bytes if there is none. `Missing` if there is no such call,
    /// `Conflict` while it runs.
    async fn rerun_call(&self, scope: &Scope, id: &CallId, actor: &str, now: DateTime<Utc>) -> Result<()>;

    /// The follow-up, if a person touched it.
    async fn draft(&self, scope: &Scope, id: &CallId) -> Result<Option<Draft>>;

    /// Keeps an edited draft, or its approval. Approved again as it is, with the same addresses, it is not told again.
    /// `Conflict` if another change came between, or there is an address and no mail server in use.
    async fn change_draft(
        &self,
        scope: &Scope,
        id: &CallId,
        change: DraftChange,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Draft>;

    /// Next actions that are done, in the order of their keys.
    async fn done_actions(&self, scope: &Scope, call: &CallId) -> Result<Vec<DoneAction>>;

    /// Ticks an action off, or takes that back.
    async fn tick_action(
        &self,
        scope: &Scope,
        call: &CallId,
        action: &str,
        done: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Keeps a correction, and queues the call to be understood with it.
    async fn add_correction(&self, scope: &Scope, correction: Correction, now: DateTime<Utc>) -> Result<()>;

    /// Takes a correction away, and queues the call to be understood without it.
    async fn remove_correction(
        &self,
        scope: &Scope,
        call: &CallId,
        id: &CorrectionId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// The oldest first.
    async fn corrections(&self, scope: &Scope, id: &CallId) -> Result<Vec<Correction>>;

    /// Takes note of a request with an idempotency key, or tells what came of the first.
    async fn remember(&self, workspace: &WorkspaceId, request: &Idempotent, now: DateTime<Utc>) -> Result<Remembered>;

    /// Keeps the answer; None: it failed in a way that may be tried again.
    async fn answered(
        &self,
        workspace: &WorkspaceId,
        request: &Idempotent,
        answer: Option<(u16, String)>,
    ) -> Result<()>;
}
