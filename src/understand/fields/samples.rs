//! Calls in a few words, for tests.

use chrono::NaiveDate;

use super::extract;
use crate::domain::{
    Call, DateQualifier, DateValue, DecidedBy, Decision, Field, FieldName, Language, Role, Signal, Stage, Turn,
    TurnLabels,
};

/// Who speaks, what the turn model found, and the words.
pub type Said<'a> = (Role, &'a [Signal], &'a str);

/// Fields of one name, of a call on `date`.
pub fn fields(name: FieldName, language: Language, date: &str, said: &[Said<'_>]) -> Vec<Field> {
    let date: NaiveDate = date.parse().expect("a date");
    let decision = |id| Decision {
        id,
        confidence: 0.9,
        decided_by: DecidedBy::Local,
    };
    let labels: Vec<TurnLabels> = said
        .iter()
        .map(|(_, signals, _)| TurnLabels {
            stage: Decision {
                id: Stage::Closing,
                confidence: 0.9,
                decided_by: DecidedBy::Local,
            },
            signals: signals.iter().copied().map(decision).collect(),
            doubts: Vec::new(),
        })
        .collect();
    let mut fields = extract(&call(said), &labels, language, date);
    fields.retain(|field| field.field == name && field.turn.is_some());
    for field in &fields {
        let text = said[field.turn.expect("kept") as usize - 1].2;
        assert!(
            text.contains(&field.quote) && field.quote.contains(&field.raw),
            "{field:?}"
        );
    }
    fields
}

pub fn call(said: &[Said<'_>]) -> Call {
    let turns = said.iter().zip(1..).map(|(&(role, _, text), i)| Turn {
        i,
        role,
        speaker: role.as_str().to_owned(),
        name: None,
        start_s: None,
        end_s: None,
        text: text.to_owned(),
    });
    Call {
        id: "c".to_owned(),
        source: "c.txt".to_owned(),
        language: None,
        call_date: None,
        kind: None,
        seller: None,
        previous_stage: None,
        duration_s: None,
        channels: None,
        turns: turns.collect(),
    }
}

/// "by 2025-06-30", "2025-04-21 .. 2025-04-27", with marks.
pub fn day(value: &DateValue) -> String {
    if value.past {
        return "past".to_owned();
    }
    let mut text = match value.qualifier {
        DateQualifier::By => "by ".to_owned(),
        DateQualifier::Before => "before ".to_owned(),
        DateQualifier::After => "after ".to_owned(),
        DateQualifier::On | DateQualifier::Approx => String::new(),
    };
    match (value.date, value.start, value.end) {
        (Some(date), ..) => text.push_str(&date.to_string()),
        (None, Some(start), Some(end)) => text.push_str(&format!("{start} .. {end}")),
        (None, Some(start), None) => text.push_str(&start.to_string()),
        _ => text.push('?'),
    }
    if let Some(time) = value.time {
        text.push_str(&time.format(" %H:%M").to_string());
    }
    if let Some(time) = value.time_end {
        text.push_str(&time.format("-%H:%M").to_string());
    }
    if value.qualifier == DateQualifier::Approx {
        text.push_str(", approx");
    }
    if value.ambiguous {
        text.push_str(", ambiguous");
    }
    text
}
