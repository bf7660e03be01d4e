//! `dealstage serve`: API, live calls and workers in one process, or each on machines of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::HeaderValue;
use chrono::Utc;
use clap::{Parser, ValueEnum};
use dealstage::deliver::crm::{self, Crm};
use dealstage::deliver::{self, Gate, Guard, Vault};
use dealstage::http::{self, App, Limits, Metrics, Site};
use dealstage::pipeline;
use dealstage::service::live::Desk;
use dealstage::service::{self, Shop, Stats};
use dealstage::store::{self, Blobs, KeyId, NewKey, PersonRole, Scope, Store, WorkspaceId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Usage;
use super::analyze::{AsrChoice, LlmChoice};

/// Flags go before the environment, the environment before the file.
#[derive(Debug, Parser)]
pub struct Args {
    /// Settings as a TOML file: the same names as the flags, with `_` for `-`
    #[arg(long, value_name = "FILE", env = "DEALSTAGE_CONFIG")]
    config: Option<PathBuf>,
    /// How the log on standard error looks
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "DEALSTAGE_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    /// One JSON object a line.
    Json,
}

impl Args {
    pub fn logs_json(&self) -> bool {
        self.log_format == LogFormat::Json
    }
}

/// What can be set, by flag, environment or file.
#[derive(Debug, Clone, Default, Parser, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What this process does: everything, only the API, or only the work on calls [default: all]
    #[arg(long, value_enum, env = "DEALSTAGE_ROLE")]
    role: Option<Role>,
    /// Where to listen [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS", env = "DEALSTAGE_LISTEN")]
    listen: Option<String>,
    /// Where browsers find the service, e.g. https://calls.example.com, if that is not where it listens: behind a proxy.
    /// Without it, people can sign in only over https, unless it listens on this machine alone
    #[arg(long, value_name = "URL", env = "DEALSTAGE_PUBLIC_URL")]
    public_url: Option<String>,
    /// Where to serve /metrics; `off` for nowhere [default: the port after that of --listen]
    #[arg(long, value_name = "ADDRESS|off", env = "DEALSTAGE_METRICS_LISTEN")]
    metrics_listen: Option<String>,
    /// Folder for database and recordings [default: `dealstage` in the user's data folder]
    #[arg(long, value_name = "FOLDER", env = "DEALSTAGE_DATA")]
    data: Option<PathBuf>,
    /// Database: sqlite://PATH or postgres://… [default: a SQLite file in the data folder]
    #[arg(long, value_name = "URL", env = "DEALSTAGE_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Recordings: file:///FOLDER or s3://BUCKET/PREFIX, with address and credentials in the usual AWS_… variables
    /// [default: a folder in the data folder]
    #[arg(long, value_name = "URL", env = "DEALSTAGE_BLOB_URL")]
    blob_url: Option<String>,
    /// The first key, in place of one that is made at the first start
    #[arg(long, value_name = "KEY", env = "DEALSTAGE_ADMIN_KEY", hide_env_values = true)]
    #[serde(skip)]
    admin_key: Option<SecretString>,
    /// Sales process: `ppvvc`, `bant`, `meddicc`, `short_cycle`, or a process file [default: ppvvc]
    #[arg(long, value_name = "NAME|FILE", env = "DEALSTAGE_PROCESS")]
    process: Option<String>,
    /// Who hears stored recordings: a model on this machine, or a service that is sent the speech (see `dealstage analyze
    /// --help`). Live calls with sound need `local` [default: local]
    #[arg(long, value_enum, env = "DEALSTAGE_ASR")]
    asr: Option<AsrChoice>,
    /// Recogniser: `base`, `small`, `large-v3-turbo` or another of `dealstage models list`, or a ggml file; with --asr remote the
    /// name that the service has for it [default: base; whisper-1]
    #[arg(long, value_name = "NAME|PATH", env = "DEALSTAGE_ASR_MODEL")]
    asr_model: Option<String>,
    /// Folder with heads of the turn model [default: those that come with the program]
    #[arg(long, value_name = "FOLDER", env = "DEALSTAGE_TURN_MODEL")]
    turn_model: Option<PathBuf>,
    /// When to ask a language model (see `dealstage analyze --help`) [default: off]
    #[arg(long, value_enum, env = "DEALSTAGE_LLM")]
    llm: Option<LlmChoice>,
    /// Calls that this process works on at the same time [default: 1]
    #[arg(long, value_name = "N", env = "DEALSTAGE_SLOTS", value_parser = clap::value_parser!(u16).range(1..=64))]
    slots: Option<u16>,
    /// Threads for each of them [default: the cores, divided among them]
    #[arg(long, value_name = "N", env = "DEALSTAGE_THREADS", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Seconds after which a worker without a sign of life is taken for dead: what it held, calls and connections to CRMs, goes to
    /// another [default: 30]
    #[arg(long, value_name = "S", env = "DEALSTAGE_LEASE", value_parser = clap::value_parser!(u32).range(2..=3600))]
    lease: Option<u32>,
    /// Times that a call may stop its worker before it is given up [default: 8]
    #[arg(long, value_name = "N", env = "DEALSTAGE_MOST_TRIES", value_parser = clap::value_parser!(u32).range(1..=100))]
    most_tries: Option<u32>,
    /// Seconds that the end of the process waits for calls that are being worked on; then they are given back [default: 20]
    #[arg(long, value_name = "S", env = "DEALSTAGE_GRACE")]
    grace: Option<u32>,
    /// Seconds after which a live call that no client goes on with is ended [default: 120]
    #[arg(long, value_name = "S", env = "DEALSTAGE_LIVE_PATIENCE", value_parser = clap::value_parser!(u32).range(1..))]
    live_patience: Option<u32>,
    /// Largest upload, in MiB [default: 500]
    #[arg(long, value_name = "MIB", env = "DEALSTAGE_MAX_UPLOAD")]
    max_upload: Option<u32>,
    /// Longest recording, in minutes [default: 240]
    #[arg(long, value_name = "MINUTES", env = "DEALSTAGE_MAX_MINUTES")]
    max_minutes: Option<u32>,
    /// Seconds that an upload may take [default: 900]
    #[arg(long, value_name = "S", env = "DEALSTAGE_UPLOAD_TIME")]
    upload_time: Option<u32>,
    /// Networks that deliveries may reach although they are private, and without encryption, e.g. 10.0.0.0/8 [default: none]
    #[arg(long, value_name = "NETWORK", env = "DEALSTAGE_ALLOW_PRIVATE", value_delimiter = ',')]
    #[serde(default)]
    allow_private: Vec<String>,
    /// Encrypts stored secrets: 32 bytes as hex or base64; of several, the first encrypts and all decrypt. Several machines
    /// need the same [default: the file `secret.key` in the data folder, if the database is a SQLite file]
    #[arg(long, value_name = "KEY,…", env = "DEALSTAGE_SECRET_KEY", hide_env_values = true)]
    #[serde(skip)]
    secret_key: Option<SecretString>,
    /// Seconds that the receiver of a webhook may take to answer [default: 15]
    #[arg(long, value_name = "S", env = "DEALSTAGE_WEBHOOK_TIME", value_parser = clap::value_parser!(u32).range(1..=60))]
    webhook_time: Option<u32>,
    /// Requests a minute for each key [default: 1200]
    #[arg(long, value_name = "N", env = "DEALSTAGE_RATE", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Pages of other hosts that may call the API, e.g. https://crm.example.com [default: none]
    #[arg(long, value_name = "ORIGIN", env = "DEALSTAGE_CORS", value_delimiter = ',')]
    #[serde(default)]
    cors: Vec<String>,
}

/// Where a command that looks at what the service keeps finds it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Id of the workspace [default: the first]
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Settings of the service, as for `dealstage serve --config`
    #[arg(long, value_name = "FILE", env = "DEALSTAGE_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Place {
    /// Runs one command on the database, in a workspace. A service may run beside it.
    pub fn with_store(
        self,
        command: impl AsyncFnOnce(Arc<dyn Store>, Scope) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let settings = self.settings.with_file(self.config.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let url = database_url(&settings, &data_folder(&settings)?);
            let store = store::open(&url).await.context("the database cannot be opened")?;
            let workspace = match self.workspace {
                Some(id) => WorkspaceId::from(id),
                None => {
                    let first = store.first_workspace().await?;
                    first.ok_or_else(|| Usage("there is no workspace yet: start `dealstage serve` once".to_owned()))?
                }
            };
            command(store, Scope::all(workspace)).await
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    All,
    Api,
    Worker,
}

impl Settings {
    /// A variable that is empty says nothing.
    fn without_empty(mut self) -> Self {
        let said = |text: &String| !text.trim().is_empty();
        let texts = [
            &mut self.listen,
            &mut self.metrics_listen,
            &mut self.database_url,
            &mut self.blob_url,
            &mut self.process,
            &mut self.asr_model,
        ];
        for text in texts {
            *text = text.take().filter(said);
        }
        for path in [&mut self.data, &mut self.turn_model] {
            *path = path.take().filter(|path| !path.as_os_str().is_empty());
        }
        for key in [&mut self.admin_key, &mut self.secret_key] {
            *key = key.take().filter(|key| !key.expose_secret().trim().is_empty());
        }
        self.allow_private.retain(said);
        self
    }

    /// What is not set here is taken from `below`.
    fn or(self, below: Self) -> Self {
        Self {
            role: self.role.or(below.role),
            listen: self.listen.or(below.listen),
            public_url: self.public_url.or(below.public_url),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            data: self.data.or(below.data),
            database_url: self.database_url.or(below.database_url),
            blob_url: self.blob_url.or(below.blob_url),
            admin_key: self.admin_key.or(below.admin_key),
            process: self.process.or(below.process),
            asr: self.asr.or(below.asr),
            asr_model: self.asr_model.or(below.asr_model),
            turn_model: self.turn_model.or(below.turn_model),
            llm: self.llm.or(below.llm),
            slots: self.slots.or(below.slots),
            threads: self.threads.or(below.threads),
            lease: self.lease.or(below.lease),
            most_tries: self.most_tries.or(below.most_tries),
            grace: self.grace.or(below.grace),
            live_patience: self.live_patience.or(below.live_patience),
            max_upload: self.max_upload.or(below.max_upload),
            max_minutes: self.max_minutes.or(below.max_minutes),
            upload_time: self.upload_time.or(below.upload_time),
            allow_private: if self.allow_private.is_empty() {
                below.allow_private
            } else {
                self.allow_private
            },
            secret_key: self.secret_key.or(below.secret_key),
            webhook_time: self.webhook_time.or(below.webhook_time),
            rate: self.rate.or(below.rate),
            cors: if self.cors.is_empty() { below.cors } else { self.cors },
        }
    }
}

impl Settings {
    /// With what the file says where neither flag nor environment does.
    pub fn with_file(self, file: Option<&Path>) -> anyhow::Result<Self> {
        match file {
            Some(path) => Ok(self.without_empty().or(read_config(path)?)),
            None => Ok(self.without_empty()),
        }
    }
}

fn read_config(path: &Path) -> anyhow::Result<Settings> {
    let wrong = |problem: &dyn std::fmt::Display| Usage(format!("--config {}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Ok(toml::from_str(&text).map_err(|error| wrong(&error))?)
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    leave_no_core();
    let settings = args.settings.with_file(args.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("threads cannot be started")?;
    let done = runtime.block_on(serve(settings));
    // A decoder that does not look up must not hold the process: its job is given back already.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done?;
    Ok(ExitCode::SUCCESS)
}

/// Secrets are in memory while they are used: a process that dies must not leave them on a disk.
fn leave_no_core() {
    if let Err(error) = rlimit::Resource::CORE.set(0, 0) {
        warn!(%error, "if this process dies, it may leave a core dump with secrets");
    }
    // Where a program of the machine takes dumps, that limit does not hold: there is nothing in them then.
    #[cfg(target_os = "linux")]
    if let Err(error) = std::fs::write("/proc/self/coredump_filter", "0") {
        warn!(%error, "if this process dies, a core dump may have secrets");
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let role = settings.role.unwrap_or(Role::All);
    let data = settings.data.clone().map_or_else(super::data_folder, Ok)?;
    std::fs::create_dir_all(&data).with_context(|| format!("{}: cannot be made", data.display()))?;
    let data = data
        .canonicalize()
        .with_context(|| format!("{}: cannot be read", data.display()))?;
    let is_shared = !database_url(&settings, &data).starts_with("sqlite:");
    // One process a file: a second would take the jobs of the first for abandoned.
    let _lock = if is_shared { None } else { Some(lock(&data)?) };
    let (shop, options) = open(&settings, &data).await?;
    let gate = gate(&settings, &data)?;
    // Weights and settings that are missing are told now, not to each call. The client of a language model has a runtime of its
    // own, which must not be dropped where nothing may block.
    tokio::task::block_in_place(|| options.check())?;
    let store = shop.store.clone();
    if !is_shared {
        shop.blobs.sweep_staging()?;
        let taken = store.release_all_jobs(Utc::now()).await?;
        if taken > 0 {
            info!(jobs = taken, "jobs of a process that ended early are taken up again");
        }
        let taken = store.release_all_deliveries(Utc::now()).await?;
        if taken > 0 {
            info!(
                deliveries = taken,
                "deliveries of a process that ended early are taken up again"
            );
        }
        store.release_all_connections().await?;
    }
    let filled = service::fill(&*store).await?;
    if filled > 0 {
        info!(calls = filled, "calls that an earlier version stored can be found now");
    }

    let shutdown = CancellationToken::new();
    tokio::spawn(end_on_signal(shutdown.clone()));
    let stats = Arc::new(Stats::default());
    let mut tasks = tokio::task::JoinSet::new();

    if role != Role::Worker {
        let listen = settings.listen.as_deref().unwrap_or("127.0.0.1:8787");
        let listener = bind(listen, "--listen").await?;
        let address = listener.local_addr()?;
        let site = site(settings.public_url.as_deref(), address)?;
        let origins = origins(&settings.cors)?;
        let desk = live_desk(&shop, &settings, options.clone(), &data, &shutdown)?;
        tasks.spawn({
            let desk = desk.clone();
            async move {
                desk.run().await;
                Ok(())
            }
        });
        let app = App::new(shop.clone(), gate.clone(), limits(&settings), site, shutdown.clone()).with_live(desk);
        let router = http::router(app, &origins);
        let until = shutdown.clone();
        // Only now: a start that has failed, or a worker, would make the key and never show it.
        let key = first_key(&*store, settings.admin_key.as_ref()).await?;
        tasks.spawn(async move { http::run(listener, router, until).await });
        let mut out = std::io::stdout().lock();
        writeln!(out, "listening on http://{address}")?;
        if let Some(key) = &key {
            writeln!(out, "admin key, shown this once: {}", key.expose_secret())?;
        }
        out.flush()?;
        // Who takes any port for the one takes any port for the other: the next may be somebody's.
        let any = listen.ends_with(":0");
        let beside = SocketAddr::new(
            address.ip(),
            if any {
                0
            } else {
                address.port().checked_add(1).unwrap_or(0)
            },
        );
        metrics(&settings, Some(beside), &store, &stats, &shutdown, &mut tasks).await?;
    } else {
        metrics(&settings, None, &store, &stats, &shutdown, &mut tasks).await?;
    }
    if role != Role::Api {
        let name = format!("{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
        let (shop, stats, until) = (shop.clone(), stats.clone(), shutdown.clone());
        let answers = options.llm.as_ref().map(|(_, llm)| llm.answers.clone());
        let sweeper = service::sweep(shop.clone(), answers, shutdown.clone());
        tasks.spawn(async move {
            sweeper.await;
            Ok(())
        });
        let crm = Crm {
            store: shop.store.clone(),
            gate: gate.clone(),
            bell: shop.courier.clone(),
        };
        let crm = crm::run(crm, options.lease, name.clone(), shutdown.clone());
        tasks.spawn(async move {
            crm.await;
            Ok(())
        });
        let work = shop.clone();
        tasks.spawn(async move {
            service::run(work, options, name, stats, until).await;
            Ok(())
        });
        let deliver = deliver::run(
            shop.store.clone(),
            gate,
            shop.courier.clone(),
            deliver_options(&settings),
            shutdown.clone(),
        );
        tasks.spawn(async move {
            deliver.await;
            Ok(())
        });
        info!("workers have started");
    }
    // One that ends early ends all: half a service is none.
    while let Some(ended) = tasks.join_next().await {
        shutdown.cancel();
        ended.context("a part of the service failed")??;
    }
    info!("the end: everything is given back");
    Ok(())
}

fn data_folder(settings: &Settings) -> anyhow::Result<PathBuf> {
    let data = settings.data.clone().map_or_else(super::data_folder, Ok)?;
    std::fs::create_dir_all(&data).with_context(|| format!("{}: cannot be made", data.display()))?;
    (data.canonicalize()).with_context(|| format!("{}: cannot be read", data.display()))
}

fn database_url(settings: &Settings, data: &Path) -> String {
    let own = || format!("sqlite://{}", data.join("dealstage.db").display());
    settings.database_url.clone().unwrap_or_else(own)
}

/// What everything that leaves goes through. The key is a file only where no other machine needs it.
fn gate(settings: &Settings, data: &Path) -> anyhow::Result<Gate> {
    let allowed = settings
        .allow_private
        .iter()
        .map(|said| deliver::network(said).map_err(|problem| Usage(format!("--allow-private {problem}"))));
    let guard = Guard::new(allowed.collect::<Result<_, _>>()?).context("no address can be reached")?;
    let folder = database_url(settings, data).starts_with("sqlite:").then_some(data);
    let vault = Vault::new(settings.secret_key.as_ref(), folder).map_err(|problem| Usage(problem.to_string()))?;
    Ok(Gate {
        guard,
        vault: Arc::new(vault),
    })
}

fn deliver_options(settings: &Settings) -> deliver::Options {
    deliver::Options {
        slots: 256,
        each: 8,
        within: Duration::from_secs(u64::from(settings.webhook_time.unwrap_or(15))),
        grace: Duration::from_secs(u64::from(settings.grace.unwrap_or(20))),
        patience: chrono::Duration::days(5),
    }
}

/// What the service keeps, for a look from the command line.
pub async fn shop(settings: &Settings) -> anyhow::Result<(Shop, service::Options)> {
    open(settings, &data_folder(settings)?).await
}

async fn open(settings: &Settings, data: &Path) -> anyhow::Result<(Shop, service::Options)> {
    let process = super::process::load(settings.process.as_deref().unwrap_or("ppvvc"))?;
    let mut options = work_options(settings)?;
    if let Some((_, llm)) = &mut options.llm {
        llm.answers = data.join("answers");
    }
    let store = store::open(&database_url(settings, data))
        .await
        .context("the database cannot be opened")?;
    let blobs = settings
        .blob_url
        .clone()
        .unwrap_or_else(|| format!("file://{}", data.join("recordings").display()));
    let blobs = Blobs::open(&blobs, &data.join("staging")).context("the recordings cannot be opened")?;
    Ok((Shop::new(store, blobs, process), options))
}

/// Takes live calls. A turn must not wait for the call of another slot: all threads are for them.
fn live_desk(
    shop: &Shop,
    settings: &Settings,
    options: service::Options,
    data: &Path,
    shutdown: &CancellationToken,
) -> anyhow::Result<Desk> {
    let options = service::Options {
        threads: settings.threads.map_or_else(super::default_threads, usize::from),
        ..options
    };
    let patience = Duration::from_secs(u64::from(settings.live_patience.unwrap_or(120)));
    Ok(Desk::open(
        shop.clone(),
        options,
        data.join("live"),
        patience,
        shutdown.clone(),
    )?)
}

fn work_options(settings: &Settings) -> anyhow::Result<service::Options> {
    let slots = usize::from(settings.slots.unwrap_or(1));
    Ok(service::Options {
        slots,
        threads: (settings.threads).map_or_else(|| (super::default_threads() / slots).max(1), usize::from),
        lease: chrono::Duration::seconds(i64::from(settings.lease.unwrap_or(30))),
        most_tries: i64::from(settings.most_tries.unwrap_or(8)),
        grace: Duration::from_secs(u64::from(settings.grace.unwrap_or(20))),
        longest_s: f64::from(settings.max_minutes.unwrap_or(240)) * 60.0,
        recogniser: (settings.asr.unwrap_or(AsrChoice::Local)).recogniser(settings.asr_model.as_deref())?,
        heads: settings.turn_model.clone(),
        prompts: super::prompts_folder(),
        llm: settings.llm.unwrap_or(LlmChoice::Off).settings()?,
        turn_model: pipeline::SharedTurnModel::default(),
    })
}

fn limits(settings: &Settings) -> Limits {
    let rate = settings.rate.unwrap_or(1200);
    Limits {
        upload: u64::from(settings.max_upload.unwrap_or(500)) << 20,
        upload_time: Duration::from_secs(u64::from(settings.upload_time.unwrap_or(900))),
        body: 2 << 20,
        rate,
        burst: (rate / 6).max(1),
    }
}

/// Cookies go over https only, unless nothing leaves this machine, or somebody says that browsers come without it.
fn site(said: Option<&str>, listens: SocketAddr) -> anyhow::Result<Site> {
    let Some(said) = said else {
        return Ok(Site {
            origin: None,
            secure: !listens.ip().is_loopback(),
        });
    };
    match url::Url::parse(said) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.path() == "/" && url.query().is_none() => {
            Ok(Site {
                origin: Some(url.origin().ascii_serialization()),
                secure: url.scheme() == "https",
            })
        }
        _ => Err(Usage(format!(
            "--public-url {said}: scheme and host are needed, as https://calls.example.com"
        ))
        .into()),
    }
}

fn origins(said: &[String]) -> anyhow::Result<Vec<HeaderValue>> {
    let origin = |said: &String| match url::Url::parse(said) {
        Ok(url) if url.origin().is_tuple() && url.origin().ascii_serialization() == *said => {
            HeaderValue::from_str(said).map_err(anyhow::Error::from)
        }
        _ => Err(Usage(format!(
            "--cors {said}: an origin is needed, as https://crm.example.com"
        ))
        .into()),
    };
    said.iter().map(origin).collect()
}

async fn bind(address: &str, flag: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        let message = format!("{flag} {address}: {error}; name HOST:PORT on which nothing listens yet");
        Usage(message).into()
    })
}

/// Serves the metrics; where nobody said where, and `beside` is taken, it goes without.
async fn metrics(
    settings: &Settings,
    beside: Option<SocketAddr>,
    store: &Arc<dyn Store>,
    stats: &Arc<Stats>,
    shutdown: &CancellationToken,
    tasks: &mut tokio::task::JoinSet<std::io::Result<()>>,
) -> anyhow::Result<()> {
    let listener = match (settings.metrics_listen.as_deref(), beside) {
        (Some("off"), _) | (None, None) => return Ok(()),
        (Some(address), _) => bind(address, "--metrics-listen").await?,
        (None, Some(beside)) => match TcpListener::bind(beside).await {
            Ok(listener) => listener,
            Err(error) => {
                warn!(%error, address = %beside, "no metrics are served; --metrics-listen sets another address");
                return Ok(());
            }
        },
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "metrics on http://{}/metrics", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let metrics = Metrics::install(store.clone(), stats.clone())?;
    let until = shutdown.clone();
    tasks.spawn(async move { http::serve_metrics(listener, metrics, until).await });
    Ok(())
}

/// Held as long as the process lives.
fn lock(data: &Path) -> anyhow::Result<std::fs::File> {
    let path = data.join("lock");
    let file = std::fs::File::create(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
    file.try_lock().map_err(|_| {
        Usage(format!(
            "{}: another `dealstage serve` uses this folder; stop it, or set --data to another. Several processes need \
             PostgreSQL: --database-url",
            data.display()
        ))
    })?;
    Ok(file)
}

/// Makes the first workspace with its key, at the first start. A key that is made is given back, to be shown once.
async fn first_key(store: &dyn Store, wanted: Option<&SecretString>) -> anyhow::Result<Option<SecretString>> {
    const SHORTEST: usize = 16;
    let now = Utc::now();
    if let Some(key) = wanted
        && key.expose_secret().len() < SHORTEST
    {
        return Err(Usage(format!(
            "DEALSTAGE_ADMIN_KEY: at least {SHORTEST} characters are needed"
        ))
        .into());
    }
    let (workspace, is_first) = match store.first_workspace().await? {
        Some(workspace) => (workspace, false),
        None => {
            // Two processes may start at once: the name makes the second fail, and it starts again.
            let workspace = WorkspaceId::from("ws_default");
            match store.add_workspace(&workspace, "default", now).await {
                Ok(()) => (workspace, true),
                Err(error) => match store.first_workspace().await? {
                    Some(workspace) => (workspace, false),
                    None => return Err(error.into()),
                },
            }
        }
    };
    let (key, made) = match wanted {
        Some(key) => {
            // Said at every start; added once.
            if store
                .key_caller(&http::key_hash(key.expose_secret()), now)
                .await?
                .is_some()
            {
                return Ok(None);
            }
            (key.clone(), false)
        }
        None if is_first => (SecretString::from(http::fresh_key()?), true),
        None => return Ok(None),
    };
    let new = NewKey {
        id: KeyId::fresh(),
        user: None,
        name: "first key".to_owned(),
        role: PersonRole::Admin,
        scopes: vec![http::ADMIN_SCOPE.to_owned()],
        prefix: http::key_prefix(key.expose_secret()),
        hash: http::key_hash(key.expose_secret()),
        expires_at: None,
    };
    match store.add_key(&workspace, new, "server", now).await {
        // Another process of the same start was faster, or it was revoked, which stays so.
        Err(_) if !made => Ok(None),
        added => {
            added?;
            Ok(made.then_some(key))
        }
    }
}

async fn end_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => (),
        _ = tokio::signal::ctrl_c() => (),
    }
    info!("asked to end: no new work is taken");
    shutdown.cancel();
    // A second time: at once.
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(1);
    }
}
