//! Webhooks through the front door: the running binary, receivers on real sockets, and the libraries that receivers use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use chrono::Utc;
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::receiver::{Answer, Heard, OK, Receiver};
use crate::served::{self, SECRET_KEY, Service, Settings};
use crate::support::{Scratch, dealstage_with, fixture, stderr, stdout};

const PATIENCE: Duration = Duration::from_secs(60);

pub fn local(settings: Settings) -> Settings {
    settings
        .arg("--allow-private", "127.0.0.0/8")
        .arg("--webhook-time", "1")
        .arg("--rate", "1000000")
}

/// On SQLite, and on PostgreSQL where there is one.
pub fn on_both(scratch: &Scratch) -> Vec<Settings> {
    let servers = Settings::new(&scratch.path("servers")).on_servers();
    [Some(Settings::new(&scratch.path("sqlite"))), servers]
        .into_iter()
        .flatten()
        .map(local)
        .collect()
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A new endpoint: its id and secret.
pub fn add(service: &Service, url: &str, types: &[&str]) -> (String, String) {
    let made = service.post(
        "/v1/endpoints",
        &json!({"url": url, "types": types}),
        StatusCode::CREATED,
    );
    (text(&made["id"]), text(&made["secret"]))
}

/// Has a test sent; the delivery.
pub fn test(service: &Service, endpoint: &str) -> String {
    let path = format!("/v1/endpoints/{endpoint}/test");
    text(&service.post(&path, &json!({}), StatusCode::ACCEPTED)["delivery_id"])
}

/// Waits for a delivery to be as it should.
pub fn wait(service: &Service, delivery: &str, done: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let seen = service.get(&format!("/v1/deliveries/{delivery}"));
        if done(&seen) {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{seen}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn delivered(service: &Service, delivery: &str) -> Value {
    wait(service, delivery, |seen| seen["state"] == "delivered")
}

pub fn tried(service: &Service, delivery: &str, times: usize) -> Value {
    wait(service, delivery, |seen| {
        seen["tries"].as_array().expect("a list").len() >= times
    })
}

/// What the libraries of receivers are to say of a request.
pub fn case(name: &str, secret: &str, heard: &Heard, valid: bool) -> Value {
    let headers: BTreeMap<&String, &String> = heard
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("webhook-"))
        .collect();
    json!({"name": name, "secret": secret, "headers": headers, "body": heard.body, "valid": valid})
}

/// Signed by us at another time than now.
fn signed(secret: &str, body: &str, seconds_from_now: i64) -> Heard {
    let timestamp = Utc::now().timestamp() + seconds_from_now;
    let secrets = [SecretString::from(secret)];
    let signature = dealstage::deliver::sign(&secrets, "evt_1", timestamp, body).expect("signed");
    let headers = [
        ("webhook-id", "evt_1".to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    Heard {
        path: "/hook".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: body.to_owned(),
        at: Instant::now(),
    }
}

pub fn judge(cases: &[Value]) {
    let mut child = Command::new(".ci/verify-webhooks")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(lines.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn what_happens_is_told_and_the_libraries_of_receivers_agree() {
    let scratch = Scratch::new();
    let service = local(Settings::new(&scratch.path("data"))).start();
    let receiver = Receiver::new(|_| OK);
    let (endpoint, old) = add(&service, &receiver.url(), &[]);
    let file = fixture("deals/sklad-1.json");
    let call = service.take(
        &file,
        &json!({"rep": "Антон", "deal": {"crm_id": "Сделка-7", "name": "Склад"}}),
    );
    service.analysed(&call);
    service.post(
        &format!("/v1/calls/{call}/follow-up/approve"),
        &json!({}),
        StatusCode::OK,
    );
    let broken = scratch.write("broken.wav", b"RIFF....WAVEfmt ");
    let failed = service.take(Path::new(&broken), &json!({}));
    assert_eq!(service.ended(&failed)["status"], "failed");
    let wanted = [
        "call.analyzed",
        "followup.drafted",
        "deal.updated",
        "deal.stage_changed",
        "followup.approved",
        "call.failed",
    ];
    let heard = receiver.wait_for_types(&wanted);
    assert_eq!(heard.len(), wanted.len(), "each is told once");
    let deal = text(&service.get(&format!("/v1/calls/{call}"))["deal_id"]);
    for heard in &heard {
        assert_eq!(heard.path, "/hook");
        assert_eq!(heard.headers["content-type"], "application/json");
        let told = heard.json();
        assert_eq!(told.as_object().expect("an object").len(), 3, "{told}");
        let at = told["timestamp"].as_str().expect("a time");
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{at}");
        assert!(heard.body.len() < 20 << 10);
        let about = if heard.kind() == "call.failed" { &failed } else { &call };
        assert_eq!(told["data"]["call_id"], *about, "{told}");
        assert!(!heard.body.contains("Антон"), "{told}");
    }
    // In the order in which they happened.
    let of_deal: Vec<String> = heard
        .iter()
        .filter(|of| of.json()["data"]["deal_id"] == *deal)
        .map(Heard::kind)
        .collect();
    assert_eq!(of_deal, wanted[..5]);
    let ids: BTreeSet<&str> = heard.iter().map(Heard::id).collect();
    assert_eq!(ids.len(), heard.len());

    // A new secret: for a while both sign.
    let rotated = service.post(&format!("/v1/endpoints/{endpoint}/rotate"), &json!({}), StatusCode::OK);
    let new = text(&rotated["secret"]);
    delivered(&service, &test(&service, &endpoint));
    let both = receiver.wait_for(heard.len() + 1).pop().expect("one");
    assert_eq!(both.headers["webhook-signature"].split(' ').count(), 2);
    let rotated = service.post(
        &format!("/v1/endpoints/{endpoint}/rotate"),
        &json!({"old_for_s": 0}),
        StatusCode::OK,
    );
    let newest = text(&rotated["secret"]);
    delivered(&service, &test(&service, &endpoint));
    let one = receiver.wait_for(heard.len() + 2).pop().expect("one");
    assert_eq!(one.headers["webhook-signature"].split(' ').count(), 1);
    assert!(old != new && new != newest);

    let cyrillic = "{\"type\":\"deal.updated\",\"data\":{\"имя\":\"Склад «Ё» — 2 000 ₽\"}}";
    let mut cases: Vec<Value> = heard.iter().map(|of| case(&of.kind(), &old, of, true)).collect();
    cases.extend([
        case("both, by the old", &old, &both, true),
        case("both, by the new", &new, &both, true),
        case("one, by the newest", &newest, &one, true),
        case("one, by the one before", &new, &one, false),
        case("Cyrillic", &old, &signed(&old, cyrillic, 0), true),
        case("nearly too old", &old, &signed(&old, cyrillic, -290), true),
        case("too old", &old, &signed(&old, cyrillic, -301), false),
        case("nearly too new", &old, &signed(&old, cyrillic, 290), true),
        case("too new", &old, &signed(&old, cyrillic, 310), false),
    ]);
    let mut other = heard[0].clone();
    other.body = other.body.replace("call.analyzed", "call.analysed");
    cases.push(case("another body", &old, &other, false));
    let mut other = heard[0].clone();
    other.headers.insert("webhook-id".to_owned(), "evt_2".to_owned());
    cases.push(case("another id", &old, &other, false));
    let mut other = heard[0].clone();
    other
        .headers
        .insert("webhook-timestamp".to_owned(), (heard[0].timestamp() + 1).to_string());
    cases.push(case("another time", &old, &other, false));
    judge(&cases);
}

#[test]
fn a_failed_try_is_written_down_and_made_again() {
    let scratch = Scratch::new();
    for settings in on_both(&scratch) {
        let service = settings.start();
        let elsewhere = Receiver::new(|_| OK);
        let away: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
        // Of these the second try goes well, about five seconds later.
        let once = |answer| move |number| if number == 0 { answer } else { OK };
        let kinds = [
            (Answer::Status(500, ""), json!(500), json!(null)),
            (Answer::Status(404, ""), json!(404), json!(null)),
            (Answer::Status(302, away), json!(302), json!(null)),
            (Answer::Reset, json!(null), json!("reset")),
            (Answer::Cut, json!(null), json!("cut")),
        ];
        let mut running = Vec::new();
        for (answer, status, error) in kinds {
            let receiver = Receiver::new(once(answer));
            let (endpoint, secret) = add(&service, &receiver.url(), &[]);
            let delivery = test(&service, &endpoint);
            running.push((receiver, secret, delivery, status, error));
        }
        // These want a minute of rest.
        let kinds = [
            (Answer::Hang, json!(null), json!("timeout")),
            (Answer::Drip, json!(null), json!("timeout")),
            (Answer::Status(429, "retry-after: 7\r\n"), json!(429), json!(null)),
            (Answer::Status(503, "retry-after: 7\r\n"), json!(503), json!(null)),
        ];
        let mut resting = Vec::new();
        for (answer, status, error) in kinds {
            let receiver = Receiver::new(once(answer));
            let (endpoint, _) = add(&service, &receiver.url(), &[]);
            let delivery = test(&service, &endpoint);
            resting.push((receiver, endpoint, delivery, status, error));
        }
        let mut cases = Vec::new();
        for (receiver, secret, delivery, status, error) in &running {
            let seen = delivered(&service, delivery);
            let tries = seen["tries"].as_array().expect("a list");
            assert_eq!(tries.len(), 2, "{seen}");
            assert_eq!((&tries[0]["status"], &tries[0]["error"]), (status, error), "{seen}");
            assert_eq!(
                (&tries[1]["status"], &tries[1]["error"]),
                (&json!(204), &json!(null)),
                "{seen}"
            );
            assert_eq!(
                (&seen["next_at"], &seen["message"], &seen["attempts"]),
                (&json!(null), &json!(null), &json!(2))
            );
            let heard = receiver.heard();
            let apart = heard[1].at - heard[0].at;
            assert!((3.9..=10.0).contains(&apart.as_secs_f64()), "{apart:?}");
            // The same event, signed at another time.
            assert_eq!(heard[0].id(), heard[1].id());
            assert_eq!(heard[0].id(), text(&seen["event_id"]));
            assert!(heard[1].timestamp() - heard[0].timestamp() >= 3);
            cases.push(case("again", secret, &heard[1], true));
        }
        assert!(elsewhere.heard().is_empty(), "a redirect was followed");
        for (_, endpoint, delivery, status, error) in &resting {
            let seen = tried(&service, delivery, 1);
            assert_eq!(seen["state"], "pending", "{seen}");
            let last = &seen["tries"][0];
            assert_eq!((&last["status"], &last["error"]), (status, error), "{seen}");
            let took = last["duration_ms"].as_i64().expect("a number");
            assert!(took < 3000, "{seen}");
            let next: chrono::DateTime<Utc> = text(&seen["next_at"]).parse().expect("a time");
            let wait = (next - Utc::now()).num_seconds();
            assert!((45..=75).contains(&wait), "{seen}");
            let endpoint = service.get(&format!("/v1/endpoints/{endpoint}"));
            assert!(endpoint["failing_since"].is_string(), "{endpoint}");
            assert_eq!(endpoint["rests_until"].is_string(), error.is_null(), "{endpoint}");
        }
        judge(&cases);
    }
}

#[test]
fn an_endpoint_that_is_gone_or_asks_for_it_is_switched_off() {
    let scratch = Scratch::new();
    for settings in on_both(&scratch) {
        let service = settings.start();
        let watcher = Receiver::new(|_| OK);
        add(&service, &watcher.url(), &["endpoint.disabled"]);
        for (number, (answer, why, state)) in [
            (Answer::Status(410, ""), "gone", "failed"),
            (
                Answer::Status(500, "webhook-delivery: disable\r\n"),
                "receiver",
                "failed",
            ),
            // It takes this one, and wants no other.
            (
                Answer::Status(202, "webhook-delivery: disable\r\n"),
                "receiver",
                "delivered",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let receiver = Receiver::new(move |number| if number == 0 { answer } else { OK });
            let (endpoint, _) = add(&service, &receiver.url(), &[]);
            let delivery = test(&service, &endpoint);
            let seen = wait(&service, &delivery, |seen| seen["state"] == state);
            assert_eq!(
                (&seen["attempts"], seen["message"].is_null()),
                (&json!(1), state == "delivered")
            );
            let path = format!("/v1/endpoints/{endpoint}");
            let off = service.get(&path);
            assert_eq!(
                (&off["enabled"], &off["disabled_why"]),
                (&json!(false), &json!(why)),
                "{off}"
            );
            let told = watcher.wait_for(number + 1).pop().expect("one").json();
            assert_eq!(told["data"]["endpoint_id"], *endpoint, "{told}");
            // Nothing goes there any more.
            served::problem(
                service.ask("POST", &format!("{path}/test")).send().expect("an answer"),
                409,
            );
            served::problem(
                service
                    .ask("POST", &format!("/v1/deliveries/{delivery}/replay"))
                    .send()
                    .expect("an answer"),
                409,
            );
            // Until somebody switches it on again.
            let on = service
                .ask("PATCH", &path)
                .json(&json!({"enabled": true}))
                .send()
                .expect("an answer");
            assert_eq!(served::json(on, StatusCode::OK)["enabled"], true);
            delivered(&service, &test(&service, &endpoint));
            let off = service
                .ask("PATCH", &path)
                .json(&json!({"enabled": false}))
                .send()
                .expect("an answer");
            assert_eq!(served::json(off, StatusCode::OK)["disabled_why"], "person");
            assert_eq!(receiver.heard().len(), 2);
        }
        // One message that nobody wants again.
        let receiver = Receiver::new(|_| Answer::Status(500, "webhook-delivery: abort-message\r\n"));
        let (endpoint, _) = add(&service, &receiver.url(), &[]);
        wait(&service, &test(&service, &endpoint), |seen| seen["state"] == "failed");
        assert_eq!(service.get(&format!("/v1/endpoints/{endpoint}"))["enabled"], true);
    }
}

#[test]
fn a_dead_endpoint_does_not_slow_the_others() {
    let scratch = Scratch::new();
    let service = local(Settings::new(&scratch.path("data"))).start();
    let dead = Receiver::new(|_| Answer::Hang);
    let live = Receiver::new(|_| OK);
    let (dead_endpoint, _) = add(&service, &dead.url(), &[]);
    let (live_endpoint, _) = add(&service, &live.url(), &[]);
    for _ in 0..20 {
        test(&service, &dead_endpoint);
        let asked = Instant::now();
        let seen = delivered(&service, &test(&service, &live_endpoint));
        assert!(asked.elapsed() < Duration::from_secs(1), "{seen}");
    }
    assert_eq!(live.heard().len(), 20);
    // One at a time once it fails.
    assert!(dead.heard().len() <= 8 + 5, "{}", dead.heard().len());
}

#[test]
fn events_of_a_deal_keep_their_order() {
    let scratch = Scratch::new();
    let service = local(Settings::new(&scratch.path("data"))).start();
    let receiver = Receiver::new(|number| if number == 0 { Answer::Status(500, "") } else { OK });
    add(&service, &receiver.url(), &[]);
    let call = service.take(&fixture("deals/clinic-1.json"), &json!({"deal": {"crm_id": "D-1"}}));
    service.analysed(&call);
    let all = [
        "call.analyzed",
        "followup.drafted",
        "deal.updated",
        "deal.stage_changed",
    ];
    let heard = receiver.wait_for(1 + all.len());
    let kinds: Vec<String> = heard.iter().map(Heard::kind).collect();
    // The first came again before any other.
    assert_eq!(kinds[0], all[0]);
    assert_eq!(kinds[1..], all);
    assert_eq!(heard[0].id(), heard[1].id());
    let revision = |heard: &Heard| heard.json()["data"]["revision"].as_i64();
    let second = service.take(&fixture("deals/clinic-2.json"), &json!({"deal": {"crm_id": "D-1"}}));
    service.analysed(&second);
    let later = receiver.wait_for_types(&["call.analyzed"]).len().max(heard.len() + 3);
    let updated: Vec<i64> = receiver
        .wait_for(later)
        .iter()
        .filter(|of| of.kind() == "deal.updated")
        .filter_map(revision)
        .collect();
    assert!(updated.len() == 2 && updated[0] < updated[1], "{updated:?}");
}

#[test]
fn what_failed_or_never_went_is_sent_again() {
    let scratch = Scratch::new();
    for settings in on_both(&scratch) {
        let (data, pairs) = (settings.data.clone(), settings.environment.clone());
        let service = settings.start();
        let since = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        // Three are refused for good, one is not.
        let receiver = Receiver::new(|number| match number {
            0..3 => Answer::Status(500, "webhook-delivery: abort-message\r\n"),
            _ => OK,
        });
        let (endpoint, _) = add(&service, &receiver.url(), &[]);
        let mut failed = Vec::new();
        for _ in 0..3 {
            let delivery = test(&service, &endpoint);
            wait(&service, &delivery, |seen| seen["state"] == "failed");
            failed.push(delivery);
        }
        let fine = test(&service, &endpoint);
        delivered(&service, &fine);
        // One that was delivered: the receiver lost it.
        service.post(
            &format!("/v1/deliveries/{fine}/replay"),
            &json!({}),
            StatusCode::ACCEPTED,
        );
        let heard = receiver.wait_for(5);
        assert_eq!(heard[3].id(), heard[4].id());
        assert_eq!(tried(&service, &fine, 2)["attempts"], 2);
        // All that failed.
        let again = format!("/v1/endpoints/{endpoint}/replay");
        let asked = json!({"which": "failed", "since": since});
        assert_eq!(service.post(&again, &asked, StatusCode::ACCEPTED)["count"], 3);
        for delivery in &failed {
            delivered(&service, delivery);
        }
        let heard = receiver.wait_for(8);
        let ids = |heard: &[Heard]| heard.iter().map(|of| of.id().to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(ids(&heard[..3]), ids(&heard[5..]));
        assert_eq!(service.post(&again, &asked, StatusCode::ACCEPTED)["count"], 0);
        // What happened before there was an endpoint for it.
        let call = json!({"turns": [{"i": 1, "role": "buyer", "text": "Hello."}]});
        let call = text(&service.post("/v1/calls", &call, StatusCode::ACCEPTED)["id"]);
        service.ended(&call);
        let late = Receiver::new(|_| OK);
        let (endpoint, _) = add(&service, &late.url(), &["call.analyzed"]);
        let again = format!("/v1/endpoints/{endpoint}/replay");
        let asked = json!({"which": "never_attempted", "since": since});
        assert_eq!(service.post(&again, &asked, StatusCode::ACCEPTED)["count"], 1);
        let told = late.wait_for(1).pop().expect("one").json();
        assert_eq!(
            (&told["type"], &told["data"]["call_id"]),
            (&json!("call.analyzed"), &json!(call))
        );
        assert_eq!(service.post(&again, &asked, StatusCode::ACCEPTED)["count"], 0);

        // The same from the command line, beside the running service.
        let environment: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let run = |words: &[&str]| {
            let data = data.to_str().expect("a path");
            let words = [words, &["--data", data]].concat();
            dealstage_with(&words, &environment)
        };
        let listed = run(&["deliveries", "list", "--type", "endpoint.test", "--json"]);
        assert!(listed.status.success(), "{}", stderr(&listed));
        let listed: Vec<Value> = stdout(&listed)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(listed.len(), 4);
        let shown = run(&["deliveries", "show", &fine, "--json"]);
        let shown: Value = serde_json::from_str(&stdout(&shown)).expect("JSON");
        assert_eq!(shown, service.get(&format!("/v1/deliveries/{fine}")));
        let shown = stdout(&run(&["deliveries", "show", &fine]));
        assert!(shown.contains("delivered") && shown.lines().count() == 3, "{shown}");
        let again = run(&["deliveries", "replay", &fine]);
        assert_eq!(stdout(&again), "sent again: 1\n", "{}", stderr(&again));
        tried(&service, &fine, 3);
        let none = run(&["deliveries", "replay", "dlv_none"]);
        assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
        assert!(stderr(&none).contains("dlv_none"));
    }
}

#[test]
fn what_waits_is_sent_after_a_restart() {
    let scratch = Scratch::new();
    let data = scratch.path("data");
    let start = || local(Settings::new(&data)).start();
    let receiver = Receiver::new(|number| if number == 0 { Answer::Hang } else { OK });
    let service = start();
    let (endpoint, _) = add(&service, &receiver.url(), &[]);
    let delivery = test(&service, &endpoint);
    receiver.wait_for(1);
    // In the middle of the try.
    service.kill();
    let service = start();
    let seen = delivered(&service, &delivery);
    let heard = receiver.heard();
    assert_eq!(heard.len(), 2, "{seen}");
    assert_eq!(heard[0].id(), heard[1].id());
}

#[test]
fn the_end_of_the_process_lets_tries_end() {
    let scratch = Scratch::new();
    let data = scratch.path("data");
    let start = |grace: &str| {
        let settings = Settings::new(&data).arg("--allow-private", "127.0.0.0/8");
        settings.arg("--webhook-time", "30").arg("--grace", grace).start()
    };
    // An answer that takes its time, within the grace.
    let slow = TcpListener::bind("127.0.0.1:0").expect("a port");
    let receiver = Receiver::on(slow, |_| {
        std::thread::sleep(Duration::from_secs(1));
        OK
    });
    let service = start("10");
    let (endpoint, _) = add(&service, &receiver.url(), &[]);
    let first = test(&service, &endpoint);
    let started = Instant::now();
    while service.get(&format!("/v1/deliveries/{first}"))["attempts"] == 0 {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(service.stop().success());
    // One that takes longer is given back.
    let dead = Receiver::new(|number| if number == 0 { Answer::Hang } else { OK });
    let service = start("1");
    assert_eq!(delivered(&service, &first)["attempts"], 1);
    let (endpoint, _) = add(&service, &dead.url(), &[]);
    let second = test(&service, &endpoint);
    dead.wait_for(1);
    assert!(service.stop().success());
    let service = start("1");
    let seen = delivered(&service, &second);
    assert_eq!(seen["tries"][0]["error"], "stopped", "{seen}");
    assert_eq!(seen["tries"][1]["status"], 204, "{seen}");
}

#[test]
fn addresses_of_the_inside_are_refused() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    for url in [
        "https://127.0.0.1/",
        "https://10.254.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "http://example.com/",
        "https://user:secret@example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "example.com",
        "",
    ] {
        let answer = service
            .ask("POST", "/v1/endpoints")
            .json(&json!({"url": url}))
            .send()
            .expect("an answer");
        let detail = served::problem(answer, 422);
        assert!(
            detail.starts_with("url: ") && !detail.contains("secret"),
            "{url}: {detail}"
        );
    }
    // Where a name leads is seen when it is used.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let receiver = Receiver::on(listener, |_| OK);
    let (endpoint, _) = add(&service, &format!("https://localhost:{port}/"), &[]);
    let seen = tried(&service, &test(&service, &endpoint), 1);
    assert_eq!(seen["tries"][0]["error"], "blocked", "{seen}");
    assert!(receiver.heard().is_empty());
}

#[test]
fn what_an_endpoint_may_be_is_said() {
    let scratch = Scratch::new();
    let service = local(Settings::new(&scratch.path("data"))).start();
    for (body, says) in [
        (json!({}), "either `url`"),
        (json!({"url": "https://example.com/", "crm": "hubspot"}), "either `url`"),
        (
            json!({"url": "https://example.com/", "types": ["call.done"]}),
            "types: `call.done`",
        ),
        (
            json!({"url": "https://example.com/", "types": ["endpoint.test"]}),
            "types: `endpoint.test`",
        ),
        (
            json!({"url": format!("https://example.com/{}", "x".repeat(2000))}),
            "url: ",
        ),
        (json!({"url": "https://example.com/", "colour": "red"}), "colour"),
    ] {
        let answer = service
            .ask("POST", "/v1/endpoints")
            .json(&body)
            .send()
            .expect("an answer");
        let detail = served::problem(answer, 422);
        assert!(detail.contains(says), "{body}: {detail}");
    }
    let (endpoint, _) = add(
        &service,
        "https://example.com/hook#part",
        &["deal.updated", "call.analyzed"],
    );
    let seen = service.get(&format!("/v1/endpoints/{endpoint}"));
    assert_eq!(seen["url"], "https://example.com/hook");
    assert_eq!(seen["types"], json!(["call.analyzed", "deal.updated"]));
    assert!(seen.get("secret").is_none());
    let path = format!("/v1/endpoints/{endpoint}");
    let changed = service
        .ask("PATCH", &path)
        .json(&json!({"types": []}))
        .send()
        .expect("an answer");
    assert_eq!(served::json(changed, StatusCode::OK)["types"], json!([]));
    let gone = service.ask("DELETE", &path).send().expect("an answer");
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    served::problem(service.ask("GET", &path).send().expect("an answer"), 404);
    // A connection to a CRM.
    for (body, says) in [
        (json!({"crm": "abacus", "settings": {}}), "hubspot"),
        (json!({"crm": "hubspot", "settings": {}}), "settings: "),
        (
            json!({"crm": "hubspot", "settings": {"token": "x", "colour": "red"}}),
            "colour",
        ),
        (
            json!({"crm": "hubspot", "types": [], "settings": {"token": "x"}}),
            "either `url`",
        ),
        (
            json!({"crm_file": "version = 1\nname = \"acme\"", "settings": {}}),
            "problem",
        ),
    ] {
        let answer = service
            .ask("POST", "/v1/endpoints")
            .json(&body)
            .send()
            .expect("an answer");
        let detail = served::problem(answer, 422);
        assert!(detail.contains(says), "{body}: {detail}");
    }
    let settings = json!({"token": "pat-canary-1"});
    let made = service.post(
        "/v1/endpoints",
        &json!({"crm": "hubspot", "settings": settings}),
        StatusCode::CREATED,
    );
    assert_eq!(
        (&made["kind"], &made["crm"], &made["secret"]),
        (&json!("crm"), &json!("hubspot"), &json!(null))
    );
    let path = format!("/v1/endpoints/{}", text(&made["id"]));
    assert!(!service.get(&path).to_string().contains("canary"));
    let change = |body: Value| service.ask("PATCH", &path).json(&body).send().expect("an answer");
    served::json(change(json!({"settings": {"token": "pat-canary-2"}})), StatusCode::OK);
    assert!(served::problem(change(json!({"settings": {}})), 422).contains("settings: "));
    assert!(served::problem(change(json!({"types": []})), 422).contains("types"));
    let rotate = service
        .ask("POST", &format!("{path}/rotate"))
        .send()
        .expect("an answer");
    served::problem(rotate, 422);
    assert_eq!(
        service.ask("DELETE", &path).send().expect("an answer").status(),
        StatusCode::NO_CONTENT
    );
    // A secret is shown once, also to a client that asks again.
    let once = || {
        let request = service.ask("POST", "/v1/endpoints").header("idempotency-key", "one");
        request
            .json(&json!({"url": "https://example.com/"}))
            .send()
            .expect("an answer")
    };
    let made = served::json(once(), StatusCode::CREATED);
    assert!(made["secret"].as_str().expect("a secret").starts_with("whsec_"));
    served::problem(once(), 409);
    assert_eq!(service.get("/v1/endpoints")["items"].as_array().map(Vec::len), Some(1));
}

/// Every file below a folder.
pub fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
}

#[test]
fn secrets_are_nowhere_to_be_read() {
    let scratch = Scratch::new();
    let settings = local(Settings::new(&scratch.path("data"))).env("RUST_LOG", "trace");
    let service = settings.start();
    let receiver = Receiver::new(|_| OK);
    let mut secrets = Vec::new();
    for _ in 0..20 {
        let (endpoint, secret) = add(&service, &receiver.url(), &[]);
        secrets.push(secret);
        let path = format!("/v1/endpoints/{endpoint}/rotate");
        let body = json!({"old_for_s": 60});
        let request = service
            .ask("POST", &path)
            .header("idempotency-key", endpoint.as_str())
            .json(&body);
        let rotated = served::json(request.send().expect("an answer"), StatusCode::OK);
        secrets.push(text(&rotated["secret"]));
        delivered(&service, &test(&service, &endpoint));
    }
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), 40);
    let listed = service.get("/v1/endpoints").to_string() + &service.get("/v1/audit").to_string();
    assert!(service.stop().success());
    let mut all = vec![("answers".to_owned(), listed.into_bytes())];
    files(&scratch.path("data"), &mut all);
    assert!(all.iter().any(|(name, _)| name.ends_with("dealstage.db")));
    assert!(
        all.iter()
            .any(|(name, text)| name.ends_with("log.txt") && !text.is_empty())
    );
    // As text and as bytes.
    let needles = secrets.iter().flat_map(|secret| {
        let encoded = secret.strip_prefix("whsec_").expect("a prefix");
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .expect("base64");
        let exact = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        [regex::escape(encoded), format!("(?-u){exact}")]
    });
    let needles = regex::bytes::RegexSet::new(needles).expect("patterns");
    assert!(needles.is_match(secrets[7].as_bytes()));
    for (name, contents) in &all {
        assert!(!needles.is_match(contents), "a secret is in {name}");
    }
}

#[test]
fn another_key_opens_nothing() {
    let scratch = Scratch::new();
    let data = scratch.path("data");
    let start = |key: &str| local(Settings::new(&data)).env("DEALSTAGE_SECRET_KEY", key).start();
    let receiver = Receiver::new(|_| OK);
    let service = start(SECRET_KEY);
    let (endpoint, _) = add(&service, &receiver.url(), &[]);
    assert!(service.stop().success());
    assert!(!data.join("secret.key").exists());
    let other = SECRET_KEY.replace('4', "5");
    let service = start(&other);
    let seen = tried(&service, &test(&service, &endpoint), 1);
    assert_eq!(seen["tries"][0]["error"], "secret", "{seen}");
    assert!(service.stop().success());
    let service = start(&format!("{other},{SECRET_KEY}"));
    delivered(&service, &test(&service, &endpoint));
    // Wrong ones are told at the start.
    for (name, value, says) in [
        ("DEALSTAGE_SECRET_KEY", "short", "32 bytes"),
        ("DEALSTAGE_ALLOW_PRIVATE", "10.0.0.0/99", "10.0.0.0/99"),
    ] {
        let folder = scratch.path("other");
        let folder = folder.to_str().expect("a path");
        let output = dealstage_with(
            &["serve", "--listen", "127.0.0.1:0", "--data", folder],
            &[(name, value)],
        );
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

#[test]
fn figures_tell_of_deliveries() {
    let scratch = Scratch::new();
    let service = local(Settings::new(&scratch.path("data"))).start();
    let (live, dead) = (Receiver::new(|_| OK), Receiver::new(|_| Answer::Status(500, "")));
    let (live_endpoint, _) = add(&service, &live.url(), &[]);
    let (dead_endpoint, _) = add(&service, &dead.url(), &[]);
    delivered(&service, &test(&service, &live_endpoint));
    tried(&service, &test(&service, &dead_endpoint), 1);
    let address = service.metrics.clone().expect("metrics");
    let figures = reqwest::blocking::get(address)
        .expect("an answer")
        .text()
        .expect("text");
    for line in [
        "dealstage_deliveries_pending 1",
        "dealstage_endpoints_disabled 0",
        "dealstage_delivery_attempts_total{outcome=\"delivered\"} 1",
        "dealstage_delivery_wait_seconds_count 2",
    ] {
        assert!(figures.lines().any(|of| of == line), "{line}: {figures}");
    }
}
