//! The service through its front door: the real binary, on SQLite, and on PostgreSQL with a bucket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::served::{self, Service, Settings};
use crate::support::{Scratch, analyze, dealstage, dealstage_with, fixture, stderr, stdout};

fn sqlite(scratch: &Scratch) -> Service {
    Settings::new(&scratch.path("data")).start()
}

#[test]
fn a_call_comes_in_and_its_analysis_is_that_of_the_command_line() {
    let scratch = Scratch::new();
    let services = [
        Some(Settings::new(&scratch.path("sqlite"))),
        Settings::new(&scratch.path("servers")).on_servers(),
    ];
    let file = fixture("deals/sklad-1.json");
    let offline = analyze(&[file.to_str().expect("a path"), "--rep", "Антон"]);
    for settings in services.into_iter().flatten() {
        let (pairs, data) = (settings.environment.clone(), settings.data.clone());
        let service = settings.start();
        let id = service.take(&file, &json!({"rep": "Антон", "colour": "red"}));
        let stored = service.analysed(&id);
        // The file has no id of its own: the command line takes its name. The rest is the same.
        let mut same = with_id(&offline, "sklad-1", &id);
        same["call"]["source"] = stored["call"]["source"].clone();
        same["provenance"] = stored["provenance"].clone();
        assert_eq!(stored, same);
        let letter = service.get(&format!("/v1/calls/{id}/follow-up"));
        assert_eq!(letter["subject"], stored["follow_up"]["subject"]);
        let events = events(&service, 0);
        assert_eq!(events[0]["type"], "call.analyzed");
        assert_eq!(events[0]["data"]["result_hash"], stored["provenance"]["result_hash"]);
        // Run again by hand, beside the running service.
        let environment: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let data = data.to_str().expect("a path");
        let output = dealstage_with(&["replay", &id, "--data", data], &environment);
        let said = stdout(&output);
        assert!(
            output.status.success() && said.contains(stored["provenance"]["result_hash"].as_str().expect("a hash")),
            "{said}"
        );
        let output = dealstage_with(&["replay", &id, "--data", data, "--process", "bant"], &environment);
        assert_eq!(output.status.code(), Some(1));
        let said = stdout(&output);
        assert!(
            said.starts_with("not the same, from its file") && said.contains("\n/deal/"),
            "{said}"
        );
        // What a person is called is in no log.
        let log = std::fs::read_to_string(&service.log).expect("a log");
        assert!(!log.contains("Антон") && !log.contains("sklad"), "{log}");
    }
}

/// An analysis as that of a call of another id.
fn with_id(analysis: &Value, from: &str, to: &str) -> Value {
    let text = analysis
        .to_string()
        .replace(&format!("\"{from}\""), &format!("\"{to}\""));
    serde_json::from_str(&text).expect("JSON")
}

fn events(service: &Service, after: i64) -> Vec<Value> {
    let answer = service
        .ask("GET", &format!("/v1/events?after={after}"))
        .header("accept", "application/json")
        .send()
        .expect("an answer");
    serde_json::from_value(served::json(answer, StatusCode::OK)).expect("a list")
}

#[test]
fn a_recording_is_heard_and_played_back_in_parts() {
    let scratch = Scratch::new();
    let settings = Settings::new(&scratch.path("data"));
    // A bucket, where there is one.
    let service = Settings::new(&scratch.path("servers"))
        .on_servers()
        .unwrap_or(settings)
        .start();
    let file = fixture("audio/discovery-ru.opus");
    let bytes = std::fs::read(&file).expect("a file");
    let analysis_of = || {
        let id = service.take(&file, &json!({"call_date": "2025-04-16"}));
        let analysis = service.analysed(&id);
        (id, analysis)
    };
    let (id, analysis) = analysis_of();
    let offline = analyze(&[file.to_str().expect("a path"), "--call-date", "2025-04-16"]);
    let offline = with_id(&offline, "discovery-ru", &id);
    for part in ["turns", "deal", "qualification", "follow_up"] {
        assert_eq!(analysis[part], offline[part], "{part}");
    }
    let ask = |range: &str| {
        let path = format!("/v1/calls/{id}/audio");
        service
            .ask("GET", &path)
            .header("range", range)
            .send()
            .expect("an answer")
    };
    let whole = service
        .ask("GET", &format!("/v1/calls/{id}/audio"))
        .send()
        .expect("an answer");
    assert_eq!(whole.headers()["content-type"], "audio/ogg");
    assert_eq!(whole.bytes().expect("bytes"), bytes);
    for (range, expected, says) in [
        ("bytes=0-99", &bytes[..100], format!("bytes 0-99/{}", bytes.len())),
        (
            "bytes=-50",
            &bytes[bytes.len() - 50..],
            format!("bytes {}-{}/{}", bytes.len() - 50, bytes.len() - 1, bytes.len()),
        ),
        (
            "bytes=1000-",
            &bytes[1000..],
            format!("bytes 1000-{}/{}", bytes.len() - 1, bytes.len()),
        ),
    ] {
        let part = ask(range);
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.headers()["content-range"], says.as_str());
        assert_eq!(part.bytes().expect("bytes"), expected, "{range}");
    }
    let beyond = ask("bytes=999999999-");
    assert_eq!(
        beyond.headers()["content-range"],
        format!("bytes */{}", bytes.len()).as_str()
    );
    served::problem(beyond, 416);
    assert_eq!(ask("lines=1-2").status(), StatusCode::OK);
    let cached = service
        .ask("GET", &format!("/v1/calls/{id}/audio"))
        .header("if-none-match", ask("bytes=0-0").headers()["etag"].clone())
        .send()
        .expect("an answer");
    assert_eq!(cached.status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn what_cannot_be_used_is_refused_with_a_reason() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).arg("--max-upload", "1").start();
    let transcript = fixture("deals/clinic-1.json");
    let large = scratch.path("large.vtt");
    std::fs::write(&large, vec![b'a'; (1 << 20) + 1]).expect("written");
    let empty = scratch.path("empty.wav");
    std::fs::write(&empty, b"").expect("written");
    for (file, meta, status, says) in [
        (&large, json!({}), 413, "over the limit of 1 MiB"),
        (&empty, json!({}), 422, "the file is empty"),
        (&transcript, json!({"process": "spin"}), 422, "ppvvc"),
        (&transcript, json!({"call_date": "12.03"}), 422, "meta"),
        (&transcript, json!({"deal": {"id": "deal_none"}}), 404, "no such deal"),
        (&transcript, json!({"owner": "nobody@example.com"}), 422, "no such user"),
        (&transcript, json!([]), 422, "JSON object"),
    ] {
        let detail = served::problem(service.upload(file, &meta), status);
        assert!(detail.contains(says), "{detail}");
    }
    let ask = |kind: &str, body: &str| {
        let request = service.ask("POST", "/v1/calls").header("content-type", kind);
        request.body(body.to_owned()).send().expect("an answer")
    };
    for (kind, body, status) in [
        ("application/json", r#"{"turns":[]}"#, 422),
        ("application/json", "{", 422),
        ("text/vtt", "WEBVTT", 415),
        ("multipart/form-data; boundary=x", "--x--", 400),
        ("multipart/form-data", "", 400),
    ] {
        served::problem(ask(kind, body), status);
    }
    served::problem(service.ask("GET", "/v1/calls?limit=0").send().expect("an answer"), 400);
    served::problem(
        service.ask("GET", "/v1/calls?status=odd").send().expect("an answer"),
        400,
    );
    served::problem(
        service.ask("GET", "/v1/calls/call_none").send().expect("an answer"),
        404,
    );
    served::problem(service.ask("GET", "/v1/none").send().expect("an answer"), 404);
    served::problem(service.ask("PATCH", "/v1/deals").send().expect("an answer"), 405);
    served::problem(service.bare("GET", "/v1/calls").send().expect("an answer"), 401);
    served::problem(
        service
            .ask_as("dsk_wrong", "GET", "/v1/calls")
            .send()
            .expect("an answer"),
        401,
    );
    assert_eq!(service.get("/v1/calls")["items"], json!([]));
    // Nothing is left of what was refused.
    let left: Vec<_> = std::fs::read_dir(scratch.path("data").join("staging"))
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");

    // What only the worker sees.
    let noise = scratch.path("noise.bin");
    std::fs::write(&noise, [0xff_u8, 0x00, 0x13, 0x37].repeat(100)).expect("written");
    let id = service.take(&noise, &json!({}));
    let call = service.ended(&id);
    assert_eq!(call["status"], "failed");
    assert_eq!(call["error"]["code"], "bad_input");
    let message = call["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("noise.bin: "), "{message}");
    let detail = served::problem(
        service
            .ask("GET", &format!("/v1/calls/{id}/analysis"))
            .send()
            .expect("an answer"),
        409,
    );
    assert!(detail.contains(message), "{detail}");
    assert_eq!(events(&service, 0)[0]["type"], "call.failed");
}

#[test]
fn a_repeated_request_has_one_effect() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let body = std::fs::read_to_string(fixture("deals/clinic-1.json")).expect("a file");
    let upload = |body: &str| {
        let request = service.ask("POST", "/v1/calls").header("idempotency-key", "one");
        request
            .header("content-type", "application/json")
            .body(body.to_owned())
            .send()
            .expect("an answer")
    };
    let first = served::json(upload(&body), StatusCode::ACCEPTED);
    let again = upload(&body);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(served::json(again, StatusCode::ACCEPTED)["id"], first["id"]);
    served::problem(upload(&body.replace("Priya", "Maya")), 422);
    assert_eq!(service.get("/v1/calls")["items"].as_array().expect("a list").len(), 1);

    let deal = |name: &str| {
        let request = service.ask("POST", "/v1/deals").header("idempotency-key", "two");
        request.json(&json!({"name": name})).send().expect("an answer")
    };
    let first = served::json(deal("Clinic"), StatusCode::CREATED);
    let again = deal("Clinic");
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(served::json(again, StatusCode::CREATED), first);
    served::problem(deal("Depot"), 422);
    assert_eq!(service.get("/v1/deals")["items"].as_array().expect("a list").len(), 1);
}

#[test]
fn lists_come_in_pages() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    for name in ["A", "B", "C", "D", "E"] {
        service.post("/v1/deals", &json!({"name": name}), StatusCode::CREATED);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = service.get(&format!("/v1/deals?limit=2{cursor}"));
        for deal in page["items"].as_array().expect("a list") {
            seen.push(deal["name"].as_str().expect("a name").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["E", "D", "C", "B", "A"]);
}

#[test]
fn calls_with_a_deal_build_on_each_other() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let meta = json!({"deal": {"crm_id": "7", "name": "Clinic"}, "contact": {"phone": "+44 20 7946 0018"}});
    // The later call first: it is run again when the earlier one is there.
    let second = service.take(&fixture("deals/clinic-2.json"), &meta);
    service.analysed(&second);
    let before = chrono::Utc::now();
    let first = service.take(
        &fixture("deals/clinic-1.json"),
        &json!({"contact": {"phone": "020 7946 0018"}}),
    );
    service.analysed(&first);
    let started = Instant::now();
    let analysis = loop {
        let analysis = service.analysed(&second);
        if analysis["deal"]["earlier_calls"]
            .as_array()
            .is_some_and(|calls| !calls.is_empty())
        {
            break analysis;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the later call was not run again"
        );
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(analysis["deal"]["earlier_calls"][0]["id"], first.as_str());
    let offline = analyze(&[
        fixture("deals/clinic-2.json").to_str().expect("a path"),
        "--previous",
        {
            let path = scratch.path("first.json");
            std::fs::write(&path, service.get(&format!("/v1/calls/{first}/analysis")).to_string()).expect("written");
            path.to_str().expect("a path").to_owned().leak()
        },
    ]);
    for part in ["turns", "qualification", "follow_up", "next_actions", "root_causes"] {
        assert_eq!(analysis[part], offline[part], "{part}");
    }
    let deals = service.get("/v1/deals");
    let deal = deals["items"][0]["id"].as_str().expect("a deal").to_owned();
    assert_eq!(deals["items"].as_array().expect("a list").len(), 1);
    let state = service.get(&format!("/v1/deals/{deal}"));
    assert_eq!((&state["crm_id"], &state["revision"]), (&json!("7"), &json!(3)));
    assert_eq!(state["stage"], analysis["deal"]["stage"]);
    assert_eq!(state["known"]["deal"], analysis["deal"]);
    let at = before.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let history = |query: &str| service.get(&format!("/v1/deals/{deal}/history{query}"));
    let records = |query: &str| history(query)["records"].as_array().expect("a list").len();
    assert_eq!(
        (records(""), records(&format!("?at={at}")), records("?at=2020-01-01")),
        (3, 1, 0)
    );
    served::problem(
        service
            .ask("GET", &format!("/v1/deals/{deal}/history?at=soon"))
            .send()
            .expect("an answer"),
        400,
    );

    // A call that leads nowhere waits, until somebody says where it belongs.
    let stray = service.take(&fixture("deals/sklad-1.json"), &json!({}));
    service.analysed(&stray);
    let inbox = service.get("/v1/calls?inbox=true");
    assert_eq!(inbox["items"][0]["id"], stray.as_str());
    let moved = service
        .ask("PUT", &format!("/v1/calls/{stray}/deal"))
        .json(&json!({"deal_id": deal}))
        .send()
        .expect("an answer");
    assert_eq!(served::json(moved, StatusCode::OK)["deal_id"], deal.as_str());
    assert_eq!(service.get("/v1/calls?inbox=true")["items"], json!([]));
    service.analysed(&stray);
}

#[test]
fn a_letter_is_edited_and_approved() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    service.analysed(&id);
    let path = format!("/v1/calls/{id}/follow-up");
    let written = service.get(&path);
    assert_eq!((&written["state"], &written["revision"]), (&json!("draft"), &json!(0)));
    let edit = |revision: i64| {
        let edit = json!({"subject": "Next steps", "body": "Hello", "revision": revision});
        service.ask("PUT", &path).json(&edit).send().expect("an answer")
    };
    assert_eq!(served::json(edit(0), StatusCode::OK)["revision"], 1);
    served::problem(edit(0), 409);
    let approved = service
        .ask("POST", &format!("{path}/approve"))
        .send()
        .expect("an answer");
    let approved = served::json(approved, StatusCode::OK);
    assert_eq!(
        (&approved["state"], &approved["subject"]),
        (&json!("approved"), &json!("Next steps"))
    );
    assert_eq!(approved["facts"], written["facts"]);
    assert_eq!(
        events(&service, 0).last().expect("an event")["type"],
        "followup.approved"
    );
    assert_eq!(served::json(edit(2), StatusCode::OK)["state"], "draft");

    let correct = |body: &Value, status: u16| {
        let answer = service
            .ask("POST", &format!("/v1/calls/{id}/corrections"))
            .json(body)
            .send()
            .expect("an answer");
        assert_eq!(
            answer.status().as_u16(),
            status,
            "{}",
            answer.text().unwrap_or_default()
        );
    };
    correct(&json!({"about": "stage", "turn": 1, "stage": "discovery"}), 201);
    correct(
        &json!({"about": "signal", "turn": 2, "signal": "buyer_pane", "present": false}),
        422,
    );
    correct(&json!({"about": "stage", "turn": 999, "stage": "discovery"}), 422);
    correct(&json!({"about": "stage", "turn": 1, "stage": "nowhere"}), 422);
    let kept = service.get(&format!("/v1/calls/{id}/corrections"));
    assert_eq!(kept.as_array().expect("a list").len(), 1);
    assert_eq!(kept[0]["stage"], "discovery");
}

#[test]
fn next_actions_are_ticked_off() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    let analysis = service.analysed(&id);
    let action = &analysis["next_actions"][0];
    let key = match &action["evidence"][0]["turn"] {
        Value::Null => action["id"].as_str().expect("an id").to_owned(),
        turn => format!("{}.{turn}", action["id"].as_str().expect("an id")),
    };
    let path = format!("/v1/calls/{id}/actions");
    let tick = |key: &str, done: bool| {
        let answer = service
            .ask("PUT", &format!("{path}/{key}"))
            .json(&json!({"done": done}))
            .send();
        answer.expect("an answer")
    };
    assert_eq!(service.get(&path), json!([]));
    for _ in 0..2 {
        let done = served::json(tick(&key, true), StatusCode::OK);
        assert_eq!((done.as_array().map(Vec::len), &done[0]["id"]), (Some(1), &json!(key)));
    }
    served::problem(tick("no_such_action", true), 404);
    assert_eq!(service.get(&path)[0]["id"], key.as_str());
    assert_eq!(served::json(tick(&key, false), StatusCode::OK), json!([]));
}

#[test]
fn events_arrive_as_they_happen_and_from_any_point() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let stream = |after: &str| {
        let answer = service
            .ask("GET", &format!("/v1/events{after}"))
            .send()
            .expect("an answer");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        BufReader::new(answer).lines()
    };
    let mut live = stream("?after=0");
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({"deal": {"name": "Clinic"}}));
    let mut next = || loop {
        let line = live.next().expect("a line").expect("a line");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str::<Value>(data).expect("JSON");
        }
    };
    let first = next();
    assert_eq!(
        (&first["type"], &first["data"]["call_id"]),
        (&json!("call.analyzed"), &json!(id))
    );
    let kinds: Vec<Value> = (0..3).map(|_| next()["type"].clone()).collect();
    assert_eq!(kinds, ["followup.drafted", "deal.updated", "deal.stage_changed"]);
    let later = stream("?after=2")
        .map_while(Result::ok)
        .find(|line| line.starts_with("id:"))
        .expect("an id");
    assert_eq!(later, "id: 3");
    // From now on: the number comes at once, what has happened does not.
    let mut news = stream("?after=-1")
        .map_while(Result::ok)
        .filter(|line| !line.is_empty());
    assert_eq!(news.next().as_deref(), Some("id: 4"));
    let second = service.take(&fixture("deals/sklad-1.json"), &json!({}));
    let told = news.find_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    assert_eq!(told.expect("an event")["data"]["call_id"], second.as_str());
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let answer = service.bare("GET", "/openapi.json").send().expect("an answer");
    let document = served::json(answer, StatusCode::OK);
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        let asked = path.replace("{id}", "none_1");
        let methods = methods.as_object().expect("methods");
        for method in ["get", "post", "put", "patch", "delete"] {
            // Without a key: what is there wants one, what is not there says so.
            let answer = service.bare(&method.to_uppercase(), &asked).send().expect("an answer");
            let there = answer.status() != StatusCode::METHOD_NOT_ALLOWED && answer.status() != StatusCode::NOT_FOUND;
            let described = methods.contains_key(method);
            // A closed route hides which methods it has.
            let hidden = answer.status() == StatusCode::UNAUTHORIZED;
            assert!(there == described || hidden, "{method} {path}: {}", answer.status());
            let keyed = service.ask(&method.to_uppercase(), &asked).send().expect("an answer");
            let there = keyed.status() != StatusCode::METHOD_NOT_ALLOWED;
            assert!(there || !described, "{method} {path} is described, not there");
            assert!(
                !there || described,
                "{method} {path} is there, not described: {}",
                keyed.status()
            );
        }
    }
    for promised in [
        "/v1/calls",
        "/v1/calls/{id}",
        "/v1/calls/{id}/analysis",
        "/v1/calls/{id}/audio",
        "/v1/calls/{id}/follow-up",
        "/v1/calls/{id}/follow-up/approve",
        "/v1/calls/{id}/corrections",
        "/v1/deals",
        "/v1/deals/{id}",
        "/v1/deals/{id}/history",
        "/v1/events",
        "/v1/insights/funnel",
        "/v1/insights/cycle",
        "/v1/insights/process",
        "/v1/insights/forecast",
        "/v1/insights/coaching",
        "/healthz",
        "/readyz",
    ] {
        assert!(paths.contains_key(promised), "{promised} is not described");
    }
}

#[test]
fn one_who_asks_too_often_waits() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).arg("--rate", "12").start();
    let mut answers = (0..4).map(|_| service.ask("GET", "/v1/deals").send().expect("an answer"));
    let refused = answers
        .find(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS)
        .expect("refused");
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .expect("a text")
        .parse()
        .expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    // Health needs no key and has no limit.
    for _ in 0..10 {
        assert!(
            service
                .bare("GET", "/readyz")
                .send()
                .expect("an answer")
                .status()
                .is_success()
        );
    }
}

/// What became of a service that cannot start.
fn serve_in(data: &Path, address: &str) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_dealstage"))
        .args(["serve", "--listen", address, "--data"])
        .arg(data)
        .env_remove("DEALSTAGE_ADMIN_KEY")
        .output()
        .expect("it starts")
}

#[test]
fn the_first_start_shows_its_key_once() {
    let scratch = Scratch::new();
    let start = || {
        Settings::new(&scratch.path("data"))
            .env("DEALSTAGE_ADMIN_KEY", "")
            .start()
    };
    // A start that fails shows no key, so it makes none.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let failed = serve_in(&scratch.path("data"), &address);
    assert_eq!(failed.status.code(), Some(2));
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(said.contains(&address) && said.contains("nothing listens"), "{said}");
    let first = start();
    let key = first
        .greeting
        .iter()
        .find_map(|line| Some(line.split_once("shown this once: ")?.1.to_owned()));
    let key = key.expect("a key");
    assert_eq!(
        first
            .ask_as(&key, "GET", "/v1/calls")
            .send()
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    // Another on the same folder would take its jobs.
    let output = serve_in(&scratch.path("data"), "127.0.0.1:0");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another `dealstage serve`"));
    let metrics = first.metrics.clone().expect("metrics");
    let figures = reqwest::blocking::get(metrics)
        .expect("an answer")
        .text()
        .expect("a text");
    assert!(figures.contains("dealstage_jobs_queued 0"), "{figures}");
    assert!(figures.contains("route=\"/v1/calls\",status=\"200\""), "{figures}");
    assert!(first.stop().success());
    let second = start();
    assert!(
        second.greeting.iter().all(|line| !line.contains("key")),
        "{:?}",
        second.greeting
    );
    assert_eq!(
        second
            .ask_as(&key, "GET", "/v1/calls")
            .send()
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    // Nowhere on the disk is the key itself.
    for entry in std::fs::read_dir(scratch.path("data")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
            assert!(!found, "{} holds the key", path.display());
        }
    }
}

#[test]
fn the_end_gives_back_what_is_not_done() {
    let scratch = Scratch::new();
    let start = || Settings::new(&scratch.path("data")).arg("--grace", "0").start();
    let service = start();
    let id = service.take(&fixture("audio/discovery-ru.opus"), &json!({}));
    let started = Instant::now();
    while service.get(&format!("/v1/calls/{id}"))["status"] != "running" {
        assert!(started.elapsed() < Duration::from_secs(30), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(service.stop().success());
    let service = start();
    service.analysed(&id);
    // Once, however often it was begun.
    let analysed = events(&service, 0)
        .into_iter()
        .filter(|event| event["type"] == "call.analyzed")
        .count();
    assert_eq!(analysed, 1);
}

#[test]
fn a_client_that_falls_silent_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).arg("--upload-time", "2").start();
    let address = service.base.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connected");
    let head = format!(
        "POST /v1/calls HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{\"turns\":",
        served::KEY
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let left = std::fs::read_dir(scratch.path("data").join("staging"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0);
    assert_eq!(service.get("/v1/calls")["items"], json!([]));
}

#[test]
fn a_process_file_of_the_workspace_is_used_from_then_on() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let put = |file: &str| {
        let text = std::fs::read_to_string(fixture(file)).expect("a file");
        service.ask("PUT", "/v1/process").body(text).send().expect("an answer")
    };
    let broken = put("processes/broken.toml");
    assert_eq!(broken.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let document: Value = serde_json::from_str(&broken.text().expect("a body")).expect("JSON");
    assert!(
        document["problems"].as_array().expect("problems").len() > 30,
        "{document}"
    );
    let shown = service.ask("GET", "/v1/process").send().expect("an answer");
    assert!(shown.text().expect("a file").contains("id = \"ppvvc\""));
    let used = served::json(put("processes/five_stage.toml"), StatusCode::OK);
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    let analysis = service.analysed(&id);
    assert_eq!(analysis["deal"]["process_hash"], used["hash"]);
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({"process": "bant"}));
    assert_eq!(service.analysed(&id)["deal"]["process"], "bant");
}

#[test]
fn a_recording_that_never_ends_is_refused_while_it_is_read() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).arg("--max-minutes", "1").start();
    let file = scratch.path("long.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&file, spec).expect("a file");
    for _ in 0..8000 * 90 {
        wav.write_sample(0_i16).expect("written");
    }
    wav.finalize().expect("written");
    let id = service.take(&file, &json!({}));
    let call = service.ended(&id);
    assert_eq!(
        (&call["status"], &call["error"]["code"]),
        (&json!("failed"), &json!("bad_input"))
    );
    let message = call["error"]["message"].as_str().expect("a message");
    assert!(message.contains("longer than the limit of 1 minutes"), "{message}");
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let scratch = Scratch::new();
    let config = scratch.path("serve.toml");
    let start = |data: &str| {
        let config = config.to_str().expect("a path");
        Settings::new(&scratch.path(data)).arg("--config", config)
    };
    // How large an upload may be tells which setting counts.
    let is_limit = |service: &Service, mib: usize| {
        let large = scratch.path("large.vtt");
        std::fs::write(&large, vec![b'a'; (mib << 20) + 1]).expect("written");
        let detail = served::problem(service.upload(&large, &json!({})), 413);
        assert!(detail.contains(&format!("limit of {mib} MiB")), "{detail}");
    };
    std::fs::write(&config, "max_upload = 1\ncors = [\"https://crm.example.com\"]\n").expect("written");
    let service = start("file").start();
    is_limit(&service, 1);
    let asked = service
        .bare("GET", "/healthz")
        .header("origin", "https://crm.example.com");
    let answer = asked.send().expect("an answer");
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://crm.example.com"
    );
    drop(service);
    let service = start("environment").env("DEALSTAGE_MAX_UPLOAD", "2").start();
    is_limit(&service, 2);
    drop(service);
    let service = start("flag")
        .env("DEALSTAGE_MAX_UPLOAD", "2")
        .arg("--max-upload", "3")
        .start();
    is_limit(&service, 3);
    drop(service);
    // Pages of other hosts are let in only where somebody said so.
    let service = sqlite(&scratch);
    let asked = service
        .bare("GET", "/healthz")
        .header("origin", "https://crm.example.com");
    let answer = asked.send().expect("an answer");
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    drop(service);
    std::fs::write(&config, "max_uplaod = 1\n").expect("written");
    let config = config.to_str().expect("a path");
    let output = dealstage(&["serve", "--config", config]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("max_uplaod"), "{}", stderr(&output));
}

#[test]
fn work_that_is_cancelled_stops_and_may_be_run_again() {
    let scratch = Scratch::new();
    let service = sqlite(&scratch);
    let id = service.take(&fixture("audio/discovery-en.opus"), &json!({}));
    let started = Instant::now();
    while service.get(&format!("/v1/calls/{id}"))["status"] != "running" {
        assert!(started.elapsed() < Duration::from_secs(30), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let cancel = || {
        let request = service.ask("POST", &format!("/v1/calls/{id}/cancel"));
        request.send().expect("an answer")
    };
    assert_eq!(served::json(cancel(), StatusCode::OK)["status"], "cancelled");
    served::problem(cancel(), 409);
    // The worker is free for another call.
    service.analysed(&service.take(&fixture("deals/clinic-1.json"), &json!({})));
    assert_eq!(service.get(&format!("/v1/calls/{id}"))["status"], "cancelled");
    service.post(&format!("/v1/calls/{id}/rerun"), &json!({}), StatusCode::ACCEPTED);
    service.analysed(&id);
}
