//! Calls that go on in this process.
//!
//! Each has a task of its own that lives from its start to its end and outlasts the client's connections. What has come in
//! is stored before it is told; so another connection, another process or nobody at all can go on with a call: one of which
//! nothing is heard any more is ended and analysed like the others. The wire is *not* here (see `http`), nor is what is
//! said of a call (see `live`).

mod session;
mod sound;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::session::Session;
use self::sound::{Sound, Voices};
use super::{Meta, Options, Shop, job, run_options};
use crate::domain::Call;
use crate::live::protocol::{AudioFormat, Received, Side};
use crate::live::{self, Engine, Recognisers, Talk};
use crate::pipeline::{self, Models};
use crate::store::{self, CallId, Consent, NewCall, Origin, Priority, Scope, UserId, WorkspaceId};

/// Messages of the client that wait for the work on the call. Beyond that its connection waits.
const INBOX: usize = 64;
/// Messages that wait for a client that reads slowly. One that falls farther behind reads them from the store.
const BEHIND: usize = 128;
/// Silent calls that are ended at a time.
const SILENT: u32 = 50;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Live(#[from] live::Error),
    #[error(transparent)]
    Job(#[from] job::Error),
    #[error("there is no such live call")]
    NoCall,
    #[error("consent was denied: the call is not listened to")]
    Denied,
    #[error("{0}")]
    Meta(String),
}

/// What is sent to the client.
#[derive(Debug, Clone)]
pub enum Told {
    /// Number and JSON.
    Frame { seq: u64, json: Arc<str> },
    /// The call has ended; the store knows how.
    Ended,
    /// The work on the call broke off; it can be resumed.
    Broken,
}

/// What a client sends, and which of its connections it is.
pub(super) struct Letter {
    connection: u64,
    content: Content,
}

pub(super) enum Content {
    /// Takes over from the connections before; told is what has arrived so far, and the number of the message that says so.
    Attach(u64, oneshot::Sender<(Received, u64)>),
    Turn(Value),
    Sound(Bytes),
    Stop,
    Gone,
    /// Nobody goes on with the call: it ends, unless somebody does by now.
    Abandon,
}

/// One connection to a call.
pub struct Line {
    pub call: CallId,
    pub workspace: WorkspaceId,
    connection: u64,
    inbox: mpsc::Sender<Letter>,
    pub told: broadcast::Receiver<Told>,
}

impl Line {
    /// False where the call takes no more.
    async fn send(&self, content: Content) -> bool {
        let letter = Letter {
            connection: self.connection,
            content,
        };
        self.inbox.send(letter).await.is_ok()
    }

    pub async fn turn(&self, turn: Value) -> bool {
        self.send(Content::Turn(turn)).await
    }

    pub async fn sound(&self, sound: Bytes) -> bool {
        self.send(Content::Sound(sound)).await
    }

    pub async fn stop(&self) -> bool {
        self.send(Content::Stop).await
    }

    pub async fn gone(&self) {
        self.send(Content::Gone).await;
    }

    /// Takes the call over; `after` is the last number that the client has seen.
    pub async fn attach(&self, after: u64) -> Result<(Received, u64), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Content::Attach(after, reply)).await;
        answer.await.map_err(|_| Error::NoCall)
    }
}

/// Who begins a call.
#[derive(Debug, Clone)]
pub struct Starter {
    pub scope: Scope,
    pub owner: Option<UserId>,
    /// For the audit log.
    pub actor: String,
}

/// What is kept of the beginning.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Start {
    /// A call file without turns, as read.
    call: Call,
    audio: Option<AudioFormat>,
}

/// Where what is sent to each call goes, and where what it tells comes from.
type OpenCalls = HashMap<CallId, (mpsc::Sender<Letter>, broadcast::Sender<Told>)>;

#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    shop: Shop,
    options: Arc<Options>,
    /// Started with the first call: its models take time and memory.
    engine: tokio::sync::OnceCell<Engine>,
    /// Of the ends of calls.
    models: Arc<Mutex<Option<Models>>>,
    /// Sound of calls that go on.
    folder: PathBuf,
    /// A call without a client is ended after so long.
    patience: Duration,
    open: Mutex<OpenCalls>,
    connections: std::sync::atomic::AtomicU64,
    /// Name of the recogniser, for the analysis.
    asr_model: String,
    name: String,
    shutdown: CancellationToken,
}

impl Desk {
    /// `folder`: for sound, kept between starts.
    pub fn open(
        shop: Shop,
        options: Options,
        folder: PathBuf,
        patience: Duration,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        std::fs::create_dir_all(&folder).map_err(live::Error::from)?;
        let asr_model = options.recogniser.name().to_owned();
        Ok(Self(Arc::new(Inner {
            shop,
            options: Arc::new(options),
            engine: tokio::sync::OnceCell::new(),
            models: Arc::default(),
            folder,
            patience,
            open: Mutex::default(),
            connections: std::sync::atomic::AtomicU64::new(1),
            asr_model,
            name: format!("live-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple()),
            shutdown,
        })))
    }

    async fn engine(&self) -> Result<Engine, Error> {
        let inner = &self.0;
        let start = || async {
            let (options, models) = (Arc::clone(&inner.options), Arc::clone(&inner.models));
            let started = tokio::task::spawn_blocking(move || {
                let settings = run_options(&options, None, None);
                let own = Models::with_turn_model(&settings, &options.turn_model)?;
                let model = own.turn_model(&settings)?;
                *models.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
                Engine::start(model, options.threads, recognisers(&options))
            });
            started.await.map_err(|_| live::Error::Broken)?
        };
        Ok(inner.engine.get_or_try_init(start).await?.clone())
    }

    /// Ends calls that nobody goes on with, until the process ends.
    pub async fn run(self) {
        let inner = &self.0;
        loop {
            tokio::select! {
                () = inner.shutdown.cancelled() => return,
                () = tokio::time::sleep(inner.patience / 4) => (),
            }
            if let Err(error) = self.sweep_sound().await {
                warn!(%error, "sound of live calls cannot be looked after");
            }
            let before = Utc::now() - inner.patience;
            let silent = match inner.shop.store.silent_live(before, SILENT).await {
                Ok(silent) => silent,
                Err(error) => {
                    warn!(%error, "live calls cannot be looked after");
                    continue;
                }
            };
            for (workspace, id) in silent {
                if inner.open().contains_key(&id) {
                    continue;
                }
                info!(call.id = %id, "a live call without a client is ended");
                let scope = Scope::all(workspace);
                match self.resume(&scope, &id).await {
                    Ok(line) => {
                        line.send(Content::Abandon).await;
                    }
                    Err(error) => warn!(call.id = %id, %error, "a live call cannot be ended"),
                }
            }
        }
    }

    /// Removes sound whose call was erased, or is in the blob store.
    async fn sweep_sound(&self) -> Result<(), Error> {
        let inner = &self.0;
        let mut files = tokio::fs::read_dir(&inner.folder).await.map_err(live::Error::from)?;
        while let Some(file) = files.next_entry().await.map_err(live::Error::from)? {
            let path = file.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let id = CallId::from(name);
            if inner.open().contains_key(&id) {
                continue;
            }
            let call = match inner.shop.store.workspace_of_call(&id).await? {
                Some(workspace) => inner.shop.store.live_call(&Scope::all(workspace), &id).await?,
                None => None,
            };
            if call.is_none_or(|call| call.ended_at.is_some()) {
                tokio::fs::remove_file(&path).await.map_err(live::Error::from)?;
            }
        }
        Ok(())
    }

    /// Begins a call. `header`: its call file without turns, which may have a `meta` as an upload.
    pub async fn start(&self, starter: Starter, header: Value, mut audio: Option<AudioFormat>) -> Result<Line, Error> {
        let inner = &self.0;
        // Before the call is there: it would look abandoned while the models are loaded.
        let engine = self.engine().await?;
        if let Some(format) = audio {
            format.check()?;
            if !engine.hears() {
                return Err(live::Error::NoRecogniser.into());
            }
        }
        let mut meta = match header.get("meta") {
            None | Some(Value::Null) => Meta::default(),
            Some(meta) => Meta::read(&meta.to_string()).map_err(Error::Meta)?.0,
        };
        if meta.consent == Some(Consent::Denied) {
            return Err(Error::Denied);
        }
        // A channel is a side from its first word on; a speaker cannot be named before.
        if let Some(format) = &mut audio
            && let Some(side) = meta.rep.take()
        {
            format.rep = match side.as_str() {
                "left" => Some(Side::Left),
                "right" => Some(Side::Right),
                _ => {
                    return Err(Error::Meta(
                        "meta.rep: `left` or `right` for a call with sound".to_owned(),
                    ));
                }
            };
        }
        let named = header.get("id").is_some_and(|id| !id.is_null());
        let mut call = live::protocol::call_of(header)?;
        let id = CallId::fresh();
        if !named {
            call.id = id.to_string();
        }
        call.language = meta.language.or(call.language);
        call.call_date = meta.call_date.or(call.call_date);
        let now = Utc::now();
        let new = NewCall {
            id: id.clone(),
            owner: starter.owner,
            sees: starter.scope.owner.clone(),
            origin: Origin::Live,
            source: call.source.clone(),
            blob: None,
            meta: serde_json::to_string(&meta).unwrap_or_default(),
            call_date: call.call_date,
            started_at: Some(meta.started_at.unwrap_or(now)),
            consent: meta.consent.unwrap_or(Consent::Unknown),
            deal: meta.deal(),
            keys: meta.keys(),
            priority: Priority::Live,
        };
        let start = Start { call, audio };
        let text = serde_json::to_string(&start).unwrap_or_default();
        let workspace = &starter.scope.workspace;
        inner
            .shop
            .store
            .start_live(workspace, new, &text, &starter.actor, now)
            .await?;
        self.take_up(workspace, &id, start, 0).await
    }

    /// A line to a call that was begun before; `NoCall` if there is none, or if it has ended.
    pub async fn resume(&self, scope: &Scope, id: &CallId) -> Result<Line, Error> {
        let inner = &self.0;
        let known = inner.shop.store.live_call(scope, id).await?.ok_or(Error::NoCall)?;
        if known.ended_at.is_some() {
            return Err(Error::NoCall);
        }
        if let Some(line) = self.line(&scope.workspace, id) {
            return Ok(line);
        }
        let start = serde_json::from_str(&known.start).map_err(|error| store::Error::Corrupt {
            what: "start of a live call",
            cause: error.to_string(),
        })?;
        let seq = u64::try_from(known.seq).unwrap_or(0);
        self.take_up(&scope.workspace, id, start, seq).await
    }

    /// What is told of a call of this process from now on, for somebody who only looks; None: another process has it, or
    /// nobody.
    pub fn listen(&self, id: &CallId) -> Option<broadcast::Receiver<Told>> {
        self.0.open().get(id).map(|(_, told)| told.subscribe())
    }

    /// A line to a call of this process.
    fn line(&self, workspace: &WorkspaceId, id: &CallId) -> Option<Line> {
        let (inbox, told) = self
            .0
            .open()
            .get(id)
            .map(|(inbox, told)| (inbox.clone(), told.subscribe()))?;
        Some(Line {
            call: id.clone(),
            workspace: workspace.clone(),
            connection: self.0.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            inbox,
            told,
        })
    }

    /// Puts a task to a call, with what the store knows of it.
    async fn take_up(&self, workspace: &WorkspaceId, id: &CallId, start: Start, seq: u64) -> Result<Line, Error> {
        let inner = &self.0;
        let scope = Scope::all(workspace.clone());
        let call = inner.shop.store.call(&scope, id).await?.ok_or(Error::NoCall)?;
        let (meta, mut settings) = job::settings_of(&inner.options, &call)?;
        let missing = store::Error::Missing {
            what: "workspace",
            id: workspace.to_string(),
        };
        let rows = inner.shop.store.workspace(workspace).await?.ok_or(missing)?;
        let process = inner
            .shop
            .process_of(&rows, meta.process.as_deref())
            .map_err(|error| Error::Meta(error.to_string()))?;
        let call_date = start.call.call_date.unwrap_or(settings.call_date);
        (settings.history, _) = job::history_of(&inner.shop, workspace, &call, call_date).await?;
        let mut talk = Talk::new(start.call.clone(), process, &settings)?;
        let stored = inner.shop.store.live_turns(workspace, id).await?;
        let turns: Vec<crate::domain::Turn> = stored
            .iter()
            .map(|text| serde_json::from_str(text))
            .collect::<Result<_, _>>()
            .map_err(|error| job::corrupt("turn of a live call", &error))?;
        let sound = match start.audio {
            None => None,
            Some(format) => {
                let path = inner.folder.join(format!("{id}.wav"));
                let turns = turns.clone();
                let opened = tokio::task::spawn_blocking(move || Sound::open(&path, format, &turns)).await;
                Some((opened.map_err(|_| live::Error::Broken)??, Voices::of(format)))
            }
        };
        let engine = self.engine().await?;
        talk = engine.restore(talk, turns).await?;
        let (inbox, letters) = mpsc::channel(INBOX);
        let (told, _) = broadcast::channel(BEHIND);
        let of = (workspace.clone(), id.clone());
        let session = Session::new((self.clone(), engine), of, talk, sound, seq, told.clone());
        // Two clients that resume at once find one task.
        let is_new = {
            let mut open = inner.open();
            let is_new = !open.contains_key(id);
            if is_new {
                open.insert(id.clone(), (inbox, told));
            }
            is_new
        };
        if is_new {
            let desk = self.clone();
            let id = id.clone();
            tokio::spawn(async move {
                session.run(letters).await;
                desk.0.open().remove(&id);
            });
        }
        self.line(workspace, id).ok_or(Error::NoCall)
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, OpenCalls> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recognisers(options: &Options) -> Option<Recognisers> {
    use crate::transcribe::Transcriber;
    use crate::transcribe::judge::{Judge, Judged};
    use crate::transcribe::whisper::{MOST, Weights, Whisper};

    let (recogniser, threads) = (options.recogniser.clone(), options.threads);
    // Partial texts would send the same speech again and again.
    if matches!(recogniser, pipeline::Recogniser::Remote(_)) {
        return None;
    }
    let count = threads.clamp(1, MOST);
    let mut loaded: Option<(Weights, Arc<Judge>)> = None;
    let load = move || {
        let (weights, judge) = match &mut loaded {
            Some(loaded) => loaded,
            empty => {
                let path = match &recogniser {
                    pipeline::Recogniser::File { path, .. } => path.clone(),
                    pipeline::Recogniser::Named(name) => {
                        crate::weights::recogniser(name).map_err(|error| error.to_string())?
                    }
                    pipeline::Recogniser::Remote(_) => return Err(live::Error::NoRecogniser.to_string()),
                };
                let judge = Arc::new(pipeline::load_judge().map_err(|error| error.to_string())?);
                empty.insert((Weights::load(&path, threads).map_err(|error| error.to_string())?, judge))
            }
        };
        let judged = Judged {
            judge: Arc::clone(judge),
            recogniser: Whisper::new(weights, threads / count).map_err(|error| error.to_string())?,
        };
        Ok(Box::new(judged) as Box<dyn Transcriber>)
    };
    Some(Recognisers {
        count,
        load: Box::new(load),
    })
}
