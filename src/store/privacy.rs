//! What is not kept: erasure, consent, legal hold, and how long each kind stays.
//!
//! Whatever goes from the database names its bytes as doomed in the same transaction; [`Privacy::remove_doomed`] takes
//! them out of the blob store. When an upload of the same bytes comes at that moment, one of the two waits for the
//! other: the row of the doomed bytes is the lock.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::calls::words;
use super::{Blobs, CallId, Consent, DealId, Result, Scope, WorkspaceId};

words! {
    /// Why something is not kept any more.
    Gone {
        /// It was old enough.
        Retention = "retention",
        /// It quoted a call that was erased, and there is nothing left to make it from.
        Erasure = "erasure",
        /// Consent was denied.
        Consent = "consent",
    }
}

words! {
    /// How consent was given or denied.
    ConsentMethod {
        /// On the call.
        Spoken = "spoken",
        Written = "written",
        /// On a page or in an app.
        Form = "form",
        /// They were told and went on.
        Notice = "notice",
        Other = "other",
    }
}

/// What a person says about consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentSaid {
    pub consent: Consent,
    pub method: Option<ConsentMethod>,
    /// When it was given or denied.
    pub at: Option<DateTime<Utc>>,
}

/// Days after which each kind goes, counted from when the call came in; null: never. What is left out is as the server
/// has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Sound. Bytes that were never read count as sound.
    pub recording_days: Option<u32>,
    /// Turns, and the file where a call came as a transcript. With the last of a call go its file name and contacts.
    pub transcript_days: Option<u32>,
    /// Analyses, records of deals, follow-ups, corrections.
    pub analysis_days: Option<u32>,
    pub event_days: Option<u32>,
    /// Lines of the audit log.
    pub audit_days: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            recording_days: Some(90),
            transcript_days: Some(365),
            analysis_days: Some(365),
            event_days: Some(30),
            audit_days: Some(3 * 365),
        }
    }
}

#[async_trait]
pub trait Privacy {
    /// Erases everything about a call. Later calls with the deal rest on it and may quote it: what they came to goes too and
    /// is made again. Work on the call that is under way keeps nothing. `Missing` if there is no such call; `Conflict` if
    /// it is on legal hold and nobody said `despite_hold`.
    async fn erase_call(
        &self,
        scope: &Scope,
        id: &CallId,
        despite_hold: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Erases a deal with all its calls, whosever they are.
    async fn erase_deal(
        &self,
        scope: &Scope,
        id: &DealId,
        despite_hold: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Keeps what was said about consent. `Denied` stops the work at once and leaves of the call only that it was; where it
    /// is on legal hold, what is there stays until the hold ends.
    async fn set_consent(
        &self,
        scope: &Scope,
        id: &CallId,
        said: &ConsentSaid,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Puts a call on legal hold, or ends that.
    async fn set_hold(&self, scope: &Scope, id: &CallId, hold: bool, actor: &str, now: DateTime<Utc>) -> Result<()>;

    /// None: as the server has it.
    async fn set_retention(
        &self,
        workspace: &WorkspaceId,
        retention: Option<&Retention>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Of every workspace; None: as the server has it.
    async fn retentions(&self) -> Result<Vec<(WorkspaceId, Option<Retention>)>>;

    /// Takes away what is too old, at most `most` of each kind. How much went; 0: nothing is left to go. Safe to run in
    /// several processes at once.
    async fn expire(
        &self,
        workspace: &WorkspaceId,
        retention: &Retention,
        now: DateTime<Utc>,
        most: u32,
    ) -> Result<u64>;

    /// Takes away what has a time of its own: sessions, and answers kept for repeated requests.
    async fn expire_passing(&self, now: DateTime<Utc>) -> Result<u64>;

    /// To be called before bytes are put into the blob store: if no call comes to refer to them, they go after `until`.
    async fn expect_blob(&self, workspace: &WorkspaceId, hash: &str, until: DateTime<Utc>) -> Result<()>;

    /// To be called when a call with these bytes is kept: nobody is removing them any more. Whether a call refers to them;
    /// then they must be in the blob store, and if they are not, they went meanwhile.
    async fn settle_blob(&self, workspace: &WorkspaceId, hash: &str) -> Result<bool>;

    /// Removes the bytes that are longest due, unless a call refers to them. False: none are due.
    async fn remove_doomed(&self, blobs: &Blobs, now: DateTime<Utc>) -> Result<bool>;

    /// Overwrites what was deleted, where the database leaves it in its log for a while. Quick.
    async fn scrub(&self) -> Result<()>;

    /// Writes the file of the database anew where erased things may still lie in it, as far as that is due: what was erased at
    /// once, what was too old after a day. True: it did, and everybody else who writes had to wait.
    async fn compact(&self, now: DateTime<Utc>) -> Result<bool>;
}
