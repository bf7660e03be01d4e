//! Change-sets: what an analysis would change in the CRM, what people decided, and what came of it.
//!
//! One worker at a time writes to a connection. It writes the intent before each request and what came of it after; a
//! worker that died leaves the intent, and the next one looks in the CRM before it writes. How a CRM is spoken to is *not*
//! here: see `deliver::crm`.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::calls::words;
use super::{
    CallId, ChangeId, DealId, Delivery, DeliveryId, Endpoint, EndpointId, NewEvent, ProposalId, Result, Scope,
    WorkspaceId,
};

words! {
    ChangeKind {
        Stage = "stage",
        Field = "field",
        Note = "note",
        Task = "task",
    }
}

words! {
    /// Who decides about a change.
    Policy {
        /// Nobody: it is written at once.
        Auto = "auto",
        /// A person.
        Ask = "ask",
        /// It is shown, and not written.
        Never = "never",
    }
}

words! {
    ChangeState {
        /// Waits for a person.
        Proposed = "proposed",
        /// Shown only.
        Withheld = "withheld",
        /// Is to be written.
        Approved = "approved",
        /// The intent is written down; whether the CRM has it is not known yet.
        Writing = "writing",
        /// The CRM has it: it was read back.
        Applied = "applied",
        /// The CRM said yes, and does not have it.
        NotApplied = "not_applied",
        /// The CRM has something else than when it was proposed: nothing was written. Can be approved again.
        Conflict = "conflict",
        /// The CRM refuses; the message says why. Can be approved again.
        Failed = "failed",
        Rejected = "rejected",
        /// A later call says something else.
        Superseded = "superseded",
        UndoApproved = "undo_approved",
        Undoing = "undoing",
        Undone = "undone",
        /// Somebody changed it since: nothing was written.
        UndoConflict = "undo_conflict",
        UndoFailed = "undo_failed",
    }
}

impl ChangeState {
    /// It is to be taken back.
    pub const fn is_undo(self) -> bool {
        matches!(self, Self::UndoApproved | Self::Undoing)
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChangeEvidence {
    /// Our id of the call.
    pub call_id: String,
    pub turn: u32,
    /// Verbatim.
    pub quote: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewChange {
    pub id: ChangeId,
    pub kind: ChangeKind,
    /// Ours: the field or the action; empty where there is but one.
    pub name: String,
    /// The CRM's field; empty where it has none.
    pub target: String,
    pub old: serde_json::Value,
    /// What the CRM calls a stage; None: it has no other name, or this is no stage.
    pub old_name: Option<String>,
    pub new: serde_json::Value,
    pub new_name: Option<String>,
    pub evidence: Vec<ChangeEvidence>,
    pub confidence: Option<f64>,
    pub policy: Policy,
    /// Why a person is asked although the customer's policy does not say so: `backwards`, `closes`, `unsure`.
    pub why: Option<String>,
}

/// What a change-set is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The deal, as a call left it.
    Deal,
    /// The letter after a call.
    Letter,
}

#[derive(Debug, Clone)]
pub struct NewProposal {
    pub id: ProposalId,
    pub about: About,
    pub deal: DealId,
    pub call: CallId,
    pub endpoint: EndpointId,
    pub revision: i64,
    pub crm_deal: String,
    pub delivery: DeliveryId,
    pub changes: Vec<NewChange>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub id: ChangeId,
    pub proposal: ProposalId,
    pub kind: ChangeKind,
    pub name: String,
    pub target: String,
    pub old: serde_json::Value,
    /// What the CRM calls a stage; None: it has no other name, or this is no stage.
    pub old_name: Option<String>,
    pub new: serde_json::Value,
    pub new_name: Option<String>,
    pub evidence: Vec<ChangeEvidence>,
    pub confidence: Option<f64>,
    pub policy: Policy,
    pub why: Option<String>,
    pub state: ChangeState,
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    pub attempt: i64,
    pub crm_id: Option<String>,
    /// Of a conflict.
    pub found: Option<Found>,
    pub message: Option<String>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    pub id: ProposalId,
    pub deal: DealId,
    pub call: CallId,
    pub endpoint: EndpointId,
    pub revision: i64,
    pub crm_deal: String,
    pub created_at: DateTime<Utc>,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
pub struct ProposalFilter {
    pub deal: Option<DealId>,
    pub call: Option<CallId>,
    /// Only those of which a change waits for a person.
    pub open: bool,
    pub before: Option<ProposalId>,
    pub limit: u32,
}

/// What the CRM has in place of what was expected, and what it calls that where it is a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub value: serde_json::Value,
    pub name: Option<String>,
}

/// What a person says about changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Reject,
    Undo,
}

/// The right to speak to a CRM, until somebody else has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFence {
    pub endpoint: EndpointId,
    pub attempt: i64,
}

/// What is to be done next at a connection.
#[derive(Debug, Clone)]
pub enum CrmWork {
    /// An event that it wants to know of.
    Event {
        delivery: Box<Delivery>,
        /// Of this round of the schedule, this one included.
        tries: i64,
        /// JSON
        payload: String,
    },
    /// A change that was approved, or is to be undone; its change-set comes without changes.
    Change {
        change: Box<Change>,
        proposal: Box<Proposal>,
        /// The one that comes included.
        tries: i64,
        /// An intent of before: whether the CRM has it is not known.
        unsure: bool,
    },
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeDone {
    /// The state that it ends in, what was made in the CRM, and a word for people.
    Ended {
        state: ChangeState,
        crm_id: Option<String>,
        found: Option<Found>,
        message: Option<String>,
    },
    /// Again, not before this time. `rest`: nothing else is sent to the connection before that time either.
    Again {
        at: DateTime<Utc>,
        rest: Option<DateTime<Utc>>,
        /// The CRM may have it: there was no answer, or none that says.
        unsure: bool,
        message: String,
    },
}

#[async_trait]
pub trait Changes {
    /// Keeps a change-set, with `proposal.created`. What earlier ones of the deal at the endpoint say of stage and fields, and
    /// is not begun, is superseded; so are notes and tasks of the same call that nobody decided about. One about a letter
    /// supersedes only the note with an earlier letter of the call. Changes whose policy is `auto` are approved by it. `Stale`
    /// where the deal has moved on; where the delivery has one already, that one stands.
    async fn propose(
        &self,
        workspace: &WorkspaceId,
        fence: &ConnectionFence,
        proposal: NewProposal,
        events: Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<()>;

    async fn proposal(&self, scope: &Scope, id: &ProposalId) -> Result<Option<Proposal>>;

    /// The newest first.
    async fn proposals(&self, scope: &Scope, filter: &ProposalFilter) -> Result<Vec<Proposal>>;

    /// Approves or rejects what waits, or undoes what was applied: the changes that are named, or all to which it applies.
    /// One that failed or met a conflict is approved again where it is named; with a conflict, what the CRM had then is the
    /// old value from now on. `Missing` if there is no such proposal or change; `Conflict` where a named change is in no state for it, or where
    /// nothing is. A line of the audit log for each change.
    async fn decide(
        &self,
        scope: &Scope,
        id: &ProposalId,
        changes: Option<&[ChangeId]>,
        decision: Decision,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Proposal>;
}

#[async_trait]
pub trait Connections {
    /// A CRM connection at which something is due and at which nobody is.
    async fn claim_connection(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        lease: Duration,
    ) -> Result<Option<(ConnectionFence, Endpoint)>>;

    /// False: somebody else has it.
    async fn extend_connection(&self, fence: &ConnectionFence, until: DateTime<Utc>) -> Result<bool>;

    async fn release_connection(&self, fence: &ConnectionFence) -> Result<()>;

    /// Gives back connections of workers that are known to be gone. Only where no other process can hold one.
    async fn release_all_connections(&self) -> Result<u64>;

    /// What is due: changes before events, in the order they were made. An event of a deal waits for the earlier ones, and
    /// counts as a try. `Fenced` where the connection was lost.
    async fn next_crm_work(&self, fence: &ConnectionFence, now: DateTime<Utc>) -> Result<Option<CrmWork>>;

    /// Writes the intent down: from now on the CRM may have it. Counts as a try. `Fenced` where the connection was lost,
    /// `Conflict` where the change is not to be written any more.
    async fn begin_change(&self, fence: &ConnectionFence, change: &ChangeId, now: DateTime<Utc>) -> Result<()>;

    /// With a line in the audit log for what was written. `Fenced` where the connection was lost; nothing happens where the
    /// change is gone or has ended already.
    async fn finish_change(
        &self,
        fence: &ConnectionFence,
        change: &ChangeId,
        done: ChangeDone,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Id of a deal in the CRM of a connection: as it was found or said there; else as clients call the deal (`crm_id`), where
    /// the workspace has no other CRM.
    async fn crm_record(&self, workspace: &WorkspaceId, deal: &DealId, endpoint: &EndpointId)
    -> Result<Option<String>>;

    /// Keeps the id of a deal in the CRM of a connection, as the worker found it. `Conflict` where another deal is that record,
    /// or the deal another record.
    async fn link_crm_deal(
        &self,
        workspace: &WorkspaceId,
        deal: &DealId,
        endpoint: &EndpointId,
        crm_id: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// The same as a person says it, in place of what was there; None: the deal is looked for again. What was proposed for another
    /// record and is not written is superseded, and deliveries of the deal that failed at the connection are due again.
    /// `Missing` if there is no such deal or connection, `Conflict` where another deal is that record.
    async fn say_crm_deal(
        &self,
        scope: &Scope,
        deal: &DealId,
        endpoint: &EndpointId,
        crm_id: Option<&str>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Which record a deal is in which CRM.
    async fn crm_records(&self, workspace: &WorkspaceId, deal: &DealId) -> Result<Vec<(EndpointId, String)>>;

    /// What a deal is recognised by, for finding it in the CRM.
    async fn deal_keys(&self, workspace: &WorkspaceId, deal: &DealId) -> Result<Vec<super::ContactKey>>;
}
