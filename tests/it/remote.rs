//! A recogniser that is a service: against a scripted one that does what services do.

use serde_json::{Value, json};

use crate::llm::{Reply, Service};
use crate::served::Settings;
use crate::support::{Scratch, dealstage, dealstage_with, fixture, stderr, stdout};

const KEY: &str = "sk-secret";

/// Two channels, 143 s.
fn recording() -> String {
    fixture("audio/discovery-en.opus").to_string_lossy().into_owned()
}

fn environment<'a>(address: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("DEALSTAGE_ASR_BASE_URL", address), ("DEALSTAGE_ASR_API_KEY", KEY)];
    all.extend(more);
    all
}

/// Exit code, standard output, standard error.
fn run(address: &str, more: &[(&str, &str)], flags: &[&str]) -> (Option<i32>, String, String) {
    let recording = recording();
    let mut all = vec![
        "analyze",
        &recording,
        "--asr",
        "remote",
        "--json",
        "--quiet",
        "--call-date",
        "2025-03-12",
    ];
    all.extend(flags);
    let output = dealstage_with(&all, &environment(address, more));
    (output.status.code(), stdout(&output), stderr(&output))
}

/// What a service says that hears a sentence in every piece.
fn heard(question: &Value) -> Value {
    if question["language"].is_null() {
        return json!({"text": "Hello there.", "language": "english", "duration": 1.0});
    }
    json!({"text": "We dispatch with FieldWise today.", "language": "english", "words": [
        {"word": "We", "start": 0.2, "end": 0.3}, {"word": "dispatch", "start": 0.3, "end": 0.6},
        {"word": "with", "start": 0.6, "end": 0.7}, {"word": "FieldWise", "start": 0.7, "end": 1.1},
        {"word": "today", "start": 1.1, "end": 1.2}]})
}

/// PPVVC, with names.
fn process(scratch: &Scratch) -> String {
    let text = stdout(&dealstage(&["process", "show", "ppvvc"]));
    let text = format!("names = [\"FieldWise\", \"ПланСервис\"]\n{text}");
    scratch.write("named.toml", text.as_bytes())
}

#[test]
fn speech_is_heard_by_the_service_and_what_left_is_listed() {
    let scratch = Scratch::new();
    let process = process(&scratch);
    let service = Service::start(|_, question| Reply::Gives(heard(question)));
    let flags = ["--asr-model", "my-whisper", "--process", &process];
    let (code, out, log) = run(&service.address, &[("RUST_LOG", "trace")], &flags);
    assert_eq!(code, Some(0), "{log}");
    let document: Value = serde_json::from_str(&out).expect("JSON");
    let turns = document["turns"].as_array().expect("turns");
    assert!(turns.len() > 2, "{turns:?}");
    let turn = &turns[0];
    assert!(
        turn["text"]
            .as_str()
            .expect("a text")
            .starts_with("We dispatch with FieldWise today."),
        "{turn}"
    );
    // The marks are those of the text, the times those of the words.
    let words = turn["words"].as_array().expect("words");
    assert_eq!(words[4]["text"], "today.");
    let seconds = |word: &Value, key: &str| word[key].as_f64().expect("seconds");
    assert!(
        (seconds(&words[3], "end_s") - seconds(&words[0], "start_s") - 0.9).abs() < 0.01,
        "{words:?}"
    );

    // One entry for each request, with what was in it.
    let questions = service.questions();
    let egress = document["provenance"]["egress"].as_array().expect("egress");
    assert_eq!(egress.len(), questions.len());
    assert_eq!(document["provenance"]["asr_model"], "my-whisper");
    let of = |entry: &str| egress.iter().filter(|sent| sent["prompt"] == entry).count();
    assert_eq!((of("language"), of("transcription")), (2, egress.len() - 2));
    let sum = |list: &[Value], key: &str| {
        list.iter()
            .map(|each| each[key].as_f64().expect("a number"))
            .sum::<f64>()
    };
    assert_eq!(sum(egress, "bytes"), sum(&questions, "file"));
    let listed_s = sum(egress, "sound_s");
    assert!((listed_s - (sum(egress, "bytes") - 44.0 * egress.len() as f64) / 32_000.0).abs() < 0.1);
    for sent in egress {
        assert_eq!(sent["to"].as_str(), Some(service.address.as_str()));
        assert_eq!(sent["model"], "my-whisper");
    }
    for question in &questions {
        assert_eq!(question["key"].as_str(), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(
            (&question["model"], &question["response_format"]),
            (&json!("my-whisper"), &json!("verbose_json"))
        );
        if question["language"] == "en" {
            assert_eq!(question["prompt"], "FieldWise. ПланСервис.");
            assert_eq!(question["timestamp_granularities[]"], "word");
        }
    }
    assert!(!log.contains(KEY), "the key is in the log");
    assert!(
        !log.contains("dispatch") && !log.contains("FieldWise"),
        "words of the call are in the log"
    );

    // The same again, whatever came back first.
    let (_, out, _) = run(&service.address, &[], &flags);
    let again: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        again["provenance"]["result_hash"],
        document["provenance"]["result_hash"]
    );
    let recording = recording();
    let report = [
        "analyze",
        recording.as_str(),
        "--asr",
        "remote",
        "--language",
        "en",
        "--format",
        "markdown",
        "--quiet",
    ];
    let report = stdout(&dealstage_with(&report, &environment(&service.address, &[])));
    assert!(report.contains("seconds of speech that left this machine"), "{report}");
    // Without the flag nobody is asked, whatever the environment says.
    let asked = service.questions().len();
    let transcript = fixture("calls/gold-en-1.json").to_string_lossy().into_owned();
    let local = dealstage_with(
        &["analyze", &transcript, "--quiet"],
        &environment(&service.address, &[]),
    );
    assert!(local.status.success(), "{}", stderr(&local));
    assert_eq!(service.questions().len(), asked);
}

#[test]
fn a_busy_service_is_asked_again() {
    let service = Service::start(|number, question| match number {
        1 => Reply::Status(429, "slow down"),
        2 => Reply::Later(503, "1"),
        3 => Reply::Closes,
        _ => Reply::Gives(heard(question)),
    });
    let (code, out, log) = run(&service.address, &[], &["--language", "en"]);
    assert_eq!(code, Some(0), "{log}");
    let document: Value = serde_json::from_str(&out).expect("JSON");
    // What was tried again is one entry.
    let egress = document["provenance"]["egress"].as_array().expect("egress");
    assert_eq!(egress.len(), service.questions().len() - 3);
}

#[test]
fn what_goes_wrong_is_said_with_its_remedy() {
    type Script = fn(usize, &Value) -> Reply;
    let cases: [(&str, Script, &[&str]); 7] = [
        (
            "wrong key",
            |_, _| Reply::Status(401, r#"{"error":"sk-secret"}"#),
            &["HTTP 401", "DEALSTAGE_ASR_API_KEY"],
        ),
        (
            "no such place",
            |_, _| Reply::Status(404, ""),
            &["HTTP 404", "DEALSTAGE_ASR_BASE_URL"],
        ),
        (
            "no JSON",
            |_, _| Reply::Status(200, "We dispatch"),
            &["is no transcription: no JSON"],
        ),
        (
            "other JSON",
            |_, _| Reply::Gives(json!({"text": ["We dispatch"]})),
            &["other keys or kinds"],
        ),
        (
            "nothing in it",
            |_, _| Reply::Gives(json!({"ok": true})),
            &["it has no text"],
        ),
        (
            "silence",
            |_, _| Reply::Hangs,
            &["within 2 s", "DEALSTAGE_ASR_TIME_LIMIT"],
        ),
        (
            "moved",
            |_, _| Reply::Moved("http://127.0.0.1:9/v1".to_owned()),
            &["HTTP 307", "moved"],
        ),
    ];
    for (name, script, says) in cases {
        let service = Service::start(script);
        let more = [("DEALSTAGE_ASR_TIME_LIMIT", "2"), ("RUST_LOG", "trace")];
        let (code, out, log) = run(&service.address, &more, &[]);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{name}: {log}");
        for said in says.iter().chain([&service.address.as_str(), &"failed at"]) {
            assert!(log.contains(said), "{name}: {said} is not in {log}");
        }
        assert!(!log.contains("dispatch") && !log.contains(KEY), "{name}: {log}");
    }
    let (code, _, message) = run("http://127.0.0.1:9/v1", &[("DEALSTAGE_ASR_TIME_LIMIT", "1")], &[]);
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("cannot be reached"), "{message}");
}

#[test]
fn settings_are_checked_before_anything_is_sent() {
    let (code, _, message) = run("", &[], &[]);
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("set DEALSTAGE_ASR_BASE_URL"), "{message}");
    for (address, name, value, says) in [
        ("http://169.254.169.254/v1", "DEALSTAGE_ASR_TIME_LIMIT", "5", "metadata"),
        (
            "http://1.1.1.1/v1",
            "DEALSTAGE_ASR_TIME_LIMIT",
            "5",
            "without encryption",
        ),
        ("file:///etc/passwd", "DEALSTAGE_ASR_TIME_LIMIT", "5", "https://"),
        ("over there", "DEALSTAGE_ASR_TIME_LIMIT", "5", "write it like"),
        (
            "http://127.0.0.1:9/v1",
            "DEALSTAGE_ASR_TIME_LIMIT",
            "long",
            "not a whole number",
        ),
        (
            "http://127.0.0.1:9/v1",
            "DEALSTAGE_ASR_API_KEY",
            "sk-\u{1}",
            "no key has",
        ),
    ] {
        let (code, _, message) = run(address, &[(name, value)], &[]);
        assert_eq!(code, Some(2), "{address}: {message}");
        assert!(message.contains(says), "{address}: {message}");
    }
}

#[test]
fn a_stored_call_lists_what_left_for_it() {
    let scratch = Scratch::new();
    let asr = Service::start(|_, question| Reply::Gives(heard(question)));
    let service = Settings::new(&scratch.path("data"))
        .arg("--asr", "remote")
        .env("DEALSTAGE_ASR_BASE_URL", &asr.address)
        .env("DEALSTAGE_ASR_MODEL", "my-whisper")
        .start();
    let id = service.take(&fixture("audio/discovery-en.opus"), &json!({"call_date": "2025-03-12"}));
    let analysis = service.analysed(&id);
    assert_eq!(analysis["provenance"]["asr_model"], "my-whisper");
    let egress = analysis["provenance"]["egress"].as_array().expect("egress");
    assert_eq!(egress.len(), asr.questions().len());
    // Analysed again from its words: they have left all the same.
    let letter = service.get(&format!("/v1/calls/{id}/follow-up"));
    assert!(letter["subject"].is_string(), "{letter}");
    let corrected = json!({"about": "deal_stage", "stage": "pain"});
    service.post(
        &format!("/v1/calls/{id}/corrections"),
        &corrected,
        reqwest::StatusCode::CREATED,
    );
    let again = service.analysed(&id);
    assert_eq!(again["provenance"]["egress"], analysis["provenance"]["egress"]);
    assert_eq!(egress.len(), asr.questions().len());
}
