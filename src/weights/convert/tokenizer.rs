//! A Unigram vocabulary → `tokenizer.json` as the `tokenizers` library reads it.
//!
//! The file is put together from structs, not maps: the order of keys, and so the hash, is fixed.

use serde::Serialize;

use super::Error;
use super::charsmap::CharMap;

/// Pieces with their log probabilities, and what happens to text before it is cut into them.
#[derive(Debug)]
pub struct Unigram<'a> {
    pub pieces: Vec<&'a str>,
    pub scores: Vec<f32>,
    pub begin: usize,
    pub end: usize,
    pub padding: usize,
    pub unknown: usize,
    pub chars: CharMap,
}

/// SentencePiece writes a space as this character.
const SPACE: &str = "▁";
const MASK: &str = "<mask>";

#[derive(Serialize)]
struct File<'a> {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Added<'a>>,
    normalizer: Sequence,
    pre_tokenizer: Metaspace,
    post_processor: Template<'a>,
    decoder: Metaspace,
    model: Model<'a>,
}

#[derive(Serialize)]
struct Added<'a> {
    id: usize,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Serialize)]
struct Sequence {
    r#type: &'static str,
    normalizers: (Named, Precompiled, Replace),
}

#[derive(Serialize)]
struct Named {
    r#type: &'static str,
}

#[derive(Serialize)]
struct Precompiled {
    r#type: &'static str,
    precompiled_charsmap: String,
}

#[derive(Serialize)]
struct Replace {
    r#type: &'static str,
    pattern: Pattern,
    content: &'static str,
}

#[derive(Serialize)]
struct Pattern {
    #[serde(rename = "Regex")]
    regex: &'static str,
}

#[derive(Serialize, Clone, Copy)]
struct Metaspace {
    r#type: &'static str,
    replacement: &'static str,
    prepend_scheme: &'static str,
    split: bool,
}

#[derive(Serialize)]
struct Template<'a> {
    r#type: &'static str,
    single: Vec<Part<'a>>,
    pair: Vec<Part<'a>>,
    special_tokens: Specials<'a>,
}

#[derive(Serialize, Clone)]
enum Part<'a> {
    SpecialToken { id: &'a str, type_id: u8 },
    Sequence { id: &'static str, type_id: u8 },
}

/// A map with the pieces as keys.
struct Specials<'a>(Vec<(usize, &'a str)>);

impl Serialize for Specials<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, piece)| (piece, Special::of(*id, piece))))
    }
}

#[derive(Serialize)]
struct Special<'a> {
    id: &'a str,
    ids: [usize; 1],
    tokens: [&'a str; 1],
}

impl<'a> Special<'a> {
    fn of(id: usize, piece: &'a str) -> Self {
        Self {
            id: piece,
            ids: [id],
            tokens: [piece],
        }
    }
}

#[derive(Serialize)]
struct Model<'a> {
    r#type: &'static str,
    unk_id: usize,
    vocab: Vec<(&'a str, f64)>,
    byte_fallback: bool,
}

/// The text of `tokenizer.json`.
pub fn to_json(unigram: &Unigram<'_>) -> Result<Vec<u8>, Error> {
    let metaspace = Metaspace {
        r#type: "Metaspace",
        replacement: SPACE,
        prepend_scheme: "always",
        split: true,
    };
    let file = File {
        version: "1.0",
        truncation: (),
        padding: (),
        added_tokens: added(unigram),
        normalizer: normalizer(&unigram.chars),
        pre_tokenizer: metaspace,
        post_processor: template(unigram),
        decoder: metaspace,
        model: Model {
            r#type: "Unigram",
            unk_id: unigram.unknown,
            vocab: unigram
                .pieces
                .iter()
                .copied()
                .zip(unigram.scores.iter().map(|s| f64::from(*s)))
                .collect(),
            byte_fallback: false,
        },
    };
    serde_json::to_vec(&file).map_err(|e| Error::Format {
        what: "tokenizer.json",
        why: e.to_string(),
    })
}

fn added<'a>(unigram: &Unigram<'a>) -> Vec<Added<'a>> {
    let last = unigram.pieces.len() - 1;
    let mask = (unigram.pieces[last] == MASK).then_some(last);
    let ids = [unigram.begin, unigram.padding, unigram.end, unigram.unknown]
        .into_iter()
        .chain(mask);
    let token = |id| {
        let content = unigram.pieces[id];
        Added {
            id,
            content,
            single_word: false,
            lstrip: content == MASK,
            rstrip: false,
            normalized: false,
            special: true,
        }
    };
    ids.map(token).collect()
}

/// Composition first: text from some systems writes `й` as `и` and a breve, for which there is no piece.
fn normalizer(chars: &CharMap) -> Sequence {
    let charsmap = Precompiled {
        r#type: "Precompiled",
        precompiled_charsmap: chars.to_base64(),
    };
    let spaces = Replace {
        r#type: "Replace",
        pattern: Pattern { regex: " {2,}" },
        content: " ",
    };
    Sequence {
        r#type: "Sequence",
        normalizers: (Named { r#type: "NFC" }, charsmap, spaces),
    }
}

fn template<'a>(unigram: &Unigram<'a>) -> Template<'a> {
    let (begin, end) = (unigram.pieces[unigram.begin], unigram.pieces[unigram.end]);
    let special = |id| Part::SpecialToken { id, type_id: 0 };
    let text = |id| Part::Sequence { id, type_id: 0 };
    let single = vec![special(begin), text("A"), special(end)];
    let pair = [single.clone(), vec![special(end), text("B"), special(end)]].concat();
    let special_tokens = Specials(vec![(unigram.begin, begin), (unigram.end, end)]);
    Template {
        r#type: "TemplateProcessing",
        single,
        pair,
        special_tokens,
    }
}
