//! The encoder: text of a turn → one vector (multilingual-e5-small, 12 BERT layers, 384 wide).
//!
//! Owns tokenizing, the vectors of words, and which texts go through the layers together; the layers themselves are in
//! `packed`. `candle_transformers` has this architecture too, but wants every weight as dense f32 (the table of 250,000
//! words alone is 366 MiB) and pads all texts of a batch to the longest: here the table stays in its 4-bit blocks, and the
//! texts of a batch lie behind each other without padding.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use candle_core::quantized::{QTensor, gguf_file};
use candle_core::{Device, IndexOp, Tensor};
use rayon::prelude::*;

use super::Error;
use super::layer::{Below, EPSILON, Layer, WIDTH};
use super::packed::{self, Packed};
use super::unigram::Tokenizer;
use crate::matrix::Norm;

pub const LAYERS: usize = 12;
/// Longer turns are cut: 128 tokens are about 90 words, and the annotation guide splits turns of over 80 words.
const MAX_TOKENS: usize = 128;
/// Tokens that go through the layers together. Large enough that reading the weights does not count, small enough that
/// the widest activation (1,536 floats a token) stays near 3 MiB and that all cores get a share of a call.
const BATCH_TOKENS: usize = 512;
/// e5 was trained with this word before every short text.
const PREFIX: &str = "query: ";

pub struct Encoder {
    tokenizer: Tokenizer,
    words: QTensor,
    /// What is added to a token for its place, row by row.
    places: Vec<f32>,
    norm: Norm,
    layers: Packed,
}

/// Reads named tensors of one GGUF file.
struct Reader {
    content: gguf_file::Content,
    file: BufReader<File>,
}

impl Reader {
    fn open(path: &Path) -> candle_core::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let content = gguf_file::Content::read(&mut file)?;
        Ok(Self { content, file })
    }

    fn quantized(&mut self, name: &str) -> candle_core::Result<QTensor> {
        self.content.tensor(&mut self.file, name, &Device::Cpu)
    }

    fn dense(&mut self, name: &str) -> candle_core::Result<Tensor> {
        self.quantized(name)?.dequantize(&Device::Cpu)
    }

    fn numbers(&mut self, name: &str) -> candle_core::Result<Vec<f32>> {
        self.dense(name)?.flatten_all()?.to_vec1()
    }

    /// Weight (inputs × outputs) and bias.
    fn linear(&mut self, names: &[String]) -> candle_core::Result<[Tensor; 2]> {
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        for name in names {
            weights.push(self.dense(&format!("{name}.weight"))?);
            biases.push(self.dense(&format!("{name}.bias"))?);
        }
        Ok([Tensor::cat(&weights, 0)?.t()?.contiguous()?, Tensor::cat(&biases, 0)?])
    }

    fn layer(&mut self, index: usize) -> candle_core::Result<Layer> {
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        let [qw, qb] = self.linear(&qkv)?;
        let [aw, ab] = self.linear(&[name("attention.output.dense")])?;
        let [uw, ub] = self.linear(&[name("intermediate.dense")])?;
        let [dw, db] = self.linear(&[name("output.dense")])?;
        let mut norm = |part: &str| self.dense(&name(part));
        let [anw, anb] = [
            norm("attention.output.LayerNorm.weight")?,
            norm("attention.output.LayerNorm.bias")?,
        ];
        let [onw, onb] = [norm("output.LayerNorm.weight")?, norm("output.LayerNorm.bias")?];
        Ok(Layer::new([qw, qb, aw, ab, anw, anb, uw, ub, dw, db, onw, onb]))
    }

    fn layers(&mut self, which: Range<usize>) -> candle_core::Result<Vec<Layer>> {
        which.map(|index| self.layer(index)).collect()
    }
}

fn damaged(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::Weights {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

/// Some of the layers of `model.gguf`, for training.
pub fn read_layers(model: &Path, which: Range<usize>) -> Result<Vec<Layer>, Error> {
    let layers = Reader::open(model).and_then(|mut reader| reader.layers(which));
    layers.map_err(|error| damaged(model, &error))
}

impl Encoder {
    /// Reads `model.gguf` and `tokenizer.json`. `top`: layers that stand in the place of as many of the last ones.
    pub fn load(model: &Path, tokenizer: &Path, top: Vec<Layer>) -> Result<Self, Error> {
        let tokenizer_json = std::fs::read(tokenizer).map_err(|error| damaged(tokenizer, &error))?;
        let tokenizer = Tokenizer::from_bytes(&tokenizer_json).map_err(|error| damaged(tokenizer, &error))?;
        Self::from_gguf(model, tokenizer, top).map_err(|error| damaged(model, &error))
    }

    fn from_gguf(model: &Path, tokenizer: Tokenizer, top: Vec<Layer>) -> candle_core::Result<Self> {
        let mut reader = Reader::open(model)?;
        let mut layers = reader.layers(0..LAYERS.saturating_sub(top.len()))?;
        layers.extend(top);
        let token_type = reader.dense("embeddings.token_type_embeddings.weight")?.i(0)?;
        let places = reader.dense("embeddings.position_embeddings.weight")?;
        Ok(Self {
            tokenizer,
            words: reader.quantized("embeddings.word_embeddings.weight")?,
            places: places.broadcast_add(&token_type)?.flatten_all()?.to_vec1()?,
            norm: Norm::new(
                reader.numbers("embeddings.LayerNorm.weight")?,
                reader.numbers("embeddings.LayerNorm.bias")?,
                EPSILON,
            ),
            layers: Packed::new(layers)?,
        })
    }

    /// The texts as tokens.
    pub fn cut(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, Error> {
        texts.par_iter().map(|text| self.tokens(text)).collect()
    }

    /// What texts look like below the last `count` layers.
    pub fn below(&self, tokens: &[Vec<u32>], count: usize) -> Result<Below, Error> {
        let rows = self.through(tokens, LAYERS.saturating_sub(count), |rows, _| rows)?;
        Ok(Below::new(rows, &lengths(tokens))?)
    }

    /// One vector of length [`WIDTH`] and norm 1 for each text, row by row.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<f32>, Error> {
        self.through(&self.cut(texts)?, LAYERS, |rows, lengths| packed::pool(&rows, lengths))
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self
            .tokenizer
            .encode_fast(format!("{PREFIX}{text}"), true)
            .map_err(|error| Error::Tokenizer {
                cause: error.to_string(),
            })?;
        let mut ids = encoding.get_ids().to_vec();
        if ids.len() > MAX_TOKENS {
            let end = ids[ids.len() - 1];
            ids.truncate(MAX_TOKENS);
            ids[MAX_TOKENS - 1] = end;
        }
        Ok(ids)
    }

    /// Texts through the first `layers` layers, batch by batch on all cores; `finish` makes of a batch's rows what is kept.
    fn through(
        &self,
        tokens: &[Vec<u32>],
        layers: usize,
        finish: impl Fn(Vec<f32>, &[usize]) -> Vec<f32> + Sync,
    ) -> Result<Vec<f32>, Error> {
        let work = |batch: &[Vec<u32>]| {
            let lengths = lengths(batch);
            let mut rows = self.embed(batch)?;
            self.layers.forward(&mut rows, &lengths, layers);
            Ok(finish(rows, &lengths))
        };
        // Inside the pool from the beginning: products that split themselves would else each wait for it from outside.
        let done = rayon::scope(|_| {
            batches(tokens)
                .into_par_iter()
                .map(work)
                .collect::<Result<Vec<_>, Error>>()
        })?;
        Ok(done.concat())
    }

    fn embed(&self, texts: &[Vec<u32>]) -> candle_core::Result<Vec<f32>> {
        let words = self.words.embedding(&Tensor::new(texts.concat(), &Device::Cpu)?)?;
        let mut rows: Vec<f32> = words.flatten_all()?.to_vec1()?;
        let mut rest = rows.as_mut_slice();
        for text in texts {
            let (own, others) = rest.split_at_mut(text.len() * WIDTH);
            own.iter_mut()
                .zip(&self.places)
                .for_each(|(number, place)| *number += place);
            rest = others;
        }
        self.norm.apply(&mut rows);
        Ok(rows)
    }
}

fn lengths(texts: &[Vec<u32>]) -> Vec<usize> {
    texts.iter().map(Vec::len).collect()
}

/// Texts that go through the layers together.
fn batches(texts: &[Vec<u32>]) -> Vec<&[Vec<u32>]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while !rest.is_empty() {
        let mut total = 0;
        let fits = |text: &&Vec<u32>| {
            total += text.len();
            total <= BATCH_TOKENS
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, others) = rest.split_at(count);
        batches.push(batch);
        rest = others;
    }
    batches
}
