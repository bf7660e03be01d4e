//! What earlier calls say beside this one: facts for the rules, contradictions, and promises that are still open.

use std::collections::BTreeSet;

use super::assess::{Heard, quotes};
use super::reading::{Facts, Reading};
use crate::domain::{
    Contradiction, Deal, Evidence, Field, FieldName, FieldStatus, FieldValue, OpenPromise, PastEvidence, Role, calendar,
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
    let here = heard.call.turns.iter().any(|turn| turn.role == Role::Buyer);
    let touches = |calls: &[crate::domain::PastCall]| {
        let silent = calls.iter().rev().take_while(|call| call.buyer_turns == 0).count();
        if here { 0 } else { silent as i64 + 1 }
    };
    let Some(history) = heard.history else {
        return Facts {
            calls: 1,
            buyers: buyers(heard).len().max(1) as i64,
            touches: touches(&[]),
            ..Facts::default()
        };
    };
    let day = heard.call.call_date.unwrap_or_default();
    let last = history.calls.iter().rev().find(|call| call.buyer_turns > 0);
    let days_silent = last.map_or(0, |last| {
        let days = (day - last.call_date).num_days().clamp(0, LONGEST_SILENCE);
        let worked = (1..=days)
            .filter_map(|ahead| last.call_date.checked_add_days(chrono::Days::new(ahead as u64)))
            .filter(|day| calendar::is_business_day(*day, heard.language));
        worked.count() as i64
    });
    Facts {
        calls: history.calls.len() as i64 + 1,
        buyers: buyers(heard).len().max(1) as i64,
        touches: touches(&history.calls),
        days_silent,
        promise_overdue: history.overdue(Role::Rep, day).next().is_some(),
        buyer_promise_overdue: history.overdue(Role::Buyer, day).next().is_some(),
        champion_before: history.calls.iter().any(|call| call.champion),
        ..Facts::default()
    }
}

/// Names of the people of the buyer's side, in this call and before; sorted.
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
    names.into_iter().collect()
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
        let latest = quotes(heard.call, &latest).into_iter().next();
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
        if value != past.value
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

fn is_stated(field: &Field) -> bool {
    field.value.is_some() && matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed)
}

/// Earlier promises that this call does not say were kept, and those of this call.
pub fn open_promises(reading: &Reading<'_>, heard: Heard<'_>) -> Vec<OpenPromise> {
    let kept = |who: Role| match who {
        Role::Rep => reading.is(reading.process.kept()),
        _ => reading.is(reading.process.buyer_kept()),
    };
    let (ours, theirs) = (kept(Role::Rep), kept(Role::Buyer));
    let before = heard
        .history
        .map(|history| history.promises.clone())
        .unwrap_or_default();
    let open = before
        .into_iter()
        .filter(|promise| !(if promise.who == Role::Rep { ours } else { theirs }));
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
