//! Who may do what: workspaces, roles, scopes, keys, sessions, the audit log. The routes are taken from the description
//! that the service gives of itself, so that a new one is under test from its first day.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::served::{self, KEY, Service, Settings};
use crate::support::{Scratch, fixture};

const PASSWORD: &str = "correct horse battery";

/// No workers: a call stays as it came in.
fn api(settings: Settings) -> Settings {
    settings
        .arg("--role", "api")
        .arg("--metrics-listen", "off")
        .arg("--rate", "1000000")
}

fn on_sqlite(scratch: &Scratch) -> Service {
    api(Settings::new(&scratch.path("data"))).start()
}

/// On SQLite, and on PostgreSQL where there is one.
fn on_both(scratch: &Scratch) -> Vec<Service> {
    let servers = Settings::new(&scratch.path("servers")).on_servers();
    [Some(Settings::new(&scratch.path("sqlite"))), servers]
        .into_iter()
        .flatten()
        .map(|settings| api(settings).start())
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn id_of(made: &Value) -> String {
    text(&made["id"])
}

fn add_user(service: &Service, name: &str, role: &str) -> String {
    let user = json!({"email": format!("{name}@example.com"), "name": name, "role": role, "password": PASSWORD});
    id_of(&service.post("/v1/users", &user, StatusCode::CREATED))
}

fn add_key(service: &Service, wanted: &Value) -> String {
    text(&service.post("/v1/keys", wanted, StatusCode::CREATED)["key"])
}

fn key_of_user(service: &Service, user: &str) -> String {
    add_key(service, &json!({"name": "own", "user_id": user}))
}

fn scoped(service: &Service, scopes: &[&str]) -> String {
    add_key(service, &json!({"name": "scoped", "scopes": scopes}))
}

fn send_as(service: &Service, key: &str, method: &str, path: &str, body: &Value) -> Response {
    let request = service.ask_as(key, method, path).json(body);
    request.send().expect("an answer")
}

fn status_as(service: &Service, key: &str, path: &str) -> StatusCode {
    service.ask_as(key, "GET", path).send().expect("an answer").status()
}

/// Signs in: the cookie as it is sent, and the token that goes with it.
fn sign_in(service: &Service, email: &str) -> (String, String) {
    let answer = try_password(service, email, PASSWORD);
    let cookie = text(&json!(answer.headers()["set-cookie"].to_str().expect("a text")));
    let token = text(&served::json(answer, StatusCode::CREATED)["csrf_token"]);
    (cookie.split(';').next().expect("a cookie").to_owned(), token)
}

fn try_password(service: &Service, email: &str, password: &str) -> Response {
    let request = service.bare("POST", "/v1/session");
    let said = json!({"email": email, "password": password});
    request.json(&said).send().expect("an answer")
}

/// A route with a method, as the service describes it.
struct Operation {
    method: String,
    path: String,
    is_public: bool,
    /// A body that has the right shape; null: it takes none.
    body: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn has_id(&self) -> bool {
        self.path.contains('{')
    }

    /// About whoever asks: needs no right.
    fn is_own(&self) -> bool {
        ["/v1/me", "/v1/session"].iter().any(|own| self.path.starts_with(own))
    }

    /// The path with an id for each `{…}`, which stands for a row of what is named before it.
    fn at(&self, samples: &BTreeMap<&str, String>) -> String {
        let mut kind = "";
        let parts = self.path.split('/').map(|part| {
            if !part.starts_with('{') {
                kind = part;
                return part;
            }
            let id = samples.get(kind);
            id.unwrap_or_else(|| panic!("{}: make a row of `{kind}` in `Rows::make`", self.path))
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// It is opened by a GET, and then takes what a client says.
    fn is_socket(&self) -> bool {
        self.path.starts_with("/v1/live")
    }

    fn send(&self, service: &Service, key: Option<&str>, path: &str) -> Response {
        self.request(service, key, path).send().expect("an answer")
    }

    fn request(&self, service: &Service, key: Option<&str>, path: &str) -> RequestBuilder {
        let request = match key {
            Some(key) => service.ask_as(key, &self.method, path),
            None => service.bare(&self.method, path),
        };
        // Events would be a stream that does not end.
        let request = request.header("accept", "application/json");
        if self.body.is_null() {
            request
        } else {
            request.json(&self.body)
        }
    }
}

fn handshake(request: RequestBuilder) -> RequestBuilder {
    request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Bodies whose words mean something, which the description does not say.
fn body_of(operation: &str) -> Option<Value> {
    Some(match operation {
        "POST /v1/calls/{id}/corrections" => json!({"about": "deal_stage", "stage": null}),
        "PATCH /v1/calls/{id}" => json!({"consent": "granted"}),
        "POST /v1/calls" => json!({"turns": [{"i": 1, "role": "buyer", "text": "Hello."}]}),
        "POST /v1/endpoints" => json!({"url": "https://receiver.example/new"}),
        "POST /v1/endpoints/{id}/replay" => json!({"which": "failed", "since": "2026-01-01T00:00:00Z"}),
        "POST /v1/users" => json!({"email": "new@example.com", "name": "New", "role": "rep"}),
        _ => return None,
    })
}

fn operations(service: &Service) -> Vec<Operation> {
    let document = service.get("/openapi.json");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = method.to_uppercase();
            let name = format!("{method} {path}");
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            all.push(Operation {
                is_public: operation["security"] == json!([{}]),
                body: body_of(&name).unwrap_or_else(|| example(&document, schema)),
                method,
                path: path.clone(),
            });
        }
    }
    // What takes rows away comes last, what is a part of others before these.
    let takes_away = |operation: &Operation| operation.method == "DELETE";
    let parts = |operation: &Operation| if takes_away(operation) { operation.path.len() } else { 0 };
    all.sort_by_key(|operation| (takes_away(operation), Reverse(parts(operation))));
    assert!(all.len() > 30, "{} operations are described", all.len());
    all
}

/// The smallest value of a schema.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').expect("a reference into the document");
        return example(document, document.pointer(pointer).expect("a schema"));
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(first) = schema[choice].get(0) {
            return example(document, first);
        }
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts
            .iter()
            .filter_map(|part| example(document, part).as_object().cloned());
        return parts.flatten().collect::<serde_json::Map<_, _>>().into();
    }
    let kind = schema["type"].get(0).unwrap_or(&schema["type"]);
    match kind.as_str() {
        Some("object") => {
            let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
            let fields = required.iter().map(|name| {
                let name = text(name);
                let value = example(document, &schema["properties"][&name]);
                (name, value)
            });
            fields.collect::<serde_json::Map<_, _>>().into()
        }
        Some("string") => json!("something long enough"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        _ => Value::Null,
    }
}

/// A change-set, which the front door does not make: it takes a CRM.
fn propose(service: &Service, deal: &str, call: &str, endpoint: &str, delivery: &str) -> String {
    const PROPOSAL: &str =
        "insert into proposals (id, workspace, deal, call, endpoint, revision, crm_deal, delivery, created_at)
        values ($1, 'ws_default', $2, $3, $4, 1, 'crm-77', $5, 1)";
    const CHANGE: &str = "insert into changes (id, proposal, workspace, endpoint, position, kind, name, target, old_value, \
        new_value, evidence, policy, state, next_at, updated_at) values ('chg_1', $1, 'ws_default', $2, 0, 'stage', '', \
        'stage', 'null', '\"pain\"', '[]', 'ask', 'proposed', 0, 1)";
    macro_rules! insert {
        ($pool:ty, $url:expr) => {{
            let pool = <$pool>::connect($url).await.expect("connects");
            let row = sqlx::query(PROPOSAL)
                .bind("prop_1")
                .bind(deal)
                .bind(call)
                .bind(endpoint)
                .bind(delivery);
            row.execute(&pool).await.expect("inserted");
            sqlx::query(CHANGE)
                .bind("prop_1")
                .bind(endpoint)
                .execute(&pool)
                .await
                .expect("inserted");
            pool.close().await;
        }};
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        match service.database.strip_prefix("postgres") {
            Some(_) => insert!(sqlx::PgPool, &service.database),
            None => insert!(sqlx::SqlitePool, &service.database),
        }
    });
    "prop_1".to_owned()
}

/// Rows of the first workspace, of one rep, for each kind that a route names by id.
struct Rows {
    samples: BTreeMap<&'static str, String>,
    rep: String,
    rep_key: String,
}

impl Rows {
    fn make(service: &Service) -> Self {
        let rep = add_user(service, "rina", "rep");
        let rep_key = key_of_user(service, &rep);
        let deal = json!({"name": "Secret depot", "crm_id": "crm-77"});
        let deal = served::json(
            send_as(service, &rep_key, "POST", "/v1/deals", &deal),
            StatusCode::CREATED,
        );
        let deal = id_of(&deal);
        let mut call: Value =
            serde_json::from_slice(&std::fs::read(fixture("deals/clinic-1.json")).expect("a file")).expect("JSON");
        call["meta"] = json!({"deal": {"id": deal}});
        let call = send_as(service, &rep_key, "POST", "/v1/calls", &call);
        let call = id_of(&served::json(call, StatusCode::ACCEPTED));
        let key = json!({"name": "to be revoked"});
        let endpoint = json!({"url": "https://receiver.example/secret-path", "types": ["call.failed"]});
        let endpoint = id_of(&service.post("/v1/endpoints", &endpoint, StatusCode::CREATED));
        let test = format!("/v1/endpoints/{endpoint}/test");
        let delivery = text(&service.post(&test, &json!({}), StatusCode::ACCEPTED)["delivery_id"]);
        let proposal = propose(service, &deal, &call, &endpoint, &delivery);
        let correction = format!("/v1/calls/{call}/corrections");
        let said = json!({"about": "deal_stage", "stage": null});
        let correction = id_of(&service.post(&correction, &said, StatusCode::CREATED));
        let samples = BTreeMap::from([
            ("actions", "fulfil_promise.4711".to_owned()),
            ("calls", call),
            ("corrections", correction),
            ("deals", deal),
            ("endpoints", endpoint),
            ("deliveries", delivery),
            ("proposals", proposal),
            ("users", rep.clone()),
            ("keys", id_of(&service.post("/v1/keys", &key, StatusCode::CREATED))),
        ]);
        Self { samples, rep, rep_key }
    }

    /// As they are now.
    fn seen(&self, service: &Service) -> Vec<Value> {
        let keys = service.get("/v1/keys")["items"].clone();
        let key = keys
            .as_array()
            .expect("a list")
            .iter()
            .find(|key| key["id"] == self.samples["keys"].as_str());
        vec![
            service.get(&format!("/v1/calls/{}", self.samples["calls"])),
            service.get(&format!("/v1/deals/{}", self.samples["deals"])),
            service.get(&format!("/v1/users/{}", self.samples["users"])),
            service.get(&format!("/v1/endpoints/{}", self.samples["endpoints"])),
            service.get(&format!("/v1/deliveries/{}", self.samples["deliveries"])),
            service.get(&format!("/v1/proposals/{}", self.samples["proposals"])),
            key.expect("the key").clone(),
        ]
    }

    /// The same places with ids that nothing has.
    fn none(&self) -> BTreeMap<&'static str, String> {
        self.samples
            .iter()
            .map(|(kind, id)| (*kind, format!("{id}0")))
            .collect()
    }

    fn check_silent(&self, operation: &Operation, answer: Response) {
        let answer = answer.text().expect("a body");
        for (kind, id) in &self.samples {
            assert!(
                !answer.contains(id.as_str()),
                "{} tells of {kind} {id}: {answer}",
                operation.name()
            );
        }
        assert!(
            !answer.contains("Secret depot") && !answer.contains("crm-77") && !answer.contains("secret-path"),
            "{answer}"
        );
    }
}

fn other_workspace(service: &Service) -> String {
    let made = service.post("/v1/workspaces", &json!({"name": "other"}), StatusCode::CREATED);
    text(&made["admin_key"]["key"])
}

#[test]
fn another_workspace_is_not_there_on_any_route() {
    let scratch = Scratch::new();
    for service in on_both(&scratch) {
        let rows = Rows::make(&service);
        let stranger = other_workspace(&service);
        let operations = operations(&service);
        let before = rows.seen(&service);
        let with_id = || operations.iter().filter(|operation| operation.has_id());
        assert!(with_id().count() >= 16);
        for operation in with_id() {
            let answer = operation.send(&service, Some(&stranger), &operation.at(&rows.samples));
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{}", operation.name());
            let detail = served::problem(answer, 404);
            // As if there were no such row at all.
            let none = operation.send(&service, Some(KEY), &operation.at(&rows.none()));
            assert_eq!(served::problem(none, 404), detail, "{}", operation.name());
        }
        assert_eq!(rows.seen(&service), before, "something was changed");
        for operation in operations.iter().filter(|of| of.method == "GET" && !of.has_id()) {
            rows.check_silent(operation, operation.send(&service, Some(&stranger), &operation.path));
        }
        // The ids are good: whoever may finds the rows.
        for operation in with_id() {
            let answer = operation.send(&service, Some(KEY), &operation.at(&rows.samples));
            assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{}", operation.name());
        }
    }
}

#[test]
fn no_route_but_the_public_ones_answers_without_a_key() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    let rows = Rows::make(&service);
    let operations = operations(&service);
    let public: Vec<String> = operations
        .iter()
        .filter(|of| of.is_public)
        .map(Operation::name)
        .collect();
    for name in public {
        // The telephone line brings its key in its first message.
        let known = ["GET /healthz", "GET /readyz", "POST /v1/session", "GET /v1/live/twilio"];
        assert!(known.contains(&name.as_str()), "{name} needs no key");
    }
    for operation in operations.iter().filter(|of| !of.is_public) {
        let path = operation.at(&rows.samples);
        served::problem(operation.send(&service, None, &path), 401);
        served::problem(operation.send(&service, Some("dsk_wrong"), &path), 401);
        let cookie = service
            .bare(&operation.method, &path)
            .header("cookie", "dealstage=wrong");
        served::problem(cookie.send().expect("an answer"), 401);
    }
}

#[test]
fn a_rep_sees_own_calls_and_deals_on_every_route() {
    let scratch = Scratch::new();
    for service in on_both(&scratch) {
        let rows = Rows::make(&service);
        let other = add_user(&service, "boris", "rep");
        let other_key = key_of_user(&service, &other);
        let before = rows.seen(&service);
        let operations = operations(&service);
        for operation in operations.iter().filter(|of| of.has_id()) {
            let answer = operation.send(&service, Some(&other_key), &operation.at(&rows.samples));
            let status = answer.status();
            assert!(matches!(status.as_u16(), 403 | 404), "{}: {status}", operation.name());
            let detail = served::problem(answer, status.as_u16());
            // As if there were no such row at all.
            let none = operation.send(&service, Some(&other_key), &operation.at(&rows.none()));
            assert_eq!(served::problem(none, status.as_u16()), detail, "{}", operation.name());
        }
        for operation in operations.iter().filter(|of| of.method == "GET" && !of.has_id()) {
            rows.check_silent(operation, operation.send(&service, Some(&other_key), &operation.path));
        }
        assert_eq!(rows.seen(&service), before, "something was changed");
        // Nor by putting an own call to it.
        let call =
            json!({"turns": [{"i": 1, "role": "rep", "text": "Hello."}], "meta": {"deal": {"crm_id": "crm-77"}}});
        let own = served::json(
            send_as(&service, &other_key, "POST", "/v1/calls", &call),
            StatusCode::ACCEPTED,
        );
        let own = service.get(&format!("/v1/calls/{}", id_of(&own)));
        assert_eq!(own["deal_id"], Value::Null);
        let call = json!({"turns": [{"i": 1, "role": "rep", "text": "Hello."}], "meta": {"deal": {"id": rows.samples["deals"]}}});
        served::problem(send_as(&service, &other_key, "POST", "/v1/calls", &call), 404);
        let call = json!({"turns": [{"i": 1, "role": "rep", "text": "Hello."}]});
        let own = served::json(
            send_as(&service, &other_key, "POST", "/v1/calls", &call),
            StatusCode::ACCEPTED,
        );
        let path = format!("/v1/calls/{}/deal", id_of(&own));
        let to = json!({"deal_id": rows.samples["deals"]});
        served::problem(send_as(&service, &other_key, "PUT", &path, &to), 404);
        for named in [&rows.rep, "rina@example.com", "nobody@example.com"] {
            let call = json!({"turns": [{"i": 1, "role": "rep", "text": "Hello."}], "meta": {"owner": named}});
            served::problem(send_as(&service, &other_key, "POST", "/v1/calls", &call), 403);
        }
        // The rep itself, and a manager.
        let manager = key_of_user(&service, &add_user(&service, "mark", "manager"));
        for key in [&rows.rep_key, &manager] {
            for kind in ["calls", "deals", "proposals"] {
                let path = format!("/v1/{kind}/{}", rows.samples[kind]);
                assert_eq!(status_as(&service, key, &path), StatusCode::OK);
            }
        }
    }
}

#[test]
fn roles_and_scopes_limit_what_a_key_may() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    let rows = Rows::make(&service);
    let resources = [
        "calls",
        "deals",
        "events",
        "insights",
        "process",
        "users",
        "keys",
        "audit",
        "settings",
        "workspaces",
        "endpoints",
        "deliveries",
        "proposals",
    ];
    let all = |what: &str| -> Vec<String> { resources.iter().map(|of| format!("{of}:{what}")).collect() };
    let key = |scopes: &[String]| scoped(&service, &scopes.iter().map(String::as_str).collect::<Vec<_>>());
    let (reads, writes) = (key(&all("read")), key(&all("write")));
    for operation in operations(&service).iter().filter(|of| !of.is_public && !of.is_own()) {
        let reading = operation.method == "GET" && !operation.is_socket();
        // Who reads may watch there, who writes may hold.
        let neither = key(&["insights:read".to_owned()]);
        let lacking = match (operation.is_socket(), reading) {
            (true, _) => &neither,
            (false, true) => &writes,
            (false, false) => &reads,
        };
        let request = operation.request(&service, Some(lacking), &operation.at(&rows.samples));
        let request = if operation.is_socket() {
            handshake(request)
        } else {
            request
        };
        let answer = request.send().expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{}", operation.name());
        let detail = served::problem(answer, 403);
        assert!(detail.contains("scope"), "{}: {detail}", operation.name());
    }
    let manager = key_of_user(&service, &add_user(&service, "mark", "manager"));
    let user = json!({"email": "eve@example.com", "name": "Eve", "role": "rep"});
    let replay = format!("/v1/deliveries/{}/replay", rows.samples["deliveries"]);
    // The rep does it, and then there is nothing left to do.
    let approve = format!("/v1/proposals/{}/approve", rows.samples["proposals"]);
    for (method, path, body, rep, manages) in [
        ("GET", "/v1/me", Value::Null, 200, 200),
        ("GET", "/v1/users", Value::Null, 403, 200),
        ("POST", "/v1/users", user, 403, 403),
        ("GET", "/v1/keys", Value::Null, 403, 403),
        ("POST", "/v1/keys", json!({"name": "x"}), 403, 403),
        ("GET", "/v1/audit", Value::Null, 403, 403),
        ("GET", "/v1/audit/verify", Value::Null, 403, 403),
        ("GET", "/v1/workspaces", Value::Null, 403, 403),
        ("POST", "/v1/workspaces", json!({"name": "x"}), 403, 403),
        ("GET", "/v1/process", Value::Null, 200, 200),
        ("DELETE", "/v1/process", Value::Null, 403, 403),
        ("GET", "/v1/endpoints", Value::Null, 403, 403),
        (
            "POST",
            "/v1/endpoints",
            json!({"url": "https://receiver.example/"}),
            403,
            403,
        ),
        ("GET", "/v1/deliveries", Value::Null, 200, 200),
        ("POST", &replay, Value::Null, 403, 202),
        ("GET", "/v1/proposals", Value::Null, 200, 200),
        ("POST", &approve, json!({}), 200, 409),
    ] {
        for (key, expected) in [(&rows.rep_key, rep), (&manager, manages)] {
            let answer = send_as(&service, key, method, path, &body);
            assert_eq!(answer.status().as_u16(), expected, "{method} {path}");
        }
    }
    // An admin of another workspace runs that, not the server.
    let stranger = other_workspace(&service);
    served::problem(send_as(&service, &stranger, "GET", "/v1/workspaces", &Value::Null), 403);
    served::problem(
        send_as(&service, &stranger, "POST", "/v1/workspaces", &json!({"name": "x"})),
        403,
    );
    assert_eq!(status_as(&service, &stranger, "/v1/keys"), StatusCode::OK);
    let names: Vec<String> = service.get("/v1/workspaces")["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|workspace| text(&workspace["name"]))
        .collect();
    assert_eq!(names, ["other", "default"]);
}

#[test]
fn nobody_makes_a_key_with_more_rights_than_own() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    let rep = add_user(&service, "rina", "rep");
    let limited =
        json!({"name": "maker", "scopes": ["keys:write", "calls:read"], "expires_at": "2099-01-01T00:00:00Z"});
    let maker = add_key(&service, &limited);
    let stranger = other_workspace(&service);
    for (key, wanted, status) in [
        (maker.as_str(), json!({"name": "x", "scopes": ["calls:read"]}), 201),
        (&maker, json!({"name": "x", "scopes": ["calls:write"]}), 403),
        (&maker, json!({"name": "x", "scopes": ["*"]}), 403),
        (&maker, json!({"name": "x", "expires_at": "2099-01-02T00:00:00Z"}), 403),
        (KEY, json!({"name": "x", "scopes": []}), 422),
        (KEY, json!({"name": "x", "scopes": ["calls"]}), 422),
        (KEY, json!({"name": "x", "scopes": ["calls:delete"]}), 422),
        (KEY, json!({"name": " "}), 422),
        (KEY, json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}), 422),
        (KEY, json!({"name": "x", "role": "rep"}), 422),
        (KEY, json!({"name": "x", "role": "admin", "user_id": rep}), 422),
        (KEY, json!({"name": "x", "user_id": "rina@example.com"}), 404),
        (&stranger, json!({"name": "x", "user_id": rep}), 404),
        (KEY, json!({"name": "x", "role": "manager"}), 201),
    ] {
        let answer = send_as(&service, key, "POST", "/v1/keys", &wanted);
        assert_eq!(
            answer.status().as_u16(),
            status,
            "{wanted}: {}",
            answer.text().expect("a body")
        );
    }
    // What is not said is taken from the maker, its end too.
    let made = served::json(
        send_as(&service, &maker, "POST", "/v1/keys", &json!({"name": "x"})),
        StatusCode::CREATED,
    );
    assert_eq!(made["scopes"], json!(["calls:read", "keys:write"]));
    assert_eq!(made["expires_at"], "2099-01-01T00:00:00Z");
    let made = service.post("/v1/keys", &json!({"name": "x", "user_id": rep}), StatusCode::CREATED);
    assert_eq!((&made["role"], &made["user_id"]), (&json!("rep"), &json!(rep)));
}

#[test]
fn a_key_is_shown_once_and_stops_at_once() {
    let scratch = Scratch::new();
    for service in on_both(&scratch) {
        let ask = || {
            let request = service.ask("POST", "/v1/keys").header("idempotency-key", "one");
            request
                .json(&json!({"name": "phone system"}))
                .send()
                .expect("an answer")
        };
        let made = served::json(ask(), StatusCode::CREATED);
        let (id, key) = (id_of(&made), text(&made["key"]));
        assert!(key.len() >= 43, "256 bits");
        assert!(key.starts_with(&text(&made["prefix"])) && text(&made["prefix"]).len() < 12);
        // The same request again does not show it again.
        let again = ask();
        assert_eq!(again.status(), StatusCode::CONFLICT);
        assert!(!again.text().expect("a body").contains(&key));
        assert!(!service.get("/v1/keys").to_string().contains(&key));

        assert_eq!(status_as(&service, &key, "/v1/calls"), StatusCode::OK);
        let listed = service.get("/v1/keys");
        let listed = listed["items"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|key| key["id"] == id.as_str());
        let listed = listed.expect("the key");
        assert!(
            listed["last_used_at"].is_string() && listed["revoked_at"].is_null(),
            "{listed}"
        );

        // A stream that is open ends too.
        let stream = service.ask_as(&key, "GET", "/v1/events").send().expect("an answer");
        let revoke = || {
            service
                .ask("DELETE", &format!("/v1/keys/{id}"))
                .send()
                .expect("an answer")
        };
        let started = Instant::now();
        assert_eq!(revoke().status(), StatusCode::NO_CONTENT);
        assert_eq!(status_as(&service, &key, "/v1/calls"), StatusCode::UNAUTHORIZED);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        stream.text().expect("the stream ends");
        assert_eq!(revoke().status(), StatusCode::NO_CONTENT, "once more is no error");

        let soon = chrono::Utc::now() + chrono::Duration::milliseconds(2500);
        let short = add_key(&service, &json!({"name": "short", "expires_at": soon}));
        assert_eq!(status_as(&service, &short, "/v1/calls"), StatusCode::OK);
        let wait = soon - chrono::Utc::now();
        std::thread::sleep(wait.to_std().unwrap_or_default());
        assert_eq!(status_as(&service, &short, "/v1/calls"), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn a_session_needs_its_token_and_its_own_page() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    add_user(&service, "mark", "manager");
    let answer = try_password(&service, " Mark@Example.com", PASSWORD);
    let cookie = answer.headers()["set-cookie"].to_str().expect("a text").to_owned();
    for part in ["dealstage=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    // It listens on this machine only, without https.
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert_eq!(served::json(answer, StatusCode::CREATED)["user"]["role"], "manager");

    let (cookie, token) = sign_in(&service, "mark@example.com");
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = service.bare(method, path).header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = if method == "POST" {
            request.json(&json!({"name": "Depot"}))
        } else {
            request
        };
        request.send().expect("an answer")
    };
    let me = served::json(ask("GET", "/v1/me", &[]), StatusCode::OK);
    assert_eq!((&me["csrf_token"], &me["role"]), (&json!(token), &json!("manager")));
    assert_eq!(service.get("/v1/me")["csrf_token"], Value::Null, "a key needs none");
    let (_, other) = sign_in(&service, "mark@example.com");
    let (with, without) = (("x-csrf-token", token.as_str()), ("x-csrf-token", other.as_str()));
    let (ours, theirs) = (("origin", service.base.as_str()), ("origin", "https://evil.example"));
    for (method, headers, status) in [
        ("GET", &[][..], 200),
        ("GET", &[theirs][..], 403),
        ("POST", &[], 403),
        ("POST", &[without], 403),
        ("POST", &[with, theirs], 403),
        ("POST", &[with, ("origin", "null")], 403),
        ("POST", &[with], 201),
        ("POST", &[with, ours], 201),
    ] {
        let answer = ask(method, "/v1/deals", headers);
        assert_eq!(answer.status().as_u16(), status, "{method} {headers:?}");
    }
    // Signing somebody in from another page, to read what they then enter, does not work either.
    let said = json!({"email": "mark@example.com", "password": PASSWORD});
    let request = service
        .bare("POST", "/v1/session")
        .header("origin", "https://evil.example");
    served::problem(request.json(&said).send().expect("an answer"), 403);

    served::problem(ask("DELETE", "/v1/session", &[]), 403);
    let out = ask("DELETE", "/v1/session", &[with]);
    assert!(
        out.headers()["set-cookie"]
            .to_str()
            .expect("a text")
            .contains("Max-Age=0")
    );
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    served::problem(ask("GET", "/v1/me", &[]), 401);
    served::problem(service.ask("DELETE", "/v1/session").send().expect("an answer"), 400);
}

#[test]
fn behind_https_the_cookie_stays_there() {
    let scratch = Scratch::new();
    let settings = api(Settings::new(&scratch.path("data"))).arg("--public-url", "https://calls.example.com");
    let service = settings.start();
    add_user(&service, "mark", "manager");
    let said = json!({"email": "mark@example.com", "password": PASSWORD});
    let ask = |origin: &str| {
        let request = service.bare("POST", "/v1/session").header("origin", origin);
        request.json(&said).send().expect("an answer")
    };
    served::problem(ask(&service.base), 403);
    let answer = ask("https://calls.example.com");
    let cookie = answer.headers()["set-cookie"].to_str().expect("a text").to_owned();
    assert!(
        cookie.starts_with("__Host-dealstage=") && cookie.contains("Secure"),
        "{cookie}"
    );
    assert!(cookie.contains("Path=/") && !cookie.contains("Domain"), "{cookie}");
}

#[test]
fn a_session_ends_by_itself_and_with_its_user() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    let first = add_user(&service, "anna", "admin");
    let user = add_user(&service, "mark", "manager");
    let path = format!("/v1/users/{user}");
    let status = |cookie: &str| {
        let request = service.bare("GET", "/v1/me").header("cookie", cookie);
        request.send().expect("an answer").status()
    };
    let change = |path: &str, change: Value| send_as(&service, KEY, "PATCH", path, &change);

    let (cookie, _) = sign_in(&service, "mark@example.com");
    assert_eq!(status(&cookie), StatusCode::OK);
    alter(
        &scratch.path("data"),
        "update sessions set expires_at = expires_at - 11 * 3600 * 1000",
    );
    assert_eq!(status(&cookie), StatusCode::OK, "used within twelve hours");
    alter(
        &scratch.path("data"),
        "update sessions set expires_at = expires_at - 12 * 3600 * 1000 - 1",
    );
    assert_eq!(status(&cookie), StatusCode::UNAUTHORIZED, "not used for twelve hours");

    let (cookie, _) = sign_in(&service, "mark@example.com");
    alter(
        &scratch.path("data"),
        "update sessions set ends_at = ends_at - 7 * 24 * 3600 * 1000, expires_at = ends_at - 7 * 24 * 3600 * 1000",
    );
    assert_eq!(status(&cookie), StatusCode::UNAUTHORIZED, "seven days");

    let key = key_of_user(&service, &user);
    let (cookie, _) = sign_in(&service, "mark@example.com");
    assert_eq!(
        (status(&cookie), status_as(&service, &key, "/v1/me")),
        (StatusCode::OK, StatusCode::OK)
    );
    served::json(change(&path, json!({"disabled": true})), StatusCode::OK);
    assert_eq!(status(&cookie), StatusCode::UNAUTHORIZED);
    assert_eq!(status_as(&service, &key, "/v1/me"), StatusCode::UNAUTHORIZED);
    served::problem(try_password(&service, "mark@example.com", PASSWORD), 401);
    served::json(change(&path, json!({"disabled": false, "role": "rep"})), StatusCode::OK);
    assert_eq!(status(&cookie), StatusCode::UNAUTHORIZED, "it stays over");
    let me = service.ask_as(&key, "GET", "/v1/me").send().expect("an answer");
    assert_eq!(
        served::json(me, StatusCode::OK)["role"],
        "rep",
        "not more than the user"
    );

    // An own password is changed by whoever knows it; every session ends.
    let (cookie, token) = sign_in(&service, "mark@example.com");
    let set = |current: &str, new: &str| {
        let request = service.bare("PUT", "/v1/me/password").header("cookie", &cookie);
        let request = request.header("x-csrf-token", &token);
        request
            .json(&json!({"current": current, "new": new}))
            .send()
            .expect("an answer")
            .status()
    };
    assert_eq!(set("wrong password", "another long password"), StatusCode::UNAUTHORIZED);
    assert_eq!(set(PASSWORD, "short"), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(set(PASSWORD, "another long password"), StatusCode::NO_CONTENT);
    assert_eq!(status(&cookie), StatusCode::UNAUTHORIZED);
    served::problem(try_password(&service, "mark@example.com", PASSWORD), 401);

    for wrong in [json!({"disabled": true}), json!({"role": "manager"})] {
        let detail = served::problem(change(&format!("/v1/users/{first}"), wrong), 409);
        assert!(detail.contains("last admin"), "{detail}");
    }
    let taken = json!({"email": "ANNA@example.com", "name": "Anna", "role": "rep"});
    served::problem(send_as(&service, KEY, "POST", "/v1/users", &taken), 409);
}

#[test]
fn tries_to_sign_in_are_few_and_tell_nothing() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    add_user(&service, "anna", "admin");
    // The least of some: what a busy machine adds is no difference.
    let time = |email: &str| {
        let tries = (0..4).map(|_| {
            let started = Instant::now();
            let detail = served::problem(try_password(&service, email, "wrong password"), 401);
            (started.elapsed(), detail)
        });
        tries.min().expect("tries")
    };
    let (known, says) = time("anna@example.com");
    let (unknown, also_says) = time("nobody@example.com");
    assert_eq!(says, also_says);
    let (short, long) = (known.min(unknown), known.max(unknown));
    assert!(long < short * 3, "known {known:?}, unknown {unknown:?}");
    for _ in 0..6 {
        served::problem(try_password(&service, "Anna@example.com", "wrong password"), 401);
    }
    let refused = try_password(&service, "anna@example.com", PASSWORD);
    assert!(refused.headers().contains_key("retry-after"));
    served::problem(refused, 429);
    // Others are not kept out by it.
    served::problem(try_password(&service, "other@example.com", "wrong password"), 401);
}

#[test]
fn every_change_is_in_the_audit_log_and_altering_a_line_shows() {
    let scratch = Scratch::new();
    let service = on_sqlite(&scratch);
    let rep = add_user(&service, "rina", "rep");
    let key = service.post("/v1/keys", &json!({"name": "own", "user_id": rep}), StatusCode::CREATED);
    let rep_key = text(&key["key"]);
    let file = std::fs::read(fixture("audio/discovery-ru.opus")).expect("a file");
    let form = reqwest::blocking::multipart::Form::new().part(
        "file",
        reqwest::blocking::multipart::Part::bytes(file).file_name("call.opus"),
    );
    let call = service
        .ask_as(&rep_key, "POST", "/v1/calls")
        .multipart(form)
        .send()
        .expect("an answer");
    let call = id_of(&served::json(call, StatusCode::ACCEPTED));
    let heard = service
        .ask_as(&rep_key, "GET", &format!("/v1/calls/{call}/audio"))
        .send()
        .expect("an answer");
    assert_eq!(heard.status(), StatusCode::OK);
    let (cookie, token) = sign_in(&service, "rina@example.com");
    let out = service
        .bare("DELETE", "/v1/session")
        .header("cookie", cookie)
        .header("x-csrf-token", token);
    assert_eq!(out.send().expect("an answer").status(), StatusCode::NO_CONTENT);
    let path = format!("/v1/users/{rep}");
    served::json(
        send_as(&service, KEY, "PATCH", &path, &json!({"name": "R"})),
        StatusCode::OK,
    );
    other_workspace(&service);
    let revoke = service
        .ask("DELETE", &format!("/v1/keys/{}", id_of(&key)))
        .send()
        .expect("an answer");
    assert_eq!(revoke.status(), StatusCode::NO_CONTENT);

    let log = service.get("/v1/audit?limit=200");
    let lines: Vec<(String, String)> = log["items"]
        .as_array()
        .expect("a list")
        .iter()
        .rev()
        .map(|line| (text(&line["action"]), text(&line["actor"])))
        .collect();
    let admin = text(&service.get("/v1/me")["key_id"]);
    let key_id = id_of(&key);
    let expected = [
        ("key.added", "server"),
        ("user.added", &admin),
        ("key.added", &admin),
        ("call.added", &key_id),
        ("recording.read", &key_id),
        ("session.started", &rep),
        ("session.ended", &rep),
        ("user.changed", &admin),
        ("workspace.added", &admin),
        ("key.revoked", &admin),
    ];
    assert_eq!(
        lines,
        expected.map(|(action, actor)| (action.to_owned(), actor.to_owned()))
    );
    let text = log.to_string();
    assert!(!text.contains("rina") && !text.contains("call.opus"), "{text}");
    let first = service.get("/v1/audit?limit=4");
    let rest = service.get(&format!(
        "/v1/audit?cursor={}",
        first["next_cursor"].as_str().expect("more")
    ));
    let pages = [first["items"].as_array(), rest["items"].as_array()];
    assert_eq!(
        json!(pages.into_iter().flatten().flatten().collect::<Vec<_>>()),
        log["items"]
    );

    let verified = || service.get("/v1/audit/verify");
    assert_eq!(
        verified(),
        json!({"intact": true, "first": 1, "last": 10, "broken_at": null})
    );
    alter(
        &scratch.path("data"),
        "update audit set actor = 'usr_x' where seq = 5 and action = 'recording.read'",
    );
    assert_eq!(
        verified(),
        json!({"intact": false, "first": 1, "last": 10, "broken_at": 5})
    );
}

#[test]
fn keys_and_passwords_are_in_no_file() {
    let scratch = Scratch::new();
    let settings = api(Settings::new(&scratch.path("data"))).env("RUST_LOG", "trace");
    let service = settings.start();
    let user = add_user(&service, "mark", "manager");
    let made = text(&service.post("/v1/keys", &json!({"name": "x"}), StatusCode::CREATED)["key"]);
    let other = other_workspace(&service);
    let (cookie, token) = sign_in(&service, "mark@example.com");
    let cookie_value = cookie.split_once('=').expect("a value").1.to_owned();
    let asked = service
        .bare("GET", "/v1/me")
        .header("cookie", &cookie)
        .send()
        .expect("an answer");
    assert_eq!(asked.status(), StatusCode::OK);
    try_password(&service, "mark@example.com", "a wrong password 1");
    let changed = "another good password";
    // With a name, so that what is remembered of the request is looked through too.
    let new = json!({"email": "nora@example.com", "name": "Nora", "role": "rep", "password": changed});
    let request = service.ask("POST", "/v1/users").header("idempotency-key", "one");
    served::json(request.json(&new).send().expect("an answer"), StatusCode::CREATED);
    let path = format!("/v1/users/{user}");
    served::json(
        send_as(&service, KEY, "PATCH", &path, &json!({"password": changed})),
        StatusCode::OK,
    );
    let log = service.log.clone();
    assert!(service.stop().success());

    let secrets = [
        KEY,
        &made,
        &other,
        &cookie_value,
        &token,
        PASSWORD,
        "a wrong password 1",
        changed,
    ];
    let mut files = 0;
    each_file(&scratch.path("data"), &mut |path, bytes| {
        files += 1;
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    });
    assert!(files >= 3);
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(!log.is_empty());
    for personal in ["mark", "nora", "Nora", "example.com"] {
        assert!(!log.contains(personal), "the log holds {personal}");
    }
}

fn each_file(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            each_file(&path, look);
        } else {
            look(&path, &std::fs::read(&path).expect("a file"));
        }
    }
}

/// Changes rows behind the back of the service.
fn alter(data: &Path, change: &'static str) {
    let url = format!("sqlite://{}", data.join("dealstage.db").display());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.expect("connects");
        let changed = sqlx::query(change).execute(&pool).await.expect("altered");
        assert!(changed.rows_affected() > 0, "{change}");
        pool.close().await;
    });
}
