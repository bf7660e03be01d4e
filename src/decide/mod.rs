//! What was understood → how good the lead is, what to do next, a follow-up draft, and how well the rep led the talk.
//!
//! Owns the rules of action: each needs its trigger in the call and carries the words that gave it. The e-mail is
//! composed of quotes and dated facts only; nothing is made up, also where a language model puts it into better words. How the
//! rep led the talk is judged by norms that are data. Scores and stages are *not* here: see `process`.

mod actions;
mod follow_up;
mod outcome;
mod qualification;
mod scorecard;

use chrono::NaiveDate;

pub use actions::{next_actions, next_contact};
pub use follow_up::{
    DraftItem, DraftScore, TemplateError, Templates, draft, follow_up, judge_draft, kind, rewrite, score_draft,
};
pub use qualification::qualification;
pub use scorecard::{metric_name, scorecard};

use crate::domain::{
    Call, Deal, Evidence, Field, FieldName, FieldStatus, History, Language, Premature, Signal, StageKind, TurnLabels,
    calendar,
};
use crate::process::{self, Process, Reading};

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
    /// The call as its deal was judged, for the conditions of the process.
    pub reading: &'a Reading<'a>,
    pub premature: &'a [Premature],
    /// Earlier calls with the deal.
    pub history: Option<&'a History>,
}

impl Situation<'_> {
    /// Places of the turns with a signal.
    fn at(&self, signal: Signal) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&at| self.labels[at].has(signal))
            .collect()
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

    fn say(&self, en: &'static str, ru: &'static str) -> &'static str {
        match self.language {
            Language::En => en,
            Language::Ru => ru,
        }
    }

    /// They said no.
    fn is_lost(&self) -> bool {
        let stage = self.deal.stage.as_ref();
        stage.is_some_and(|stage| stage.kind == StageKind::Lost)
    }

    /// The last objection that nothing later took back.
    fn open(&self, objection: Signal) -> Option<usize> {
        self.reading.open_objection(objection)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DateQualifier, DateValue, DecidedBy, FieldValue, Role, sample};

    pub fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    pub fn on(date: &str) -> DateValue {
        DateValue {
            kind: None,
            date: Some(day(date)),
            start: None,
            end: None,
            time: None,
            time_end: None,
            qualifier: DateQualifier::On,
            ambiguous: false,
            past: false,
        }
    }

    /// A field of turn 1, said by the rep.
    pub fn field(name: FieldName, status: FieldStatus, value: FieldValue) -> Field {
        Field {
            field: name,
            status,
            value: Some(value),
            raw: "words".to_owned(),
            turn: Some(1),
            role: Some(Role::Rep),
            quote: "words".to_owned(),
            confidence: 0.8,
            decided_by: DecidedBy::Rules,
        }
    }

    /// What is decided about a call of one turn of the rep with these fields.
    pub fn decided<T>(
        fields: &[Field],
        call_date: &str,
        language: Language,
        decide: impl FnOnce(&Situation<'_>) -> T,
    ) -> T {
        let call = sample::talk(&[(Role::Rep, "words")]);
        situated(&call, &[], fields, day(call_date), language, decide)
    }

    /// What is decided about a call, judged by the rules of PPVVC.
    pub fn situated<T>(
        call: &Call,
        labels: &[TurnLabels],
        fields: &[Field],
        call_date: NaiveDate,
        language: Language,
        decide: impl FnOnce(&Situation<'_>) -> T,
    ) -> T {
        let process = Process::ppvvc().expect("the built-in process");
        let heard = process::Heard {
            call,
            labels,
            fields,
            language,
            no_deal: false,
            history: None,
        };
        let deal = process::assess(&process, heard);
        with_deal(&process, heard, &deal, call_date, decide)
    }

    /// What is decided about a call whose deal stands as given.
    pub fn with_deal<T>(
        process: &Process,
        heard: process::Heard<'_>,
        deal: &Deal,
        call_date: NaiveDate,
        decide: impl FnOnce(&Situation<'_>) -> T,
    ) -> T {
        let talk = process::Talk::new(process, heard.call, heard.fields);
        let marks = process::Marks::new(heard.labels);
        let reading = process::reading_of(process, &talk, &marks, heard, deal);
        let premature = process::premature(process, heard);
        decide(&Situation {
            process,
            call: heard.call,
            labels: heard.labels,
            fields: heard.fields,
            deal,
            language: heard.language,
            call_date,
            reading: &reading,
            premature: &premature,
            history: heard.history,
        })
    }
}
