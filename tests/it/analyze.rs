//! `dealstage analyze` on real recordings and transcripts.

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{Scratch, analyze, dealstage, dealstage_with, fixture, stderr, stdout};

fn path(name: &str) -> String {
    fixture(name).to_string_lossy().into_owned()
}

/// Every quote of the document is an exact substring of the turn it names.
fn quotes_are_verbatim(document: &Value) {
    let text = |turn: &Value| {
        document["turns"]
            .as_array()
            .expect("turns")
            .iter()
            .find(|candidate| candidate["i"] == *turn)
            .unwrap_or_else(|| panic!("turn {turn} does not exist"))["text"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    let mut checked = 0;
    let mut check = |turn: &Value, quote: &Value| {
        let quote = quote.as_str().expect("a quote");
        assert!(!quote.is_empty(), "turn {turn} has an empty quote");
        assert!(text(turn).contains(quote), "{quote:?} is not in turn {turn}");
        checked += 1;
    };
    let lists = document["deal"]["elements"].as_array().expect("elements").iter();
    for holder in lists.chain(document["next_actions"].as_array().expect("actions")) {
        for evidence in holder["evidence"].as_array().expect("evidence") {
            check(&evidence["turn"], &evidence["quote"]);
        }
    }
    for field in document["qualification"]["fields"].as_array().expect("fields") {
        if field["status"] == "not_stated" {
            assert!(field.get("value").is_none(), "{field} has a value that nobody stated");
        } else {
            check(&field["turn"], &field["quote"]);
            assert!(
                field["quote"]
                    .as_str()
                    .expect("quote")
                    .contains(field["raw"].as_str().expect("raw")),
                "{field}"
            );
        }
    }
    assert!(checked > 5, "only {checked} quotes in the whole document");
}

fn signals(document: &Value) -> Vec<String> {
    let turns = document["turns"].as_array().expect("turns").iter();
    turns
        .flat_map(|turn| turn["signals"].as_array().expect("signals"))
        .map(|signal| signal["id"].as_str().expect("id").to_owned())
        .collect()
}

fn field<'a>(document: &'a Value, name: &str) -> Vec<&'a Value> {
    let fields = document["qualification"]["fields"].as_array().expect("fields").iter();
    fields
        .filter(|field| field["field"] == name && field["status"] != "not_stated")
        .collect()
}

/// The analysis of the English recording, and a log that says as much as there is to say.
static ENGLISH: LazyLock<(Value, String)> = LazyLock::new(|| {
    let recording = path("audio/discovery-en.opus");
    let args = ["analyze", "--json", "--quiet", "--call-date", "2025-03-12", &recording];
    let output = dealstage_with(&args, &[("RUST_LOG", "trace")]);
    let document = serde_json::from_slice(&output.stdout).expect("the document is JSON");
    (document, stderr(&output))
});

/// First and last word of what somebody says, as letters.
fn ends(text: &str) -> Option<(String, String)> {
    let letters = |word: &str| {
        word.to_lowercase()
            .replace(|letter: char| !letter.is_alphanumeric(), "")
    };
    let mut words = text.split_whitespace();
    let first = words.next()?;
    Some((letters(first), letters(words.next_back().unwrap_or(first))))
}

#[test]
fn an_english_recording() {
    let (document, _) = &*ENGLISH;
    assert_eq!(document["schema"], "dealstage.analysis/v1");
    assert_eq!(document["call"]["language"], "en");
    assert_eq!(document["call"]["channels"], 2);
    assert_eq!(document["call"]["not_sales"], false);
    let duration = document["call"]["duration_s"].as_f64().expect("duration");
    assert!((141.0..145.0).contains(&duration), "{duration}");
    let turns = document["turns"].as_array().expect("turns");
    assert_eq!(
        turns.len(),
        28,
        "one turn for each line of fixtures/audio/discovery-en.txt"
    );
    for turn in turns {
        // The caller speaks on the left channel; nobody told the program.
        assert_eq!(
            turn["role"],
            if turn["speaker"] == "left" { "rep" } else { "buyer" },
            "{turn}"
        );
    }
    let heard: Vec<&str> = turns.iter().filter_map(|turn| turn["text"].as_str()).collect();
    assert!(
        heard.join(" ").contains("nobody knows who can take the job"),
        "{heard:?}"
    );
    // What is said first after a pause is no end of what was said before it. One first word is heard as another.
    let script = std::fs::read_to_string(path("audio/discovery-en.txt")).expect("the script");
    let said = script
        .lines()
        .skip(1)
        .map(|line| line.split_once(": ").expect("a speaker").1);
    let pairs: Vec<_> = heard.iter().map(|text| ends(text)).zip(said.map(ends)).collect();
    let alike = |same: fn(&(String, String), &(String, String)) -> bool| {
        let both = pairs
            .iter()
            .filter_map(|(heard, said)| heard.as_ref().zip(said.as_ref()));
        both.filter(|(heard, said)| same(heard, said)).count()
    };
    assert_eq!(alike(|heard, said| heard.1 == said.1), 28, "{pairs:?}");
    assert_eq!(alike(|heard, said| heard.0 == said.0), 27, "{pairs:?}");
    for expected in ["buyer_pain", "buyer_price_question", "rep_price", "rep_next_step"] {
        assert!(
            signals(document).contains(&expected.to_owned()),
            "{expected} is missing"
        );
    }
    assert_eq!(field(document, "quoted_price")[0]["value"]["amount"], 900.0);
    assert_eq!(field(document, "next_meeting")[0]["value"]["date"], "2025-03-18");
    assert!(document["provenance"]["llm"].is_null());
    assert_eq!(document["provenance"]["egress"], Value::Array(Vec::new()));
    quotes_are_verbatim(document);
}

#[test]
fn a_russian_recording() {
    let document = analyze(&[&path("audio/discovery-ru.opus"), "--call-date", "2025-04-16"]);
    assert_eq!(document["call"]["language"], "ru");
    let turns = document["turns"].as_array().expect("turns");
    assert_eq!(
        turns.len(),
        26,
        "one turn for each line of fixtures/audio/discovery-ru.txt"
    );
    for turn in turns {
        assert_eq!(
            turn["role"],
            if turn["speaker"] == "left" { "rep" } else { "buyer" },
            "{turn}"
        );
    }
    let impact = field(&document, "pain_impact");
    assert!(
        impact.iter().any(|field| field["value"]["amount"] == 1_500_000.0),
        "{impact:?}"
    );
    assert_eq!(field(&document, "quoted_price")[0]["value"]["amount"], 80_000.0);
    assert_eq!(document["follow_up"]["language"], "ru");
    quotes_are_verbatim(&document);
}

#[test]
fn the_same_input_gives_the_same_hash() {
    let recording = path("audio/discovery-ru.opus");
    let hash = |threads: &str| {
        let document = analyze(&[&recording, "--call-date", "2025-04-16", "--threads", threads]);
        document["provenance"]["result_hash"].as_str().expect("hash").to_owned()
    };
    let first = hash("1");
    assert!(first.starts_with("sha256:") && first.len() == 71, "{first}");
    assert_eq!(first, hash("2"));
}

#[test]
fn transcripts_of_several_formats_agree() {
    let vtt = "\u{feff}WEBVTT\r\n\r\n1\r\n00:00:01.000 --> 00:00:03.000\r\n<v Mark>How many people do you have?</v>\r\n\r\n\
               2\r\n00:00:04.000 --> 00:00:09.000\r\n<v Dana>We lose about ten orders a week, it's a real problem.</v>\r\n";
    let srt = "1\n00:00:01,000 --> 00:00:03,000\nMark: How many people do you have?\n\n\
               2\n00:00:04,000 --> 00:00:09,000\nDana: We lose about ten orders a week, it's a real problem.\n";
    let text = "Mark: How many people do you have?\nDana: We lose about ten orders a week, it's a real problem.\n";
    let scratch = Scratch::new();
    for (name, content) in [("call.vtt", vtt), ("call.srt", srt), ("call.txt", text)] {
        let file = scratch.write(name, content.as_bytes());
        let document = analyze(&[&file, "--call-date", "2026-03-02", "--rep", "Mark"]);
        let turns = document["turns"].as_array().expect("turns");
        let texts: Vec<&str> = turns.iter().filter_map(|turn| turn["text"].as_str()).collect();
        assert_eq!(
            texts,
            [
                "How many people do you have?",
                "We lose about ten orders a week, it's a real problem."
            ],
            "{name}"
        );
        let roles: Vec<&str> = turns.iter().filter_map(|turn| turn["role"].as_str()).collect();
        assert_eq!(roles, ["rep", "buyer"], "{name}");
    }
}

#[test]
fn a_call_file_keeps_its_numbers_and_ignores_gold() {
    let call = r#"{"id":"c-7","lang":"en","call_date":"2026-03-02","gold":{"x":1},"turns":[
        {"i":10,"role":"rep","text":"What does that cost you in a month?"},
        {"i":20,"role":"buyer","text":"About four thousand dollars a month, we throw it away."}]}"#;
    let scratch = Scratch::new();
    let document = analyze(&[&scratch.write("c.json", call.as_bytes())]);
    assert_eq!(document["call"]["id"], "c-7");
    assert_eq!(document["call"]["call_date"], "2026-03-02");
    let numbers: Vec<_> = document["turns"]
        .as_array()
        .expect("turns")
        .iter()
        .map(|turn| &turn["i"])
        .collect();
    assert_eq!(numbers, [10, 20]);
    assert!(
        document["call"]["duration_s"].is_null(),
        "a call without times has no length"
    );
}

#[test]
fn several_inputs_are_one_document_a_line() {
    let scratch = Scratch::new();
    let one = scratch.write("one.txt", b"Mark: Hello, how are you?\nDana: Fine, thank you.\n");
    let two = scratch.write("two.txt", b"Mark: What does it cost?\nDana: It is nine dollars.\n");
    let bad = scratch.write("bad.bin", &[0, 159, 146, 150, 1, 2, 3]);
    let output = dealstage(&[
        "analyze",
        "--json",
        "--quiet",
        "--call-date",
        "2026-03-02",
        &one,
        &bad,
        &two,
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("bad.bin"), "{}", stderr(&output));
    let documents: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let ids: Vec<&str> = documents
        .iter()
        .filter_map(|document| document["call"]["id"].as_str())
        .collect();
    assert_eq!(ids, ["one", "two"]);
    // A pattern of the shell may match one file only.
    let output = dealstage(&["analyze", "--json", "--quiet", "--call-date", "2026-03-02", &one]);
    assert_eq!(stdout(&output).lines().count(), 1);
}

#[test]
fn reports_for_people() {
    let recording = path("audio/discovery-en.opus");
    let output = dealstage(&["analyze", "--quiet", "--call-date", "2025-03-12", &recording]);
    let report = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!report.contains('\u{1b}'), "a pipe gets no colours");
    // In the order in which a rep asks.
    let mut from = 0;
    for title in [
        "Deal:",
        "\nWhy\n",
        "\nTo move on\n",
        "\nDo next\n",
        "\nFacts\n",
        "not stated:",
        "\nFollow-up e-mail\n",
        "\nHow the rep led the talk\n",
    ] {
        let at = report[from..].find(title);
        from += at.unwrap_or_else(|| panic!("{title} is missing or out of place in:\n{report}"));
    }
    let call = path("deals/clinic-1.json");
    let report = stdout(&dealstage(&["analyze", "--quiet", &call]));
    let full = stdout(&dealstage(&["analyze", "--quiet", "--full", &call]));
    assert!(full.lines().count() > report.lines().count() && full.contains("Course of the talk"));
    let scratch = Scratch::new();
    let file = scratch.path("report.md").to_string_lossy().into_owned();
    let output = dealstage(&["analyze", "--quiet", "--format", "markdown", "--out", &file, &call]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        output.stdout.is_empty(),
        "stdout has nothing when the report goes to a file"
    );
    let page = std::fs::read_to_string(&file).expect("written");
    assert!(
        page.starts_with("# clinic-1.json") && page.contains("## Do next"),
        "{page}"
    );
}

#[test]
fn logs_hold_no_word_of_the_call() {
    let (document, log) = &*ENGLISH;
    assert!(log.lines().count() > 3, "there is a log to look at");
    let text = document["turns"].to_string();
    for word in ["spreadsheet", "Karen", "dispatcher", "technician"] {
        assert!(text.contains(word), "the call says {word:?}");
        assert!(!log.contains(word), "the log says {word:?}");
    }
}
