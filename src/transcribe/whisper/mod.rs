//! Whisper, from the ggml files that whisper.cpp reads.
//!
//! Owns the model and how a piece is heard: with the encoder's window shortened to the speech plus a margin (without the margin, 4–5
//! more words in a hundred are wrong), several pieces at once, because a token costs little more for four than for one, and several
//! lines of text in each. Times of words are read off the decoder's attention while it writes. What is heard depends on the piece
//! alone, bit by bit: neither on the pieces beside it nor on the number of threads. A program of our own, because whisper.cpp takes
//! about twice as long with the same weights (benches/README.md).

mod align;
mod decoder;
mod encoder;
mod file;
mod memory;
mod parts;
mod search;
mod vocabulary;

use std::path::Path;
use std::sync::Arc;

use self::decoder::{Decoder, Head, Sound, Token as Read};
use self::encoder::{Encoder, FRAMES};
use self::file::{File, Sizes};
use self::search::Search;
use self::vocabulary::Vocabulary;
use super::invented::{self, Heard};
use super::mel::{HOP, Mel};
use super::names::{self, Prompt};
use super::{Error, Failure, Piece, Transcriber};
use crate::domain::{Language, SAMPLE_RATE, Word};
use crate::matrix::Products;

/// Samples of a place of the encoder: 20 ms.
const PLACE: usize = HOP * FRAMES;
/// Places beyond the speech that keep the error where the full window has it.
const MARGIN: usize = 256;
/// The model reads 448 tokens: no more than 223 of what came before. With the token that begins them.
const MOST_BEFORE: usize = 201;
/// A word takes no longer than this, in seconds, and so much for each of its letters.
const WORD_S: f64 = 0.25;
const LETTER_S: f64 = 0.1;
/// Pieces that are heard at once by one recogniser. Each takes some 25 MiB (base).
pub const AT_ONCE: usize = 4;

/// The weights in memory; any number of recognisers use them at the same time.
pub struct Weights(Arc<Model>);

struct Model {
    mel: Mel,
    encoder: Encoder,
    decoder: Decoder,
    vocabulary: Vocabulary,
    sizes: Sizes,
}

pub struct Whisper {
    model: Arc<Model>,
    pool: rayon::ThreadPool,
}

impl Weights {
    /// Reads a ggml file. Its matrices are rounded to bytes whatever they were stored as, where the processor multiplies bytes.
    pub fn load(path: &Path, threads: usize) -> Result<Self, Error> {
        let read = || {
            File::read(path)
                .and_then(|file| Model::new(&file))
                .map_err(|error| error.to_string())
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        let model = pool
            .map_err(|error| error.to_string())
            .and_then(|pool| pool.install(read));
        model
            .map(|model| Self(Arc::new(model)))
            .map_err(|cause| Error::Weights {
                path: path.display().to_string(),
                cause,
            })
    }
}

/// Recognisers that hear at the same time; each takes memory.
pub const MOST: usize = 4;

/// Opens recognisers that share `threads` and so many pieces of work.
pub fn open(weights: &Weights, threads: usize, pieces: usize) -> Result<Vec<Box<dyn Transcriber>>, Error> {
    let count = threads.clamp(1, MOST).min(pieces.max(1));
    (0..count)
        .map(|_| Ok(Box::new(Whisper::new(weights, threads / count)?) as Box<dyn Transcriber>))
        .collect()
}

impl Model {
    fn new(file: &File) -> Result<Self, file::Error> {
        let sizes = file.sizes;
        check(file)?;
        let vocabulary = Vocabulary::new(file);
        let mel = Mel::new(&file.filters, sizes.bands).ok_or_else(|| file::Error::Shape {
            name: "mel filters".to_owned(),
            found: vec![file.filters.len()],
            wanted: vec![sizes.bands],
        })?;
        Ok(Self {
            mel,
            encoder: Encoder::new(file)?,
            decoder: Decoder::new(file, aligning(sizes, vocabulary.multilingual))?,
            vocabulary,
            sizes,
        })
    }

    /// Speech, as the decoder attends to it.
    fn listen(&self, products: &mut Products, speech: &[f32]) -> Result<Sound, String> {
        let places = (speech.len().div_ceil(PLACE) + MARGIN).min(self.sizes.places);
        let sound = self.bands(speech, places * FRAMES)?;
        let heard = self.encoder.forward(products, &sound);
        Ok(self.decoder.sound(products, &heard))
    }

    /// Frames × bands: logarithms of the power, down to a hundred millionth of the loudest.
    fn bands(&self, speech: &[f32], frames: usize) -> Result<Vec<f32>, String> {
        const QUIETEST: f32 = 1e-10;
        const RANGE: f32 = 8.0;
        // Behind the last frame that the speech reaches into there is nothing to compute.
        let spoken = (speech.len() / HOP + 2).min(frames);
        let read = |range: std::ops::Range<usize>| {
            Ok(speech[range.start.min(speech.len())..range.end.min(speech.len())].to_vec())
        };
        let mut bands = self.mel.frames(read, 0..spoken).map_err(|error| error.to_string())?;
        bands.iter_mut().for_each(|power| *power = power.max(QUIETEST).log10());
        bands.resize(frames * self.sizes.bands, QUIETEST.log10());
        let floor = bands.iter().copied().fold(f32::NEG_INFINITY, f32::max) - RANGE;
        // To about −1 to 1, as the model was trained.
        bands.iter_mut().for_each(|band| *band = (band.max(floor) + 4.0) / 4.0);
        Ok(bands)
    }

    /// What is read before the text: names that may be said, as many as fit, the first first; then the language.
    fn before<'n>(&self, names: &'n [String], language: Language) -> (Prompt<'n>, Vec<u32>) {
        let (mut told, mut tokens) = (0, vec![self.vocabulary.before]);
        // A blank begins a token: each name is cut as if it stood alone.
        for name in names {
            let own = self.vocabulary.cut(&format!(" {}", names::sentence(name)));
            if tokens.len() + own.len() > MOST_BEFORE {
                break;
            }
            tokens.extend(own);
            told += 1;
        }
        if told == 0 {
            tokens.clear();
        }
        tokens.extend(self.vocabulary.begin(language));
        (Prompt::new(&names[..told]), tokens)
    }

    fn detect_language(&self, piece: &Piece<'_>) -> Result<Language, String> {
        if !self.vocabulary.multilingual {
            return Ok(Language::En);
        }
        let mut products = Products::default();
        let sound = self.listen(&mut products, piece.samples)?;
        let start = Read {
            line: 0,
            id: self.vocabulary.start,
            align: false,
            choose: true,
        };
        let mut line = [self.decoder.line(0, 1)];
        let choice = self.decoder.read(&mut products, &[sound], &mut line, &[start]);
        let likely = |language| choice[self.vocabulary.language(language) as usize];
        Ok(if likely(Language::Ru) > likely(Language::En) {
            Language::Ru
        } else {
            Language::En
        })
    }

    fn words(&self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, String> {
        let mut products = Products::default();
        let (mut sounds, mut prompts, mut before) = (Vec::new(), Vec::new(), Vec::new());
        // Pieces of a call have the same names.
        for same in pieces.chunk_by(|one, next| one.names == next.names) {
            let (prompt, tokens) = self.before(same[0].names, language);
            for piece in same {
                sounds.push(self.listen(&mut products, piece.samples)?);
                prompts.push(prompt);
                before.push(tokens.clone());
            }
        }
        let mut heard = self.read(&mut products, &sounds, pieces, &before, language);
        // Names that were told may be all that is heard in a piece: without them the recogniser hears what is said.
        let read_out: Vec<usize> = (0..heard.len())
            .filter(|at| prompts[*at].is_read_out(&heard[*at]))
            .collect();
        if !read_out.is_empty() {
            let sounds = sounds.into_iter().enumerate().filter(|(at, _)| read_out.contains(at));
            let sounds: Vec<Sound> = sounds.map(|(_, sound)| sound).collect();
            let own: Vec<Piece<'_>> = read_out.iter().map(|at| pieces[*at]).collect();
            let before = vec![self.vocabulary.begin(language); own.len()];
            let again = self.read(&mut products, &sounds, &own, &before, language);
            for (at, words) in read_out.into_iter().zip(again) {
                heard[at] = words;
            }
        }
        Ok(heard)
    }

    /// The words of pieces, with what is read before the text of each.
    fn read(
        &self,
        products: &mut Products,
        sounds: &[Sound],
        pieces: &[Piece<'_>],
        before: &[Vec<u32>],
        language: Language,
    ) -> Vec<Vec<Word>> {
        let search = Search {
            decoder: &self.decoder,
            vocabulary: &self.vocabulary,
            sounds,
            begin: self.vocabulary.begin(language).len(),
        };
        let texts = search.run(products, before);
        let first = search.begin - 1;
        let heard = pieces.iter().zip(texts).map(|(piece, text)| {
            let seconds = super::seconds(piece.samples.len());
            if invented::is_no_speech(text.no_speech, text.sure()) {
                return Vec::new();
            }
            let places = piece.samples.len().div_ceil(PLACE).clamp(1, self.sizes.places);
            let begins = align::begins(&text.aligned, first, places);
            let tokens: Vec<Token> = (text.tokens.iter().enumerate())
                .map(|(at, (id, probability))| Token {
                    bytes: self.vocabulary.bytes(*id).to_vec(),
                    // A token begins where the one before it was read; it ends where the next begins.
                    end_s: begins
                        .get(at + 1)
                        .map_or(seconds, |place| super::seconds(place * PLACE)),
                    probability: *probability,
                })
                .collect();
            invented::without(words(&tokens, seconds), seconds)
        });
        heard.collect()
    }
}

/// Whether the sizes are those of a model. That all weights are there in these sizes is seen where they are read.
fn check(file: &File) -> Result<(), file::Error> {
    let sizes = file.sizes;
    /// A piece is up to 30 s long.
    const SOUND_PLACES: usize = 30 * SAMPLE_RATE as usize / PLACE;
    let least = MOST_BEFORE + vocabulary::BEGIN + search::MOST;
    let checks = [
        (
            "width",
            sizes.width,
            sizes.width > 0 && sizes.width.is_multiple_of(parts::HEAD),
        ),
        ("count of layers for sound", sizes.sound_layers, sizes.sound_layers > 0),
        ("count of layers for text", sizes.text_layers, sizes.text_layers > 0),
        ("count of bands", sizes.bands, sizes.bands > 0),
        ("count of places for sound", sizes.places, sizes.places >= SOUND_PLACES),
        (
            "count of places for text",
            sizes.text_places,
            sizes.text_places >= least,
        ),
        ("vocabulary", sizes.vocabulary, sizes.vocabulary >= vocabulary::LEAST),
        (
            "list of tokens",
            file.tokens.len(),
            file.tokens.len() <= sizes.vocabulary,
        ),
    ];
    let wrong = checks.into_iter().find(|(.., right)| !right);
    wrong.map_or(Ok(()), |(what, found, _)| Err(file::Error::Size { what, found }))
}

/// The decoder's heads that attend to the place where a token is spoken, as OpenAI publishes them for its models.
fn aligning(sizes: Sizes, multilingual: bool) -> Vec<Head> {
    let known: &[Head] = match (sizes.sound_layers, sizes.text_layers, multilingual) {
        (4, 4, true) => &[(2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)],
        (4, 4, false) => &[(1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)],
        (6, 6, true) => &[(3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)],
        (6, 6, false) => &[(3, 3), (4, 7), (5, 1), (5, 5), (5, 7)],
        (12, 12, true) => &[
            (5, 3),
            (5, 9),
            (8, 0),
            (8, 4),
            (8, 7),
            (8, 8),
            (9, 0),
            (9, 7),
            (9, 9),
            (10, 5),
        ],
        (24, 24, true) => &[(13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)],
        (32, 4, true) => &[(2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)],
        (32, 32, true) => &[
            (7, 0),
            (10, 17),
            (12, 18),
            (13, 12),
            (16, 1),
            (17, 14),
            (19, 11),
            (21, 4),
            (24, 1),
            (25, 6),
        ],
        _ => &[],
    };
    if known.is_empty() {
        // Of other models the upper layers know it best; more than two take too much room.
        let heads = sizes.width / parts::HEAD;
        let upper = sizes.text_layers.saturating_sub(2)..sizes.text_layers;
        return upper
            .flat_map(|layer| (0..heads).map(move |head| (layer, head)))
            .collect();
    }
    known.to_vec()
}

impl Whisper {
    pub fn new(Weights(model): &Weights, threads: usize) -> Result<Self, Error> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        Ok(Self {
            model: Arc::clone(model),
            pool: pool.map_err(|error| Error::Recogniser {
                at_s: 0.0,
                cause: error.to_string().into(),
            })?,
        })
    }
}

impl Transcriber for Whisper {
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn detect_language(&mut self, piece: &Piece<'_>) -> Result<Language, Failure> {
        Ok(self.pool.install(|| self.model.detect_language(piece))?)
    }

    fn words(&mut self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, Failure> {
        Ok(self.pool.install(|| self.model.words(pieces, language))?)
    }
}

/// A piece of a word, as the decoder writes it.
struct Token {
    bytes: Vec<u8>,
    /// Where it ends, in seconds.
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
