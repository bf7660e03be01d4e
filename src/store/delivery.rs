//! What leaves the machine: endpoints, deliveries with every attempt, reminders.
//!
//! A delivery is written in the transaction of its event, one for each endpoint that is in use and wants it. How one is
//! sent, and when the next try is, is *not* here: see `deliver`.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};

use super::calls::words;
use super::{CallId, DealId, DeliveryId, EndpointId, EventId, Result, Scope, WorkspaceId};

words! {
    EndpointKind {
        Webhook = "webhook",
        Crm = "crm",
        Mail = "mail",
    }
}

impl EndpointKind {
    /// Types of events that it is told where its own list is empty. A webhook may list `endpoint.disabled` too, of other
    /// endpoints; `endpoint.test` comes to the one that is tested. The list of a CRM or of mail is not looked at.
    pub const fn types(self) -> &'static [&'static str] {
        match self {
            Self::Webhook => &[
                "call.analyzed",
                "call.failed",
                "deal.stage_changed",
                "deal.updated",
                "followup.drafted",
                "followup.approved",
                "action.due",
                "proposal.created",
            ],
            Self::Crm => &["deal.updated", "followup.approved"],
            Self::Mail => &["followup.approved"],
        }
    }
}

words! {
    /// Why nothing is sent to an endpoint any more.
    Disabled {
        /// Somebody switched it off.
        Person = "person",
        /// It answered 410.
        Gone = "gone",
        /// Nothing succeeded for days.
        Failing = "failing",
        /// It asked for it in its answer.
        Receiver = "receiver",
    }
}

words! {
    DeliveryState {
        Pending = "pending",
        Delivered = "delivered",
        /// All tries are used up, or no other would help. It can be sent again by hand.
        Failed = "failed",
        /// There is nothing to be told any more.
        Dropped = "dropped",
    }
}

/// A text that only the key of the server opens.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Sealed(pub String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

#[derive(Debug, Clone)]
pub struct NewEndpoint {
    pub id: EndpointId,
    pub kind: EndpointKind,
    pub target: String,
    /// Empty: all that it can be told.
    pub types: Vec<String>,
    pub secret: Sealed,
    pub file: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub workspace: WorkspaceId,
    pub kind: EndpointKind,
    pub target: String,
    pub types: Vec<String>,
    pub secret: Sealed,
    /// The one before, and until when it signs too.
    pub previous: Option<(Sealed, DateTime<Utc>)>,
    pub file: Option<String>,
    pub created_at: DateTime<Utc>,
    pub disabled: Option<(Disabled, DateTime<Utc>)>,
    pub failing_since: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub not_before: DateTime<Utc>,
}

/// What a person may change. None: as it is.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    pub types: Option<Vec<String>>,
    /// False switches it off.
    pub enabled: Option<bool>,
    /// A new secret; the old one signs too until then.
    pub rotate: Option<(Sealed, DateTime<Utc>)>,
    /// New settings of a CRM or of mail, in place of the old ones.
    pub secret: Option<Sealed>,
    pub file: Option<String>,
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub endpoint: EndpointId,
    pub event: EventId,
    pub event_seq: i64,
    /// Type of the event.
    pub event_kind: String,
    pub call: Option<CallId>,
    pub deal: Option<DealId>,
    pub state: DeliveryState,
    /// Attempts of all time.
    pub attempt: i64,
    pub next_at: DateTime<Utc>,
    pub message: Option<String>,
    pub created_at: DateTime<Utc>,
    pub done_at: Option<DateTime<Utc>>,
}

/// A delivery that was handed out, with all that is needed to send it.
#[derive(Debug, Clone)]
pub struct Due {
    pub delivery: Delivery,
    /// Tries of this round of the schedule, this one included.
    pub tries: i64,
    pub endpoint: Endpoint,
    /// JSON
    pub payload: String,
    /// When the event happened.
    pub at: DateTime<Utc>,
    /// The try before this one was begun and nobody wrote down how it ended: it may have had its effect.
    pub unsure: bool,
}

/// A try that was made.
#[derive(Debug, Clone)]
pub struct Attempted {
    pub delivery: DeliveryId,
    /// As it was handed out: an older one has lost its lease and is kept in the ledger only.
    pub attempt: i64,
    pub started_at: DateTime<Utc>,
    pub duration: std::time::Duration,
    pub status: Option<u16>,
    pub error: Option<&'static str>,
    pub answer: String,
    pub then: Then,
    /// For people; None where it was delivered.
    pub message: Option<String>,
}

/// What becomes of a delivery after a try, and of its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    Delivered,
    /// Again, not before this time. `rest`: nothing else is sent to the endpoint before that time either.
    Again {
        at: DateTime<Utc>,
        rest: Option<DateTime<Utc>>,
    },
    /// No other try.
    Failed,
    /// No other try, and the endpoint is switched off.
    Disable {
        why: Disabled,
        delivered: bool,
    },
    /// There was nothing to be told any more.
    Dropped,
}

/// How a try is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub number: i64,
    pub started_at: DateTime<Utc>,
    pub duration_ms: i64,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub answer: String,
}

#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub endpoint: Option<EndpointId>,
    pub state: Option<DeliveryState>,
    pub event_kind: Option<String>,
    pub call: Option<CallId>,
    pub deal: Option<DealId>,
    /// Created at or after.
    pub since: Option<DateTime<Utc>>,
    /// Older than this one: the newest come first.
    pub before: Option<DeliveryId>,
    pub limit: u32,
}

/// What is sent again.
#[derive(Debug, Clone)]
pub enum Replay {
    One(DeliveryId),
    /// What failed at this endpoint at or after this time.
    Failed {
        endpoint: EndpointId,
        since: DateTime<Utc>,
    },
    /// Events since this time of types that the endpoint wants and that were never given to it.
    NeverAttempted {
        endpoint: EndpointId,
        since: DateTime<Utc>,
    },
}

/// Something that somebody has to do.
#[derive(Debug, Clone)]
pub struct NewReminder {
    /// JSON: what `action.due` tells.
    pub payload: String,
    pub due_at: DateTime<Utc>,
}

/// For the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryFigures {
    pub pending: i64,
    /// Seconds that the oldest delivery that is due has waited.
    pub oldest_s: i64,
    pub disabled_endpoints: i64,
}

#[async_trait]
pub trait Endpoints {
    /// `Conflict` where it is a second mail server.
    async fn add_endpoint(
        &self,
        workspace: &WorkspaceId,
        endpoint: NewEndpoint,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    async fn endpoint(&self, workspace: &WorkspaceId, id: &EndpointId) -> Result<Option<Endpoint>>;

    /// The newest first.
    async fn endpoints(
        &self,
        workspace: &WorkspaceId,
        before: Option<&EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>>;

    /// `Missing` if there is none. Switched on again, it starts afresh: not failing, nothing held back, and what waited for
    /// it is due at once.
    async fn change_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        change: EndpointChange,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Endpoint>;

    /// With its deliveries and proposals. `Missing` if there is none.
    async fn delete_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// An event (`endpoint.test`) for this endpoint alone, whatever types it wants; its delivery. `Conflict` where it is
    /// switched off.
    async fn test_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        payload: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<DeliveryId>;
}

#[async_trait]
pub trait Deliveries {
    /// Hands out deliveries to webhooks and mail that are due, at most `most`, and at most `each` to one endpoint at a time,
    /// those under way included; one to an endpoint that fails. The endpoint that waited longest is first. Deliveries of a
    /// deal to an endpoint are handed out in the order of their events: a later one waits for the end of an earlier one.
    /// Each counts as a try.
    async fn claim_deliveries(&self, most: u32, each: u32, now: DateTime<Utc>, lease: Duration) -> Result<Vec<Due>>;

    /// Writes down that a try begins after which nobody can tell whether it had an effect, and keeps the lease until then.
    /// False: the lease was lost, and it must not begin. What comes of it is written over this by `finish_deliveries`.
    async fn begin_delivery(&self, due: &Due, until: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool>;

    /// Writes down what came of tries, in one transaction. Of one that lost its lease only the attempt is kept; of one that
    /// was erased, nothing. A receiver of webhooks of which nothing succeeded for `patience`, with at least two tries half a
    /// day apart, is switched off; that is an event (`endpoint.disabled`) and a line in the audit log.
    async fn finish_deliveries(&self, attempted: Vec<Attempted>, patience: Duration, now: DateTime<Utc>) -> Result<()>;

    /// Gives back deliveries of workers that are known to be gone. Only where no other process can hold one.
    async fn release_all_deliveries(&self, now: DateTime<Utc>) -> Result<u64>;

    /// When the next delivery to a webhook or mail is due; None: none is pending. It may be past although nothing can be
    /// claimed: then its endpoint has as many under way as it may.
    async fn next_delivery_at(&self) -> Result<Option<DateTime<Utc>>>;

    async fn delivery(&self, scope: &Scope, id: &DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>>;

    /// The newest first.
    async fn deliveries(&self, scope: &Scope, filter: &DeliveryFilter) -> Result<Vec<Delivery>>;

    /// Sends again, with the same `webhook-id`; how many. `Missing` if there is no such delivery or endpoint; `Conflict` where
    /// the endpoint is switched off, or the delivery is pending and being sent.
    async fn replay(&self, workspace: &WorkspaceId, what: Replay, actor: &str, now: DateTime<Utc>) -> Result<u64>;

    /// Tells of reminders that are due (`action.due`), at most `most`; how many. Each is told once, whoever asks.
    async fn tell_reminders(&self, most: u32, now: DateTime<Utc>) -> Result<u64>;

    async fn delivery_figures(&self, now: DateTime<Utc>) -> Result<DeliveryFigures>;
}
