//! The task of one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use tokio::sync::{broadcast, mpsc};
use tracing::{info, warn};

use super::sound::{Sound, Voices, seconds, times};
use super::{Content, Desk, Error, Letter, Told};
use crate::domain::{Role, Turn, Word};
use crate::live::protocol::{Partial, Problem, ProblemCode, Received, ServerMessage, turn_of};
use crate::live::{self, Engine, SoFar, Talk, Utterance, Words};
use crate::service::{bad_input, job, worker};
use crate::store::{self, CallId, LiveEnd, LiveNews, NewEvent, WorkspaceId};
use crate::transcribe::{Speech, Until, text_of};

/// A sign of life to the store, and to the disk.
const BEAT: Duration = Duration::from_secs(1);
const BEATS_TO_STORE: u32 = 10;
/// Speech of this length tells the language of its call, in seconds; a greeting does not.
const TELLING_S: f64 = 3.0;

pub struct Session {
    desk: Desk,
    engine: Engine,
    workspace: WorkspaceId,
    id: CallId,
    /// None only while the engine has it.
    talk: Option<Talk>,
    sound: Option<Sound>,
    /// None for a call without sound.
    voices: Option<Voices>,
    /// Last number that was given.
    seq: u64,
    told: broadcast::Sender<Told>,
    /// Of each channel, the second up to which words were told: two recognisers may overtake each other.
    heard_s: [f64; 2],
    /// Of each channel, the words of the turn that goes on.
    begun: [Begun; 2],
    so_far: [SoFar; 2],
    connection: Option<u64>,
    alone_since: Instant,
    finals: FuturesOrdered<BoxFuture<'static, (Said, Result<Words, live::Error>)>>,
    partials: FuturesUnordered<BoxFuture<'static, (Said, Option<Words>)>>,
}

/// The pieces of a turn that have been heard.
#[derive(Default)]
struct Begun {
    start_s: f64,
    pieces: usize,
    words: Vec<Word>,
}

/// Who said something, and when.
#[derive(Debug, Clone)]
struct Said {
    channel: usize,
    speaker: &'static str,
    role: Role,
    /// Of its turn.
    start_s: f64,
    /// Pieces of the turn before it.
    pieces: usize,
    /// Its own first sample.
    from: u64,
    /// Seconds of its own sound.
    length_s: f64,
    end_s: f64,
    until: Until,
}

enum Next {
    Go,
    End,
    /// The process ends; the call does not.
    Leave,
}

impl Session {
    /// `sound`: with the voices in it.
    pub fn new(
        (desk, engine): (Desk, Engine),
        (workspace, id): (WorkspaceId, CallId),
        talk: Talk,
        sound: Option<(Sound, Voices)>,
        seq: u64,
        told: broadcast::Sender<Told>,
    ) -> Self {
        let (sound, voices) = sound.unzip();
        Self {
            desk,
            engine,
            workspace,
            id,
            talk: Some(talk),
            voices,
            sound,
            seq,
            told,
            heard_s: [0.0; 2],
            begun: <[Begun; 2]>::default(),
            so_far: <[SoFar; 2]>::default(),
            connection: None,
            alone_since: Instant::now(),
            finals: FuturesOrdered::new(),
            partials: FuturesUnordered::new(),
        }
    }

    pub async fn run(mut self, mut letters: mpsc::Receiver<Letter>) {
        match self.go(&mut letters).await {
            Ok(Next::Go | Next::Leave) => {
                let _ = self.told.send(Told::Broken);
            }
            Ok(Next::End) => {
                if let Err(error) = self.end().await {
                    warn!(call.id = %self.id, %error, "the end of a live call was not kept; it will be taken up again");
                    let _ = self.told.send(Told::Broken);
                } else {
                    let _ = self.told.send(Told::Ended);
                }
            }
            Err(error) => {
                warn!(call.id = %self.id, %error, "the work on a live call broke off");
                let _ = self.told.send(Told::Broken);
            }
        }
    }

    async fn go(&mut self, letters: &mut mpsc::Receiver<Letter>) -> Result<Next, Error> {
        if let Some(sound) = &mut self.sound {
            let unheard = std::mem::take(&mut sound.unheard);
            self.listen(unheard);
        }
        let shutdown = self.desk.0.shutdown.clone();
        let mut beat = tokio::time::interval(BEAT);
        let mut beats = 0;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(Next::Leave),
                Some((said, words)) = self.finals.next() => self.said(said, words?).await?,
                Some((said, words)) = self.partials.next() => self.so_far(&said, words),
                letter = letters.recv() => {
                    let Some(first) = letter else { return Ok(Next::Leave) };
                    let mut waiting = vec![first];
                    while let Ok(next) = letters.try_recv() {
                        waiting.push(next);
                    }
                    if matches!(self.read(waiting).await?, Next::End) {
                        return Ok(Next::End);
                    }
                }
                _ = beat.tick() => {
                    if let Some(sound) = &mut self.sound {
                        sound.sync_if_due()?;
                    }
                    if self.connection.is_none() {
                        if self.alone_since.elapsed() > self.desk.0.patience {
                            info!(call.id = %self.id, "a live call without a client is ended");
                            return Ok(Next::End);
                        }
                        continue;
                    }
                    beats += 1;
                    if beats % BEATS_TO_STORE == 0 {
                        self.keep(LiveNews::default()).await?;
                    }
                }
            }
        }
    }

    /// Takes what has come in together: turns share one verdict, and sound one look.
    async fn read(&mut self, waiting: Vec<Letter>) -> Result<Next, Error> {
        let mut turns: Vec<Turn> = Vec::new();
        let mut sound: Vec<u8> = Vec::new();
        for Letter { connection, content } in waiting {
            if let Content::Attach(after, reply) = content {
                self.say(std::mem::take(&mut turns)).await?;
                self.hear(std::mem::take(&mut sound)).await?;
                self.connection = Some(connection);
                // A process that came after another does not know what that one gave besides.
                self.seq = self.seq.max(after) + 1;
                let received = match &self.sound {
                    Some(sound) => Received::Bytes(sound.length()),
                    None => Received::Turns(self.count() as u64),
                };
                let _ = reply.send((received, self.seq));
                continue;
            }
            let ends = match content {
                Content::Stop => self.connection == Some(connection),
                Content::Abandon => self.connection.is_none(),
                _ => false,
            };
            if ends {
                self.say(std::mem::take(&mut turns)).await?;
                self.hear(std::mem::take(&mut sound)).await?;
                return Ok(Next::End);
            }
            // What comes from a connection that another has replaced was never counted: its client sends it again.
            if self.connection != Some(connection) {
                continue;
            }
            match content {
                Content::Turn(turn) if self.sound.is_none() => {
                    let count = self.count() + turns.len();
                    match turn_of(turn, count).and_then(|turn| self.is_new(&turns, &turn).map(|new| (new, turn))) {
                        Ok((true, turn)) => turns.push(turn),
                        Ok((false, _)) => (),
                        Err(error) => self.refuse(&error.to_string()),
                    }
                }
                Content::Sound(bytes) if self.sound.is_some() => sound.extend_from_slice(&bytes),
                Content::Turn(_) => self.refuse("this call has sound; its turns are heard"),
                Content::Sound(_) => self.refuse("this call was begun without `audio`; send turns"),
                Content::Gone => {
                    self.connection = None;
                    self.alone_since = Instant::now();
                }
                Content::Attach(..) | Content::Stop | Content::Abandon => (),
            }
        }
        self.say(turns).await?;
        self.hear(sound).await?;
        Ok(Next::Go)
    }

    fn count(&self) -> usize {
        self.talk.as_ref().map_or(0, |talk| talk.turns().len())
    }

    fn is_new(&self, waiting: &[Turn], turn: &Turn) -> Result<bool, live::Error> {
        if let Some(known) = waiting.iter().find(|known| known.i == turn.i) {
            return if known.text == turn.text {
                Ok(false)
            } else {
                Err(live::Error::OtherTurn(turn.i))
            };
        }
        self.talk.as_ref().map_or(Ok(true), |talk| talk.is_new(turn))
    }

    fn refuse(&mut self, message: &str) {
        self.tell_only(&ServerMessage::Error(Problem {
            code: ProblemCode::BadMessage,
            message: message.to_owned(),
            closes: false,
        }));
    }

    /// Tells what holds for the moment.
    fn tell_only(&mut self, message: &ServerMessage) {
        self.seq += 1;
        if let Ok(json) = message.to_json(self.seq) {
            let _ = self.told.send(Told::Frame {
                seq: self.seq,
                json: json.into(),
            });
        }
    }

    async fn keep(&mut self, news: LiveNews) -> Result<(), store::Error> {
        let seen = self.count() as i64 - news.turns.len() as i64;
        let store = &self.desk.0.shop.store;
        store.keep_live(&self.workspace, &self.id, seen, news, Utc::now()).await
    }

    /// The next turns: labelled, kept, and told.
    async fn say(&mut self, turns: Vec<Turn>) -> Result<(), Error> {
        if turns.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let bodies = turns
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| job::corrupt("turn of a live call", &error))?;
        let talk = self.talk.take().ok_or(live::Error::Broken)?;
        let (talk, messages) = self.engine.push(talk, turns).await?;
        self.talk = Some(talk);
        let mut frames: Vec<(u64, Arc<str>)> = Vec::with_capacity(messages.len());
        for message in &messages {
            self.seq += 1;
            frames.push((self.seq, message.to_json(self.seq)?.into()));
        }
        let news = LiveNews {
            turns: bodies,
            messages: frames
                .iter()
                .map(|(seq, json)| (*seq as i64, json.to_string()))
                .collect(),
        };
        // Before anybody sees it: what was told is never taken back.
        self.keep(news).await?;
        for (seq, json) in frames {
            let _ = self.told.send(Told::Frame { seq, json });
        }
        metrics::histogram!("dealstage_live_turn_seconds").record(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// The next bytes of sound: on disk, then searched for speech.
    async fn hear(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(mut sound) = self.sound.take() else {
            return Ok(());
        };
        let done = tokio::task::spawn_blocking(move || {
            let found = sound.take(&bytes);
            (sound, found)
        });
        let (sound, found) = done.await.map_err(|_| live::Error::Broken)?;
        self.sound = Some(sound);
        self.listen(found?);
        Ok(())
    }

    /// Asks the recogniser for the words of speech.
    fn listen(&mut self, found: Vec<Speech>) {
        let Some(voices) = self.voices else { return };
        let language = self.talk.as_ref().and_then(Talk::language);
        let names: Arc<[String]> = self.talk.as_ref().map(Talk::names).unwrap_or_default().into();
        for speech in found {
            let ended = speech.ended();
            let (start_s, end_s) = times(&speech);
            let said = Said {
                channel: speech.channel,
                speaker: voices.speaker(speech.channel),
                role: voices.role(speech.channel),
                start_s,
                pieces: speech.piece,
                from: speech.from,
                length_s: seconds(speech.samples.len() as u64),
                end_s,
                until: speech.until,
            };
            if speech.samples.is_empty() {
                let words = Words {
                    words: Vec::new(),
                    language: None,
                };
                self.finals.push_back(Box::pin(std::future::ready((said, Ok(words)))));
                continue;
            }
            let engine = self.engine.clone();
            let utterance = Utterance {
                speaker: speaker_number(&self.id, speech.channel),
                from: speech.from,
                samples: speech.samples,
                language,
                names: Arc::clone(&names),
            };
            if ended {
                self.finals.push_back(Box::pin(async move {
                    let words = engine.hear(utterance).await;
                    (said, words)
                }));
            } else {
                self.partials.push(Box::pin(async move {
                    let words = engine.hear_so_far(utterance, said.until == Until::Pause).await;
                    (said, words.ok().flatten())
                }));
            }
        }
    }

    /// Once the language is known it need not be told from every speech anew.
    fn settle_language(&mut self, said: &Said, words: &Words) {
        if said.length_s >= TELLING_S
            && let (Some(talk), Some(language)) = (&mut self.talk, words.language)
        {
            talk.set_language(language);
        }
    }

    fn is_news(&mut self, said: &Said) -> bool {
        let Some(heard_s) = self.heard_s.get_mut(said.channel) else {
            return true;
        };
        let is_news = said.end_s > *heard_s;
        *heard_s = heard_s.max(said.end_s);
        is_news
    }

    fn so_far(&mut self, said: &Said, words: Option<Words>) {
        let Some(words) = words.filter(|words| !words.words.is_empty()) else {
            return;
        };
        self.settle_language(said, &words);
        // Words before these may still be with another recogniser.
        let none = Begun::default();
        let begun = self
            .begun
            .get(said.channel)
            .filter(|begun| begun.start_s == said.start_s);
        let begun = begun.unwrap_or(&none);
        if begun.pieces != said.pieces {
            return;
        }
        let before = begun.words.clone();
        if !self.is_news(said) {
            return;
        }
        let Some(so_far) = self.so_far.get_mut(said.channel) else {
            return;
        };
        let shown = so_far.shown(said.from, said.end_s, &words.words);
        let text = text_of(&[before.as_slice(), shown].concat());
        if !text.is_empty() {
            self.tell_so_far(said, text);
        }
    }

    fn tell_so_far(&mut self, said: &Said, text: String) {
        self.tell_only(&ServerMessage::Partial(Partial {
            speaker: said.speaker,
            role: said.role,
            start_s: said.start_s,
            end_s: said.end_s,
            text,
        }));
    }

    /// The words of a turn, or of a piece of it, have been heard.
    async fn said(&mut self, said: Said, words: Words) -> Result<(), Error> {
        let is_news = self.is_news(&said);
        if !words.words.is_empty() {
            self.settle_language(&said, &words);
        }
        let Some(begun) = self.begun.get_mut(said.channel) else {
            return Ok(());
        };
        if begun.start_s != said.start_s {
            *begun = Begun {
                start_s: said.start_s,
                ..Begun::default()
            };
        }
        begun.pieces += 1;
        begun.words.extend(words.words);
        if begun.words.is_empty() {
            return Ok(());
        }
        if said.until == Until::Piece {
            let text = text_of(&begun.words);
            if is_news {
                self.tell_so_far(&said, text);
            }
            return Ok(());
        }
        let words = std::mem::take(begun).words;
        let turn = Turn {
            i: u32::try_from(self.count() + 1).unwrap_or(u32::MAX),
            role: said.role,
            speaker: said.speaker.to_owned(),
            name: None,
            start_s: Some(said.start_s),
            end_s: Some(said.end_s),
            text: text_of(&words),
            words,
            speaker_confidence: None,
            overlaps: Vec::new(),
        };
        self.say(vec![turn]).await
    }

    /// The call is over: the rest is heard, and the whole becomes a stored call.
    async fn end(&mut self) -> Result<(), Error> {
        let mut blob = None;
        if let Some(sound) = self.sound.take() {
            let path = sound.path.clone();
            let (channels, seconds) = (sound.channels(), sound.seconds());
            self.finish_sound(sound).await?;
            let shop = &self.desk.0.shop;
            let staged = shop.blobs.stage_file(&path).await?;
            shop.blobs.put(&self.workspace, &staged).await?;
            blob = Some((path, staged.hash.clone(), staged.size));
            if let Some(talk) = &mut self.talk {
                talk.set_sound(channels, seconds);
            }
        }
        let inner = Arc::clone(&self.desk.0);
        let talk = self.talk.take().ok_or(live::Error::Broken)?;
        let asr_model = self.voices.map(|_| inner.asr_model.clone());
        let now = Utc::now();
        let store = &inner.shop.store;
        let scope = store::Scope::all(self.workspace.clone());
        let transcribed = match talk.end(asr_model) {
            Ok(transcribed) => transcribed,
            Err(live::Error::NoTurns) => {
                let problem = bad_input(live::Error::NoTurns.to_string());
                let call = store.call(&scope, &self.id).await?.ok_or(Error::NoCall)?;
                let events = vec![NewEvent::call_failed(&call, &problem)];
                store
                    .fail_live(&self.workspace, &self.id, &problem, events, now)
                    .await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let end = LiveEnd {
            transcript: serde_json::to_string(&transcribed).map_err(|error| job::corrupt("transcript", &error))?,
            media: if self.voices.is_some() {
                "recording"
            } else {
                "transcript"
            },
            call_date: transcribed.call.call_date.unwrap_or_else(|| now.date_naive()),
            blob: blob.as_ref().map(|(_, hash, size)| (hash.clone(), *size)),
        };
        let claimed = store
            .end_live(&self.workspace, &self.id, end, &inner.name, inner.options.lease, now)
            .await?;
        if let Some((path, ..)) = blob {
            // It is in the blob store now; what stays behind is swept up later.
            let _ = tokio::fs::remove_file(path).await;
        }
        let known = Some(transcribed);
        worker::one(
            &inner.shop,
            &inner.options,
            claimed,
            known,
            &inner.models,
            &inner.shutdown,
        )
        .await?;
        Ok(())
    }

    async fn finish_sound(&mut self, sound: Sound) -> Result<(), Error> {
        let rest = tokio::task::spawn_blocking(move || sound.finish())
            .await
            .map_err(|_| live::Error::Broken)??;
        self.listen(rest.into_iter().filter(Speech::ended).collect());
        while let Some((said, words)) = self.finals.next().await {
            self.said(said, words?).await?;
        }
        Ok(())
    }
}

/// Tells the speakers of all calls apart.
fn speaker_number(call: &CallId, channel: usize) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (call.as_str(), channel).hash(&mut hasher);
    hasher.finish()
}
