//! A call: who speaks, when, and what is said.

use std::sync::Arc;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Sound;

/// Samples per second of everything after `ingest`.
pub const SAMPLE_RATE: u32 = 16_000;

/// Somebody wants no more of a long job: it ends where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped before the end")]
pub struct Stopped;

/// The languages that the rules and the turn model know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    En,
    Ru,
}

impl Language {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }
}

/// The side that somebody is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Rep,
    Buyer,
    /// Neither side, or not known: signals of a side never fire on it.
    #[default]
    Unknown,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rep => "rep",
            Self::Buyer => "buyer",
            Self::Unknown => "unknown",
        }
    }
}

/// Sound, ready for recognition.
#[derive(Debug, Clone)]
pub struct Recording {
    /// File name as given by the user.
    pub source: String,
    pub sound: Arc<dyn Sound>,
    /// Seconds.
    pub duration_s: f64,
}

/// One word that was heard, with the marks that stand at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
pub struct Word {
    /// Seconds from the start of the call.
    pub start_s: f64,
    /// Seconds from the start of the call.
    pub end_s: f64,
    pub text: String,
}

/// Where more than one speaks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
pub struct Overlap {
    /// Seconds from the start of the call.
    pub start_s: f64,
    /// Seconds from the start of the call.
    pub end_s: f64,
}

/// Uninterrupted speech of one speaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Number of the turn, as given in a call file, else counted from 1. Unique within a call.
    pub i: u32,
    pub role: Role,
    /// Who speaks, by a label that is stable within the call ("S1", "left", a name).
    pub speaker: String,
    pub name: Option<String>,
    /// Seconds from the start of the call.
    pub start_s: Option<f64>,
    /// Seconds from the start of the call.
    pub end_s: Option<f64>,
    pub text: String,
    /// The words of `text`, in order, where a recogniser said when each was spoken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// How likely it is that `speaker` speaks, 0–1; only where the voices of one channel were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_confidence: Option<f32>,
    /// Where somebody else speaks at the same time, in order; only known of recordings whose speakers are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<Overlap>,
}

/// The seller's side, where the call file says it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Seller {
    pub company: Option<String>,
    pub product: Option<String>,
}

/// A transcript with what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub id: String,
    /// File name as given by the user; `-` for standard input.
    pub source: String,
    /// As stated by the file or the user; detected later where absent.
    pub language: Option<Language>,
    /// As stated by the file or the user. Dates that are said are counted from it.
    pub call_date: Option<NaiveDate>,
    pub kind: Option<String>,
    pub seller: Option<Seller>,
    /// Deal stage before this call, as the call file gives it.
    pub previous_stage: Option<super::StageId>,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// Channels of the recording; absent for a transcript.
    pub channels: Option<u8>,
    pub turns: Vec<Turn>,
}

impl Call {
    pub fn turn(&self, i: u32) -> Option<&Turn> {
        self.turns.iter().find(|turn| turn.i == i)
    }
}
