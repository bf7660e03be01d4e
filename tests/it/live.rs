//! Live calls through the front door: turns in, labels out, over connections that break.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::served::{KEY, Service, Settings};
use crate::support::{Scratch, fixture};

const PATIENCE: Duration = Duration::from_secs(120);

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(service: &Service) -> Self {
        Self::connect_to(service, "/v1/live", Some(KEY))
            .await
            .expect("connected")
    }

    async fn connect_to(
        service: &Service,
        path: &str,
        key: Option<&str>,
    ) -> Result<Self, tokio_tungstenite::tungstenite::Error> {
        let url = service.url(path).replacen("http", "ws", 1);
        let mut request = url.into_client_request().expect("a request");
        if let Some(key) = key {
            let value = format!("Bearer {key}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self(socket))
    }

    async fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    /// The next message; None: the connection is closed.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("a message in time")?;
            match next.expect("a frame") {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("JSON")),
                Message::Close(_) => return None,
                _ => (),
            }
        }
    }

    /// All messages up to one of a type, that one included.
    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let message = self
                .next()
                .await
                .unwrap_or_else(|| panic!("closed before `{kind}`: {all:?}"));
            let found = message["type"] == kind;
            all.push(message);
            if found {
                return all;
            }
        }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// A call file in two: what is known before, and what is said.
fn parted(name: &str) -> (Value, Vec<Value>) {
    let text = std::fs::read_to_string(fixture(&format!("calls/{name}.json"))).expect("a fixture");
    let mut call: Value = serde_json::from_str(&text).expect("JSON");
    let turns = call["turns"].take().as_array().expect("turns").clone();
    let object = call.as_object_mut().expect("an object");
    object.remove("turns");
    (call, turns)
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    messages
        .iter()
        .map(|message| message["seq"].as_u64().expect("a number"))
        .collect()
}

/// What the same turns come to as an upload, but for where they came from.
fn as_stored(service: &Service, call: &Value, turns: &[Value], scratch: &Scratch) -> Value {
    let mut whole = call.clone();
    whole["turns"] = json!(turns);
    let path = scratch.write("whole.json", whole.to_string().as_bytes());
    let id = service.take(std::path::Path::new(&path), &json!({}));
    without_origin(service.analysed(&id))
}

fn without_origin(mut analysis: Value) -> Value {
    for name in ["source", "id"] {
        analysis["call"][name].take();
    }
    for name in ["timings_ms", "result_hash"] {
        analysis["provenance"][name].take();
    }
    analysis
}

/// R17: twenty broken connections in one call, and nothing is lost or doubled in either direction.
#[test]
fn a_call_survives_twenty_broken_connections() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let (call, turns) = parted("en-b01");
    let turns = &turns[..41];
    let all = run(async {
        let mut all: Vec<Value> = Vec::new();
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": call})).await;
        let ready = client.until("ready").await;
        let id = ready[0]["call_id"].clone();
        let mut after = ready[0]["seq"].as_u64().expect("a number");
        let mut sent = 0;
        for cut in 1..=20 {
            // Some turns are sent and their answers not waited for.
            for _ in 0..2 {
                client.send(&json!({"type": "turn", "turn": turns[sent]})).await;
                sent += 1;
            }
            if cut % 3 == 0 {
                all.extend(client.until("turn").await);
            }
            drop(client);
            after = all.last().and_then(|last| last["seq"].as_u64()).unwrap_or(after);
            client = Client::connect(&service).await;
            client
                .send(&json!({"type": "resume", "call_id": id, "after": after}))
                .await;
            let missed = client.until("ready").await;
            let ready = missed.last().expect("ready").clone();
            sent = usize::try_from(ready["received"]["turns"].as_u64().expect("turns")).expect("a count");
            all.extend(missed.into_iter().filter(|message| message["type"] != "ready"));
            while sent < cut * 2 {
                client.send(&json!({"type": "turn", "turn": turns[sent]})).await;
                sent += 1;
            }
        }
        client.send(&json!({"type": "turn", "turn": turns[40]})).await;
        client.send(&json!({"type": "stop"})).await;
        all.extend(client.until("final").await);
        assert!(client.next().await.is_none(), "closed after the end");
        all
    });
    let numbers = seqs(&all);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let heard: Vec<u64> = all.iter().filter_map(|message| message["turn"]["i"].as_u64()).collect();
    assert_eq!(heard, (1..=41).collect::<Vec<_>>());
    let last = all.last().expect("final");
    let id = last["call_id"].as_str().expect("an id");
    // It is a stored call like others, and its analysis that of the same turns.
    assert_eq!(service.ended(id)["status"], "done");
    assert_eq!(service.ended(id)["origin"], "live");
    assert_eq!(service.analysed(id), last["analysis"]);
    assert_eq!(
        without_origin(last["analysis"].clone()),
        as_stored(&service, &call, turns, &scratch)
    );
    let events = service
        .ask("GET", "/v1/events")
        .header("accept", "application/json")
        .send();
    let events: Vec<Value> = serde_json::from_str(&events.expect("an answer").text().expect("text")).expect("JSON");
    assert!(
        events
            .iter()
            .any(|event| event["type"] == "call.analyzed" && event["data"]["call_id"] == id)
    );
}

#[test]
fn a_killed_process_loses_nothing_and_a_call_without_a_client_is_ended() {
    let scratch = Scratch::new();
    let settings = || Settings::new(&scratch.path("data")).arg("--live-patience", "20");
    let service = settings().start();
    let (call, turns) = parted("ru-b01");
    let (id, seen) = run(async {
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": call})).await;
        let id = client.until("ready").await[0]["call_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let mut seen = Vec::new();
        for turn in &turns[..6] {
            client.send(&json!({"type": "turn", "turn": turn})).await;
            seen.extend(client.until("turn").await);
        }
        (id, seen)
    });
    service.kill();
    let service = settings().start();
    run(async {
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "resume", "call_id": id, "after": 0})).await;
        let missed = client.until("ready").await;
        assert_eq!(missed.last().expect("ready")["received"]["turns"], 6);
        let again: Vec<&Value> = missed.iter().filter(|message| message["type"] == "turn").collect();
        let before: Vec<&Value> = seen.iter().filter(|message| message["type"] == "turn").collect();
        assert_eq!(again, before);
        client.send(&json!({"type": "turn", "turn": turns[6]})).await;
        client.until("turn").await;
    });
    // Nobody says `stop`.
    let analysis = service.analysed(&id);
    assert_eq!(analysis["turns"].as_array().expect("turns").len(), 7);
    // Whoever comes back late is told the end.
    run(async {
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "resume", "call_id": id, "after": 0})).await;
        let all = client.until("final").await;
        assert_eq!(all.last().expect("final")["analysis"], analysis);
        assert_eq!(all.iter().filter(|message| message["type"] == "turn").count(), 7);
    });
}

#[test]
fn what_is_wrong_is_told() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    run(async {
        for key in [None, Some("dsk_no_such_key")] {
            assert!(Client::connect_to(&service, "/v1/live", key).await.is_err());
        }
        assert!(
            Client::connect_to(&service, "/v1/live/twilio?key=wrong", None)
                .await
                .is_err()
        );
        for first in [
            json!({"type": "turn", "turn": {"text": "hello"}}),
            json!({"type": "hello"}),
            json!({"type": "resume", "call_id": "call_none", "after": 0}),
            json!({"type": "start", "call": {"lang": "de"}}),
            json!({"type": "start", "call": {"meta": {"consent": "denied"}}}),
            json!({"type": "start", "call": {}, "audio": {"encoding": "mulaw", "sample_rate": 1}}),
        ] {
            let mut client = Client::connect(&service).await;
            client.send(&first).await;
            let error = client.next().await.expect("an error");
            assert_eq!(error["type"], "error", "{first}");
            assert_eq!(error["closes"], true, "{first}");
            assert!(client.next().await.is_none());
        }
        // Within a call it goes on.
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": {"lang": "en"}})).await;
        client.until("ready").await;
        client
            .send(&json!({"type": "turn", "turn": {"i": 1, "role": "rep", "text": "Hello, this is Ann."}}))
            .await;
        client.until("turn").await;
        for wrong in [
            json!({"type": "turn", "turn": {"i": 1, "role": "rep", "text": "Other words."}}),
            json!({"type": "turn", "turn": {"role": "rep"}}),
            json!({"type": "what"}),
        ] {
            client.send(&wrong).await;
            let told = client.until("error").await;
            assert_eq!(told.last().expect("an error")["closes"], false, "{wrong}");
        }
        // The same turn once more is no news.
        client
            .send(&json!({"type": "turn", "turn": {"i": 1, "role": "rep", "text": "Hello, this is Ann."}}))
            .await;
        client
            .send(&json!({"type": "turn", "turn": {"role": "buyer", "text": "We lose ten orders a week."}}))
            .await;
        let told = client.until("turn").await;
        assert_eq!(told.last().expect("a turn")["turn"]["i"], 2);
        // A call in which nobody spoke.
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": {}})).await;
        let id = client.until("ready").await[0]["call_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        client.send(&json!({"type": "stop"})).await;
        assert_eq!(client.until("error").await.last().expect("an error")["code"], "failed");
        id
    });
}
