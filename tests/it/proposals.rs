//! Change-sets through the front door, against a small CRM on a real socket.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::served::{self, Service, Settings};
use crate::support::{Scratch, dealstage, fixture, stderr, stdout};

/// Nothing that is waited for takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Records by their ids, and what was asked.
#[derive(Default)]
struct State {
    deals: BTreeMap<String, Value>,
    asked: Vec<String>,
    /// Answers to what is written; None: it is done.
    refuse: Option<u16>,
}

struct Crm {
    state: Arc<Mutex<State>>,
    url: String,
}

impl Crm {
    fn new(deals: &[&str]) -> Self {
        let state = State {
            deals: deals
                .iter()
                .map(|id| ((*id).to_owned(), json!({"id": id, "stage": 1, "size": null})))
                .collect(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let keeper = state.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                converse(connection.expect("a connection"), &keeper);
            }
        });
        Self { state, url }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("no panic"))
    }

    fn stage(&self, deal: &str) -> Value {
        self.with(|state| state.deals[deal]["stage"].clone())
    }

    fn asked(&self, what: &str) -> usize {
        self.with(|state| state.asked.iter().filter(|line| line.starts_with(what)).count())
    }

    fn file(name: &str) -> String {
        format!(
            r#"
version = 1
name = "{name}"
title = "Small CRM"
[settings.url]
title = "Address"
[settings.token]
title = "Token"
secret = true
[http]
base_url = "{{{{ settings.url }}}}"
timeout_s = 5
rate = [{{ burst = 50, per_second = 50 }}]
[http.headers]
Authorization = "Bearer {{{{ session.key }}}}"
[sign_in]
requests = [{{ method = "POST", path = "/login", body = {{ token = "{{{{ settings.token }}}}" }} }}]
session = {{ key = "body.key" }}
[[deal.find]]
by = "name"
requests = [{{ path = "/found", query = {{ name = "{{{{ key }}}}" }} }}]
ids = "body.ids"
[deal.read]
requests = [{{ path = "/deals/{{{{ deal }}}}" }}]
stage = "body.stage"
field = "body[name]"
[stage.write]
requests = [{{ method = "PATCH", path = "/deals/{{{{ deal }}}}", body = {{ stage = "{{{{ value }}}}" }} }}]
[stage.lookup]
requests = [{{ path = "/stages" }}]
items = "body.stages"
id = "item.id"
name = "item.name"
[test]
requests = [{{ path = "/stages" }}]
"#
        )
    }

    /// The connection to it.
    fn connect(&self, service: &Service, name: &str) -> String {
        let settings = json!({
            "url": self.url, "token": "t0ken-canary",
            "stages": [{"ours": "lead", "crm": "New"}, {"ours": "pain", "crm": "Problem"}, {"ours": "power", "crm": "Power"},
                       {"ours": "vision", "crm": "Vision"}, {"ours": "value", "crm": "Value"}, {"ours": "control", "crm": "Control"},
                       {"ours": "commit", "crm": "Signing"}, {"ours": "won", "crm": "Won"}, {"ours": "lost", "crm": "Lost"}],
        });
        let said = json!({"crm_file": Self::file(name), "settings": settings});
        id_of(&service.post("/v1/endpoints", &said, StatusCode::CREATED))
    }
}

const STAGES: [&str; 9] = [
    "New", "Problem", "Power", "Vision", "Value", "Control", "Signing", "Won", "Lost",
];

fn converse(mut socket: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).expect("a request");
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        if let Some(value) = header.to_lowercase().trim().strip_prefix("content-length: ") {
            length = value.parse().expect("a number");
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) = state.lock().expect("no panic").answer(line.trim(), &said);
    let text = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    socket.write_all((head + &text).as_bytes()).expect("answered");
}

impl State {
    fn answer(&mut self, line: &str, said: &Value) -> (u16, Value) {
        self.asked.push(line.to_owned());
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match (method, path, self.refuse) {
            ("POST", "/login", _) => (200, json!({"key": "a-key-of-a-session"})),
            ("GET", "/stages", _) => {
                let stages = STAGES.iter().enumerate();
                let stages = stages.map(|(at, name)| json!({"id": at + 1, "name": name}));
                (200, json!({"stages": stages.collect::<Vec<_>>()}))
            }
            // Nothing is found: a person says it.
            ("GET", path, _) if path.starts_with("/found") => (200, json!({"ids": []})),
            ("PATCH", _, Some(status)) => (status, json!({"message": "a date of closing is required"})),
            (_, path, _) => {
                let deal = path.strip_prefix("/deals/").and_then(|id| self.deals.get_mut(id));
                let Some(deal) = deal else {
                    return (404, json!({"message": "no such deal"}));
                };
                for (key, value) in said.as_object().into_iter().flatten() {
                    deal[key] = value.clone();
                }
                (200, deal.clone())
            }
        }
    }
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

fn start(scratch: &Scratch) -> Service {
    // Every stage is decided: it is not deciding that is under test.
    let process = stdout(&dealstage(&["process", "show", "ppvvc"]));
    let lines = process.lines().map(|line| match line.split_once(" = ") {
        Some((name @ ("decided" | "ended"), _)) => format!("{name} = 0.01"),
        _ => line.to_owned(),
    });
    let process = lines.collect::<Vec<_>>().join("\n");
    let process = scratch.write("process.toml", process.as_bytes());
    Settings::new(&scratch.path("data"))
        .env("DEALSTAGE_ALLOW_PRIVATE", "127.0.0.0/8")
        .env("DEALSTAGE_PROCESS", &process)
        .start()
}

fn take(service: &Service, deal: &Value) -> String {
    let call = service.take(&fixture("deals/clinic-1.json"), &json!({"deal": deal}));
    service.analysed(&call);
    id_of(&json!({"id": service.get(&format!("/v1/calls/{call}"))["deal_id"]}))
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not so after a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The change-set of a deal at a connection.
fn proposal(service: &Service, deal: &str, endpoint: &str) -> Value {
    wait_for("a change-set", || {
        let all = service.get(&format!("/v1/deals/{deal}/proposals"));
        let all = all["items"].as_array().expect("a list").clone();
        all.into_iter().find(|one| one["endpoint_id"] == endpoint)
    })
}

fn in_state(service: &Service, id: &str, state: &str) -> Value {
    wait_for(state, || {
        let change = service.get(&format!("/v1/proposals/{id}"))["changes"][0].clone();
        (change["state"] == state).then_some(change)
    })
}

#[test]
fn a_change_that_came_to_nothing_is_approved_again() {
    let scratch = Scratch::new();
    let (service, crm) = (start(&scratch), Crm::new(&["7"]));
    let endpoint = crm.connect(&service, "small");
    let deal = take(&service, &json!({"crm_id": "7", "name": "Clinic"}));
    let made = proposal(&service, &deal, &endpoint);
    let (id, change) = (id_of(&made), made["changes"][0].clone());
    assert_eq!(
        (&change["kind"], &change["old"], &change["old_name"]),
        (&json!("stage"), &json!(1), &json!("New"))
    );
    let target = change["new"].as_u64().expect("a number");
    assert_eq!(change["new_name"], STAGES[target as usize - 1]);
    // The terminal shows them too.
    let data = scratch.path("data").to_string_lossy().into_owned();
    let shown = dealstage(&["proposals", "show", &id, "--data", &data]);
    let wanted = format!("New (1) → {} ({target})", STAGES[target as usize - 1]);
    assert!(stdout(&shown).contains(&wanted), "{}{}", stdout(&shown), stderr(&shown));
    let approve = |body: Value, status| service.post(&format!("/v1/proposals/{id}/approve"), &body, status);
    let named = json!({"changes": [change["id"]]});
    // The CRM refuses; a person mends it there.
    crm.with(|state| state.refuse = Some(400));
    approve(json!({}), StatusCode::OK);
    let failed = in_state(&service, &id, "failed");
    assert!(failed["message"].to_string().contains("a date of closing"), "{failed}");
    approve(json!({}), StatusCode::CONFLICT);
    // Somebody was there meanwhile.
    crm.with(|state| {
        state.refuse = None;
        state.deals.get_mut("7").expect("there")["stage"] = json!(9);
    });
    approve(named.clone(), StatusCode::OK);
    let conflict = in_state(&service, &id, "conflict");
    assert_eq!(conflict["found"], json!({"value": 9, "name": "Lost"}));
    assert_eq!(crm.stage("7"), 9);
    let again = dealstage(&[
        "proposals",
        "approve",
        &id,
        change["id"].as_str().expect("an id"),
        "--data",
        &data,
    ]);
    assert!(again.status.success(), "{}", stderr(&again));
    let applied = in_state(&service, &id, "applied");
    assert_eq!((&applied["old"], &applied["old_name"]), (&json!(9), &json!("Lost")));
    assert_eq!(crm.stage("7"), target);
    // What is taken back is what was there last.
    service.post(&format!("/v1/proposals/{id}/undo"), &json!({}), StatusCode::OK);
    in_state(&service, &id, "undone");
    assert_eq!(crm.stage("7"), 9);
    // All of it in one session, over many leases; names are asked for again after a refusal.
    assert_eq!((crm.asked("POST /login"), crm.asked("GET /stages")), (1, 2));
    let path = format!("/v1/endpoints/{endpoint}");
    let settings = service.get(&path)["settings"].clone();
    assert_eq!((&settings["url"], &settings["token"]), (&json!(crm.url), &json!("set")));
    assert_eq!(settings["stages"][1], json!({"ours": "pain", "crm": "Problem"}));
    assert!(!service.get(&path).to_string().contains("canary"));
    // Other settings are another account.
    let mut other = settings;
    other["token"] = json!("t0ken-canary-2");
    let changed = service.ask("PATCH", &path).json(&json!({"settings": other}));
    served::json(changed.send().expect("an answer"), StatusCode::OK);
    service.post(&format!("{path}/test"), &json!({}), StatusCode::ACCEPTED);
    wait_for("a new session", || (crm.asked("POST /login") == 2).then_some(()));
}

#[test]
fn a_person_says_which_record_a_deal_is_in_each_crm() {
    let scratch = Scratch::new();
    let service = start(&scratch);
    let (first, second) = (Crm::new(&["7", "8"]), Crm::new(&["7"]));
    let ids = [first.connect(&service, "first"), second.connect(&service, "second")];
    // Of which CRM it speaks is not known.
    let deal = take(&service, &json!({"crm_id": "8", "name": "Clinic"}));
    let path = format!("/v1/deals/{deal}");
    let failed = || service.get(&format!("/v1/deliveries?state=failed&deal={deal}"))["items"].clone();
    let lost = wait_for("both know nothing of it", || {
        let lost = failed();
        (lost.as_array().map(Vec::len) == Some(2)).then_some(lost)
    });
    let message = lost[0]["message"].as_str().expect("a message");
    assert!(message.contains("PATCH /v1/deals/{id}"), "{message}");
    let say = |endpoint: &str, id: Value, status| {
        let said = service
            .ask("PATCH", &path)
            .json(&json!({"crm": {"endpoint": endpoint, "id": id}}));
        served::json(said.send().expect("an answer"), status)
    };
    say(&ids[0], json!("8"), StatusCode::OK);
    let known = say(&ids[1], json!("7"), StatusCode::OK);
    let mut wanted = vec![
        json!({"endpoint": ids[0], "id": "8"}),
        json!({"endpoint": ids[1], "id": "7"}),
    ];
    wanted.sort_by_key(|record| record["endpoint"].to_string());
    assert_eq!(known["crm"], json!(wanted));
    assert_eq!(say(&ids[1], json!("7"), StatusCode::OK), known);
    // What failed is told again, and each CRM gets its own.
    for (endpoint, crm, record) in [(&ids[0], &first, "8"), (&ids[1], &second, "7")] {
        let made = proposal(&service, &deal, endpoint);
        assert_eq!(made["crm_deal_id"], record);
        service.post(
            &format!("/v1/proposals/{}/approve", id_of(&made)),
            &json!({}),
            StatusCode::OK,
        );
        let applied = in_state(&service, &id_of(&made), "applied");
        assert_eq!(crm.stage(record), applied["new"]);
    }
    assert_eq!(first.stage("7"), 1);
    assert_eq!(failed(), json!([]));
    let audit = service.get("/v1/audit?limit=100");
    let lines = audit["items"].as_array().expect("a list").iter();
    assert_eq!(lines.filter(|line| line["action"] == "deal.linked").count(), 2);
    // Another deal cannot be the same record.
    let other = service.post("/v1/deals", &json!({"name": "Mill"}), StatusCode::CREATED);
    for (endpoint, id, status) in [
        (ids[0].as_str(), "8", 409),
        (ids[0].as_str(), " ", 422),
        ("ep_none", "1", 422),
    ] {
        let body = json!({"crm": {"endpoint": endpoint, "id": id}});
        let said = service
            .ask("PATCH", &format!("/v1/deals/{}", id_of(&other)))
            .json(&body);
        served::problem(said.send().expect("an answer"), status);
    }
}
