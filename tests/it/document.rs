//! `dealstage schema`, and documents of calls that are hard to be sound about: what cannot be known is said, and nothing
//! else breaks.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{Scratch, dealstage, fixture, stderr, stdout};

#[path = "../../src/document/sound.rs"]
mod sound;

fn validator(of: &[&str]) -> Validator {
    let output = dealstage(&[&["schema"], of].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is sound")
}

fn problems(validator: &Validator, document: &Value) -> Vec<String> {
    let shape = validator.iter_errors(document);
    shape
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Turns of a call file, rep and buyer in turn.
fn talk(said: &[&str]) -> Vec<Value> {
    let sides = ["rep", "buyer"].into_iter().cycle();
    (1..)
        .zip(said.iter().zip(sides))
        .map(|(i, (text, role))| json!({"i": i, "role": role, "text": text}))
        .collect()
}

const SALES: &[&str] = &[
    "Hello Dana, this is Mark from Fieldwise. What happens when a technician calls in sick?",
    "We lose about ten orders a week, nobody knows who can take the job. It costs us four thousand dollars a month.",
    "And who decides on a thing like that?",
    "Our CFO, Karen Bell, signs everything above five thousand dollars.",
    "It is nine hundred dollars a month. Shall we meet next Thursday at three?",
    "Thursday at three works. Send me the proposal before that.",
];

fn call(turns: Vec<Value>) -> Value {
    json!({"lang": "en", "call_date": "2026-03-02", "turns": turns})
}

fn with(mut call: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().expect("changes") {
        call[name] = value.clone();
    }
    call
}

/// For each turn of a call something else.
fn each(mut call: Value, change: impl Fn(usize, &mut Value)) -> Value {
    for (at, turn) in call["turns"].as_array_mut().expect("turns").iter_mut().enumerate() {
        change(at, turn);
    }
    call
}

/// From the labelled calls, for each signal one turn that has it, with the turn before.
fn every_signal() -> Value {
    let mut missing = BTreeSet::new();
    let mut turns: Vec<Value> = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(fixture("calls"))
        .expect("labelled calls")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.to_string_lossy().contains("/en-b"))
        .collect();
    files.sort();
    for file in files {
        let labelled: Value = serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON");
        let said = labelled["turns"].as_array().expect("turns");
        let gold = labelled["gold"]["turns"].as_array().expect("labels");
        for (at, labels) in gold.iter().enumerate() {
            let signals = labels["signals"].as_array().into_iter().flatten();
            let new = signals.filter(|signal| missing.insert(signal.to_string())).count();
            if new > 0 {
                turns.extend(said[at.saturating_sub(1)..=at].iter().cloned());
            }
        }
    }
    assert!(missing.len() > 30, "only {missing:?}");
    each(call(turns), |at, turn| turn["i"] = json!(at + 1))
}

/// Calls that are hard to be sound about, by name.
fn hard_calls() -> BTreeMap<&'static str, Value> {
    let plain = || call(talk(SALES));
    let nothing = ["", "…", "?!", "👍🏽", " ", "\u{200b}"];
    let writing = [
        "\u{202e}sdrawkcab\u{202c} שלום, what does that cost you?",
        "zero\u{200b}width\u{feff}, we lose about ten orders a week\u{a0}\u{2028}it's a real problem",
        "\"quotes\" 'everywhere' \\ and\nlines\r\nand\ttabs, {{ braces }} and {what}",
        "It costs us $4,000 a month\u{0}, e\u{301}cole, İSTANBUL, ﬁ, ẞ",
    ];
    let mixed = [
        "Добрый день, это Анна из компании «Вектор». What happens when an order is lost?",
        "Мы теряем полтора миллиона рублей в год, it's a real problem for us.",
        "Цена восемьдесят тысяч в месяц. Shall we meet on Thursday?",
        "Да, договорились. Our CFO decides, Пётр Ильич.",
    ];
    let times = |start: f64, end: f64| {
        move |_: usize, turn: &mut Value| {
            turn["start_s"] = json!(start);
            turn["end_s"] = json!(end);
        }
    };
    BTreeMap::from([
        ("plain", plain()),
        (
            "one speaker",
            each(plain(), |_, turn| {
                turn["role"] = json!("unknown");
                turn["speaker"] = json!("S1");
            }),
        ),
        ("only the rep", each(plain(), |_, turn| turn["role"] = json!("rep"))),
        ("only the buyer", each(plain(), |_, turn| turn["role"] = json!("buyer"))),
        ("one turn", call(talk(&SALES[..1]))),
        ("three turns", call(talk(&SALES[..3]))),
        ("nothing said", call(talk(&nothing))),
        (
            "hardly anything said",
            call(talk(&[&SALES[..3], &nothing[..], &SALES[3..]].concat())),
        ),
        ("other writing", call(talk(&writing))),
        ("two languages", with(call(talk(&mixed)), json!({"lang": null}))),
        (
            "no roles",
            each(plain(), |at, turn| {
                turn["role"] = json!(null);
                turn["speaker"] = json!(["A", "B"][at % 2]);
            }),
        ),
        (
            "one name for two",
            each(plain(), |_, turn| {
                turn["speaker"] = json!("Alex");
                turn["name"] = json!("Alex");
            }),
        ),
        (
            "a monologue",
            call(talk(&[&SALES[1..2].join(" ").repeat(200), SALES[3]])),
        ),
        (
            "numbers from afar",
            each(plain(), |at, turn| turn["i"] = json!(4_294_967_290_u32 + at as u32)),
        ),
        (
            "numbers backwards",
            each(plain(), |at, turn| turn["i"] = json!(60 - 10 * at)),
        ),
        ("all at once", each(plain(), times(5.0, 5.0))),
        (
            "over each other",
            each(plain(), |at, turn| times(50.0 - at as f64, 60.0)(at, turn)),
        ),
        (
            "half timed",
            each(plain(), |at, turn| {
                if at % 2 == 0 {
                    turn["start_s"] = json!(at)
                }
            }),
        ),
        (
            "a stage of elsewhere",
            with(plain(), json!({"previous": {"deal_stage": "Demo done!"}})),
        ),
        ("the first day", with(plain(), json!({"call_date": "0001-01-01"}))),
        ("the last day", with(plain(), json!({"call_date": "9999-12-31"}))),
        ("a leap day", with(plain(), json!({"call_date": "2028-02-29"}))),
        ("every signal", every_signal()),
    ])
}

fn analyze(files: &[String], flags: &[&str]) -> Vec<Value> {
    let mut args = vec!["analyze", "--json", "--quiet"];
    args.extend(flags);
    args.extend(files.iter().map(String::as_str));
    let output = dealstage(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect()
}

#[test]
fn hard_calls_give_sound_documents() {
    let scratch = Scratch::new();
    let (input, output) = (validator(&["call"]), validator(&[]));
    let mut names = Vec::new();
    let mut files = Vec::new();
    for (name, call) in hard_calls() {
        assert_eq!(problems(&input, &call), [""; 0], "{name}");
        files.push(scratch.write(&format!("{name}.json"), call.to_string().as_bytes()));
        names.push(name);
    }
    let documents = analyze(&files, &["--threads", "2"]);
    let again = analyze(&files, &["--threads", "1"]);
    assert_eq!(documents.len(), names.len());
    for ((name, document), again) in names.iter().zip(&documents).zip(&again) {
        assert_eq!(document["call"]["id"], *name);
        assert_eq!(problems(&output, document), [""; 0], "{name}");
        assert_eq!(sound::problems(document), [""; 0], "{name}");
        assert_eq!(
            document["provenance"]["result_hash"], again["provenance"]["result_hash"],
            "{name}"
        );
    }
    let of = |name: &str| &documents[names.iter().position(|known| *known == name).expect("a call")];
    for name in ["one turn", "nothing said", "only the rep"] {
        assert_eq!(of(name)["deal"]["abstained"], true, "{name}");
    }
    assert!(of("a stage of elsewhere")["deal"]["move"].is_null());
    assert_eq!(of("a stage of elsewhere")["deal"]["previous_stage"], "Demo done!");
    assert_eq!(of("numbers backwards")["turns"][1]["i"], 50);
    assert!(of("plain")["call"]["duration_s"].is_null());
    assert_eq!(of("over each other")["call"]["duration_s"], 60.0);
    let signals: BTreeSet<&str> = of("every signal")["turns"]
        .as_array()
        .expect("turns")
        .iter()
        .flat_map(|turn| turn["signals"].as_array().expect("signals"))
        .filter_map(|signal| signal["id"].as_str())
        .collect();
    assert!(signals.len() > 25, "{signals:?}");
}

#[test]
fn a_call_without_a_day_is_said_to_be_of_today() {
    let scratch = Scratch::new();
    let mut call = call(talk(SALES));
    call.as_object_mut().expect("a call").remove("call_date");
    let file = scratch.write("call.json", call.to_string().as_bytes());
    let result = dealstage(&["analyze", "--json", &file]);
    assert!(
        stderr(&result).contains("call.json: day of the call not given"),
        "{}",
        stderr(&result)
    );
    let document: Value = serde_json::from_slice(&result.stdout).expect("JSON");
    assert_eq!(problems(&validator(&[]), &document), [""; 0]);
    assert_eq!(sound::problems(&document), [""; 0]);
}

#[test]
fn talk_of_other_things_is_no_deal() {
    let files = ["ru-r817", "en-n05"].map(|name| fixture(&format!("calls/{name}.json")).to_string_lossy().into_owned());
    let output = validator(&[]);
    for document in analyze(&files, &[]) {
        assert_eq!(document["call"]["not_sales"], true, "{}", document["call"]);
        assert!(document["deal"]["stage"].is_null() && document["follow_up"].is_null());
        assert_eq!(document["qualification"]["lead_score"], 0);
        assert_eq!(problems(&output, &document), [""; 0]);
        assert_eq!(sound::problems(&document), [""; 0]);
    }
}

#[test]
fn five_thousand_turns() {
    let scratch = Scratch::new();
    let words = [
        "Sure?",
        "We lose orders.",
        "Who decides?",
        "Karen.",
        "Okay.",
        "Yes.",
        "Right.",
    ];
    let said: Vec<&str> = words.into_iter().cycle().take(5000).collect();
    let file = scratch.write("long.json", call(talk(&said)).to_string().as_bytes());
    let document = &analyze(&[file], &[])[0];
    assert_eq!(document["turns"].as_array().map(Vec::len), Some(5000));
    assert_eq!(problems(&validator(&[]), document), [""; 0]);
    assert_eq!(sound::problems(document), [""; 0]);
}

#[test]
fn broken_calls_break_both_the_schema_and_the_run() {
    let scratch = Scratch::new();
    let input = validator(&["call"]);
    let plain = || call(talk(SALES));
    let broken = [
        ("no turns", with(plain(), json!({"turns": []}))),
        ("no text", each(plain(), |_, turn| turn["text"] = json!(null))),
        (
            "a side of none",
            each(plain(), |_, turn| turn["role"] = json!("seller")),
        ),
        (
            "before the call",
            each(plain(), |_, turn| turn["start_s"] = json!(-1.0)),
        ),
        ("no day", with(plain(), json!({"call_date": "26-4-16"}))),
        ("day 31 of February", with(plain(), json!({"call_date": "2026-02-31"}))),
        ("another language", with(plain(), json!({"lang": "de"}))),
        ("half a turn", each(plain(), |_, turn| turn["i"] = json!(1.5))),
    ];
    for (name, call) in &broken {
        assert_ne!(problems(&input, call), [""; 0], "{name}");
    }
    // What a schema cannot say.
    let twice = each(plain(), |_, turn| turn["i"] = json!(7));
    let backwards = each(plain(), |_, turn| {
        turn["start_s"] = json!(2.0);
        turn["end_s"] = json!(1.0);
    });
    let all = broken
        .iter()
        .cloned()
        .chain([("the same turn twice", twice), ("it ends before it begins", backwards)]);
    let all: Vec<_> = all.collect();
    let files: Vec<String> = all
        .iter()
        .map(|(name, call)| scratch.write(&format!("{name}.json"), call.to_string().as_bytes()))
        .collect();
    let mut args = vec!["analyze", "--json", "--quiet"];
    args.extend(files.iter().map(String::as_str));
    let result = dealstage(&args);
    assert_eq!(result.status.code(), Some(2));
    assert!(result.stdout.is_empty(), "{}", stdout(&result));
    let messages = stderr(&result);
    assert!(!messages.contains("panicked"), "{messages}");
    for (name, _) in &all {
        assert!(messages.contains(&format!("{name}.json: ")), "{name}: {messages}");
    }
}
