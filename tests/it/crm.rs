//! CRM connections as files: listed, printed, checked, tried.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Scratch, dealstage, fixture, stderr, stdout};

const BUILT_IN: [&str; 7] = [
    "amocrm",
    "bitrix24",
    "espocrm",
    "hubspot",
    "odoo",
    "pipedrive",
    "salesforce",
];

fn shown(args: &[&str]) -> String {
    let output = dealstage(args);
    assert!(
        output.status.success(),
        "{args:?}: {}{}",
        stdout(&output),
        stderr(&output)
    );
    stdout(&output)
}

#[test]
fn the_list_says_what_each_needs() {
    insta::assert_snapshot!("crm_list", shown(&["crm", "list"]));
}

#[test]
fn every_built_in_file_is_sound_and_reads_back() {
    let scratch = Scratch::new();
    let mut all = String::new();
    for name in BUILT_IN {
        let copy = scratch.write("copy.toml", shown(&["crm", "show", name]).as_bytes());
        all.push_str(&shown(&["crm", "check", &copy]).replace(&copy, "copy.toml"));
    }
    insta::assert_snapshot!("crm_abilities", all);
}

/// What each would send, for all that it can do.
#[test]
fn every_request_of_every_built_in_file() {
    let scratch = Scratch::new();
    let settings = scratch.write("settings.json", br#"{"token":"s3cr3t-t0ken","client_secret":"s3cr3t-t0ken","webhook":"https://acme.bitrix24.ru/rest/17/s3cr3t-t0ken","client_id":"3MVG9","url":"https://acme.example.com"}"#);
    let of = |name: &str| -> Value {
        let text = std::fs::read_to_string(&settings).expect("written");
        let all: Value = serde_json::from_str(&text).expect("JSON");
        let known = shown(&["crm", "show", name]);
        let all = all.as_object().expect("a table").iter();
        all.filter(|(key, _)| known.contains(&format!("[settings.{key}]")))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    for name in BUILT_IN {
        let own = scratch.write("own.json", of(name).to_string().as_bytes());
        let told = shown(&[
            "crm",
            "try",
            name,
            "--settings",
            &own,
            "--dry-run",
            "--email",
            "anna@example.com",
            "--stage",
            "Qualified",
            "--field",
            "Budget=15000",
            "--field",
            "Champion=Анна",
            "--note",
            "We spoke.\nThey <agreed>.",
            "--task",
            "Send the offer",
            "--due",
            "2026-11-27",
            "--remove",
        ]);
        assert!(!told.contains("s3cr3t"), "{name}: {told}");
        insta::assert_snapshot!(format!("crm_try_{name}"), told);
    }
}

/// Without settings the names of settings stand in their places.
#[test]
fn a_dry_run_needs_no_settings_and_no_network() {
    for name in BUILT_IN {
        for by in ["--phone", "--name"] {
            let told = shown(&["crm", "try", name, "--dry-run", by, "8 916 123-45-67"]);
            assert!(told.contains("# read the deal"), "{name}: {told}");
        }
        assert!(shown(&["crm", "try", name, "--dry-run"]).contains("# is the connection sound?"));
    }
}

#[test]
fn a_broken_file_is_refused_with_every_place() {
    let broken = fixture("crm/broken.toml").to_string_lossy().into_owned();
    let output = dealstage(&["crm", "check", &broken]);
    assert_eq!(output.status.code(), Some(2));
    let folder = format!("{}/", fixture("crm").display());
    insta::assert_snapshot!("crm_broken", stderr(&output).replace(&folder, ""));
}

#[test]
fn a_file_of_another_version_is_refused_for_that_alone() {
    let scratch = Scratch::new();
    for (text, says) in [
        (
            "version = 2\nnew = true\n",
            ":1:11: version 2 of the format is not known: this program reads version 1",
        ),
        ("name = \"x\"\n", "the file needs `version = 1`"),
        ("version = 1\nname = \n", ":2:"),
    ] {
        let file = scratch.write("other.toml", text.as_bytes());
        let output = dealstage(&["crm", "check", &file]);
        assert_eq!(output.status.code(), Some(2));
        let said = stderr(&output);
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn what_is_wrong_with_the_command_is_bad_input() {
    let scratch = Scratch::new();
    let settings = scratch.write("settings.json", br#"{"tokne":"x"}"#);
    for (args, says) in [
        (vec!["crm", "show", "acme"], "there are amocrm, bitrix24"),
        (vec!["crm", "check", "/nowhere.toml"], "no CRM of that name"),
        (
            vec!["crm", "try", "hubspot", "--settings", &settings],
            "unknown setting `tokne`; did you mean `token`?",
        ),
        (vec!["crm", "try", "hubspot"], "setting `token` is missing"),
        (vec!["crm", "try", "hubspot", "--field", "x"], "NAME=VALUE"),
        (
            vec!["crm", "try", "hubspot", "--settings", "/nowhere.json"],
            "/nowhere.json",
        ),
    ] {
        let output = dealstage(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    }
}

/// A CRM of the README: sessions, forms, whole objects. It ignores what it does not know.
struct Acme {
    deal: Value,
    notes: Vec<Value>,
    heard: Vec<String>,
}

/// Request line, headers with names in small letters, and body → status, lines of the head each ended, and body.
pub type Answers = dyn FnMut(&str, &BTreeMap<String, String>, &str) -> (u16, String, String) + Send;

/// The address of a server that answers so, one request after the other.
pub fn serve(mut answers: Box<Answers>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
            let (mut line, mut headers) = (String::new(), BTreeMap::new());
            reader.read_line(&mut line).expect("a request");
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).expect("a header");
                let Some((name, value)) = header.trim().split_once(": ") else {
                    break;
                };
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            let length = headers.get("content-length").map_or("0", String::as_str);
            let mut body = vec![0; length.parse().expect("a number")];
            reader.read_exact(&mut body).expect("a body");
            let body = String::from_utf8(body).expect("text");
            let request = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
            let (status, more, text) = answers(&request, &headers, &body);
            let head = format!(
                "HTTP/1.1 {status} X\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
                text.len()
            );
            socket.write_all((head + &text).as_bytes()).expect("answered");
        }
    });
    address
}

impl Acme {
    fn answer(&mut self, request: &str, body: &str, session: bool) -> (u16, &'static str, Value) {
        self.heard.push(request.to_owned());
        if request == "POST /crm/login" {
            let known = body == "password=p4ss+w0rd&user=bot";
            let cookie = "set-cookie: session=5e55104; Path=/; HttpOnly\r\n";
            return if known {
                (200, cookie, json!({ "ok": true }))
            } else {
                (403, "", json!({ "message": format!("wrong: {body}") }))
            };
        }
        if !session {
            return (401, "", json!({ "message": "sign in" }));
        }
        let ok = |value: Value| (200, "", value);
        match request {
            "GET /crm/api/contacts?email=anna%40example.com&page=1" => {
                ok(json!({ "contacts": [{ "id": 3, "deals": [7] }], "pages": 2 }))
            }
            "GET /crm/api/contacts?email=anna%40example.com&page=2" => {
                ok(json!({ "contacts": [{ "id": 4, "deals": [7] }], "pages": 2 }))
            }
            "GET /crm/api/deals/7" => ok(json!({ "deal": self.deal })),
            "GET /crm/api/stages" => {
                ok(json!({ "stages": [{ "id": 1, "label": "Lead" }, { "id": 2, "label": "Qualified" }] }))
            }
            "PUT /crm/api/deals/7" => {
                let new: Value = serde_json::from_str(body).expect("JSON");
                for key in ["title", "amount", "closing", "stage"] {
                    let Some(value) = new["deal"].get(key) else {
                        return (400, "", json!({ "message": format!("{key} is required") }));
                    };
                    self.deal[key] = value.clone();
                }
                ok(json!({ "deal": self.deal }))
            }
            "POST /crm/api/deals/7/notes" => {
                self.notes.push(json!({ "id": self.notes.len() + 1, "text": body }));
                ok(json!({ "id": self.notes.len() }))
            }
            "GET /crm/api/deals/7/notes" => ok(json!(self.notes)),
            _ if request.starts_with("DELETE /crm/api/notes/") => {
                self.notes.pop();
                (204, "", Value::Null)
            }
            _ => (404, "", json!({ "message": "no such thing" })),
        }
    }
}

/// The example of the README, as it stands there.
fn readme_example() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README");
    let (_, rest) = readme.split_once("```toml\n# acme.toml").expect("the example");
    let (example, _) = rest.split_once("\n```").expect("its end");
    format!("# acme.toml{example}\n")
}

#[test]
fn the_example_of_the_readme_works_against_such_a_crm() {
    let acme = Arc::new(Mutex::new(Acme {
        deal: json!({ "id": 7, "title": "Windows", "amount": 1, "closing": "01/12/2026", "stage": 1, "created": "2026-01-01" }),
        notes: Vec::new(),
        heard: Vec::new(),
    }));
    let served = acme.clone();
    let address = serve(Box::new(move |request, headers, body| {
        let session = headers.get("cookie").is_some_and(|cookie| cookie == "session=5e55104");
        let (status, more, answer) = served.lock().expect("no panic").answer(request, body, session);
        (status, more.to_owned(), answer.to_string())
    }));
    let scratch = Scratch::new();
    let file = scratch.write("acme.toml", readme_example().as_bytes());
    let settings = json!({ "url": format!("{address}/crm"), "user": "bot", "password": "p4ss w0rd" });
    let settings = scratch.write("settings.json", settings.to_string().as_bytes());
    assert!(shown(&["crm", "check", &file]).contains("sound"));
    let asked = |more: &[&str]| {
        let mut args = vec![
            "crm",
            "try",
            &file,
            "--settings",
            &settings,
            "--allow-private",
            "127.0.0.0/8",
        ];
        args.extend(more);
        let output = dealstage(&args);
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (code, said) = asked(&[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = asked(&[
        "--email",
        "anna@example.com",
        "--stage",
        "qualified",
        "--field",
        "amount=15000",
        "--field",
        "closing=2026-12-24",
        "--note",
        "We spoke",
        "--remove",
    ]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("= deal 7") && said.contains("= stage: applied") && said.contains("= amount: applied"),
        "{said}"
    );
    assert!(
        said.contains("= closing: applied") && said.contains("= found: 1"),
        "{said}"
    );
    assert!(!said.contains("p4ss") && !said.contains("5e55104"), "{said}");
    {
        let acme = acme.lock().expect("no panic");
        assert_eq!(
            acme.deal,
            json!({ "id": 7, "title": "Windows", "amount": 15000, "closing": "24/12/2026", "stage": 2, "created": "2026-01-01" })
        );
        assert!(acme.notes.is_empty());
        let logins = acme.heard.iter().filter(|line| *line == "POST /crm/login").count();
        assert_eq!(logins, 2, "{:?}", acme.heard);
    }
    // A name that the CRM does not have is told with those that it has.
    let (code, said) = asked(&["--deal", "7", "--stage", "Qualfied"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("the CRM has no stage `Qualfied`: there are Lead, Qualified"),
        "{said}"
    );
    // What the CRM ignores is not applied.
    let (code, said) = asked(&["--deal", "7", "--field", "colour=red"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("! colour: not applied"), "{said}");
    let (code, said) = asked(&["--deal", "8"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("! missing: GET /crm/api/deals/8: the CRM answered 404: no such thing"),
        "{said}"
    );
}

/// For a CRM that makes nothing easy: a page to sign in with a token against forgery, versions that must be sent along, pages
/// by address, a search that finds parts of words.
const STRICT: &str = r#"
version = 1
name = "strict"
title = "Strict CRM"
[settings.url]
title = "Address"
[settings.password]
title = "Password"
secret = true
[http]
base_url = "{{ settings.url }}/api"
rate = [{ burst = 100, per_second = 100 }]
[http.headers]
Cookie = "sessionid={{ session.id }}; csrftoken={{ session.csrf }}"
X-CSRFToken = "{{ session.csrf }}"
[sign_in]
requests = [
    { url = "{{ settings.url }}/login", answers = "text", take = { csrf = "cookies.csrftoken" } },
    { method = "POST", url = "{{ settings.url }}/login", headers = { Cookie = "csrftoken={{ csrf }}" }, form = { csrf = "{{ csrf }}", password = "{{ settings.password }}" }, answers = "text", means = { 302 = "ok" } },
]
session = { id = "cookies.sessionid", csrf = "csrf" }
[[deal.find]]
by = "email"
requests = [{ url = "{{ page or settings.url ~ '/api/people' }}", query = { part = "{{ (key | lower | split('@') | list)[1] }}" }, next = "body.next", take = { people = "body.results" } }]
ids = "people | selectattr('email', 'alike', key) | list | children('deals')"
[[deal.find]]
by = "phone"
requests = [{ path = "/people", query = { phone = "{{ key | phone(7) }}" }, take = { people = "body.results" } }]
ids = "people | children('deals')"
[deal.read]
requests = [{ path = "/deals/{{ deal }}" }]
stage = "body.stage"
field = "(body.custom | selectattr('key', 'eq', name) | first).value"
[stage.write]
requests = [
    { path = "/deals/{{ deal }}", take = { tag = "headers.etag" } },
    { method = "PATCH", path = "/deals/{{ deal }}", headers = { If-Match = "{{ tag }}" }, body = { stage = "{{ value }}" }, means = { 412 = "retry" } },
]
[field.write]
requests = [
    { path = "/deals/{{ deal }}", take = { tag = "headers.etag" } },
    { method = "PATCH", path = "/deals/{{ deal }}", headers = { If-Match = "{{ tag }}" }, body = { custom = [{ key = "{{ name }}", value = "{{ value }}" }] }, means = { 412 = "retry" } },
]
[test]
requests = [{ path = "/people" }]
"#;

#[derive(Default)]
struct Strict {
    stage: String,
    colour: Value,
    version: usize,
    /// Somebody else writes just before us.
    rivals: usize,
}

impl Strict {
    fn answer(
        &mut self,
        request: &str,
        headers: &BTreeMap<String, String>,
        body: &str,
        base: &str,
    ) -> (u16, String, String) {
        let said = |status, value: Value| (status, String::new(), value.to_string());
        let header = |name: &str| headers.get(name).map_or("", String::as_str);
        if request == "GET /login" {
            let page = "<html>Who are you?</html>".to_owned();
            return (200, "set-cookie: csrftoken=f0r9ery; Path=/\r\n".to_owned(), page);
        }
        if request == "POST /login" {
            let known = body == "csrf=f0r9ery&password=p4ss" && header("cookie") == "csrftoken=f0r9ery";
            let head = "location: /\r\nset-cookie: sessionid=5e55104; HttpOnly\r\n";
            return match known {
                true => (302, head.to_owned(), String::new()),
                false => (403, String::new(), "<html>No</html>".to_owned()),
            };
        }
        if header("cookie") != "sessionid=5e55104; csrftoken=f0r9ery" || header("x-csrftoken") != "f0r9ery" {
            return said(401, json!({}));
        }
        let people = |email: &str, deal: u32| json!({ "email": email, "phone": "+79161234567", "deals": [deal] });
        match request {
            "GET /api/people?part=example.com" => said(
                200,
                json!({ "results": [people("joanna@example.com", 1)], "next": format!("{base}/api/people?at=2") }),
            ),
            "GET /api/people?at=2&part=example.com" => {
                said(200, json!({ "results": [people("anna@example.com", 7)], "next": null }))
            }
            "GET /api/people?phone=%2B79161234567" => said(200, json!({ "results": [people("anna@example.com", 7)] })),
            "GET /api/deals/7" => {
                let etag = format!("etag: \"v{}\"\r\n", self.version);
                let deal = json!({ "stage": self.stage, "custom": [{ "key": "colour", "value": self.colour }] });
                if self.rivals > 0 {
                    self.rivals -= 1;
                    self.version += 1;
                }
                (200, etag, deal.to_string())
            }
            "PATCH /api/deals/7" if header("if-match") != format!("\"v{}\"", self.version) => said(412, json!({})),
            "PATCH /api/deals/7" => {
                let new: Value = serde_json::from_str(body).expect("JSON");
                self.version += 1;
                if let Some(stage) = new["stage"].as_str() {
                    stage.clone_into(&mut self.stage);
                }
                if let Some(own) = new["custom"].get(0) {
                    self.colour = own["value"].clone();
                }
                said(200, json!({}))
            }
            _ => said(200, json!({ "results": [] })),
        }
    }
}

/// The address in other capitals and the number in another form than the CRM has them, which compares both sign by sign; of two
/// people whom its search finds the right one.
#[test]
fn a_strict_crm_is_signed_into_searched_and_written() {
    let strict = Arc::new(Mutex::new(Strict {
        stage: "new".to_owned(),
        ..Strict::default()
    }));
    let served = strict.clone();
    let address = serve(Box::new(move |request, headers, body| {
        let base = format!("http://{}", headers["host"]);
        served.lock().expect("no panic").answer(request, headers, body, &base)
    }));
    let scratch = Scratch::new();
    let file = scratch.write("strict.toml", STRICT.as_bytes());
    let settings = json!({ "url": address, "password": "p4ss" }).to_string();
    let settings = scratch.write("settings.json", settings.as_bytes());
    let asked = |more: &[&str]| {
        let mut args = vec!["crm", "try", &file, "--settings", &settings];
        args.extend(["--allow-private", "127.0.0.0/8"]);
        args.extend(more);
        let output = dealstage(&args);
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    for key in [["--email", "Anna@EXAMPLE.com"], ["--phone", "8 (916) 123-45-67"]] {
        let (code, said) = asked(&[key.as_slice(), &["--stage", "won", "--field", "colour=red"]].concat());
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("= deal 7\n") && said.contains("= colour: applied"),
            "{said}"
        );
        assert!(!said.contains("f0r9ery") && !said.contains("5e55104"), "{said}");
        let mut strict = strict.lock().expect("no panic");
        assert_eq!((strict.stage.as_str(), &strict.colour), ("won", &json!("red")));
        (strict.stage, strict.colour) = ("new".to_owned(), Value::Null);
    }
    // What was taken shows why somebody is found or not.
    let (code, said) = asked(&["--email", "anna@nowhere.example"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("took people: []") && said.contains("no open deal was found"),
        "{said}"
    );
    // Somebody was quicker: it is not written over.
    strict.lock().expect("no panic").rivals = 2;
    let (code, said) = asked(&["--deal", "7", "--stage", "won"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the CRM answered 412"), "{said}");
    assert_eq!(strict.lock().expect("no panic").stage, "new");
}
