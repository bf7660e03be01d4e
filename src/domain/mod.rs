//! The nouns: call, turn, signal, stage, field, score, action, draft.
//!
//! Owns what the words mean, and the ids. No I/O, no async, no clock, no dependency on other modules of ours.
//! The shape that customers read is *not* here: see `document`.

pub mod calendar;
pub mod schema;

mod advice;
mod call;
mod corrected;
mod decision;
mod field;
mod figures;
mod history;
mod ids;
mod name;
#[cfg(test)]
pub mod sample;
mod scorecard;
mod sound;
mod summary;
mod text;
mod waveform;

pub use advice::{Premature, RootCause, Severity};
pub use call::{Call, Language, Overlap, Recording, Role, SAMPLE_RATE, Seller, Stopped, Turn, Word};
pub use corrected::Corrected;
pub use decision::{
    Action, Contact, Deal, DecidedBy, Decision, Egress, ElementScore, Evidence, FollowUp, FollowUpFact, Qualification,
    QualificationStatus, TurnLabels, WrittenBy,
};
pub use field::{
    Commitment, Competitor, CompetitorStatus, ContactChannel, Criterion, CriticalEvent, CustomerKind, DateQualifier,
    DateValue, DecisionStep, Field, FieldValue, LeadSource, Money, MoneyQualifier, NoValue, Objection, ObjectionKind,
    ObjectionStatus, Pain, PaperKind, PaperStep, Period, Person, Quantity, Vat, title_in,
};
pub use figures::{Amount, CallFigures, CardFigures, MetricFigures, PrematureFigures};
pub use history::{Contradiction, History, OpenPromise, PastCall, PastEvidence, PastField, PastScore};
pub use ids::{
    ActionId, Band, CallOutcome, CallType, Channel, Cue, DecisionRole, EmailType, FieldName, FieldStatus, Metric, Move,
    Owner, PrematureMove, RootCauseId, Signal, Stage, Unit,
};
pub use name::{DealStage, ElementId, StageId, StageKind};
pub use scorecard::{MetricReading, MetricScore, Scorecard, Strength, Tip};
pub use sound::{Sound, distinct_channels};
pub use summary::{CallSummary, NextAction};
pub use text::{EN_ORDINALS, cut_sentences, hex, letters, sentences};
pub use waveform::Waveform;

/// A text that names none of the ids of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{text}`")]
pub struct UnknownId {
    pub kind: &'static str,
    pub text: String,
}
