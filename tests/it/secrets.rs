//! Fifty secrets, in use: none is in a log, an answer, the database, a dump of it or of the process.
//!
//! What holds them while they are used is the memory of the process, so it leaves no core behind when it dies.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::crm::serve;
use crate::receiver::{Answer, OK, Receiver};
use crate::served::{self, KEY, SECRET_KEY, Service, Settings};
use crate::support::{Scratch, fixture};

const PATIENCE: Duration = Duration::from_secs(120);

/// A CRM that tells everybody all that it was sent.
fn talkative(status: u16) -> String {
    serve(Box::new(move |request, headers, body| {
        let told = format!("{request} {headers:?} {body}");
        let answer = json!({
            "message": told, "detail": told, "error": told, "errors": [{ "message": told }], "error_description": told,
            "access_token": told, "key": "canary-of-a-session-0123456789",
        });
        (status, format!("x-status-reason: {request}\r\n"), answer.to_string())
    }))
}

fn canary(of: &str) -> String {
    format!("canary-{of}-{}", uuid::Uuid::now_v7().simple())
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
}

/// Connections to each CRM that comes along and to one of a customer, with secrets of their own.
fn connections(url: &str, secrets: &mut Vec<String>) -> Vec<Value> {
    let mut all = Vec::new();
    for name in [
        "hubspot",
        "salesforce",
        "pipedrive",
        "amocrm",
        "bitrix24",
        "odoo",
        "espocrm",
    ] {
        let secret = canary(name);
        let settings = match name {
            "bitrix24" => json!({ "webhook": format!("{url}/rest/17/{secret}") }),
            "salesforce" => json!({ "url": url, "client_id": "3MVG9", "client_secret": secret }),
            _ => json!({ "url": url, "token": secret }),
        };
        secrets.push(secret);
        all.push(json!({ "crm": name, "settings": settings }));
    }
    all
}

/// Signs in by a password, and goes on by what it was given.
const OWN: &str = r#"
version = 1
name = "own"
title = "Own CRM"
[settings.url]
title = "Address"
[settings.password]
title = "Password"
secret = true
[http]
base_url = "{{ settings.url }}"
rate = [{ burst = 100, per_second = 100 }]
[http.headers]
Authorization = "Basic {{ ('bot:' ~ settings.password) | base64 }}"
X-Session = "{{ session.key }}"
[sign_in]
requests = [{ path = "/login", form = { password = "{{ settings.password }}" }, take = { got = "body.key" } }]
session = { key = "got" }
[[deal.find]]
by = "name"
requests = [{ path = "/deals/{{ settings.password }}" }]
ids = "body.ids"
[deal.read]
requests = [{ path = "/deals/{{ deal }}" }]
stage = "body.stage"
field = "body[name]"
[test]
requests = [{ path = "/me" }]
"#;

#[test]
fn fifty_secrets_are_nowhere_to_be_read() {
    let scratch = Scratch::new();
    let servers = Settings::new(&scratch.path("servers")).on_servers();
    let both = [Some(Settings::new(&scratch.path("sqlite"))), servers];
    for settings in both.into_iter().flatten() {
        look_for_secrets(settings);
    }
}

fn look_for_secrets(settings: Settings) {
    let data = settings.data.clone();
    let mut secrets = vec![KEY.to_owned(), SECRET_KEY.to_owned(), canary("model")];
    let failing = talkative(400);
    let settings = settings
        .arg("--allow-private", "127.0.0.0/8")
        .arg("--webhook-time", "1")
        .arg("--rate", "1000000")
        .env("RUST_LOG", "trace")
        .env("DEALSTAGE_SECRET_KEY", SECRET_KEY)
        .env("DEALSTAGE_LLM", "always")
        .env("DEALSTAGE_LLM_BASE_URL", &failing)
        .env("DEALSTAGE_LLM_MODEL", "talkative")
        .env("DEALSTAGE_LLM_TIME_LIMIT", "2")
        .env("DEALSTAGE_LLM_API_KEY", &secrets[2]);
    let service = settings.start();
    let mut answers = Vec::new();
    for at in 0..8 {
        let receiver = Receiver::new(move |_| if at % 2 == 0 { OK } else { Answer::Status(500, "") });
        let said = json!({ "url": receiver.url(), "types": [] });
        let made = service.post("/v1/endpoints", &said, StatusCode::CREATED);
        let path = format!("/v1/endpoints/{}/rotate", made["id"].as_str().expect("an id"));
        let rotated = service.post(&path, &json!({ "old_for_s": 600 }), StatusCode::OK);
        for fresh in [&made, &rotated] {
            secrets.push(fresh["secret"].as_str().expect("a secret").to_owned());
        }
    }
    for status in [400, 200] {
        let url = talkative(status);
        let own = canary("password");
        let mut wanted = connections(&url, &mut secrets);
        wanted.push(json!({ "crm_file": OWN, "settings": { "url": url, "password": own } }));
        secrets.push(own);
        for said in wanted {
            let made = service.post("/v1/endpoints", &said, StatusCode::CREATED);
            let path = format!("/v1/endpoints/{}/test", made["id"].as_str().expect("an id"));
            let tried = service.ask("POST", &path).json(&json!({})).send().expect("an answer");
            answers.push((path, tried.text().expect("text")));
            // A mistake beside the secret is told without it.
            let mut wrong = said.clone();
            wrong["settings"]["tokne"] = said["settings"].clone();
            let refused = service
                .ask("POST", "/v1/endpoints")
                .json(&wrong)
                .send()
                .expect("an answer");
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
            answers.push(("a wrong setting".to_owned(), refused.text().expect("text")));
        }
    }
    secrets.push("canary-of-a-session-0123456789".to_owned());
    for at in 0..5 {
        let name = format!("Key {at}");
        let made = service.post("/v1/keys", &json!({ "name": name }), StatusCode::CREATED);
        let key = made["key"].as_str().expect("a key").to_owned();
        let used = service.ask_as(&key, "GET", "/v1/calls").send().expect("an answer");
        assert_eq!(used.status(), StatusCode::OK);
        secrets.push(key);
        let (email, password) = (format!("person{at}@example.com"), canary("person"));
        let said = json!({ "email": email, "name": "Person", "role": "rep", "password": password });
        service.post("/v1/users", &said, StatusCode::CREATED);
        let sign_in = |password: &str| {
            let said = json!({ "email": email, "password": password });
            service
                .bare("POST", "/v1/session")
                .json(&said)
                .send()
                .expect("an answer")
        };
        let wrong = sign_in(&format!("{password}x"));
        answers.push(("a wrong password".to_owned(), wrong.text().expect("text")));
        let cookies: Vec<String> = sign_in(&password)
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|cookie| cookie.to_str().expect("text").to_owned())
            .collect();
        let cookie = cookies
            .iter()
            .find_map(|cookie| cookie.split(';').next()?.split_once('='));
        secrets.push(cookie.expect("a cookie").1.to_owned());
        secrets.push(password);
    }
    assert!(secrets.len() >= 50, "{}", secrets.len());
    // All of them are used: a call is told to every endpoint, and the model is asked.
    let meta =
        json!({ "deal": { "name": "Windows" }, "contact": { "email": "anna@example.com", "phone": "+79161234567" } });
    let call = service.take(&fixture("calls/gold-en-1.json"), &meta);
    service.analysed(&call);
    let deliveries = tried(&service);
    for path in [
        "endpoints",
        "keys",
        "users",
        "calls",
        "deals",
        "audit",
        "proposals?open=true",
    ] {
        answers.push((path.to_owned(), service.get(&format!("/v1/{path}")).to_string()));
    }
    answers.push((
        "analysis".to_owned(),
        service.get(&format!("/v1/calls/{call}/analysis")).to_string(),
    ));
    answers.push(("deliveries".to_owned(), deliveries.to_string()));
    let figures = reqwest::blocking::get(service.metrics.clone().expect("metrics")).expect("an answer");
    answers.push(("metrics".to_owned(), figures.text().expect("text")));
    let mut all: Vec<(String, Vec<u8>)> = answers
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect();
    if service.database.starts_with("postgres") {
        let dump = Command::new("pg_dump")
            .arg(&service.database)
            .output()
            .expect("pg_dump starts");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        assert!(dump.stdout.windows(9).any(|part| part == b"endpoints"));
        all.push(("pg_dump".to_owned(), dump.stdout));
    }
    // With its WAL, as it runs.
    files(&data, &mut all);
    assert!(service.stop().success());
    files(&data, &mut all);
    assert!(
        all.iter()
            .any(|(name, text)| name.ends_with("log.txt") && !text.is_empty()),
        "there is no log"
    );
    for secret in &secrets {
        let forms = [
            secret.clone().into_bytes(),
            STANDARD.encode(secret).into_bytes(),
            STANDARD.encode(format!("bot:{secret}")).into_bytes(),
            secret
                .strip_prefix("whsec_")
                .map_or(secret.clone().into_bytes(), |encoded| {
                    STANDARD.decode(encoded).expect("base64")
                }),
        ];
        for (name, contents) in &all {
            for form in &forms {
                let found = contents.windows(form.len()).position(|part| part == form);
                let around = found
                    .map(|at| String::from_utf8_lossy(&contents[at.saturating_sub(200)..at + form.len()]).into_owned());
                assert!(found.is_none(), "{secret} is in {name}: {around:?}");
            }
        }
    }
}

/// Every delivery with its tries, once each was tried.
fn tried(service: &Service) -> Value {
    let started = Instant::now();
    loop {
        let listed = service.get("/v1/deliveries?limit=100");
        let listed = listed["items"].as_array().expect("a list").clone();
        let of = |delivery: &Value| service.get(&format!("/v1/deliveries/{}", delivery["id"].as_str().expect("an id")));
        let all: Vec<Value> = listed.iter().map(of).collect();
        let waits = |delivery: &&Value| {
            delivery["state"] == "pending" && delivery["tries"].as_array().is_none_or(Vec::is_empty)
        };
        // Behind one that failed others of the same deal wait their turn.
        let waiting = all
            .iter()
            .filter(waits)
            .filter(|delivery| delivery["type"] == "call.analyzed")
            .count();
        if !all.is_empty() && waiting == 0 {
            let failed = all
                .iter()
                .filter(|delivery| delivery["state"] == "failed" || delivery["state"] == "pending")
                .count();
            let delivered = all.iter().filter(|delivery| delivery["state"] == "delivered").count();
            assert!(failed > 0 && delivered > 0, "{failed} failed, {delivered} delivered");
            return all.into_iter().collect();
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{waiting} of {} were not tried",
            all.len()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Files in a folder that a process left there when it died.
fn cores(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder");
    let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("core")).collect()
}

/// Also where cores are allowed, and where a program of the machine takes them.
#[test]
fn a_service_that_dies_leaves_no_core() {
    let scratch = Scratch::new();
    let folder = |name: &str| {
        let folder = scratch.path(name);
        std::fs::create_dir(&folder).expect("a folder");
        folder
    };
    let other = folder("other");
    let died = Command::new("sh")
        .args(["-c", "ulimit -c unlimited; kill -ABRT $$"])
        .current_dir(&other)
        .status();
    assert_eq!(died.expect("sh starts").signal(), Some(6));
    if cores(&other).is_empty() {
        println!("this machine does not put cores into the folder of a process: only the limits are looked at");
    }
    let own = folder("own");
    let mut child = Command::new("sh")
        .args([
            "-c",
            r#"ulimit -c unlimited; exec "$0" serve --listen 127.0.0.1:0 --data data"#,
        ])
        .arg(env!("CARGO_BIN_EXE_dealstage"))
        .env("DEALSTAGE_ADMIN_KEY", KEY)
        .current_dir(&own)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let serves = lines.any(|line| line.expect("a line").starts_with("listening on "));
    assert!(serves, "it did not start");
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).expect("a file");
    let limits = of("limits");
    let limit = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit");
    assert_eq!(
        limit.split_whitespace().skip(4).take(2).collect::<Vec<_>>(),
        ["0", "0"],
        "{limit}"
    );
    assert_eq!(of("coredump_filter").trim().trim_start_matches('0'), "");
    served::signal("ABRT", child.id());
    assert_eq!(child.wait().expect("an end").signal(), Some(6));
    assert!(
        cores(&own).is_empty() && cores(&own.join("data")).is_empty(),
        "{:?}",
        cores(&own)
    );
}
