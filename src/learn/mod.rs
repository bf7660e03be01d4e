//! Labelled calls → weights of the turn model, and how good they are.
//!
//! Owns the reading of gold labels, fitting (heads, and the last layers of the encoder), and the measures of `eval`.
//! Running the model on a call is *not* here: see `understand`.

mod corpus;
mod facts;
mod fit;
mod measure;
mod optimizer;

pub use corpus::{Gold, LabelledCall, Split, read};
pub use facts::{FactFigures, FactMistake};
pub use fit::{Fitted, Options, fit, heads_file, layers_file};
pub use measure::{Bin, DealOutcome, DraftOutcome, F1, Interval, LanguageReport, Mistake, Report, measure};

use crate::understand::turn_model;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {cause}")]
    Corpus { path: String, cause: String },
    #[error(
        "{folder}: no call with gold labels in split `{split}`; see README, \"Labelled calls, training on your own\""
    )]
    Empty { folder: String, split: &'static str },
    #[error("{path}: the unfinished training cannot be kept or gone on with: {cause}; remove the file to begin anew")]
    Unfinished { path: String, cause: String },
    #[error(transparent)]
    Model(#[from] turn_model::Error),
    #[error("training failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
