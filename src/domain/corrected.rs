//! What a person knows better about a call than the program.

use serde::{Deserialize, Serialize};

use super::{FieldName, Role, Signal, Stage};

/// What a person knows better. Kept as training data, and the call is understood anew with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "about", rename_all = "snake_case", deny_unknown_fields)]
pub enum Corrected {
    /// What a turn is about.
    Stage { turn: u32, stage: Stage },
    /// A signal is there, or it is not.
    Signal { turn: u32, signal: Signal, present: bool },
    /// Who speaks.
    Speaker {
        turn: u32,
        #[schema(value_type = String)]
        role: Role,
    },
    /// A field has another value, in the shape of the analysis; null: it was not stated.
    Field {
        field: FieldName,
        value: Option<serde_json::Value>,
        /// Where it was said. A value that was not found there needs it: nothing is known without words of the call.
        turn: Option<u32>,
        /// Which of several values of that turn is meant: the words that carry it, as `raw` of the analysis. None: all.
        raw: Option<String>,
    },
    /// Where the deal stands: a stage of the process; null: it cannot be told.
    DealStage { stage: Option<String> },
}

impl Corrected {
    /// The turn that it is about.
    pub const fn turn(&self) -> Option<u32> {
        match self {
            Self::Stage { turn, .. } | Self::Signal { turn, .. } | Self::Speaker { turn, .. } => Some(*turn),
            Self::Field { turn, .. } => *turn,
            Self::DealStage { .. } => None,
        }
    }
}
