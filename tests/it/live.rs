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

/// Whoever looks on is told the same, from any point, and takes nothing from the one who holds the call.
#[test]
fn a_call_is_watched_while_it_goes_on() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let (call, turns) = parted("en-b01");
    let kept = |all: Vec<Value>| -> Vec<Value> { all.into_iter().filter(|told| told["type"] != "ready").collect() };
    run(async {
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": call})).await;
        let id = client.until("ready").await[0]["call_id"].clone();
        client.send(&json!({"type": "turn", "turn": turns[0]})).await;
        let mut held = client.until("turn").await;
        let mut watcher = Client::connect(&service).await;
        watcher.send(&json!({"type": "watch", "call_id": id})).await;
        let mut watched = watcher.until("turn").await;
        // What a watcher says is not heard.
        watcher.send(&json!({"type": "turn", "turn": turns[5]})).await;
        for turn in &turns[1..4] {
            client.send(&json!({"type": "turn", "turn": turn})).await;
            held.extend(client.until("turn").await);
            watched.extend(watcher.until("turn").await);
        }
        let mut late = Client::connect(&service).await;
        late.send(&json!({"type": "watch", "call_id": id, "after": held.last().expect("a turn")["seq"]}))
            .await;
        client.send(&json!({"type": "stop"})).await;
        let end = client.until("final").await;
        held.extend(end.clone());
        watched.extend(watcher.until("final").await);
        assert_eq!(kept(watched), kept(held));
        assert_eq!(late.until("final").await, end);
        assert_eq!(
            end.last().expect("final")["analysis"]["turns"]
                .as_array()
                .expect("turns")
                .len(),
            4
        );
        for gone in [&mut watcher, &mut late] {
            assert!(gone.next().await.is_none(), "closed after the end");
        }
        let mut nobody = Client::connect(&service).await;
        nobody.send(&json!({"type": "watch", "call_id": "call_none"})).await;
        assert_eq!(nobody.until("error").await[0]["code"], "no_call");
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

/// A client that reads nothing while much is told: it is told so, the call goes on, and nothing that is kept is missing.
/// Partial texts would send the same speech to the service again and again.
#[test]
fn a_server_that_has_recordings_heard_elsewhere_takes_no_live_sound() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data"))
        .arg("--asr", "remote")
        .env("DEALSTAGE_ASR_BASE_URL", "http://127.0.0.1:9/v1")
        .start();
    run(async {
        let mut client = Client::connect(&service).await;
        let audio = json!({"encoding": "mulaw", "sample_rate": 8000});
        client
            .send(&json!({"type": "start", "call": {"lang": "en"}, "audio": audio}))
            .await;
        let error = client.next().await.expect("an error");
        assert_eq!(error["type"], "error", "{error}");
        assert!(
            error["message"].as_str().expect("a text").contains("--asr local"),
            "{error}"
        );
        // What was said can be sent all the same.
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": {"lang": "en"}})).await;
        client.until("ready").await;
    });
}

#[test]
fn a_client_that_reads_too_slowly_is_told() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    run(async {
        let mut client = Client::connect(&service).await;
        client.send(&json!({"type": "start", "call": {"lang": "en"}})).await;
        client.until("ready").await;
        let turn = |i: u32, text: &str| json!({"type": "turn", "turn": {"i": i, "role": "buyer", "text": text}});
        client.send(&turn(1, "We lose ten orders a week.")).await;
        // Each of these comes back with what is wrong in it: more than the sockets between the two hold.
        let wrong = json!({"type": "turn", "turn": {"role": "x".repeat(120_000), "text": "Hello."}});
        for _ in 0..300 {
            client.send(&wrong).await;
        }
        client.send(&turn(2, "That costs us a lot of money.")).await;
        client.send(&json!({"type": "stop"})).await;
        let all = client.until("final").await;
        let told = |code: &str| all.iter().filter(|message| message["code"] == code).count();
        assert!(told("lagging") >= 1);
        assert!(told("bad_message") < 300, "what is not kept is not kept waiting either");
        let turns: Vec<&Value> = all.iter().filter(|message| message["type"] == "turn").collect();
        assert_eq!(turns.len(), 2);
        assert_eq!(all.last().expect("final")["analysis"]["turns"][1]["i"], 2);
    });
}

mod sound {
    use std::time::Instant;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::support::analyze;

    const RATE: usize = 8_000;
    /// A tenth of a second of two channels.
    const PIECE: usize = RATE / 10 * 2;
    /// Bytes before the sound in a recording of a live call.
    const HEAD: usize = 46;

    /// 9.6 s of µ-law, two channels: the seller on the left, then the buyer on the right.
    fn sound() -> Vec<u8> {
        let file = std::fs::read(fixture("audio/formats/ulaw-8k-stereo.wav")).expect("a fixture");
        let at = file.windows(4).position(|name| name == b"data").expect("sound");
        file[at + 8..].to_vec()
    }

    fn start() -> Value {
        json!({"type": "start", "call": {}, "audio":
            {"encoding": "mulaw", "sample_rate": RATE, "channels": 2, "rep": "left"}})
    }

    impl Client {
        async fn hear(&mut self, sound: &[u8]) {
            for piece in sound.chunks(PIECE) {
                self.0.send(Message::binary(piece.to_vec())).await.expect("sent");
            }
        }
    }

    fn recording(service: &Service, id: &str) -> Vec<u8> {
        let answer = service
            .ask("GET", &format!("/v1/calls/{id}/audio"))
            .send()
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().expect("sound").to_vec()
    }

    fn texts(turns: &Value, role: &str) -> String {
        let of_role = turns
            .as_array()
            .expect("turns")
            .iter()
            .filter(|turn| turn["role"] == role);
        let texts: Vec<&str> = of_role.filter_map(|turn| turn["text"].as_str()).collect();
        texts.join(" ")
    }

    #[test]
    fn a_call_is_heard_while_it_goes_on() {
        let scratch = Scratch::new();
        let service = Settings::new(&scratch.path("data")).start();
        let sound = sound();
        let all = run(async {
            let mut client = Client::connect(&service).await;
            client.send(&start()).await;
            client.until("ready").await;
            // The first speaker is in the middle of a sentence, and its first words are behind.
            client.hear(&sound[..42 * PIECE]).await;
            let mut all = client.until("partial").await;
            client.hear(&sound[42 * PIECE..]).await;
            client.send(&json!({"type": "stop"})).await;
            all.extend(client.until("final").await);
            all
        });
        let numbers = seqs(&all);
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        assert_eq!(all[0]["speaker"], "left");
        assert_eq!(all[0]["role"], "rep");
        let last = all.last().expect("final");
        let analysis = &last["analysis"];
        let told: Vec<&Value> = all.iter().filter(|message| message["type"] == "turn").collect();
        let told: Vec<&Value> = told.iter().map(|message| &message["turn"]["text"]).collect();
        let ended: Vec<&Value> = analysis["turns"]
            .as_array()
            .expect("turns")
            .iter()
            .map(|turn| &turn["text"])
            .collect();
        assert_eq!(told, ended);
        assert!(texts(&analysis["turns"], "rep").contains("Mark"), "{ended:?}");
        assert!(
            texts(&analysis["turns"], "buyer").contains("twenty minutes")
                || texts(&analysis["turns"], "buyer").contains("20 minutes"),
            "{ended:?}"
        );
        assert_eq!(analysis["call"]["language"], "en");
        assert_eq!(analysis["call"]["channels"], 2);
        let id = last["call_id"].as_str().expect("an id");
        assert_eq!(service.ended(id)["status"], "done");
        assert_eq!(service.analysed(id), *analysis);
        assert_eq!(recording(&service, id)[HEAD..], sound);
    }

    /// The process dies in the middle; of one call the client comes back, of the other it does not.
    #[test]
    fn a_crash_costs_at_most_two_seconds_of_sound() {
        let scratch = Scratch::new();
        let settings = || Settings::new(&scratch.path("data")).arg("--live-patience", "5");
        let service = settings().start();
        let sound = sound();
        let at = 55 * PIECE;
        let ids = run(async {
            let mut clients = [Client::connect(&service).await, Client::connect(&service).await];
            let mut ids = Vec::new();
            for client in &mut clients {
                client.send(&start()).await;
                let ready = client.until("ready").await;
                ids.push(ready[0]["call_id"].as_str().expect("an id").to_owned());
            }
            // At the speed of a mouth: what counts is time.
            let begun = Instant::now();
            for (count, piece) in sound[..at].chunks(PIECE).enumerate() {
                let due = Duration::from_millis(100) * u32::try_from(count).expect("a count");
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
                for client in &mut clients {
                    client.hear(piece).await;
                }
            }
            ids
        });
        service.kill();
        let service = settings().start();
        let all = run(async {
            let mut client = Client::connect(&service).await;
            client
                .send(&json!({"type": "resume", "call_id": ids[0], "after": 0}))
                .await;
            let mut all = client.until("ready").await;
            let ready = all.pop().expect("ready");
            let received = usize::try_from(ready["received"]["bytes"].as_u64().expect("bytes")).expect("a count");
            assert!(received <= at && at - received <= 2 * RATE * 2, "{received} of {at}");
            client.hear(&sound[received..]).await;
            client.send(&json!({"type": "stop"})).await;
            all.extend(client.until("final").await);
            all
        });
        let analysis = &all.last().expect("final")["analysis"];
        let numbers: Vec<u64> = all.iter().filter_map(|message| message["turn"]["i"].as_u64()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        assert_eq!(analysis["turns"].as_array().expect("turns").len(), numbers.len());
        assert!(texts(&analysis["turns"], "rep").contains("Mark"), "{analysis}");
        assert_eq!(recording(&service, &ids[0])[HEAD..], sound);
        // The other is ended by the service.
        let analysis = service.analysed(&ids[1]);
        assert!(texts(&analysis["turns"], "rep").contains("Mark"), "{analysis}");
        let left = recording(&service, &ids[1]);
        let kept = left.len() - HEAD;
        assert!(at - kept <= 2 * RATE * 2, "{kept} of {at}");
        assert_eq!(left[HEAD..], sound[..kept]);
        drop(service);
        let path = scratch.write("left.wav", &left);
        let again = analyze(&[&path, "--rep", "left", "--language", "en"]);
        assert!(texts(&again["turns"], "rep").contains("Mark"), "{again}");
    }

    /// Frames as Twilio sends them, through the front door.
    #[test]
    fn a_telephone_call_is_heard() {
        let scratch = Scratch::new();
        let service = Settings::new(&scratch.path("data")).start();
        let sound = sound();
        let calls = || service.get("/v1/calls")["items"].as_array().expect("calls").clone();
        let begin = |key: &str| {
            json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
                "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound", "outbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"key": key, "rep": "inbound", "lang": "en"}}})
        };
        let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
        run(async {
            let mut client = Client::connect_to(&service, "/v1/live/twilio", None)
                .await
                .expect("connected");
            client.send(&connected).await;
            client.send(&begin("dsk_no_such_key")).await;
            assert!(client.next().await.is_none(), "closed");
        });
        assert!(calls().is_empty());
        run(async {
            let mut client = Client::connect_to(&service, "/v1/live/twilio", None)
                .await
                .expect("connected");
            client.send(&connected).await;
            client.send(&begin(KEY)).await;
            for (count, piece) in sound.chunks(160 * 2).enumerate() {
                for (side, track) in ["inbound", "outbound"].into_iter().enumerate() {
                    let payload: Vec<u8> = piece.iter().skip(side).step_by(2).copied().collect();
                    let media = json!({"track": track, "chunk": count.to_string(), "timestamp": (count * 20).to_string(),
                        "payload": STANDARD.encode(payload)});
                    let frame = json!({"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": media});
                    client.send(&frame).await;
                }
            }
            client
                .send(&json!({"event": "mark", "streamSid": "MZ1", "mark": {"name": "x"}}))
                .await;
            client
                .send(&json!({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))
                .await;
            assert!(client.next().await.is_none(), "closed");
        });
        let calls = calls();
        assert_eq!(calls.len(), 1);
        let id = calls[0]["id"].as_str().expect("an id");
        let analysis = service.analysed(id);
        assert!(texts(&analysis["turns"], "rep").contains("Mark"), "{analysis}");
        assert!(!texts(&analysis["turns"], "buyer").is_empty());
        assert_eq!(recording(&service, id)[HEAD..], sound);
    }
}
