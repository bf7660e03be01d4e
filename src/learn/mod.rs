//! Labelled calls → heads of the turn model, and how good they are.
//!
//! Owns the reading of gold labels, fitting, and the measures of `eval`. The encoder is used as it is: only heads are
//! fitted here. Running the model on a call is *not* here: see `understand`.

mod corpus;
mod fit;
mod measure;
mod tune;

pub use corpus::{Gold, LabelledCall, Split, read};
pub use fit::{Fitted, Options, fit, to_safetensors};
pub use measure::{F1, LanguageReport, Report, measure};
pub use tune::{TuneOptions, tune};

use crate::understand::turn_model;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {cause}")]
    Corpus { path: String, cause: String },
    #[error("{folder}: no call with gold labels in split `{split}`; see README, \"Train on your own calls\"")]
    Empty { folder: String, split: &'static str },
    #[error(transparent)]
    Model(#[from] turn_model::Error),
    #[error("training failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
