//! Everything durable: calls, jobs, deals, people and keys, events and where they go, change-sets, and recordings as
//! blobs.
//!
//! Owns all SQL. One text of it serves SQLite and PostgreSQL: the files under `sql/` are compiled once for each driver.
//! Every method is one transaction, and what belongs to a workspace cannot be asked for without naming it. What the rows
//! mean for the sale is *not* here: see `service`; nor who may ask: see `http`.

mod access;
mod blobs;
mod calls;
mod changes;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conformance_changes;
#[cfg(test)]
mod conformance_delivery;
#[cfg(test)]
mod conformance_live;
#[cfg(test)]
mod conformance_privacy;
mod deals;
mod delivery;
mod ids;
mod jobs;
mod live;
#[expect(clippy::duplicate_mod, reason = "the same SQL, compiled once for each driver")]
mod postgres;
mod privacy;
mod search;
#[expect(clippy::duplicate_mod, reason = "the same SQL, compiled once for each driver")]
mod sqlite;
mod wait;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use access::{
    Access, AuditCheck, AuditLine, Caller, Key, NewKey, NewSession, NewUser, PersonRole, User, UserChange, Workspace,
    email_key,
};
pub use blobs::{Blobs, Fetched, Staged, StagedWriter};
pub use calls::{
    Accepted, CallFilter, CallPage, CallRecord, CallStatus, Calls, Consent, Correction, DealHint, DoneAction, Draft,
    DraftChange, DraftState, Idempotent, ListedCall, NewCall, Origin, Problem, Remembered, Step, Summary, WhatIsGone,
};
pub use changes::{
    About, Change, ChangeDone, ChangeEvidence, ChangeKind, ChangeState, Changes, ConnectionFence, Connections, CrmWork,
    Decision, Found, NewChange, NewProposal, Policy, Proposal, ProposalFilter,
};
pub use deals::{
    ContactKey, ContactKind, Deal, DealPage, DealRecord, Deals, Event, FiguresRecord, ListedDeal, NewDeal,
};
pub use delivery::{
    Attempt, Attempted, Deliveries, Delivery, DeliveryFigures, DeliveryFilter, DeliveryState, Disabled, Due, Endpoint,
    EndpointChange, EndpointKind, Endpoints, NewEndpoint, NewReminder, Replay, Sealed, Then,
};
pub use ids::{
    CallId, ChangeId, CorrectionId, DealId, DeliveryId, EndpointId, EventId, JobId, KeyId, ProposalId, ReminderId,
    UserId, WorkspaceId,
};
pub use jobs::{Claimed, Fence, Heartbeat, JobFigures, Jobs, NewEvent, NewRecord, Outcome, Priority, Retry, StepDone};
pub use live::{Live, LiveCall, LiveEnd, LiveNews};
pub use privacy::{ConsentMethod, ConsentSaid, Gone, Privacy, Retention};
pub use search::{FoundQuote, Search, TooMany};
pub use wait::claimed_or_wait;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// PostgreSQL keeps no NUL.
    #[error("a text holds a character that cannot be kept (NUL)")]
    Character,
    #[error("database: {0}; a newer version of the program may have made it")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("blob store: {0}")]
    Blob(#[from] object_store::Error),
    #[error("data folder: {0}")]
    Folder(#[from] std::io::Error),
    #[error("{0}")]
    Setting(String),
    #[error("{what} `{id}` does not exist")]
    Missing { what: &'static str, id: String },
    #[error("{0}")]
    Conflict(String),
    /// Another worker has the job now, or it was cancelled: what this one found is not kept.
    #[error("the job was taken away")]
    Fenced,
    /// Another call with the deal was recorded since the history was read.
    #[error("the deal has moved on")]
    Stale,
    #[error("{what}: {cause}")]
    Corrupt { what: &'static str, cause: String },
}

impl Error {
    /// Of a letter that is not any more what its reader saw.
    pub fn changed_meanwhile() -> Self {
        Self::Conflict("the draft was changed meanwhile; read it again and repeat the change".to_owned())
    }

    /// Worth another try.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::RowNotFound | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
                false
            }
            Self::Database(_) | Self::Blob(_) | Self::Folder(_) | Self::Stale => true,
            Self::Migration(_)
            | Self::Setting(_)
            | Self::Missing { .. }
            | Self::Conflict(_)
            | Self::Fenced
            | Self::Character
            | Self::Corrupt { .. } => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some("22021") {
            return Self::Character;
        }
        Self::Database(error)
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Whose rows may be seen: of one workspace, and of it all, or only those of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub workspace: WorkspaceId,
    pub owner: Option<UserId>,
}

impl Scope {
    pub const fn all(workspace: WorkspaceId) -> Self {
        Self { workspace, owner: None }
    }
}

/// The database.
#[async_trait::async_trait]
pub trait Store:
    Calls + Jobs + Live + Deals + Endpoints + Deliveries + Changes + Connections + Access + Privacy + Send + Sync
{
    /// Answers when the database does.
    async fn ping(&self) -> Result<()>;
}

/// Opens the database of a URL (`sqlite://PATH` or `postgres://…`) and brings its tables up to date.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        return Ok(Arc::new(sqlite::open(Path::new(path)).await?));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(postgres::open(url).await?));
    }
    let scheme = url.split(':').next().unwrap_or_default();
    Err(Error::Setting(format!(
        "DEALSTAGE_DATABASE_URL: `{scheme}:` is not known; use sqlite://PATH or postgres://…"
    )))
}

/// Milliseconds since 1970.
fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn moment(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Corrupt {
        what: "a value",
        cause: error.to_string(),
    })
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what,
        // The words of the message may quote the row.
        cause: format!("{:?} at {}:{}", error.classify(), error.line(), error.column()),
    })
}
