//! Getting weights: fetch, convert, check, put in place; one pull at a time.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Error;
use super::convert;
use super::fetch::{Reach, Watch, fetch};
use super::files::{make_folder, sha256, write_whole};
use super::manifest::Weight;
use super::shelf::Shelf;

/// Beside the weights: on the same disk, and found again by the next try.
const DOWNLOADS: &str = ".downloads";
const LOCK: &str = ".lock";

/// What became of one set of weights.
#[derive(Debug)]
pub struct Pulled {
    pub name: String,
    pub outcome: Result<Outcome, Error>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing had to be done.
    Present,
    Installed {
        source: String,
        took: Duration,
    },
}

/// Pulls the weights of these names, or the default ones.
pub fn pull(shelf: &Shelf<'_>, reach: &Reach, names: &[String], watch: &mut dyn Watch) -> Result<Vec<Pulled>, Error> {
    let weights = shelf.chosen(names, |weight| weight.default)?;
    make_folder(&shelf.root)?;
    let _lock = lock(shelf, watch)?;
    let mut pulled = Vec::new();
    for weight in weights {
        let outcome = pull_one(shelf, reach, weight, watch);
        pulled.push(Pulled {
            name: weight.name.clone(),
            outcome,
        });
    }
    Ok(pulled)
}

/// Held until dropped, and given back by the system if the program dies.
fn lock(shelf: &Shelf<'_>, watch: &mut dyn Watch) -> Result<File, Error> {
    let path = shelf.root.join(LOCK);
    let failed = |source| Error::Io {
        doing: "locking",
        path: path.clone(),
        source,
    };
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            watch.say(&format!(
                "another pull is at work in {}: waiting for it",
                shelf.root.display()
            ));
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    Ok(file)
}

fn pull_one(shelf: &Shelf<'_>, reach: &Reach, weight: &Weight, watch: &mut dyn Watch) -> Result<Outcome, Error> {
    let begin = Instant::now();
    if shelf.is_whole(weight)? {
        return Ok(Outcome::Present);
    }
    let downloads = shelf.root.join(DOWNLOADS).join(&weight.name);
    make_folder(&downloads)?;
    let (inputs, source) = fetch(weight, reach, &downloads, watch)?;

    watch.start(&format!("converting {}", weight.name), None);
    let files = convert::run(weight.convert, inputs);
    watch.stop();
    let files = files.map_err(|source| Error::Convert {
        name: weight.name.clone(),
        source,
    })?;
    install(shelf, weight, &files)?;
    remove_downloads(downloads);
    Ok(Outcome::Installed {
        source,
        took: begin.elapsed(),
    })
}

/// Puts the converted files in place once all of them are the expected ones.
fn install(shelf: &Shelf<'_>, weight: &Weight, files: &[Vec<u8>]) -> Result<(), Error> {
    for (index, expected) in weight.installed.iter().enumerate() {
        let found = files.get(index).map_or_else(|| "none".into(), |bytes| sha256(bytes));
        if found != expected.sha256 {
            let (name, file, expected) = (weight.name.clone(), expected.file.clone(), expected.sha256.clone());
            return Err(Error::Converted {
                name,
                file,
                found,
                expected,
            });
        }
    }
    let folder = shelf.folder(weight);
    make_folder(&folder)?;
    shelf.unstamp(weight)?;
    for (file, bytes) in weight.installed.iter().zip(files) {
        write_whole(&folder.join(&file.file), bytes)?;
    }
    shelf.stamp(weight)
}

/// What is left over after success is only disk space: not worth an error.
fn remove_downloads(downloads: PathBuf) {
    let _ = fs::remove_dir_all(&downloads);
    if let Some(parent) = downloads.parent() {
        // Fails, as it should, while other weights have something in it.
        let _ = fs::remove_dir(parent);
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
