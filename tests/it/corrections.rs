//! What a person corrects stands, the rest follows from it, and taking it back gives what was there before.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::served::{self, Service, Settings};
use crate::support::{Scratch, fixture};

fn correct(service: &Service, call: &str, said: &Value) -> String {
    let answer = service
        .ask("POST", &format!("/v1/calls/{call}/corrections"))
        .json(said)
        .send();
    let kept = served::json(answer.expect("an answer"), StatusCode::CREATED);
    assert_eq!(kept["about"], said["about"]);
    kept["id"].as_str().expect("an id").to_owned()
}

fn refused(service: &Service, call: &str, said: &Value, status: u16) -> String {
    let answer = service
        .ask("POST", &format!("/v1/calls/{call}/corrections"))
        .json(said)
        .send();
    served::problem(answer.expect("an answer"), status)
}

fn turn(analysis: &Value, i: u64) -> &Value {
    let turns = analysis["turns"].as_array().expect("turns");
    turns.iter().find(|turn| turn["i"] == i).expect("the turn")
}

fn hash(analysis: &Value) -> &str {
    analysis["provenance"]["result_hash"].as_str().expect("a hash")
}

#[test]
fn the_word_of_a_person_stands_until_it_is_taken_back() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({"deal": {"name": "Clinic"}}));
    let before = service.analysed(&id);
    let first = before["turns"][1]["i"].as_u64().expect("a number");
    let buyer = before["turns"]
        .as_array()
        .expect("turns")
        .iter()
        .find(|turn| turn["role"] == "buyer");
    let buyer = buyer.expect("a buyer")["i"].as_u64().expect("a number");

    let stage = correct(
        &service,
        &id,
        &json!({"about": "stage", "turn": first, "stage": "commercial"}),
    );
    let signal = json!({"about": "signal", "turn": buyer, "signal": "buyer_budget", "present": true});
    let signal = correct(&service, &id, &signal);
    let said = json!({"amount": 70000.0, "currency": "USD", "period": "year", "qualifier": "exact"});
    let field = json!({"about": "field", "field": "signing_limit", "value": said, "turn": buyer});
    let field = correct(&service, &id, &field);
    let deal = correct(&service, &id, &json!({"about": "deal_stage", "stage": "control"}));
    let after = service.analysed(&id);

    let corrected = json!({"id": "commercial", "confidence": 1.0, "decided_by": "person"});
    assert_eq!(turn(&after, first)["stage"], corrected);
    let signals = turn(&after, buyer)["signals"].as_array().expect("signals");
    assert!(signals.contains(&json!({"id": "buyer_budget", "confidence": 1.0, "decided_by": "person"})));
    let fields = after["qualification"]["fields"].as_array().expect("fields");
    // What was found in other turns stays beside it.
    let of_person = |found: &&Value| found["field"] == "signing_limit" && found["decided_by"] == "person";
    let limit: Vec<_> = fields.iter().filter(of_person).collect();
    assert_eq!(
        (limit.len(), &limit[0]["value"], &limit[0]["turn"]),
        (1, &said, &json!(buyer))
    );
    let words = turn(&after, buyer)["text"].as_str().expect("words");
    assert!(words.contains(limit[0]["quote"].as_str().expect("a quote")));
    let stands = &after["deal"];
    assert_eq!(
        (
            &stands["stage"],
            &stands["decided_by"],
            &stands["abstained"],
            &stands["confidence"]
        ),
        (&json!("control"), &json!("person"), &json!(false), &json!(1.0))
    );
    assert_ne!(hash(&after), hash(&before));
    let known = service.get(&format!("/v1/calls/{id}"));
    let known = service.get(&format!("/v1/deals/{}", known["deal_id"].as_str().expect("a deal")));
    assert_eq!(
        (&known["stage"], &known["known"]["deal"]["stage"]),
        (&json!("control"), &json!("control"))
    );

    for correction in [stage, signal, field, deal] {
        let path = format!("/v1/calls/{id}/corrections/{correction}");
        let gone = |status: u16| {
            let answer = service.ask("DELETE", &path).send().expect("an answer");
            assert_eq!(answer.status().as_u16(), status);
        };
        gone(204);
        gone(404);
    }
    assert_eq!(service.get(&format!("/v1/calls/{id}/corrections")), json!([]));
    assert_eq!(hash(&service.analysed(&id)), hash(&before));
}

#[test]
fn a_side_that_was_wrong_takes_its_signals_with_it() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    let before = service.analysed(&id);
    let said = |turn: &&Value| turn["role"] == "buyer" && turn["signals"] != json!([]);
    let heard = before["turns"].as_array().expect("turns").iter().find(said);
    let heard = heard.expect("a turn with a signal")["i"].as_u64().expect("a number");
    correct(
        &service,
        &id,
        &json!({"about": "speaker", "turn": heard, "role": "rep"}),
    );
    let after = service.analysed(&id);
    assert_eq!(turn(&after, heard)["role"], "rep");
    let signals = turn(&after, heard)["signals"].as_array().expect("signals");
    assert!(
        signals
            .iter()
            .all(|signal| signal["id"].as_str().is_some_and(|id| id.starts_with("rep_")))
    );
    for (i, turn) in before["turns"].as_array().expect("turns").iter().enumerate() {
        if turn["i"] != heard {
            assert_eq!(after["turns"][i]["role"], turn["role"]);
        }
    }
}

/// The amounts of `pain_impact` that a turn has, and who decided each.
fn losses(analysis: &Value, turn: u64) -> Vec<(f64, String)> {
    let fields = analysis["qualification"]["fields"].as_array().expect("fields");
    let of_turn = |field: &&Value| field["field"] == "pain_impact" && field["turn"] == turn;
    let shown = fields.iter().filter(of_turn).map(|field| {
        let amount = field["value"]["amount"].as_f64().expect("an amount");
        (amount, field["decided_by"].as_str().expect("a word").to_owned())
    });
    shown.collect()
}

#[test]
fn of_two_values_in_a_turn_one_is_corrected() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    let before = service.analysed(&id);
    let rules = "rules".to_owned();
    assert_eq!(losses(&before, 8), [(200.0, rules.clone()), (9000.0, rules.clone())]);
    let right = json!({"amount": 900.0, "currency": "USD", "period": "month", "qualifier": "approx"});
    let said = |raw: &str, value: &Value| json!({"about": "field", "field": "pain_impact", "turn": 8, "raw": raw, "value": value});
    let second = said("like nine thousand dollars a month", &right);
    let kept = correct(&service, &id, &second);
    let person = "person".to_owned();
    assert_eq!(
        losses(&service.analysed(&id), 8),
        [(200.0, rules), (900.0, person.clone())]
    );
    assert_eq!(
        service.get(&format!("/v1/calls/{id}/corrections"))[0]["raw"],
        second["raw"]
    );
    let first = correct(&service, &id, &said("roughly two hundred dollars", &Value::Null));
    assert_eq!(losses(&service.analysed(&id), 8), [(900.0, person)]);
    for correction in [kept, first] {
        let path = format!("/v1/calls/{id}/corrections/{correction}");
        let answer = service.ask("DELETE", &path).send().expect("an answer");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(hash(&service.analysed(&id)), hash(&before));
}

#[test]
fn what_cannot_be_a_correction_is_refused() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let id = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    service.analysed(&id);
    for (said, why) in [
        (json!({"about": "deal_stage", "stage": "nowhere"}), "it has"),
        (
            json!({"about": "stage", "turn": 999, "stage": "closing"}),
            "no turn 999",
        ),
        (
            json!({"about": "field", "field": "budget", "value": "much", "turn": 1}),
            "value",
        ),
        (
            json!({"about": "field", "field": "budget", "value": {"amount": 1.0, "currency": "USD"}, "turn": 999}),
            "",
        ),
        (
            json!({"about": "signal", "turn": 1, "signal": "buyer_pane", "present": true}),
            "",
        ),
        (
            json!({"about": "field", "field": "pain_impact", "value": null, "raw": "roughly two hundred dollars"}),
            "needs `turn`",
        ),
        (
            json!({"about": "field", "field": "pain_impact", "value": null, "turn": 8, "raw": "ten dollars"}),
            "not in turn 8",
        ),
    ] {
        let detail = refused(&service, &id, &said, 422);
        assert!(detail.contains(why), "{said}: {detail}");
    }
    assert_eq!(service.get(&format!("/v1/calls/{id}/corrections")), json!([]));
    assert_eq!(service.get(&format!("/v1/calls/{id}"))["status"], "done");
}
