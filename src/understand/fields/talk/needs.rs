//! What is wrong, and what the buyer wants: problems, goals, criteria.

use std::ops::Range;

use super::super::text::Token;
use super::clause::{self, Sentence};
use super::lists::{self, LISTS, WORDS};
use super::{Talk, Words};
use crate::domain::{Criterion, Field, FieldName, FieldValue, Pain, Role, Signal};

/// What a turn must weigh to tell a problem.
const TELLS_PAIN: f32 = 0.55;

/// A consequence tells of a problem too, if less surely.
fn weight_of_pain(talk: &Talk<'_>, at: usize) -> f32 {
    talk.chance(at, Signal::BuyerPain)
        + 0.4 * talk.chance(at, Signal::BuyerImpact)
        + 0.3 * talk.chance(at, Signal::BuyerObjTrust)
        - 0.3 * talk.chance(at, Signal::BuyerVision)
        + 0.05 * (talk.length(at) as f32).ln()
}

/// One item for each distinct problem of the buyer.
pub fn pains(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    let mut said: Vec<Vec<String>> = Vec::new();
    for at in talk
        .of(Role::Buyer)
        .filter(|&at| weight_of_pain(talk, at) >= TELLS_PAIN)
    {
        let Some(words) = named_by_rep(talk, at).or_else(|| trouble(talk, at)) else {
            continue;
        };
        let stems = clause::stems(talk.text(words.at, &words.range));
        if said.iter().any(|before| clause::alike(before, &stems)) {
            continue;
        }
        let kind = lists::closest(&LISTS.pain, inside(words.sentence, &words.range), talk.language);
        let pain = Pain {
            text: talk.text(words.at, &words.range).to_owned(),
            category: kind.map(|kind| kind.id.clone()),
        };
        let sure = talk.sure(at, Signal::BuyerPain);
        found.push(talk.field(FieldName::Pain, &words, FieldValue::Pain(pain), sure));
        said.push(stems);
    }
    found
}

/// A bare yes to a question that names a problem: the words are the rep's.
fn named_by_rep<'t>(talk: &'t Talk<'_>, at: usize) -> Option<Words<'t>> {
    let before = talk.asked_by(at)?;
    let bare = talk.length(at) <= 4 && talk.confirmed(before);
    let sentence = talk.sentences[before].iter().rfind(|sentence| !sentence.supposed)?;
    let range = clause::whole(sentence).filter(|_| bare && sentence.words.len() > 2)?;
    Some(Words {
        at: before,
        range,
        sentence,
    })
}

/// The sentence of a turn that tells the problem: with the most words of trouble, else the longest.
fn trouble<'t>(talk: &'t Talk<'_>, at: usize) -> Option<Words<'t>> {
    let kinds = || LISTS.pain.iter().map(|kind| kind.phrases(talk.language));
    let facts = || {
        talk.sentences[at]
            .iter()
            .filter(|sentence| !sentence.supposed && !sentence.asks && sentence.words.len() > 2)
    };
    let weight = |sentence: &Sentence| {
        let trouble = clause::count(&sentence.words, &WORDS.needs.trouble);
        let kind: usize = kinds().map(|phrases| clause::count(&sentence.words, phrases)).sum();
        if clause::says(&sentence.words, &WORDS.needs.wishes) {
            0
        } else {
            trouble + 2 * kind
        }
    };
    // Of equals the first, so the search goes from the end.
    let (most, heaviest) = facts()
        .map(|sentence| (weight(sentence), sentence))
        .rev()
        .max_by_key(|(weight, _)| *weight)?;
    let sentence = if most > 0 {
        heaviest
    } else {
        facts().rev().max_by_key(|sentence| sentence.words.len())?
    };
    let around = kinds()
        .find_map(|phrases| clause::spot(&sentence.words, phrases))
        .or_else(|| clause::spot(&sentence.words, &WORDS.needs.trouble))
        .unwrap_or(0..sentence.words.len());
    let range = clause::clause(sentence, &around)?;
    Some(Words { at, range, sentence })
}

/// Goals and criteria: what the buyer wants to come about, and what the solution must be.
pub fn wishes(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for at in talk.of(Role::Buyer) {
        let before = found.len();
        let facts = || {
            talk.sentences[at]
                .iter()
                .filter(|sentence| !sentence.supposed && !sentence.asks)
        };
        for sentence in facts().flat_map(|sentence| clause::parts(sentence, &WORDS.needs.and_that)) {
            if let Some((name, place)) = wish(talk, at, &sentence) {
                add(talk, at, &sentence, &place, name, &mut found);
            }
        }
        // An answer to what is wished, or a turn that is surely a wish: every sentence is one.
        if found.len() == before && wishes_wholly(talk, at) {
            let told = |sentence: &&Sentence| {
                sentence.words.len() > 1 && !clause::says(&sentence.words, &WORDS.needs.indifferent)
            };
            for sentence in facts().filter(told).take(MOST) {
                let name = if asked(talk, at) {
                    FieldName::Goal
                } else {
                    FieldName::DecisionCriteria
                };
                add(talk, at, sentence, &(0..sentence.words.len()), name, &mut found);
            }
        }
    }
    found
}

/// Chance of a wish at which every sentence with a word of it counts.
const LIKELY: f32 = 0.25;
/// Chance at which plain demands count.
const POSSIBLE: f32 = 0.09;
/// Chance at which the turn is a wish whatever its words, or the rep's question surely one for it.
const CLEAR: f32 = 0.85;
/// No more wishes of a turn whose words do not tell them.
const MOST: usize = 3;

/// The rep asked right before what is wished.
fn asked(talk: &Talk<'_>, at: usize) -> bool {
    talk.asked_by(at)
        .is_some_and(|before| talk.chance(before, Signal::RepQVision) >= CLEAR)
}

fn wishes_wholly(talk: &Talk<'_>, at: usize) -> bool {
    let chance = talk.chance(at, Signal::BuyerVision);
    chance >= CLEAR || chance >= POSSIBLE / 2.0 && asked(talk, at)
}

/// Which field a sentence is of, and the words that tell it.
fn wish(talk: &Talk<'_>, at: usize, sentence: &Sentence) -> Option<(FieldName, Range<usize>)> {
    let words = &sentence.words;
    let chance = talk.chance(at, Signal::BuyerVision);
    if clause::says(words, &WORDS.needs.indifferent) {
        return None;
    }
    if let Some(place) = condition(words) {
        return Some((FieldName::DecisionCriteria, place));
    }
    let demand = clause::spot(words, &WORDS.needs.demands);
    if let Some(place) = demand.clone().filter(|_| chance >= POSSIBLE) {
        return Some((FieldName::DecisionCriteria, place));
    }
    if chance < LIKELY {
        return None;
    }
    if let Some(place) = clause::spot(words, &WORDS.needs.goals).filter(|_| demand.is_none()) {
        return Some((FieldName::Goal, place));
    }
    let name = if asked(talk, at) && demand.is_none() && clause::says(words, &WORDS.needs.so_that) {
        FieldName::Goal
    } else {
        FieldName::DecisionCriteria
    };
    let place = clause::spot(words, &WORDS.needs.musts).or_else(|| clause::spot(words, &WORDS.needs.nice))?;
    Some((name, place))
}

/// "If it is less I will call you": what the buyer's next step hangs on.
fn condition(words: &[Token]) -> Option<Range<usize>> {
    let hangs = clause::spot(words, &WORDS.needs.ifs)?;
    clause::says(words, &WORDS.needs.then_i).then_some(hangs)
}

fn add(talk: &Talk<'_>, at: usize, sentence: &Sentence, place: &Range<usize>, name: FieldName, found: &mut Vec<Field>) {
    let Some(range) = clause::clause(sentence, place) else {
        return;
    };
    let text = talk.text(at, &range).to_owned();
    let stems = clause::stems(&text);
    if found
        .iter()
        .any(|field| clause::alike(&clause::stems(&field.raw), &stems))
    {
        return;
    }
    let value = if name == FieldName::Goal {
        FieldValue::Text(text)
    } else {
        FieldValue::Criterion(Criterion {
            must: !clause::says(&sentence.words, &WORDS.needs.nice),
            text,
        })
    };
    let words = Words { at, range, sentence };
    found.push(talk.field(name, &words, value, talk.sure(at, Signal::BuyerVision)));
}

/// The words of a sentence that lie in `range`.
fn inside<'s>(sentence: &'s Sentence, range: &Range<usize>) -> &'s [Token] {
    let words = &sentence.words;
    let from = words.iter().take_while(|word| word.range.start < range.start).count();
    let to = words.iter().take_while(|word| word.range.end <= range.end).count();
    words.get(from..to).unwrap_or_default()
}
