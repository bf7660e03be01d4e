//! What earlier calls say beside this one: facts for the rules, contradictions, and promises that are still open.

use std::collections::BTreeSet;

use serde_json::Value;

use super::assess::Heard;
use super::condition::Condition;
use super::reading::{Facts, Reading};
use crate::domain::{
    Contradiction, Deal, Evidence, Field, FieldName, FieldStatus, FieldValue, OpenPromise, PastCall, PastEvidence,
    PastField, Role, calendar,
};

/// Fields that have one value at a time: another one contradicts.
const SINGLE: &[FieldName] = &[
    FieldName::BuyerCompany,
    FieldName::TeamSize,
    FieldName::Budget,
    FieldName::SigningLimit,
    FieldName::Timeline,
    FieldName::ContactPreference,
];
/// Days are counted so far and no farther: beyond, a deal is silent all the same.
const LONGEST_SILENCE: i64 = 366;

pub fn facts(heard: Heard<'_>) -> Facts {
    let calls: &[PastCall] = heard.history.map_or(&[], |history| &history.calls);
    let day = heard.call.call_date.unwrap_or_default();
    let last = calls.iter().rev().find(|call| call.buyer_turns > 0);
    let days_silent = last.map_or(0, |last| {
        let days = (day - last.call_date).num_days().clamp(0, LONGEST_SILENCE);
        let worked = (1..=days)
            .filter_map(|ahead| last.call_date.checked_add_days(chrono::Days::new(ahead as u64)))
            .filter(|day| calendar::is_business_day(*day, heard.language));
        worked.count() as i64
    });
    let here = heard.call.turns.iter().any(|turn| turn.role == Role::Buyer);
    let silent = calls.iter().rev().take_while(|call| call.buyer_turns == 0).count() as i64;
    Facts {
        calls: calls.len() as i64 + 1,
        buyers: buyer_count(heard),
        touches: if here { 0 } else { silent + 1 },
        days_silent,
        champion_before: calls.iter().any(|call| call.champion),
        ..Facts::default()
    }
}

/// Names of the people of the buyer's side, in this call and before; sorted. «Ирина» and «Ирина Сергеевна» are one.
pub fn buyers(heard: Heard<'_>) -> Vec<String> {
    let mut names: BTreeSet<String> = heard
        .history
        .map(|history| history.buyers.iter().cloned().collect())
        .unwrap_or_default();
    for field in heard
        .fields
        .iter()
        .filter(|field| field.field == FieldName::Participants)
    {
        if let Some(FieldValue::Person(person)) = &field.value
            && person.side == Role::Buyer
        {
            names.extend(person.name.clone());
        }
    }
    let longer = |name: &String| {
        names
            .iter()
            .any(|other| other != name && other.split_whitespace().any(|part| part == name))
    };
    names.iter().filter(|name| !longer(name)).cloned().collect()
}

/// As far as they can be told apart: by name, and by voice in this call. 0: not known.
fn buyer_count(heard: Heard<'_>) -> i64 {
    let turns = heard.call.turns.iter().filter(|turn| turn.role == Role::Buyer);
    let voices: BTreeSet<&str> = turns.map(|turn| turn.speaker.as_str()).collect();
    buyers(heard).len().max(voices.len()) as i64
}

/// What this call says against an earlier one: a score that fell, a value that changed.
pub fn contradictions(reading: &Reading<'_>, heard: Heard<'_>, deal: &Deal) -> Vec<Contradiction> {
    let Some(history) = heard.history else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (rule, score) in reading.process.elements().iter().zip(&deal.elements) {
        let past = history.scores.iter().find(|past| past.element == rule.id);
        let Some(past) = past.filter(|past| past.score > score.score) else {
            continue;
        };
        let latest = reading.holds(&rule.contradicted).unwrap_or_default();
        let latest = reading.talk.quotes(&latest).into_iter().next();
        if let (Some(latest), Some(earlier)) = (latest, past.evidence.first()) {
            found.push(Contradiction {
                about: rule.id.to_string(),
                latest,
                earlier: earlier.clone(),
            });
        }
    }
    for name in SINGLE {
        let said = heard
            .fields
            .iter()
            .find(|field| is_stated(field) && field.field == *name);
        let past = history.fields.iter().rev().find(|past| past.field == *name);
        let (Some(said), Some(past)) = (said, past) else {
            continue;
        };
        let value = serde_json::to_value(&said.value).unwrap_or_default();
        if differs(&value, &past.value)
            && let Some(turn) = said.turn
        {
            found.push(Contradiction {
                about: name.to_string(),
                latest: Evidence {
                    turn,
                    quote: said.quote.clone(),
                },
                earlier: past.evidence.clone(),
            });
        }
    }
    found
}

/// Parts of a value that are its substance; words such as "about" are not.
const SUBSTANCE: [&str; 8] = ["amount", "min", "max", "n", "date", "start", "end", "currency"];

/// Two values of a field cannot both hold. Days of different kinds (a decision, a start) can.
fn differs(now: &Value, before: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_lowercase);
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            now.get("kind") == before.get("kind")
                && SUBSTANCE.iter().any(|key| match (now.get(*key), before.get(*key)) {
                    (None, None) => false,
                    (one, other) => one != other,
                })
        }
        _ => text(now) != text(before),
    }
}

fn is_stated(field: &Field) -> bool {
    field.value.is_some() && matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed)
}

/// Earlier promises that this call does not show to be kept, and those of this call.
pub fn open_promises(reading: &Reading<'_>, heard: Heard<'_>) -> Vec<OpenPromise> {
    let said = |kept: &Condition| -> Vec<Vec<String>> {
        let turns = reading.every(kept).into_iter();
        turns.map(|at| stems(&heard.call.turns[at].text)).collect()
    };
    let (ours, theirs) = (said(reading.process.kept()), said(reading.process.buyer_kept()));
    let before = heard
        .history
        .map(|history| history.promises.clone())
        .unwrap_or_default();
    let open = before.into_iter().filter(|promise| {
        let kept = if promise.who == Role::Rep { &ours } else { &theirs };
        let what = stems(&promise.what);
        // "I sent it" alone keeps no promise of something else.
        !kept.iter().any(|said| said.iter().any(|stem| what.contains(stem)))
    });
    let day = heard.call.call_date.unwrap_or_default();
    let new = heard.fields.iter().filter_map(|field| match &field.value {
        Some(FieldValue::Commitment(promise)) => Some(OpenPromise {
            who: promise.who,
            what: promise.what.clone(),
            due: promise
                .due
                .as_ref()
                .filter(|due| !due.past)
                .and_then(|due| due.latest()),
            evidence: PastEvidence {
                call: heard.call.id.clone(),
                call_date: day,
                turn: field.turn?,
                quote: field.quote.clone(),
            },
        }),
        _ => None,
    });
    open.chain(new).collect()
}

/// Letters by which two forms of a word are the same word.
const STEM: usize = 5;
/// Words of sending and promising, which say nothing of what is sent.
const SENDING: &[&str] = &[
    "promi",
    "sendi",
    "thank",
    "tomor",
    "today",
    "friday",
    "after",
    "befor",
    "присл",
    "пришл",
    "отпра",
    "вышлю",
    "высла",
    "перез",
    "сегод",
    "завтр",
    "спаси",
    "обеща",
    "вечер",
    "пятни",
];

/// Beginnings of the words that name things.
fn stems(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| word.chars().count() >= STEM)
        .map(|word| word.chars().take(STEM).collect::<String>())
        .filter(|stem| !SENDING.contains(&stem.as_str()))
        .collect()
}

/// Facts of earlier calls, the latest of each name last; those that this call says anew are left out.
pub fn earlier_facts(heard: Heard<'_>) -> Vec<PastField> {
    let past = heard.history.map(|history| history.fields.clone()).unwrap_or_default();
    let anew = |name: FieldName| {
        SINGLE.contains(&name) && heard.fields.iter().any(|field| is_stated(field) && field.field == name)
    };
    past.into_iter().filter(|past| !anew(past.field)).collect()
}
