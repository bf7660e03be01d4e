//! Qualification fields by rules, in English and Russian.
//!
//! Owns numbers, money, dates and people in words, and which of them are facts about the buyer. Every value carries an
//! exact substring of its turn; a fact about the buyer comes from the buyer, or from the rep with the buyer's consent.
//! Confidence is fixed for each rule: how often it is right on calls, rounded down; it is no probability of its own.

mod dates;
mod extract;
#[cfg(test)]
mod facts_tests;
mod meeting;
mod money;
mod names;
mod numbers;
mod people;
mod promises;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod spoken_tests;
mod talk;
mod text;

pub use extract::{LOOKED_FOR, extract};
pub use people::title_of;
