//! A running `dealstage serve` with a data folder of its own, and a client for it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response, multipart};
use serde_json::Value;

pub const KEY: &str = "test-key-of-the-first-admin-0123456789";

/// Where several machines may share a database.
pub const SECRET_KEY: &str = "4f3c2b1a4f3c2b1a4f3c2b1a4f3c2b1a4f3c2b1a4f3c2b1a4f3c2b1a4f3c2b1a";

/// Nothing that is waited for takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a service is started.
pub struct Settings {
    /// Kept between two starts.
    pub data: PathBuf,
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
}

impl Settings {
    /// SQLite and a folder, in `data`.
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            args: Vec::new(),
            environment: vec![("DEALSTAGE_ADMIN_KEY".to_owned(), KEY.to_owned())],
        }
    }

    pub fn arg(mut self, name: &str, value: &str) -> Self {
        self.args.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// PostgreSQL (a database of its own) and a bucket, where the environment names them.
    pub fn on_servers(self) -> Option<Self> {
        let (Ok(server), Ok(bucket)) = (std::env::var("TEST_DATABASE_URL"), std::env::var("TEST_BLOB_URL")) else {
            eprintln!("skipped: TEST_DATABASE_URL and TEST_BLOB_URL are not set; `make test` sets them");
            return None;
        };
        let name = format!("t_{}", uuid::Uuid::now_v7().simple());
        let made = Command::new("psql")
            .args([&server, "-q", "-c", &format!("create database {name}")])
            .status()
            .expect("psql starts");
        assert!(made.success(), "a database is made");
        let (address, _) = server.rsplit_once('/').expect("a URL with a database");
        let database = format!("{address}/{name}");
        Some(
            self.env("DEALSTAGE_DATABASE_URL", &database)
                .env("DEALSTAGE_SECRET_KEY", SECRET_KEY)
                .env("DEALSTAGE_BLOB_URL", &format!("{bucket}/{name}")),
        )
    }

    pub fn start(self) -> Service {
        Service::start(self)
    }
}

/// Does something with a connection to the database of a service, whichever it has.
macro_rules! on_database {
    ($service:expr, $pool:ident => $what:block) => {{
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            if $service.database.starts_with("postgres") {
                let $pool = sqlx::PgPool::connect(&$service.database).await.expect("connects");
                let came = $what;
                $pool.close().await;
                came
            } else {
                let $pool = sqlx::SqlitePool::connect(&$service.database).await.expect("connects");
                let came = $what;
                $pool.close().await;
                came
            }
        })
    }};
}

/// Killed when it is dropped.
pub struct Service {
    child: Child,
    pub base: String,
    pub metrics: Option<String>,
    /// What it printed on its first lines.
    pub greeting: Vec<String>,
    /// Its log.
    pub log: PathBuf,
    /// URL of its database.
    pub database: String,
    client: Client,
}

impl Service {
    fn start(settings: Settings) -> Self {
        std::fs::create_dir_all(&settings.data).expect("a folder");
        let log = settings.data.join("log.txt");
        let log_file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dealstage"));
        for (name, _) in std::env::vars() {
            if name.starts_with("DEALSTAGE_") && name != "DEALSTAGE_MODELS" {
                command.env_remove(name);
            }
        }
        let mut child = command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(&settings.data)
            .args(&settings.args)
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .expect("the binary starts");
        let (said, lines) = std::sync::mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("stdout"));
        std::thread::spawn(move || out.lines().try_for_each(|line| said.send(line)));
        // Its end, or a silence, ends the wait.
        let lines = std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok());
        let (mut base, mut metrics, mut greeting) = (None, None, Vec::new());
        for line in lines {
            let line = line.expect("a line");
            greeting.push(line.clone());
            if let Some(address) = line.strip_prefix("listening on ") {
                base = Some(address.to_owned());
            }
            if let Some(address) = line.strip_prefix("metrics on ") {
                metrics = Some(address.to_owned());
                break;
            }
            if settings.args.iter().any(|arg| arg == "off") && base.is_some() {
                break;
            }
        }
        let Some(base) = base else {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("the service did not start: {log}");
        };
        let client = Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        let own = format!("sqlite://{}", settings.data.join("dealstage.db").display());
        let said = settings
            .environment
            .iter()
            .find(|(name, _)| name == "DEALSTAGE_DATABASE_URL");
        Self {
            database: said.map_or(own, |(_, url)| url.clone()),
            child,
            base,
            metrics,
            greeting,
            log,
            client,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A request with the key of the first admin.
    pub fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.ask_as(KEY, method, path)
    }

    pub fn ask_as(&self, key: &str, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(key)
    }

    /// A request without a key.
    pub fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().expect("a method"), self.url(path))
    }

    /// The JSON of a GET that must succeed.
    pub fn get(&self, path: &str) -> Value {
        json(self.ask("GET", path).send().expect("an answer"), StatusCode::OK)
    }

    /// A POST of JSON that must give this status.
    pub fn post(&self, path: &str, body: &Value, status: StatusCode) -> Value {
        json(self.ask("POST", path).json(body).send().expect("an answer"), status)
    }

    pub fn upload(&self, file: &Path, meta: &Value) -> Response {
        let form = multipart::Form::new()
            .text("meta", meta.to_string())
            .file("file", file)
            .expect("a file");
        self.ask("POST", "/v1/calls").multipart(form).send().expect("an answer")
    }

    /// Uploads a file; the id of its call.
    pub fn take(&self, file: &Path, meta: &Value) -> String {
        let taken = json(self.upload(file, meta), StatusCode::ACCEPTED);
        taken["id"].as_str().expect("an id").to_owned()
    }

    /// Waits for a call to end; its row.
    pub fn ended(&self, id: &str) -> Value {
        let started = Instant::now();
        loop {
            let call = self.get(&format!("/v1/calls/{id}"));
            match call["status"].as_str() {
                Some("queued" | "running" | "live") => (),
                _ => return call,
            }
            assert!(started.elapsed() < PATIENCE, "still not ended: {call}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a call that must go well; its analysis.
    pub fn analysed(&self, id: &str) -> Value {
        let call = self.ended(id);
        assert_eq!(call["status"], "done", "{call}");
        self.get(&format!("/v1/calls/{id}/analysis"))
    }

    /// Changes rows behind the back of the service, as time or another program would; how many.
    pub fn alter(&self, statement: &'static str) -> u64 {
        on_database!(self, pool => {
            sqlx::query(statement).execute(&pool).await.expect("done").rows_affected()
        })
    }

    /// How many rows a question finds.
    pub fn count(&self, question: &'static str) -> i64 {
        on_database!(self, pool => {
            let (found,): (i64,) = sqlx::query_as(question).fetch_one(&pool).await.expect("an answer");
            found
        })
    }

    /// SIGTERM, and how it ends.
    pub fn stop(mut self) -> ExitStatus {
        signal("TERM", self.child.id());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a state") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .expect("kill starts");
    assert!(sent.success());
}

/// The JSON of an answer that must have this status.
pub fn json(response: Response, status: StatusCode) -> Value {
    let got = response.status();
    let text = response.text().expect("a body");
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The problem document of an answer that must have this status; its detail.
pub fn problem(response: Response, status: u16) -> String {
    let kind = response.headers().get("content-type").cloned();
    let got = response.status();
    let text = response.text().expect("a body");
    assert_eq!(got.as_u16(), status, "{text}");
    assert_eq!(kind.expect("a content type"), "application/problem+json", "{text}");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["status"], status);
    document["detail"].as_str().expect("a detail").to_owned()
}
