//! The encoder: text of a turn → one vector (multilingual-e5-small, 12 BERT layers, 384 wide).
//!
//! Owns tokenizing and the forward pass. `candle_transformers` has this architecture too, but wants every weight as
//! dense f32 (the table of 250,000 words alone is 366 MiB) and pads all texts of a batch to the longest: here the
//! table stays in its 4-bit blocks, and the texts of a batch lie behind each other without padding.

use std::path::Path;

use candle_core::quantized::{QTensor, gguf_file};
use candle_core::{D, Device, IndexOp, Tensor};
use tokenizers::Tokenizer;

use super::Error;

/// Width of a turn's vector.
pub const WIDTH: usize = 384;

const LAYERS: usize = 12;
const ATTENTION_HEADS: usize = 12;
const EPSILON: f32 = 1e-12;
/// Longer turns are cut: 128 tokens are about 90 words, and the annotation guide splits turns of over 80 words.
const MAX_TOKENS: usize = 128;
/// Tokens that go through the layers together. Large enough that the matrix products dominate, small enough that
/// the widest activation (1,536 floats a token) stays near 6 MiB.
const BATCH_TOKENS: usize = 1024;
/// e5 was trained with this word before every short text.
const PREFIX: &str = "query: ";

struct Linear {
    /// Transposed once at loading: inputs × outputs.
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.matmul(&self.weight)?.broadcast_add(&self.bias)
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        candle_nn::ops::layer_norm(x, &self.weight, &self.bias, EPSILON)
    }
}

struct Layer {
    /// Query, key and value in one product.
    qkv: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    out_norm: Norm,
}

pub struct Encoder {
    tokenizer: Tokenizer,
    words: QTensor,
    positions: Tensor,
    token_type: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

/// Reads named tensors of one GGUF file.
struct Reader<'a> {
    content: gguf_file::Content,
    bytes: std::io::Cursor<&'a [u8]>,
}

impl Reader<'_> {
    fn quantized(&mut self, name: &str) -> candle_core::Result<QTensor> {
        self.content.tensor(&mut self.bytes, name, &Device::Cpu)
    }

    fn dense(&mut self, name: &str) -> candle_core::Result<Tensor> {
        self.quantized(name)?.dequantize(&Device::Cpu)
    }

    fn linear(&mut self, names: &[String]) -> candle_core::Result<Linear> {
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        for name in names {
            weights.push(self.dense(&format!("{name}.weight"))?);
            biases.push(self.dense(&format!("{name}.bias"))?);
        }
        Ok(Linear {
            weight: Tensor::cat(&weights, 0)?.t()?.contiguous()?,
            bias: Tensor::cat(&biases, 0)?,
        })
    }

    fn norm(&mut self, name: &str) -> candle_core::Result<Norm> {
        Ok(Norm {
            weight: self.dense(&format!("{name}.weight"))?,
            bias: self.dense(&format!("{name}.bias"))?,
        })
    }

    fn layer(&mut self, index: usize) -> candle_core::Result<Layer> {
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        Ok(Layer {
            qkv: self.linear(&[
                name("attention.self.query"),
                name("attention.self.key"),
                name("attention.self.value"),
            ])?,
            attention_out: self.linear(&[name("attention.output.dense")])?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"))?,
            up: self.linear(&[name("intermediate.dense")])?,
            down: self.linear(&[name("output.dense")])?,
            out_norm: self.norm(&name("output.LayerNorm"))?,
        })
    }
}

impl Encoder {
    /// Reads `model.gguf` and `tokenizer.json`.
    pub fn load(model: &Path, tokenizer: &Path) -> Result<Self, Error> {
        let damaged = |path: &Path, cause: &dyn std::fmt::Display| Error::Weights {
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        let tokenizer_json = std::fs::read(tokenizer).map_err(|error| damaged(tokenizer, &error))?;
        let tokenizer = Tokenizer::from_bytes(&tokenizer_json).map_err(|error| damaged(tokenizer, &error))?;
        let bytes = std::fs::read(model).map_err(|error| damaged(model, &error))?;
        Self::from_gguf(&bytes, tokenizer).map_err(|error| damaged(model, &error))
    }

    fn from_gguf(bytes: &[u8], tokenizer: Tokenizer) -> candle_core::Result<Self> {
        let mut cursor = std::io::Cursor::new(bytes);
        let content = gguf_file::Content::read(&mut cursor)?;
        let mut reader = Reader { content, bytes: cursor };
        let layers = (0..LAYERS)
            .map(|index| reader.layer(index))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self {
            tokenizer,
            words: reader.quantized("embeddings.word_embeddings.weight")?,
            positions: reader.dense("embeddings.position_embeddings.weight")?,
            token_type: reader.dense("embeddings.token_type_embeddings.weight")?.i(0)?,
            norm: reader.norm("embeddings.LayerNorm")?,
            layers,
        })
    }

    /// One vector of length [`WIDTH`] and norm 1 for each text, row by row.
    pub fn encode(&self, texts: &[&str]) -> Result<Tensor, Error> {
        let mut tokens = Vec::with_capacity(texts.len());
        for text in texts {
            tokens.push(self.tokens(text)?);
        }
        let mut rows = Vec::new();
        let mut from = 0;
        while from < tokens.len() {
            let mut to = from + 1;
            let mut total = tokens[from].len();
            while to < tokens.len() && total + tokens[to].len() <= BATCH_TOKENS {
                total += tokens[to].len();
                to += 1;
            }
            rows.push(self.encode_batch(&tokens[from..to])?);
            from = to;
        }
        if rows.is_empty() {
            return Ok(Tensor::zeros((0, WIDTH), candle_core::DType::F32, &Device::Cpu)?);
        }
        Ok(Tensor::cat(&rows, 0)?)
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

    fn encode_batch(&self, texts: &[Vec<u32>]) -> candle_core::Result<Tensor> {
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let ids: Vec<u32> = texts.concat();
        let positions: Vec<u32> = lengths.iter().flat_map(|&n| 0..n as u32).collect();
        let total = ids.len();
        let x = self.words.embedding(&Tensor::new(ids, &Device::Cpu)?)?;
        let x = (x + self.positions.index_select(&Tensor::new(positions, &Device::Cpu)?, 0)?)?;
        let x = x.broadcast_add(&self.token_type)?.reshape((total, WIDTH))?;
        let mut x = self.norm.forward(&x)?;
        for layer in &self.layers {
            x = layer.forward(&x, &lengths)?;
        }
        let mut rows = Vec::with_capacity(lengths.len());
        let mut from = 0;
        for length in lengths {
            rows.push(x.narrow(0, from, length)?.mean(0)?);
            from += length;
        }
        let rows = Tensor::stack(&rows, 0)?;
        rows.broadcast_div(&rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
    }
}

impl Layer {
    fn forward(&self, x: &Tensor, lengths: &[usize]) -> candle_core::Result<Tensor> {
        let attention = self.attention_out.forward(&self.attend(x, lengths)?)?;
        let x = self.attention_norm.forward(&(x + attention)?)?;
        let wide = self.up.forward(&x)?.gelu_erf()?;
        self.out_norm.forward(&(&x + self.down.forward(&wide)?)?)
    }

    /// Attention within each text; texts lie behind each other in `x`.
    fn attend(&self, x: &Tensor, lengths: &[usize]) -> candle_core::Result<Tensor> {
        let head = WIDTH / ATTENTION_HEADS;
        let qkv = self.qkv.forward(x)?;
        let mut outputs = Vec::with_capacity(lengths.len());
        let mut from = 0;
        for &n in lengths {
            let part = qkv
                .narrow(0, from, n)?
                .reshape((n, 3, ATTENTION_HEADS, head))?
                .permute((1, 2, 0, 3))?;
            let q = (part.i(0)?.contiguous()? / (head as f64).sqrt())?;
            let k = part.i(1)?.contiguous()?;
            let v = part.i(2)?.contiguous()?;
            let weights = candle_nn::ops::softmax_last_dim(&q.matmul(&k.t()?)?)?;
            outputs.push(weights.matmul(&v)?.transpose(0, 1)?.reshape((n, WIDTH))?);
            from += n;
        }
        Tensor::cat(&outputs, 0)
    }
}
