//! A service that speaks OpenAI's transcription, behind [`Transcriber`].
//!
//! Owns the request, its retries, what is taken of an answer, and the list of what has left the machine. Only speech leaves:
//! where it is, and which words were made up, is found here as for any recogniser. Whether the service is used at all is *not*
//! here: nobody asks it unless the user switched it on.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::invented::{self, Heard};
use super::names::Prompt;
use super::{Failure, Piece, Transcriber};
use crate::domain::{Egress, Language, SAMPLE_RATE, Word, hex};
use crate::guard::{self, Blocked};

/// Where the service is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its address, up to and without `/audio/transcriptions`.
    pub base_url: String,
    pub api_key: SecretString,
    pub model: String,
    /// For one piece of speech, all tries together.
    pub time_limit: Duration,
}

/// The setting of the address.
const ADDRESS: &str = "DEALSTAGE_ASR_BASE_URL";
const KEY: &str = "DEALSTAGE_ASR_API_KEY";

/// Requests at the same time.
const MOST: usize = 4;
/// Retries after the first try, and the pause before each; the service may ask for a longer one.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Setting(String),
    /// Nothing has left.
    #[error("{address} cannot be reached: {cause}; check {ADDRESS}, or start the service there")]
    Unreachable { address: String, cause: String },
    #[error("the connection to {address} broke: {cause}; try again")]
    Broken { address: String, cause: String },
    #[error("no answer of {address} within {} s; try again, or set DEALSTAGE_ASR_TIME_LIMIT higher", .limit.as_secs())]
    TimeLimit { address: String, limit: Duration },
    #[error("{address} refused: HTTP {status}; {remedy}")]
    Refused {
        address: String,
        status: u16,
        remedy: &'static str,
    },
    #[error("{address} is busy: HTTP {status}; try again later")]
    Busy { address: String, status: u16 },
    #[error("{address} failed: HTTP {status}; try again later")]
    Failed { address: String, status: u16 },
    #[error("the answer of {address} is no transcription: {cause}; check {ADDRESS}")]
    Form { address: String, cause: String },
}

impl Error {
    /// Trying again may help.
    const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Busy { .. }
            | Self::Failed { .. }
            | Self::Form { .. } => true,
            Self::Setting(_) | Self::TimeLimit { .. } | Self::Refused { .. } => false,
        }
    }

    /// A wrong setting, not a service that is down.
    pub const fn is_setting(&self) -> bool {
        matches!(self, Self::Setting(_))
    }
}

/// What has left the machine for one recording.
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<Mutex<Vec<(f64, Egress)>>>);

impl Sent {
    fn note(&self, at_s: f64, entry: Egress) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at_s, entry));
    }

    /// In the order of the recording, however many requests there were at once.
    pub fn into_list(self) -> Vec<Egress> {
        let mut sent = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        sent.sort_by(|(a_s, a), (b_s, b)| {
            let (a, b) = ((&a.prompt, &a.prompt_hash), (&b.prompt, &b.prompt_hash));
            a_s.total_cmp(b_s).then_with(|| a.cmp(&b))
        });
        sent.into_iter().map(|(_, entry)| entry).collect()
    }
}

pub struct Remote {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: reqwest::Url,
    /// Without a name or password in it.
    address: String,
    options: Options,
    sent: Sent,
}

/// Opens recognisers for so many pieces of work; what they send is noted in `sent`.
pub fn open(options: &Options, sent: &Sent, pieces: usize) -> Result<Vec<Box<dyn Transcriber>>, Error> {
    (0..MOST.min(pieces.max(1)))
        .map(|_| Ok(Box::new(Remote::new(options, sent.clone())?) as Box<dyn Transcriber>))
        .collect()
}

impl Remote {
    /// Checks the settings; the service itself is first met when something is heard.
    pub fn new(options: &Options, sent: Sent) -> Result<Self, Error> {
        let setting = |what: &str, cause: &dyn std::fmt::Display| Error::Setting(format!("{what}: {cause}"));
        let base_url = options.base_url.trim().trim_end_matches('/');
        let parsed = |text: &str| {
            reqwest::Url::parse(text)
                .map_err(|error| setting(ADDRESS, &format!("{error}; write it like http://127.0.0.1:8000/v1")))
        };
        let mut address = parsed(base_url)?;
        // Neither fails on an address with a host, and one without fails below.
        let _ = address.set_password(None);
        let _ = address.set_username("");
        HeaderValue::from_str(options.api_key.expose_secret().trim())
            .map_err(|_| setting(KEY, &"it has letters that no key has"))?;
        Ok(Self {
            http: guard::named(&address).map_err(|error| setting(ADDRESS, &error))?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| setting("recogniser", &error))?,
            url: parsed(&format!("{base_url}/audio/transcriptions"))?,
            address: address.as_str().trim_end_matches('/').to_owned(),
            options: options.clone(),
            sent,
        })
    }

    /// The answer about a piece; `language`: None to be told it.
    fn ask(&self, piece: &Piece<'_>, language: Option<Language>, prompt: &str) -> Result<Answer, Error> {
        let sound = wav(piece.samples);
        let mut fields = vec![
            ("model", self.options.model.as_str()),
            ("response_format", "verbose_json"),
        ];
        fields.extend(language.map(|language| ("language", language.as_str())));
        if language.is_some() {
            fields.push(("timestamp_granularities[]", "word"));
        }
        if !prompt.is_empty() {
            fields.push(("prompt", prompt));
        }
        let (has_left, answered) = self.send(&sound, &fields);
        // Answered or not, it has left, unless nobody was there. One entry however often it was tried.
        if has_left {
            let hash = hash(&self.address, &sound, &fields);
            self.sent.note(
                piece.at_s,
                Egress {
                    to: self.address.clone(),
                    model: self.options.model.clone(),
                    prompt: if language.is_some() {
                        "transcription"
                    } else {
                        "language"
                    }
                    .to_owned(),
                    prompt_hash: format!("sha256:{hash}"),
                    turns: Vec::new(),
                    characters: prompt.chars().count(),
                    replaced: 0,
                    sound_s: Some(super::milliseconds(super::seconds(piece.samples.len()))),
                    bytes: Some(sound.len()),
                },
            );
        }
        answered
    }

    /// Whether anything left the machine, and the answer.
    fn send(&self, sound: &[u8], fields: &[(&'static str, &str)]) -> (bool, Result<Answer, Error>) {
        let (started, limit) = (Instant::now(), self.options.time_limit);
        let mut pauses = PAUSES.iter();
        let mut has_left = false;
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let (answered, wanted) = self.runtime.block_on(self.try_once(sound, fields, left));
            has_left |= !matches!(answered, Err(Error::Unreachable { .. } | Error::Setting(_)));
            let pause = pauses.next().map(|pause| wanted.max(*pause));
            match (answered, pause) {
                // What is left of the time must be enough for another try.
                (Err(error), Some(pause)) if error.is_transient() && started.elapsed() + pause < limit => {
                    tracing::debug!(%error, "the recogniser is asked again");
                    std::thread::sleep(pause);
                }
                (answered, _) => return (has_left, answered),
            }
        }
    }

    /// One try: the answer, and how long to wait before the next if the service said so.
    async fn try_once(
        &self,
        sound: &[u8],
        fields: &[(&'static str, &str)],
        within: Duration,
    ) -> (Result<Answer, Error>, Duration) {
        let file = Part::bytes(sound.to_vec())
            .file_name("speech.wav")
            .mime_str("audio/wav");
        let file = match file {
            Ok(file) => file,
            Err(error) => return (Err(Error::Setting(error.to_string())), Duration::ZERO),
        };
        let form = fields
            .iter()
            .fold(Form::new().part("file", file), |form, (name, value)| {
                form.text(*name, (*value).to_owned())
            });
        let mut request = self.http.post(self.url.clone()).timeout(within).multipart(form);
        let key = self.options.api_key.expose_secret().trim();
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return (Err(self.error_of(error)), Duration::ZERO),
        };
        let wanted = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let wanted = Duration::from_secs(wanted.unwrap_or(0));
        let address = self.address.clone();
        let answered = match response.status().as_u16() {
            200..=299 => match response.bytes().await {
                Ok(body) => serde_json::from_slice(&body)
                    .map_err(|error| self.form(&error))
                    .and_then(|answer: Answer| answer.checked(&self.address)),
                Err(error) => Err(self.error_of(error)),
            },
            status @ (408 | 409 | 425 | 429) => Err(Error::Busy { address, status }),
            status @ 500.. => Err(Error::Failed { address, status }),
            status => Err(Error::Refused {
                address,
                status,
                remedy: match status {
                    401 | 403 => "check DEALSTAGE_ASR_API_KEY",
                    300..=399 => "it has moved: set DEALSTAGE_ASR_BASE_URL to where it is now",
                    404 | 405 => {
                        "check DEALSTAGE_ASR_BASE_URL, and that the service knows the model DEALSTAGE_ASR_MODEL"
                    }
                    _ => "check that the service knows the model DEALSTAGE_ASR_MODEL, and answers with verbose_json",
                },
            }),
        };
        (answered, wanted)
    }

    /// Where, not what: the words of an answer are words of the call.
    fn form(&self, error: &serde_json::Error) -> Error {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "other keys or kinds",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
        };
        Error::Form {
            address: self.address.clone(),
            cause: format!("{kind}, line {} column {}", error.line(), error.column()),
        }
    }

    fn error_of(&self, error: reqwest::Error) -> Error {
        if let Some(blocked) = Blocked::of(&error) {
            return Error::Setting(format!("{ADDRESS}: {blocked}"));
        }
        let address = self.address.clone();
        let (is_timeout, unreached) = (error.is_timeout(), error.is_connect() || error.is_builder());
        let error = error.without_url();
        let mut cause = error.to_string();
        // What it says itself is only that sending failed.
        if let Some(source) = std::error::Error::source(&error) {
            let _ = write!(cause, ": {source}");
        }
        if unreached {
            Error::Unreachable { address, cause }
        } else if is_timeout {
            let limit = self.options.time_limit;
            Error::TimeLimit { address, limit }
        } else {
            Error::Broken { address, cause }
        }
    }
}

impl Transcriber for Remote {
    fn detect_language(&mut self, piece: &Piece<'_>) -> Result<Language, Failure> {
        Ok(self.ask(piece, None, "")?.language())
    }

    fn words(&mut self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, Failure> {
        let words = |piece: &Piece<'_>| {
            let prompt = Prompt::new(piece.names);
            let seconds = super::seconds(piece.samples.len());
            let heard = self.ask(piece, Some(language), &prompt.text())?.heard(seconds);
            let words = invented::without(heard, seconds);
            Ok(if prompt.is_read_out(&words) { Vec::new() } else { words })
        };
        pieces.iter().map(words).collect()
    }
}

/// Names a piece: the same sound with the same request to the same place.
fn hash(address: &str, sound: &[u8], fields: &[(&'static str, &str)]) -> String {
    let mut hash = Sha256::new();
    let texts = fields
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    for part in texts.chain([address.as_bytes(), sound]) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(hash.finalize())
}

/// A WAV file of 16 bits.
fn wav(samples: &[f32]) -> Vec<u8> {
    const HEADER: u32 = 44;
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - HEADER);
    let mut file = Vec::with_capacity(HEADER as usize + samples.len() * 2);
    file.extend(b"RIFF");
    file.extend((length + HEADER - 8).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(SAMPLE_RATE.to_le_bytes());
    file.extend((SAMPLE_RATE * 2).to_le_bytes());
    // Bytes and bits of a sample.
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    for sample in samples {
        file.extend(((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16).to_le_bytes());
    }
    file
}

/// What is read of an answer. Services differ in the rest, and in which of these they give.
#[derive(Deserialize)]
struct Answer {
    text: Option<String>,
    language: Option<String>,
    words: Option<Vec<Spoken>>,
    segments: Option<Vec<Segment>>,
}

#[derive(Deserialize)]
struct Spoken {
    word: String,
    start: f64,
    end: f64,
    probability: Option<f32>,
}

#[derive(Deserialize)]
struct Segment {
    text: String,
    start: f64,
    end: f64,
    avg_logprob: Option<f32>,
    no_speech_prob: Option<f32>,
}

/// Letters that were said in some time.
struct Span<'a> {
    text: &'a str,
    start_s: f64,
    end_s: f64,
    probability: f32,
}

impl Answer {
    fn checked(self, address: &str) -> Result<Self, Error> {
        if self.text.is_some() || self.words.is_some() || self.segments.is_some() {
            return Ok(self);
        }
        Err(Error::Form {
            address: address.to_owned(),
            cause: "it has no text".to_owned(),
        })
    }

    fn segments(&self) -> &[Segment] {
        self.segments.as_deref().unwrap_or_default()
    }

    /// The words as they are written.
    fn text(&self) -> String {
        let joined = |texts: Vec<&str>| texts.join(" ");
        match (&self.text, &self.words) {
            (Some(text), _) => text.clone(),
            (None, Some(words)) if self.segments().is_empty() => {
                joined(words.iter().map(|word| word.word.trim()).collect())
            }
            (None, _) => joined(self.segments().iter().map(|segment| segment.text.trim()).collect()),
        }
    }

    fn language(&self) -> Language {
        match self.language.as_deref().map(str::to_lowercase).as_deref() {
            Some("en" | "english") => Language::En,
            Some("ru" | "russian") => Language::Ru,
            // Of two languages, the one in whose letters it is written.
            _ => {
                let text = self.text();
                let russian = text
                    .chars()
                    .filter(|c| ('а'..='я').contains(&c.to_ascii_lowercase()) || ('А'..='Я').contains(c));
                let english = text.chars().filter(char::is_ascii_alphabetic);
                if russian.count() > english.count() {
                    Language::Ru
                } else {
                    Language::En
                }
            }
        }
    }

    /// Words with their times in a piece of so many seconds, without those of segments that are no speech.
    fn heard(&self, seconds: f64) -> Vec<Heard> {
        let text = self.text();
        let mut heard = self.timed(&text, seconds);
        let weak = self.segments().iter().filter(|segment| {
            let (Some(no_speech), Some(log)) = (segment.no_speech_prob, segment.avg_logprob) else {
                return false;
            };
            invented::is_no_speech(no_speech, log)
        });
        for segment in weak {
            let within = |word: &Word| (segment.start..segment.end).contains(&(0.5 * (word.start_s + word.end_s)));
            heard.retain(|heard| !within(&heard.word));
        }
        heard
    }

    /// By the times of words; where these are not there, or are of other words than the text, by those of segments, else evenly.
    fn timed(&self, text: &str, seconds: f64) -> Vec<Heard> {
        let sure = |at_s: f64| {
            let segment = self
                .segments()
                .iter()
                .find(|segment| (segment.start..segment.end).contains(&at_s));
            segment.and_then(|segment| segment.avg_logprob).map_or(1.0, f32::exp)
        };
        let words = self.words.iter().flatten().map(|word| Span {
            text: &word.word,
            start_s: word.start,
            end_s: word.end,
            probability: word.probability.unwrap_or_else(|| sure(0.5 * (word.start + word.end))),
        });
        let segments = self.segments().iter().map(|segment| Span {
            text: &segment.text,
            start_s: segment.start,
            end_s: segment.end,
            probability: segment.avg_logprob.map_or(1.0, f32::exp),
        });
        let whole = Span {
            text,
            start_s: 0.0,
            end_s: seconds,
            probability: 1.0,
        };
        let by = |spans: Vec<Span<'_>>| laid_out(text, &spans, seconds);
        by(words.collect())
            .or_else(|| by(segments.collect()))
            .or_else(|| by(vec![whole]))
            .unwrap_or_default()
    }
}

/// The words of a text by the times of its letters. Words of a service have no marks, and may be cut elsewhere than the text
/// is. None where the letters are others.
fn laid_out(text: &str, spans: &[Span<'_>], seconds: f64) -> Option<Vec<Heard>> {
    let mut times = Vec::new();
    for span in spans {
        let letters: Vec<char> = letters(span.text).collect();
        let step_s = (span.end_s - span.start_s).max(0.0) / letters.len().max(1) as f64;
        times.extend(letters.into_iter().enumerate().map(|(at, letter)| {
            let start_s = span.start_s + step_s * at as f64;
            (letter, start_s, start_s + step_s, span.probability)
        }));
    }
    if !letters(text).eq(times.iter().map(|(letter, ..)| *letter)) {
        return None;
    }
    let mut heard: Vec<Heard> = Vec::new();
    let (mut at, mut before_s) = (0, 0.0_f64);
    for token in text.split_whitespace() {
        let own = &times[at..at + letters(token).count()];
        at += own.len();
        match (own, heard.last_mut()) {
            ([first, ..], _) => {
                let last = own.last().unwrap_or(first);
                let start_s = first.1.clamp(before_s, seconds.max(before_s));
                let end_s = last.2.clamp(start_s, seconds.max(start_s));
                before_s = end_s;
                heard.push(Heard {
                    word: Word {
                        start_s,
                        end_s,
                        text: token.to_owned(),
                    },
                    probability: first.3,
                });
            }
            // A mark by itself belongs to the word before it.
            ([], Some(word)) => word.word.text.push_str(&format!(" {token}")),
            ([], None) => {}
        }
    }
    Some(heard)
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
