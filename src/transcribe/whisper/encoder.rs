//! Sound → what the decoder attends to.

use rayon::prelude::*;
use rten_gemm::GemmInputB;
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;
use rten_vecmath::Softmax;

use super::file::{Error, File};
use super::parts::{HEAD, Inner, Reader, SelfAttention};
use crate::matrix::{self, Linear, Norm, Products, gelu};

/// Frames of sound for one place.
pub const FRAMES: usize = 2;
/// Frames that a convolution sees.
const SEEN: usize = 3;
/// Places that attend at once: their scores stay in the cache.
const ROWS: usize = 128;

pub struct Encoder {
    width: usize,
    bands: usize,
    /// Over frames: the second makes one place of two.
    convolutions: [Linear; 2],
    places: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
}

struct Layer {
    attention: SelfAttention,
    inner: Inner,
}

impl Encoder {
    pub fn new(file: &File) -> Result<Self, Error> {
        let sizes = file.sizes;
        let (width, products) = (sizes.width, Products::default());
        let layer = |at: usize| {
            let reader = Reader::new(file, &products, format!("encoder.blocks.{at}."));
            Ok(Layer {
                attention: reader.self_attention()?,
                inner: reader.inner()?,
            })
        };
        Ok(Self {
            width,
            bands: sizes.bands,
            convolutions: [
                convolution(file, &products, "encoder.conv1", width, sizes.bands)?,
                convolution(file, &products, "encoder.conv2", width, width)?,
            ],
            places: file.numbers("encoder.positional_embedding", &[sizes.places, width])?,
            layers: (0..sizes.sound_layers)
                .into_par_iter()
                .map(layer)
                .collect::<Result<_, Error>>()?,
            norm: Reader::new(file, &products, "encoder.".to_owned()).norm("ln_post")?,
        })
    }

    /// `sound`: frames × bands, [`FRAMES`] for each place, no more places than the model has.
    pub fn forward(&self, products: &mut Products, sound: &[f32]) -> Vec<f32> {
        let width = self.width;
        let frames = sound.len() / self.bands;
        let mut inner = vec![0.0; frames * width];
        self.convolutions[0].set(products, &seen(sound, self.bands, 1), &mut inner);
        gelu(&mut inner);
        let mut rows = vec![0.0; frames / FRAMES * width];
        self.convolutions[1].set(products, &seen(&inner, width, FRAMES), &mut rows);
        gelu(&mut rows);
        rows.iter_mut()
            .zip(&self.places)
            .for_each(|(number, place)| *number += place);
        let mut normed = rows.clone();
        let mut qkv = vec![0.0; 3 * rows.len()];
        for layer in &self.layers {
            normed.copy_from_slice(&rows);
            layer.attention.norm.apply(&mut normed);
            layer.attention.qkv.set(products, &normed, &mut qkv);
            attend(products, &qkv, width, &mut normed);
            layer.attention.out.add(products, &normed, &mut rows);
            layer.inner.add(products, &mut rows);
        }
        self.norm.apply(&mut rows);
        rows
    }
}

/// Weights are stored as outputs × inputs × frames, and used as outputs × (frames, inputs). In floats: it is little work, and all the
/// rest hears by it.
fn convolution(file: &File, products: &Products, name: &str, outputs: usize, inputs: usize) -> Result<Linear, Error> {
    let stored = file.numbers(&format!("{name}.weight"), &[outputs, inputs, SEEN])?;
    let weight = matrix::places_first(&stored, inputs, SEEN);
    let weight = NdTensorView::from_data([outputs, inputs * SEEN], weight.as_slice());
    let bias = file.numbers(&format!("{name}.bias"), &[outputs])?;
    Ok(Linear::exact(products, weight.transposed(), bias))
}

/// What a convolution sees: each frame, or every so many, between its neighbours; outside is silence.
fn seen(sound: &[f32], width: usize, step: usize) -> Vec<f32> {
    let frames = sound.len() / width;
    let mut rows = Vec::with_capacity(frames / step * SEEN * width);
    for at in (0..frames).step_by(step) {
        let begin = at.saturating_sub(1) * width;
        let end = (at + 2).min(frames) * width;
        if at == 0 {
            rows.resize(rows.len() + width, 0.0);
        }
        rows.extend_from_slice(&sound[begin..end]);
        if at + 1 == frames {
            rows.resize(rows.len() + width, 0.0);
        }
    }
    rows
}

/// Each place attends to all.
fn attend(products: &Products, qkv: &[f32], width: usize, to: &mut [f32]) {
    let count = qkv.len() / (3 * width);
    let most = ROWS.min(count);
    let (mut scores, mut out) = (vec![0.0; most * count], vec![0.0; most * HEAD]);
    for at in (0..width).step_by(HEAD) {
        let part = |which: usize, from: usize, count: usize| {
            let from = &qkv[(3 * from + which) * width + at..];
            NdTensorView::from_slice_with_strides([count, HEAD], from, [3 * width, 1]).expect("a head is part of a row")
        };
        let keys = products.pack(part(1, 0, count).transposed());
        let values = products.pack(part(2, 0, count));
        for from in (0..count).step_by(ROWS) {
            let rows = ROWS.min(count - from);
            let (scores, out) = (&mut scores[..rows * count], &mut out[..rows * HEAD]);
            let scale = 1.0 / (HEAD as f32).sqrt();
            products.set(part(0, from, rows), GemmInputB::Packed(&keys), scale, scores);
            for row in scores.chunks_exact_mut(count) {
                Softmax::new_mut(row).dispatch();
            }
            let scores = NdTensorView::from_data([rows, count], &*scores);
            products.set(scores, GemmInputB::Packed(&values), 1.0, out);
            let to = to[from * width..].chunks_exact_mut(width);
            for (row, out) in to.zip(out.chunks_exact(HEAD)) {
                row[at..at + HEAD].copy_from_slice(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_seen_between_their_neighbours() {
        let sound = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let all = [
            [0.0, 0.0, 1.0, 2.0, 3.0, 4.0],
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            [5.0, 6.0, 7.0, 8.0, 0.0, 0.0],
        ];
        assert_eq!(seen(&sound, 2, 1), all.concat());
        assert_eq!(seen(&sound, 2, 2), [all[0], all[2]].concat());
    }
}
