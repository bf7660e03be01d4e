//! Tokens: their bytes, those with a meaning of their own, those that are never chosen, and text → tokens.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::file::File;
use crate::domain::Language;

pub struct Vocabulary {
    tokens: Vec<Vec<u8>>,
    by_bytes: HashMap<Vec<u8>, u32>,
    /// Whether the model knows other languages than English.
    pub multilingual: bool,
    /// Behind the last token of a text.
    pub end: u32,
    /// Before what is heard.
    pub start: u32,
    /// Before text that came before.
    pub before: u32,
    pub no_speech: u32,
    /// Neither marks of noise, nor times, nor tokens with another meaning.
    never: Vec<u32>,
    /// Not at the beginning: nothing, and a blank.
    never_first: Vec<u32>,
}

/// Models with fewer tokens know English only.
const MULTILINGUAL: usize = 51_865;
/// No model has fewer.
pub const LEAST: usize = MULTILINGUAL - 1;
/// Tokens right before a text, at most.
pub const BEGIN: usize = 4;
/// Languages of those with as many.
const LANGUAGES: usize = 99;
/// Of tokens with a meaning, the place behind the languages: translate, transcribe, the language model, before, no speech, no times.
const TRANSCRIBE: u32 = 1;
const BEFORE: u32 = 3;
const NO_SPEECH: u32 = 4;
const NO_TIMES: u32 = 5;

/// What stands for noise, music and speakers in subtitles; alone or behind a blank.
const NOISE: [&str; 55] = [
    "\"",
    "#",
    "(",
    ")",
    "*",
    "+",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "「",
    "」",
    "『",
    "』",
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    "(\"",
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
    "♩",
    "♪",
    "♫",
    "♬",
    "♭",
    "♮",
    "♯",
    "-",
];

/// Text falls into these before it is cut to tokens.
static PARTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+")
        .unwrap_or_else(|error| unreachable!("{error}"))
});

impl Vocabulary {
    pub fn new(file: &File) -> Self {
        let count = file.sizes.vocabulary;
        let multilingual = count >= MULTILINGUAL;
        let end = if multilingual { 50_257 } else { 50_256 };
        let start = end + 1;
        // Newer models have a language more, and nothing else.
        let languages = (LANGUAGES + count.saturating_sub(MULTILINGUAL)) as u32;
        let meant = start + 1 + languages;
        let by_bytes: HashMap<Vec<u8>, u32> = file.tokens.iter().cloned().zip(0..).collect();
        let token = |text: &str| by_bytes.get(text.as_bytes()).copied();
        // A hyphen joins words; only behind a blank it is a speaker's.
        let alone = NOISE.iter().filter(|text| **text != "-").filter_map(|text| token(text));
        let behind = NOISE.iter().chain(&["'"]).filter_map(|text| token(&format!(" {text}")));
        let never = alone.chain(behind).chain(start..count as u32).collect();
        Self {
            multilingual,
            end,
            start,
            before: meant + BEFORE,
            no_speech: meant + NO_SPEECH,
            never,
            never_first: token(" ").into_iter().chain([end]).collect(),
            tokens: file.tokens.clone(),
            by_bytes,
        }
    }

    /// The token that says a language.
    pub const fn language(&self, language: Language) -> u32 {
        let place = match language {
            Language::En => 0,
            Language::Ru => 4,
        };
        self.start + 1 + place
    }

    /// What is read before the text: the language, that its own words are wanted, and no times.
    pub fn begin(&self, language: Language) -> Vec<u32> {
        let meant = self.before - BEFORE;
        if self.multilingual {
            let all: [u32; BEGIN] = [
                self.start,
                self.language(language),
                meant + TRANSCRIBE,
                meant + NO_TIMES,
            ];
            all.to_vec()
        } else {
            vec![self.start, meant + NO_TIMES]
        }
    }

    /// Makes what is not text impossible; `first`: at the beginning.
    pub fn forbid(&self, choice: &mut [f32], first: bool) {
        let also: &[u32] = if first { &self.never_first } else { &[] };
        for token in self.never.iter().chain(also) {
            choice[*token as usize] = f32::NEG_INFINITY;
        }
    }

    /// The bytes of a token of text.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.tokens.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// Text → tokens: of neighbours, those that make the earliest token are joined first.
    pub fn cut(&self, text: &str) -> Vec<u32> {
        let parts = PARTS.find_iter(text);
        parts.flat_map(|part| self.cut_part(part.as_str().as_bytes())).collect()
    }

    fn cut_part(&self, bytes: &[u8]) -> Vec<u32> {
        let mut ends: Vec<usize> = (0..=bytes.len()).collect();
        let token = |from: usize, to: usize| self.by_bytes.get(&bytes[from..to]).copied();
        loop {
            let joined = |at: usize| Some((token(ends[at - 1], ends[at + 1])?, at));
            match (1..ends.len() - 1).filter_map(joined).min() {
                Some((_, at)) => {
                    ends.remove(at);
                }
                None => return ends.windows(2).filter_map(|part| token(part[0], part[1])).collect(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::{File, Sizes};
    use super::*;

    fn vocabulary() -> Vocabulary {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend(["in", "on", "ing", " S", "pr", "sp", "Sp", "ring", " '"].map(|text| text.as_bytes().to_vec()));
        let sizes = Sizes {
            vocabulary: MULTILINGUAL,
            places: 0,
            width: 0,
            sound_layers: 0,
            text_places: 0,
            text_layers: 0,
            bands: 0,
        };
        Vocabulary::new(&File::of(sizes, tokens))
    }

    #[test]
    fn text_is_cut_to_tokens() {
        let vocabulary = vocabulary();
        let texts = |text| -> Vec<String> {
            let tokens = vocabulary.cut(text);
            tokens
                .iter()
                .map(|token| String::from_utf8_lossy(vocabulary.bytes(*token)).into_owned())
                .collect()
        };
        assert_eq!(texts(" Spring, on"), [" S", "pr", "ing", ",", " ", "on"]);
        assert_eq!(texts("ё").concat().chars().count(), 2);
        assert!(texts("").is_empty());
    }

    #[test]
    fn tokens_with_a_meaning_are_where_the_model_has_them() {
        let vocabulary = vocabulary();
        assert_eq!(vocabulary.begin(Language::Ru), [50_258, 50_263, 50_359, 50_363]);
        assert_eq!(
            (vocabulary.end, vocabulary.before, vocabulary.no_speech),
            (50_257, 50_361, 50_362)
        );
        let mut choice = vec![0.0; MULTILINGUAL];
        vocabulary.forbid(&mut choice, false);
        let is_never = |token: usize| choice[token] == f32::NEG_INFINITY;
        assert!(is_never(usize::from(b'[')) && is_never(264) && is_never(50_364) && is_never(MULTILINGUAL - 1));
        assert!(!is_never(usize::from(b'-')) && !is_never(50_257) && !is_never(usize::from(b' ')));
        vocabulary.forbid(&mut choice, true);
        assert!(choice[50_257] == f32::NEG_INFINITY && choice[usize::from(b' ')] == f32::NEG_INFINITY);
    }
}
