//! A deal over several calls: `analyze --previous`.

use chrono::{TimeZone, Utc};
use dealstage::insights::{Deal, Entry, Scope, forecast, process_map};
use dealstage::process::Process;
use serde_json::Value;

use crate::support::{Scratch, analyze, dealstage, fixture, stderr, stdout};

fn call(name: &str) -> String {
    fixture("deals").join(name).to_string_lossy().into_owned()
}

/// The second call of a deal, after the first; both documents.
fn both(deal: &str, scratch: &Scratch) -> (Value, Value, String) {
    let first = analyze(&[&call(&format!("{deal}-1.json"))]);
    let path = scratch.write(&format!("{deal}.analysis.json"), first.to_string().as_bytes());
    let second = analyze(&[&call(&format!("{deal}-2.json")), "--previous", &path]);
    (first, second, path)
}

fn element<'a>(document: &'a Value, id: &str) -> &'a Value {
    let elements = document["deal"]["elements"].as_array().expect("elements");
    elements
        .iter()
        .find(|element| element["id"] == id)
        .expect("the element")
}

fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|item| item["id"].as_str().expect("an id")).collect()
}

/// Quotes of the earlier call are exact parts of its turns.
fn earlier_quotes_are_verbatim(first: &Value, second: &Value) {
    let text = |turn: &Value| {
        let turns = first["turns"].as_array().expect("turns");
        let turn = turns.iter().find(|candidate| candidate["i"] == *turn);
        turn.expect("the turn")["text"].as_str().expect("text").to_owned()
    };
    let mut earlier: Vec<&Value> = Vec::new();
    for element in second["deal"]["elements"].as_array().expect("elements") {
        earlier.extend(element["earlier"].as_array().expect("earlier"));
    }
    let contradictions = second["deal"]["contradictions"].as_array().expect("contradictions");
    earlier.extend(contradictions.iter().map(|contradiction| &contradiction["earlier"]));
    assert!(!earlier.is_empty());
    for evidence in earlier {
        assert_eq!(evidence["call"], first["call"]["id"]);
        let quote = evidence["quote"].as_str().expect("a quote");
        assert!(
            !quote.is_empty() && text(&evidence["turn"]).contains(quote),
            "{evidence}"
        );
    }
}

#[test]
fn scores_carry_over_and_contradictions_are_shown() {
    let scratch = Scratch::new();
    for deal in ["clinic", "sklad"] {
        let (first, second, _) = both(deal, &scratch);
        earlier_quotes_are_verbatim(&first, &second);
        assert_eq!(second["deal"]["previous_stage"], first["deal"]["stage"]);
        assert_eq!(
            ids(&second["deal"]["earlier_calls"]),
            [first["call"]["id"].as_str().expect("an id")]
        );
        // Nothing about the problem is said again, and nothing against it.
        assert!(element(&first, "pain")["score"].as_u64() >= Some(2), "{deal}");
        assert_eq!(
            element(&second, "pain")["score"],
            element(&first, "pain")["score"],
            "{deal}"
        );
        // Whoever decided is gone.
        assert!(element(&second, "power")["score"].as_u64() < element(&first, "power")["score"].as_u64());
        let contradictions = second["deal"]["contradictions"].as_array().expect("contradictions");
        let about: Vec<&str> = contradictions.iter().filter_map(|one| one["about"].as_str()).collect();
        assert!(about.contains(&"power"), "{deal}: {about:?}");
        let causes = ids(&second["root_causes"]);
        assert_eq!(causes[0], "rc_we_dropped_it", "{deal}");
        // The promise that we broke comes first.
        let first_action = &second["next_actions"][0];
        assert_eq!(first_action["id"], "fulfil_promise", "{deal}");
        assert_eq!(first_action["earlier"][0]["call"], first["call"]["id"], "{deal}");
        // They have just spoken: there is no silence to break. What is missing is who decides now.
        let mut actions = ids(&second["next_actions"]);
        actions.extend(ids(&second["more_actions"]));
        assert!(
            !actions.contains(&"revive_stalled") && actions.contains(&"map_decision"),
            "{deal}: {actions:?}"
        );
    }
}

#[test]
fn the_report_warns_of_what_was_said_before() {
    let scratch = Scratch::new();
    let (.., previous) = both("clinic", &scratch);
    let output = dealstage(&["analyze", "--quiet", &call("clinic-2.json"), "--previous", &previous]);
    let report = stdout(&output);
    for words in [
        "our promise is overdue (Fri 14 Mar 2025)",
        "Karen has left the",
        "before “We've set aside around thirty thousand for this year.” Wed 12 Mar 2025",
    ] {
        assert!(report.contains(words), "{words}\n{report}");
    }
}

#[test]
fn a_wrong_previous_analysis_is_refused() {
    let scratch = Scratch::new();
    let first = call("clinic-1.json");
    let (.., previous) = both("clinic", &scratch);
    let text = std::fs::read_to_string(&previous).expect("read");
    let cases = [
        (scratch.write("a.json", b"no json"), "clinic-2.json", "not an analysis"),
        (
            scratch.write("b.jsonl", format!("{text}\n{text}\n").as_bytes()),
            "clinic-2.json",
            "2 documents",
        ),
        (first, "clinic-2.json", "not an analysis"),
        (
            scratch.write("c.json", text.replace("analysis/v1", "analysis/v9").as_bytes()),
            "clinic-2.json",
            "`dealstage.analysis/v9`",
        ),
        (previous.clone(), "clinic-1.json", "this very call"),
        ("/nowhere.json".to_owned(), "clinic-2.json", "/nowhere.json"),
    ];
    for (file, input, words) in cases {
        let output = dealstage(&["analyze", "--quiet", &call(input), "--previous", &file]);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
    let output = dealstage(&[
        "analyze",
        "--quiet",
        &call("clinic-2.json"),
        "--call-date",
        "2025-01-01",
        "--previous",
        &previous,
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("after this one"), "{}", stderr(&output));
}

#[test]
fn stored_analyses_become_figures() {
    let scratch = Scratch::new();
    let process = Process::ppvvc().expect("the built-in process");
    for deal in ["clinic", "sklad"] {
        let (first, second, _) = both(deal, &scratch);
        let records = [&first, &second].map(|document| {
            let record = dealstage::document::figures(&document.to_string()).expect("a record");
            let noon = record.call_date.and_hms_opt(12, 0, 0).expect("noon");
            let known_at = Utc.from_utc_datetime(&noon);
            Entry {
                known_at,
                owner: None,
                record,
            }
        });
        let days = records.each_ref().map(|entry| entry.record.call_date);
        let one = Deal {
            id: deal.to_owned(),
            owner: None,
            amount: None,
            records: records.to_vec(),
        };
        let scope = Scope {
            process: &process,
            from: None,
            to: None,
            owner: None,
            today: days[1] + chrono::Duration::days(90),
        };
        let map = process_map(std::slice::from_ref(&one), scope);
        let mut stages = vec![first["deal"]["stage"].as_str(), second["deal"]["stage"].as_str()];
        stages.dedup();
        let path: Vec<Option<&str>> = map.variants[0].path.iter().map(|stage| Some(stage.as_str())).collect();
        assert_eq!(path, stages, "{deal}");
        // A promise of ours was open at the second call, and three months later nobody has kept it.
        let health = &forecast(&[one], scope, 3, None).deals[0].health;
        let reasons = serde_json::to_value(&health.reasons).expect("JSON");
        for reason in ["no_next_step", "stalled", "promise_overdue"] {
            assert!(
                reasons
                    .as_array()
                    .is_some_and(|reasons| reasons.iter().any(|one| one == reason)),
                "{deal}: {reasons}"
            );
        }
    }
}
