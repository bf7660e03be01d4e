//! Deals: which calls belong together, and what was known of a deal at any time; and the events that everything leaves.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::calls::words;
use super::{CallId, DealId, EventId, Result, Scope, Search, UserId, WorkspaceId};
use crate::domain::{CallFigures, CallSummary};

words! {
    ContactKind {
        Phone = "phone",
        Email = "email",
        /// Of a person or a firm, in lower case.
        Name = "name",
    }
}

/// What a deal is recognised by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContactKey {
    kind: ContactKind,
    value: String,
}

impl PartialOrd for ContactKind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ContactKind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl ContactKey {
    /// None where nothing is left to compare: no digits in a phone number, no letters in a name.
    pub fn new(kind: ContactKind, said: &str) -> Option<Self> {
        let value = match kind {
            ContactKind::Phone => {
                let digits: String = said.chars().filter(char::is_ascii_digit).collect();
                // Russian numbers are written with 8 or +7, others with or without the code of the country.
                let from = digits.len().saturating_sub(10);
                (digits.len() >= 7).then(|| digits[from..].to_owned())
            }
            ContactKind::Email => {
                let address = said.trim().to_lowercase();
                address.contains('@').then_some(address)
            }
            ContactKind::Name => {
                let name = said.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
                name.chars().any(char::is_alphanumeric).then_some(name)
            }
        }?;
        Some(Self { kind, value })
    }

    pub const fn kind(&self) -> ContactKind {
        self.kind
    }

    pub fn value(&self) -> &str {
        &self.value
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    pub id: DealId,
    pub name: String,
    /// Its id in the customer's CRM.
    pub crm_id: Option<String>,
    pub owner: Option<UserId>,
    /// Grows with everything that changes what is known of it; 0: no call is analysed yet.
    pub revision: i64,
    pub stage: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewDeal {
    pub id: DealId,
    pub name: String,
    pub crm_id: Option<String>,
    pub owner: Option<UserId>,
    pub keys: Vec<ContactKey>,
}

/// A deal as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedDeal {
    pub deal: Deal,
    /// Calls with it.
    pub calls: i64,
    pub last_call_date: Option<NaiveDate>,
    /// The call that is known of it last; None where no call is analysed.
    pub last: Option<(CallId, CallSummary)>,
}

#[derive(Debug, Clone, Default)]
pub struct DealPage {
    /// Words of the name: each must be there.
    pub search: Option<Search>,
    pub stage: Option<String>,
    pub owner: Option<UserId>,
    pub after: Option<DealId>,
    pub limit: u32,
}

/// What was known of a deal after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealRecord {
    pub deal: DealId,
    pub revision: i64,
    pub call: CallId,
    pub call_date: NaiveDate,
    pub known_at: DateTime<Utc>,
    /// The analysis document without its turns, JSON.
    pub body: String,
}

/// The figures of a call as they were recorded for its deal.
#[derive(Debug, Clone, PartialEq)]
pub struct FiguresRecord {
    pub deal: DealId,
    pub deal_owner: Option<UserId>,
    pub call_owner: Option<UserId>,
    pub known_at: DateTime<Utc>,
    pub figures: CallFigures,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub seq: i64,
    pub id: EventId,
    pub kind: String,
    pub call: Option<CallId>,
    pub deal: Option<DealId>,
    /// JSON
    pub payload: String,
    pub at: DateTime<Utc>,
}

#[async_trait]
pub trait Deals {
    /// `Conflict` if the CRM id is taken.
    async fn add_deal(&self, workspace: &WorkspaceId, deal: NewDeal, actor: &str, now: DateTime<Utc>) -> Result<()>;

    async fn deal(&self, scope: &Scope, id: &DealId) -> Result<Option<Deal>>;

    /// The newest first.
    async fn deals(&self, scope: &Scope, page: &DealPage) -> Result<Vec<ListedDeal>>;

    async fn listed_deal(&self, scope: &Scope, id: &DealId) -> Result<Option<ListedDeal>>;

    /// Records of a deal, the oldest first: those that were known at a time, or all.
    async fn deal_records(&self, scope: &Scope, id: &DealId, at: Option<DateTime<Utc>>) -> Result<Vec<DealRecord>>;

    /// Figures of all records of all deals, deal by deal, the oldest first. Each names its call by our id.
    async fn figures(&self, scope: &Scope) -> Result<Vec<FiguresRecord>>;

    /// The last record of a deal: what is known now.
    async fn last_deal_record(&self, scope: &Scope, id: &DealId) -> Result<Option<DealRecord>>;

    /// What was known when a call on this day began: the document of the last analysed call with the deal before it, by
    /// day and then by arrival, and the number of the deal's last record.
    async fn history_before(
        &self,
        workspace: &WorkspaceId,
        deal: &DealId,
        call: &CallId,
        call_date: NaiveDate,
    ) -> Result<(Option<(CallId, String)>, i64)>;

    /// Puts a call to a deal, or back into the inbox, and runs again what depends on it: what the old deal knew by it goes.
    async fn move_call(
        &self,
        scope: &Scope,
        call: &CallId,
        deal: Option<&DealId>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// The number of the last event of a workspace; 0: there is none.
    async fn last_event(&self, workspace: &WorkspaceId) -> Result<i64>;

    /// Events behind a number, the oldest first.
    async fn events(&self, scope: &Scope, after: i64, limit: u32) -> Result<Vec<Event>>;
}
