//! The small CRM of `benches/receiver.py`, started for a test.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::served::{self, Service};

/// Stopped when it is dropped.
pub struct Ledger {
    child: Child,
    url: String,
}

impl Ledger {
    pub fn start(folder: &Path) -> Self {
        let mut child = Command::new("python3")
            .args(["-B", "benches/receiver.py", "--folder"])
            .arg(folder)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut url = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        out.read_line(&mut url).expect("its address");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "{url}");
        Self { child, url }
    }

    fn ask(&self, method: &str, path: &str) -> reqwest::blocking::RequestBuilder {
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        client
            .request(method.parse().expect("a method"), format!("{}{path}", self.url))
            .bearer_auth("ledger")
    }

    pub fn add_deal(&self, id: &str) {
        let deal = json!({"id": id, "name": id, "stage": 1});
        let made = self.ask("POST", "/api/deals").json(&deal).send().expect("an answer");
        served::json(made, StatusCode::CREATED);
    }

    /// The CRM's deal, with its notes.
    pub fn deal(&self, id: &str) -> (Value, Value) {
        let get = |path: &str| served::json(self.ask("GET", path).send().expect("an answer"), StatusCode::OK);
        (
            get(&format!("/api/deals/{id}")),
            get(&format!("/api/deals/{id}/notes"))["items"].clone(),
        )
    }

    /// Connects a service that proposes, and writes nothing that nobody approved; the endpoint.
    pub fn connect(&self, service: &Service) -> String {
        let file = std::fs::read_to_string("fixtures/crm/ledger.toml").expect("a file");
        let settings = json!({
            "url": self.url,
            "token": "ledger",
            "stages": [{"ours": "pain", "crm": "problem"}, {"ours": "power", "crm": "power"}],
            "closed": ["won", "lost"],
            "fields": [
                {"ours": "team_size", "crm": "team_size", "value": "{{ value.n }}"},
                {"ours": "pain", "crm": "problem", "value": "{{ value.text }}"},
            ],
            "note": true,
            "tasks": true,
            "policy": {"stage": "ask", "fields": "ask", "note": "ask", "tasks": "ask", "least_confidence": 0.0},
        });
        let body = json!({"crm_file": file, "settings": settings});
        let made = service.post("/v1/endpoints", &body, StatusCode::CREATED);
        made["id"].as_str().expect("an id").to_owned()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
