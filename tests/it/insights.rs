//! Figures of the pipeline, from uploaded calls to the answers of the service.

use serde_json::{Value, json};

use crate::served::{Settings, problem};
use crate::support::{Scratch, fixture};

#[test]
fn uploaded_calls_become_figures() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data"))
        .arg("--metrics-listen", "off")
        .start();
    // One after the other: the second builds on the first.
    let analysed = |file: &str, deal: &str| {
        let id = service.take(&fixture("deals").join(file), &json!({ "deal": { "name": deal } }));
        service.analysed(&id)
    };
    let calls = ["clinic-1.json", "clinic-2.json"].map(|file| analysed(file, "The clinic"));
    analysed("sklad-1.json", "Склад");
    let funnel = service.get("/v1/insights/funnel?by=month");
    assert_eq!(
        (&funnel["all"]["deals"], &funnel["without_stage"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(funnel["certainty"]["calls"], 3);
    assert_eq!(funnel["all"]["stages"][0]["reached"], 2);
    assert_eq!(funnel["all"]["won_amounts"], json!([]));
    let parts = funnel["parts"].as_array().expect("parts").iter();
    assert_eq!(parts.filter_map(|part| part["deals"].as_u64()).sum::<u64>(), 2);

    let map = service.get("/v1/insights/process");
    let mut stages: Vec<&Value> = calls.iter().map(|call| &call["deal"]["stage"]).collect();
    stages.dedup();
    let ways = map["variants"].as_array().expect("variants");
    assert!(
        ways.iter().any(|way| way["path"] == json!(stages)),
        "{stages:?}: {ways:?}"
    );

    let cycle = service.get("/v1/insights/cycle");
    assert_eq!(
        (&cycle["open"]["days"]["n"], &cycle["won"]["days"]["median"]),
        (&json!(2), &Value::Null)
    );

    let forecast = service.get("/v1/insights/forecast?months=2&target_wins=5");
    assert_eq!(
        (&forecast["plan"], &forecast["leads"]),
        (&Value::Null, &Value::Null),
        "nothing has ended"
    );
    let deals = forecast["deals"].as_array().expect("deals");
    assert_eq!(deals.len(), 2);
    let listed = service.get("/v1/deals");
    let ids: Vec<&Value> = listed["items"]
        .as_array()
        .expect("deals")
        .iter()
        .map(|deal| &deal["id"])
        .collect();
    assert!(deals.iter().all(|deal| ids.contains(&&deal["deal"])), "{ids:?}");

    let coaching = service.get("/v1/insights/coaching?from=2025-01-01&to=2025-12-31");
    let rep = &coaching["reps"][0];
    assert_eq!((&rep["owner"], &rep["enough"]), (&Value::Null, &json!(false)));
    let scores: Vec<f64> = calls
        .iter()
        .filter_map(|call| call["scorecard"]["overall"].as_f64())
        .collect();
    assert!(rep["judged"].as_u64() >= Some(2) && scores.len() == 2, "{rep}");
    assert_eq!(service.get("/v1/insights/coaching?to=2001-01-01")["reps"], json!([]));

    // Calls of another process are not mixed in.
    assert_eq!(service.get("/v1/insights/funnel?process=bant")["all"]["deals"], 0);
    assert_eq!(service.get("/v1/insights/funnel?owner=usr_nobody")["all"]["deals"], 0);
    for wrong in [
        "funnel?process=none",
        "funnel?by=colour",
        "forecast?months=0",
        "cycle?from=soon",
        "cycle?from=2026-02-01&to=2026-01-01",
    ] {
        let answer = service
            .ask("GET", &format!("/v1/insights/{wrong}"))
            .send()
            .expect("an answer");
        assert!(!problem(answer, 400).is_empty(), "{wrong}");
    }
}
