//! Objections, each exchange once, with what became of it (B.1.4).

use std::ops::Range;

use super::clause::{self, Sentence};
use super::lists::{TellsObjection, WORDS};
use super::{Talk, Words};
use crate::domain::{Field, FieldName, FieldValue, Objection, ObjectionKind, ObjectionStatus, Role, Signal};

/// An exchange ends when its objection is not repeated within so many turns.
const REACH: usize = 3;

fn signal_of(kind: ObjectionKind) -> Signal {
    match kind {
        ObjectionKind::Price => Signal::BuyerObjPrice,
        ObjectionKind::Need => Signal::BuyerObjNeed,
        ObjectionKind::Trust => Signal::BuyerObjTrust,
        ObjectionKind::Delay => Signal::BuyerDelay,
    }
}

/// The buyer raises an objection of this kind in a turn.
fn raises(talk: &Talk<'_>, at: usize, tells: &TellsObjection) -> bool {
    let chance = talk.chance(at, signal_of(tells.kind));
    chance >= tells.alone || chance >= tells.with_words && talk.says(at, &tells.words)
}

/// One field for each exchange, at its first turn.
pub fn objections(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<(usize, Field)> = Vec::new();
    for tells in &WORDS.objection {
        let raised: Vec<usize> = talk.of(Role::Buyer).filter(|&at| raises(talk, at, tells)).collect();
        for exchange in exchanges(talk, &raised) {
            let at = raised[exchange.start];
            let last = raised[exchange.end - 1];
            let Some(words) = words(talk, at, &tells.words) else {
                continue;
            };
            let value = Objection {
                kind: tells.kind,
                status: status(talk, last),
            };
            let field = talk.field(
                FieldName::Objections,
                &words,
                FieldValue::Objection(value),
                talk.sure(at, signal_of(tells.kind)),
            );
            found.push((at, field));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, field)| field).collect()
}

/// Places in `raised` that belong together: no yes of the buyer between them, and not too far apart.
fn exchanges(talk: &Talk<'_>, raised: &[usize]) -> Vec<Range<usize>> {
    let mut exchanges: Vec<Range<usize>> = Vec::new();
    for (index, &at) in raised.iter().enumerate() {
        match exchanges.last_mut() {
            Some(last) if at - raised[last.end - 1] <= REACH && !settled(talk, raised[last.end - 1], at) => {
                last.end = index + 1;
            }
            _ => exchanges.push(index..index + 1),
        }
    }
    exchanges
}

/// The buyer said of the objection before that it is settled: what comes is another.
fn settled(talk: &Talk<'_>, after: usize, until: usize) -> bool {
    (after + 1..until)
        .filter(|&at| talk.role(at) == Role::Buyer)
        .any(|at| talk.has(at, Signal::BuyerValueAck) || talk.says(at, &WORDS.objections.accepts))
}

/// Chance of a signal at which it counts here: the fate of an objection shows in several turns.
const SHOWS: f32 = 0.25;

/// The buyer takes an answer in the turns between: finds it of use, or says so.
fn taken(talk: &Talk<'_>, after: usize, until: usize) -> bool {
    (after + 1..until.min(talk.len()))
        .filter(|&at| talk.role(at) == Role::Buyer)
        .any(|at| {
            talk.chance(at, Signal::BuyerValueAck) >= SHOWS
                || talk.says(at, &WORDS.objections.accepts)
                || opens_with_a_yes(talk, at)
        })
}

/// "Okay. Good." is a yes; "okay, but" is none.
fn opens_with_a_yes(talk: &Talk<'_>, at: usize) -> bool {
    talk.sentences[at].first().is_some_and(|first| {
        let opening = &first.words[..first.words.len().min(3)];
        !first.asks
            && clause::spot(opening, &WORDS.objections.yes).is_some_and(|place| place.start == 0)
            && !clause::says(&first.words, &WORDS.objections.but)
    })
}

fn status(talk: &Talk<'_>, last: usize) -> ObjectionStatus {
    let until = (last + 1 + REACH).min(talk.len());
    match (last + 1..until).find(|&at| talk.chance(at, Signal::RepObjHandle) >= SHOWS) {
        Some(answer) if taken(talk, answer, until) => ObjectionStatus::Accepted,
        Some(_) => ObjectionStatus::Answered,
        None => ObjectionStatus::Open,
    }
}

fn words<'t>(talk: &'t Talk<'_>, at: usize, phrases: &[String]) -> Option<Words<'t>> {
    let weight = |sentence: &&Sentence| clause::count(&sentence.words, phrases);
    let mut best: Option<(usize, &Sentence)> = None;
    for sentence in &talk.sentences[at] {
        let weight = weight(&sentence);
        let better = best.is_none_or(|(most, before)| {
            weight > most || weight == 0 && most == 0 && sentence.words.len() > before.words.len()
        });
        if better {
            best = Some((weight, sentence));
        }
    }
    let (_, sentence) = best?;
    let place = clause::spot(&sentence.words, phrases).unwrap_or(0..sentence.words.len());
    let range = clause::clause(sentence, &place).or_else(|| {
        let first = sentence.words.first()?;
        Some(first.range.start..sentence.words.last()?.range.end)
    })?;
    Some(Words { at, range, sentence })
}
