//! One job: the steps that are not done yet, each stored before the next.

use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;

use super::{Meta, Options, Shop, bad_input, events, run_options};
use crate::document::{self, Document};
use crate::domain::{Corrected, History, Waveform};
use crate::ingest;
use crate::pipeline::{self, Models, Progress, Transcribed};
use crate::process::Process;
use crate::store::{CallRecord, Claimed, NewRecord, Outcome, Problem, Scope, Step, StepDone, Summary, WorkspaceId};
use crate::{store, transcribe, understand};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// For the person whose call it is.
    #[error("{}", .0.message)]
    Problem(Problem),
}

impl Error {
    /// Worth another try.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            // Weights that are being fetched, a language model that is down.
            Self::Pipeline(error) => !matches!(problem(error).code.as_str(), "bad_input"),
            Self::Problem(_) => false,
        }
    }

    /// Nobody wants the result any more.
    pub const fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Store(store::Error::Fenced)
                | Self::Pipeline(
                    pipeline::Error::Stopped(_) | pipeline::Error::Transcribe(transcribe::Error::Stopped(_))
                )
        )
    }
}

/// What a person is told.
pub fn problem(error: &pipeline::Error) -> Problem {
    let code = match error {
        pipeline::Error::Ingest(ingest::Error::Spool { .. }) => "internal",
        pipeline::Error::Ingest(_)
        | pipeline::Error::Transcribe(transcribe::Error::NoSpeech { .. })
        | pipeline::Error::Understand(understand::Error::Role(_) | understand::Error::Language { .. }) => "bad_input",
        pipeline::Error::Weights(_) | pipeline::Error::OtherEncoder => "missing_model",
        _ => "internal",
    };
    Problem {
        code: code.to_owned(),
        message: error.to_string(),
    }
}

/// Runs the steps of a call that are not done. Blocking work is handed to `blocking`, which owns the models. `heard`: the
/// words of the call as they were stored, where they are at hand.
pub async fn run(
    shop: &Shop,
    options: &Options,
    claimed: &Claimed,
    heard: Option<Transcribed>,
    blocking: &dyn Blocking,
) -> Result<(), Error> {
    let call = &claimed.call;
    let scope = Scope::all(claimed.workspace.clone());
    let (meta, settings) = settings_of(options, call)?;

    let stored = match heard {
        Some(_) => None,
        None => shop.store.result(&scope, &call.id, Step::Transcript).await?,
    };
    let transcribed = match (heard, stored) {
        (Some(heard), _) => heard,
        (None, Some(body)) => serde_json::from_str(&body).map_err(|error| corrupt("transcript", &error))?,
        (None, None) => {
            let (transcribed, waveform) =
                hear(shop, options, &claimed.workspace, call, (&meta, &settings), blocking).await?;
            if let Some(waveform) = waveform {
                shop.store
                    .keep_waveform(&claimed.workspace, &call.id, &waveform)
                    .await?;
            }
            let call_date = transcribed.call.call_date.unwrap_or(settings.call_date);
            let done = StepDone {
                step: Step::Transcript,
                body: serde_json::to_string(&transcribed).map_err(|error| corrupt("transcript", &error))?,
                media: if transcribed.asr_model.is_some() {
                    "recording"
                } else {
                    "transcript"
                },
                call_date,
            };
            shop.store.finish_step(&claimed.fence, done, chrono::Utc::now()).await?;
            transcribed
        }
    };
    // Another call with the deal may be recorded while this one is understood: then it is read again.
    loop {
        match understand(shop, claimed, &meta, &settings, transcribed.clone(), blocking).await {
            Err(Error::Store(store::Error::Stale)) => (),
            ended => return ended,
        }
    }
}

/// What was said about a call, and how it is run.
pub fn settings_of(options: &Options, call: &CallRecord) -> Result<(Meta, pipeline::Options), Error> {
    let (meta, _) = Meta::read(&call.meta).map_err(|message| Error::Problem(bad_input(message)))?;
    let said = meta.call_date.or_else(|| call.started_at.map(|at| at.date_naive()));
    let assumed = call.created_at.date_naive();
    let mut settings = run_options(options, meta.language, meta.rep.clone());
    settings.call_date = said.unwrap_or(assumed);
    settings.call_date_is_said = said.is_some();
    if let Some((_, llm)) = &mut settings.llm {
        // Answers quote the call: they go with it.
        llm.answers.push(call.id.as_str());
    }
    Ok((meta, settings))
}

/// Runs work that takes long on a thread of its own.
#[async_trait::async_trait]
pub trait Blocking: Sync {
    async fn run(&self, work: Work) -> Result<Done, Error>;
}

pub type Work = Box<dyn FnOnce(&mut Models, &mut Progress<'_>) -> Result<Done, Error> + Send>;

/// What blocking work came to.
pub enum Done {
    /// With the peaks of a recording.
    Transcribed(Box<Transcribed>, Option<Waveform>),
    Document(Box<Document>),
}

/// The words of a call, from its bytes; and the peaks of its recording, if it is one.
pub async fn hear(
    shop: &Shop,
    options: &Options,
    workspace: &WorkspaceId,
    call: &CallRecord,
    (meta, settings): (&Meta, &pipeline::Options),
    blocking: &dyn Blocking,
) -> Result<(Transcribed, Option<Waveform>), Error> {
    let Some(blob) = &call.blob else {
        let message = "the recording is not kept any more; upload it again".to_owned();
        return Err(Error::Problem(bad_input(message)));
    };
    let process = process_of(shop, workspace, meta).await?;
    let fetched = shop.blobs.fetch(workspace, blob).await?;
    let (source, id, settings) = (call.source.clone(), call.id.to_string(), settings.clone());
    let read = ingest::Options {
        call_date: settings.call_date_is_said.then_some(settings.call_date),
        language: settings.language,
        longest_s: Some(options.longest_s),
    };
    let done = blocking
        .run(Box::new(move |_, progress| {
            let started = Instant::now();
            let input = ingest::read_as(fetched.path(), &source, &read).map_err(pipeline::Error::from)?;
            let waveform = match &input {
                ingest::Input::Recording(recording) => Some(Waveform::of(recording).map_err(|cause| {
                    let source_name = recording.source.clone();
                    pipeline::Error::Transcribe(transcribe::Error::Sound { source_name, cause })
                })?),
                ingest::Input::Transcript(_) => None,
            };
            let mut transcribed = pipeline::transcribe(input, started.elapsed(), &process, &settings, progress)?;
            // A recording has no id of its own, a call file may.
            if transcribed.asr_model.is_some() || transcribed.call.id == stem(&source) {
                transcribed.call.id = id;
            }
            Ok(Done::Transcribed(Box::new(transcribed), waveform))
        }))
        .await?;
    match done {
        Done::Transcribed(transcribed, waveform) => Ok((*transcribed, waveform)),
        Done::Document(_) => Err(unexpected()),
    }
}

/// What ingest calls a file that has no id.
fn stem(source: &str) -> String {
    let stem = std::path::Path::new(source).file_stem();
    stem.map_or_else(|| source.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

async fn understand(
    shop: &Shop,
    claimed: &Claimed,
    meta: &Meta,
    settings: &pipeline::Options,
    transcribed: Transcribed,
    blocking: &dyn Blocking,
) -> Result<(), Error> {
    let call_date = transcribed.call.call_date.unwrap_or(settings.call_date);
    // Where the call is now, not where it was when the job began.
    let scope = Scope::all(claimed.workspace.clone());
    let call = shop
        .store
        .call(&scope, &claimed.call.id)
        .await?
        .ok_or(store::Error::Fenced)?;
    let (document, revision) =
        document_of(shop, &claimed.workspace, &call, meta, settings, transcribed, blocking).await?;
    // Read after the number: where the deal has moved on since, the outcome is not kept.
    let before = match &call.deal {
        Some(deal) => shop.store.deal(&scope, deal).await?,
        None => None,
    };
    let told = before.as_ref().map(|deal| events::Told {
        from: deal.stage.as_deref(),
        revision: revision + 1,
    });
    let now = chrono::Utc::now();
    let analysis = serde_json::to_string(&document).map_err(|error| corrupt("analysis", &error))?;
    let outcome = Outcome {
        summary: summary(&analysis).map_err(|error| corrupt("analysis", &error))?,
        record: match &call.deal {
            Some(deal) => Some(record(&document, &analysis, deal.clone(), revision, call_date)?),
            None => None,
        },
        analysis,
        events: events::analysed(&call, &document, told.as_ref()),
        reminders: events::reminders(&call.id, call.deal.as_ref(), &document.next_actions, now),
    };
    Ok(shop.store.record_outcome(&claimed.fence, outcome, now).await?)
}

async fn process_of(shop: &Shop, workspace: &WorkspaceId, meta: &Meta) -> Result<Arc<Process>, Error> {
    let missing = || store::Error::Missing {
        what: "workspace",
        id: workspace.to_string(),
    };
    let rows = shop.store.workspace(workspace).await?.ok_or_else(missing)?;
    shop.process_of(&rows, meta.process.as_deref())
        .map_err(|error| Error::Problem(bad_input(error.to_string())))
}

/// The analysis of a call, by its words and what was known of its deal before it; and the number of the deal's record
/// that this was read at.
pub async fn document_of(
    shop: &Shop,
    workspace: &WorkspaceId,
    call: &CallRecord,
    meta: &Meta,
    settings: &pipeline::Options,
    transcribed: Transcribed,
    blocking: &dyn Blocking,
) -> Result<(Box<Document>, i64), Error> {
    let process = process_of(shop, workspace, meta).await?;
    let call_date = transcribed.call.call_date.unwrap_or(settings.call_date);
    let mut settings = settings.clone();
    let (history, revision) = history_of(shop, workspace, call, call_date).await?;
    settings.history = history;
    settings.corrected = corrections_of(shop, workspace, call).await?;
    let done = blocking
        .run(Box::new(move |models, progress| {
            let analysis = pipeline::analyse_transcribed(transcribed, &process, &settings, models, progress)?;
            Ok(Done::Document(Box::new(Document::new(&analysis))))
        }))
        .await?;
    match done {
        Done::Document(document) => Ok((document, revision)),
        Done::Transcribed(..) => Err(unexpected()),
    }
}

/// What people corrected about a call, the oldest first.
async fn corrections_of(shop: &Shop, workspace: &WorkspaceId, call: &CallRecord) -> Result<Vec<Corrected>, Error> {
    let kept = shop.store.corrections(&Scope::all(workspace.clone()), &call.id).await?;
    let read = |kept: &store::Correction| serde_json::from_str(&kept.body);
    kept.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| corrupt("correction", &error))
}

/// What was known of the deal of a call before it; and the number of the deal's record that this was read at.
pub async fn history_of(
    shop: &Shop,
    workspace: &WorkspaceId,
    call: &CallRecord,
    call_date: NaiveDate,
) -> Result<(Option<History>, i64), Error> {
    let Some(deal) = &call.deal else { return Ok((None, 0)) };
    let (last, revision) = shop.store.history_before(workspace, deal, &call.id, call_date).await?;
    let history = last.map(|(id, text)| document::previous_as(&text, Some(id.as_str())));
    let history = history.transpose().map_err(|error| corrupt("analysis", &error))?;
    Ok((history, revision))
}

/// What lists say of an analysis, and find it by.
pub(super) fn summary(analysis: &str) -> Result<Summary, document::Unreadable> {
    let (shown, said) = document::summary(analysis)?;
    Ok(Summary { shown, said })
}

fn record(
    document: &Document,
    text: &str,
    deal: store::DealId,
    seen_revision: i64,
    call_date: NaiveDate,
) -> Result<NewRecord, Error> {
    let mut body = serde_json::to_value(document).map_err(|error| corrupt("analysis", &error))?;
    if let Some(object) = body.as_object_mut() {
        object.remove("turns");
        object.remove("segments");
    }
    Ok(NewRecord {
        deal,
        seen_revision,
        call_date,
        stage: document.deal.stage.as_ref().map(|stage| stage.as_str().to_owned()),
        body: body.to_string(),
        figures: document::figures(text).map_err(|error| corrupt("analysis", &error))?,
    })
}

pub fn corrupt(what: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Store(store::Error::Corrupt {
        what,
        cause: error.to_string(),
    })
}

fn unexpected() -> Error {
    Error::Problem(Problem {
        code: "internal".to_owned(),
        message: "a step answered for another".to_owned(),
    })
}
