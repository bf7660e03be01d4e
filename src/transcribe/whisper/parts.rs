//! Parts that encoder and decoder have in common, as they are read from a file.

use crate::matrix::{Linear, Norm, Products, gelu};

use super::file::{Error, File};

/// Width of one attention head, in every size of Whisper.
pub const HEAD: usize = 64;
const EPSILON: f32 = 1e-5;
/// How much of a large number behind a norm the weights take: of 0.3, 0.5, 0.6, 0.7, 0.75 and 0.85 the encoder's error is least at 0.6
/// to 0.7 (with 0, twice as much).
pub const SHARE: f32 = 0.65;

/// The parts whose names begin with `prefix`.
pub struct Reader<'f> {
    file: &'f File,
    products: &'f Products,
    prefix: String,
}

/// A layer's attention to its own rows.
pub struct SelfAttention {
    pub norm: Norm,
    /// Query, key and value.
    pub qkv: Linear,
    pub out: Linear,
}

/// The halves of a layer behind its attention.
pub struct Inner {
    norm: Norm,
    up: Linear,
    down: Linear,
}

impl<'f> Reader<'f> {
    pub const fn new(file: &'f File, products: &'f Products, prefix: String) -> Self {
        Self { file, products, prefix }
    }

    fn width(&self) -> usize {
        self.file.sizes.width
    }

    pub fn norm(&self, name: &str) -> Result<Norm, Error> {
        let numbers = |part| {
            self.file
                .numbers(&format!("{}{name}.{part}", self.prefix), &[self.width()])
        };
        Ok(Norm::new(numbers("weight")?, numbers("bias")?, EPSILON))
    }

    /// Weights (outputs × inputs) and biases of products of the same rows, as of one. Keys have no bias.
    fn weights(&self, names: &[&str], outputs: usize, inputs: usize) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            let full = format!("{}{name}", self.prefix);
            weight.extend(self.file.numbers(&format!("{full}.weight"), &[outputs, inputs])?);
            bias.extend(if name.ends_with("key") {
                vec![0.0; outputs]
            } else {
                self.file.numbers(&format!("{full}.bias"), &[outputs])?
            });
        }
        Ok((weight, bias))
    }

    pub fn linear(&self, names: &[&str], outputs: usize, inputs: usize) -> Result<Linear, Error> {
        let (weight, bias) = self.weights(names, outputs, inputs)?;
        Ok(Linear::rounded(self.products, &weight, bias))
    }

    /// A norm and the products behind it.
    pub fn normed(&self, norm: &str, names: &[&str], outputs: usize) -> Result<(Norm, Linear), Error> {
        let mut norm = self.norm(norm)?;
        let (mut weight, bias) = self.weights(names, outputs, self.width())?;
        norm.smooth(&mut weight, SHARE);
        Ok((norm, Linear::rounded(self.products, &weight, bias)))
    }

    pub fn self_attention(&self) -> Result<SelfAttention, Error> {
        let width = self.width();
        let (norm, qkv) = self.normed("attn_ln", &["attn.query", "attn.key", "attn.value"], width)?;
        Ok(SelfAttention {
            norm,
            qkv,
            out: self.linear(&["attn.out"], width, width)?,
        })
    }

    pub fn inner(&self) -> Result<Inner, Error> {
        let (norm, up) = self.normed("mlp_ln", &["mlp.0"], 4 * self.width())?;
        Ok(Inner {
            norm,
            up,
            down: self.linear(&["mlp.2"], self.width(), 4 * self.width())?,
        })
    }
}

impl Inner {
    /// Adds to the rows what comes of them.
    pub fn add(&self, products: &mut Products, rows: &mut [f32]) {
        /// Rows at once: what is between the halves stays in the cache.
        const ROWS: usize = 128;
        let (width, inner) = (self.down.outputs(), self.up.outputs());
        let (mut normed, mut wide) = (Vec::new(), vec![0.0; ROWS.min(rows.len() / width) * inner]);
        for rows in rows.chunks_mut(ROWS * width) {
            normed.clear();
            normed.extend_from_slice(rows);
            self.norm.apply(&mut normed);
            let wide = &mut wide[..rows.len() / width * inner];
            self.up.set(products, &normed, wide);
            gelu(wide);
            self.down.add(products, wide, rows);
        }
    }
}
