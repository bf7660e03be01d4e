//! Figures of the pipeline, from uploaded calls to the answers of the service.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Scratch, fixture};

const KEY: &str = "dsk_for_the_tests_of_the_figures";

/// A service of its own, ended with the test.
struct Service {
    child: Child,
    address: String,
    _data: Scratch,
}

impl Service {
    fn start() -> Self {
        let data = Scratch::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_dealstage"))
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"])
            .env("DEALSTAGE_DATA", data.path("data"))
            .env("DEALSTAGE_ADMIN_KEY", KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the service starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let told = out.lines().map_while(Result::ok);
        let address = told
            .filter_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()))
            .next();
        Self {
            child,
            address: address.expect("an address"),
            _data: data,
        }
    }

    fn ask(&self, request: reqwest::blocking::RequestBuilder) -> (u16, Value) {
        let answer = request.bearer_auth(KEY).send().expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().expect("a body");
        (status, serde_json::from_str(&text).expect("JSON"))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        self.ask(client.get(format!("{}{path}", self.address)))
    }

    /// Uploads a call of a deal and waits for its analysis.
    fn analysed(&self, file: &str, deal: &str) -> Value {
        let text = std::fs::read_to_string(fixture("deals").join(file)).expect("the call");
        let mut call: Value = serde_json::from_str(&text).expect("a call file");
        call["meta"] = json!({ "deal": { "name": deal } });
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let post = client.post(format!("{}/v1/calls", self.address));
        let post = post.header("content-type", "application/json").body(call.to_string());
        let (status, taken) = self.ask(post);
        assert_eq!(status, 202, "{taken}");
        let path = format!("/v1/calls/{}", taken["id"].as_str().expect("an id"));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(120) {
            let (_, call) = self.get(&path);
            match call["status"].as_str() {
                Some("done") => return self.get(&format!("{path}/analysis")).1,
                Some("queued" | "running") => std::thread::sleep(Duration::from_millis(50)),
                _ => panic!("{call}"),
            }
        }
        panic!("{path} is not done in time");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn uploaded_calls_become_figures() {
    let service = Service::start();
    let calls = ["clinic-1.json", "clinic-2.json"].map(|file| service.analysed(file, "The clinic"));
    service.analysed("sklad-1.json", "Склад");
    let ok = |path: &str| {
        let (status, report) = service.get(path);
        assert_eq!(status, 200, "{path}: {report}");
        report
    };

    let funnel = ok("/v1/insights/funnel?by=month");
    assert_eq!(
        (&funnel["all"]["deals"], &funnel["without_stage"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(funnel["certainty"]["calls"], 3);
    assert_eq!(funnel["all"]["stages"][0]["reached"], 2);
    assert_eq!(funnel["all"]["won_amounts"], json!([]));
    let parts = funnel["parts"].as_array().expect("parts").iter();
    assert_eq!(parts.filter_map(|part| part["deals"].as_u64()).sum::<u64>(), 2);

    let map = ok("/v1/insights/process");
    let mut stages: Vec<&Value> = calls.iter().map(|call| &call["deal"]["stage"]).collect();
    stages.dedup();
    let ways = map["variants"].as_array().expect("variants");
    assert!(
        ways.iter().any(|way| way["path"] == json!(stages)),
        "{stages:?}: {ways:?}"
    );

    let cycle = ok("/v1/insights/cycle");
    assert_eq!(
        (&cycle["open"]["days"]["n"], &cycle["won"]["days"]["median"]),
        (&json!(2), &Value::Null)
    );

    let forecast = ok("/v1/insights/forecast?months=2&target_wins=5");
    assert_eq!(
        (&forecast["plan"], &forecast["leads"]),
        (&Value::Null, &Value::Null),
        "nothing has ended"
    );
    let deals = forecast["deals"].as_array().expect("deals");
    assert_eq!(deals.len(), 2);
    let (_, listed) = service.get("/v1/deals");
    let ids: Vec<&Value> = listed["items"]
        .as_array()
        .expect("deals")
        .iter()
        .map(|deal| &deal["id"])
        .collect();
    assert!(deals.iter().all(|deal| ids.contains(&&deal["deal"])), "{ids:?}");

    let coaching = ok("/v1/insights/coaching?from=2025-01-01&to=2025-12-31");
    let rep = &coaching["reps"][0];
    assert_eq!((&rep["owner"], &rep["enough"]), (&Value::Null, &json!(false)));
    let scores: Vec<f64> = calls
        .iter()
        .filter_map(|call| call["scorecard"]["overall"].as_f64())
        .collect();
    assert!(rep["judged"].as_u64() >= Some(2) && scores.len() == 2, "{rep}");
    assert_eq!(ok("/v1/insights/coaching?to=2001-01-01")["reps"], json!([]));

    // Calls of another process are not mixed in.
    assert_eq!(ok("/v1/insights/funnel?process=bant")["all"]["deals"], 0);
    assert_eq!(ok("/v1/insights/funnel?owner=usr_nobody")["all"]["deals"], 0);
    for wrong in [
        "funnel?process=none",
        "funnel?by=colour",
        "forecast?months=0",
        "cycle?from=soon",
        "cycle?from=2026-02-01&to=2026-01-01",
    ] {
        let (status, problem) = service.get(&format!("/v1/insights/{wrong}"));
        assert_eq!((status, &problem["status"]), (400, &json!(400)), "{wrong}: {problem}");
    }
}
