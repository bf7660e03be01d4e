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
use crate::domain::{Language, Turn};
use crate::pipeline;
use crate::transcribe::Transcriber;
use crate::understand::turn_model::TurnModel;

/// Turns that go through the encoder together: more only make all of them wait.
const BATCH: usize = 16;

/// Loads a recogniser, the first time that a call has sound.
pub type Recognisers = Box<dyn FnMut() -> Result<Box<dyn Transcriber>, String> + Send>;

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
}

/// What a recogniser heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Empty where nothing that can be trusted was said.
    pub text: String,
    /// As it was given, else as it was told from this speech.
    pub language: Language,
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
            Some(load) => {
                let hearing = Arc::new(Hearing::default());
                let own = Arc::clone(&hearing);
                spawn("live-hearing", move || own.run(load))?;
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
        let hearing = self.0.hearing.as_ref().ok_or(Error::NoRecogniser)?;
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = hearing.queue();
            // What it said so far is of no interest now.
            queue
                .open
                .retain(|ask| ask.utterance.speaker != utterance.speaker || ask.utterance.from != utterance.from);
            queue.ended.push_back(Ask { utterance, reply });
        }
        hearing.more.notify_one();
        answer.await.map_err(|_| Error::Stopped)?
    }

    /// The words so far of somebody who still speaks; None where newer ones were asked for before these were heard.
    pub async fn hear_so_far(&self, utterance: Utterance) -> Result<Option<Words>, Error> {
        let hearing = self.0.hearing.as_ref().ok_or(Error::NoRecogniser)?;
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = hearing.queue();
            let speaker = utterance.speaker;
            let ask = Ask { utterance, reply };
            match queue.open.iter_mut().find(|ask| ask.utterance.speaker == speaker) {
                // It keeps its place; whoever waits for the older one is told that nobody hears it.
                Some(waiting) => *waiting = ask,
                None => queue.open.push_back(ask),
            }
        }
        hearing.more.notify_one();
        match answer.await {
            Ok(words) => words.map(Some),
            Err(_) => Ok(None),
        }
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

#[derive(Default)]
struct Hearing {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which the speech ended.
    ended: VecDeque<Ask>,
    /// At most one for each speaker.
    open: VecDeque<Ask>,
    closed: bool,
}

struct Ask {
    utterance: Utterance,
    reply: oneshot::Sender<Result<Words, Error>>,
}

impl Hearing {
    fn queue(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when the engine ends.
    fn next(&self) -> Option<Ask> {
        let mut queue = self.queue();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(ask) = queue.ended.pop_front() {
                return Some(ask);
            }
            if let Some(ask) = queue.open.pop_front() {
                return Some(ask);
            }
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, mut load: Recognisers) {
        let mut loaded: Option<Box<dyn Transcriber>> = None;
        let mut recent = Recent::default();
        while let Some(Ask { utterance, reply }) = self.next() {
            if reply.is_closed() {
                continue;
            }
            if let Some(words) = recent.find(&utterance) {
                let _ = reply.send(Ok(words));
                continue;
            }
            let heard = catch_unwind(AssertUnwindSafe(|| {
                let recogniser = match &mut loaded {
                    Some(recogniser) => recogniser,
                    empty => empty.insert(load()?),
                };
                words(recogniser.as_mut(), &utterance)
            }));
            let heard = match heard {
                Ok(heard) => heard.map_err(Error::Recogniser),
                Err(_) => {
                    // Nobody knows what state it is in.
                    loaded = None;
                    Err(Error::Broken)
                }
            };
            if let Ok(words) = &heard {
                recent.keep(&utterance, words);
            }
            let _ = reply.send(heard);
        }
    }
}

/// What was heard last: a pause that ends a turn was heard when it began, and nothing has been said since.
#[derive(Default)]
struct Recent(VecDeque<(u64, u64, usize, Words)>);

/// Utterances that are remembered: somebody else's come between.
const RECENT: usize = 32;

impl Recent {
    fn keep(&mut self, utterance: &Utterance, words: &Words) {
        let Utterance { speaker, from, .. } = *utterance;
        self.0.retain(|(of, ..)| *of != speaker);
        self.0.truncate(RECENT - 1);
        self.0
            .push_front((speaker, from, utterance.samples.len(), words.clone()));
    }

    fn find(&self, utterance: &Utterance) -> Option<Words> {
        let key = (utterance.speaker, utterance.from, utterance.samples.len());
        let (.., words) = self
            .0
            .iter()
            .find(|(speaker, from, length, _)| (*speaker, *from, *length) == key)?;
        let fits = utterance.language.is_none_or(|language| language == words.language);
        fits.then(|| words.clone())
    }
}

fn words(recogniser: &mut dyn Transcriber, utterance: &Utterance) -> Result<Words, String> {
    let speech = &utterance.samples;
    let language = match utterance.language {
        Some(language) => language,
        None => recogniser.detect_language(speech)?,
    };
    let phrases = recogniser.words(speech, language, false)?;
    let texts: Vec<&str> = phrases.iter().map(|phrase| phrase.text.as_str()).collect();
    Ok(Words {
        text: texts.join(" "),
        language,
    })
}
