//! whisper.cpp behind [`Transcriber`].
//!
//! Settings are those that were measured fastest at equal error on two threads: q8_0 weights, greedy, the encoder's
//! window shortened to the speech plus a margin (without the margin, 4–5 more words in a hundred are wrong).

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use whisper_rs::{
    DtwMode, DtwModelPreset, DtwParameters, FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters,
    WhisperState, WhisperTokenId,
};

use super::invented::{self, Heard};
use super::names::Prompt;
use super::{Error, Failure, Piece, Transcriber};
use crate::domain::{Language, SAMPLE_RATE, Word};

/// Positions of the encoder for one second of sound.
const POSITIONS_PER_S: f32 = 50.0;
/// Positions beyond the speech that keep the error where the full window has it.
const MARGIN: u32 = 256;
/// The full window: 30 s.
const FULL_WINDOW: u32 = 1500;
/// Other counts of positions than multiples of this miss the fast product of attention, and take a seventh longer.
const LANES: u32 = 32;
/// whisper.cpp refuses less than one second.
const SHORTEST: usize = SAMPLE_RATE as usize * 11 / 10;
/// The model takes 223 tokens before what it hears, and of more only the last.
const MOST_TOKENS: usize = 200;
/// A word takes no longer than this, in seconds, and so much for each of its letters.
const WORD_S: f64 = 0.25;
const LETTER_S: f64 = 0.1;

/// The weights in memory; any number of recognisers use them at the same time.
pub struct Weights {
    context: Arc<WhisperContext>,
    path: String,
}

pub struct Whisper {
    context: Arc<WhisperContext>,
    state: WhisperState,
    /// The first token that is no text.
    end_of_text: WhisperTokenId,
    threads: i32,
}

impl Weights {
    pub fn load(path: &Path) -> Result<Self, Error> {
        whisper_rs::install_logging_hooks();
        let path_text = path.display().to_string();
        let sizes = Sizes::read(path).map_err(|cause| Error::Weights {
            path: path_text.clone(),
            cause: cause.to_string(),
        })?;
        let mut parameters = WhisperContextParameters::new();
        // Measured slower on processors.
        parameters.use_gpu(false).flash_attn(false);
        parameters.dtw_parameters(DtwParameters {
            mode: sizes.alignment(),
            ..DtwParameters::default()
        });
        match WhisperContext::new_with_params(path, parameters) {
            Ok(context) => Ok(Self {
                context: Arc::new(context),
                path: path_text,
            }),
            Err(cause) => Err(Error::Weights {
                path: path_text,
                cause: cause.to_string(),
            }),
        }
    }
}

/// What the head of a ggml file says of the model.
struct Sizes {
    vocabulary: u32,
    sound_layers: u32,
    text_layers: u32,
}

/// Every whisper model below this size of vocabulary is English only.
const MULTILINGUAL: u32 = 51_865;

impl Sizes {
    fn read(path: &Path) -> std::io::Result<Self> {
        let mut head = [0; 40];
        std::fs::File::open(path)?.read_exact(&mut head)?;
        // After the mark "ggml": vocabulary; width of sound, its positions, heads, layers; the same of text.
        let number =
            |at: usize| u32::from_le_bytes([head[at * 4], head[at * 4 + 1], head[at * 4 + 2], head[at * 4 + 3]]);
        Ok(Self {
            vocabulary: number(1),
            sound_layers: number(5),
            text_layers: number(9),
        })
    }

    /// The attention heads that say where a word is.
    fn alignment(&self) -> DtwMode<'static> {
        let multilingual = self.vocabulary >= MULTILINGUAL;
        let model_preset = match (self.sound_layers, self.text_layers, multilingual) {
            (4, 4, true) => DtwModelPreset::Tiny,
            (4, 4, false) => DtwModelPreset::TinyEn,
            (6, 6, true) => DtwModelPreset::Base,
            (6, 6, false) => DtwModelPreset::BaseEn,
            (12, 12, true) => DtwModelPreset::Small,
            (12, 12, false) => DtwModelPreset::SmallEn,
            (24, 24, true) => DtwModelPreset::Medium,
            (24, 24, false) => DtwModelPreset::MediumEn,
            (32, 4, _) => DtwModelPreset::LargeV3Turbo,
            (32, 32, _) if self.vocabulary > MULTILINGUAL => DtwModelPreset::LargeV3,
            (32, 32, _) => DtwModelPreset::LargeV2,
            // Not one of OpenAI's: the upper layers know it best.
            (_, layers, _) => {
                return DtwMode::TopMost {
                    n_top: i32::try_from(layers / 2).unwrap_or(1).max(1),
                };
            }
        };
        DtwMode::ModelPreset { model_preset }
    }
}

/// Recognisers that hear at the same time; each takes memory. As many with few threads are better than one with many: the
/// threads of one wait for each other by spinning, which on a busy machine takes ten times as long as the work.
pub const MOST: usize = 4;

/// Opens recognisers that share `threads` and so many pieces of work.
pub fn open(weights: &Weights, threads: usize, pieces: usize) -> Result<Vec<Box<dyn Transcriber>>, Error> {
    let count = threads.clamp(1, MOST).min(pieces.max(1));
    (0..count)
        .map(|_| Ok(Box::new(Whisper::new(weights, threads / count)?) as Box<dyn Transcriber>))
        .collect()
}

impl Whisper {
    pub fn new(weights: &Weights, threads: usize) -> Result<Self, Error> {
        let state = weights.context.create_state().map_err(|cause| Error::Weights {
            path: weights.path.clone(),
            cause: cause.to_string(),
        })?;
        Ok(Self {
            context: Arc::clone(&weights.context),
            state,
            end_of_text: weights.context.token_eot(),
            threads: i32::try_from(threads).unwrap_or(1).max(1),
        })
    }

    /// What the recogniser is told before it hears: as many of the names as fit, the first first.
    fn prompt<'n>(&self, names: &'n [String]) -> Result<(Prompt<'n>, Vec<WhisperTokenId>), String> {
        let mut count = names.len();
        loop {
            let prompt = Prompt::new(&names[..count]);
            let text = prompt.text();
            // No token is shorter than a byte.
            let tokens = self
                .context
                .tokenize(&text, text.len())
                .map_err(|error| error.to_string())?;
            if tokens.len() <= MOST_TOKENS || count == 0 {
                return Ok((prompt, tokens));
            }
            count -= 1;
        }
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
    fn detect_language(&mut self, piece: &Piece<'_>) -> Result<Language, Failure> {
        let threads = self.threads as usize;
        let speech = Self::padded(piece.samples);
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

    fn words(&mut self, piece: &Piece<'_>, language: Language) -> Result<Vec<Word>, Failure> {
        let speech = piece.samples;
        let seconds = speech.len() as f32 / SAMPLE_RATE as f32;
        let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        parameters.set_n_threads(self.threads);
        parameters.set_language(Some(language.as_str()));
        parameters.set_translate(false);
        // Text of earlier turns makes one error spread over the call.
        parameters.set_no_context(true);
        let (prompt, tokens) = self.prompt(piece.names)?;
        parameters.set_tokens(&tokens);
        let positions = (seconds * POSITIONS_PER_S).ceil() as u32 + MARGIN;
        let positions = positions.next_multiple_of(LANES).min(FULL_WINDOW / LANES * LANES);
        parameters.set_audio_ctx(positions as i32);
        parameters.set_suppress_blank(true);
        parameters.set_suppress_nst(true);
        // Times come from the alignment; asking the decoder for them too costs tokens.
        parameters.set_no_timestamps(true);
        parameters.set_print_progress(false);
        parameters.set_print_realtime(false);
        parameters.set_print_special(false);
        parameters.set_print_timestamps(false);
        self.state
            .full(parameters, &Self::padded(speech))
            .map_err(|error| error.to_string())?;
        let mut heard: Vec<Heard> = Vec::new();
        for segment in self.state.as_iter() {
            let tokens: Vec<Token> = (0..segment.n_tokens())
                .filter_map(|at| segment.get_token(at))
                .filter(|token| token.token_id() < self.end_of_text)
                .map(|token| {
                    Ok(Token {
                        bytes: token.to_bytes()?.to_vec(),
                        end_s: token.token_data().t_dtw as f64 / 100.0,
                        probability: token.token_probability(),
                    })
                })
                .collect::<Result<_, whisper_rs::WhisperError>>()
                .map_err(|error| error.to_string())?;
            let log = |token: &Token| token.probability.max(1e-6).ln();
            let sure = tokens.iter().map(log).sum::<f32>() / (tokens.len().max(1) as f32);
            if invented::is_no_speech(segment.no_speech_probability(), sure) {
                continue;
            }
            heard.extend(words(&tokens, f64::from(seconds)));
        }
        let words = invented::without(heard, f64::from(seconds));
        Ok(prompt.without_echo(words))
    }
}

/// A piece of a word, as the decoder writes it.
struct Token {
    bytes: Vec<u8>,
    /// Where it ends, in seconds: whisper.cpp's alignment gives each token the place of the one behind it.
    end_s: f64,
    probability: f32,
}

impl Token {
    /// Nothing that is read aloud.
    fn is_mark(&self) -> bool {
        let text = String::from_utf8_lossy(&self.bytes);
        !text.contains(|c: char| c.is_alphanumeric() || c == char::REPLACEMENT_CHARACTER)
    }
}

/// Tokens → words: one begins at each blank; marks belong to the word before them.
fn words(tokens: &[Token], seconds: f64) -> Vec<Heard> {
    let mut groups: Vec<Vec<&Token>> = Vec::new();
    for token in tokens {
        match groups.last_mut() {
            Some(group) if !token.bytes.starts_with(b" ") || token.is_mark() => group.push(token),
            _ => groups.push(vec![token]),
        }
    }
    let mut before_s = 0.0_f64;
    let mut words = Vec::with_capacity(groups.len());
    for group in groups {
        let bytes: Vec<u8> = group.iter().flat_map(|token| token.bytes.iter().copied()).collect();
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let spoken = group.iter().rfind(|token| !token.is_mark()).unwrap_or(&group[0]);
        let longest_s = WORD_S + LETTER_S * text.chars().filter(|c| c.is_alphanumeric()).count() as f64;
        let end_s = spoken.end_s.clamp(before_s, seconds.max(before_s));
        // Before the first word of a phrase comes a pause, which the alignment gives to the word.
        let start_s = before_s.max(end_s - longest_s);
        before_s = end_s;
        if !text.is_empty() {
            words.push(Heard {
                word: Word { start_s, end_s, text },
                probability: group.iter().map(|token| token.probability).sum::<f32>() / group.len() as f32,
            });
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &[u8], end_s: f64) -> Token {
        Token {
            bytes: text.to_vec(),
            end_s,
            probability: 0.9,
        }
    }

    #[test]
    fn tokens_become_words_with_their_marks() {
        let five = " пять".as_bytes();
        let tokens = [
            token(b" Ann", 2.1),
            token(b"ual", 2.3),
            token(b",", 2.4),
            token(" –".as_bytes(), 2.5),
            token(&five[..4], 2.7),
            token(&five[4..], 2.8),
            token(b".", 4.4),
        ];
        let found: Vec<Word> = words(&tokens, 10.0).into_iter().map(|heard| heard.word).collect();
        let texts: Vec<&str> = found.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["Annual, –", "пять."]);
        assert!(found[0].start_s > 1.0 && found[0].end_s == 2.3, "{found:?}");
        assert_eq!((found[1].start_s, found[1].end_s), (2.3, 2.8));
    }
}
