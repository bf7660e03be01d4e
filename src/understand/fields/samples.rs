//! Calls in a few words, for tests.

use chrono::NaiveDate;

use super::extract;
use crate::domain::{Call, DateQualifier, DateValue, Field, FieldName, Language, Role, Signal, Stage, sample};

/// Who speaks, what the turn model found, and the words.
pub type Said<'a> = (Role, &'a [Signal], &'a str);

/// Fields of one name, of a call on `date`.
pub fn fields(name: FieldName, language: Language, date: &str, said: &[Said<'_>]) -> Vec<Field> {
    let date: NaiveDate = date.parse().expect("a date");
    let labels: Vec<_> = said
        .iter()
        .map(|(_, signals, _)| sample::labels(Stage::Closing, signals))
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
    let said: Vec<(Role, &str)> = said.iter().map(|&(role, _, text)| (role, text)).collect();
    sample::talk(&said)
}

/// "by 2025-06-30", "2025-04-21 .. 2025-04-27", with marks.
pub fn day(value: &DateValue) -> String {
    if let (true, None, None) = (value.past, value.date, value.start) {
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
    if value.past {
        text.push_str(", past");
    }
    text
}
