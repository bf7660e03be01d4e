//! whisper.cpp behind [`Transcriber`].
//!
//! Settings are those that were measured fastest at equal error on two threads: q8_0 weights, greedy, the encoder's
//! window shortened to the speech plus a margin (without the margin, 4–5 more words in a hundred are wrong).

use std::path::Path;

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState};

use super::{Error, Phrase, Transcriber};
use crate::domain::{Language, SAMPLE_RATE};

/// Positions of the encoder for one second of sound.
const POSITIONS_PER_S: f32 = 50.0;
/// Positions beyond the speech that keep the error where the full window has it.
const MARGIN: i32 = 256;
/// The full window: 30 s.
const FULL_WINDOW: i32 = 1500;
/// whisper.cpp refuses less than one second.
const SHORTEST: usize = SAMPLE_RATE as usize * 11 / 10;
/// Both limits are whisper's own for a segment that is no speech.
const NO_SPEECH: f32 = 0.6;
const WEAK_LOG_PROBABILITY: f32 = -1.0;
/// Nobody speaks this many letters a second; repeated text does.
const MOST_LETTERS_PER_S: f32 = 35.0;

/// The weights in memory; any number of recognisers use them at the same time.
pub struct Weights {
    context: WhisperContext,
    path: String,
}

pub struct Whisper {
    state: WhisperState,
    threads: i32,
}

impl Weights {
    pub fn load(path: &Path) -> Result<Self, Error> {
        whisper_rs::install_logging_hooks();
        let path_text = path.display().to_string();
        let mut parameters = WhisperContextParameters::new();
        // Measured slower on processors.
        parameters.use_gpu(false).flash_attn(false);
        match WhisperContext::new_with_params(path, parameters) {
            Ok(context) => Ok(Self {
                context,
                path: path_text,
            }),
            Err(cause) => Err(Error::Weights {
                path: path_text,
                cause: cause.to_string(),
            }),
        }
    }
}

impl Whisper {
    pub fn load(weights: &Path, threads: usize) -> Result<Self, Error> {
        Self::new(&Weights::load(weights)?, threads)
    }

    pub fn new(weights: &Weights, threads: usize) -> Result<Self, Error> {
        let state = weights.context.create_state().map_err(|cause| Error::Weights {
            path: weights.path.clone(),
            cause: cause.to_string(),
        })?;
        Ok(Self {
            state,
            threads: i32::try_from(threads).unwrap_or(1).max(1),
        })
    }

    /// Samples, with silence added where there are too few.
    fn padded(speech: &[f32]) -> std::borrow::Cow<'_, [f32]> {
        if speech.len() >= SHORTEST {
            return speech.into();
        }
        let mut padded = speech.to_vec();
        padded.resize(SHORTEST, 0.0);
        padded.into()
    }
}

impl Transcriber for Whisper {
    fn detect_language(&mut self, speech: &[f32]) -> Result<Language, String> {
        let threads = self.threads as usize;
        let speech = Self::padded(speech);
        self.state
            .pcm_to_mel(&speech, threads)
            .map_err(|error| error.to_string())?;
        let (_, probabilities) = self.state.lang_detect(0, threads).map_err(|error| error.to_string())?;
        let probability = |language: Language| {
            whisper_rs::get_lang_id(language.as_str())
                .and_then(|id| probabilities.get(usize::try_from(id).ok()?).copied())
                .unwrap_or(0.0)
        };
        Ok(if probability(Language::Ru) > probability(Language::En) {
            Language::Ru
        } else {
            Language::En
        })
    }

    fn words(&mut self, speech: &[f32], language: Language, phrases: bool) -> Result<Vec<Phrase>, String> {
        let seconds = speech.len() as f32 / SAMPLE_RATE as f32;
        let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        parameters.set_n_threads(self.threads);
        parameters.set_language(Some(language.as_str()));
        parameters.set_translate(false);
        // Text of earlier turns makes one error spread over the call.
        parameters.set_no_context(true);
        parameters.set_audio_ctx(((seconds * POSITIONS_PER_S).ceil() as i32 + MARGIN).min(FULL_WINDOW));
        parameters.set_suppress_blank(true);
        parameters.set_suppress_nst(true);
        parameters.set_no_timestamps(!phrases);
        parameters.set_print_progress(false);
        parameters.set_print_realtime(false);
        parameters.set_print_special(false);
        parameters.set_print_timestamps(false);
        self.state
            .full(parameters, &Self::padded(speech))
            .map_err(|error| error.to_string())?;
        let mut heard: Vec<Phrase> = Vec::new();
        for segment in self.state.as_iter() {
            let mut sum = 0.0;
            let tokens = segment.n_tokens();
            for at in 0..tokens {
                sum += segment
                    .get_token(at)
                    .map_or(0.0, |token| token.token_probability().max(1e-6).ln());
            }
            let weak = sum / (tokens.max(1) as f32) < WEAK_LOG_PROBABILITY;
            if weak && segment.no_speech_probability() > NO_SPEECH {
                continue;
            }
            let text = segment.to_str_lossy().map_err(|error| error.to_string())?;
            // whisper.cpp counts in hundredths of a second, and may point behind the end of what it was given.
            let time = |hundredths: i64| (hundredths as f64 / 100.0).clamp(0.0, f64::from(seconds));
            heard.push(Phrase {
                start_s: time(segment.start_timestamp()),
                end_s: time(segment.end_timestamp()),
                text: text.trim().to_owned(),
            });
        }
        if !phrases && heard.len() > 1 {
            let texts: Vec<&str> = heard.iter().map(|phrase| phrase.text.as_str()).collect();
            heard = vec![Phrase {
                start_s: 0.0,
                end_s: f64::from(seconds),
                text: texts.join(" "),
            }];
        }
        heard.retain(|phrase| trusted(&phrase.text, (phrase.end_s - phrase.start_s) as f32));
        Ok(heard)
    }
}

/// It can have been said: no marks of noise, no more letters than a mouth can make.
fn trusted(text: &str, seconds: f32) -> bool {
    let bracketed = |open, close| text.starts_with(open) && text.ends_with(close);
    let noise = bracketed('[', ']') || bracketed('(', ')') || bracketed('*', '*');
    !noise
        && text.chars().any(char::is_alphanumeric)
        && text.chars().count() as f32 <= MOST_LETTERS_PER_S * seconds.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::trusted;

    #[test]
    fn what_cannot_have_been_said_is_dropped() {
        assert!(!trusted("[BLANK_AUDIO]", 2.0));
        assert!(!trusted("(music)", 2.0));
        assert!(!trusted("...", 2.0));
        assert!(!trusted(&"да ".repeat(200), 2.0));
        assert!(trusted("Да, слушаю.", 0.4));
    }
}
