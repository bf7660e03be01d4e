//! The sales process as a file, and its rules from signals to scores, to the stage of the deal, and to warnings.
//!
//! Owns the processes that come with the program, the reading of such files into a checked [`Process`] (every problem with
//! its line and column), and the language of their conditions. Scores rest on what the buyer said: words of the rep
//! never raise one. What to do next is *not* here: see `decide`, which asks the same file.

mod assess;
mod cases;
mod condition;
mod evidence;
mod file;
mod history;
mod read;
mod reading;
mod warnings;

pub use crate::tables::{Error, Problem, Words};
pub use assess::{Ending, Heard, Scored, assess, reading_of, rescore, settle};
pub use condition::{Condition, Fact, Number};
pub use evidence::{is_dated, sentence};
pub use file::{
    ActionRule, BUILT_IN, Case, ContactRule, Due, ElementRule, EmailRule, Expectation, Process, StageRule, TOP_SCORE,
    Worth,
};
pub use reading::{Facts, Marks, Reading, Talk};
pub use warnings::{premature, root_causes};
