//! The encoder: text of a turn → one vector (multilingual-e5-small, 12 BERT layers, 384 wide).
//!
//! Owns tokenizing and the forward pass. `candle_transformers` has this architecture too, but wants every weight as
//! dense f32 (the table of 250,000 words alone is 366 MiB) and pads all texts of a batch to the longest: here the
//! table stays in its 4-bit blocks, and the texts of a batch lie behind each other without padding.

use std::path::Path;

use candle_core::quantized::{QTensor, gguf_file};
use candle_core::{CpuStorage, CustomOp1, D, Device, IndexOp, InplaceOp2, Layout as TensorLayout, Shape, Tensor};
use rayon::prelude::*;

use super::Error;
use super::unigram::Tokenizer;

/// Width of a turn's vector.
pub const WIDTH: usize = 384;

pub const LAYERS: usize = 12;
const ATTENTION_HEADS: usize = 12;
const EPSILON: f32 = 1e-12;
/// Longer turns are cut: 128 tokens are about 90 words, and the annotation guide splits turns of over 80 words.
const MAX_TOKENS: usize = 128;
/// Tokens that go through the layers together. Large enough that the matrix products dominate, small enough that
/// the widest activation (1,536 floats a token) stays near 6 MiB.
const BATCH_TOKENS: usize = 1024;
/// e5 was trained with this word before every short text.
const PREFIX: &str = "query: ";

#[derive(Clone)]
struct Linear {
    /// Transposed once at loading: inputs × outputs.
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn forward(&self, x: &Tensor, gradient: bool) -> candle_core::Result<Tensor> {
        let x = x.matmul(&self.weight)?;
        if gradient {
            return x.broadcast_add(&self.bias);
        }
        add(x, &self.bias)
    }
}

#[derive(Clone)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn forward(&self, x: &Tensor, gradient: bool) -> candle_core::Result<Tensor> {
        if gradient {
            // The fused operation has none.
            candle_nn::ops::layer_norm_slow(x, &self.weight, &self.bias, EPSILON)
        } else {
            candle_nn::ops::layer_norm(x, &self.weight, &self.bias, EPSILON)
        }
    }
}

/// One layer of the encoder.
#[derive(Clone)]
pub struct Layer {
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

    /// The last `count` layers.
    pub fn top(&self, count: usize) -> &[Layer] {
        &self.layers[LAYERS.saturating_sub(count)..]
    }

    /// Puts other layers in the place of as many of the last ones.
    pub fn replace_top(&mut self, layers: Vec<Layer>) {
        self.layers.truncate(LAYERS.saturating_sub(layers.len()));
        self.layers.extend(layers);
    }

    /// The texts as tokens.
    pub fn cut(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, Error> {
        texts.iter().map(|text| self.tokens(text)).collect()
    }

    /// What texts look like below the last `count` layers.
    pub fn below(&self, tokens: &[Vec<u32>], count: usize) -> Result<Below, Error> {
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        let layout = Layout::new(&lengths)?;
        let mut x = self.embed(tokens)?;
        for layer in &self.layers[..LAYERS.saturating_sub(count)] {
            x = layer.forward(&x, &layout, None)?;
        }
        Ok(Below { x, layout })
    }

    /// One vector of length [`WIDTH`] and norm 1 for each text, row by row.
    pub fn encode(&self, texts: &[&str]) -> Result<Tensor, Error> {
        let tokens = self.cut(texts)?;
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

    fn embed(&self, texts: &[Vec<u32>]) -> candle_core::Result<Tensor> {
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let ids: Vec<u32> = texts.concat();
        let positions: Vec<u32> = lengths.iter().flat_map(|&n| 0..n as u32).collect();
        let total = ids.len();
        let x = self.words.embedding(&Tensor::new(ids, &Device::Cpu)?)?;
        let x = (x + self.positions.index_select(&Tensor::new(positions, &Device::Cpu)?, 0)?)?;
        let x = x.broadcast_add(&self.token_type)?.reshape((total, WIDTH))?;
        self.norm.forward(&x, false)
    }

    fn encode_batch(&self, texts: &[Vec<u32>]) -> candle_core::Result<Tensor> {
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let layout = Layout::new(&lengths)?;
        let mut x = self.embed(texts)?;
        for layer in &self.layers {
            x = layer.forward(&x, &layout, None)?;
        }
        layout.pool(&x)
    }
}

/// Texts part of the way through the encoder.
pub struct Below {
    /// tokens × WIDTH, the texts behind each other.
    x: Tensor,
    layout: Layout,
}

impl Below {
    /// Through the layers above with their gradients, to one vector of norm 1 for each text. `drop` may drop numbers
    /// after each half of a layer.
    pub fn above(&self, layers: &[Layer], drop: Drop<'_>) -> candle_core::Result<Tensor> {
        let mut x = self.x.clone();
        for layer in layers {
            x = layer.forward(&x, &self.layout, Some(drop))?;
        }
        self.layout.pool(&x)
    }
}

/// What is done to numbers in training.
pub type Drop<'a> = &'a mut dyn FnMut(Tensor) -> candle_core::Result<Tensor>;

/// Attention over texts of unlike length with few operations: texts of about the same length lie in one block.
struct Block {
    /// Places of the tokens in the batch, text by text, each text filled up to `width` with the place of its first.
    from: Tensor,
    texts: usize,
    width: usize,
    /// 0 for tokens, a large negative number for filling: texts × 1 × 1 × width.
    mask: Tensor,
}

/// How the texts of a batch lie behind each other.
struct Layout {
    blocks: Vec<Block>,
    /// From the blocks behind each other back to the batch.
    back: Tensor,
    /// First token and number of tokens of each text.
    texts: Vec<(usize, usize)>,
}

impl Layout {
    fn new(lengths: &[usize]) -> candle_core::Result<Self> {
        let total: usize = lengths.iter().sum();
        let mut starts = Vec::with_capacity(lengths.len());
        let mut at = 0;
        for n in lengths {
            starts.push(at);
            at += n;
        }
        let mut widths: Vec<usize> = lengths.iter().map(|n| n.next_multiple_of(8)).collect();
        widths.sort_unstable();
        widths.dedup();
        let mut blocks = Vec::new();
        let mut back = vec![0_u32; total];
        let mut row = 0;
        for width in widths {
            let texts: Vec<usize> = (0..lengths.len())
                .filter(|&at| lengths[at].next_multiple_of(8) == width)
                .collect();
            let mut from = Vec::with_capacity(texts.len() * width);
            let mut mask = Vec::with_capacity(texts.len() * width);
            for &text in &texts {
                for at in 0..width {
                    let inside = at < lengths[text];
                    from.push((starts[text] + if inside { at } else { 0 }) as u32);
                    mask.push(if inside { 0.0_f32 } else { -1e9 });
                    if inside {
                        back[starts[text] + at] = row;
                    }
                    row += 1;
                }
            }
            blocks.push(Block {
                from: Tensor::new(from, &Device::Cpu)?,
                texts: texts.len(),
                width,
                mask: Tensor::from_vec(mask, (texts.len(), 1, 1, width), &Device::Cpu)?,
            });
        }
        Ok(Self {
            blocks,
            back: Tensor::new(back, &Device::Cpu)?,
            texts: starts.into_iter().zip(lengths.iter().copied()).collect(),
        })
    }

    /// The mean of each text's tokens, of norm 1. Text by text: one product for all would add in an order that depends on
    /// what else is in the batch, and a turn of a live call must get the vector that it gets in the stored one.
    fn pool(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mean = |&(start, count): &(usize, usize)| x.narrow(0, start, count)?.mean_keepdim(0);
        let rows = self.texts.iter().map(mean).collect::<candle_core::Result<Vec<_>>>()?;
        let rows = Tensor::cat(&rows, 0)?;
        rows.broadcast_div(&rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
    }

    /// Attention within each text.
    fn attend(&self, qkv: &Tensor, gradient: bool) -> candle_core::Result<Tensor> {
        let head = WIDTH / ATTENTION_HEADS;
        let mut outputs = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let part = qkv
                .index_select(&block.from, 0)?
                .reshape((block.texts, block.width, 3, ATTENTION_HEADS, head))?
                .permute((2, 0, 3, 1, 4))?
                .contiguous()?;
            let q = (part.i(0)? / (head as f64).sqrt())?;
            let weights = q.matmul(&part.i(1)?.t()?)?;
            let weights = if gradient {
                candle_nn::ops::softmax(&weights.broadcast_add(&block.mask)?, D::Minus1)?
            } else {
                candle_nn::ops::softmax_last_dim(&add(weights, &block.mask)?)?
            };
            let out = weights.matmul(&part.i(2)?.contiguous()?)?;
            outputs.push(out.transpose(1, 2)?.reshape((block.texts * block.width, WIDTH))?);
        }
        Tensor::cat(&outputs, 0)?.index_select(&self.back, 0)
    }
}

/// Adds in place, without a gradient. candle's own sum of large tensors waits for threads of its own by spinning, which
/// costs more than the sum itself as soon as anything else wants the cores.
struct Add;

/// `rows` to `x`: of the same shape, or one row for all, or one for each of the first dimension of `x`.
fn add(x: Tensor, rows: &Tensor) -> candle_core::Result<Tensor> {
    x.inplace_op2(rows, &Add)?;
    Ok(x)
}

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &TensorLayout,
        rows: &CpuStorage,
        rows_layout: &TensorLayout,
    ) -> candle_core::Result<()> {
        let wrong = || candle_core::Error::Msg("add wants numbers that lie together".to_owned());
        let (from, end) = to_layout.contiguous_offsets().ok_or_else(wrong)?;
        let (rows_from, rows_end) = rows_layout.contiguous_offsets().ok_or_else(wrong)?;
        let CpuStorage::F32(to) = to else {
            return Err(candle_core::Error::Msg("add wants f32".to_owned()));
        };
        let (to, rows) = (&mut to[from..end], &rows.as_slice::<f32>()?[rows_from..rows_end]);
        let width = to_layout.dims().last().copied().unwrap_or(0);
        if width == 0 || rows.is_empty() || rows.len() % width != 0 || to.len() % rows.len() != 0 {
            return Err(candle_core::Error::Msg("add wants whole rows".to_owned()));
        }
        // How many rows of `to` get the same row added.
        let times = to.len() / rows.len();
        let chunk = (ADD_CHUNK / width).max(1);
        to.par_chunks_mut(chunk * width).enumerate().for_each(|(at, part)| {
            for (row, part) in part.chunks_exact_mut(width).enumerate() {
                let source = (at * chunk + row) / times * width;
                for (number, more) in part.iter_mut().zip(&rows[source..source + width]) {
                    *number += more;
                }
            }
        });
        Ok(())
    }
}

/// Numbers that one thread takes at a time.
const ADD_CHUNK: usize = 1 << 15;

/// GELU by the error function, as the encoder was trained with. candle's own computes every number in f64 and takes a quarter
/// of the encoder's time; this is right to 1e-6 and has no gradient.
struct Gelu;

/// erf as the quotient of two polynomials on −4…4, highest power first (coefficients as in Eigen's `generic_fast_erf`).
fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] = [
        -1.456_607_2e-5,
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_474e-2,
    ];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let above = ABOVE.iter().fold(0.0, |sum, coefficient| sum * square + coefficient);
    let below = BELOW.iter().fold(0.0, |sum, coefficient| sum * square + coefficient);
    x * above / below
}

/// Numbers that one thread takes at a time.
const GELU_CHUNK: usize = 1 << 14;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &TensorLayout) -> candle_core::Result<(CpuStorage, Shape)> {
        let Some((from, to)) = layout.contiguous_offsets() else {
            return Err(candle_core::Error::Msg(
                "gelu wants numbers that lie together".to_owned(),
            ));
        };
        let values = &storage.as_slice::<f32>()?[from..to];
        let mut out = vec![0.0_f32; values.len()];
        out.par_chunks_mut(GELU_CHUNK)
            .zip(values.par_chunks(GELU_CHUNK))
            .for_each(|(out, values)| {
                for (out, &x) in out.iter_mut().zip(values) {
                    *out = 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
                }
            });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

impl Layer {
    /// Names and shapes of the weights, in a fixed order.
    pub const PARTS: [(&'static str, &'static [usize]); 12] = [
        ("qkv.weight", &[WIDTH, 3 * WIDTH]),
        ("qkv.bias", &[3 * WIDTH]),
        ("attention_out.weight", &[WIDTH, WIDTH]),
        ("attention_out.bias", &[WIDTH]),
        ("attention_norm.weight", &[WIDTH]),
        ("attention_norm.bias", &[WIDTH]),
        ("up.weight", &[WIDTH, 4 * WIDTH]),
        ("up.bias", &[4 * WIDTH]),
        ("down.weight", &[4 * WIDTH, WIDTH]),
        ("down.bias", &[WIDTH]),
        ("out_norm.weight", &[WIDTH]),
        ("out_norm.bias", &[WIDTH]),
    ];

    /// The weights in the order of [`Self::PARTS`].
    pub fn tensors(&self) -> [&Tensor; 12] {
        [
            &self.qkv.weight,
            &self.qkv.bias,
            &self.attention_out.weight,
            &self.attention_out.bias,
            &self.attention_norm.weight,
            &self.attention_norm.bias,
            &self.up.weight,
            &self.up.bias,
            &self.down.weight,
            &self.down.bias,
            &self.out_norm.weight,
            &self.out_norm.bias,
        ]
    }

    /// From tensors in the order of [`Self::PARTS`].
    pub fn new(tensors: [Tensor; 12]) -> Self {
        let [qw, qb, aw, ab, anw, anb, uw, ub, dw, db, onw, onb] = tensors;
        let linear = |weight, bias| Linear { weight, bias };
        let norm = |weight, bias| Norm { weight, bias };
        Self {
            qkv: linear(qw, qb),
            attention_out: linear(aw, ab),
            attention_norm: norm(anw, anb),
            up: linear(uw, ub),
            down: linear(dw, db),
            out_norm: norm(onw, onb),
        }
    }

    /// With `drop`, by operations that have a gradient.
    fn forward(&self, x: &Tensor, layout: &Layout, drop: Option<Drop<'_>>) -> candle_core::Result<Tensor> {
        let gradient = drop.is_some();
        let mut same = Ok;
        let drop = drop.unwrap_or(&mut same);
        let sum = |one: &Tensor, other: Tensor| if gradient { one + other } else { add(other, one) };
        let attention = layout.attend(&self.qkv.forward(x, gradient)?, gradient)?;
        let attention = drop(self.attention_out.forward(&attention, gradient)?)?;
        let x = self.attention_norm.forward(&sum(x, attention)?, gradient)?;
        let up = self.up.forward(&x, gradient)?;
        let up = if gradient {
            up.gelu_erf()?
        } else {
            up.apply_op1_no_bwd(&Gelu)?
        };
        let down = drop(self.down.forward(&up, gradient)?)?;
        self.out_norm.forward(&sum(&x, down)?, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_that_of_the_error_function() {
        let values: Vec<f32> = (-800..=800).map(|at| at as f32 / 100.0).collect();
        let x = Tensor::new(values, &Device::Cpu).expect("tensor");
        let ours: Vec<f32> = x.apply_op1_no_bwd(&Gelu).expect("gelu").to_vec1().expect("numbers");
        let exact: Vec<f32> = x.gelu_erf().expect("gelu").to_vec1().expect("numbers");
        for (ours, exact) in ours.iter().zip(exact) {
            assert!((ours - exact).abs() < 1e-6, "{ours} {exact}");
        }
    }
}
