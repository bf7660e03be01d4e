//! Stored calls, from the queue to the analysis.
//!
//! Owns what a client may say about a call ([`Meta`]), the worker that claims jobs, keeps their leases and stores each
//! step before the next, what events tell, the desk of calls that go on, and the sweep that takes away what is not kept. How a
//! call is understood is *not* here: see `pipeline`; nor how the queue is kept: see `store`.

mod events;
mod fill;
mod job;
pub mod live;
mod meta;
mod replay;
mod sweep;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use chrono::Duration;

use crate::domain::Language;
use crate::llm;
use crate::pipeline::{self, Models, Recogniser, SharedTurnModel};
use crate::process::{self, Process};
use crate::store::{Blobs, Problem, Store, Workspace};
use crate::understand::fallback::Ask;

pub use fill::fill;
pub use job::{Error, problem};
pub use meta::{Contact, DealMeta, Meta};
pub use replay::{Replay, replay};
pub use sweep::{sweep, tidy};
pub use worker::{Stats, Thread, run};

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Jobs at the same time in this process.
    pub slots: usize,
    /// Threads of each.
    pub threads: usize,
    pub lease: Duration,
    /// How often a job may stop its worker, or fail in a way that may pass, with nothing achieved.
    pub most_tries: i64,
    /// At shutdown, so long is waited for jobs to end before they are given back.
    pub grace: std::time::Duration,
    /// Longer recordings are refused. Seconds.
    pub longest_s: f64,
    pub recogniser: Recogniser,
    pub heads: Option<PathBuf>,
    pub prompts: Option<PathBuf>,
    pub llm: Option<(Ask, llm::Options)>,
    /// Half a gigabyte: slots and live calls share it.
    pub turn_model: SharedTurnModel,
}

impl Options {
    /// Whether settings, letters and prompts can be used: known at the start, not by each call.
    pub fn check(&self) -> Result<(), pipeline::Error> {
        Models::new(&run_options(self, None, None)).map(drop)
    }
}

/// What workers and requests share.
#[derive(Clone)]
pub struct Shop {
    pub store: Arc<dyn Store>,
    pub blobs: Blobs,
    /// The sales process where neither workspace nor call names another.
    pub process: Arc<Process>,
    /// Told when there is something to do.
    pub bell: Arc<tokio::sync::Notify>,
    /// Told when something was erased.
    pub broom: Arc<tokio::sync::Notify>,
    /// Told when something was published, or is to be sent again.
    pub courier: Arc<tokio::sync::Notify>,
    processes: Arc<Mutex<HashMap<String, Arc<Process>>>>,
}

impl Shop {
    pub fn new(store: Arc<dyn Store>, blobs: Blobs, process: Process) -> Self {
        Self {
            store,
            blobs,
            process: Arc::new(process),
            bell: Arc::new(tokio::sync::Notify::new()),
            broom: Arc::new(tokio::sync::Notify::new()),
            courier: Arc::new(tokio::sync::Notify::new()),
            processes: Arc::default(),
        }
    }

    /// The process of a call: the one that it names, else that of its workspace, else that of the server.
    pub fn process_of(&self, workspace: &Workspace, named: Option<&str>) -> Result<Arc<Process>, process::Error> {
        let (text, source) = match (named, &workspace.process) {
            (Some(name), _) => match process::BUILT_IN.iter().find(|(known, _)| *known == name) {
                Some((name, text)) => ((*text).to_owned(), (*name).to_owned()),
                None => return Ok(self.process.clone()),
            },
            (None, Some(text)) => (text.clone(), "process of the workspace".to_owned()),
            (None, None) => return Ok(self.process.clone()),
        };
        let mut known = self.processes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(process) = known.get(&text) {
            return Ok(process.clone());
        }
        let process = Arc::new(Process::load(&text, &source)?);
        // Old versions of a file that is being written are not kept for ever.
        if known.len() >= MOST_PROCESSES {
            known.clear();
        }
        known.insert(text, process.clone());
        Ok(process)
    }
}

const MOST_PROCESSES: usize = 64;

/// Options of one run of the pipeline.
fn run_options(options: &Options, language: Option<Language>, rep: Option<String>) -> pipeline::Options {
    pipeline::Options {
        call_date: chrono::NaiveDate::default(),
        call_date_is_said: false,
        language,
        rep,
        threads: options.threads,
        recogniser: options.recogniser.clone(),
        heads: options.heads.clone(),
        prompts: options.prompts.clone(),
        llm: options.llm.clone(),
        history: None,
        corrected: Vec::new(),
    }
}

/// Why a call could not be analysed, where trying again would not help.
fn bad_input(message: String) -> Problem {
    Problem {
        code: "bad_input".to_owned(),
        message,
    }
}
