//! Our own call file (the contract): the one format that keeps roles and turn numbers.

use std::collections::HashSet;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Error, names};
use crate::domain::{Call, Language, Role, Seller, StageId, Turn, schema};

/// A call as text, with who is on which side.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Call")]
struct File {
    /// Without it: the name of the file.
    id: Option<String>,
    /// Without it, and for `auto`: detected.
    #[serde(default, alias = "language")]
    #[schemars(extend("enum" = ["en", "ru", "auto", "", null]))]
    lang: Option<String>,
    /// "Next Thursday" is counted from it.
    #[serde(default)]
    #[schemars(with = "Option<NaiveDate>")]
    call_date: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    seller: Option<FileSeller>,
    #[serde(default)]
    previous: Option<Previous>,
    #[schemars(length(min = 1))]
    turns: Vec<FileTurn>,
}

/// Who sells, and what.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Seller")]
struct FileSeller {
    #[serde(default)]
    company: Option<String>,
    #[serde(default)]
    product: Option<String>,
}

/// What was known before the call.
#[derive(Deserialize, JsonSchema)]
struct Previous {
    /// A stage of the process.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    deal_stage: Option<StageId>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Turn")]
struct FileTurn {
    /// Number of the turn in every answer, not twice in a call. Without it: counted from 1.
    #[serde(default)]
    i: Option<u32>,
    /// Without it, and where `unknown`: detected.
    #[serde(default)]
    role: Option<Role>,
    /// A label that is stable within the call. Without it: the name, else the side.
    #[serde(default)]
    speaker: Option<String>,
    #[serde(default)]
    name: Option<String>,
    /// Seconds from the start of the call.
    #[serde(default)]
    #[schemars(range(min = 0, max = LATEST_S))]
    start_s: Option<f64>,
    /// Seconds from the start of the call, not before `start_s`.
    #[serde(default)]
    #[schemars(range(min = 0, max = LATEST_S))]
    end_s: Option<f64>,
    text: String,
}

/// The JSON Schema of a call file.
pub fn schema() -> serde_json::Value {
    schema::of_input::<File>("urn:dealstage:call:v1", "dealstage call file")
}

/// A day, in seconds: no call is longer.
const LATEST_S: f64 = 86_400.0;

/// Reads the JSON of a call file; `file` is its name for messages.
pub fn read(file: &str, value: serde_json::Value) -> Result<Call, Error> {
    let wrong = |place: String, problem: String| Error::Transcript {
        file: file.to_owned(),
        place,
        problem,
        remedy: "see README, \"The call file\"",
    };
    let parsed: File =
        serde_json::from_value(value).map_err(|error| wrong("call file".to_owned(), error.to_string()))?;
    let language = match parsed.lang.as_deref() {
        None | Some("auto" | "") => None,
        Some("en") => Some(Language::En),
        Some("ru") => Some(Language::Ru),
        Some(other) => {
            return Err(wrong(
                "lang".to_owned(),
                format!("`{other}` is not understood; use `en` or `ru`"),
            ));
        }
    };
    let call_date = parsed
        .call_date
        .map(|text| {
            date(&text).ok_or_else(|| {
                wrong(
                    "call_date".to_owned(),
                    format!("`{text}` is no date; write it as YYYY-MM-DD"),
                )
            })
        })
        .transpose()?;
    let (source, stem) = names(file);
    let mut seen = HashSet::new();
    let mut turns = Vec::with_capacity(parsed.turns.len());
    for (at, turn) in parsed.turns.into_iter().enumerate() {
        let i = turn.i.unwrap_or(at as u32 + 1);
        if !seen.insert(i) {
            return Err(wrong(format!("turns[{at}].i"), format!("turn {i} is there twice")));
        }
        for (name, time) in [("start_s", turn.start_s), ("end_s", turn.end_s)] {
            if let Some(time) = time.filter(|time| !(0.0..=LATEST_S).contains(time)) {
                return Err(wrong(
                    format!("turns[{at}].{name}"),
                    format!("{time} is no time of a call in seconds"),
                ));
            }
        }
        if let (Some(start), Some(end)) = (turn.start_s, turn.end_s)
            && end < start
        {
            return Err(wrong(
                format!("turns[{at}].end_s"),
                "it ends before it begins".to_owned(),
            ));
        }
        let role = turn.role.unwrap_or_default();
        // Turns without a speaker are told apart by name, else by side.
        let speaker = turn
            .speaker
            .or_else(|| turn.name.clone())
            .unwrap_or_else(|| role.as_str().to_owned());
        turns.push(Turn {
            i,
            role,
            speaker,
            name: turn.name,
            start_s: turn.start_s,
            end_s: turn.end_s,
            text: turn.text,
            words: Vec::new(),
            speaker_confidence: None,
            overlaps: Vec::new(),
        });
    }
    Ok(Call {
        id: parsed.id.unwrap_or(stem),
        source,
        language,
        call_date,
        kind: parsed.kind,
        seller: parsed.seller.map(|seller| Seller {
            company: seller.company,
            product: seller.product,
        }),
        previous_stage: parsed.previous.and_then(|previous| previous.deal_stage),
        duration_s: turns.iter().filter_map(|turn| turn.end_s).max_by(f64::total_cmp),
        channels: None,
        turns,
    })
}

/// Four digits, two, two: "26-4-16" is a year nobody means.
fn date(text: &str) -> Option<NaiveDate> {
    (text.len() == "YYYY-MM-DD".len())
        .then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .flatten()
}
