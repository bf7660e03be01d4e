//! Recording → turns with their text.
//!
//! Owns voice activity, which channel is who, where turns begin and end, and the recogniser behind [`Transcriber`].
//! Only speech is decoded, so silence yields no words. Who of the speakers is the rep is *not* here: see `understand`.

mod channels;
mod listen;
mod turns;
mod voice;
#[cfg(feature = "whisper")]
pub mod whisper;

pub use self::listen::{Listener, Speech, Until};
use crate::domain::{Call, Language, Recording, Role, SAMPLE_RATE, Stopped, Turn, cut_sentences};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: the recogniser's weights cannot be read: {cause}; `dealstage models verify` checks them")]
    Weights { path: String, cause: String },
    #[error("the recogniser failed at {at_s:.1} s: {cause}")]
    Recogniser { at_s: f64, cause: String },
    #[error("{source_name}: no speech in {duration_s:.1} s of sound; check that the right track was exported")]
    NoSpeech { source_name: String, duration_s: f64 },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A recogniser of speech.
pub trait Transcriber {
    /// The language of the talk, from up to 30 s of its speech (16 kHz samples).
    fn detect_language(&mut self, speech: &[f32]) -> Result<Language, String>;

    /// The words of at most 30 s of speech (16 kHz samples); nothing where there are none to be trusted. One phrase
    /// for all, or with `phrases` one for each stretch that the recogniser sets apart.
    fn words(&mut self, speech: &[f32], language: Language, phrases: bool) -> Result<Vec<Phrase>, String>;
}

/// Words with their place in the speech that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    /// Seconds.
    pub start_s: f64,
    /// Seconds.
    pub end_s: f64,
    pub text: String,
}

/// A sentence does not go on after a pause of this length.
const SENTENCE_GAP_S: f64 = 1.0;

/// Speech that the recogniser hears to tell the language: its own window.
const LANGUAGE_S: usize = 30;

/// Turns of a recording. `progress` is told the share that is done, 0–1, and may stop the work.
pub fn transcribe(
    recording: &Recording,
    call_id: &str,
    language: Option<Language>,
    recogniser: &mut dyn Transcriber,
    progress: &mut dyn FnMut(f32) -> Result<(), Stopped>,
) -> Result<Call, Error> {
    let tracks = channels::tracks(recording);
    let speech = voice::speech(&tracks);
    let spans = turns::lay_out(&speech);
    if spans.is_empty() {
        return Err(Error::NoSpeech {
            source_name: recording.source.clone(),
            duration_s: recording.duration_s,
        });
    }
    let at = |sample: usize| sample as f64 / f64::from(SAMPLE_RATE);
    let failed = |sample: usize| {
        move |cause: String| Error::Recogniser {
            at_s: at(sample),
            cause,
        }
    };
    let language = match language {
        Some(language) => language,
        None => {
            let mut sample = Vec::with_capacity(LANGUAGE_S * SAMPLE_RATE as usize);
            for piece in spans
                .iter()
                .flat_map(|span| span.pieces.iter().map(|piece| (span.track, piece)))
            {
                let room = LANGUAGE_S * SAMPLE_RATE as usize - sample.len();
                let (track, piece) = piece;
                sample.extend(tracks[track].samples[piece.clone()].iter().take(room));
            }
            recogniser
                .detect_language(&sample)
                .map_err(failed(spans[0].pieces[0].start))?
        }
    };
    let total: usize = spans.iter().map(turns::Span::len).sum();
    // On a shared track people answer each other without a pause: there every sentence is a turn of its own.
    let shared = tracks.len() == 1;
    let mut done = 0;
    let mut turns: Vec<Turn> = Vec::new();
    for span in &spans {
        let track = &tracks[span.track];
        let mut phrases = Vec::new();
        for piece in &span.pieces {
            let heard = recogniser
                .words(&track.samples[piece.clone()], language, shared)
                .map_err(failed(piece.start))?;
            phrases.extend(heard.into_iter().map(|phrase| Phrase {
                start_s: at(piece.start) + phrase.start_s,
                end_s: at(piece.start) + phrase.end_s,
                ..phrase
            }));
            done += piece.len();
            progress(done as f32 / total as f32)?;
        }
        let phrases = if shared {
            sentences(phrases)
        } else {
            one_phrase(&phrases, span, at)
        };
        for phrase in phrases {
            turns.push(Turn {
                i: turns.len() as u32 + 1,
                role: Role::Unknown,
                speaker: track.speaker.to_owned(),
                name: None,
                start_s: Some(milliseconds(phrase.start_s)),
                end_s: Some(milliseconds(phrase.end_s)),
                text: phrase.text,
            });
        }
    }
    Ok(Call {
        id: call_id.to_owned(),
        source: recording.source.clone(),
        language: Some(language),
        call_date: None,
        kind: None,
        seller: None,
        previous_stage: None,
        duration_s: Some(milliseconds(recording.duration_s)),
        channels: u8::try_from(recording.channels.len()).ok(),
        turns,
    })
}

/// All words of a turn, with the times of its speech.
fn one_phrase(phrases: &[Phrase], span: &turns::Span, at: impl Fn(usize) -> f64) -> Vec<Phrase> {
    if phrases.is_empty() {
        return Vec::new();
    }
    let texts: Vec<&str> = phrases.iter().map(|phrase| phrase.text.as_str()).collect();
    vec![Phrase {
        start_s: at(span.speech.start),
        end_s: at(span.speech.end),
        text: texts.join(" "),
    }]
}

/// Phrases cut after each sentence and joined where a sentence goes on; times within a phrase by its letters.
fn sentences(phrases: Vec<Phrase>) -> Vec<Phrase> {
    let mut out: Vec<Phrase> = Vec::new();
    let mut open = false;
    for phrase in phrases {
        let letters = phrase.text.chars().count().max(1) as f64;
        let length = phrase.end_s - phrase.start_s;
        let mut before = 0.0;
        for part in cut_sentences(&phrase.text) {
            let count = part.chars().count() as f64;
            let start_s = phrase.start_s + length * before / letters;
            before += count;
            let end_s = phrase.start_s + length * before / letters;
            let text = part.trim();
            if text.is_empty() {
                continue;
            }
            // A mark alone belongs to what stands before it.
            let goes_on = open || !text.chars().any(char::is_alphanumeric);
            match out.last_mut() {
                Some(last) if goes_on && start_s - last.end_s < SENTENCE_GAP_S => {
                    if text.chars().any(char::is_alphanumeric) {
                        last.text.push(' ');
                    }
                    last.text.push_str(text);
                    last.end_s = end_s;
                }
                _ => out.push(Phrase {
                    start_s,
                    end_s,
                    text: text.to_owned(),
                }),
            }
            open = !text.ends_with(['.', '?', '!', '…']);
        }
    }
    out.retain(|phrase| phrase.text.chars().any(char::is_alphanumeric));
    out
}

/// Times are not known better than this.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how many seconds it was given: enough to see what reaches a recogniser.
    struct Counting(Vec<usize>);

    impl Transcriber for Counting {
        fn detect_language(&mut self, _: &[f32]) -> Result<Language, String> {
            Ok(Language::Ru)
        }

        fn words(&mut self, speech: &[f32], _: Language, _: bool) -> Result<Vec<Phrase>, String> {
            self.0.push(speech.len());
            Ok(vec![phrase(0.0, 1.0, "часть")])
        }
    }

    fn phrase(start_s: f64, end_s: f64, text: &str) -> Phrase {
        Phrase {
            start_s,
            end_s,
            text: text.to_owned(),
        }
    }

    #[test]
    fn sentences_become_turns_and_lose_no_word() {
        let heard = vec![
            phrase(0.0, 4.0, "How many? Twelve, at 2.5 each"),
            phrase(4.0, 5.0, "or so."),
            phrase(9.0, 10.0, "..."),
        ];
        let texts: Vec<String> = sentences(heard).into_iter().map(|phrase| phrase.text).collect();
        assert_eq!(texts, ["How many?", "Twelve, at 2.5 each or so."]);
    }

    #[test]
    fn silence_reaches_no_recogniser() {
        let recording = Recording {
            source: "quiet.wav".to_owned(),
            channels: vec![vec![0.0; 10 * SAMPLE_RATE as usize]],
            duration_s: 10.0,
        };
        let mut recogniser = Counting(Vec::new());
        let error = transcribe(&recording, "quiet", None, &mut recogniser, &mut |_| Ok(())).expect_err("no speech");
        assert!(matches!(error, Error::NoSpeech { .. }), "{error}");
        assert!(recogniser.0.is_empty());
    }
}
