//! The scorecard: how the rep led the talk, figure by figure, and what to do better.

use super::{Band, CallType, Evidence, Metric, Unit};

/// How well the rep led one call (E.1–E.5). Its texts are in the language of the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorecard {
    /// Norms go by it.
    pub call_type: CallType,
    /// 0–100; None where too little was said to judge.
    pub overall: Option<u8>,
    /// One for each metric, in the order of [`Metric::ALL`].
    pub metrics: Vec<MetricScore>,
    /// Three at most; the first would help most.
    pub coaching: Vec<Tip>,
    /// What went best.
    pub strength: Option<Strength>,
}

/// A metric with its norm.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricScore {
    pub id: Metric,
    /// What it is called.
    pub name: String,
    pub unit: Unit,
    /// The good range in figures, such as "0.35–0.55"; empty where none is known for this type of call.
    pub norm: String,
    /// Where the norm comes from: grade of the source and its name.
    pub source: String,
    pub reading: MetricReading,
}

/// What a metric says about a call.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricReading {
    Judged {
        value: f64,
        band: Band,
        /// Numbers of the turns that made it, ten at most.
        turns: Vec<u32>,
        /// How far it is an estimate, if it is one.
        why: Option<String>,
    },
    /// Measured; no norm is known.
    Unjudged {
        value: f64,
        turns: Vec<u32>,
        /// Why there is no norm.
        why: String,
    },
    /// It has no meaning for this call.
    NotApplicable { why: String },
}

impl MetricScore {
    pub fn value(&self) -> Option<f64> {
        match self.reading {
            MetricReading::Judged { value, .. } | MetricReading::Unjudged { value, .. } => Some(value),
            MetricReading::NotApplicable { .. } => None,
        }
    }

    pub fn band(&self) -> Option<Band> {
        match self.reading {
            MetricReading::Judged { band, .. } => Some(band),
            _ => None,
        }
    }

    pub fn turns(&self) -> &[u32] {
        match &self.reading {
            MetricReading::Judged { turns, .. } | MetricReading::Unjudged { turns, .. } => turns,
            MetricReading::NotApplicable { .. } => &[],
        }
    }

    pub fn why(&self) -> Option<&str> {
        match &self.reading {
            MetricReading::Judged { why, .. } => why.as_deref(),
            MetricReading::Unjudged { why, .. } | MetricReading::NotApplicable { why } => Some(why),
        }
    }
}

/// Something to do better next time.
#[derive(Debug, Clone, PartialEq)]
pub struct Tip {
    /// The metric that it would raise.
    pub metric: Metric,
    /// Number of the turn where other words would have helped.
    pub turn: u32,
    pub say_instead: String,
    pub why: String,
    /// The buyer's words that `say_instead` takes up.
    pub evidence: Vec<Evidence>,
}

/// What went best, with words that show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    pub metric: Metric,
    /// What the metric is called.
    pub name: String,
    pub evidence: Evidence,
}
