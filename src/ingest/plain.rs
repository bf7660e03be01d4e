//! Text with names: "Name: words", Otter's and Fathom's headers, with or without times.

use std::sync::LazyLock;

use regex::Regex;

use super::labels::{Labels, Seen};
use super::{Error, Line, call};
use crate::domain::Call;

const CLOCK: &str = r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2})(?:[.,]\d{1,3})?";

/// "[00:01:02] ", "(1:02) " or "1:02 - " at the beginning of a line.
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!(r"^\s*[\[(]?{CLOCK}[\])]?\s*(?:[-–—]\s*)?")).expect("constant, and tested"));
/// A line that is nothing but when and who: "0:15 - Anna Smith (Northlane)".
static CLOCK_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\s*[\[(]?(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)[\])]?\s*[-–—]\s*(?P<name>\p{Lu}[^:\[(.?!\n]{0,50}?)\s*(?:\([^)]*\))?\s*:?\s*$",
    )
    .expect("constant, and tested")
});
/// A line that is nothing but who and when: "Anna Smith  0:15", "Anna (0:15):".
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\s*(?P<name>[^\d\s:\[(][^:\[(\n]{0,50}?)\s*[\[(]?\s*(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)\s*[\])]?\s*:?\s*$",
    )
    .expect("constant, and tested")
});
/// A time behind a name: "Anna (0:15): words".
static NAME_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"^(?P<name>[^:\[(]{{1,50}}?)\s*[\[(]{CLOCK}[\])]$")).expect("constant, and tested")
});

/// A replica of a dialogue without names: "— words".
static REPLICA: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[-–—]\s*\S").expect("constant, and tested"));

/// Words of a name, at most.
const NAME_WORDS: usize = 5;
/// Lines after the only label from which a file is no dialogue.
const UNSPLIT: usize = 2;

fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    for part in text.split([':']) {
        total = total * 60.0 + part.replace(',', ".").parse::<f64>().ok()?;
    }
    Some(total)
}

/// A line that is not empty.
struct Row<'a> {
    number: usize,
    raw: &'a str,
    start_s: Option<f64>,
    /// Without the time before it.
    rest: &'a str,
    after_blank: bool,
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut after_blank = true;
    for (at, raw) in text.lines().enumerate() {
        let raw = raw.trim();
        if raw.is_empty() {
            after_blank = true;
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
        rows.push(Row {
            number: at + 1,
            raw,
            start_s,
            rest: time.map_or(raw, |found| &raw[found.end()..]),
            after_blank,
        });
        after_blank = false;
    }
    rows
}

/// For each row who and when, if it has that and nothing else.
fn headers(rows: &[Row<'_>]) -> Vec<Option<Line>> {
    let line = |found: &regex::Captures<'_>| {
        let name = found["name"].trim();
        (name.split_whitespace().count() <= NAME_WORDS).then(|| Line {
            speaker: Some(name.to_owned()),
            start_s: seconds(&found["clock"]),
            ..Line::default()
        })
    };
    let mut found: Vec<Option<Line>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            // "0:15 - Yes" is a turn unless its words stand on the next line.
            let next = rows.get(at + 1).filter(|next| !next.after_blank);
            let words_follow = next.is_some_and(|next| !CLOCK_FIRST.is_match(next.raw));
            let clock_first = || CLOCK_FIRST.captures(row.raw).filter(|_| words_follow);
            HEADER
                .captures(row.raw)
                .or_else(clock_first)
                .and_then(|found| line(&found))
        })
        .collect();
    // "See you Tuesday at 10:30" looks like one; where headers stand behind blank lines, it is told by that.
    let spaced = |at: usize| rows[at].after_blank;
    if (1..rows.len()).any(|at| found[at].is_some() && spaced(at)) {
        for at in (1..rows.len()).filter(|&at| !spaced(at)) {
            found[at] = None;
        }
    }
    found
}

fn labelled(name: &str, words: &str, start_s: Option<f64>) -> Line {
    let (name, start_s) = match NAME_TIME.captures(name) {
        Some(found) => {
            let open = name.find(['[', '(']).unwrap_or(name.len());
            let clock = seconds(name[open..].trim_matches(['[', ']', '(', ')', ' ']));
            (found.name("name").map_or(name, |name| name.as_str()), clock)
        }
        None => (name, start_s),
    };
    Line {
        speaker: Some(name.to_owned()),
        start_s,
        text: words.to_owned(),
        ..Line::default()
    }
}

pub fn read(file: &str, text: &str) -> Result<Call, Error> {
    let wrong = |number: usize, problem: &str| Error::Transcript {
        file: file.to_owned(),
        place: format!("line {number}"),
        problem: problem.to_owned(),
        remedy: "write each turn on a line of its own as \"Name: words\"",
    };
    let rows = rows(text);
    let heads = headers(&rows);
    let first_head = heads.iter().position(Option::is_some);
    let headers = first_head.is_some();
    let seen: Vec<Seen<'_>> = rows
        .iter()
        .zip(&heads)
        .filter(|(_, head)| head.is_none())
        .map(|(row, _)| Seen {
            text: row.rest,
            timed: row.start_s.is_some(),
            after_blank: row.after_blank,
        })
        .collect();
    let labels = Labels::of(&seen, headers);
    let named = headers || !labels.is_empty();
    let replicas = !named && rows.iter().filter(|row| REPLICA.is_match(row.rest)).count() * 2 > rows.len();
    let mut lines: Vec<Line> = Vec::new();
    for (at, (row, head)) in rows.iter().zip(&heads).enumerate() {
        let title = first_head.is_some_and(|first| at < first);
        let footer = headers && at + 1 == rows.len() && row.raw.starts_with("Transcribed by http");
        if let Some(line) = head {
            lines.push(line.clone());
        } else if footer {
            // The service names itself.
        } else if let Some((name, words)) = labels.split(row.rest) {
            lines.push(labelled(name, words, row.start_s));
        } else if replicas && REPLICA.is_match(row.rest) {
            // A dash says that the speaker changes, not who speaks.
            lines.push(Line {
                start_s: row.start_s,
                text: row.rest.trim_start_matches(['-', '–', '—', ' ']).to_owned(),
                opens: true,
                ..Line::default()
            });
        } else if let Some(last) = lines.last_mut().filter(|_| named || replicas) {
            // Goes on with what was said before.
            if !last.text.is_empty() {
                last.text.push(' ');
            }
            // With the times in the headers, one that begins a line was said.
            last.text.push_str(if headers { row.raw } else { row.rest });
        } else if row.start_s.is_some() && !named {
            lines.push(Line {
                start_s: row.start_s,
                text: row.rest.to_owned(),
                ..Line::default()
            });
        } else if !title {
            return Err(wrong(row.number, "it does not begin with a name"));
        }
    }
    if named && lines.len() == 1 && rows.len() > UNSPLIT + 1 {
        // The first line has the name, so the next is the first without.
        return Err(wrong(rows[1].number, "nobody but the first speaker has a name"));
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
