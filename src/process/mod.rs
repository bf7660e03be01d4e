//! The sales process as a file, and its rules from signals to scores to the stage of the deal.
//!
//! Owns `ppvvc.toml` and the reading of such files into a checked [`Process`]; a problem is reported with its line and
//! column. Scores rest on what the buyer said: words of the rep never raise one. What to do next is *not* here: see
//! `decide`.

mod assess;
mod evidence;
mod file;

pub use assess::{Ending, Scored, assess, rescore};
pub use evidence::{is_dated, sentence};
pub use file::{ActionRule, ElementRule, Process, TOP_SCORE, Thresholds};

/// What is wrong with a process file.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}: {problem}")]
pub struct Error {
    pub source_name: String,
    /// With line and column where they are known.
    pub problem: String,
}
