//! The example cases of a process file.

use super::file::{Case, Expectation, TOP_SCORE};
use super::read::{Reader, known};
use crate::domain::{ActionId, ElementId, PrematureMove, RootCauseId, StageId};
use crate::tables::{At, Section};

pub fn read(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for section in root.sections("case") {
        let name = section
            .needed_text("name")
            .map(|text| text.value.to_owned())
            .unwrap_or_default();
        let mut call = serde_json::Map::new();
        if let Some(text) = section.text("language") {
            if !matches!(text.value, "en" | "ru") {
                section
                    .problems()
                    .unknown(&text.span, "language", text.value, ["en", "ru"]);
            }
            call.insert("lang".to_owned(), text.value.into());
        }
        if let Some(text) = section.text("call_date") {
            if text.value.parse::<chrono::NaiveDate>().is_err() {
                let message = format!("`{}` is no day: write it as 2026-04-15", text.value);
                section.problems().add(&text.span, message);
            }
            call.insert("call_date".to_owned(), text.value.into());
        }
        let turns = section.sections("turns");
        if turns.is_empty() {
            section.missing("turns");
        }
        let turns = turns.iter().zip(1..).map(|(turn, i)| case_turn(turn, i)).collect();
        call.insert("turns".to_owned(), serde_json::Value::Array(turns));
        let expect = section.section("expect");
        if expect.is_none() {
            section.missing("expect");
        }
        let expect = expect.map(|expect| expectation(&expect, reader)).unwrap_or_default();
        section.finish();
        cases.push(Case {
            name,
            line: line_of(reader.text, section.span().start),
            call: serde_json::Value::Object(call),
            expect,
        });
    }
    cases
}

fn line_of(text: &str, byte: usize) -> usize {
    text[..text.floor_char_boundary(byte)].matches('\n').count() + 1
}

fn case_turn(turn: &Section<'_, '_>, i: u32) -> serde_json::Value {
    use crate::domain::{Cue, Signal};
    let role = turn.needed_text("role");
    if let Some(text) = &role
        && !matches!(text.value, "rep" | "buyer")
    {
        turn.problems()
            .unknown(&text.span, "role", text.value, ["rep", "buyer"]);
    }
    let text = turn.needed_text("text").map_or("", |text| text.value);
    let mut json = serde_json::json!({ "i": i, "role": role.map(|role| role.value), "text": text });
    if turn.has("speaker") {
        json["speaker"] = turn.text("speaker").map_or("", |speaker| speaker.value).into();
    }
    if turn.has("signals") {
        let signals = turn.texts("signals");
        let ids = signals
            .iter()
            .filter_map(|text| known(turn, text, "signal", Signal::ALL, Signal::as_str))
            .map(|signal| signal.as_str())
            .collect::<Vec<_>>();
        json["signals"] = ids.into();
    }
    if turn.has("cues") {
        let cues = turn.texts("cues");
        let ids = cues
            .iter()
            .filter_map(|text| known(turn, text, "cue", Cue::ALL, Cue::as_str))
            .map(|cue| cue.as_str())
            .collect::<Vec<_>>();
        json["cues"] = ids.into();
    }
    turn.finish();
    json
}

fn expectation(section: &Section<'_, '_>, reader: &Reader<'_>) -> Expectation {
    let mut expect = Expectation::default();
    if let Some(text) = section.text("stage") {
        if !reader.names.stages.iter().any(|stage| stage.as_str() == text.value) {
            let known = reader.names.stages.iter().map(StageId::as_str);
            section.problems().unknown(&text.span, "stage", text.value, known);
        }
        expect.stage = Some(text.value.to_owned());
    }
    if let Some(scores) = section.section("scores") {
        for key in scores.keys() {
            if !reader
                .names
                .elements
                .iter()
                .any(|element| element.as_str() == key.value)
            {
                let known = reader.names.elements.iter().map(ElementId::as_str);
                scores.problems().unknown(&key.span, "element", key.value, known);
            }
            if let Some(score) = scores.whole_in(key.value, 0..=i64::from(TOP_SCORE)) {
                expect.scores.insert(key.value.to_owned(), score);
            }
        }
    }
    let ids = |key: &str, check: &dyn Fn(&At<&str>) -> bool| -> Vec<String> {
        let texts = section.texts(key);
        texts
            .iter()
            .filter(|text| check(text))
            .map(|text| text.value.to_owned())
            .collect()
    };
    let premature = |text: &At<&str>| {
        known(
            section,
            text,
            "premature move",
            PrematureMove::ALL,
            PrematureMove::as_str,
        )
        .is_some()
    };
    let cause = |text: &At<&str>| known(section, text, "root cause", RootCauseId::ALL, RootCauseId::as_str).is_some();
    let action = |text: &At<&str>| known(section, text, "action", ActionId::ALL, ActionId::as_str).is_some();
    expect.premature = section.has("premature").then(|| ids("premature", &premature));
    expect.causes = section.has("causes").then(|| ids("causes", &cause));
    expect.actions = ids("actions", &action);
    expect.no_actions = ids("no_actions", &action);
    section.finish();
    expect
}
