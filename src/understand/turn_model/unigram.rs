//! The vocabulary of the encoder: text → the likeliest words, by SentencePiece's unigram model.
//!
//! `tokenizers` has this model too, in hash tables inside hash tables: 250,000 words take 250 MiB there, and 15 here. What
//! goes before and after (normalizing, spaces, special words) is that library's.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokenizers::models::unigram::UnigramTrainer;
use tokenizers::{
    DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Token, TokenizerImpl,
};

pub type Tokenizer =
    TokenizerImpl<Unigram, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// How much less likely (log probability) than the rarest word a letter is that is in none.
const UNKNOWN_PENALTY: f64 = 10.0;
/// No word ends at a node.
const NONE: u32 = u32::MAX;

#[derive(Deserialize)]
#[serde(try_from = "Stored")]
pub struct Unigram {
    /// All words, one behind the other, and where each ends.
    text: String,
    ends: Vec<u32>,
    /// Log probabilities.
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
    tree: Tree,
}

/// As `tokenizer.json` has it.
#[derive(Deserialize)]
struct Stored {
    r#type: String,
    unk_id: u32,
    vocab: Vec<(String, f64)>,
    byte_fallback: bool,
}

impl TryFrom<Stored> for Unigram {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        if stored.r#type != "Unigram" || stored.byte_fallback {
            return Err("its vocabulary is of another kind than the encoder's".to_owned());
        }
        if stored.unk_id as usize >= stored.vocab.len() {
            return Err("its vocabulary lacks the word for what is unknown".to_owned());
        }
        let words: Vec<&[u8]> = stored.vocab.iter().map(|(word, _)| word.as_bytes()).collect();
        let tree = Tree::new(&words);
        let mut text = String::with_capacity(words.iter().map(|word| word.len()).sum());
        let mut ends = Vec::with_capacity(words.len());
        for (word, _) in &stored.vocab {
            text.push_str(word);
            ends.push(u32::try_from(text.len()).map_err(|_| "its vocabulary is too large".to_owned())?);
        }
        let scores: Vec<f64> = stored.vocab.iter().map(|(_, score)| *score).collect();
        Ok(Self {
            text,
            ends,
            unknown: stored.unk_id,
            unknown_score: scores.iter().copied().fold(f64::INFINITY, f64::min) - UNKNOWN_PENALTY,
            scores,
            tree,
        })
    }
}

/// The likeliest way to a place in a text.
#[derive(Clone, Copy)]
struct Way {
    /// The last word of it.
    word: u32,
    /// Where that begins.
    from: usize,
    score: f64,
}

impl Unigram {
    fn word(&self, id: u32) -> Option<&str> {
        let id = id as usize;
        let end = *self.ends.get(id)? as usize;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }

    /// The words of a text with their ends, the last first; each unknown letter by itself.
    fn backwards(&self, text: &str) -> Vec<Way> {
        let mut ways: Vec<Option<Way>> = vec![None; text.len() + 1];
        let offer = |ways: &mut Vec<Option<Way>>, to: usize, way: Way| {
            if ways[to].is_none_or(|best| way.score > best.score) {
                ways[to] = Some(way);
            }
        };
        for (from, letter) in text.char_indices() {
            let here = ways[from].map_or(0.0, |way| way.score);
            let next = from + letter.len_utf8();
            let mut is_known = false;
            self.tree.prefixes(&text.as_bytes()[from..], |length, word| {
                let score = self.scores[word as usize] + here;
                offer(&mut ways, from + length, Way { word, from, score });
                is_known |= from + length == next;
            });
            if !is_known {
                let score = self.unknown_score + here;
                let word = self.unknown;
                offer(&mut ways, next, Way { word, from, score });
            }
        }
        let mut found = Vec::new();
        let mut end = text.len();
        while let Some(way) = ways[end] {
            found.push(way);
            end = way.from;
        }
        found
    }
}

impl Model for Unigram {
    // A type must be named; nothing here trains.
    type Trainer = UnigramTrainer;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut end = text.len();
        for way in self.backwards(text) {
            match tokens.last_mut() {
                // Unknown letters in a row are one word.
                Some(last) if way.word == self.unknown && last.id == self.unknown => {
                    last.offsets.0 = way.from;
                    last.value.insert_str(0, &text[way.from..end]);
                }
                _ => tokens.push(Token::new(way.word, text[way.from..end].to_owned(), (way.from, end))),
            }
            end = way.from;
        }
        tokens.reverse();
        Ok(tokens)
    }

    fn token_to_id(&self, word: &str) -> Option<u32> {
        let mut id = None;
        self.tree.prefixes(word.as_bytes(), |length, found| {
            if length == word.len() {
                id = Some(found);
            }
        });
        id
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.word(id).map(str::to_owned)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        let ids = 0..self.ends.len() as u32;
        ids.filter_map(|id| Some((self.word(id)?.to_owned(), id))).collect()
    }

    fn get_vocab_size(&self) -> usize {
        self.ends.len()
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("a vocabulary is read only".into())
    }

    fn get_trainer(&self) -> UnigramTrainer {
        UnigramTrainer::default()
    }
}

/// Words by their bytes. Nodes are numbered level by level, and so lie the children of one behind those of the one before.
struct Tree {
    /// First child of each node; behind the last, the number of nodes.
    first: Vec<u32>,
    /// The byte that leads to each node.
    bytes: Vec<u8>,
    /// The word that ends at each node.
    words: Vec<u32>,
}

impl Tree {
    /// Of equal words, the last counts.
    fn new(words: &[&[u8]]) -> Self {
        let mut sorted: Vec<u32> = (0..words.len() as u32).collect();
        sorted.sort_by_key(|&id| (words[id as usize], id));
        let mut tree = Self {
            first: Vec::new(),
            bytes: vec![0],
            words: Vec::new(),
        };
        // Nodes to come: the words that go through each, and how many of their bytes lead to it.
        let mut queue = VecDeque::from([(sorted.as_slice(), 0)]);
        while let Some((mut through, depth)) = queue.pop_front() {
            let mut ending = NONE;
            while let Some((&id, others)) = through
                .split_first()
                .filter(|(id, _)| words[**id as usize].len() == depth)
            {
                ending = id;
                through = others;
            }
            tree.words.push(ending);
            tree.first.push(tree.bytes.len() as u32);
            for children in through.chunk_by(|a, b| words[*a as usize][depth] == words[*b as usize][depth]) {
                tree.bytes.push(words[children[0] as usize][depth]);
                queue.push_back((children, depth + 1));
            }
        }
        tree.first.push(tree.bytes.len() as u32);
        tree
    }

    /// Tells `found` the length and the word of each prefix that is one, the shortest first.
    fn prefixes(&self, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut node = 0;
        for (at, byte) in text.iter().enumerate() {
            let (from, to) = (self.first[node] as usize, self.first[node + 1] as usize);
            let Ok(child) = self.bytes[from..to].binary_search(byte) else {
                return;
            };
            node = from + child;
            if self.words[node] != NONE {
                found(at + 1, self.words[node]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vocab: &[(&str, f64)]) -> Unigram {
        let vocab = vocab.iter().map(|(word, score)| ((*word).to_owned(), *score)).collect();
        let stored = Stored {
            r#type: "Unigram".to_owned(),
            unk_id: 0,
            vocab,
            byte_fallback: false,
        };
        Unigram::try_from(stored).expect("a vocabulary")
    }

    fn cut(model: &Unigram, text: &str) -> Vec<(u32, String, (usize, usize))> {
        let tokens = model.tokenize(text).expect("cut");
        tokens
            .into_iter()
            .map(|token| (token.id, token.value, token.offsets))
            .collect()
    }

    #[test]
    fn the_likeliest_words_are_taken() {
        let model = of(&[
            ("<unk>", 0.0),
            ("a", -3.0),
            ("b", -3.0),
            ("ab", -5.0),
            ("abc", -20.0),
            ("да", -4.0),
        ]);
        let words = |text: &str| {
            cut(&model, text)
                .into_iter()
                .map(|(_, word, _)| word)
                .collect::<Vec<_>>()
        };
        assert_eq!(words("abab"), ["ab", "ab"]);
        assert_eq!(words("abc"), ["abc"], "an unknown letter is less likely than any word");
        let expected = [
            (3, "ab".to_owned(), (0, 2)),
            (0, "жж".to_owned(), (2, 6)),
            (5, "да".to_owned(), (6, 10)),
        ];
        assert_eq!(cut(&model, "abжжда"), expected);
        assert!(words("").is_empty());
    }

    #[test]
    fn every_word_has_its_number() {
        let model = of(&[("<unk>", 0.0), ("b", -1.0), ("ba", -1.0), ("a", -1.0), ("b", -2.0)]);
        assert_eq!(model.token_to_id("ba"), Some(2));
        assert_eq!(model.token_to_id("b"), Some(4), "the last of two counts");
        assert_eq!((model.token_to_id("bb"), model.token_to_id("")), (None, None));
        assert_eq!(
            (model.id_to_token(2).as_deref(), model.id_to_token(5)),
            (Some("ba"), None)
        );
        assert_eq!(model.get_vocab_size(), 5);
    }

    #[test]
    fn another_vocabulary_is_refused() {
        let parse = |kind: &str, unknown: u32| {
            let json = format!(r#"{{"type":"{kind}","unk_id":{unknown},"vocab":[["a",0.0]],"byte_fallback":false}}"#);
            serde_json::from_str::<Unigram>(&json)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(parse("Unigram", 0), Ok(()));
        assert!(parse("BPE", 0).expect_err("refused").contains("another kind"));
        assert!(parse("Unigram", 1).expect_err("refused").contains("unknown"));
    }
}
