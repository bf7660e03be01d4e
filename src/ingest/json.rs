//! JSON transcripts, told apart by their keys: the call file, Whisper, Deepgram, AssemblyAI, Fireflies, Gong, Fathom.

use serde_json::Value;

use super::{Error, Line, call, call_file};
use crate::domain::{Call, Language};

/// AssemblyAI and Gong count in thousandths of a second.
const MILLISECONDS: f64 = 1e-3;

pub fn read(file: &str, text: &str) -> Result<Call, Error> {
    let wrong = |place: String, problem: String, remedy| Error::Transcript {
        file: file.to_owned(),
        place,
        problem,
        remedy,
    };
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        wrong(
            place,
            "the JSON breaks off or is damaged".to_owned(),
            "export the transcript again",
        )
    })?;
    if value.get("turns").is_some() {
        return call_file::read(file, value);
    }
    let lines = if let Some(utterances) = value.pointer("/results/utterances").and_then(Value::as_array) {
        deepgram(utterances)
    } else if let Some(channels) = value.pointer("/results/channels").and_then(Value::as_array) {
        deepgram_words(channels)
    } else if let Some(utterances) = value.get("utterances").and_then(Value::as_array) {
        each(utterances, |line| {
            named(line, &["speaker"], "text", ("start", "end"), MILLISECONDS)
        })
    } else if let Some(segments) = value.get("segments").and_then(Value::as_array) {
        each(segments, |line| {
            named(line, &["speaker"], "text", ("start", "end"), 1.0)
        })
    } else if let Some(sentences) = value
        .pointer("/data/transcript/sentences")
        .or(value.get("sentences"))
        .and_then(Value::as_array)
    {
        each(sentences, |line| {
            named(
                line,
                &["speaker_name", "speaker_id"],
                "text",
                ("start_time", "end_time"),
                1.0,
            )
        })
    } else if let Some(monologues) = value.pointer("/callTranscripts/0/transcript").and_then(Value::as_array) {
        gong(monologues)
    } else if let Some(entries) = value.get("transcript").and_then(Value::as_array) {
        fathom(entries)
    } else if value.get("event").is_some() && (value.get("streamSid").is_some() || value.get("media").is_some()) {
        let problem = "these are messages of a telephone stream, not a transcript".to_owned();
        return Err(wrong(
            "whole file".to_owned(),
            problem,
            "give the recording of the call",
        ));
    } else {
        let problem = "JSON of no transcript that is known".to_owned();
        return Err(wrong(
            "whole file".to_owned(),
            problem,
            "see README, \"Use\", for the formats",
        ));
    };
    if let Some(at) = lines.iter().position(Option::is_none) {
        let problem = "it lacks its text, or its times are no numbers".to_owned();
        return Err(wrong(
            format!("entry {}", at + 1),
            problem,
            "export the transcript again",
        ));
    }
    let lines: Vec<Line> = lines.into_iter().flatten().collect();
    if let Some(at) = lines
        .iter()
        .position(|line| matches!((line.start_s, line.end_s), (Some(start), Some(end)) if end < start))
    {
        let problem = "it ends before it begins".to_owned();
        return Err(wrong(
            format!("entry {}", at + 1),
            problem,
            "export the transcript again",
        ));
    }
    let mut call = call(file, lines);
    call.language = language(&value);
    Ok(call)
}

fn language(value: &Value) -> Option<Language> {
    let code = value
        .get("language")
        .or(value.get("language_code"))
        .or(value.get("transcript_language"))?
        .as_str()?;
    match code.get(..2)?.to_lowercase().as_str() {
        "en" => Some(Language::En),
        "ru" => Some(Language::Ru),
        _ => None,
    }
}

fn each(entries: &[Value], read: impl Fn(&Value) -> Option<Line>) -> Vec<Option<Line>> {
    entries.iter().map(read).collect()
}

/// A name, or a number that stands for one.
fn speaker(entry: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match entry.get(key)? {
        Value::String(name) if !name.is_empty() => Some(name.clone()),
        Value::Number(number) => Some(format!("S{number}")),
        _ => None,
    })
}

/// None where the text is missing or a time is no number; a missing time is no time.
fn named(entry: &Value, keys: &[&str], text: &str, (start, end): (&str, &str), unit: f64) -> Option<Line> {
    let time = |key: &str| match entry.get(key) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_f64().map(|time| Some(time * unit)),
    };
    Some(Line {
        speaker: speaker(entry, keys),
        start_s: time(start)?,
        end_s: time(end)?,
        text: entry.get(text)?.as_str()?.to_owned(),
        ..Line::default()
    })
}

fn deepgram(utterances: &[Value]) -> Vec<Option<Line>> {
    let channels = utterances
        .iter()
        .filter_map(|utterance| utterance.get("channel")?.as_u64())
        .max()
        .unwrap_or(0);
    // With two channels the channel is the speaker; numbers of speakers begin anew on each.
    let keys: &[&str] = if channels > 0 {
        &["channel"]
    } else {
        &["speaker", "channel"]
    };
    each(utterances, |line| {
        named(line, keys, "transcript", ("start", "end"), 1.0)
    })
}

/// Without utterances: words with their speakers, or the channel's whole text.
fn deepgram_words(channels: &[Value]) -> Vec<Option<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for (channel, value) in channels.iter().enumerate() {
        let Some(words) = value.pointer("/alternatives/0/words").and_then(Value::as_array) else {
            return vec![None];
        };
        for word in words {
            let text = word.get("punctuated_word").or(word.get("word")).and_then(Value::as_str);
            let (Some(text), Some(start), Some(end)) = (
                text,
                word.get("start").and_then(Value::as_f64),
                word.get("end").and_then(Value::as_f64),
            ) else {
                return vec![None];
            };
            let speaker = if channels.len() > 1 {
                format!("S{channel}")
            } else {
                speaker(word, &["speaker"]).unwrap_or_else(|| "S1".to_owned())
            };
            lines.push(Line {
                speaker: Some(speaker),
                start_s: Some(start),
                end_s: Some(end),
                text: text.to_owned(),
                ..Line::default()
            });
        }
    }
    lines.sort_by(|a, b| a.start_s.unwrap_or_default().total_cmp(&b.start_s.unwrap_or_default()));
    lines.into_iter().map(Some).collect()
}

fn gong(monologues: &[Value]) -> Vec<Option<Line>> {
    let mut lines = Vec::new();
    for monologue in monologues {
        let speaker = speaker(monologue, &["speakerId"]);
        let Some(sentences) = monologue.get("sentences").and_then(Value::as_array) else {
            return vec![None];
        };
        lines.extend(sentences.iter().map(|sentence| {
            named(sentence, &[], "text", ("start", "end"), MILLISECONDS).map(|line| Line {
                speaker: speaker.clone(),
                ..line
            })
        }));
    }
    lines
}

fn fathom(entries: &[Value]) -> Vec<Option<Line>> {
    each(entries, |entry| {
        let start_s = match entry.get("timestamp").and_then(Value::as_str) {
            None => None,
            Some(clock) => Some(
                clock
                    .split(':')
                    .try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?,
            ),
        };
        let speaker = entry
            .pointer("/speaker/display_name")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Some(Line {
            speaker,
            start_s,
            end_s: None,
            text: entry.get("text")?.as_str()?.to_owned(),
            ..Line::default()
        })
    })
}
