//! What each event tells a receiver of webhooks, to the letter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::mail_server::{Does, MailServer, Tls};
use crate::receiver::{Heard, OK, Receiver};
use crate::served::Settings;
use crate::support::{Scratch, fixture};
use crate::webhooks::{add, case, judge, local};

const TYPES: [&str; 8] = [
    "call.analyzed",
    "call.failed",
    "deal.stage_changed",
    "deal.updated",
    "followup.drafted",
    "followup.approved",
    "action.due",
    "proposal.created",
];

/// A call of a Wednesday on which something is still to be done after it, whenever this runs.
fn to_come(scratch: &Scratch, fixture: &Path) -> PathBuf {
    let mut call: Value = serde_json::from_slice(&std::fs::read(fixture).expect("a file")).expect("JSON");
    call["call_date"] = json!("2099-03-11");
    scratch.write("call.json", call.to_string().as_bytes()).into()
}

/// All that happens around one call; of each type the first request, and all of them.
fn everything(scratch: &Scratch, name: &str, call: &str) -> (String, BTreeMap<String, Heard>) {
    let crm = Ledger::start(&scratch.path(&format!("{name}-crm")));
    crm.add_deal("D-7");
    let service = local(Settings::new(&scratch.path(name))).start();
    let mail = MailServer::new(Tls::Never, |_| Does::Takes);
    let server = json!({"host": "127.0.0.1", "port": mail.port, "security": "none", "from": "sales@example.com"});
    service.post("/v1/endpoints", &json!({"mail": server}), StatusCode::CREATED);
    let receiver = Receiver::new(|_| OK);
    let (_, secret) = add(&service, &receiver.url(), &[]);
    crm.connect(&service);
    let file = to_come(scratch, &fixture(call));
    let meta = json!({"deal": {"crm_id": "D-7", "name": "Сделка"}, "contact": {"email": "canary@example.com"}});
    let call = service.take(&file, &meta);
    service.analysed(&call);
    let follow_up = format!("/v1/calls/{call}/follow-up");
    let edited = json!({"subject": "Canary", "body": "Канарейка"});
    let request = service.ask("PUT", &follow_up).json(&edited).send().expect("an answer");
    assert_eq!(request.status(), StatusCode::OK);
    let send_to = json!({"send_to": ["canary@example.com"]});
    service.post(&format!("{follow_up}/approve"), &send_to, StatusCode::OK);
    let broken = scratch.write("canary.wav", b"RIFF....WAVEfmt ");
    let failed = service.take(Path::new(&broken), &json!({}));
    assert_eq!(service.ended(&failed)["status"], "failed");
    // Time passes: what is to be done is due.
    assert!(
        service.alter("update reminders set due_at = 0") > 0,
        "there is nothing to do"
    );
    let heard = receiver.wait_for_types(&TYPES);
    mail.wait_for(1);
    let mut first = BTreeMap::new();
    for heard in heard {
        first.entry(heard.kind()).or_insert(heard);
    }
    (secret, first)
}

#[test]
fn what_each_event_tells() {
    let scratch = Scratch::new();
    let mut cases = Vec::new();
    for (language, call) in [("en", "deals/clinic-1.json"), ("ru", "deals/sklad-1.json")] {
        let (secret, heard) = everything(&scratch, language, call);
        for kind in TYPES {
            let heard = &heard[kind];
            assert!(heard.body.len() < 20 << 10, "{kind}");
            // Ids and links, but no words: who is told may not be who may read.
            assert!(!heard.body.to_lowercase().contains("canary"), "{}", heard.body);
            assert!(!heard.body.contains("Канарейка"), "{}", heard.body);
            insta::with_settings!({filters => vec![
                (r"(call|deal|prop|ep)_[0-9a-f]{32}", "${1}_…"),
                (r"sha256:[0-9a-f]{64}", "sha256:…"),
                (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "(a moment)"),
                (r#""(confidence|lead_score)": [0-9.]+"#, "\"$1\": (a number)"),
            ]}, {
                insta::assert_json_snapshot!(format!("payload_{language}_{kind}"), heard.json());
            });
            cases.push(case(&format!("{kind}, {language}"), &secret, heard, true));
            let mut other = heard.clone();
            other.body = other.body.replacen("_id\":\"", "_id\":\"x", 1);
            cases.push(case(&format!("{kind}, {language}, altered"), &secret, &other, false));
        }
    }
    // The libraries of receivers read every type.
    judge(&cases);
}
