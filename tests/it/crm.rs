//! CRM connections as files: listed, printed, checked, tried.

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

fn serve(acme: Arc<Mutex<Acme>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
            let (mut line, mut length, mut session) = (String::new(), 0, false);
            reader.read_line(&mut line).expect("a request");
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).expect("a header");
                let header = header.trim().to_lowercase();
                if let Some(value) = header.strip_prefix("content-length: ") {
                    length = value.parse().expect("a number");
                }
                session |= header == "cookie: session=5e55104";
                if header.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let body = String::from_utf8(body).expect("text");
            let request = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
            let (status, more, answer) = acme.lock().expect("no panic").answer(&request, &body, session);
            let text = answer.to_string();
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
    let address = serve(acme.clone());
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
