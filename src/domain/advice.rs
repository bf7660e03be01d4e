//! Warnings: moves that came too early, and why a deal does not move.

use serde::Serialize;

use super::{ActionId, Evidence, PastEvidence, PrematureMove, RootCauseId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// Something that the rep did before the buyer was ready for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Premature {
    pub id: PrematureMove,
    /// Number of the turn.
    pub turn: u32,
    pub severity: Severity,
    /// The rule that it broke, in words, in the language of the call.
    pub why: String,
    /// Better words for next time, in the language of the call.
    pub advice: String,
    /// The rep's words; an exact substring of the turn.
    pub quote: String,
}

/// What keeps the deal from moving.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCause {
    pub id: RootCauseId,
    /// In words, in the language of the call.
    pub why: String,
    /// The evidence that is not there, in words, in the language of the call.
    pub missing: Vec<String>,
    /// What to do about it first.
    pub first_action: ActionId,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls.
    pub earlier: Vec<PastEvidence>,
}
