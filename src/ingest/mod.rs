//! Bytes → a recording or a transcript.
//!
//! Owns the telling of formats by their content, decoding, resampling, and every transcript format. A damaged file is an
//! error that names the file, the place and the remedy: never half a result. Who speaks on which channel, and who of
//! the speakers sells, is *not* here: see `transcribe` and `understand`.

mod call_file;
mod encoding;
mod foreign;
mod json;
mod labels;
mod locked;
mod mix;
mod plain;
mod recording;
mod resample;
mod source;
mod spool;
mod subtitles;

use std::fs::File;
use std::io::{Cursor, Read, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use chrono::NaiveDate;
use symphonia::core::io::MediaSource as _;

pub use self::call_file::{read as call_file, schema as call_file_schema};
use self::encoding::NoText;
use self::foreign::Foreign;
pub use self::resample::Resampler;
use self::source::{Bytes, Source};
use crate::domain::{Call, Language, Recording, Role, Turn};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}: cannot be read: {cause}; check the path")]
    Unreadable { file: String, cause: std::io::Error },
    #[error("{file}: the file is empty; export it again")]
    Empty { file: String },
    #[error("{file}: {size_mib} MiB is over the limit of {limit_mib} MiB; split it")]
    TooLarge {
        file: String,
        size_mib: u64,
        limit_mib: u64,
    },
    #[error(
        "{file}: neither a recording nor a transcript that is known; recordings: WAV, MP3, M4A, MP4, FLAC, OGG, WebM; \
             transcripts: VTT, SRT, text (\"Name: words\"), JSON of Whisper, Deepgram, AssemblyAI, Fireflies, Gong, Fathom, \
             or a call file"
    )]
    Unknown { file: String },
    #[error("{file}: it is {what}; {remedy}")]
    Foreign {
        file: String,
        what: &'static str,
        remedy: &'static str,
    },
    #[error(
        "{file}: the encoding of this text is not known (neither UTF-8, UTF-16 nor windows-1251); open it in an editor, \
             save it as UTF-8, and give that"
    )]
    Encoding { file: String },
    /// Not the fault of the file.
    #[error(
        "{file}: its sound cannot be kept in the folder for temporary files ({folder}): {cause}; make room there, or name \
             another folder in the environment variable TMPDIR", folder = spool::folder().display()
    )]
    Spool { file: String, cause: std::io::Error },
    #[error("{file}: {cause}; {remedy}")]
    Recording {
        file: String,
        cause: String,
        remedy: &'static str,
    },
    #[error("{file}: damaged at {at_s:.2} s: {cause}; export it again, or cut it before that time")]
    Damaged { file: String, at_s: f64, cause: String },
    #[error("{file}: {place}: {problem}; {remedy}")]
    Transcript {
        file: String,
        place: String,
        problem: String,
        remedy: &'static str,
    },
}

/// What the user says about the input; it goes before what the file says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub call_date: Option<NaiveDate>,
    pub language: Option<Language>,
    /// Longer recordings are refused. Seconds.
    pub longest_s: Option<f64>,
}

#[derive(Debug, Clone)]
pub enum Input {
    Recording(Recording),
    Transcript(Call),
}

const MIB: u64 = 1 << 20;
/// 24 hours of 16-bit stereo at 48 kHz; more is no call.
const LARGEST_RECORDING: u64 = 16 << 30;
const LARGEST_TRANSCRIPT: u64 = 64 * MIB;

/// Reads a file.
pub fn read(path: &Path, options: &Options) -> Result<Input, Error> {
    read_as(path, &path.display().to_string(), options)
}

/// Reads a file that the user knows by another name.
pub fn read_as(path: &Path, name: &str, options: &Options) -> Result<Input, Error> {
    let file = name.to_owned();
    let unreadable = |cause| Error::Unreadable {
        file: file.clone(),
        cause,
    };
    let opened = File::open(path).map_err(unreadable)?;
    if opened.metadata().map_err(unreadable)?.is_file() {
        return read_source(name, Box::new(opened), options);
    }
    // A pipe, which can be read only once.
    read_stream(name, opened, options)
}

/// Reads what comes from elsewhere, to its end.
pub fn read_stream(name: &str, stream: impl Read, options: &Options) -> Result<Input, Error> {
    let mut room = spool::room();
    let mut stream = stream.take(LARGEST_RECORDING + 1);
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(cause) => {
                let file = name.to_owned();
                return Err(Error::Unreadable { file, cause });
            }
        };
        room.write_all(&piece[..read]).map_err(|cause| Error::Spool {
            file: name.to_owned(),
            cause,
        })?;
    }
    read_source(name, Box::new(room), options)
}

/// Reads what is in memory; `file` names it.
pub fn read_bytes(file: &str, bytes: Vec<u8>, options: &Options) -> Result<Input, Error> {
    read_source(file, Box::new(Cursor::new(bytes)), options)
}

fn read_source(name: &str, bytes: Box<dyn Bytes>, options: &Options) -> Result<Input, Error> {
    let file = name.to_owned();
    let unreadable = |cause| Error::Unreadable {
        file: file.clone(),
        cause,
    };
    let mut source = Source::new(bytes).map_err(unreadable)?;
    let first = source.peek(recording::FIRST).map_err(unreadable)?;
    if first.is_empty() {
        return Err(Error::Empty { file });
    }
    if let Some(Foreign { what, remedy }) = foreign::recognise(&first) {
        return Err(Error::Foreign { file, what, remedy });
    }
    let is_recording = recording::is_recording(&first);
    let limit = if is_recording {
        LARGEST_RECORDING
    } else {
        LARGEST_TRANSCRIPT
    };
    let size = source.byte_len().unwrap_or(0);
    if size > limit {
        return Err(Error::TooLarge {
            file,
            size_mib: size / MIB,
            limit_mib: limit / MIB,
        });
    }
    if is_recording {
        // Decoders are others' code, and damage finds its ways: where one panics, that is all that ends.
        let decoded = catch_unwind(AssertUnwindSafe(|| recording::decode(name, source, options.longest_s)));
        let gave_up = |_| Error::Recording {
            file,
            cause: "it is damaged so that its decoder gave up".to_owned(),
            remedy: "export it again, or convert it to WAV",
        };
        return decoded.map_err(gave_up)?.map(Input::Recording);
    }
    let mut bytes = Vec::with_capacity(size as usize);
    source.read_to_end(&mut bytes).map_err(unreadable)?;
    let text = encoding::to_text(&bytes).map_err(|cause| match cause {
        NoText::Binary => Error::Unknown { file: file.clone() },
        NoText::Encoding => Error::Encoding { file: file.clone() },
    })?;
    let mut call = transcript(name, &text).map_err(|error| {
        // What is wrong with its first line is no help to somebody who recorded it.
        if recording::is_named_so(name) {
            Error::Unknown { file }
        } else {
            error
        }
    })?;
    call.call_date = options.call_date.or(call.call_date);
    call.language = options.language.or(call.language);
    Ok(Input::Transcript(call))
}

fn transcript(file: &str, text: &str) -> Result<Call, Error> {
    let start = text.trim_start();
    let call = if start.starts_with("WEBVTT") {
        subtitles::vtt(file, text)?
    } else if start.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(start).is_ok()
        || start.starts_with('{')
    {
        json::read(file, text)?
    } else if subtitles::is_srt(text) {
        subtitles::srt(file, text)?
    } else {
        plain::read(file, text)?
    };
    if call.turns.is_empty() {
        return Err(Error::Transcript {
            file: file.to_owned(),
            place: "whole file".to_owned(),
            problem: "nobody says anything in it".to_owned(),
            remedy: "check that the transcript was exported with its text",
        });
    }
    Ok(call)
}

/// Name of the file without folders, and without its ending.
fn names(file: &str) -> (String, String) {
    let path = Path::new(file);
    let name = path
        .file_name()
        .map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned());
    let stem = path
        .file_stem()
        .map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
    let stem = if stem == "-" { "stdin".to_owned() } else { stem };
    (name, stem)
}

/// Something that was said, before turns are numbered.
#[derive(Debug, Clone, PartialEq, Default)]
struct Line {
    speaker: Option<String>,
    start_s: Option<f64>,
    end_s: Option<f64>,
    text: String,
    /// A turn begins here, whoever spoke before.
    opens: bool,
}

/// Pause (seconds) up to which lines of one speaker are one turn.
const SAME_TURN_S: f64 = 2.0;
/// Words from which a turn is not made longer.
const LONG_TURN: usize = 80;

/// A call of lines: consecutive lines of one speaker become one turn.
fn call(file: &str, lines: Vec<Line>) -> Call {
    let (source, id) = names(file);
    let mut turns: Vec<Turn> = Vec::new();
    for line in lines {
        let text = line.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            continue;
        }
        let speaker = line.speaker.clone().unwrap_or_else(|| "S1".to_owned());
        if let Some(last) = turns.last_mut()
            && last.speaker == speaker
            && !line.opens
            && goes_on(last, &line)
        {
            last.text.push(' ');
            last.text.push_str(&text);
            last.end_s = line.end_s.or(last.end_s);
            continue;
        }
        turns.push(Turn {
            i: turns.len() as u32 + 1,
            role: Role::Unknown,
            name: line.speaker.clone(),
            speaker,
            start_s: line.start_s,
            end_s: line.end_s,
            text,
            words: Vec::new(),
            speaker_confidence: None,
            overlaps: Vec::new(),
        });
    }
    Call {
        id,
        source,
        language: None,
        call_date: None,
        kind: None,
        seller: None,
        previous_stage: None,
        duration_s: turns.iter().filter_map(|turn| turn.end_s).max_by(f64::total_cmp),
        channels: None,
        turns,
    }
}

fn goes_on(last: &Turn, line: &Line) -> bool {
    if last.text.split_whitespace().count() > LONG_TURN {
        return false;
    }
    let pause = match (last.end_s, line.start_s) {
        (Some(end), Some(start)) => start - end,
        _ => 0.0,
    };
    // Without a speaker nothing but the end of a sentence tells that somebody else may speak.
    let named = line.speaker.is_some();
    pause < SAME_TURN_S && (named || !last.text.ends_with(['.', '?', '!', '…']))
}

#[cfg(test)]
mod tests;
