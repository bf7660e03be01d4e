//! Said fields against the fields of gold: found on the right turn, with the right value, and nothing made up.
//!
//! A said field is right if its turn is the one of gold or one of those that say the same again (`also`); each field of
//! gold is found once. What nobody labels is not judged: "I don't know" and proposals that nobody took.

use serde::Serialize;
use serde_json::Value;

use super::corpus::{GoldField, LabelledCall};
use super::measure::{Counts, F1};
use crate::domain::{Call, Field, FieldName, FieldStatus, FieldValue, Person, Role};
use crate::understand::fields::{LOOKED_FOR, title_of};

/// Figures of one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactFigures {
    #[serde(flatten)]
    pub f1: F1,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    /// Share of the found ones with the value of gold; null where gold gives no value.
    pub value_exact: Option<f64>,
    /// Said values that their turn does not carry, or that the wrong side said.
    pub invented: u32,
}

impl FactFigures {
    pub fn new(id: &'static str, counts: FactCounts) -> Self {
        let judged = counts.exact + counts.inexact;
        Self {
            f1: F1::new(id, counts.turns),
            precision: counts.turns.precision(),
            recall: counts.turns.recall(),
            value_exact: (judged > 0).then(|| f64::from(counts.exact) / f64::from(judged)),
            invented: counts.invented,
        }
    }
}

/// Counts behind the figures of one field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactCounts {
    pub turns: Counts,
    exact: u32,
    inexact: u32,
    invented: u32,
}

impl std::iter::Sum for FactCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            turns: [sum.turns, one.turns].into_iter().sum(),
            exact: sum.exact + one.exact,
            inexact: sum.inexact + one.inexact,
            invented: sum.invented + one.invented,
        })
    }
}

/// A field that gold contradicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactMistake {
    pub call: String,
    pub field: &'static str,
    pub turn: u32,
    /// Quote and value; null where the field was missed.
    pub said: Option<String>,
    /// Quote and value; null where gold has none.
    pub gold: Option<String>,
    /// The turn with the one before it.
    pub words: Vec<String>,
}

/// Counts of each of [`LOOKED_FOR`], in its order, and what was wrong.
pub fn compare(call: &Call, said: &[Field], labelled: &LabelledCall) -> (Vec<FactCounts>, Vec<FactMistake>) {
    let mut mistakes = Vec::new();
    let counts = LOOKED_FOR
        .iter()
        .map(|&name| {
            let gold: Vec<&GoldField> = labelled.gold.fields.iter().filter(|gold| gold.field == name).collect();
            // Old labels list what is clear, and no participants: silence about a name says nothing there.
            let complete = labelled.gold.fields_complete;
            if !complete && (gold.is_empty() || name == FieldName::Participants) {
                return FactCounts::default();
            }
            let said: Vec<&Field> = said
                .iter()
                .filter(|said| said.field == name && is_claim(said))
                .collect();
            compare_one(call, labelled, name, &said, &gold, &mut mistakes)
        })
        .collect();
    (counts, mistakes)
}

fn is_claim(said: &Field) -> bool {
    !matches!(
        said.status,
        FieldStatus::NotStated | FieldStatus::UnknownToBuyer | FieldStatus::Proposed
    )
}

fn compare_one(
    call: &Call,
    labelled: &LabelledCall,
    name: FieldName,
    said: &[&Field],
    gold: &[&GoldField],
    mistakes: &mut Vec<FactMistake>,
) -> FactCounts {
    let mut counts = FactCounts::default();
    let mut taken: Vec<Option<usize>> = vec![None; said.len()];
    let mut found = vec![false; gold.len()];
    let same_value = |said: &Field, gold: &GoldField| judge(said, gold) != Some(false);
    // The closest pairs first: turn and value, turn, the same said again.
    type Pass<'a> = &'a dyn Fn(&Field, &GoldField) -> bool;
    let passes: [Pass<'_>; 4] = [
        &|said, gold| said.turn == Some(gold.turn) && same_value(said, gold),
        &|said, gold| repeats(said, gold) && same_value(said, gold),
        &|said, gold| said.turn == Some(gold.turn),
        &|said, gold| repeats(said, gold),
    ];
    for pass in passes {
        for (at, said) in said
            .iter()
            .enumerate()
            .filter(|(at, _)| taken[*at].is_none())
            .collect::<Vec<_>>()
        {
            if let Some(pair) = (0..gold.len()).find(|&pair| !found[pair] && pass(said, gold[pair])) {
                (taken[at], found[pair]) = (Some(pair), true);
            }
        }
    }
    let mut blame = |turn: u32, said: Option<&Field>, gold: Option<&GoldField>| {
        let place = call.turns.iter().position(|other| other.i == turn).unwrap_or_default();
        let around = &call.turns[place.saturating_sub(1)..=place];
        mistakes.push(FactMistake {
            call: call.id.clone(),
            field: name.as_str(),
            turn,
            said: said.map(|said| format!("«{}» {}", said.raw, text(&said.value))),
            gold: gold.map(|gold| format!("«{}» {}", gold.quote, text(&gold.value))),
            words: around
                .iter()
                .map(|turn| format!("{} {}: {}", turn.i, turn.role.as_str(), turn.text))
                .collect(),
        });
    };
    for (said, pair) in said.iter().zip(&taken) {
        let turn = said.turn.unwrap_or_default();
        counts.invented += u32::from(is_invented(call, labelled, said));
        match pair {
            Some(pair) => {
                counts.turns.hit += 1;
                match judge(said, gold[*pair]) {
                    Some(true) => counts.exact += 1,
                    Some(false) => {
                        counts.inexact += 1;
                        blame(turn, Some(said), Some(gold[*pair]));
                    }
                    None => {}
                }
            }
            None if gold.iter().any(|gold| repeats(said, gold)) => {}
            None => {
                counts.turns.wrong += 1;
                blame(turn, Some(said), None);
            }
        }
    }
    for (gold, _) in gold.iter().zip(&found).filter(|(_, found)| !**found) {
        counts.turns.missed += 1;
        blame(gold.turn, None, Some(gold));
    }
    counts
}

fn text(value: &Option<impl Serialize>) -> String {
    value
        .as_ref()
        .and_then(|value| serde_json::to_string(value).ok())
        .unwrap_or_default()
}

fn repeats(said: &Field, gold: &GoldField) -> bool {
    said.turn.is_some_and(|turn| gold.also.contains(&turn))
}

/// The words do not carry the value, or are of the side that cannot know it.
fn is_invented(call: &Call, labelled: &LabelledCall, said: &Field) -> bool {
    let Some(at) = call.turns.iter().position(|turn| Some(turn.i) == said.turn) else {
        return true;
    };
    let carried = call.turns[at].text.contains(&said.quote) && said.quote.contains(&said.raw) && !said.raw.is_empty();
    let side = labelled.gold.turns[at].role.unwrap_or(call.turns[at].role);
    let of_side = match said.field {
        FieldName::QuotedPrice | FieldName::DiscountOffered => side == Role::Rep,
        // Either side knows how the two came together.
        FieldName::Participants
        | FieldName::NextMeeting
        | FieldName::Commitments
        | FieldName::LeadSource
        | FieldName::CustomerKind => true,
        _ => side == Role::Buyer || said.status == FieldStatus::Confirmed,
    };
    !(carried && of_side)
}

/// The value is that of gold; None where gold gives none to compare.
fn judge(said: &Field, gold: &GoldField) -> Option<bool> {
    let gold = gold.value.as_ref()?;
    if gold.is_null() || gold.as_object().is_some_and(serde_json::Map::is_empty) {
        return None;
    }
    let Some(value) = &said.value else { return Some(false) };
    Some(match (gold, value) {
        (Value::String(gold), FieldValue::Text(said)) => same_words(gold, said),
        // One of a closed list.
        (Value::String(gold), value) => serde_json::to_value(value).is_ok_and(|said| said.as_str() == Some(gold)),
        (Value::Object(gold), FieldValue::Text(status)) => gold.get("status").is_some_and(|gold| gold == status),
        (Value::Object(gold), FieldValue::Person(person)) => same_person(gold, person),
        (Value::Object(gold), FieldValue::Date(day)) => {
            let is_day = |part: &str, day: Option<chrono::NaiveDate>| {
                gold.get(part)
                    .and_then(Value::as_str)
                    .is_none_or(|gold| day.is_some_and(|day| day.to_string() == gold))
            };
            let time = day.time.map(|time| time.format("%H:%M").to_string());
            is_day("date", day.latest())
                && is_day("start", day.start)
                && is_day("end", day.end)
                && gold
                    .get("time")
                    .and_then(Value::as_str)
                    .is_none_or(|gold| time.as_deref() == Some(gold))
        }
        (Value::Object(gold), FieldValue::Commitment(promise)) => {
            let due = promise
                .due
                .as_ref()
                .and_then(|due| due.latest())
                .map(|due| due.to_string());
            let who = gold.get("who").and_then(Value::as_str);
            who.is_none_or(|who| who == promise.who.as_str())
                && gold.get("due").and_then(Value::as_str) == due.as_deref()
        }
        (Value::Object(gold), value) => serde_json::to_value(value).is_ok_and(|said| same_parts(gold, &said)),
        _ => false,
    })
}

/// Every part that gold has. One number alone may be an amount, a least or a most: labels do not tell them apart.
fn same_parts(gold: &serde_json::Map<String, Value>, said: &Value) -> bool {
    const NUMBERS: [&str; 5] = ["amount", "n", "min", "max", "percent"];
    let numbers =
        |value: &dyn Fn(&str) -> Option<f64>| NUMBERS.iter().filter_map(|part| value(part)).collect::<Vec<_>>();
    let of_gold = numbers(&|part| gold.get(part)?.as_f64());
    let of_said = numbers(&|part| said.get(part)?.as_f64());
    let same_numbers =
        of_gold.len() == of_said.len() && of_gold.iter().zip(&of_said).all(|(a, b)| (a - b).abs() < 1e-6);
    same_numbers
        && ["currency", "period", "status"].iter().all(|part| {
            let gold = gold.get(*part).and_then(Value::as_str);
            gold.is_none_or(|gold| said.get(*part).and_then(Value::as_str) == Some(gold))
        })
        && gold.get("name").and_then(Value::as_str).is_none_or(|gold| {
            said.get("name")
                .and_then(Value::as_str)
                .is_some_and(|said| same_words(gold, said))
        })
}

fn same_person(gold: &serde_json::Map<String, Value>, said: &Person) -> bool {
    let part = |part: &str| gold.get(part).and_then(Value::as_str);
    // The speaker is meant, who has no need of a name.
    if part("title") == Some("self") {
        return said.title.is_none();
    }
    let same_side = part("side").is_none_or(|side| side == said.side.as_str());
    let same_name = part("name").is_none_or(|name| said.name.as_deref().is_some_and(|said| same_words(name, said)));
    let same_title = part("title").is_none_or(|title| {
        said.title
            .as_deref()
            .is_some_and(|said| title_of(title) == Some(said) || same_words(title, said))
    });
    same_side && same_name && same_title
}

/// All words of the shorter are in the longer, in whatever case.
fn same_words(a: &str, b: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .replace('ё', "е")
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (a, b) = (words(a), words(b));
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    !short.is_empty() && short.iter().all(|word| long.iter().any(|other| same_word(word, other)))
}

/// Russian words may differ in their endings.
fn same_word(a: &str, b: &str) -> bool {
    if a.is_ascii() || b.is_ascii() {
        return a == b;
    }
    let shared = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.chars().count(), b.chars().count());
    let ending = if a.min(b) <= 4 { 1 } else { 2 };
    shared + ending >= a.min(b) && a.abs_diff(b) <= 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LeadSource, sample};

    fn gold(value: &str) -> GoldField {
        serde_json::from_str(&format!(
            r#"{{"field":"budget","turn":1,"quote":"x","value":{value},"also":[3]}}"#
        ))
        .expect("a field")
    }

    fn said(value: FieldValue) -> Field {
        Field {
            value: Some(value),
            turn: Some(1),
            status: FieldStatus::Stated,
            ..Field::not_stated(FieldName::Budget)
        }
    }

    #[test]
    fn words_in_other_cases_are_the_same() {
        assert!(same_words("Олег Дмитриевич", "Олега Дмитриевича"));
        assert!(same_words("Mr Venter", "venter"));
        assert!(!same_words("Анна", "Антон"));
        assert!(!same_words("Dana", "Dan"));
    }

    #[test]
    fn values_by_the_parts_of_gold() {
        let ten = || said(FieldValue::Percent { percent: 10.0 });
        assert_eq!(judge(&ten(), &gold(r#"{"percent":10}"#)), Some(true));
        assert_eq!(judge(&ten(), &gold(r#"{"percent":15}"#)), Some(false));
        assert_eq!(judge(&ten(), &gold("null")), None);
        let none = said(FieldValue::Text("none".to_owned()));
        assert_eq!(judge(&none, &gold(r#"{"status":"none"}"#)), Some(true));
        let source = said(FieldValue::Source(LeadSource::Inbound));
        assert_eq!(judge(&source, &gold(r#""inbound""#)), Some(true));
        assert_eq!(judge(&source, &gold(r#""event""#)), Some(false));
    }

    #[test]
    fn a_repetition_is_neither_right_nor_wrong() {
        let call = sample::talk(&[
            (Role::Buyer, "ten"),
            (Role::Rep, "so"),
            (Role::Buyer, "ten"),
            (Role::Buyer, "x"),
        ]);
        let labelled = LabelledCall::sample(&call);
        let on = |turn: u32| Field {
            turn: Some(turn),
            ..said(FieldValue::Percent { percent: 10.0 })
        };
        let counts = |turns: &[u32]| {
            let said: Vec<Field> = turns.iter().map(|&turn| on(turn)).collect();
            let said: Vec<&Field> = said.iter().collect();
            let gold = gold(r#"{"percent":10}"#);
            let counts = compare_one(&call, &labelled, FieldName::Budget, &said, &[&gold], &mut Vec::new());
            (counts.turns.hit, counts.turns.wrong, counts.turns.missed)
        };
        assert_eq!(counts(&[1, 3]), (1, 0, 0));
        assert_eq!(counts(&[3]), (1, 0, 0));
        assert_eq!(counts(&[1, 4]), (1, 1, 0));
        assert_eq!(counts(&[4]), (0, 1, 1));
    }
}
