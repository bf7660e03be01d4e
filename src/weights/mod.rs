//! Model weights on disk: which there are, getting them, checking them.
//!
//! Owns the manifest, the user's weights folder and the conversion of published weights. Promises: under an installed
//! name there is never half a file; what a pull installs has the sha256 that the manifest names; nothing is fetched
//! unless [`pull`] is called. Loading the weights into a model is not here: see `transcribe` and `understand`.

mod convert;
mod fetch;
mod files;
mod hub;
mod manifest;
mod pip;
mod pull;
mod shelf;

use std::path::PathBuf;

pub use fetch::{Attempt, Unwatched, Watch};
pub use pull::{Outcome, Pulled};
pub use shelf::{Checked, Listed, State};

use fetch::Reach;
use manifest::{Manifest, Weight};
use shelf::Shelf;

/// Why weights are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there are no weights called `{name}`: choose from {known}")]
    Unknown { name: String, known: String },
    #[error("the weights `{name}` have no file `{file}`")]
    UnknownFile { name: String, file: String },
    #[error("the weights `{name}` are not installed ({path} is missing): get them with `{remedy}`", path = path.display())]
    Missing {
        name: String,
        path: PathBuf,
        remedy: String,
    },
    #[error(
        "the weights `{name}` are damaged ({path} has {found} bytes instead of {expected}): get them again with \
         `{remedy}`", path = path.display()
    )]
    Damaged {
        name: String,
        path: PathBuf,
        found: u64,
        expected: u64,
        remedy: String,
    },
    #[error("there is no recogniser called `{name}`: choose from {known}, or give the path of a ggml file")]
    NoRecogniser { name: String, known: String },
    #[error("there is no folder for weights: set DEALSTAGE_MODELS to one")]
    NoFolder,
    #[error("{}", unavailable(name, attempts, folder))]
    Sources {
        name: String,
        attempts: Vec<Attempt>,
        folder: PathBuf,
    },
    #[error("the weights `{name}` could not be converted: {source}")]
    Convert { name: String, source: convert::Error },
    #[error(
        "converting the weights `{name}` gave a `{file}` of sha256 {found} where {expected} is expected: this is a \
         fault of the program, please report it"
    )]
    Converted {
        name: String,
        file: String,
        found: String,
        expected: String,
    },
    #[error("{doing} {path} failed: {source}", path = path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the built-in list of weights cannot be read: {0}")]
    Manifest(String),
}

impl Error {
    /// Something needed is not there and can be fetched.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Damaged { .. } | Self::Sources { .. })
    }

    /// The user asked for something that does not exist.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. } | Self::UnknownFile { .. } | Self::NoRecogniser { .. } | Self::NoFolder
        )
    }
}

fn unavailable(name: &str, attempts: &[Attempt], folder: &std::path::Path) -> String {
    let mut text = format!("no source gave the weights `{name}`:");
    for Attempt { source, why, .. } in attempts {
        text.push_str(&format!("\n  {source}: {why}"));
    }
    let files: Vec<_> = attempts.iter().map(|attempt| attempt.files.join(", ")).collect();
    let (files, folder) = (files.join(" or "), folder.display());
    text.push_str(&format!(
        "\ntry `dealstage models pull {name}` again with a connection to one of them (what is already here is kept), \
         or after putting {files} into {folder}"
    ));
    text
}

/// The folder that holds all weights: `DEALSTAGE_MODELS`, else `dealstage/models` in the user's cache folder.
pub fn folder() -> Result<PathBuf, Error> {
    shelf::folder(|key| std::env::var_os(key), std::env::home_dir())
}

/// The path of an installed file, checked for existence and size.
pub fn locate(name: &str, file: &str) -> Result<PathBuf, Error> {
    Shelf::of_user()?.locate(name, file)
}

/// The full name of weights that may have been named in short; what is not known stays as it is.
pub fn full_name(name: &str) -> &str {
    let weight = Manifest::built_in()
        .ok()
        .and_then(|manifest| manifest.weight(name).ok());
    weight.map_or(name, |weight| &weight.name)
}

/// The file of a recogniser, checked for existence and size.
pub fn recogniser(name: &str) -> Result<PathBuf, Error> {
    let manifest = Manifest::built_in()?;
    match manifest.weight(name).ok().and_then(Weight::recogniser) {
        Some(file) => locate(name, file),
        None => Err(Error::NoRecogniser {
            name: name.to_owned(),
            known: manifest.recognisers(),
        }),
    }
}

/// The sha256 that an installed file has, from the manifest: no file is read.
pub fn sha256_of(name: &str, file: &str) -> Result<&'static str, Error> {
    Ok(&Manifest::built_in()?.weight(name)?.file(file)?.sha256)
}

/// All weights, and which of them are installed.
pub fn list() -> Result<Vec<Listed>, Error> {
    Ok(Shelf::of_user()?.list())
}

/// Reads and hashes every file of the weights of these names; without names, of those that a pull gets and of all
/// others that are installed. Damaged weights are marked, so that the next pull gets them again.
pub fn verify(names: &[String]) -> Result<Vec<Checked>, Error> {
    Shelf::of_user()?.verify(names)
}

/// Gets the weights of these names, or without names those that the program needs. Goes on after weights that
/// cannot be had; each has its own outcome, in order.
pub fn pull(names: &[String], watch: &mut dyn Watch) -> Result<Vec<Pulled>, Error> {
    pull::pull(&Shelf::of_user()?, &Reach::of_user(), names, watch)
}
