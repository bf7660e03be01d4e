use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A request as the server heard it.
#[derive(Debug, Clone)]
struct Heard {
    /// Method and path with query.
    line: String,
    headers: String,
    body: String,
}

/// What the server does.
enum Act {
    Answer(u16, &'static str, String),
    /// Closes the connection in the middle of an answer.
    Cut,
    /// A byte now and then, without end.
    Drip,
    /// Bytes without end.
    Flood,
}

fn answer(status: u16, body: Json) -> Act {
    Act::Answer(status, "", body.to_string())
}

struct Server {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Server {
    /// `act`: by the request and how many came before.
    async fn start(act: impl Fn(&Heard, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (list, act) = (heard.clone(), Arc::new(act));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, list.clone(), act.clone()));
            }
        });
        Self { url, heard }
    }

    fn lines(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.line).collect()
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }
}

async fn serve(mut socket: TcpStream, list: Arc<Mutex<Vec<Heard>>>, act: Arc<impl Fn(&Heard, usize) -> Act>) {
    let mut bytes = Vec::new();
    let heard = loop {
        let mut part = [0; 4096];
        let read = socket.read(&mut part).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        break Heard {
            line: line.trim_end_matches(" HTTP/1.1").to_owned(),
            headers: headers.to_owned(),
            body: body.to_owned(),
        };
    };
    let before = {
        let mut list = list.lock().expect("no panic");
        list.push(heard.clone());
        list.len() - 1
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    match act(&heard, before) {
        Act::Answer(status, headers, body) => {
            let text = format!(
                "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = socket.write_all(text.as_bytes()).await;
        }
        Act::Cut => {
            let _ = socket
                .write_all(format!("{head}content-length: 100\r\n\r\n{{\"id\"").as_bytes())
                .await;
        }
        Act::Drip => {
            let _ = socket
                .write_all(format!("{head}content-length: 100000\r\n\r\n").as_bytes())
                .await;
            while socket.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Act::Flood => {
            let _ = socket
                .write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes())
                .await;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while socket.write_all(chunk.as_bytes()).await.is_ok() {}
        }
    }
}

const FILE: &str = r#"
version = 1
name = "test"
title = "A test"
[settings.url]
title = "Address"
[settings.token]
title = "Key"
secret = true
[http]
base_url = "{{ settings.url }}/{{ settings.token }}/api"
timeout_s = 30
rate = [{ burst = 100, per_second = 1000, full = true }]
[http.headers]
Authorization = "Bearer {{ settings.token }}"
[[answers]]
status = [503]
when = "body.error == 'TOO_MANY'"
means = "wait"
wait_s = "0.05"
say = "{{ body.error }}"
[[answers]]
status = [400]
when = "body.code == 'LOCKED'"
means = "retry"
say = "{{ body.message }}"
[[answers]]
when = "body.errors"
means = "person"
say = "{{ body.errors[0].message }}"
[[deal.find]]
by = "email"
ids = "deals"
requests = [
    { path = "/people", query = { email = "{{ key }}", page = "{{ page }}" }, next = "body.next", take = { people = "body.people" } },
    { path = "/people/{{ item.id }}/deals", each = "people", take = { deals = "body | map(attribute='id') | list" } },
]
[deal.read]
requests = [{ path = "/deals/{{ deal }}" }]
stage = "body.stage"
field = "body.fields[name]"
[stage.write]
requests = [
    { path = "/deals/{{ deal }}", take = { whole = "body" } },
    { method = "PUT", path = "/deals/{{ deal }}", body = "{{ whole | merge({'stage': value}) | without('id') }}" },
]
[stage.lookup]
requests = [{ path = "/stages" }]
items = "body"
id = "item.id"
name = "item.name"
[field.write]
requests = [{ method = "POST", path = "/deals/{{ deal }}", form = { "{{ name }}" = "{{ value }}", also = ["a", "{{ omit }}", "b c"] } }]
[note.create]
requests = [{ path = "/deals/{{ deal }}/notes", body = { text = "{{ text }} {{ marker }}", at = "{{ call.date }}" } }]
id = "body.id"
[note.find]
requests = [{ path = "/deals/{{ deal }}/notes" }]
id = "(body | selectattr('text', 'containing', marker) | first).id"
[note.delete]
requests = [{ method = "DELETE", path = "/notes/{{ id }}" }]
[task.create]
requests = [{ url = "{{ settings.url }}/other", body = "<task>{{ title | e }}</task>", headers = { Content-Type = "text/xml" }, answers = "text" }]
[test]
requests = [{ path = "/ping" }]
"#;

const SIGN_IN: &str = r#"
[sign_in]
requests = [{ url = "{{ settings.url }}/login", form = { key = "{{ settings.token }}" } }]
session = { token = "body.token", cookie = "cookies.sid" }
lasts_s = "body.lasts"
"#;

/// Has a letter that is escaped in JSON, one that is encoded in addresses, and Cyrillic ones.
const CANARY: &str = "k\"ey/п 1234567890";

fn settings(server: &Server) -> Map<String, Json> {
    let settings = json!({ "url": server.url, "token": CANARY, "stages": [], "policy": {} });
    settings.as_object().expect("a table").clone()
}

fn guard() -> Guard {
    Guard::new(vec!["127.0.0.0/8".parse().expect("a network")]).expect("a client")
}

fn file(text: &str) -> CrmFile {
    CrmFile::load(text, "test.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// Without the key in its header, which has letters that no header has.
fn open(server: &Server) -> Connection {
    let text = FILE.replace(
        "Authorization = \"Bearer {{ settings.token }}\"",
        "X-Key = \"{{ settings.token | base64 }}\"",
    );
    Connection::open(&file(&text), &settings(server), &guard()).expect("open")
}

fn open_signing_in(server: &Server) -> Connection {
    let text = FILE.replace(
        "Authorization = \"Bearer {{ settings.token }}\"",
        "X-Session = \"{{ session.token }}\"\nCookie = \"sid={{ session.cookie }}\"",
    );
    let text = text.replace("[[deal.find]]", &format!("{SIGN_IN}\n[[deal.find]]"));
    Connection::open(&file(&text), &settings(server), &guard()).expect("open")
}

fn note() -> EntryText {
    EntryText {
        text: "We spoke".to_owned(),
        title: "Send <it>".to_owned(),
        marker: "[dealstage:chg_1]".to_owned(),
        call: CallText {
            date: NaiveDate::from_ymd_opt(2026, 11, 20),
            ..CallText::default()
        },
        ..EntryText::default()
    }
}

/// Nothing of the secret, in whatever form.
fn assert_clean(text: &str) {
    for part in [
        "1234567890",
        "ey/",
        "ey%2F",
        "п 1",
        "%D0%BF",
        "%d0%bf",
        "a1wiZXkv",
        "ayJleS",
    ] {
        assert!(!text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn what_a_file_says_is_what_is_sent() {
    let server = Server::start(|heard, _| match heard.line.split(' ').next() {
        _ if heard.line.ends_with("/stages") => answer(
            200,
            json!([{ "id": 1, "name": "New" }, { "id": 2, "name": "Qualified " }]),
        ),
        _ if heard.line.ends_with("/other") => Act::Answer(200, "", "<ok/>".to_owned()),
        Some("GET") => answer(
            200,
            json!({ "id": 7, "stage": 1, "fields": { "budget": "15000" }, "owner": { "id": 3 } }),
        ),
        Some("POST") if heard.line.ends_with("notes") => answer(201, json!({ "id": 99 })),
        _ => Act::Answer(204, "", String::new()),
    })
    .await;
    let mut crm = open(&server);
    let state = crm
        .read_deal("7 a/b", &["budget".to_owned(), "none".to_owned()])
        .await
        .expect("read");
    assert_eq!(
        (state.stage, &state.fields["budget"], &state.fields["none"]),
        (json!(1), &json!("15000"), &Json::Null)
    );
    let stage = crm.stage_id("qualified").await.expect("known");
    assert_eq!(stage, json!(2));
    crm.write_stage("7", &stage, &json!(1)).await.expect("written");
    crm.write_field("7", "бюджет", &json!("15 000 €"))
        .await
        .expect("written");
    assert_eq!(
        crm.add(Entry::Note, "7", &note()).await.expect("made"),
        Some("99".to_owned())
    );
    assert_eq!(crm.add(Entry::Task, "7", &note()).await.expect("made"), None);
    crm.delete(Entry::Note, "7", "99").await.expect("deleted");
    let heard = server.heard();
    let base = format!("/{}/api", crate::deliver::crm::filters::encoded(CANARY));
    let lines: Vec<String> = heard.iter().map(|heard| heard.line.replace(&base, "")).collect();
    assert_eq!(
        lines,
        [
            "GET /deals/7%20a%2Fb",
            "GET /stages",
            "GET /deals/7",
            "PUT /deals/7",
            "POST /deals/7",
            "POST /deals/7/notes",
            "POST /other",
            "DELETE /notes/99",
        ]
    );
    assert_eq!(
        heard[3].body,
        r#"{"fields":{"budget":"15000"},"owner":{"id":3},"stage":2}"#
    );
    assert_eq!(
        heard[4].body,
        "also=a&also=b+c&%D0%B1%D1%8E%D0%B4%D0%B6%D0%B5%D1%82=15+000+%E2%82%AC"
    );
    assert!(
        heard[4]
            .headers
            .contains("content-type: application/x-www-form-urlencoded"),
        "{}",
        heard[4].headers
    );
    assert_eq!(
        heard[5].body,
        r#"{"at":"2026-11-20","text":"We spoke [dealstage:chg_1]"}"#
    );
    assert!(
        heard[5].headers.contains("content-type: application/json"),
        "{}",
        heard[5].headers
    );
    assert_eq!(heard[6].body, "<task>Send &lt;it&gt;</task>");
    assert!(
        heard[6].headers.contains("content-type: text/xml"),
        "{}",
        heard[6].headers
    );
    assert!(!heard[7].headers.contains("content-type"), "{}", heard[7].headers);
}

#[tokio::test]
async fn deals_are_found_over_pages_and_people_each_once() {
    let server = Server::start(|heard, _| {
        if heard.line.contains("page=2") {
            answer(200, json!({ "people": [{ "id": 3 }] }))
        } else if heard.line.contains("/people?") {
            answer(200, json!({ "people": [{ "id": 1 }, { "id": 2 }], "next": 2 }))
        } else if heard.line.contains("/people/2/") {
            answer(200, json!([]))
        } else {
            answer(
                200,
                json!([{ "id": 10 }, { "id": if heard.line.contains("/people/1/") { 11 } else { 10 } }]),
            )
        }
    })
    .await;
    let mut crm = open(&server);
    let keys = [(By::Phone, "+1".to_owned()), (By::Email, "a&b@example.com".to_owned())];
    assert_eq!(crm.find_deal(&keys).await.expect("found"), ["10", "11"]);
    let lines = server.lines();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].ends_with("/people?email=a%26b%40example.com"), "{}", lines[0]);
    assert!(lines[1].ends_with("&page=2"), "{}", lines[1]);
}

#[tokio::test]
async fn pages_without_end_are_an_error() {
    let server = Server::start(|_, before| answer(200, json!({ "people": [], "next": before + 1 }))).await;
    let error = open(&server)
        .find_deal(&[(By::Email, "a@b".to_owned())])
        .await
        .expect_err("endless");
    assert!(matches!(error, Error::Person(_)), "{error:?}");
    assert_eq!(server.lines().len(), MOST_PAGES);
}

#[tokio::test]
async fn a_throttle_answer_is_waited_for_and_then_it_succeeds() {
    let server = Server::start(|_, before| match before {
        0 => answer(503, json!({ "error": "TOO_MANY" })),
        1 => Act::Answer(429, "retry-after: 0\r\n", "slow down".to_owned()),
        _ => answer(200, json!({ "id": 5 })),
    })
    .await;
    let mut crm = open(&server);
    assert_eq!(crm.add(Entry::Note, "7", &note()).await, Ok(Some("5".to_owned())));
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller() {
    let server = Server::start(|_, _| Act::Answer(429, "retry-after: 77\r\n", String::new())).await;
    let mut crm = open(&server);
    let Err(Error::Wait(wait, _)) = crm.test().await else {
        panic!("it waits")
    };
    assert_eq!(wait, Duration::from_secs(77));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_throttle_without_end_is_left_to_the_caller() {
    let server = Server::start(|_, _| answer(503, json!({ "error": "TOO_MANY" }))).await;
    let error = open(&server).test().await.expect_err("throttled");
    assert!(
        matches!(&error, Error::Wait(_, said) if said.contains("TOO_MANY")),
        "{error:?}"
    );
    assert_eq!(server.lines().len(), TRIES as usize);
}

#[test]
fn retry_after_may_be_a_date() {
    let at = |said: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, said.parse().expect("a header"));
        let now = DateTime::parse_from_rfc3339("2026-11-20T10:00:00Z")
            .expect("a time")
            .with_timezone(&Utc);
        retry_after(&Answer::read(429, &headers, b"", true), now)
    };
    assert_eq!(at("Fri, 20 Nov 2026 10:02:00 GMT"), Some(Duration::from_secs(120)));
    assert_eq!(at("Fri, 20 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(at("1.5"), Some(Duration::from_millis(1500)));
    assert_eq!(at("soon"), None);
}

#[tokio::test]
async fn it_signs_in_before_the_first_request_and_once_after_a_401() {
    let server = Server::start(|heard, before| {
        if heard.line.ends_with("/login") {
            let body = json!({ "token": format!("session-{before}"), "lasts": 3600 });
            return Act::Answer(
                200,
                "set-cookie: sid=c00kie; HttpOnly\r\nset-cookie: other=1\r\n",
                body.to_string(),
            );
        }
        // The first session ends at once.
        let old = heard.headers.contains("x-session: session-0");
        if old && before > 1 {
            answer(401, json!({}))
        } else {
            answer(200, json!({}))
        }
    })
    .await;
    let mut crm = open_signing_in(&server);
    crm.test().await.expect("sound");
    crm.test().await.expect("sound");
    crm.test().await.expect("sound");
    let heard = server.heard();
    let ends: Vec<&str> = heard.iter().filter_map(|heard| heard.line.rsplit('/').next()).collect();
    assert_eq!(ends, ["login", "ping", "ping", "login", "ping", "ping"]);
    assert!(!heard[0].headers.contains("x-session"), "{}", heard[0].headers);
    assert!(heard[0].body.starts_with("key="), "{}", heard[0].body);
    assert!(heard[4].headers.contains("cookie: sid=c00kie"), "{}", heard[4].headers);
    assert!(
        heard[5].headers.contains("x-session: session-3"),
        "{}",
        heard[5].headers
    );
}

#[tokio::test]
async fn who_is_refused_twice_stops() {
    let server = Server::start(|heard, _| {
        if heard.line.ends_with("/login") {
            return Act::Answer(
                200,
                "set-cookie: sid=c00kie\r\n",
                json!({ "token": "t-secret-t" }).to_string(),
            );
        }
        answer(401, json!({ "message": "no t-secret-t here" }))
    })
    .await;
    let mut crm = open_signing_in(&server);
    let error = crm.test().await.expect_err("refused");
    assert!(
        matches!(&error, Error::Stop(said) if said.contains("no [secret] here")),
        "{error:?}"
    );
    assert_eq!(server.lines().iter().filter(|line| line.ends_with("/login")).count(), 2);
}

#[tokio::test]
async fn a_wrong_key_stops_and_a_session_without_its_token_too() {
    for (status, body) in [(401, json!({})), (403, json!({})), (200, json!({ "error": "x" }))] {
        let server = Server::start(move |_, _| answer(status, body.clone())).await;
        let error = open_signing_in(&server).test().await.expect_err("refused");
        assert!(matches!(error, Error::Stop(_)), "{error:?}");
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_session_is_renewed_before_it_ends() {
    let server = Server::start(|heard, _| {
        if heard.line.ends_with("/login") {
            return Act::Answer(
                200,
                "set-cookie: sid=c00kie\r\n",
                json!({ "token": "t", "lasts": "0.2" }).to_string(),
            );
        }
        answer(200, json!({}))
    })
    .await;
    let mut crm = open_signing_in(&server);
    crm.test().await.expect("sound");
    tokio::time::sleep(Duration::from_millis(150)).await;
    crm.test().await.expect("sound");
    assert_eq!(server.lines().iter().filter(|line| line.ends_with("/login")).count(), 2);
}

#[tokio::test]
async fn every_answer_has_its_meaning_and_only_throttles_are_repeated() {
    type Check = fn(&Error) -> bool;
    let cases: [(u16, Json, Check, &str); 12] = [
        (
            400,
            json!({ "code": "LOCKED", "message": "busy" }),
            |error| matches!(error, Error::Retry(_)),
            "busy",
        ),
        (
            400,
            json!({ "message": "field Close date is required" }),
            |error| matches!(error, Error::Person(_)),
            "Close date",
        ),
        (
            200,
            json!({ "errors": [{ "message": "no such stage" }] }),
            |error| matches!(error, Error::Person(_)),
            "no such stage",
        ),
        (
            401,
            json!({ "error": { "message": "expired" } }),
            |error| matches!(error, Error::Stop(_)),
            "expired",
        ),
        (
            403,
            json!({ "detail": "not yours" }),
            |error| matches!(error, Error::Person(_)),
            "not yours",
        ),
        (404, json!([]), |error| matches!(error, Error::Missing(_)), "404"),
        (409, json!("twice"), |error| matches!(error, Error::Person(_)), "twice"),
        (302, json!(null), |error| matches!(error, Error::Person(_)), "302"),
        (408, json!(null), |error| matches!(error, Error::Retry(_)), "408"),
        (500, json!(null), |error| matches!(error, Error::Retry(_)), "500"),
        (
            502,
            json!("<html>no</html>"),
            |error| matches!(error, Error::Retry(_)),
            "502",
        ),
        (
            503,
            json!({ "error": "OTHER" }),
            |error| matches!(error, Error::Retry(_)),
            "OTHER",
        ),
    ];
    for (status, body, is_meant, says) in cases {
        let told = body.clone();
        let server = Server::start(move |_, _| answer(status, told.clone())).await;
        let error = open(&server)
            .add(Entry::Note, "7", &note())
            .await
            .expect_err("an error");
        assert!(
            is_meant(&error) && error.to_string().contains(says),
            "{status} {body}: {error:?}"
        );
        assert_eq!(server.lines().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn what_is_cut_off_may_have_been_done() {
    let server = Server::start(|_, _| Act::Cut).await;
    let error = open(&server).add(Entry::Note, "7", &note()).await.expect_err("cut");
    assert!(matches!(error, Error::Retry(_)), "{error:?}");
    assert_eq!(server.lines().len(), 1);
    let server = Server::start(|_, _| Act::Answer(200, "", "<html>Sign in, please</html>".to_owned())).await;
    let error = open(&server).add(Entry::Note, "7", &note()).await.expect_err("a page");
    assert!(matches!(error, Error::Retry(_)), "{error:?}");
    // Nobody listens.
    let gone = Server {
        url: "http://127.0.0.1:1".to_owned(),
        heard: Arc::default(),
    };
    let error = open(&gone).test().await.expect_err("nobody");
    assert!(
        matches!(&error, Error::Retry(said) if said.contains("no connection")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_drip_ends_at_the_deadline_and_a_flood_at_its_size() {
    let server = Server::start(|_, _| Act::Drip).await;
    let began = Instant::now();
    let text = FILE
        .replace("timeout_s = 30", "timeout_s = 1")
        .replace("Bearer {{ settings.token }}", "none");
    let mut crm = Connection::open(&file(&text), &settings(&server), &guard()).expect("open");
    let error = crm.test().await.expect_err("slow");
    assert!(
        matches!(&error, Error::Retry(said) if said.contains("within 1 s")),
        "{error:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    let server = Server::start(|_, _| Act::Flood).await;
    let error = open(&server).test().await.expect_err("much");
    assert!(
        matches!(&error, Error::Person(said) if said.contains("2 MiB")),
        "{error:?}"
    );
}

#[tokio::test]
async fn no_error_and_nothing_that_is_shown_has_the_secret() {
    // Whatever was sent comes back in the answer.
    let server = Server::start(|heard, _| {
        let all = format!("{} {} {}", heard.line, heard.headers, heard.body);
        answer(
            400,
            json!({ "message": all, "again": CANARY, "plain": format!("{CANARY} in words") }),
        )
    })
    .await;
    let shown: Arc<Mutex<Vec<Exchange>>> = Arc::default();
    let list = shown.clone();
    let mut crm = open(&server);
    crm.watch(move |exchange| list.lock().expect("no panic").push(exchange.clone()));
    let mut texts = Vec::new();
    texts.push(crm.test().await.expect_err("an error").to_string());
    texts.push(crm.read_deal("7", &[]).await.expect_err("an error").to_string());
    texts.push(
        crm.write_field("7", "a", &json!(CANARY))
            .await
            .expect_err("an error")
            .to_string(),
    );
    texts.push(
        crm.find_deal(&[(By::Email, "x".to_owned())])
            .await
            .expect_err("an error")
            .to_string(),
    );
    texts.push(crm.stage_id("x").await.expect_err("an error").to_string());
    texts.push(
        crm.add(Entry::Note, CANARY, &note())
            .await
            .expect_err("an error")
            .to_string(),
    );
    texts.push(format!("{crm:?}"));
    texts.push(format!("{:?}", shown.lock().expect("no panic")));
    // No answer at all.
    let server = Server::start(|_, _| Act::Cut).await;
    texts.push(format!("{:?}", open(&server).test().await));
    let gone = Server {
        url: "http://127.0.0.1:1".to_owned(),
        heard: Arc::default(),
    };
    texts.push(format!("{:?}", open(&gone).test().await));
    let blocked = Connection::open(
        &file(FILE),
        &settings(&gone),
        &Guard::new(Vec::new()).expect("a client"),
    );
    texts.push(format!("{:?}", blocked.expect("open").test().await));
    for text in texts {
        assert_clean(&text);
    }
}

/// A whole address may be the secret; an error names only its path.
#[tokio::test]
async fn no_part_of_a_secret_address_is_told() {
    let server =
        Server::start(|heard, _| answer(400, json!({ "message": format!("no method at {}", heard.line) }))).await;
    let text = FILE
        .replace("{{ settings.url }}/{{ settings.token }}/api", "{{ settings.token }}")
        .replace("Bearer {{ settings.token }}", "none");
    let settings = json!({ "url": server.url, "token": format!("{}/rest/17/c4n4rysecret", server.url) });
    let mut crm = Connection::open(&file(&text), settings.as_object().expect("a table"), &guard()).expect("open");
    let error = crm.test().await.expect_err("an error").to_string();
    assert!(
        error.contains("no method at GET /rest/17/[secret]/ping") && !error.contains("c4n4ry"),
        "{error}"
    );
}

#[tokio::test]
async fn a_private_address_is_not_asked_and_stops() {
    let server = Server::start(|_, _| answer(200, json!({}))).await;
    let mut crm = Connection::open(
        &file(FILE),
        &settings(&server),
        &Guard::new(Vec::new()).expect("a client"),
    )
    .expect("open");
    let error = crm.test().await.expect_err("blocked");
    assert!(matches!(error, Error::Stop(_)), "{error:?}");
    assert!(server.lines().is_empty());
}

/// An answer may name the next page, but not another host: the key would go there.
#[tokio::test]
async fn an_answer_cannot_lead_to_another_host() {
    let thief = Server::start(|_, _| answer(200, json!({ "people": [] }))).await;
    let to = thief.url.clone();
    let server = Server::start(move |_, _| answer(200, json!({ "people": [], "next": format!("{to}/people") }))).await;
    let text = FILE
        .replace(
            "{ path = \"/people\"",
            "{ url = \"{{ page or settings.url ~ '/people' }}\"",
        )
        .replace("Bearer {{ settings.token }}", "none");
    let mut crm = Connection::open(&file(&text), &settings(&server), &guard()).expect("open");
    let error = crm
        .find_deal(&[(By::Email, "a@b".to_owned())])
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("another host"), "{error:?}");
    assert!(thief.lines().is_empty());
}

#[tokio::test]
async fn names_are_looked_up_once_and_again_where_one_is_new() {
    let server = Server::start(|_, before| {
        let mut stages = vec![
            json!({ "id": 1, "name": "New" }),
            json!({ "id": 2, "name": "new" }),
            json!({ "id": 3, "name": "Pain" }),
        ];
        if before > 0 {
            stages.push(json!({ "id": 4, "name": "Vision" }));
        }
        answer(200, Json::Array(stages))
    })
    .await;
    let mut crm = open(&server);
    assert_eq!(crm.stage_id("pain").await, Ok(json!(3)));
    assert_eq!(crm.stage_id("3").await, Ok(json!(3)));
    assert_eq!(crm.stage_name(&json!("3")).await, Ok(Some("Pain".to_owned())));
    assert_eq!(server.lines().len(), 1);
    assert_eq!(crm.stage_id("Vision").await, Ok(json!(4)));
    assert_eq!(server.lines().len(), 2);
    let several = crm.stage_id("new").await.expect_err("several").to_string();
    assert!(several.contains("(1, 2)"), "{several}");
    let none = crm.stage_id("Pian").await.expect_err("none");
    assert!(matches!(none, Error::Person(_)), "{none:?}");
}

#[tokio::test]
async fn notes_are_found_by_their_marker() {
    let server = Server::start(|heard, _| {
        if heard.line.contains("/deals/8/") {
            return answer(404, json!({}));
        }
        answer(
            200,
            json!([{ "id": 1, "text": null }, { "id": 2, "text": "so [dealstage:chg_1]." }]),
        )
    })
    .await;
    let mut crm = open(&server);
    assert_eq!(
        crm.find(Entry::Note, "7", "[dealstage:chg_1]").await,
        Ok(Some("2".to_owned()))
    );
    assert_eq!(crm.find(Entry::Note, "7", "[dealstage:chg_10]").await, Ok(None));
    assert_eq!(crm.find(Entry::Note, "8", "[dealstage:chg_1]").await, Ok(None));
    assert_eq!(crm.find(Entry::Task, "7", "x").await, Err(Error::CannotFind));
    assert!(crm.can(Operation::Find(Entry::Note)) && !crm.can(Operation::Find(Entry::Task)));
    assert!(crm.can(Operation::Delete(Entry::Note)) && !crm.can(Operation::FindDeal(By::Phone)));
}

/// A worker runs them on any thread.
#[test]
fn what_is_asked_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    let mut crm = Connection::dry(&file(FILE), &Map::new()).expect("open");
    moves(crm.test());
    moves(crm.find_deal(&[]));
    moves(crm.read_deal("7", &[]));
    moves(crm.write_stage("7", &Json::Null, &Json::Null));
    moves(crm.add(Entry::Note, "7", &note()));
}

#[tokio::test]
async fn the_rate_holds_from_the_first_request() {
    let server = Server::start(|_, _| answer(200, json!({}))).await;
    let text = FILE
        .replace(
            "{ burst = 100, per_second = 1000, full = true }",
            "{ burst = 2, per_second = 20 }",
        )
        .replace("Bearer {{ settings.token }}", "none");
    let mut crm = Connection::open(&file(&text), &settings(&server), &guard()).expect("open");
    let began = Instant::now();
    for _ in 0..8 {
        crm.test().await.expect("sound");
    }
    // The bucket is empty at first: eight take as long as it takes to earn eight.
    assert!(began.elapsed() >= Duration::from_millis(390), "{:?}", began.elapsed());
}

#[test]
fn settings_must_be_there_and_known() {
    let gone = Server {
        url: "http://127.0.0.1:1".to_owned(),
        heard: Arc::default(),
    };
    let with = |change: &dyn Fn(&mut Map<String, Json>)| {
        let mut settings = settings(&gone);
        change(&mut settings);
        Connection::open(&file(FILE), &settings, &guard())
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        with(&|settings| drop(settings.remove("token"))),
        "setting `token` is missing: Key"
    );
    assert_eq!(
        with(&|settings| drop(settings.insert("token".to_owned(), json!("")))),
        "setting `token` is missing: Key"
    );
    assert_eq!(
        with(&|settings| drop(settings.insert("tokne".to_owned(), json!("x")))),
        "unknown setting `tokne`; did you mean `token`?"
    );
    assert_eq!(
        with(&|settings| drop(settings.insert("token".to_owned(), json!(["x"])))),
        "setting `token` is a text or number, not a list"
    );
}

#[path = "vendor_tests.rs"]
mod vendors;
