//! What is not kept, through the front door: erasing, consent, retention.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::mail_server::{At, Does, MailServer, Tls};
use crate::receiver::{Answer, Receiver};
use crate::served::{self, Service, Settings};
use crate::support::{Scratch, fixture};
use crate::webhooks::{local, on_both};

const PATIENCE: Duration = Duration::from_secs(60);

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Where in a data folder a word is: in the names of files, and in their bytes with all that is free in them.
fn places(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        path.to_string_lossy().contains(word) || bytes.windows(word.len()).any(|window| window == word.as_bytes())
    });
    found
}

/// The rows of a PostgreSQL database as text.
fn dump(url: &str) -> String {
    let output = std::process::Command::new("pg_dump")
        .args(["--data-only", url])
        .output()
        .expect("pg_dump starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// All words of the first call of the deal that are in no other: what must not be found when it is erased.
fn first_call(scratch: &Scratch) -> PathBuf {
    let text = std::fs::read_to_string(fixture("deals/clinic-1.json")).expect("a file");
    let path = scratch.path("zyxwanna-call.json");
    let text = text.replacen(
        "\"text\": \"",
        "\"text\": \"My name is Zyxwanna Quuxley, zyxwanna@example.com. ",
        1,
    );
    let text = text.replacen(
        "\"text\":\"",
        "\"text\":\"My name is Zyxwanna Quuxley, zyxwanna@example.com. ",
        1,
    );
    assert!(text.contains("Quuxley"));
    std::fs::write(&path, text).expect("written");
    path
}

const CANARIES: [&str; 5] = ["Zyxwanna", "zyxwanna", "Quuxley", "9035550147", "903 555"];

fn erase(service: &Service, path: &str) -> reqwest::blocking::Response {
    service.ask("DELETE", path).send().expect("an answer")
}

fn patch(service: &Service, id: &str, body: &Value) -> Value {
    let answer = service.ask("PATCH", &format!("/v1/calls/{id}")).json(body).send();
    served::json(answer.expect("an answer"), StatusCode::OK)
}

fn status(response: &reqwest::blocking::Response) -> u16 {
    response.status().as_u16()
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn nothing_of_an_erased_call_is_found() {
    let scratch = Scratch::new();
    let services = [
        Some(Settings::new(&scratch.path("sqlite")).arg("--rate", "100000")),
        Settings::new(&scratch.path("servers"))
            .arg("--rate", "100000")
            .on_servers(),
    ];
    let first = first_call(&scratch);
    for settings in services.into_iter().flatten() {
        let data = settings.data.clone();
        let database = settings
            .environment
            .iter()
            .find_map(|(name, value)| (name == "DEALSTAGE_DATABASE_URL").then(|| value.clone()));
        let service = settings.start();
        let of_deal = |contact: Value| json!({"deal": {"crm_id": "7", "name": "Clinic"}, "contact": contact});
        let contact = json!({"name": "Zyxwanna Quuxley", "phone": "+1 903 555 0147", "email": "zyxwanna@example.com"});
        let early = service.take(&first, &of_deal(contact));
        service.analysed(&early);
        let later = service.take(&fixture("deals/clinic-2.json"), &of_deal(json!({})));
        service.analysed(&later);
        let edited = json!({"subject": "Zyxwanna", "body": "As Ms Quuxley said."});
        for id in [&early, &later] {
            let answer = service
                .ask("PUT", &format!("/v1/calls/{id}/follow-up"))
                .json(&edited)
                .send();
            served::json(answer.expect("an answer"), StatusCode::OK);
        }
        let answer = service
            .ask("POST", &format!("/v1/calls/{early}/corrections"))
            .header("idempotency-key", "correction")
            .json(&json!({"about": "field", "field": "buyer_company", "value": "Quuxley Ltd", "turn": 2}))
            .send();
        served::json(answer.expect("an answer"), StatusCode::CREATED);
        service.analysed(&early);
        service.analysed(&later);
        let found = |word: &str| match &database {
            None => !places(&data, word).is_empty(),
            Some(url) => dump(url).contains(word),
        };
        assert!(CANARIES[..4].iter().any(|word| found(word)));
        assert!(found("Quuxley") && found("9035550147"));

        assert_eq!(status(&erase(&service, &format!("/v1/calls/{early}"))), 204);
        for word in CANARIES {
            until(&format!("{word} is still there: {:?}", places(&data, word)), || {
                !found(word)
            });
        }
        served::problem(erase(&service, &format!("/v1/calls/{early}")), 404);
        for part in ["", "/analysis", "/audio", "/follow-up", "/corrections"] {
            let answer = service.ask("GET", &format!("/v1/calls/{early}{part}")).send();
            served::problem(answer.expect("an answer"), 404);
        }
        // The later call is analysed again, as if there had been no other.
        let analysis = service.analysed(&later);
        assert_eq!(analysis["deal"]["earlier_calls"], json!([]), "{}", analysis["deal"]);
        let letter = service.get(&format!("/v1/calls/{later}/follow-up"));
        assert_eq!(letter["state"], "draft");
        assert_ne!(letter["subject"], "Zyxwanna");
        let deal = service.get(&format!("/v1/calls/{later}"))["deal_id"]
            .as_str()
            .expect("a deal")
            .to_owned();
        let records = service.get(&format!("/v1/deals/{deal}/history"));
        assert_eq!(records["records"].as_array().expect("a list").len(), 1);
        for word in CANARIES {
            assert!(!found(word), "{word} came back");
        }
        assert_eq!(status(&erase(&service, &format!("/v1/deals/{deal}"))), 204);
        served::problem(erase(&service, &format!("/v1/deals/{deal}")), 404);
        let none = service.get("/v1/calls");
        assert_eq!(
            (&none["items"], &service.get("/v1/deals")["items"]),
            (&json!([]), &json!([]))
        );
        if database.is_none() {
            until("a recording is left", || files(&data.join("recordings")).is_empty());
        }
        // Only that it was is in the log.
        let log = std::fs::read_to_string(&service.log).expect("a log");
        assert!(CANARIES.iter().all(|word| !log.contains(word)), "{log}");
    }
}

/// Where deliveries keep something of the first call: none of it holds words but what a person, a receiver or a CRM wrote.
const LEFT_BEHIND: [&str; 7] = [
    "select count(*) from deliveries where call is not null",
    "select count(*) from attempts where answer like '%Zyxwanna%'",
    "select count(*) from attempts where answer like '%zyxwanna@example.com%'",
    "select count(*) from follow_ups where send_to like '%zyxwanna%' and draft like '%Quuxley%'",
    "select count(*) from proposals",
    "select count(*) from changes where new_value like '%Zyxwanna%'",
    "select count(*) from reminders",
];

/// Has a call told to a receiver, a mail server and a CRM, all of which say something about it.
fn told_to_all(scratch: &Scratch, crm: &Ledger, service: &Service, deal: &str) -> String {
    let text = std::fs::read_to_string(first_call(scratch)).expect("a file");
    let mut call: Value = serde_json::from_str(&text).expect("JSON");
    // So that something is still to be done after it.
    call["call_date"] = json!(chrono::Utc::now().date_naive());
    let turns = call["turns"].as_array_mut().expect("a list");
    for turn in turns {
        let said = turn["text"]
            .as_str()
            .expect("a text")
            .replace("callbacks.", "callbacks, Zyxwanna Quuxley says.");
        turn["text"] = json!(said);
    }
    let file = scratch.write("told.json", call.to_string().as_bytes());
    // With a body, too.
    let says = "content-length: 8\r\nconnection: close\r\n\r\nZyxwanna";
    let receiver = Receiver::new(move |_| Answer::Status(500, says));
    service.post("/v1/endpoints", &json!({"url": receiver.url()}), StatusCode::CREATED);
    let mail = MailServer::new(Tls::Never, |_| {
        Does::Says(At::Recipient, "550 <zyxwanna@example.com> is unknown")
    });
    let server = json!({"host": "127.0.0.1", "port": mail.port, "security": "none", "from": "sales@example.com"});
    service.post("/v1/endpoints", &json!({"mail": server}), StatusCode::CREATED);
    crm.add_deal(deal);
    crm.connect(service);
    let call = service.take(Path::new(&file), &json!({"deal": {"crm_id": deal, "name": "Clinic"}}));
    service.analysed(&call);
    let follow_up = format!("/v1/calls/{call}/follow-up");
    let edited = json!({"subject": "Zyxwanna", "body": "As Ms Quuxley said."});
    let answer = service.ask("PUT", &follow_up).json(&edited).send();
    served::json(answer.expect("an answer"), StatusCode::OK);
    let send_to = json!({"send_to": ["zyxwanna@example.com"]});
    service.post(&format!("{follow_up}/approve"), &send_to, StatusCode::OK);
    for question in LEFT_BEHIND {
        until(question, || service.count(question) > 0);
    }
    call
}

#[test]
fn nothing_of_an_erased_call_is_left_with_what_was_sent() {
    let scratch = Scratch::new();
    for settings in on_both(&scratch) {
        let data = settings.data.clone();
        let service = settings.start();
        let crm = Ledger::start(&scratch.path(&format!("crm-{}", service.database.starts_with("postgres"))));
        let call = told_to_all(&scratch, &crm, &service, "D-7");
        assert_eq!(status(&erase(&service, &format!("/v1/calls/{call}"))), 204);
        for question in LEFT_BEHIND {
            assert_eq!(service.count(question), 0, "{question}");
        }
        for word in CANARIES {
            until(&format!("{word} is still there"), || {
                if service.database.starts_with("postgres") {
                    !dump(&service.database).contains(word)
                } else {
                    places(&data, word).is_empty()
                }
            });
        }
        // Where things go stays, for the next call.
        assert_eq!(service.get("/v1/endpoints")["items"].as_array().map(Vec::len), Some(3));
    }
}

#[test]
fn what_was_sent_grows_old_too() {
    let scratch = Scratch::new();
    let settings = || local(Settings::new(&scratch.path("data")));
    let service = settings().start();
    let crm = Ledger::start(&scratch.path("crm"));
    told_to_all(&scratch, &crm, &service, "D-7");
    let days = json!({"recording_days": 0, "transcript_days": 0, "analysis_days": 0, "event_days": 1});
    let answer = service.ask("PUT", "/v1/settings/retention").json(&days).send();
    served::json(answer.expect("an answer"), StatusCode::OK);
    // A day goes by. The next look is in ten minutes, or at the next start.
    assert!(service.alter("update events set at = at - 90000000") > 0);
    assert!(service.stop().success());
    let service = settings().start();
    for question in LEFT_BEHIND {
        until(question, || service.count(question) == 0);
    }
    let data = scratch.path("data");
    for word in ["Zyxwanna", "Quuxley"] {
        until(&format!("{word} is still there: {:?}", places(&data, word)), || {
            places(&data, word).is_empty()
        });
    }
}

#[test]
fn a_call_is_erased_while_it_is_worked_on() {
    let scratch = Scratch::new();
    let settings = Settings::new(&scratch.path("data")).arg("--rate", "100000");
    let data = settings.data.clone();
    let service = settings.start();
    let file = fixture("deals/clinic-1.json");
    // A recording first: it is worked on for a while.
    let recording = fixture("audio/discovery-ru.opus");
    let ids: Vec<String> = [&recording, &file, &file, &file]
        .map(|file| service.take(file, &json!({"rep": "Zyxwanna"})))
        .into();
    until("no call is worked on", || {
        ids.iter()
            .any(|id| service.get(&format!("/v1/calls/{id}"))["status"] == "running")
    });
    for id in &ids {
        assert_eq!(status(&erase(&service, &format!("/v1/calls/{id}"))), 204);
    }
    // One that comes behind them: the workers are free again.
    let last = service.take(&fixture("deals/sklad-1.json"), &json!({}));
    service.analysed(&last);
    for id in &ids {
        let answer = service.ask("GET", &format!("/v1/calls/{id}")).send();
        served::problem(answer.expect("an answer"), 404);
        until("it is still there", || {
            let left = places(&data, id);
            // The audit log keeps the number of the call, in the database, and so does the log of the service.
            left.iter()
                .all(|path| path.ends_with("dealstage.db") || path.ends_with("log.txt"))
        });
    }
    until("its words are still there", || places(&data, "Zyxwanna").is_empty());
    until("their bytes are still there", || {
        files(&data.join("recordings")).len() == 1
    });
}

#[test]
fn what_nobody_agreed_to_is_not_kept() {
    let scratch = Scratch::new();
    let settings = Settings::new(&scratch.path("data")).arg("--rate", "100000");
    let data = settings.data.clone();
    let service = settings.start();
    let first = first_call(&scratch);
    let contact = json!({"name": "Zyxwanna Quuxley", "phone": "+1 903 555 0147"});
    let refused = service.take(&first, &json!({"consent": "denied", "contact": contact}));
    let call = service.get(&format!("/v1/calls/{refused}"));
    assert_eq!(
        (&call["status"], &call["error"]["code"]),
        (&json!("cancelled"), &json!("denied"))
    );
    assert_eq!(call["source"], "upload");
    for word in CANARIES {
        assert_eq!(places(&data, word), Vec::<PathBuf>::new(), "{word}");
    }
    assert_eq!(service.get("/v1/calls?inbox=true")["items"], json!([]));

    let id = service.take(&first, &json!({"contact": contact}));
    service.analysed(&id);
    let said = json!({"consent": "granted", "consent_method": "spoken", "consent_at": "2026-03-01T10:00:00Z"});
    let call = patch(&service, &id, &said);
    assert_eq!(
        (&call["consent"], &call["consent_method"]),
        (&json!("granted"), &json!("spoken"))
    );
    let call = patch(&service, &id, &json!({"consent": "denied"}));
    assert_eq!(
        (&call["status"], &call["error"]["code"]),
        (&json!("cancelled"), &json!("denied"))
    );
    assert_eq!(
        call["gone"],
        json!({"recording": "consent", "transcript": "consent", "analysis": "consent"})
    );
    for part in ["/analysis", "/audio", "/follow-up"] {
        let answer = service.ask("GET", &format!("/v1/calls/{id}{part}")).send();
        assert!(served::problem(answer.expect("an answer"), 410).contains("consent"));
    }
    for word in CANARIES {
        until(&format!("{word} is still there"), || places(&data, word).is_empty());
    }
    let again = service.ask("POST", &format!("/v1/calls/{id}/rerun")).send();
    served::problem(again.expect("an answer"), 409);
    for wrong in [
        json!({}),
        json!({"consent_method": "spoken"}),
        json!({"consent": "maybe"}),
    ] {
        let answer = service.ask("PATCH", &format!("/v1/calls/{id}")).json(&wrong).send();
        served::problem(answer.expect("an answer"), 422);
    }
}

#[test]
fn what_is_too_old_says_so() {
    let scratch = Scratch::new();
    let settings = || Settings::new(&scratch.path("data")).arg("--rate", "100000");
    let data = scratch.path("data");
    let service = settings().start();
    let keep = service.get("/v1/settings/retention");
    assert_eq!(
        keep,
        json!({"recording_days": 90, "transcript_days": 365, "analysis_days": 365, "event_days": 30, "audit_days": 1095})
    );
    let first = first_call(&scratch);
    let old = service.take(&first, &json!({}));
    service.analysed(&old);
    let held = service.take(&fixture("deals/sklad-1.json"), &json!({}));
    service.analysed(&held);
    assert_eq!(patch(&service, &held, &json!({"hold": true}))["hold"], true);
    let set = |body: &Value, expected: u16| {
        let answer = service.ask("PUT", "/v1/settings/retention").json(body).send();
        let answer = answer.expect("an answer");
        assert_eq!(status(&answer), expected, "{}", answer.text().unwrap_or_default());
    };
    set(&json!({"audit_days": 1}), 422);
    set(&json!({"colour": 1}), 422);
    set(
        &json!({"recording_days": 0, "transcript_days": 0, "analysis_days": 0}),
        200,
    );
    assert_eq!(service.get("/v1/settings/retention")["event_days"], 30);
    // The next look is in ten minutes, or at the next start.
    assert!(service.stop().success());
    let service = settings().start();
    let gone = || service.get(&format!("/v1/calls/{old}"))["gone"].clone();
    until("it is still there", || gone()["analysis"] == "retention");
    assert_eq!(gone()["transcript"], "retention");
    let answer = service.ask("GET", &format!("/v1/calls/{old}/analysis")).send();
    assert!(served::problem(answer.expect("an answer"), 410).contains("older than"));
    let rerun = service.ask("POST", &format!("/v1/calls/{old}/rerun")).send();
    assert!(served::problem(rerun.expect("an answer"), 409).contains("upload it again"));
    assert_eq!(service.get(&format!("/v1/calls/{old}"))["source"], "upload");
    until("its recording is still there", || {
        files(&data.join("recordings")).len() == 1
    });
    // On legal hold nothing grows old, and only who says so erases it.
    service.analysed(&held);
    let detail = served::problem(erase(&service, &format!("/v1/calls/{held}")), 409);
    assert!(detail.contains("despite_hold"), "{detail}");
    assert_eq!(
        status(&erase(&service, &format!("/v1/calls/{held}?despite_hold=true"))),
        204
    );
    until("a recording is left", || files(&data.join("recordings")).is_empty());
}
