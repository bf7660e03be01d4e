//! The one place that runs the steps in order: ingest → transcribe → understand → decide.
//!
//! Owns the loading of models (the recogniser is dropped before the turn model is loaded: memory holds one of them), the
//! timings and the threads. What the steps do is *not* here.

mod cases;
#[cfg(test)]
pub mod sample;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::decide::{self, Situation, TemplateError, Templates};
use crate::domain::{
    Action, Call, Contact, Corrected, Deal, DecidedBy, Egress, FollowUp, History, Language, Premature, Qualification,
    Recording, RootCause, Scorecard, Stopped,
};
use crate::ingest::{self, Input};
use crate::llm::{self, Llm, Redaction};
use crate::process::{self, Marks, Process, Talk};
use crate::transcribe::judge::Judge;
use crate::transcribe::remote::{self, Remote, Sent};
use crate::transcribe::{self, Ears, Segmentation, SpeakerModels, Transcriber, VoiceEncoder, whisper};
use crate::understand::fallback::{self, Ask};
use crate::understand::turn_model::{Known, Read, Stored, TurnModel, Vector};
use crate::understand::{self, Understanding};
use crate::weights;

pub use crate::decide::metric_name;
pub use cases::{Difference, run_case};

pub const ENCODER: &str = "multilingual-e5-small";
const JUDGE: &str = "silero-vad";
pub const DEFAULT_RECOGNISER: &str = "whisper-base";
const VOICES: &str = "ge2e";
const OVERLAPS: &str = "pyannote-segmentation";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    #[error(transparent)]
    Weights(#[from] weights::Error),
    #[error(transparent)]
    Transcribe(#[from] transcribe::Error),
    #[error(transparent)]
    Remote(#[from] remote::Error),
    #[error(transparent)]
    Understand(#[from] understand::Error),
    #[error(transparent)]
    Llm(#[from] llm::Error),
    #[error(transparent)]
    Model(#[from] crate::understand::turn_model::Error),
    #[error(
        "the heads of the turn model were trained on another encoder; fetch the right one with \
         `dealstage models pull`, or train again with `dealstage train`"
    )]
    OtherEncoder,
    #[error(
        "--previous: that call was on {previous}, after this one ({this}); give the call before it, or --call-date"
    )]
    Later { previous: NaiveDate, this: NaiveDate },
    #[error("--previous: that is the analysis of this very call (`{0}`); give the call before it")]
    SameCall(String),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("threads cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// What the user chose.
#[derive(Debug, Clone)]
pub struct Options {
    /// Dates that are said are counted from it, where the file names none.
    pub call_date: NaiveDate,
    /// The user said that day; else it is only assumed.
    pub call_date_is_said: bool,
    /// The user's `--language`; None: detected.
    pub language: Option<Language>,
    /// The user's `--rep`.
    pub rep: Option<String>,
    pub threads: usize,
    pub recogniser: Recogniser,
    /// Folder of heads; None for those that come with the program.
    pub heads: Option<PathBuf>,
    /// Folder of templates that replace those of the program, prompts and letters; None: the program's own.
    pub prompts: Option<PathBuf>,
    /// When to ask a language model, and where it is; None: never.
    pub llm: Option<(Ask, llm::Options)>,
    /// Earlier calls with the same deal.
    pub history: Option<History>,
    /// What people corrected in an earlier run, the oldest first.
    pub corrected: Vec<Corrected>,
}

/// Who hears recordings.
#[derive(Debug, Clone)]
pub enum Recogniser {
    /// A name of the manifest.
    Named(String),
    /// A ggml file, and what the document calls it.
    File { name: String, path: PathBuf },
    /// A service, which is sent the speech.
    Remote(remote::Options),
}

impl Recogniser {
    /// As the document calls it.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::File { name, .. } => name,
            Self::Remote(service) => &service.model,
        }
    }
}

impl From<&str> for Recogniser {
    /// A path, if it is one; else a name.
    fn from(wanted: &str) -> Self {
        let path = Path::new(wanted);
        if path.is_file() || path.components().count() > 1 {
            let name = path
                .file_name()
                .map_or_else(|| wanted.to_owned(), |name| name.to_string_lossy().into_owned());
            Self::File {
                name,
                path: path.to_owned(),
            }
        } else {
            Self::Named(weights::full_name(wanted).to_owned())
        }
    }
}

/// The turn model of a process: loaded when it is first needed, once for all who hold this.
#[derive(Clone, Default)]
pub struct SharedTurnModel(Arc<Mutex<Option<Arc<TurnModel>>>>);

impl SharedTurnModel {
    /// `heads` as in [`load_turn_model`]; all who share it name the same.
    fn get(&self, heads: Option<&Path>) -> Result<Arc<TurnModel>, Error> {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Some(model) => Ok(Arc::clone(model)),
            None => Ok(Arc::clone(loaded.insert(Arc::new(load_turn_model(heads)?)))),
        }
    }
}

impl std::fmt::Debug for SharedTurnModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedTurnModel")
    }
}

/// Models that stay in memory from one call to the next.
pub struct Models {
    turn: SharedTurnModel,
    llm: Option<(Ask, Llm)>,
    letters: Templates,
}

impl Models {
    /// Nothing loaded yet, but settings, letters and prompts of the language model checked: not after an hour of listening.
    pub fn new(options: &Options) -> Result<Self, Error> {
        if let Recogniser::Remote(service) = &options.recogniser {
            Remote::new(service, Sent::default())?;
        }
        let llm = match &options.llm {
            Some((ask, settings)) => Some((*ask, Llm::new(settings)?)),
            None => None,
        };
        Ok(Self {
            turn: SharedTurnModel::default(),
            llm,
            letters: Templates::load(options.prompts.as_deref())?,
        })
    }

    /// With a turn model that others use too.
    pub fn with_turn_model(options: &Options, model: &SharedTurnModel) -> Result<Self, Error> {
        Ok(Self {
            turn: model.clone(),
            ..Self::new(options)?
        })
    }

    /// The turn model, loaded the first time.
    pub fn turn_model(&self, options: &Options) -> Result<Arc<TurnModel>, Error> {
        self.turn.get(options.heads.as_deref())
    }
}

/// Where the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Transcribe,
    Understand,
    Decide,
}

/// Is told the step and the share of it that is done, 0–1, and may stop the work.
pub type Progress<'a> = dyn FnMut(Step, f32) -> Result<(), Stopped> + 'a;

#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    pub decode: Duration,
    pub transcribe: Duration,
    pub understand: Duration,
    pub decide: Duration,
}

/// Everything that is known after a run.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub understanding: Understanding,
    pub call_date: NaiveDate,
    /// Nobody said which day it was.
    pub call_date_assumed: bool,
    pub deal: Deal,
    pub qualification: Qualification,
    pub premature: Vec<Premature>,
    pub root_causes: Vec<RootCause>,
    /// The most urgent first.
    pub next_actions: Vec<Action>,
    pub next_contact: Option<Contact>,
    pub follow_up: Option<FollowUp>,
    /// None where the call is no sales call.
    pub scorecard: Option<Scorecard>,
    /// None for a transcript.
    pub asr_model: Option<String>,
    pub turn_model: String,
    /// None where no language model was switched on.
    pub llm: Option<LlmUse>,
    /// Everything that left the machine.
    pub egress: Vec<Egress>,
    pub timings: Timings,
}

/// What a language model had to do with an analysis.
#[derive(Debug, Clone)]
pub struct LlmUse {
    pub model: String,
    /// Questions without an answer, and answers that were not believed.
    pub problems: Vec<String>,
}

/// The turn model with the encoder from the weights folder, checked against each other.
/// `heads`: folder of heads; None for those that come with the program.
pub fn load_turn_model(heads: Option<&Path>) -> Result<TurnModel, Error> {
    let (model, tokenizer) = encoder_files()?;
    let stored = Stored::read(heads)?;
    if stored.heads.settings.encoder_sha256 != encoder_sha256()? {
        return Err(Error::OtherEncoder);
    }
    Ok(TurnModel::load(&model, &tokenizer, stored)?)
}

/// `model.gguf` and `tokenizer.json`.
pub fn encoder_files() -> Result<(PathBuf, PathBuf), Error> {
    let model = weights::locate(ENCODER, "model.gguf")?;
    let tokenizer = weights::locate(ENCODER, "tokenizer.json")?;
    Ok((model, tokenizer))
}

/// What tells voices from other sounds.
pub fn load_judge() -> Result<Judge, Error> {
    Ok(Judge::load(&weights::locate(JUDGE, "silero_vad_16k.safetensors")?)?)
}

/// SHA-256 of the encoder's file, hex.
pub fn encoder_sha256() -> Result<String, Error> {
    Ok(weights::sha256_of(ENCODER, "model.gguf")?.to_owned())
}

/// A call with its words: what a stored call is taken up from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcribed {
    pub call: Call,
    /// None for a transcript.
    pub asr_model: Option<String>,
    /// What left the machine to be heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Egress>,
    pub decode: Duration,
    pub transcribe: Duration,
    /// Vectors of all turns, where they have been encoded before.
    #[serde(skip)]
    pub known: Option<Arc<[Vector]>>,
}

/// Runs the whole job on one input.
pub fn analyse(
    input: Input,
    decoded_in: Duration,
    process: &Process,
    options: &Options,
    models: &mut Models,
    progress: &mut Progress<'_>,
) -> Result<Analysis, Error> {
    let transcribed = transcribe(input, decoded_in, process, options, progress)?;
    analyse_transcribed(transcribed, process, options, models, progress)
}

/// The first half of the job: the words of a recording, among them the names of the process.
pub fn transcribe(
    input: Input,
    decoded_in: Duration,
    process: &Process,
    options: &Options,
    progress: &mut Progress<'_>,
) -> Result<Transcribed, Error> {
    let started = Instant::now();
    let (call, asr_model, egress) = match input {
        Input::Transcript(call) => (call, None, Vec::new()),
        Input::Recording(recording) => hear(&recording, process.names(), options, progress)?,
    };
    Ok(Transcribed {
        call,
        transcribe: if asr_model.is_some() {
            started.elapsed()
        } else {
            Duration::ZERO
        },
        asr_model,
        egress,
        decode: decoded_in,
        known: None,
    })
}

/// The second half of the job: what the words mean.
pub fn analyse_transcribed(
    transcribed: Transcribed,
    process: &Process,
    options: &Options,
    models: &mut Models,
    progress: &mut Progress<'_>,
) -> Result<Analysis, Error> {
    let Transcribed {
        call,
        asr_model,
        mut egress,
        known,
        ..
    } = transcribed;
    let model = models.turn_model(options)?;
    let mut timings = Timings {
        decode: transcribed.decode,
        transcribe: transcribed.transcribe,
        ..Timings::default()
    };
    let started = Instant::now();
    progress(Step::Understand, 0.0)?;
    let call_date = call.call_date.unwrap_or(options.call_date);
    let call_date_assumed = call.call_date.is_none() && !options.call_date_is_said;
    check_history(&call, options)?;
    let mut understanding = in_pool(options.threads, || {
        let mut read = Read::default();
        let known = known.as_deref().map(|vectors| Known {
            vectors,
            read: &mut read,
        });
        understand(call, call_date, options, &model, known)
    })??;
    // Nobody was asked about a talk that is not understood.
    let turn_model = match understanding.other_language {
        None => model.name(),
        Some(_) => "none".to_owned(),
    };

    let switched_on = models.llm.as_ref().zip(options.llm.as_ref());
    let mut asked = switched_on.map(|((ask, llm), (_, settings))| {
        let redaction = Redaction::new(&understanding.call, &understanding.fields);
        (*ask, llm.session(redaction, &settings.answers), llm.model().to_owned())
    });
    if let Some((ask, session, _)) = &mut asked
        && understanding.other_language.is_none()
    {
        fallback::turns(&mut understanding, *ask, session);
        understanding.read_labels(call_date);
        if options.history.is_some() {
            understanding.belongs_to_a_deal();
        }
    }
    timings.understand = started.elapsed();

    let started = Instant::now();
    progress(Step::Decide, 0.0)?;
    let history = options.history.clone().map(|history| history.for_process(process.id()));
    let history = history.as_ref();
    let mut deal = assess(&understanding, process, history);
    if let Some((ask, session, _)) = &mut asked
        && let Some(scored) = fallback::deal(&understanding, process, history, &deal, *ask, session)
    {
        deal = scored;
    }
    if let Some(stage) = stage_said(&options.corrected) {
        deal = process::settle(process, understanding.heard(history), &deal, stage);
    }
    let decided = decide_all(
        understanding,
        call_date,
        process,
        history,
        deal,
        &models.letters,
        &mut |situation, draft| match &mut asked {
            Some((Ask::Always, session, _)) => decide::rewrite(situation, &models.letters, draft, session),
            _ => None,
        },
    );
    timings.decide = started.elapsed();
    Ok(Analysis {
        call_date_assumed,
        asr_model,
        turn_model,
        llm: asked.map(|(_, session, model)| {
            let (asked, problems) = session.finish();
            egress.extend(asked);
            LlmUse { model, problems }
        }),
        egress,
        timings,
        ..decided
    })
}

/// Tensor work splits itself by the machine's cores; the pool alone decides how many of the parts run at once, so the
/// numbers do not depend on `--threads`.
fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    Ok(rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?
        .install(work))
}

fn understand(
    mut call: Call,
    call_date: NaiveDate,
    options: &Options,
    model: &TurnModel,
    known: Option<Known<'_>>,
) -> Result<Understanding, Error> {
    call.call_date = Some(call_date);
    let mut understanding = understand::understand(
        call,
        call_date,
        options.rep.as_deref(),
        model,
        known,
        &options.corrected,
    )?;
    if options.history.is_some() {
        understanding.belongs_to_a_deal();
    }
    Ok(understanding)
}

/// The verdict of the rules.
fn assess(understanding: &Understanding, process: &Process, history: Option<&History>) -> Deal {
    let mut deal = process::assess(process, understanding.heard(history));
    if understanding.other_language.is_some() {
        (deal.confidence, deal.abstained, deal.decided_by) = (0.0, true, DecidedBy::Rules);
    }
    deal
}

/// Where a person says that the deal stands, if one does; None within: it cannot be told.
fn stage_said(corrected: &[Corrected]) -> Option<Option<&str>> {
    corrected.iter().rev().find_map(|said| match said {
        Corrected::DealStage { stage } => Some(stage.as_deref()),
        _ => None,
    })
}

/// Where a call stands that goes on.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Of all turns so far.
    pub understanding: Understanding,
    pub deal: Deal,
    pub premature: Vec<Premature>,
    /// The most urgent first.
    pub next_actions: Vec<Action>,
}

/// Where a call stands by its first turns: as [`analyse_transcribed`], without a language model, and without what is written
/// only when the call has ended. `known`: of all turns, which have been encoded.
pub fn follow(
    call: Call,
    known: Known<'_>,
    process: &Process,
    options: &Options,
    model: &TurnModel,
) -> Result<Standing, Error> {
    let call_date = call.call_date.unwrap_or(options.call_date);
    let understanding = understand(call, call_date, options, model, Some(known))?;
    let history = options.history.clone().map(|history| history.for_process(process.id()));
    let deal = assess(&understanding, process, history.as_ref());
    let (premature, next_actions) = judge(
        &understanding,
        call_date,
        process,
        history.as_ref(),
        &deal,
        |situation| (situation.premature.to_vec(), decide::next_actions(situation)),
    );
    Ok(Standing {
        understanding,
        deal,
        premature,
        next_actions,
    })
}

/// Whether a call of this id and day can come after what is known of the deal.
pub fn check_history(call: &Call, options: &Options) -> Result<(), Error> {
    match &options.history {
        Some(history) => check_order(history, &call.id, call.call_date.unwrap_or(options.call_date)),
        None => Ok(()),
    }
}

/// The last of the earlier calls lies before this one.
fn check_order(history: &History, id: &str, call_date: NaiveDate) -> Result<(), Error> {
    match history.calls.last() {
        Some(last) if last.call_date > call_date => Err(Error::Later {
            previous: last.call_date,
            this: call_date,
        }),
        Some(last) if last.id == id && last.call_date == call_date => Err(Error::SameCall(id.to_owned())),
        _ => Ok(()),
    }
}

/// What follows from an understanding and a verdict by rules alone.
fn decide_all(
    understanding: Understanding,
    call_date: NaiveDate,
    process: &Process,
    history: Option<&History>,
    deal: Deal,
    letters: &Templates,
    rewrite: &mut dyn FnMut(&Situation<'_>, &FollowUp) -> Option<FollowUp>,
) -> Analysis {
    let (draft, qualification, next_actions, next_contact, root_causes, scorecard, premature) =
        judge(&understanding, call_date, process, history, &deal, |situation| {
            let draft = decide::follow_up(situation, letters);
            let rewritten = draft.as_ref().and_then(|draft| rewrite(situation, draft));
            (
                rewritten.or(draft),
                decide::qualification(situation),
                decide::next_actions(situation),
                decide::next_contact(situation),
                process::root_causes(situation.reading, &deal, situation.language),
                decide::scorecard(situation, situation.premature),
                situation.premature.to_vec(),
            )
        });
    Analysis {
        understanding,
        call_date,
        call_date_assumed: false,
        deal,
        qualification,
        premature,
        root_causes,
        next_actions,
        next_contact,
        follow_up: draft,
        scorecard,
        asr_model: None,
        turn_model: String::new(),
        llm: None,
        egress: Vec::new(),
        timings: Timings::default(),
    }
}

/// What is to be said of an understanding and a verdict.
fn judge<T>(
    understanding: &Understanding,
    call_date: NaiveDate,
    process: &Process,
    history: Option<&History>,
    deal: &Deal,
    say: impl FnOnce(&Situation<'_>) -> T,
) -> T {
    let heard = understanding.heard(history);
    let talk = Talk::new(process, heard.call, heard.fields);
    let marks = Marks::new(heard.labels);
    let premature = process::premature(process, heard);
    let mut reading = process::reading_of(process, &talk, &marks, heard, deal);
    let place = |warning: &Premature| heard.call.turns.iter().position(|turn| turn.i == warning.turn);
    reading.facts.premature = premature.iter().filter_map(place).collect();
    say(&Situation {
        process,
        call: &understanding.call,
        labels: &understanding.labels,
        fields: &understanding.fields,
        deal,
        language: understanding.language,
        call_date,
        reading: &reading,
        premature: &premature,
        history,
    })
}

/// The words of a recording, who heard them, and what left the machine for it.
fn hear(
    recording: &Recording,
    names: &[String],
    options: &Options,
    progress: &mut Progress<'_>,
) -> Result<(Call, Option<String>, Vec<Egress>), Error> {
    let sent = Sent::default();
    let mut open: Box<Open<'_>> = match &options.recogniser {
        Recogniser::Remote(service) => Box::new(|pieces| {
            remote::open(service, &sent, pieces).map_err(|cause| transcribe::Error::Recogniser {
                at_s: 0.0,
                cause: cause.into(),
            })
        }),
        Recogniser::Named(name) => own(weights::recogniser(name)?, options.threads),
        Recogniser::File { path, .. } => own(path.clone(), options.threads),
    };
    let mut open_speakers = || {
        let voices = weights::locate(VOICES, "model.safetensors")?;
        let overlaps = weights::locate(OVERLAPS, "model.safetensors")?;
        Ok::<_, Error>(SpeakerModels {
            encoder: VoiceEncoder::load(&voices, options.threads)?,
            segmentation: Segmentation::load(&overlaps, options.threads)?,
        })
    };
    progress(Step::Transcribe, 0.0)?;
    let mut tell = |done| progress(Step::Transcribe, done);
    let id = call_id(&recording.source);
    let ears = Ears {
        judge: &load_judge()?,
        open: &mut open,
        open_speakers: &mut open_speakers,
    };
    let call = transcribe::transcribe(recording, &id, options.language, names, ears, &mut tell)?;
    drop(open);
    Ok((call, Some(options.recogniser.name().to_owned()), sent.into_list()))
}

/// Opens the recognisers for so many pieces of work.
type Open<'a> = dyn FnMut(usize) -> Result<Vec<Box<dyn Transcriber>>, transcribe::Error> + 'a;

fn own(path: PathBuf, threads: usize) -> Box<Open<'static>> {
    let read = move || whisper::Weights::load(&path, threads);
    // While voices are looked for.
    let mut reading = Some(std::thread::spawn(read.clone()));
    Box::new(move |pieces| {
        let weights = match reading.take() {
            Some(reading) => reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => read(),
        };
        whisper::open(&weights?, threads, pieces)
    })
}

/// File name without its ending.
fn call_id(source: &str) -> String {
    Path::new(source)
        .file_stem()
        .map_or_else(|| source.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
