//! What a list says of a call.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{ActionId, CallOutcome, Language, StageId};

/// One analysis in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSummary {
    pub language: Language,
    /// Seconds; None where the transcript has no times.
    pub duration_s: Option<f64>,
    pub turns: usize,
    /// Of the deal after the call; None where it is not decided.
    pub stage: Option<StageId>,
    /// A stage is shown in the analysis, but not decided.
    pub abstained: bool,
    pub outcome: Option<CallOutcome>,
    /// 0–100
    pub lead_score: u8,
    pub not_sales: bool,
    pub next_action: Option<NextAction>,
}

/// The first of what is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NextAction {
    pub id: ActionId,
    /// In the language of the call.
    pub title: String,
    pub due: Option<NaiveDate>,
}
