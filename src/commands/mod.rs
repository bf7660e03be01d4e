//! One file for each command; here: exit codes and what they share.
//!
//! Exit codes are a contract: 0 done, 2 usage or bad input, 3 a needed model or service is missing, 1 anything else.

pub mod analyze;
pub mod bench;
pub mod crm;
pub mod deliveries;
pub mod eval;
pub mod models;
pub mod process;
pub mod proposals;
pub mod replay;
pub mod schema;
pub mod serve;
pub mod train;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use dealstage::understand::turn_model;
use dealstage::{ingest, learn, llm, pipeline, store, transcribe, understand, weights};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The input or the flags are wrong.
pub const BAD_INPUT: u8 = 2;
/// Something that must be fetched first is not there.
pub const MISSING: u8 = 3;

/// A wrong flag or input that only the command itself can see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A service or folder that the settings must name first.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// Where the program keeps what it must not lose: `DEALSTAGE_DATA`, else `dealstage` in the user's data folder.
pub fn data_folder() -> anyhow::Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = set("DEALSTAGE_DATA")
        .or_else(|| set("XDG_DATA_HOME").map(|data| data.join("dealstage")))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/dealstage")));
    folder.ok_or_else(|| Missing("there is no folder for data: set DEALSTAGE_DATA to one".to_owned()).into())
}

/// Folder of templates that replace those of the program: `DEALSTAGE_PROMPTS`.
pub fn prompts_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("DEALSTAGE_PROMPTS").filter(|folder| !folder.is_empty());
    folder.map(PathBuf::from)
}

/// Prints an error for a person and says how the program ends.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // The reader has gone (`dealstage … | head`): nobody to tell, nothing wrong.
    if error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    }) {
        return ExitCode::SUCCESS;
    }
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Transparent errors repeat the words of their cause.
        if !causes.iter().any(|known| known.contains(&cause)) {
            causes.push(cause);
        }
    }
    let _ = writeln!(std::io::stderr(), "dealstage: {}", causes.join(": "));
    ExitCode::from(exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Usage>() {
            return BAD_INPUT;
        }
        if let Some(error) = cause.downcast_ref::<ingest::Error>() {
            return if matches!(error, ingest::Error::Spool { .. }) {
                1
            } else {
                BAD_INPUT
            };
        }
        if let Some(error) = cause.downcast_ref::<learn::Error>() {
            return match error {
                learn::Error::Tensor(_) | learn::Error::Model(_) => 1,
                learn::Error::Corpus { .. } | learn::Error::Empty { .. } | learn::Error::Unfinished { .. } => BAD_INPUT,
            };
        }
        if cause.is::<Missing>() {
            return MISSING;
        }
        if matches!(cause.downcast_ref(), Some(store::Error::Setting(_))) {
            return BAD_INPUT;
        }
        if let Some(error) = cause.downcast_ref::<weights::Error>() {
            return weights_code(error);
        }
        if let Some(error) = cause.downcast_ref::<pipeline::Error>() {
            return match error {
                pipeline::Error::Ingest(ingest::Error::Spool { .. }) => 1,
                pipeline::Error::Ingest(_) | pipeline::Error::Later { .. } | pipeline::Error::SameCall(_) => BAD_INPUT,
                pipeline::Error::Weights(error) => weights_code(error),
                pipeline::Error::OtherEncoder => MISSING,
                // A template that the user named.
                pipeline::Error::Template(_) => BAD_INPUT,
                pipeline::Error::Llm(llm::Error::Prompt { .. } | llm::Error::Setting(_)) => BAD_INPUT,
                // A folder that the user named.
                pipeline::Error::Model(turn_model::Error::Folder { .. }) => BAD_INPUT,
                pipeline::Error::Transcribe(transcribe::Error::NoSpeech { .. }) => BAD_INPUT,
                pipeline::Error::Transcribe(transcribe::Error::Weights { .. }) => MISSING,
                pipeline::Error::Remote(error)
                | pipeline::Error::Transcribe(transcribe::Error::Recogniser {
                    cause: transcribe::Failure::Service(error),
                    ..
                }) => {
                    if error.is_setting() {
                        BAD_INPUT
                    } else {
                        MISSING
                    }
                }
                pipeline::Error::Understand(understand::Error::Role(_) | understand::Error::Language { .. }) => {
                    BAD_INPUT
                }
                _ => 1,
            };
        }
    }
    1
}

fn weights_code(error: &weights::Error) -> u8 {
    if error.is_usage() {
        BAD_INPUT
    } else if error.is_missing() {
        MISSING
    } else {
        1
    }
}

/// Threads to use where the user names none: one for each core.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A bar on stderr; hidden with `--quiet` and where stderr is no terminal.
pub fn bar(quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(1000), target);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} [{bar:30}] {percent:>3}% {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
