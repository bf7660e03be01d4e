//! Fields that are told rather than counted: needs, the way to a decision, objections, requests, contact.
//!
//! Owns which clause of which turn carries them. The turn model's signals say where to look, words say what is there;
//! facts about the buyer come from the buyer, or from the rep with a yes of the buyer in the next turn. Sums, days and
//! people are *not* here (see the modules beside), nor is the outcome of the call: `decide` fills it from the deal.

mod clause;
mod contact;
mod lists;
mod needs;
mod objections;
mod process;
mod requests;
#[cfg(test)]
mod tests;

use std::ops::Range;

use chrono::NaiveDate;

use self::clause::Sentence;
use self::lists::WORDS;
use super::{dates, text::Found};
use crate::domain::{
    Call, DateValue, DecidedBy, Field, FieldName, FieldStatus, FieldValue, Language, Role, Signal, Turn, TurnLabels,
};

/// Facts of a talk. Roles must be set; `labels` lie in the order of the turns; `known` are the fields found so far.
/// Nothing for a call that is no sales call.
pub fn extract(
    call: &Call,
    labels: &[TurnLabels],
    language: Language,
    call_date: NaiveDate,
    known: &[Field],
) -> Vec<Field> {
    if crate::understand::not_sales(&call.turns, labels) {
        return Vec::new();
    }
    let talk = Talk::new(call, labels, language, call_date, known);
    [
        contact::industry(&talk),
        needs::pains(&talk),
        needs::wishes(&talk),
        process::steps(&talk),
        process::papers(&talk),
        process::events(&talk),
        objections::objections(&talk),
        requests::materials(&talk),
        requests::open_questions(&talk),
        contact::lead_source(&talk),
        contact::customer_kind(&talk),
        contact::preference(&talk),
    ]
    .concat()
}

/// A call with its words parted.
struct Talk<'a> {
    call: &'a Call,
    labels: &'a [TurnLabels],
    language: Language,
    call_date: NaiveDate,
    known: &'a [Field],
    /// Of each turn.
    sentences: Vec<Vec<Sentence>>,
}

/// The words of a turn that carry a value.
struct Words<'a> {
    at: usize,
    range: Range<usize>,
    sentence: &'a Sentence,
}

impl<'a> Talk<'a> {
    fn new(
        call: &'a Call,
        labels: &'a [TurnLabels],
        language: Language,
        call_date: NaiveDate,
        known: &'a [Field],
    ) -> Self {
        Self {
            sentences: call.turns.iter().map(|turn| clause::sentences(&turn.text)).collect(),
            call,
            labels,
            language,
            call_date,
            known,
        }
    }

    fn len(&self) -> usize {
        self.call.turns.len().min(self.labels.len())
    }

    fn turn(&self, at: usize) -> &'a Turn {
        &self.call.turns[at]
    }

    fn role(&self, at: usize) -> Role {
        self.call.turns[at].role
    }

    fn has(&self, at: usize, signal: Signal) -> bool {
        self.labels[at].has(signal)
    }

    fn chance(&self, at: usize, signal: Signal) -> f32 {
        self.labels[at].chance(signal)
    }

    /// Places of the turns of one side.
    fn of(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(move |&at| self.role(at) == role)
    }

    fn says(&self, at: usize, phrases: &[String]) -> bool {
        self.sentences[at]
            .iter()
            .any(|sentence| clause::says(&sentence.words, phrases))
    }

    /// How many words the turn has.
    fn length(&self, at: usize) -> usize {
        self.sentences[at].iter().map(|sentence| sentence.words.len()).sum()
    }

    /// The turn of the rep right before.
    fn asked_by(&self, at: usize) -> Option<usize> {
        let before = at.checked_sub(1)?;
        (self.role(before) == Role::Rep).then_some(before)
    }

    /// The buyer takes the words of the turn `at` as true in the next turn.
    fn confirmed(&self, at: usize) -> bool {
        let next = at + 1;
        next < self.len()
            && self.role(next) == Role::Buyer
            && self.sentences[next].first().is_some_and(|first| {
                let opening = &first.words[..first.words.len().min(4)];
                !first.asks && clause::spot(opening, &WORDS.talk.yes).is_some_and(|place| place.start <= 1)
            })
    }

    /// The first place in the turn's facts (no suppositions) where one of `phrases` is said, with its clause.
    fn find<'s>(&'s self, at: usize, phrases: &[String]) -> Option<Words<'s>> {
        self.sentences[at]
            .iter()
            .filter(|sentence| !sentence.supposed)
            .find_map(|sentence| {
                let place = clause::spot(&sentence.words, phrases)?;
                let range = clause::clause(sentence, &place)?;
                Some(Words { at, range, sentence })
            })
    }

    /// Fields of a name that others found in the turn.
    fn known_in(&self, at: usize, name: FieldName) -> impl Iterator<Item = &'a Field> {
        let turn = self.turn(at).i;
        self.known
            .iter()
            .filter(move |field| field.field == name && field.turn == Some(turn))
    }

    fn text(&self, at: usize, range: &Range<usize>) -> &'a str {
        self.turn(at).text.get(range.clone()).unwrap_or_default()
    }

    fn days(&self, at: usize, range: &Range<usize>) -> Vec<Found<DateValue>> {
        dates::find(self.text(at, range), self.language, self.call_date)
    }

    /// A field whose words are its quote.
    fn field(&self, name: FieldName, words: &Words<'_>, value: FieldValue, sure: Sure) -> Field {
        let turn = self.turn(words.at);
        let raw = self.text(words.at, &words.range).to_owned();
        Field {
            field: name,
            status: if turn.role == Role::Rep {
                FieldStatus::Confirmed
            } else {
                FieldStatus::Stated
            },
            value: Some(value),
            quote: raw.clone(),
            raw,
            turn: Some(turn.i),
            role: Some(turn.role),
            confidence: sure.0,
            decided_by: sure.1,
        }
    }

    /// As sure as the turn model is of a signal; where it does not say so, as words with its doubt are.
    fn sure(&self, at: usize, signal: Signal) -> Sure {
        self.labels[at]
            .confidence(signal)
            .map_or(DOUBTED, |confidence| Sure(confidence, DecidedBy::Local))
    }
}

/// How sure a field is, and who decided it.
#[derive(Clone, Copy)]
struct Sure(f32, DecidedBy);

/// What plain words are worth, rounded down.
const BY_WORDS: Sure = Sure(0.6, DecidedBy::Rules);
/// What words are worth in a turn whose signal the model only suspects.
const DOUBTED: Sure = Sure(0.4, DecidedBy::Rules);
