//! The models that all live calls share, each on threads of its own: async code asks and waits, and never computes.
//!
//! Turns of many calls that come at about the same time go through the encoder together. Of partial texts only the newest
//! of each speaker is worth hearing; final ones come first. Handles are cheap; when the last is dropped the threads end.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::sync::oneshot;

use super::protocol::ServerMessage;
use super::{Error, Talk};
use crate::domain::{Language, SAMPLE_RATE, Turn, Word};
use crate::pipeline;
use crate::transcribe::{Failure, Piece, Transcriber, milliseconds};
use crate::understand::turn_model::TurnModel;

/// Turns that go through the encoder together: more only make all of them wait.
const BATCH: usize = 16;

/// The recognisers that hear at the same time.
pub struct Recognisers {
    pub count: usize,
    /// Loads one, the first time that it has something to hear.
    pub load: Load,
}

pub type Load = Box<dyn FnMut() -> Result<Box<dyn Transcriber>, String> + Send>;

#[derive(Clone)]
pub struct Engine(Arc<Handles>);

struct Handles {
    turns: mpsc::Sender<TurnJob>,
    hearing: Option<Arc<Hearing>>,
}

struct TurnJob {
    talk: Talk,
    turns: Vec<Turn>,
    reply: oneshot::Sender<Result<(Talk, Vec<ServerMessage>), Error>>,
}

/// Speech that a recogniser is to hear: at most 30 s.
#[derive(Debug, Clone)]
pub struct Utterance {
    /// Tells the speakers of all calls apart.
    pub speaker: u64,
    /// Place of the first sample, from the start of the call.
    pub from: u64,
    /// At 16 kHz.
    pub samples: Vec<f32>,
    /// None: it is to be told from this speech.
    pub language: Option<Language>,
    /// Names that may be said, as they are written.
    pub names: Arc<[String]>,
}

/// What a recogniser heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// Empty where nothing that can be trusted was said.
    pub words: Vec<Word>,
    /// As it was given, else as it was told from this speech; None where there is none.
    pub language: Option<Language>,
}

impl Engine {
    /// Starts the threads. `recognisers`: None for a server that takes transcripts only.
    pub fn start(model: Arc<TurnModel>, threads: usize, recognisers: Option<Recognisers>) -> Result<Self, Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(pipeline::Error::from)?;
        let (turns, turn_jobs) = mpsc::channel();
        spawn("live-turns", move || run_turns(&turn_jobs, &pool, &model))?;
        let hearing = match recognisers {
            None => None,
            Some(Recognisers { count, load }) => {
                let hearing = Arc::new(Hearing::default());
                let load = Arc::new(Mutex::new(load));
                for _ in 0..count {
                    let (own, load) = (Arc::clone(&hearing), Arc::clone(&load));
                    spawn("live-hearing", move || own.run(&load))?;
                }
                Some(hearing)
            }
        };
        Ok(Self(Arc::new(Handles { turns, hearing })))
    }

    /// Whether calls with sound can be taken.
    pub fn hears(&self) -> bool {
        self.0.hearing.is_some()
    }

    /// Gives the talk its next turns; it comes back with what there is to tell.
    pub async fn push(&self, talk: Talk, turns: Vec<Turn>) -> Result<(Talk, Vec<ServerMessage>), Error> {
        let (reply, answer) = oneshot::channel();
        self.0
            .turns
            .send(TurnJob { talk, turns, reply })
            .map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Broken)?
    }

    /// A talk as it was after these turns, one after the other: for a call that goes on in another process. What there was
    /// to tell has been told.
    pub async fn restore(&self, mut talk: Talk, turns: Vec<Turn>) -> Result<Talk, Error> {
        for turn in turns {
            (talk, _) = self.push(talk, vec![turn]).await?;
        }
        Ok(talk)
    }

    /// The words of speech that has ended.
    pub async fn hear(&self, utterance: Utterance) -> Result<Words, Error> {
        self.ask(utterance, Haste::Ended)?
            .await
            .map_err(|_| Error::Stopped)?
            .map_err(Error::Recogniser)
    }

    /// The words so far of somebody who still speaks, or (`paused`) perhaps not; None where newer ones were asked for before
    /// these were heard.
    pub async fn hear_so_far(&self, utterance: Utterance, paused: bool) -> Result<Option<Words>, Error> {
        let haste = if paused { Haste::Paused } else { Haste::Open };
        match self.ask(utterance, haste)?.await {
            Ok(words) => words.map(Some).map_err(Error::Recogniser),
            Err(_) => Ok(None),
        }
    }

    fn ask(&self, utterance: Utterance, haste: Haste) -> Result<oneshot::Receiver<Heard>, Error> {
        let hearing = self.0.hearing.as_ref().ok_or(Error::NoRecogniser)?;
        let (reply, answer) = oneshot::channel();
        hearing.queue().ask(utterance, haste, reply);
        hearing.more.notify_all();
        Ok(answer)
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        if let Some(hearing) = &self.hearing {
            hearing.queue().closed = true;
            hearing.more.notify_all();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
    Ok(())
}

fn run_turns(jobs: &mpsc::Receiver<TurnJob>, pool: &rayon::ThreadPool, model: &TurnModel) {
    while let Ok(first) = jobs.recv() {
        let mut count = first.turns.len();
        let mut batch = vec![first];
        while count < BATCH
            && let Ok(next) = jobs.try_recv()
        {
            count += next.turns.len();
            batch.push(next);
        }
        pool.install(|| tell(batch, model));
    }
}

/// Encodes the turns of all jobs together, and lets each call say what is new.
fn tell(batch: Vec<TurnJob>, model: &TurnModel) {
    let texts: Vec<&str> = batch
        .iter()
        .flat_map(|job| job.turns.iter().map(|turn| turn.text.as_str()))
        .collect();
    // What breaks here breaks the calls of this batch, and no others.
    let encoded = catch_unwind(AssertUnwindSafe(|| model.encode(&texts)));
    let mut vectors = match encoded {
        Ok(Ok(vectors)) => vectors.into_iter(),
        failed => {
            if let Ok(Err(error)) = failed {
                tracing::error!(%error, "turns of live calls were not encoded");
            }
            for job in batch {
                let _ = job.reply.send(Err(Error::Broken));
            }
            return;
        }
    };
    let work: Vec<_> = batch
        .into_iter()
        .map(|job| {
            let vectors: Vec<_> = vectors.by_ref().take(job.turns.len()).collect();
            (job, vectors)
        })
        .collect();
    work.into_par_iter().for_each(|(job, vectors)| {
        let TurnJob { mut talk, turns, reply } = job;
        let told = catch_unwind(AssertUnwindSafe(|| {
            talk.push(turns, vectors);
            let messages = talk.tell(model)?;
            Ok((talk, messages))
        }));
        // Whoever has gone away needs no answer.
        let _ = reply.send(told.unwrap_or(Err(Error::Broken)));
    });
}

/// Words, or why there are none.
type Heard = Result<Words, String>;

#[derive(Default)]
struct Hearing {
    queue: Mutex<Queue>,
    more: Condvar,
}

/// How urgent words are: the first of them first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Haste {
    Ended,
    /// If nothing more is said, these words are the turn's.
    Paused,
    Open,
}

#[derive(Default)]
struct Queue {
    /// Of each speaker at most one that has not ended.
    waiting: VecDeque<Ask>,
    /// What the recognisers are at. The sound is with them.
    running: Vec<Running>,
    /// What was heard last, of each speaker: a pause that ends a turn was heard when it began, and nothing has been said since.
    recent: VecDeque<(Key, Words)>,
    closed: bool,
}

struct Ask {
    haste: Haste,
    utterance: Utterance,
    reply: oneshot::Sender<Heard>,
}

struct Running {
    key: Key,
    language: Option<Language>,
    replies: Vec<oneshot::Sender<Heard>>,
}

/// Which speech it is: speaker, place of its first sample, count of its samples.
type Key = (u64, u64, usize);

/// Speakers whose last words are remembered.
const RECENT: usize = 64;

impl Utterance {
    const fn key(&self) -> Key {
        (self.speaker, self.from, self.samples.len())
    }
}

impl Queue {
    fn ask(&mut self, utterance: Utterance, haste: Haste, reply: oneshot::Sender<Heard>) {
        let key = utterance.key();
        // What this speaker said so far is of no interest any more: whoever waits for it is told that nobody hears it.
        let is_older = |ask: &Ask| ask.utterance.speaker == key.0 && ask.haste != Haste::Ended;
        let place = self.waiting.iter().position(is_older);
        if let Some(at) = place {
            self.waiting.remove(at);
        }
        let recent = self.recent.iter().find(|(known, _)| *known == key);
        if let Some((_, words)) = recent
            && utterance
                .language
                .is_none_or(|language| words.language == Some(language))
        {
            let _ = reply.send(Ok(words.clone()));
            return;
        }
        let running = self.running.iter_mut().find(|running| running.key == key);
        if let Some(running) = running
            && running.language == utterance.language
        {
            running.replies.push(reply);
            return;
        }
        let ask = Ask {
            haste,
            utterance,
            reply,
        };
        // It keeps its place: who asks often would else be heard last.
        self.waiting.insert(place.unwrap_or(self.waiting.len()), ask);
    }

    /// The most urgent. Of a speaker who goes on, only one text at a time is worth a recogniser.
    fn next(&mut self) -> Option<Utterance> {
        self.waiting.retain(|ask| !ask.reply.is_closed());
        let heard = |ask: &Ask| {
            self.running
                .iter()
                .any(|running| running.key.0 == ask.utterance.speaker)
        };
        let (at, _) = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, ask)| ask.haste != Haste::Open || !heard(ask))
            .min_by_key(|(_, ask)| ask.haste)?;
        let Ask { utterance, reply, .. } = self.waiting.remove(at)?;
        self.running.push(Running {
            key: utterance.key(),
            language: utterance.language,
            replies: vec![reply],
        });
        Some(utterance)
    }

    fn done(&mut self, utterance: &Utterance, heard: &Heard) {
        let key = utterance.key();
        let is_it = |running: &Running| running.key == key && running.language == utterance.language;
        if let Some(at) = self.running.iter().position(is_it) {
            for reply in self.running.swap_remove(at).replies {
                // Whoever has gone away needs no answer.
                let _ = reply.send(heard.clone());
            }
        }
        if let Ok(words) = heard {
            self.recent.retain(|((speaker, ..), _)| *speaker != key.0);
            self.recent.truncate(RECENT - 1);
            self.recent.push_front((key, words.clone()));
        }
    }
}

impl Hearing {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when the engine ends.
    fn next(&self) -> Option<Utterance> {
        let mut queue = self.queue();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(utterance) = queue.next() {
                return Some(utterance);
            }
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, load: &Mutex<Load>) {
        let mut loaded: Option<Box<dyn Transcriber>> = None;
        while let Some(utterance) = self.next() {
            let heard = catch_unwind(AssertUnwindSafe(|| {
                let recogniser = match &mut loaded {
                    Some(recogniser) => recogniser,
                    empty => empty.insert(load.lock().unwrap_or_else(PoisonError::into_inner)()?),
                };
                words(recogniser.as_mut(), &utterance).map_err(|error| error.to_string())
            }));
            let heard = heard.unwrap_or_else(|_| {
                // Nobody knows what state it is in.
                loaded = None;
                Err("it broke off".to_owned())
            });
            self.queue().done(&utterance, &heard);
            // Text of the same speaker may have waited for this.
            self.more.notify_all();
        }
    }
}

fn words(recogniser: &mut dyn Transcriber, utterance: &Utterance) -> Result<Words, Failure> {
    let begin_s = utterance.from as f64 / f64::from(SAMPLE_RATE);
    let piece = Piece {
        samples: &utterance.samples,
        at_s: begin_s,
        names: &utterance.names,
    };
    let language = match utterance.language {
        Some(language) => language,
        None => recogniser.detect_language(&piece)?,
    };
    let heard = recogniser.words(&[piece], language)?;
    let words = heard.into_iter().flatten().map(|word| Word {
        start_s: milliseconds(begin_s + word.start_s),
        end_s: milliseconds(begin_s + word.end_s),
        ..word
    });
    Ok(Words {
        words: words.collect(),
        language: Some(language),
    })
}
