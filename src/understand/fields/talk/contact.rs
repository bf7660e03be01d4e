//! Who the buyer is to us: trade, source, new or not, and how to reach them.

use super::clause;
use super::lists::{self, LISTS, Tells, WORDS};
use super::{BY_WORDS, Talk, Words};
use crate::domain::{Field, FieldName, FieldStatus, FieldValue, Role, Signal};

/// The source is told while the talk is young.
const EARLY: usize = 16;

/// Chance of a fact about the buyer at which the trade may be told.
const TELLS_TRADE: f32 = 0.1;
/// Words behind "we're a" that may name the trade.
const NEAR: usize = 4;
/// In longer sentences, as of a recogniser without marks, too much else is said.
const LONGEST: usize = 30;

/// What the buyer's business is, where the buyer says it of the own one.
pub fn industry(talk: &Talk<'_>) -> Vec<Field> {
    let facts = |at: usize| {
        talk.sentences[at]
            .iter()
            .filter(|sentence| !sentence.supposed && !sentence.asks)
    };
    for at in talk.of(Role::Buyer) {
        let tells = talk.chance(at, Signal::BuyerSituation) >= TELLS_TRADE;
        for sentence in facts(at).filter(|sentence| sentence.words.len() <= LONGEST) {
            // "We're a family bakery": what we are stands right behind. To a question the place alone may be named.
            let opening = clause::spot(&sentence.words, &WORDS.contact.we_are).filter(|_| tells);
            let answers = at < EARLY && talk.asked_by(at).is_some() && sentence.words.len() <= NEAR;
            let behind = &sentence.words[opening.as_ref().map_or(0, |opening| opening.end)..];
            let near = &behind[..behind.len().min(NEAR)];
            let Some(kind) = lists::closest(&LISTS.industry, near, talk.language) else {
                continue;
            };
            let Some(place) = clause::spot(near, kind.phrases(talk.language)) else {
                continue;
            };
            if opening.is_none() && !(answers && place.start == 0)
                || clause::says(&sentence.words, &WORDS.contact.not_ours)
            {
                continue;
            }
            let range = near[place.start].range.start..near[place.end - 1].range.end;
            let words = Words { at, range, sentence };
            return vec![in_sentence(
                talk,
                FieldName::Industry,
                &words,
                FieldValue::Text(kind.id.clone()),
            )];
        }
    }
    Vec::new()
}

/// A field whose words are few, with the clause around them for a quote.
fn in_sentence(talk: &Talk<'_>, name: FieldName, words: &Words<'_>, value: FieldValue) -> Field {
    let mut field = talk.field(name, words, value, BY_WORDS);
    let place = words
        .sentence
        .words
        .iter()
        .position(|word| word.range.start == words.range.start)
        .unwrap_or(0);
    let quote = clause::clause(words.sentence, &(place..place + 1));
    if let Some(quote) = quote.filter(|quote| quote.start <= words.range.start && quote.end >= words.range.end) {
        field.quote = talk.text(words.at, &quote).to_owned();
    }
    field
}

/// Whose words count beside the buyer's.
#[derive(Clone, Copy, PartialEq)]
enum RepSays {
    Nothing,
    /// What the rep knows of how the two met, unless the buyer says no.
    WhatBothKnow,
}

/// Where the buyer comes from, by the first words that tell it.
pub fn lead_source(talk: &Talk<'_>) -> Vec<Field> {
    first(
        talk,
        FieldName::LeadSource,
        EARLY,
        RepSays::WhatBothKnow,
        &WORDS.source,
        &[],
        |&source| FieldValue::Source(source),
    )
}

pub fn customer_kind(talk: &Talk<'_>) -> Vec<Field> {
    let name = FieldName::CustomerKind;
    first(
        talk,
        name,
        usize::MAX,
        RepSays::WhatBothKnow,
        &WORDS.customer,
        &[],
        |&kind| FieldValue::Customer(kind),
    )
}

/// How the buyer wants to be reached.
pub fn preference(talk: &Talk<'_>) -> Vec<Field> {
    let name = FieldName::ContactPreference;
    first(
        talk,
        name,
        usize::MAX,
        RepSays::Nothing,
        &WORDS.channel,
        &WORDS.contact.not_channel,
        |&channel| FieldValue::Contact(channel),
    )
}

/// The first turn in which one of the phrases is said.
fn first<T>(
    talk: &Talk<'_>,
    name: FieldName,
    within: usize,
    rep: RepSays,
    kinds: &[Tells<T>],
    not: &[String],
    value: impl Fn(&T) -> FieldValue,
) -> Vec<Field> {
    for at in (0..talk.len()).take(within) {
        let counts = match talk.role(at) {
            Role::Buyer => true,
            Role::Rep => rep == RepSays::WhatBothKnow && !denied(talk, at),
            Role::Unknown => false,
        };
        if !counts {
            continue;
        }
        for tells in kinds {
            let Some(words) = talk.find(at, &tells.words) else {
                continue;
            };
            if clause::says(&words.sentence.words, not) {
                continue;
            }
            let mut field = talk.field(name, &words, value(&tells.kind), BY_WORDS);
            if !talk.confirmed(at) {
                field.status = FieldStatus::Stated;
            }
            return vec![field];
        }
    }
    Vec::new()
}

/// The buyer's next turn opens with a no.
fn denied(talk: &Talk<'_>, at: usize) -> bool {
    let next = at + 1;
    next >= talk.len()
        || talk.role(next) == Role::Buyer
            && talk.sentences[next]
                .first()
                .is_some_and(|first| clause::says(&first.words[..first.words.len().min(4)], &WORDS.contact.no))
}
