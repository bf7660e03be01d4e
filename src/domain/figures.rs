//! What one analysed call says about its deal, in figures.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    Band, CallType, CustomerKind, ElementId, Language, LeadSource, Metric, Move, ObjectionKind, Period, PrematureMove,
    Severity, Signal, StageId, Unit,
};

/// Ids, days and numbers of one analysis: enough for every figure of a pipeline, without a word of the talk or a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallFigures {
    pub call: String,
    pub call_date: NaiveDate,
    pub language: Language,
    /// Id of the process that stage and scores are of.
    pub process: String,
    /// Turns of the buyer's side: with none nobody was reached.
    pub buyer_turns: usize,
    /// None for a call that was no sales call.
    pub stage: Option<StageId>,
    /// Chance that the stage is right, 0–1.
    pub confidence: f64,
    /// The stage is shown, but not decided.
    pub abstained: bool,
    pub on_hold: bool,
    pub scores: BTreeMap<ElementId, u8>,
    /// Where the deal went in this call.
    pub step: Option<Move>,
    /// The agreed next meeting, else the latest day of a promise of the buyer's.
    pub next_step: Option<NaiveDate>,
    /// The day by which the buyer wants to decide.
    pub decision_by: Option<NaiveDate>,
    /// Days by which the open promises of our side, of all calls so far, are to be kept.
    pub our_promises: Vec<NaiveDate>,
    /// People of the buyer's side that were named, in all calls so far.
    pub buyers: usize,
    /// Objections of this call that nobody answered.
    pub open_objections: Vec<ObjectionKind>,
    pub customer: Option<CustomerKind>,
    pub lead_source: Option<LeadSource>,
    /// The only price that the rep named, as far as it may be that of the whole.
    pub price: Option<Amount>,
    pub signals: BTreeSet<Signal>,
    pub premature: Vec<PrematureFigures>,
    /// None where there was nothing to judge.
    pub card: Option<CardFigures>,
}

/// A sum as it was said: `low` and `high` differ where it was a range. Per year, per month or without a period as said:
/// sums of different periods or currencies are never added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// Units of the currency.
    pub low: f64,
    pub high: f64,
    /// ISO 4217.
    pub currency: String,
    pub period: Option<Period>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrematureFigures {
    pub id: PrematureMove,
    pub turn: u32,
    pub severity: Severity,
}

/// The scorecard of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardFigures {
    pub call_type: CallType,
    /// 0–100; None where too little was said to judge.
    pub overall: Option<u8>,
    /// Those that have a value.
    pub metrics: Vec<MetricFigures>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricFigures {
    pub id: Metric,
    pub value: f64,
    pub unit: Unit,
    /// None where no norm is known.
    pub band: Option<Band>,
    /// The good range in figures.
    pub norm: String,
    pub turns: Vec<u32>,
}
