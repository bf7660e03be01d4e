//! The folder of weights: what is in it, and whether it is whole.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Error;
use super::files::{sha256, sha256_of_file, write_whole};
use super::manifest::{File, Manifest, Source, Weight};

/// Written last into the folder of weights that were checked to the last byte.
const STAMP: &str = ".checked";

/// A folder with weights, and what should be in it.
#[derive(Debug, Clone)]
pub struct Shelf<'a> {
    pub root: PathBuf,
    pub manifest: &'a Manifest,
}

/// How weights stand on disk, as far as a glance at the sizes tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Installed,
    /// Some files are there, or one has a wrong size.
    Incomplete,
    Missing,
}

/// One line of the list of weights.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub name: String,
    pub state: State,
    /// Fetched by a pull without names.
    pub default: bool,
    pub purpose: String,
    pub origin: String,
    pub licence: String,
    pub version: String,
    /// Bytes on disk once installed.
    pub size: u64,
    pub folder: PathBuf,
    pub files: Vec<ListedFile>,
    /// Where it can be had, in the order tried.
    pub sources: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ListedFile {
    pub file: String,
    pub size: u64,
    pub sha256: String,
}

/// What a file turned out to be when all of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    Intact {
        name: String,
        path: PathBuf,
    },
    Missing {
        name: String,
        path: PathBuf,
    },
    Damaged {
        name: String,
        path: PathBuf,
        found: String,
        expected: String,
    },
}

/// The weights folder, given a way to read the environment and the home folder.
pub fn folder(env: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Result<PathBuf, Error> {
    let path = |key| env(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = path("DEALSTAGE_MODELS") {
        return Ok(folder);
    }
    // The XDG rules say that a relative path is to be ignored.
    let cache = path("XDG_CACHE_HOME").filter(|cache| cache.is_absolute());
    let cache = cache
        .or_else(|| home.map(|home| home.join(".cache")))
        .ok_or(Error::NoFolder)?;
    Ok(cache.join("dealstage").join("models"))
}

impl Shelf<'static> {
    /// The user's weights.
    pub fn of_user() -> Result<Self, Error> {
        Ok(Self {
            root: super::folder()?,
            manifest: Manifest::built_in()?,
        })
    }
}

impl Shelf<'_> {
    pub fn folder(&self, weight: &Weight) -> PathBuf {
        self.root.join(&weight.name)
    }

    pub fn locate(&self, name: &str, file: &str) -> Result<PathBuf, Error> {
        let weight = self.manifest.weight(name)?;
        let expected = weight.file(file)?.size;
        let path = self.folder(weight).join(file);
        match size(&path) {
            Some(found) if found == expected => Ok(path),
            Some(found) => Err(Error::Damaged {
                name: name.into(),
                path,
                found,
                expected,
                remedy: remedy(weight),
            }),
            None => Err(Error::Missing {
                name: name.into(),
                path,
                remedy: remedy(weight),
            }),
        }
    }

    pub fn state(&self, weight: &Weight) -> State {
        let folder = self.folder(weight);
        let sizes: Vec<_> = weight
            .installed
            .iter()
            .map(|f| (size(&folder.join(&f.file)), f.size))
            .collect();
        if sizes.iter().all(|(found, expected)| *found == Some(*expected)) {
            State::Installed
        } else if sizes.iter().all(|(found, _)| found.is_none()) {
            State::Missing
        } else {
            State::Incomplete
        }
    }

    pub fn list(&self) -> Vec<Listed> {
        self.manifest.weight.iter().map(|weight| self.listed(weight)).collect()
    }

    fn listed(&self, weight: &Weight) -> Listed {
        let files = weight.installed.iter().map(|File { file, size, sha256 }| ListedFile {
            file: file.clone(),
            size: *size,
            sha256: sha256.clone(),
        });
        Listed {
            name: weight.name.clone(),
            state: self.state(weight),
            default: weight.default,
            purpose: weight.purpose.clone(),
            origin: weight.origin.clone(),
            licence: weight.licence.clone(),
            version: weight.version.clone(),
            size: weight.size(),
            folder: self.folder(weight),
            files: files.collect(),
            sources: weight.source.iter().map(source).collect(),
        }
    }

    /// The weights of these names; without names, `otherwise` chooses.
    pub fn chosen(&self, names: &[String], otherwise: impl Fn(&Weight) -> bool) -> Result<Vec<&Weight>, Error> {
        if names.is_empty() {
            return Ok(self.manifest.weight.iter().filter(|weight| otherwise(weight)).collect());
        }
        names.iter().map(|name| self.manifest.weight(name)).collect()
    }

    pub fn verify(&self, names: &[String]) -> Result<Vec<Checked>, Error> {
        let weights = self.chosen(names, |w| w.default || self.state(w) != State::Missing)?;
        let mut checked = Vec::new();
        for weight in weights {
            let files = self.check(weight)?;
            if files.iter().any(|file| !matches!(file, Checked::Intact { .. })) {
                // Without the stamp the next pull reads the files instead of trusting their sizes. A folder that
                // cannot be written to cannot be pulled into either.
                let _ = fs::remove_file(self.folder(weight).join(STAMP));
            }
            checked.extend(files);
        }
        Ok(checked)
    }

    fn check(&self, weight: &Weight) -> Result<Vec<Checked>, Error> {
        let folder = self.folder(weight);
        let check = |file: &File| {
            let (name, path) = (weight.name.clone(), folder.join(&file.file));
            match sha256_of_file(&path) {
                Ok(Some(found)) if found == file.sha256 => Ok(Checked::Intact { name, path }),
                Ok(Some(found)) => Ok(Checked::Damaged {
                    name,
                    path,
                    found,
                    expected: file.sha256.clone(),
                }),
                Ok(None) => Ok(Checked::Missing { name, path }),
                Err(source) => Err(Error::Io {
                    doing: "reading",
                    path,
                    source,
                }),
            }
        };
        weight.installed.iter().map(check).collect()
    }

    /// Whether the weights are in place: by size and stamp, or where the stamp is missing by reading all of it.
    pub fn is_whole(&self, weight: &Weight) -> Result<bool, Error> {
        if self.state(weight) != State::Installed {
            return Ok(false);
        }
        let stamp = fs::read_to_string(self.folder(weight).join(STAMP));
        if stamp.is_ok_and(|text| text == stamp_of(weight)) {
            return Ok(true);
        }
        let whole = self
            .check(weight)?
            .iter()
            .all(|file| matches!(file, Checked::Intact { .. }));
        if whole {
            self.stamp(weight)?;
        }
        Ok(whole)
    }

    /// Notes that the files in the folder are those of the manifest.
    pub fn stamp(&self, weight: &Weight) -> Result<(), Error> {
        write_whole(&self.folder(weight).join(STAMP), stamp_of(weight).as_bytes())
    }

    /// Takes the note back, before files are changed.
    pub fn unstamp(&self, weight: &Weight) -> Result<(), Error> {
        let path = self.folder(weight).join(STAMP);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Io {
                doing: "removing",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// Changes with every file of the weights: an update of the manifest makes the next pull look again.
fn stamp_of(weight: &Weight) -> String {
    let files: String = weight
        .installed
        .iter()
        .map(|f| format!("{} {} {}\n", f.sha256, f.size, f.file))
        .collect();
    format!("{}\n", sha256(files.as_bytes()))
}

/// The command that gets the weights.
pub fn remedy(weight: &Weight) -> String {
    if weight.default {
        "dealstage models pull".into()
    } else {
        format!("dealstage models pull {}", weight.name)
    }
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len())
}

fn source(source: &Source) -> String {
    match source {
        Source::Hub { repository, revision } => format!("hub {repository}@{}", &revision[..revision.len().min(12)]),
        Source::Pip(packages) => {
            let names: Vec<_> = packages
                .package
                .iter()
                .map(|p| format!("{}=={}", p.name, p.version))
                .collect();
            format!("pip {}", names.join(" "))
        }
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
pub mod tests;
