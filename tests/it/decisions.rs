//! What a call would change in the CRM, and what a person says about it, on the command line beside a running service.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::served::Settings;
use crate::support::{Scratch, dealstage_with, fixture, stderr, stdout};
use crate::webhooks::{local, text};

/// Waits for the first change-set of a service.
pub fn proposed(service: &crate::served::Service) -> Value {
    let started = Instant::now();
    loop {
        if let Some(first) = service.get("/v1/proposals")["items"]
            .as_array()
            .expect("a list")
            .first()
        {
            return first.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is proposed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_person_decides_on_the_command_line() {
    let scratch = Scratch::new();
    let data = scratch.path("data");
    let crm = Ledger::start(&scratch.path("crm"));
    crm.add_deal("D-7");
    let service = local(Settings::new(&data)).start();
    crm.connect(&service);
    let call = service.take(
        &fixture("deals/clinic-1.json"),
        &json!({"deal": {"crm_id": "D-7", "name": "Clinic"}}),
    );
    service.analysed(&call);
    let proposal = proposed(&service);
    let id = text(&proposal["id"]);
    let run = |words: &[&str]| {
        let folder = data.to_str().expect("a path");
        dealstage_with(&[&["proposals"], words, &["--data", folder]].concat(), &[])
    };
    let said = |words: &[&str]| {
        let output = run(words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    };
    let shown = || -> Value { serde_json::from_str(&said(&["show", &id, "--json"])).expect("JSON") };
    assert_eq!(shown(), service.get(&format!("/v1/proposals/{id}")));
    let listed = said(&["list", "--open", "--call", &call, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&listed).expect("one line"), shown());
    assert_eq!(said(&["list", "--deal", "deal_none"]), "");
    let changes = shown()["changes"].as_array().expect("a list").clone();
    let of = |kind: &str| changes.iter().find(|of| of["kind"] == kind).expect(kind).clone();
    let (note, task) = (of("note"), of("task"));
    // A person sees what would be written, and the words that it rests on.
    let listed = said(&["list"]);
    let first = listed.lines().next().expect("a line");
    assert!(
        first.contains(&id) && first.contains("CRM D-7") && first.contains(&call),
        "{listed}"
    );
    for change in &changes {
        let line = listed
            .lines()
            .find(|line| line.contains(&text(&change["id"])))
            .expect("a line");
        assert!(
            line.contains("proposed") && line.contains("ask") && line.contains(&text(&change["kind"])),
            "{line}"
        );
    }
    let quote = changes
        .iter()
        .find_map(|change| change["evidence"][0]["quote"].as_str())
        .expect("a quote");
    assert!(listed.contains(&format!("“{quote}”")), "{listed}");
    // Nothing was written so far.
    assert_eq!(crm.deal("D-7").1, json!([]));

    let state = |of: &Value, wanted: &str| {
        let started = Instant::now();
        loop {
            let all = shown()["changes"].as_array().expect("a list").clone();
            let found = all.into_iter().find(|change| change["id"] == of["id"]).expect("it");
            if found["state"] == wanted {
                return found;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{wanted}: {found}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let rejected = said(&["reject", &id, &text(&task["id"])]);
    assert!(
        rejected.contains("rejected") && rejected.contains("proposed"),
        "{rejected}"
    );
    let approved: Value = serde_json::from_str(&said(&["approve", &id, &text(&note["id"]), "--json"])).expect("JSON");
    assert_eq!(approved["id"], id.as_str());
    let applied = state(&note, "applied");
    assert_eq!(applied["decided_by"], "command line");
    assert_eq!(state(&task, "rejected")["decided_by"], "command line");
    let notes = crm.deal("D-7").1;
    assert_eq!(notes.as_array().map(Vec::len), Some(1), "{notes}");
    said(&["undo", &id, &text(&note["id"])]);
    state(&note, "undone");
    assert_eq!(crm.deal("D-7").1, json!([]));
    // What is not there, and what cannot be done, is said.
    for words in [
        vec!["show", "prop_none"],
        vec!["approve", "prop_none"],
        vec!["approve", &id, "chg_none"],
        vec!["undo", &id, task["id"].as_str().expect("an id")],
    ] {
        let output = run(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stdout(&output));
        assert!(!stderr(&output).is_empty());
    }
}
