//! The sales process as a file: checked, tried, shown, and obeyed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Scratch, analyze, dealstage, fixture, stderr, stdout};

const BUILT_IN: [&str; 4] = ["ppvvc", "bant", "meddicc", "short_cycle"];

fn own(name: &str) -> String {
    fixture(&format!("processes/{name}.toml"))
        .to_string_lossy()
        .into_owned()
}

/// Every process that is sound: those of the program, and a customer's own.
fn sound() -> Vec<String> {
    let mut all: Vec<String> = BUILT_IN.iter().map(ToString::to_string).collect();
    all.push(own("five_stage"));
    all
}

fn shown(process: &str) -> String {
    let output = dealstage(&["process", "show", process]);
    assert!(output.status.success(), "{process}: {}", stderr(&output));
    stdout(&output)
}

/// What a command that refuses a file says, without the folder of the file.
fn refused(args: &[&str], folder: &str) -> String {
    let output = dealstage(args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    let said = stderr(&output) + &stdout(&output);
    said.replace(&format!("{folder}/"), "")
}

fn refused_fixture(name: &str) -> String {
    let folder = fixture("processes").to_string_lossy().into_owned();
    refused(&["process", "check", &own(name)], &folder)
}

fn hash_of_checked(file: &str) -> String {
    let output = dealstage(&["process", "check", file]);
    assert!(output.status.success(), "{file}: {}", stderr(&output));
    let line = stdout(&output);
    line.trim().rsplit(' ').next().expect("a hash").to_owned()
}

/// What a recogniser is to listen for.
#[test]
fn names_are_checked() {
    let scratch = Scratch::new();
    let text = shown("ppvvc");
    let with = |names: &str| scratch.write("named.toml", format!("names = {names}\n{text}").as_bytes());
    let checked = dealstage(&[
        "process",
        "check",
        &with(r#"["FieldWise", "Route One", "ПланСервис", "C++"]"#),
    ]);
    assert!(checked.status.success(), "{}", stdout(&checked));
    let many: Vec<String> = (0..41).map(|number| format!("Name {number}")).collect();
    for (names, says) in [
        (r#""FieldWise""#.to_owned(), "1:9: `names` is a list of texts"),
        (r#"["FieldWise", " "]"#.to_owned(), "1:23: a name needs letters"),
        (
            r#"["FieldWise, Jobber"]"#.to_owned(),
            "1:10: `FieldWise, Jobber`: a name has no commas",
        ),
        (r#"["Jobber", "jobber"]"#.to_owned(), "1:20: `jobber` is there twice"),
        (format!("{many:?}"), "1:9: 41 names"),
        (format!("[{:?}]", "long ".repeat(130)), "1:9: 1 names with 649 letters"),
    ] {
        let said = refused(&["process", "check", &with(&names)], "");
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[test]
fn sound_processes_pass_their_check_and_their_own_cases() {
    for process in sound() {
        assert_eq!(hash_of_checked(&process).len(), 64);
        let output = dealstage(&["process", "test", &process]);
        let said = stdout(&output);
        assert!(output.status.success(), "{process}: {said}");
        assert!(
            said.contains("cases come out as expected") && !said.contains("WRONG"),
            "{said}"
        );
    }
}

#[test]
fn a_broken_file_is_refused_with_every_place() {
    insta::assert_snapshot!("broken_process", refused_fixture("broken"));
    insta::assert_snapshot!("broken_toml", refused_fixture("syntax"));
    insta::assert_snapshot!("process_of_another_version", refused_fixture("version_2"));
}

/// `analyze` refuses such a file as `check` does, before any work.
#[test]
fn a_broken_file_analyses_nothing() {
    let call = fixture("calls/en-b06.json");
    let output = dealstage(&["analyze", &call.to_string_lossy(), "--process", &own("broken")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("broken.toml:8:11:"), "{}", stderr(&output));
}

#[test]
fn a_case_that_comes_out_otherwise_is_shown_with_both() {
    let scratch = Scratch::new();
    let text = std::fs::read_to_string(own("five_stage")).expect("fixture");
    let changed = text.replacen(
        "expect = { stage = \"measuring\", scores = { task = 2, visit = 0 }, actions = [\"fix_next_step\"] }",
        "expect = { stage = \"estimate\", scores = { task = 3, visit = 0 }, actions = [\"send_contract\"] }",
        1,
    );
    assert_ne!(text, changed);
    let file = scratch.write("windows.toml", changed.as_bytes());
    let folder = file.trim_end_matches("/windows.toml");
    insta::assert_snapshot!("wrong_case", refused(&["process", "test", &file], folder));
}

#[test]
fn every_stage_of_every_process_has_a_card_in_both_languages() {
    for process in sound() {
        let name = process.rsplit('/').next().unwrap_or(&process).trim_end_matches(".toml");
        let mut both = String::new();
        for language in ["en", "ru"] {
            let all = dealstage(&["process", "show", &process, "--card", "all", "--language", language]);
            assert!(all.status.success(), "{}", stderr(&all));
            let cards = stdout(&all);
            let ids: Vec<&str> = cards
                .lines()
                .filter(|line| !line.starts_with(' '))
                .filter_map(|line| line.rsplit_once(" · "))
                .map(|(_, id)| id)
                .collect();
            assert!(ids.len() >= 6, "{cards}");
            let one = dealstage(&["process", "show", &process, "--card", ids[1], "--language", language]);
            assert!(!stdout(&one).is_empty() && cards.contains(&stdout(&one)));
            both.push_str(&cards);
        }
        insta::assert_snapshot!(format!("cards_{name}"), both);
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same_process() {
    let scratch = Scratch::new();
    for process in BUILT_IN {
        let copy = scratch.write("copy.toml", shown(process).as_bytes());
        assert_eq!(hash_of_checked(&copy), hash_of_checked(process));
    }
}

#[test]
fn an_unknown_process_or_stage_names_those_that_are_there() {
    let says = |args: &[&str]| refused(args, "no folder");
    assert!(says(&["process", "show", "bunt"]).contains("ppvvc, bant, meddicc, short_cycle"));
    assert!(says(&["process", "show", "bant", "--card", "pain"]).contains("new, need, qualify"));
}

fn deal(analysis: &Value) -> &Value {
    &analysis["deal"]
}

fn elements(analysis: &Value) -> Vec<&str> {
    let scores = deal(analysis)["elements"].as_array().expect("elements");
    scores.iter().filter_map(|score| score["id"].as_str()).collect()
}

/// One call, five processes: each by its own stages and elements, each with its hash.
#[test]
fn the_same_call_by_another_process_is_another_deal() {
    let call = fixture("calls/en-b06.json").to_string_lossy().into_owned();
    let mut hashes = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for process in sound() {
        let analysis = analyze(&[&call, "--process", &process]);
        let hash = deal(&analysis)["process_hash"].as_str().expect("a hash").to_owned();
        assert_eq!(hash, hash_of_checked(&process));
        hashes.insert(hash);
        let text = if BUILT_IN.contains(&process.as_str()) {
            shown(&process)
        } else {
            std::fs::read_to_string(&process).expect("fixture")
        };
        let stage = deal(&analysis)["stage"].as_str().expect("a stage");
        assert!(
            text.contains(&format!("[[stage]]\nid = \"{stage}\"")),
            "{process}: {stage}"
        );
        let elements = elements(&analysis);
        for element in &elements {
            assert!(
                text.contains(&format!("[[element]]\nid = \"{element}\"")),
                "{process}: {element}"
            );
        }
        seen.insert(elements.join(" "));
    }
    assert_eq!(hashes.len(), 5);
    assert_eq!(seen.len(), 5);
}

/// A condition in a copy of a file decides, no code.
#[test]
fn a_changed_condition_changes_the_result() {
    let scratch = Scratch::new();
    let call = fixture("calls/en-b06.json").to_string_lossy().into_owned();
    let before = analyze(&[&call, "--process", "ppvvc"]);
    let text = shown("ppvvc");
    let exit = text.lines().find(|line| line.starts_with("until = ")).expect("an exit");
    let text = text.replacen(exit, "until = \"buyer_refusal >= 100\"", 1);
    let file = scratch.write("mine.toml", text.as_bytes());
    let after = analyze(&[&call, "--process", &file]);
    assert_eq!(deal(&after)["stage"], "lead");
    assert_ne!(deal(&before)["stage"], deal(&after)["stage"]);
    assert_ne!(deal(&before)["process_hash"], deal(&after)["process_hash"]);
    assert_ne!(before["provenance"]["result_hash"], after["provenance"]["result_hash"]);
}
