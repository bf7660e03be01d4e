//! What the buyer wants to be sent, and what the buyer asked and nobody answered.

use super::clause::{self, Sentence};
use super::lists::WORDS;
use super::{BY_WORDS, Talk, Words};
use crate::domain::{Field, FieldName, FieldStatus, FieldValue, Role, Signal};

/// Says nothing of what is to be sent.
const BARE: usize = 3;

/// Materials in the order in which they are asked for, or taken when offered.
pub fn materials(talk: &Talk<'_>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for at in talk.of(Role::Buyer) {
        let mut bare = false;
        for sentence in talk.sentences[at].iter().filter(|sentence| !sentence.supposed) {
            let Some(place) = clause::spot(&sentence.words, &WORDS.requests.send) else {
                continue;
            };
            let sender = place.start.checked_sub(1).map(|before| &sentence.words[before]);
            let by_other = sender.is_some_and(|word| WORDS.requests.senders.contains(&word.lower));
            if by_other || clause::says(&sentence.words, &WORDS.requests.not_send) {
                continue;
            }
            let Some(range) = clause::clause(sentence, &place) else {
                continue;
            };
            let told = sentence.words.len() > BARE || clause::says(&sentence.words, &WORDS.requests.artefacts);
            bare |= !told;
            if told {
                push(talk, &mut found, &Words { at, range, sentence }, FieldStatus::Stated);
            }
        }
        // "Send it" is about what the rep has offered. What the buyer neither takes nor refuses is proposed.
        let Some(before) = talk.asked_by(at) else { continue };
        let taken = bare || takes(talk, at);
        let offers = |sentence: &&Sentence| {
            let words = &sentence.words;
            let named = clause::says(words, &WORDS.requests.artefacts);
            clause::says(words, &WORDS.requests.offers) && named && (taken || !refuses(talk, at))
        };
        let Some(sentence) = talk.sentences[before].iter().rfind(offers) else {
            continue;
        };
        let place = clause::spot(&sentence.words, &WORDS.requests.offers).unwrap_or(0..sentence.words.len());
        let status = if taken || talk.confirmed(before) {
            FieldStatus::Confirmed
        } else {
            FieldStatus::Proposed
        };
        if let Some(range) = clause::clause(sentence, &place) {
            let words = Words {
                at: before,
                range,
                sentence,
            };
            push(talk, &mut found, &words, status);
        }
    }
    found
}

fn push(talk: &Talk<'_>, found: &mut Vec<Field>, words: &Words<'_>, status: FieldStatus) {
    let text = talk.text(words.at, &words.range).to_owned();
    let stems = clause::stems(&text);
    if found
        .iter()
        .any(|field| clause::alike(&clause::stems(&field.raw), &stems))
    {
        return;
    }
    found.push(Field {
        status,
        ..talk.field(FieldName::MaterialsRequested, words, FieldValue::Text(text), BY_WORDS)
    });
}

fn refuses(talk: &Talk<'_>, at: usize) -> bool {
    talk.sentences[at]
        .first()
        .is_none_or(|first| clause::says(&first.words[..first.words.len().min(3)], &WORDS.requests.refuses))
}

fn takes(talk: &Talk<'_>, at: usize) -> bool {
    talk.sentences[at]
        .iter()
        .take(2)
        .any(|first| clause::says(&first.words[..first.words.len().min(5)], &WORDS.requests.takes))
}

/// Questions about the offer to which the rep had no answer.
pub fn open_questions(talk: &Talk<'_>) -> Vec<Field> {
    let mut found = Vec::new();
    for at in talk.of(Role::Buyer) {
        let Some(sentence) = talk.sentences[at].iter().rfind(|sentence| asks(sentence)) else {
            continue;
        };
        let next = at + 1;
        let put_off = next < talk.len() && talk.role(next) == Role::Rep && talk.says(next, &WORDS.requests.finds_out);
        let unheard = next == talk.len() && talk.has(at, Signal::BuyerPriceQuestion);
        if !(put_off || unheard) {
            continue;
        }
        let Some(range) = clause::whole(sentence) else { continue };
        let words = Words { at, range, sentence };
        let text = talk.text(at, &words.range).to_owned();
        found.push(talk.field(FieldName::OpenQuestions, &words, FieldValue::Text(text), BY_WORDS));
    }
    found
}

fn asks(sentence: &Sentence) -> bool {
    let idle = sentence.words.len() <= 3 && clause::says(&sentence.words, &WORDS.requests.idle);
    sentence.asks && sentence.words.len() > 1 && !idle
}
