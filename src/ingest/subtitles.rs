//! WebVTT (Zoom, Teams, plain) and SRT.

use std::sync::LazyLock;

use regex::Regex;
use subtp::srt::SubRip;
use subtp::vtt::{VttBlock, VttTimestamp, WebVtt};

use super::labels::{Labels, Seen};
use super::{Error, Line, call};
use crate::domain::Call;

static VOICE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<v(?:\.[^\s>]*)?\s+([^>]*)>").expect("constant, and tested"));
static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"</?[a-zA-Z0-9.:_-]*(?:\s[^>]*)?>").expect("constant, and tested"));
static SRT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\d+[ \t]*\n\d{1,2}:\d{2}:\d{2}[,.]\d{3} --> ").expect("constant, and tested"));

pub fn is_srt(text: &str) -> bool {
    SRT.find(text)
        .is_some_and(|found| text[..found.start()].trim().is_empty())
}

fn wrong(file: &str, place: String, problem: String) -> Error {
    Error::Transcript {
        file: file.to_owned(),
        place,
        problem,
        remedy: "mend that place, or export the transcript again",
    }
}

pub fn vtt(file: &str, text: &str) -> Result<Call, Error> {
    let parsed =
        WebVtt::parse(text.trim_start()).map_err(|error| wrong(file, "WebVTT".to_owned(), one_line(&error)))?;
    let mut lines = Vec::new();
    let cues: Vec<_> = parsed
        .blocks
        .into_iter()
        .filter_map(|block| match block {
            VttBlock::Que(cue) => Some((cue.timings, cue.payload.join("\n"))),
            _ => None,
        })
        .collect();
    let labels = labels(cues.iter().map(|(_, payload)| payload.as_str()));
    for (at, (timings, payload)) in cues.iter().enumerate() {
        let (start, end) = (vtt_seconds(&timings.start), vtt_seconds(&timings.end));
        check_times(file, at + 1, start, end)?;
        lines.extend(voices(payload, &labels, start, end));
    }
    Ok(call(file, lines))
}

pub fn srt(file: &str, text: &str) -> Result<Call, Error> {
    let parsed = SubRip::parse(text.trim_start()).map_err(|error| wrong(file, "SRT".to_owned(), one_line(&error)))?;
    let mut lines = Vec::new();
    let payloads: Vec<String> = parsed.subtitles.iter().map(|cue| cue.text.join("\n")).collect();
    let labels = labels(payloads.iter().map(String::as_str));
    for (at, (cue, payload)) in parsed.subtitles.iter().zip(&payloads).enumerate() {
        let seconds =
            |time: &subtp::srt::SrtTimestamp| clock(time.hours, time.minutes, time.seconds, time.milliseconds);
        let (start, end) = (seconds(&cue.start), seconds(&cue.end));
        check_times(file, at + 1, start, end)?;
        lines.extend(voices(payload, &labels, start, end));
    }
    Ok(call(file, lines))
}

fn labels<'a>(payloads: impl Iterator<Item = &'a str>) -> Labels {
    let seen: Vec<Seen<'_>> = payloads
        .flat_map(str::lines)
        .map(|text| Seen {
            text,
            ..Seen::default()
        })
        .collect();
    Labels::of(&seen, false)
}

fn one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn check_times(file: &str, cue: usize, start: f64, end: f64) -> Result<(), Error> {
    if end < start {
        return Err(wrong(file, format!("cue {cue}"), "it ends before it begins".to_owned()));
    }
    Ok(())
}

fn clock(hours: u8, minutes: u8, seconds: u8, milliseconds: u16) -> f64 {
    f64::from(u32::from(hours) * 3600 + u32::from(minutes) * 60 + u32::from(seconds)) + f64::from(milliseconds) / 1000.0
}

fn vtt_seconds(time: &VttTimestamp) -> f64 {
    clock(time.hours, time.minutes, time.seconds, time.milliseconds)
}

/// The voices of one cue: `<v Name>` tags, else "Name: words" at the beginning of a line.
fn voices(payload: &str, labels: &Labels, start: f64, end: f64) -> Vec<Line> {
    let line = |speaker: Option<String>, text: &str| Line {
        speaker,
        start_s: Some(start),
        end_s: Some(end),
        text: plain_text(text),
        ..Line::default()
    };
    let tags: Vec<_> = VOICE.captures_iter(payload).collect();
    if tags.is_empty() {
        let mut lines: Vec<Line> = Vec::new();
        for part in payload.lines() {
            match labels.split(part) {
                Some((name, words)) => lines.push(line(Some(name.to_owned()), words)),
                None => match lines.last_mut() {
                    Some(last) => {
                        last.text.push(' ');
                        last.text.push_str(&plain_text(part));
                    }
                    None => lines.push(line(None, part)),
                },
            }
        }
        return lines;
    }
    let mut lines = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        let Some(whole) = tag.get(0) else { continue };
        let until = tags
            .get(at + 1)
            .and_then(|next| next.get(0))
            .map_or(payload.len(), |next| next.start());
        lines.push(line(Some(unescape(tag[1].trim())), &payload[whole.end()..until]));
    }
    lines
}

fn plain_text(text: &str) -> String {
    unescape(&TAG.replace_all(text, ""))
}

fn unescape(text: &str) -> String {
    const ENTITIES: [(&str, &str); 8] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&lrm;", ""),
        // Last: "&amp;lt;" is the text "&lt;".
        ("&amp;", "&"),
    ];
    let mut text = text.to_owned();
    if text.contains('&') {
        for (entity, plain) in ENTITIES {
            text = text.replace(entity, plain);
        }
    }
    text
}
