//! What was understood → how good the lead is, what to do next, and a follow-up draft.
//!
//! Owns the rules of action: each needs its trigger in the call and carries the words that gave it. The e-mail is
//! composed of quotes and dated facts only; nothing is made up. Scores and stages are *not* here: see `process`.

mod actions;
mod follow_up;
mod qualification;

use chrono::NaiveDate;

pub use actions::next_actions;
pub use follow_up::follow_up;
pub use qualification::qualification;

use crate::domain::{
    Call, Deal, Evidence, Field, FieldName, FieldStatus, Language, Role, Signal, TurnLabels, calendar,
};
use crate::process::{self, Process};

/// Everything that a rule of action looks at.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    pub process: &'a Process,
    pub call: &'a Call,
    pub labels: &'a [TurnLabels],
    pub fields: &'a [Field],
    pub deal: &'a Deal,
    pub language: Language,
    pub call_date: NaiveDate,
}

impl Situation<'_> {
    /// Places of the turns with a signal.
    fn at(&self, signal: Signal) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&at| self.labels[at].has(signal))
            .collect()
    }

    fn has(&self, signal: Signal) -> bool {
        !self.at(signal).is_empty()
    }

    fn quote(&self, at: usize) -> Evidence {
        process::sentence(&self.call.turns[at])
    }

    /// Fields of a name that were said.
    fn said(&self, name: FieldName) -> impl Iterator<Item = &Field> {
        self.fields
            .iter()
            .filter(move |field| field.field == name && field.status != FieldStatus::NotStated)
    }

    fn buyer_turns(&self) -> usize {
        self.call.turns.iter().filter(|turn| turn.role == Role::Buyer).count()
    }

    /// The last objection that no acknowledgement followed.
    fn open(&self, objection: Signal) -> Option<usize> {
        let last = *self.at(objection).last()?;
        let settled = self.at(Signal::BuyerValueAck).into_iter().any(|at| at > last);
        (!settled).then_some(last)
    }

    fn is_dated(&self, at: usize) -> bool {
        process::is_dated(&self.call.turns, at, self.fields)
    }

    /// The day itself if offices work, else the next that they do.
    fn work_day(&self, day: NaiveDate) -> NaiveDate {
        if calendar::is_business_day(day, self.language) {
            day
        } else {
            calendar::next_business_day(day, self.language)
        }
    }

    fn dated_commitments(&self) -> Vec<usize> {
        self.at(Signal::BuyerCommitment)
            .into_iter()
            .filter(|&at| self.is_dated(at))
            .collect()
    }
}
