//! The language model by exception: against a scripted service that does what services do.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Scratch, dealstage_with, fixture, stderr};

/// What the service does with a question.
pub enum Reply {
    /// A chat completion with this text.
    Says(String),
    /// This JSON.
    Gives(Value),
    /// The same as `Status`, and when to come again.
    Later(u16, &'static str),
    /// An HTTP status with this body.
    Status(u16, &'static str),
    /// It has moved to this address.
    Moved(String),
    /// Nothing, until the client gives up.
    Hangs,
    /// Hangs up when it has heard the question.
    Closes,
}

/// A service at a free port. It answers each question by its number and text, and keeps what it was sent: JSON, or a form with
/// its fields as texts, a file as its length, and the key.
pub struct Service {
    pub address: String,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    pub fn start(reply: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/v1", listener.local_addr().expect("address"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (kept, reply) = (heard.clone(), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, reply) = (kept.clone(), reply.clone());
                std::thread::spawn(move || serve(stream, &kept, reply.as_ref()));
            }
        });
        Self { address, heard }
    }

    pub fn questions(&self) -> Vec<Value> {
        self.heard.lock().expect("no panic").clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Value>>, reply: &dyn Fn(usize, &Value) -> Reply) {
    let mut reader = BufReader::new(stream.try_clone().expect("stream"));
    loop {
        let (mut length, mut boundary, mut key) = (0, None, String::new());
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':') {
                match (name.to_ascii_lowercase().as_str(), value.trim()) {
                    ("content-length", value) => length = value.parse().expect("a length"),
                    ("content-type", value) => {
                        boundary = value.split_once("boundary=").map(|(_, boundary)| boundary.to_owned());
                    }
                    ("authorization", value) => key = value.to_owned(),
                    _ => (),
                }
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        let question = match boundary {
            Some(boundary) => form(&body, &boundary, &key),
            None => serde_json::from_slice(&body).expect("JSON"),
        };
        let number = {
            let mut kept = kept.lock().expect("no panic");
            kept.push(question.clone());
            kept.len()
        };
        let (status, moved, body) = match reply(number, &question) {
            Reply::Says(text) => (200, String::new(), completion(&text)),
            Reply::Gives(json) => (200, String::new(), json.to_string()),
            Reply::Later(status, seconds) => (status, format!("retry-after: {seconds}\r\n"), String::new()),
            Reply::Status(status, body) => (status, String::new(), body.to_owned()),
            Reply::Moved(address) => (307, format!("location: {address}\r\n"), String::new()),
            Reply::Closes => return,
            Reply::Hangs => {
                std::thread::sleep(Duration::from_secs(30));
                return;
            }
        };
        let mut stream = &stream;
        let _ = write!(
            stream,
            "HTTP/1.1 {status} x\r\n{moved}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    }
}

fn form(body: &[u8], boundary: &str, key: &str) -> Value {
    let mut fields = serde_json::Map::new();
    fields.insert("key".to_owned(), key.into());
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|part| part == what);
    let mark = format!("--{boundary}");
    let mut rest = body;
    while let Some(at) = find(rest, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..at]).into_owned();
        let name = head.split("name=\"").nth(1).and_then(|name| name.split('"').next());
        let inside = &rest[at + 4..];
        let end = find(inside, mark.as_bytes()).expect("an end") - 2;
        let value = if head.contains("filename=") {
            inside[..end].len().into()
        } else {
            String::from_utf8_lossy(&inside[..end]).into_owned().into()
        };
        fields.insert(name.expect("a name").to_owned(), value);
        rest = &inside[end + 2..];
    }
    Value::Object(fields)
}

fn completion(text: &str) -> String {
    json!({"id":"c","object":"chat.completion","created":1,"model":"scripted",
        "choices":[{"index":0,"message":{"role":"assistant","content":text},"finish_reason":"stop","logprobs":null}]})
    .to_string()
}

fn text_of(question: &Value) -> &str {
    question["messages"][0]["content"]
        .as_str()
        .expect("the question's text")
}

pub fn form_of(question: &Value) -> &str {
    question["response_format"]["json_schema"]["name"]
        .as_str()
        .expect("the form's name")
}

/// Number, side and words of the turns in a question.
pub fn turns_of(question: &Value) -> Vec<(u32, String, String)> {
    let line = |line: &str| {
        let (head, words) = line.split_once(": ")?;
        let (number, side) = head.split_once(' ')?;
        Some((number.parse().ok()?, side.to_owned(), words.to_owned()))
    };
    text_of(question).lines().filter_map(line).collect()
}

pub fn asked_of(question: &Value) -> Vec<u32> {
    let line = text_of(question).lines().last().expect("a line");
    line.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Every asked turn is `closing`; a buyer's carries a commitment with its first word as the quote. The deal is at `power`.
fn sound(question: &Value) -> String {
    let turns = turns_of(question);
    if form_of(question) == "rewrite_follow_up" {
        return rewritten(question, |body| body);
    }
    if form_of(question) == "score_deal" {
        let (number, _, words) = turns.iter().find(|(_, side, _)| side == "buyer").expect("a buyer");
        let quote = words.split(' ').next().expect("a word");
        let element = |id: &str, score: u8| match score {
            0 => json!({"id": id, "score": 0, "turn": 0, "quote": ""}),
            _ => json!({"id": id, "score": score, "turn": number, "quote": quote}),
        };
        return json!({"elements": [element("pain", 2), element("power", 1), element("vision", 0), element("value", 0),
            element("control", 0)], "ending": {"id": "open", "turn": 0, "quote": ""}})
        .to_string();
    }
    let asked = asked_of(question);
    let answers = turns
        .iter()
        .filter(|(number, ..)| asked.contains(number))
        .map(|(number, side, words)| {
            let quote = words.split(' ').next().expect("a word");
            let signals = if side == "buyer" {
                json!([{"id": "buyer_commitment", "quote": quote}])
            } else {
                json!([])
            };
            json!({"i": number, "stage": "closing", "signals": signals})
        });
    json!({"turns": answers.collect::<Vec<_>>()}).to_string()
}

/// The letter of a question, with its body changed.
pub fn rewritten(question: &Value, change: impl Fn(String) -> String) -> String {
    let (_, letter) = text_of(question).split_once("Subject: ").expect("a letter");
    let (subject, body) = letter.split_once("\n\n").expect("subject and body");
    json!({"subject": subject, "body": change(body.trim().to_owned())}).to_string()
}

const CALL: &str = r#"{"id":"c-1","lang":"en","call_date":"2026-04-16","turns":[
{"i":1,"role":"rep","name":"Maya Stone","text":"Hi Karen, Maya from Northlane. What goes wrong with the orders?"},
{"i":2,"role":"buyer","name":"Karen Lee","text":"Orders get lost, Priya shouts at me, write to karen.lee@acme.example or +1 555 010 22 33."},
{"i":3,"role":"rep","name":"Maya Stone","text":"I will send it to Karen on Friday."},
{"i":4,"role":"buyer","name":"Karen Lee","text":"Fine. Karen reads it on Friday and Priya decides."}]}"#;

/// Runs `analyze` on a call with the service, and reads the document.
fn analyze(path: &str, scratch: &Scratch, address: &str, ask: &str, more: &[(&str, &str)]) -> (Value, String) {
    let data = scratch.path("data");
    let data = data.to_str().expect("path");
    let mut environment = vec![
        ("DEALSTAGE_LLM_BASE_URL", address),
        ("DEALSTAGE_LLM_MODEL", "scripted"),
        ("DEALSTAGE_LLM_API_KEY", "sk-secret"),
        ("DEALSTAGE_DATA", data),
    ];
    environment.extend(more);
    let output = dealstage_with(&["analyze", path, "--json", "--quiet", "--llm", ask], &environment);
    assert!(output.status.success(), "{}", stderr(&output));
    (serde_json::from_slice(&output.stdout).expect("JSON"), stderr(&output))
}

fn labels(document: &Value) -> Vec<(Value, Value)> {
    let turns = document["turns"].as_array().expect("turns").iter();
    turns
        .map(|turn| (turn["stage"].clone(), turn["signals"].clone()))
        .collect()
}

fn problems(document: &Value) -> String {
    document["provenance"]["llm"]["problems"].to_string()
}

#[test]
fn answers_are_used_listed_and_replayed() {
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let service = Service::start(|_, question| Reply::Says(sound(question)));
    let (document, _) = analyze(&path, &scratch, &service.address, "always", &[]);
    for turn in document["turns"].as_array().expect("turns") {
        assert_eq!(turn["stage"]["id"], "closing", "{turn}");
        assert_eq!(turn["stage"]["decided_by"], "llm");
    }
    assert_eq!(document["turns"][1]["signals"][0]["id"], "buyer_commitment");
    assert_eq!(document["deal"]["stage"], "power");
    assert_eq!(document["deal"]["decided_by"], "llm");
    assert_eq!(document["deal"]["elements"][0]["evidence"][0]["quote"], "Orders");
    assert_eq!(document["provenance"]["llm"]["model"], "scripted");
    assert_eq!(problems(&document), "[]");
    let egress = document["provenance"]["egress"].as_array().expect("egress");
    assert_eq!(egress.len(), service.questions().len());
    assert_eq!(egress[0]["turns"], json!([1, 2, 3, 4]));
    assert_eq!(egress[0]["to"].as_str(), Some(service.address.as_str()));

    // Nobody's name, address or number left, and the question was put as promised.
    for question in service.questions() {
        let sent = question.to_string();
        for personal in [
            "Karen",
            "Maya",
            "Lee",
            "Stone",
            "Priya",
            "Northlane",
            "acme",
            "555",
            "sk-secret",
        ] {
            assert!(!sent.contains(personal), "{personal} left: {sent}");
        }
        assert_eq!(question["temperature"], 0.0);
        assert_eq!(question["response_format"]["json_schema"]["strict"], true);
    }

    // The same again without a service: the stored answers give the same document.
    let asked = service.questions().len();
    let (again, _) = analyze(&path, &scratch, &service.address, "always", &[]);
    assert_eq!(service.questions().len(), asked, "asked again");
    assert_eq!(
        again["provenance"]["result_hash"],
        document["provenance"]["result_hash"]
    );
}

#[test]
fn a_letter_may_be_put_into_better_words_but_says_nothing_new() {
    type Change = fn(String) -> String;
    let cases: [(&str, Change, Option<&str>); 5] = [
        (
            "better words",
            |body| body.replace("Shall we pick a day", "Shall we choose a day"),
            None,
        ),
        (
            "a number",
            |body| body + "\nIt saves you 30 hours a week.",
            Some("it says something that nobody said"),
        ),
        (
            "a name",
            |body| body + "\nWe met with Gregory about it.",
            Some("it says something that nobody said"),
        ),
        (
            "a promise",
            |body| body + "\nI'll include training for everyone.",
            Some("it says something that nobody said"),
        ),
        (
            "a second question",
            |body| body + "\nShall we start?",
            Some("it does not ask the one question of the letter"),
        ),
    ];
    for (name, change, says) in cases {
        let scratch = Scratch::new();
        let path = scratch.write("call.json", CALL.as_bytes());
        let service = Service::start(move |_, question| {
            Reply::Says(match form_of(question) {
                "rewrite_follow_up" => rewritten(question, change),
                _ => sound(question),
            })
        });
        let (document, _) = analyze(&path, &scratch, &service.address, "always", &[]);
        let letter = &document["follow_up"];
        match says {
            None => {
                assert_eq!(letter["written_by"], "llm", "{name}: {}", problems(&document));
                assert!(
                    letter["body"].as_str().expect("text").contains("Shall we choose a day"),
                    "{letter}"
                );
                assert_eq!(problems(&document), "[]");
            }
            Some(why) => {
                assert_eq!(letter["written_by"], "template", "{name}: {letter}");
                assert!(problems(&document).contains(why), "{name}: {}", problems(&document));
            }
        }
        let sent = service
            .questions()
            .iter()
            .filter(|question| form_of(question) == "rewrite_follow_up")
            .count();
        assert_eq!(sent, 1, "{name}");
    }
}

#[test]
fn fallback_asks_only_where_the_local_model_is_unsure() {
    let scratch = Scratch::new();
    let path = fixture("calls/gold-en-1.json");
    let path = path.to_str().expect("path");
    let service = Service::start(|_, question| Reply::Says(sound(question)));
    let (local, _) = analyze(path, &scratch, &service.address, "off", &[]);
    assert!(service.questions().is_empty());
    assert_eq!(local["provenance"]["egress"], json!([]));
    let (document, _) = analyze(path, &scratch, &service.address, "fallback", &[]);
    let turns = local["turns"].as_array().expect("turns");
    let unsure: BTreeSet<u64> = turns
        .iter()
        .filter(|turn| turn["role"] != "unknown" && turn["stage"]["confidence"].as_f64().expect("a number") < 0.495)
        .map(|turn| turn["i"].as_u64().expect("a number"))
        .collect();
    let questions = service.questions();
    let about = |form: &'static str| questions.iter().filter(move |question| form_of(question) == form);
    let asked: BTreeSet<u64> = about("label_turns").flat_map(asked_of).map(u64::from).collect();
    assert!(
        !asked.is_empty() && asked.is_superset(&unsure),
        "asked {asked:?}, unsure {unsure:?}"
    );
    for (before, after) in turns.iter().zip(document["turns"].as_array().expect("turns")) {
        if before["stage"]["confidence"].as_f64().expect("a number") > 0.505 {
            assert!(!asked.contains(&before["i"].as_u64().expect("a number")));
            assert_eq!(before["stage"], after["stage"]);
            assert_eq!(before["signals"], after["signals"]);
        }
    }
    assert!(about("score_deal").count() <= 1);
}

#[test]
fn whatever_goes_wrong_the_local_answer_stands() {
    type Script = fn(usize, &Value) -> Reply;
    let cases: [(&str, Script, &str, usize); 13] = [
        (
            "busy",
            |_, _| Reply::Status(429, r#"{"error":{"message":"slow down"}}"#),
            "busy: HTTP 429",
            3,
        ),
        (
            "broken",
            |_, _| Reply::Status(500, "Orders get lost"),
            "failed: HTTP 500",
            3,
        ),
        (
            "refused key",
            |_, _| Reply::Status(401, r#"{"error":{"message":"bad key"}}"#),
            "refused: HTTP 401",
            1,
        ),
        (
            "refused with a number",
            |_, _| Reply::Status(403, r#"{"error":{"code":403,"message":"no","type":"x"}}"#),
            "refused: HTTP 403",
            1,
        ),
        (
            "busy page",
            |_, _| Reply::Status(429, "<html>slow</html>"),
            "busy: HTTP 429",
            3,
        ),
        (
            "other keys",
            |_, _| Reply::Says(r#"{"turns":"Orders get lost, Karen"}"#.to_owned()),
            "does not fit its form",
            3,
        ),
        ("hangs up", |_, _| Reply::Closes, "the connection broke", 3),
        (
            "nonsense",
            |_, _| Reply::Says("I think it is discovery.".to_owned()),
            "does not fit its form",
            3,
        ),
        (
            "no completion",
            |_, _| Reply::Status(200, "<html>"),
            "does not fit its form",
            3,
        ),
        (
            "unknown id",
            |_, _| Reply::Says(r#"{"turns":[{"i":2,"stage":"Orders get lost","signals":[]}]}"#.to_owned()),
            "does not fit its form",
            3,
        ),
        (
            "other words",
            |_, _| {
                Reply::Says(
                    r#"{"turns":[{"i":2,"stage":"discovery","signals":[{"id":"buyer_pain","quote":"orders vanish"}]}]}"#
                        .to_owned(),
                )
            },
            "the words quoted for buyer_pain are not in the turn",
            1,
        ),
        (
            "other side",
            |_, _| {
                Reply::Says(
                    r#"{"turns":[{"i":2,"stage":"discovery","signals":[{"id":"rep_pitch","quote":"Orders"}]}]}"#
                        .to_owned(),
                )
            },
            "rep_pitch on a turn of the buyer",
            1,
        ),
        ("silence", |_, _| Reply::Hangs, "no answer within", 1),
    ];
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let (local, _) = analyze(&path, &scratch, "http://127.0.0.1:9", "off", &[]);
    for (name, script, says, tries) in cases {
        let scratch = Scratch::new();
        let service = Service::start(script);
        let more = [
            ("DEALSTAGE_LLM_TIME_LIMIT", if name == "silence" { "1" } else { "20" }),
            ("RUST_LOG", "trace"),
        ];
        let (document, log) = analyze(&path, &scratch, &service.address, "always", &more);
        assert!(problems(&document).contains(says), "{name}: {}", problems(&document));
        assert_eq!(labels(&document), labels(&local), "{name}");
        assert_eq!(document["deal"], local["deal"], "{name}");
        let egress = document["provenance"]["egress"].as_array().expect("egress");
        assert!(!egress.is_empty(), "{name}: what was sent is not listed");
        let first = text_of(&service.questions()[0]).to_owned();
        let same = service
            .questions()
            .iter()
            .filter(|question| text_of(question) == first)
            .count();
        assert_eq!(same, tries, "{name}: tries of the first question");
        assert!(
            !log.contains("get lost") && !log.contains("Karen"),
            "{name}: the log has words of the call"
        );
    }
    // Nobody there at all.
    let (document, _) = analyze(&path, &scratch, "http://127.0.0.1:9/v1", "always", &[]);
    assert!(
        problems(&document).contains("cannot be reached"),
        "{}",
        problems(&document)
    );
    assert_eq!(labels(&document), labels(&local));
    assert_eq!(document["provenance"]["egress"], json!([]));
}

#[test]
fn a_service_may_take_the_schema_beside_json_object() {
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let service = Service::start(|number, _| match number {
        1 => Reply::Says(r#"{"turns":[]}"#.to_owned()),
        _ => Reply::Status(401, ""),
    });
    let more = [("DEALSTAGE_LLM_FORM", "json_object")];
    let (document, _) = analyze(&path, &scratch, &service.address, "always", &more);
    let question = &service.questions()[0];
    assert_eq!(question["response_format"]["type"], "json_object");
    assert!(
        question["response_format"]["schema"]["properties"]["turns"].is_object(),
        "{question}"
    );
    assert!(problems(&document).contains("it says nothing about the turn"));
}

#[test]
fn a_busy_service_is_asked_again() {
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let service = Service::start(|number, question| match number {
        1 => Reply::Status(429, r#"{"error":{"message":"slow down"}}"#),
        2 => Reply::Status(503, "later"),
        _ => Reply::Says(sound(question)),
    });
    let (document, _) = analyze(&path, &scratch, &service.address, "always", &[]);
    assert_eq!(problems(&document), "[]");
    assert_eq!(document["turns"][0]["stage"]["decided_by"], "llm");
}

#[test]
fn the_budget_ends_the_questions() {
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let service = Service::start(|_, question| Reply::Says(sound(question)));
    let more = [("DEALSTAGE_LLM_BUDGET", "100")];
    let (document, _) = analyze(&path, &scratch, &service.address, "always", &more);
    assert!(
        problems(&document).contains("budget of 100 characters"),
        "{}",
        problems(&document)
    );
    assert!(service.questions().is_empty());
    assert_eq!(document["provenance"]["egress"], json!([]));
}

#[test]
fn settings_that_are_missing_or_wrong() {
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let run = |environment: &[(&str, &str)]| {
        let output = dealstage_with(&["analyze", &path, "--quiet", "--llm", "fallback"], environment);
        (output.status.code(), stderr(&output))
    };
    let (code, message) = run(&[]);
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("DEALSTAGE_LLM_BASE_URL"), "{message}");
    let prompts = scratch.write("label_turns.md.jinja", b"{{ turns }} {{ weather }}");
    let folder = std::path::Path::new(&prompts)
        .parent()
        .and_then(|folder| folder.to_str())
        .expect("folder");
    let (code, message) = run(&[
        ("DEALSTAGE_LLM_BASE_URL", "http://127.0.0.1:9"),
        ("DEALSTAGE_LLM_MODEL", "m"),
        ("DEALSTAGE_PROMPTS", folder),
    ]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("it uses weather"), "{message}");
    for (name, value, says) in [
        ("DEALSTAGE_PROMPTS", "/no/such/folder", "no such folder"),
        ("DEALSTAGE_LLM_API_KEY", "sk-\u{1}", "no key has"),
        ("DEALSTAGE_LLM_BUDGET", "much", "not a whole number"),
        ("DEALSTAGE_LLM_FORM", "xml", "neither json_schema nor json_object"),
    ] {
        let (code, message) = run(&[
            ("DEALSTAGE_LLM_BASE_URL", "http://127.0.0.1:9"),
            ("DEALSTAGE_LLM_MODEL", "m"),
            (name, value),
        ]);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(says), "{message}");
    }
}

/// The operator names the address, on this machine too. Where that leads next is not the service's to say.
#[test]
fn the_address_that_was_named_is_the_only_one() {
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let elsewhere = Service::start(|_, question| Reply::Says(sound(question)));
    let away = format!("{}/chat/completions", elsewhere.address);
    let service = Service::start(move |_, _| Reply::Moved(away.clone()));
    let by_name = service.address.replace("127.0.0.1", "localhost");
    for address in [&service.address, &by_name] {
        let scratch = Scratch::new();
        let before = service.questions().len();
        let (document, _) = analyze(&path, &scratch, address, "always", &[]);
        assert!(service.questions().len() > before, "{address}");
        assert!(problems(&document).contains("HTTP 307"), "{}", problems(&document));
    }
    assert!(elsewhere.questions().is_empty(), "a redirect was followed");
    for (address, says) in [
        ("http://169.254.169.254/v1", "metadata"),
        ("https://169.254.169.254/v1", "metadata"),
        ("http://2852039166/v1", "metadata"),
        ("http://[fe80::1]/v1", "metadata"),
        ("http://[fd00:ec2::254]/v1", "metadata"),
        ("http://100.100.100.200/v1", "metadata"),
        ("http://1.1.1.1/v1", "without encryption"),
        ("file:///etc/passwd", "https://"),
    ] {
        let environment = [("DEALSTAGE_LLM_BASE_URL", address), ("DEALSTAGE_LLM_MODEL", "m")];
        let output = dealstage_with(&["analyze", &path, "--quiet", "--llm", "always"], &environment);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{address}: {message}");
        assert!(
            message.contains("DEALSTAGE_LLM_BASE_URL") && message.contains(says),
            "{address}: {message}"
        );
    }
}

/// `make test-llm` starts a service with real weights. Its judgement is worth nothing; that it is held to the form and the
/// checks, and replayed, is what counts.
#[test]
fn a_real_service_is_held_to_the_form() {
    let Ok(address) = std::env::var("DEALSTAGE_TEST_LLM") else {
        eprintln!("skipped: DEALSTAGE_TEST_LLM is not set");
        return;
    };
    let scratch = Scratch::new();
    let path = scratch.write("call.json", CALL.as_bytes());
    let more = [
        ("DEALSTAGE_LLM_TIME_LIMIT", "300"),
        ("DEALSTAGE_LLM_FORM", "json_object"),
    ];
    let (document, _) = analyze(&path, &scratch, &address, "always", &more);
    let egress = document["provenance"]["egress"].as_array().expect("egress");
    assert_eq!(
        egress.len(),
        3,
        "the turns, the deal, the letter: {}",
        problems(&document)
    );
    let turns = document["turns"].as_array().expect("turns");
    let mut taken = 0;
    for turn in turns {
        let named = problems(&document).contains("label_turns (turns")
            || problems(&document).contains(&format!("(turn {})", turn["i"]));
        let believed = turn["stage"]["decided_by"] == "llm";
        assert!(
            believed || named,
            "nobody says why the answer about {} was not taken",
            turn["i"]
        );
        taken += usize::from(believed);
    }
    println!(
        "{taken} of {} turns were believed; problems: {}",
        turns.len(),
        problems(&document)
    );
    let (again, _) = analyze(&path, &scratch, &address, "always", &more);
    assert_eq!(
        again["provenance"]["result_hash"],
        document["provenance"]["result_hash"]
    );
}
