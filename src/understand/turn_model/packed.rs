//! The encoder's forward pass: weights packed once for the matrix products, plain numbers between them.
//!
//! Owns the layers as they are used. What comes of a text depends on that text alone, bit for bit: its rows go through
//! products whose kernel adds in the same order for any number of rows, and it attends only to itself. So neither what
//! lies beside it nor the number of threads changes anything. Layers with gradients are *not* here: see `layer`.

use candle_core::Tensor;
use rayon::prelude::*;
use rten_gemm::GemmInputB;
use rten_tensor::NdTensorView;

use super::layer::{ATTENTION_HEADS, EPSILON, Layer, WIDTH};
use crate::matrix::{Linear, Norm, Products, gelu, softmax, sum_of_squares};

/// Width of one attention head.
const HEAD: usize = WIDTH / ATTENTION_HEADS;
/// Query, key and value of a row beside each other.
const QKV: usize = 3 * WIDTH;
/// Widest row inside a layer.
const INNER: usize = 4 * WIDTH;

/// One layer.
struct PackedLayer {
    qkv: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    out_norm: Norm,
}

/// Layers of the encoder, the lowest first.
pub struct Packed(Vec<PackedLayer>);

/// Room for what layers compute on the way.
struct Room {
    /// Query, key and value, then what is between the two halves of a layer.
    wide: Vec<f32>,
    attended: Vec<f32>,
    /// Of one head and text: how much each row attends to each, and what comes of it.
    scores: Vec<f32>,
    head: Vec<f32>,
}

impl Packed {
    /// Each layer is let go of as soon as it is packed.
    pub fn new(layers: Vec<Layer>) -> candle_core::Result<Self> {
        let products = Products::default();
        let layers = layers.into_par_iter().map(|layer| PackedLayer::new(&products, &layer));
        Ok(Self(layers.collect::<candle_core::Result<_>>()?))
    }

    /// Rows of texts of these lengths, behind each other, through the first `count` layers.
    pub fn forward(&self, rows: &mut [f32], lengths: &[usize], count: usize) {
        let mut products = Products::default();
        let all = rows.len() / WIDTH;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut room = Room {
            wide: vec![0.0; all * INNER],
            attended: vec![0.0; all * WIDTH],
            scores: vec![0.0; longest * longest],
            head: vec![0.0; longest * HEAD],
        };
        for layer in &self.0[..count] {
            layer.forward(&mut products, rows, lengths, &mut room);
        }
    }
}

impl PackedLayer {
    fn new(products: &Products, layer: &Layer) -> candle_core::Result<Self> {
        let numbers = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let linear = |weight: &Tensor, bias: &Tensor| {
            let (inputs, outputs) = weight.dims2()?;
            candle_core::Result::Ok(Linear::packed(
                products,
                [inputs, outputs],
                &numbers(weight)?,
                numbers(bias)?,
            ))
        };
        let norm = |weight: &Tensor, bias: &Tensor| {
            candle_core::Result::Ok(Norm::new(numbers(weight)?, numbers(bias)?, EPSILON))
        };
        let [qw, qb, aw, ab, anw, anb, uw, ub, dw, db, onw, onb] = layer.tensors();
        Ok(Self {
            qkv: linear(qw, qb)?,
            attention_out: linear(aw, ab)?,
            attention_norm: norm(anw, anb)?,
            up: linear(uw, ub)?,
            down: linear(dw, db)?,
            out_norm: norm(onw, onb)?,
        })
    }

    fn forward(&self, products: &mut Products, rows: &mut [f32], lengths: &[usize], room: &mut Room) {
        let all = rows.len() / WIDTH;
        let qkv = &mut room.wide[..all * QKV];
        self.qkv.set(products, rows, qkv);
        let mut start = 0;
        for &length in lengths {
            let (qkv, attended) = (&qkv[start * QKV..], &mut room.attended[start * WIDTH..]);
            attend(
                products,
                &qkv[..length * QKV],
                &mut attended[..length * WIDTH],
                &mut room.scores,
                &mut room.head,
            );
            start += length;
        }
        self.attention_out.add(products, &room.attended, rows);
        self.attention_norm.apply(rows);
        self.up.set(products, rows, &mut room.wide);
        gelu(&mut room.wide);
        self.down.add(products, &room.wide, rows);
        self.out_norm.apply(rows);
    }
}

/// Attention within one text.
fn attend(products: &Products, qkv: &[f32], attended: &mut [f32], scores: &mut [f32], out: &mut [f32]) {
    let length = qkv.len() / QKV;
    let (scores, out) = (&mut scores[..length * length], &mut out[..length * HEAD]);
    for at in (0..WIDTH).step_by(HEAD) {
        let part = |which: usize| {
            let from = &qkv[which * WIDTH + at..];
            NdTensorView::from_slice_with_strides([length, HEAD], from, [QKV, 1]).expect("a head is part of a row")
        };
        let keys = GemmInputB::Unpacked(part(1).transposed());
        products.set(part(0), keys, 1.0 / (HEAD as f32).sqrt(), scores);
        for row in scores.chunks_exact_mut(length) {
            softmax(row);
        }
        let scores = NdTensorView::from_data([length, length], &*scores);
        products.set(scores, GemmInputB::Unpacked(part(2)), 1.0, out);
        for (row, out) in attended.chunks_exact_mut(WIDTH).zip(out.chunks_exact(HEAD)) {
            row[at..at + HEAD].copy_from_slice(out);
        }
    }
}

/// The mean of each text's rows, of norm 1.
pub fn pool(rows: &[f32], lengths: &[usize]) -> Vec<f32> {
    let mut vectors = vec![0.0_f32; lengths.len() * WIDTH];
    let mut rest = rows;
    for (vector, length) in vectors.chunks_exact_mut(WIDTH).zip(lengths) {
        let (own, others) = rest.split_at(length * WIDTH);
        for row in own.chunks_exact(WIDTH) {
            vector.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        // The length of the sum is that of the mean, times the number of rows: one division does for both.
        let norm = sum_of_squares(vector, 0.0).sqrt();
        vector.iter_mut().for_each(|number| *number /= norm);
        rest = others;
    }
    vectors
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::super::layer::Below;
    use super::*;

    fn random(rng: &mut StdRng, count: usize, around: f32, size: f32) -> Vec<f32> {
        (0..count)
            .map(|_| around + size * (rng.random::<f32>() - 0.5))
            .collect()
    }

    fn random_layer(rng: &mut StdRng) -> Layer {
        Layer::new(Layer::PARTS.map(|(name, shape)| {
            let around = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
            let numbers = random(rng, shape.iter().product(), around, 0.2);
            Tensor::from_vec(numbers, shape, &Device::Cpu).expect("a tensor")
        }))
    }

    #[test]
    fn the_packed_layers_are_those_that_are_trained() {
        let mut rng = StdRng::seed_from_u64(1);
        let layers = [random_layer(&mut rng), random_layer(&mut rng)];
        let lengths = [4, 128, 1, 65, 23];
        let rows = random(&mut rng, lengths.iter().sum::<usize>() * WIDTH, 0.0, 2.0);
        let below = Below::new(rows.clone(), &lengths).expect("below");
        let trained = below.above(&layers, &mut Ok).expect("above");
        let packed = Packed::new(layers.to_vec()).expect("packed");
        let mut used = rows;
        packed.forward(&mut used, &lengths, layers.len());
        let used = pool(&used, &lengths);
        let trained: Vec<f32> = trained.flatten_all().expect("flat").to_vec1().expect("numbers");
        for (used, trained) in used.chunks_exact(WIDTH).zip(trained.chunks_exact(WIDTH)) {
            let cosine: f32 = used.iter().zip(trained).map(|(used, trained)| used * trained).sum();
            assert!(cosine > 0.999_999, "{cosine}");
        }
    }
}
