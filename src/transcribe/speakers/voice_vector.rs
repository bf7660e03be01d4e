//! Bands of a stretch of sound → what its voice is like: a vector of norm 1 (GE2E, three LSTM layers of 256).
//!
//! Stretches of unlike length go through the layers together, the longest first: at each step only those are left that
//! are as long. What the vectors are compared with is *not* here.

use std::path::Path;

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use rayon::prelude::*;
use safetensors::SafeTensors;

use super::super::Error;
use super::super::mel::Mel;
use super::{gates, load};

/// Bands of a frame of sound.
pub const BANDS: usize = 40;
/// Numbers of a vector.
pub const WIDTH: usize = 256;
const LAYERS: usize = 3;
/// Input, forget, cell and output gate.
const GATES: usize = 4 * WIDTH;
/// Stretches that go through the layers together: enough that packing the weights costs little, and 21 MiB.
pub const BATCH: usize = 128;
/// Stretches whose gates one thread opens at a time.
const SHARE: usize = 16;

pub type VoiceVector = [f32; WIDTH];

/// What a stretch sounds like.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its beginning alone; None where it is too short.
    pub begin: Option<VoiceVector>,
    pub whole: VoiceVector,
}

/// The voice encoder with the ear that it was trained with.
pub struct VoiceEncoder {
    pub mel: Mel,
    layers: Vec<Layer>,
    /// Transposed: inputs × outputs.
    linear: Tensor,
    linear_bias: Vec<f32>,
    /// Tensor work takes the machine's cores unless it is told otherwise.
    pool: rayon::ThreadPool,
}

struct Layer {
    /// Of the input and of what the layer said before, one under the other; transposed: inputs × gates.
    weight: Tensor,
    bias: Vec<f32>,
    inputs: usize,
}

impl VoiceEncoder {
    /// Reads `model.safetensors`.
    pub fn load(path: &Path, threads: usize) -> Result<Self, Error> {
        load(path, threads, |file, pool| {
            Self::from_tensors(file, pool).map_err(|error| error.to_string())
        })
    }

    fn from_tensors(file: &SafeTensors<'_>, pool: rayon::ThreadPool) -> candle_core::Result<Self> {
        let tensor = |name: &str, shape: &[usize]| {
            let view = file.tensor(name).map_err(candle_core::Error::wrap)?;
            let tensor = Tensor::from_raw_buffer(view.data(), view.dtype().try_into()?, view.shape(), &Device::Cpu)?;
            if tensor.dims() == shape && tensor.dtype() == DType::F32 {
                return Ok(tensor);
            }
            Err(candle_core::Error::Msg(format!(
                "`{name}` has another shape than {shape:?}"
            )))
        };
        let layer = |index: usize| {
            let inputs = if index == 0 { BANDS } else { WIDTH };
            let weights = [
                tensor(&format!("lstm.weight_ih_l{index}"), &[GATES, inputs])?.t()?,
                tensor(&format!("lstm.weight_hh_l{index}"), &[GATES, WIDTH])?.t()?,
            ];
            let bias = tensor(&format!("lstm.bias_ih_l{index}"), &[GATES])?;
            Ok(Layer {
                weight: Tensor::cat(&weights, 0)?.contiguous()?,
                bias: (bias + tensor(&format!("lstm.bias_hh_l{index}"), &[GATES])?)?.to_vec1()?,
                inputs,
            })
        };
        let filters = tensor("mel.filters", &[BANDS, 201])?.flatten_all()?.to_vec1::<f32>()?;
        Ok(Self {
            mel: Mel::new(&filters, BANDS)
                .ok_or_else(|| candle_core::Error::Msg("`mel.filters` does not fit".to_owned()))?,
            layers: (0..LAYERS).map(layer).collect::<candle_core::Result<_>>()?,
            linear: tensor("linear.weight", &[WIDTH, WIDTH])?.t()?.contiguous()?,
            linear_bias: tensor("linear.bias", &[WIDTH])?.to_vec1()?,
            pool,
        })
    }

    /// The vectors of stretches, each of whole frames and at least one: of their first `begin` frames, where they have as
    /// many, and of all their frames.
    pub fn vectors(&self, stretches: &[Vec<f32>], begin: usize) -> candle_core::Result<Vec<Heard>> {
        let mut order: Vec<usize> = (0..stretches.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(stretches[*at].len()));
        let mut heard: Vec<Option<Heard>> = vec![None; stretches.len()];
        for batch in order.chunks(BATCH) {
            let sorted: Vec<&[f32]> = batch.iter().map(|at| stretches[*at].as_slice()).collect();
            let steps = self.pool.install(|| self.steps(&sorted))?;
            let row = |step: usize, row: usize| &steps[step][row * WIDTH..(row + 1) * WIDTH];
            let long = sorted
                .iter()
                .take_while(|stretch| stretch.len() / BANDS >= begin.max(1))
                .count();
            let begins = (0..long).map(|at| row(begin - 1, at)).collect::<Vec<_>>().concat();
            let wholes = (0..sorted.len()).map(|at| row(sorted[at].len() / BANDS - 1, at));
            let begins = self.vectors_of(begins)?;
            let wholes = self.vectors_of(wholes.collect::<Vec<_>>().concat())?;
            for (place, (at, whole)) in batch.iter().zip(wholes).enumerate() {
                let begin = begins.get(place).copied();
                heard[*at] = Some(Heard { begin, whole });
            }
        }
        Ok(heard.into_iter().flatten().collect())
    }

    /// What the last layer says at each step of stretches, the longest first: one row for each that is as long.
    fn steps(&self, stretches: &[&[f32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = stretches.iter().map(|stretch| stretch.len() / BANDS).collect();
        // How many stretches are left at each step.
        let left: Vec<usize> = (0..lengths.first().copied().unwrap_or(0))
            .map(|step| lengths.partition_point(|length| *length > step))
            .collect();
        let mut steps: Vec<Vec<f32>> = (left.iter().enumerate())
            .map(|(step, left)| {
                let frame = |stretch: &&[f32]| stretch[step * BANDS..(step + 1) * BANDS].to_vec();
                stretches[..*left].iter().flat_map(frame).collect()
            })
            .collect();
        for layer in &self.layers {
            layer.run(&mut steps)?;
        }
        Ok(steps)
    }

    /// Rows of the last layer → vectors; a row of silence may have one without length.
    fn vectors_of(&self, said: Vec<f32>) -> candle_core::Result<Vec<VoiceVector>> {
        let count = said.len() / WIDTH;
        if count == 0 {
            return Ok(Vec::new());
        }
        let product = Tensor::from_vec(said, (count, WIDTH), &Device::Cpu)?.matmul(&self.linear)?;
        let mut vectors = Vec::with_capacity(count);
        for row in numbers(&product, |numbers| numbers.to_vec())?.chunks_exact(WIDTH) {
            let mut vector = [0.0; WIDTH];
            for ((number, sum), bias) in vector.iter_mut().zip(row).zip(&self.linear_bias) {
                *number = (sum + bias).max(0.0);
            }
            let norm = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|number| *number /= norm.max(1e-9));
            vectors.push(vector);
        }
        Ok(vectors)
    }
}

impl Layer {
    /// What the layer is told at each step, one row for each stretch that is left, gives way to what it says.
    fn run(&self, steps: &mut [Vec<f32>]) -> candle_core::Result<()> {
        let rows = steps.first().map_or(0, |step| step.len() / self.inputs);
        let mut said = vec![0.0_f32; rows * WIDTH];
        let mut cells = said.clone();
        for step in steps {
            let left = step.len() / self.inputs;
            let told = step.chunks_exact(self.inputs).zip(said.chunks_exact(WIDTH));
            let told: Vec<f32> = told
                .flat_map(|(input, said)| input.iter().chain(said).copied())
                .collect();
            let told = Tensor::from_vec(told, (left, self.inputs + WIDTH), &Device::Cpu)?;
            let said = &mut said[..left * WIDTH];
            numbers(&told.matmul(&self.weight)?, |gates| {
                gates
                    .par_chunks(SHARE * GATES)
                    .zip(cells.par_chunks_mut(SHARE * WIDTH))
                    .zip(said.par_chunks_mut(SHARE * WIDTH))
                    .for_each(|((gates, cells), said)| self.open_gates(gates, cells, said));
            })?;
            step.clear();
            step.extend_from_slice(said);
        }
        Ok(())
    }

    fn open_gates(&self, gates: &[f32], cells: &mut [f32], said: &mut [f32]) {
        let rows = cells.chunks_exact_mut(WIDTH).zip(said.chunks_exact_mut(WIDTH));
        for (gates, (cells, said)) in gates.chunks_exact(GATES).zip(rows) {
            gates::open::<WIDTH>(gates, &self.bias, cells, said);
        }
    }
}

/// Looks at the numbers of a tensor where they are.
fn numbers<T>(tensor: &Tensor, look: impl FnOnce(&[f32]) -> T) -> candle_core::Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(numbers)), Some((from, to))) => Ok(look(&numbers[from..to])),
        _ => Err(candle_core::Error::Msg("numbers of another kind or order".to_owned())),
    }
}
