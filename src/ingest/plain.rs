//! Text with names: "Name: words", Otter's and Fathom's headers, with or without times.

use std::sync::LazyLock;

use regex::Regex;

use super::{Error, Line, call};
use crate::domain::Call;

const CLOCK: &str = r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2})(?:[.,]\d{1,3})?";

/// "[00:01:02] ", "(1:02) " or "1:02 - " at the beginning of a line.
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!(r"^\s*[\[(]?{CLOCK}[\])]?\s*(?:[-–—]\s*)?")).expect("constant, and tested"));
/// A line that is nothing but who and when: "Anna Smith  0:15", "0:15 - Anna Smith", "Anna (0:15):".
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"^\s*(?P<name>[^\d\s:\[(][^:\[(\n]{{0,50}}?)\s*[\[(]?\s*(?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}})?)\s*[\])]?\s*:?\s*$"))
        .expect("constant, and tested")
});
/// A time behind a name: "Anna (0:15): words".
static NAME_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"^(?P<name>[^:\[(]{{1,50}}?)\s*[\[(]{CLOCK}[\])]$")).expect("constant, and tested")
});

/// Words of a name, at most.
const NAME_WORDS: usize = 5;

/// "Name: words" → both. A sentence with a colon, a clock time or an address is no name.
pub fn split_name(line: &str) -> Option<(&str, &str)> {
    let (name, words) = line.split_once(':')?;
    let name = name
        .trim()
        .trim_start_matches(['-', '–', '—', '•', '*', '>'])
        .trim()
        .trim_matches('*');
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    let plausible = (1..=40).contains(&name.chars().count())
        && name.split_whitespace().count() <= NAME_WORDS
        && (letters > 0)
        && !words.starts_with("//")
        && !name.contains(['.', ',', '?', '!', '"', '«', ';'].as_slice())
        || name.ends_with('.') && name.split_whitespace().count() <= 3 && letters > 1;
    // "Dr. Smith" has a point, "so I told him" has a small first letter.
    let begins = name
        .chars()
        .next()
        .is_some_and(|c| c.is_uppercase() || c.is_numeric() || !c.is_lowercase())
        || matches!(
            name.to_lowercase().as_str(),
            "rep" | "buyer" | "agent" | "client" | "customer" | "менеджер" | "клиент"
        );
    (plausible && begins && !words.trim().is_empty()).then_some((name, words.trim()))
}

fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    for part in text.split([':']) {
        total = total * 60.0 + part.replace(',', ".").parse::<f64>().ok()?;
    }
    Some(total)
}

pub fn read(file: &str, text: &str) -> Result<Call, Error> {
    let mut lines: Vec<Line> = Vec::new();
    let mut named = false;
    for raw in text.lines() {
        let raw = raw.trim();
        if raw.is_empty() {
            continue;
        }
        if let Some(header) = HEADER.captures(raw)
            && header["name"].split_whitespace().count() <= NAME_WORDS
        {
            named = true;
            lines.push(Line {
                speaker: Some(header["name"].trim().to_owned()),
                start_s: seconds(&header["clock"]),
                end_s: None,
                text: String::new(),
            });
            continue;
        }
        let time = TIME.find(raw).filter(|found| found.end() > 0);
        let start_s = time.and_then(|found| {
            seconds(
                found
                    .as_str()
                    .trim()
                    .trim_matches(['[', ']', '(', ')', '-', '–', '—', ' ']),
            )
        });
        let rest = time.map_or(raw, |found| &raw[found.end()..]);
        if let Some((name, words)) = split_name(rest) {
            let (name, start_s) = match NAME_TIME.captures(name) {
                Some(found) => {
                    let open = name.find(['[', '(']).unwrap_or(name.len());
                    let clock = seconds(name[open..].trim_matches(['[', ']', '(', ')', ' ']));
                    (found.name("name").map_or(name, |name| name.as_str()), clock)
                }
                None => (name, start_s),
            };
            named = true;
            lines.push(Line {
                speaker: Some(name.to_owned()),
                start_s,
                end_s: None,
                text: words.to_owned(),
            });
        } else if let Some(last) = lines.last_mut().filter(|_| named) {
            // Goes on with what was said before.
            if !last.text.is_empty() {
                last.text.push(' ');
            }
            last.text.push_str(rest);
        } else if start_s.is_some() {
            lines.push(Line {
                speaker: None,
                start_s,
                end_s: None,
                text: rest.to_owned(),
            });
        } else {
            return Err(Error::Transcript {
                file: file.to_owned(),
                place: format!("line {}", line_number(text, raw)),
                problem: "it does not begin with a name".to_owned(),
                remedy: "write each turn as \"Name: words\"",
            });
        }
    }
    // A turn ends where the next begins, at the latest.
    let starts: Vec<Option<f64>> = lines.iter().map(|line| line.start_s).collect();
    for (at, line) in lines.iter_mut().enumerate() {
        if let (Some(start), Some(Some(next))) = (line.start_s, starts.get(at + 1)) {
            line.end_s = (*next >= start).then_some(*next);
        }
    }
    Ok(call(file, lines))
}

fn line_number(text: &str, line: &str) -> usize {
    text.lines()
        .position(|candidate| candidate.trim() == line)
        .map_or(1, |at| at + 1)
}
