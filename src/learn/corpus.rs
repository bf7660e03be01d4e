//! Call files with gold labels.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Error;
use crate::domain::{Call, CallOutcome, Cue, ElementId, FieldName, Language, Role, Signal, Stage, StageId};
use crate::ingest;

/// The part of the corpus that a call belongs to. Parts never share a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    #[default]
    Train,
    /// Chooses thresholds and when to stop.
    Dev,
    /// Only ever measured.
    Test,
    /// The excerpts of the annotation guide: neither fitted nor reported.
    Gold,
}

impl Split {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Gold => "gold",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GoldTurn {
    pub i: u32,
    pub stage: Stage,
    pub signals: Vec<Signal>,
    /// The true side, where the file has the wrong one (a recorder's mistake, kept as noise).
    #[serde(default)]
    pub role: Option<Role>,
}

/// A fact that the call states.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GoldField {
    pub field: FieldName,
    /// The first turn that states it in full.
    pub turn: u32,
    pub quote: String,
    /// The parts of the value that are labelled; none where the words say it all.
    #[serde(default)]
    pub value: Option<serde_json::Value>,
    /// Other turns that state the same.
    #[serde(default)]
    pub also: Vec<u32>,
}

/// How the call ended, and the turn that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct GoldEnding {
    pub id: EndingId,
    /// None while the deal is open.
    #[serde(default)]
    pub turn: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndingId {
    Open,
    /// A spoken yes to buy, without conditions.
    Order,
    /// Signed or paid in the call.
    Won,
    Lost,
}

/// What people said about a call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Gold {
    pub turns: Vec<GoldTurn>,
    #[serde(default)]
    pub deal_stage: Option<StageId>,
    /// 0–3 for each element; none for a call that is no sales call.
    #[serde(default)]
    pub scores: Option<BTreeMap<ElementId, u8>>,
    /// Turns that earn the scores, the deciding one first; none where nobody named them.
    #[serde(default)]
    pub reasons: Option<BTreeMap<ElementId, Vec<u32>>>,
    #[serde(default)]
    pub ending: Option<GoldEnding>,
    #[serde(default)]
    pub call_outcome: Option<CallOutcome>,
    #[serde(default)]
    pub not_sales: bool,
    #[serde(default)]
    pub fields: Vec<GoldField>,
    /// Everything that the call states is in `fields`, so whatever is not there was not said.
    #[serde(default)]
    pub fields_complete: bool,
}

impl Gold {
    /// Somebody named the deciding turns.
    pub fn has_cues(&self) -> bool {
        self.reasons.is_some()
    }

    /// Turn `i` is the one that decides an upper score, or the end.
    pub fn cue(&self, i: u32, cue: Cue) -> bool {
        let decides = |element: &str| {
            let element = ElementId::from(element);
            let score = self.scores.as_ref().and_then(|scores| scores.get(&element));
            let reasons = self.reasons.as_ref().and_then(|reasons| reasons.get(&element));
            score.is_some_and(|&score| score >= 2) && reasons.is_some_and(|turns| turns.first() == Some(&i))
        };
        let ends = |ids: &[EndingId]| {
            self.ending
                .is_some_and(|ending| ids.contains(&ending.id) && ending.turn == Some(i))
        };
        match cue {
            Cue::Power => decides("power"),
            Cue::Value => decides("value"),
            Cue::Control => decides("control"),
            Cue::Signed => ends(&[EndingId::Won]),
            Cue::Order => ends(&[EndingId::Order, EndingId::Won]),
        }
    }
}

pub struct LabelledCall {
    pub call: Call,
    pub language: Language,
    pub split: Split,
    /// What was done to the words: `clean`, `asr`, `cuts`, `speakers`, or a customer's own kinds.
    pub noise: String,
    pub gold: Gold,
}

#[cfg(test)]
impl LabelledCall {
    /// A call about which gold says nothing.
    pub fn sample(call: &Call) -> Self {
        let turns = call.turns.iter().map(|turn| GoldTurn {
            i: turn.i,
            stage: Stage::Other,
            signals: Vec::new(),
            role: None,
        });
        Self {
            call: call.clone(),
            language: Language::En,
            split: Split::Dev,
            noise: clean(),
            gold: Gold {
                turns: turns.collect(),
                deal_stage: None,
                scores: None,
                reasons: None,
                ending: None,
                call_outcome: None,
                not_sales: false,
                fields: Vec::new(),
                fields_complete: true,
            },
        }
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    split: Split,
    #[serde(default = "clean")]
    noise: String,
    gold: Option<Gold>,
}

fn clean() -> String {
    "clean".to_owned()
}

/// All labelled calls of a folder, in the order of their file names. Files without `gold` are an error.
pub fn read(folder: &Path) -> Result<Vec<LabelledCall>, Error> {
    let failed = |path: &Path, cause: String| Error::Corpus {
        path: path.display().to_string(),
        cause,
    };
    let entries = std::fs::read_dir(folder)
        .map_err(|error| failed(folder, format!("{error}; name the folder with the labelled calls")))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut calls = Vec::new();
    for path in paths {
        calls.push(read_one(&path).map_err(|cause| failed(&path, cause))?);
    }
    Ok(calls)
}

fn read_one(path: &Path) -> Result<LabelledCall, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let file: File = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let gold = file.gold.ok_or("it has no `gold` labels")?;
    let call = match ingest::read(path, &ingest::Options::default()).map_err(|error| error.to_string())? {
        ingest::Input::Transcript(call) => call,
        ingest::Input::Recording(_) => return Err("it is a recording, not a call file".to_owned()),
    };
    let language = call.language.ok_or("it has no `lang`")?;
    if gold.turns.len() != call.turns.len() || gold.turns.iter().zip(&call.turns).any(|(gold, turn)| gold.i != turn.i) {
        return Err("`gold.turns` must have one entry for each turn, in the same order".to_owned());
    }
    Ok(LabelledCall {
        call,
        language,
        split: file.split,
        noise: file.noise,
        gold,
    })
}
