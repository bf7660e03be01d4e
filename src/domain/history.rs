//! What earlier calls with the same deal came to.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallOutcome, ElementId, FieldName, Role, StageId};

/// Words of an earlier call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastEvidence {
    /// Id of the call.
    pub call: String,
    pub call_date: NaiveDate,
    /// Number of the turn in that call.
    pub turn: u32,
    pub quote: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastCall {
    pub id: String,
    pub call_date: NaiveDate,
    /// Where the deal stood after it; null for a call that was no sales call.
    pub stage: Option<StageId>,
    pub call_outcome: Option<CallOutcome>,
    /// Turns of the buyer's side.
    pub buyer_turns: usize,
    /// Somebody sold for us inside.
    pub champion: bool,
}

/// The best score that an element had, and the words it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastScore {
    pub element: ElementId,
    pub score: u8,
    pub evidence: Vec<PastEvidence>,
}

/// A fact of an earlier call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastField {
    pub field: FieldName,
    /// As documents have it.
    pub value: serde_json::Value,
    #[serde(flatten)]
    pub evidence: PastEvidence,
}

/// A promise that nobody said was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenPromise {
    pub who: Role,
    pub what: String,
    /// The last day that keeps it; null where none was named.
    pub due: Option<NaiveDate>,
    #[serde(flatten)]
    pub evidence: PastEvidence,
}

/// All earlier calls with the deal.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Id of the process that the scores are of.
    pub process: String,
    /// The oldest first; never empty.
    pub calls: Vec<PastCall>,
    pub stage: Option<StageId>,
    pub scores: Vec<PastScore>,
    pub fields: Vec<PastField>,
    pub promises: Vec<OpenPromise>,
    /// Names of the people of the buyer's side.
    pub buyers: Vec<String>,
}

impl History {
    /// What of it means something in a process: scores and stage are of one process only.
    pub fn for_process(mut self, process: &str) -> Self {
        if self.process != process {
            self.scores.clear();
            self.stage = None;
            process.clone_into(&mut self.process);
        }
        self
    }
}

impl OpenPromise {
    /// A promise of an earlier call that must be kept on `day` at the latest: ours on its day, theirs on the day after. One
    /// of ours without a day was to be kept at once.
    pub fn is_due(&self, who: Role, day: NaiveDate) -> bool {
        let earlier = self.evidence.call_date < day && self.who == who;
        let due = match who {
            Role::Rep => self.due.unwrap_or(self.evidence.call_date) <= day,
            _ => self.due.is_some_and(|due| due < day),
        };
        earlier && due
    }
}

/// Two statements that cannot both hold: of this call, and of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// An element of the process, or a field.
    pub about: String,
    pub latest: super::Evidence,
    pub earlier: PastEvidence,
}
