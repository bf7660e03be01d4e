//! The way to a decision: its steps, the paperwork, and what forces the date.

use std::ops::Range;

use super::clause::{self, Sentence};
use super::lists::{Tells, WORDS};
use super::{Talk, Words};
use crate::domain::{CriticalEvent, DecisionStep, Field, FieldName, FieldValue, PaperKind, PaperStep, Role, Signal};

/// What a turn must weigh to tell steps of a decision.
const TELLS_STEPS: f32 = 0.45;
/// The same for paper, whose words are plainer.
const TELLS_PAPER: f32 = 0.2;

/// Who decides and what the buyer will do are steps too.
fn weight_of_steps(talk: &Talk<'_>, at: usize) -> f32 {
    talk.chance(at, Signal::BuyerProcess)
        + 0.6 * talk.chance(at, Signal::BuyerCommitment)
        + 0.5 * talk.chance(at, Signal::BuyerDecider)
        - 0.2 * talk.chance(at, Signal::BuyerPain)
}

/// The steps in the order in which they are said.
pub fn steps(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for at in talk.of(Role::Buyer) {
        let told = weight_of_steps(talk, at) >= TELLS_STEPS;
        for sentence in talk.sentences[at]
            .iter()
            .filter(|sentence| !sentence.supposed && !sentence.asks)
        {
            for part in clause::parts(sentence, &WORDS.process.then)
                .iter()
                .filter(|part| !clause::says(&part.words, &WORDS.process.alone))
            {
                if !told && !clause::says(&part.words, &WORDS.process.sure_steps) {
                    continue;
                }
                let Some(step) = step(talk, at, part) else { continue };
                let stems = clause::stems(&step.raw);
                if !found
                    .iter()
                    .any(|field| clause::alike(&clause::stems(&field.raw), &stems))
                {
                    found.push(step);
                }
            }
        }
    }
    found
}

fn step(talk: &Talk<'_>, at: usize, sentence: &Sentence) -> Option<Field> {
    let place = clause::spot(&sentence.words, &WORDS.process.sure_steps)
        .or_else(|| clause::spot(&sentence.words, &WORDS.process.steps))?;
    let range = clause::clause(sentence, &place)?;
    let text = talk.text(at, &range);
    let owner = talk
        .known_in(at, FieldName::DecisionMakers)
        .find_map(|field| match &field.value {
            Some(FieldValue::Person(person)) if text.contains(&field.raw) => {
                person.name.clone().or(person.title.clone())
            }
            _ => None,
        });
    let due = talk
        .days(at, &range)
        .into_iter()
        .map(|day| day.value)
        .find(|day| !day.past);
    let value = DecisionStep {
        step: text.to_owned(),
        owner,
        due,
    };
    let words = Words { at, range, sentence };
    Some(talk.field(
        FieldName::DecisionProcess,
        &words,
        FieldValue::Step(value),
        talk.sure(at, Signal::BuyerProcess),
    ))
}

/// Legal, security, procurement, tender and contract paper, each kind once for a turn.
pub fn papers(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for at in talk.of(Role::Buyer) {
        if weight_of_steps(talk, at) < TELLS_PAPER {
            continue;
        }
        for Tells { kind, words: phrases } in &WORDS.paper {
            let paper = talk.sentences[at].iter().find_map(|sentence| {
                let words = &sentence.words;
                if sentence.supposed || sentence.asks || clause::says(words, &WORDS.process.no_paper) {
                    return None;
                }
                let place = clause::spot(words, phrases)?;
                // A contract may be talked of without any paper being made.
                let made = matches!(kind, PaperKind::Tender | PaperKind::Security | PaperKind::Legal)
                    || clause::says(words, &WORDS.process.paper_work);
                made.then_some(())?;
                Some((sentence, clause::clause(sentence, &place)?))
            });
            let Some((sentence, range)) = paper else { continue };
            let step = talk.text(at, &range).to_owned();
            let known = |field: &Field| {
                matches!(&field.value, Some(FieldValue::Paper(paper)) if paper.kind == *kind
                    && clause::alike(&clause::stems(&paper.step), &clause::stems(&step)))
            };
            if found.iter().any(known) {
                continue;
            }
            let value = FieldValue::Paper(PaperStep { step, kind: *kind });
            let words = Words { at, range, sentence };
            found.push(talk.field(
                FieldName::PaperProcess,
                &words,
                value,
                talk.sure(at, Signal::BuyerProcess),
            ));
        }
    }
    found
}

/// Chance of a timeline at which an event with a day counts; without one the model must be sure.
const DATED: f32 = 0.15;

/// What forces the date, with its day.
pub fn events(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for at in talk.of(Role::Buyer) {
        let chance = talk.chance(at, Signal::BuyerTimeline);
        let Some(words) = talk
            .find(at, &WORDS.process.events)
            .filter(|words| !words.sentence.asks)
        else {
            continue;
        };
        let text = talk.text(at, &words.range).to_owned();
        let stems = clause::stems(&text);
        let known = |field: &Field| clause::alike(&clause::stems(&field.raw), &stems);
        let dated = day_of(talk, at, &words.range);
        if found.iter().any(known) || chance < DATED || dated.is_none() && !talk.has(at, Signal::BuyerTimeline) {
            continue;
        }
        let date = dated.or_else(|| {
            talk.known_in(at, FieldName::Timeline)
                .find_map(|field| match &field.value {
                    Some(FieldValue::Date(day)) => Some(day.clone()),
                    _ => None,
                })
        });
        let value = FieldValue::Event(CriticalEvent { text, date });
        found.push(talk.field(
            FieldName::CriticalEvent,
            &words,
            value,
            talk.sure(at, Signal::BuyerTimeline),
        ));
    }
    found
}

fn day_of(talk: &Talk<'_>, at: usize, range: &Range<usize>) -> Option<crate::domain::DateValue> {
    let days = talk.days(at, range);
    days.into_iter().map(|day| day.value).find(|day| !day.past)
}
