//! Layers of the encoder as tensors: as they are stored, and as they are trained.
//!
//! Owns the names and shapes of their weights, and a forward pass whose operations have a gradient. Vectors for use are *not*
//! computed here: see `packed`.

use candle_core::{D, Device, IndexOp, Tensor};

/// Width of a turn's vector, and of a token inside the encoder.
pub const WIDTH: usize = 384;

pub const ATTENTION_HEADS: usize = 12;
pub const EPSILON: f32 = 1e-12;

#[derive(Clone)]
struct Linear {
    /// Inputs × outputs.
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.matmul(&self.weight)?.broadcast_add(&self.bias)
    }
}

#[derive(Clone)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        // The fused operation has no gradient.
        candle_nn::ops::layer_norm_slow(x, &self.weight, &self.bias, EPSILON)
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

    fn forward(&self, x: &Tensor, layout: &Layout, drop: Drop<'_>) -> candle_core::Result<Tensor> {
        let attention = layout.attend(&self.qkv.forward(x)?)?;
        let attention = drop(self.attention_out.forward(&attention)?)?;
        let x = self.attention_norm.forward(&(x + attention)?)?;
        let up = self.up.forward(&x)?.gelu_erf()?;
        let down = drop(self.down.forward(&up)?)?;
        self.out_norm.forward(&(x + down)?)
    }
}

/// What is done to numbers in training.
pub type Drop<'a> = &'a mut dyn FnMut(Tensor) -> candle_core::Result<Tensor>;

/// Texts part of the way through the encoder.
pub struct Below {
    /// tokens × WIDTH, the texts behind each other.
    x: Tensor,
    layout: Layout,
}

impl Below {
    /// `rows` of texts of these lengths.
    pub fn new(rows: Vec<f32>, lengths: &[usize]) -> candle_core::Result<Self> {
        let layout = Layout::new(lengths)?;
        let x = Tensor::from_vec(rows, (lengths.iter().sum::<usize>(), WIDTH), &Device::Cpu)?;
        Ok(Self { x, layout })
    }

    /// Through the layers above with their gradients, to one vector of norm 1 for each text. `drop` may drop numbers
    /// after each half of a layer.
    pub fn above(&self, layers: &[Layer], drop: Drop<'_>) -> candle_core::Result<Tensor> {
        let mut x = self.x.clone();
        for layer in layers {
            x = layer.forward(&x, &self.layout, drop)?;
        }
        self.layout.pool(&x)
    }
}

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

    /// The mean of each text's tokens, of norm 1.
    fn pool(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mean = |&(start, count): &(usize, usize)| x.narrow(0, start, count)?.mean_keepdim(0);
        let rows = self.texts.iter().map(mean).collect::<candle_core::Result<Vec<_>>>()?;
        let rows = Tensor::cat(&rows, 0)?;
        rows.broadcast_div(&rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
    }

    /// Attention within each text.
    fn attend(&self, qkv: &Tensor) -> candle_core::Result<Tensor> {
        let head = WIDTH / ATTENTION_HEADS;
        let mut outputs = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let part = qkv
                .index_select(&block.from, 0)?
                .reshape((block.texts, block.width, 3, ATTENTION_HEADS, head))?
                .permute((2, 0, 3, 1, 4))?
                .contiguous()?;
            let q = (part.i(0)? / (head as f64).sqrt())?;
            let weights = q.matmul(&part.i(1)?.t()?)?.broadcast_add(&block.mask)?;
            let weights = candle_nn::ops::softmax(&weights, D::Minus1)?;
            let out = weights.matmul(&part.i(2)?.contiguous()?)?;
            outputs.push(out.transpose(1, 2)?.reshape((block.texts * block.width, WIDTH))?);
        }
        Tensor::cat(&outputs, 0)?.index_select(&self.back, 0)
    }
}
