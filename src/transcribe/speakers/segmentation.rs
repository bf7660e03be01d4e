//! Sound of one track → where two speak at once (pyannote's segmentation 3.0: two convolutions behind a bank of filters, four LSTM
//! layers of 128 in both directions).
//!
//! It hears ten seconds at a time, each once, and only where somebody speaks. It could say who of three speaks when, too, but only
//! within those ten seconds: that is told by voices, over the whole call (`groups`).

use std::io;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use rten_gemm::{GemmInputB, PackedBMatrix};
use rten_tensor::NdTensorView;
use safetensors::{Dtype, SafeTensors};

use super::super::Error;
use super::super::channels::Track;
use super::{gates, load};
use crate::domain::SAMPLE_RATE;
use crate::matrix::{self, Linear, Products};

/// Samples that are heard together: 10 s.
const WINDOW: usize = 10 * SAMPLE_RATE as usize;
/// Windows that go through the layers together: enough that a product of each step is worth its packing, and 30 MiB.
const BATCH: usize = 12;
/// Samples of a filter of the bank, from one of its places to the next, and filters.
const TAPS: usize = 251;
const STRIDE: usize = 10;
const BANK: usize = 80;
/// Filters of the convolutions behind it, and the places each sees.
const FILTERS: usize = 60;
const SEEN: usize = 5;
/// Places of which the strongest goes on, behind each.
const POOL: usize = 3;
/// Places of a window behind the bank and behind each convolution.
const PLACES: [usize; 3] = {
    let first = ((WINDOW - TAPS) / STRIDE + 1) / POOL;
    let second = (first - SEEN + 1) / POOL;
    [first, second, (second - SEEN + 1) / POOL]
};
/// Samples from one of the last places to the next, and to the middle of the first.
const STEP: usize = STRIDE * POOL * POOL * POOL;
const MIDDLE: usize = (TAPS + STRIDE * (POOL - 1) + STRIDE * POOL * (SEEN - 1 + POOL - 1) * (1 + POOL)) / 2;
/// Places of the bank that are worked on together.
const BLOCK: usize = 512;
const LAYERS: usize = 4;
/// Width of a layer in one direction, and in both.
const WIDTH: usize = 128;
const BOTH: usize = 2 * WIDTH;
const GATES: usize = 4 * WIDTH;
/// Nobody, each of three voices, each pair of them.
const CLASSES: usize = 7;
const PAIRS: Range<usize> = 4..7;
/// How likely it is that two speak, where they do.
const LIKELY: f32 = 0.5;
/// Samples between two overlaps that are one (0.1 s), and of the shortest.
const GAP: usize = SAMPLE_RATE as usize / 10;
const SHORTEST: usize = SAMPLE_RATE as usize / 10;
const EPSILON: f64 = 1e-5;
/// What is left of a negative number.
const LEAK: f32 = 0.01;

pub struct Segmentation {
    /// Of the samples, before anything else: factor and summand.
    wave: [f32; 2],
    bank: PackedBMatrix<f32>,
    convolutions: [Convolution; 2],
    norms: [Affine; 3],
    /// Forward and backward.
    layers: Vec<[Layer; 2]>,
    linear: [Linear; 2],
    classes: Linear,
    pool: rayon::ThreadPool,
}

/// Of the places that it sees at once, one behind the other.
struct Convolution {
    weight: PackedBMatrix<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

/// Factor and summand of each filter.
struct Affine {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    /// What it is told → gates.
    told: Linear,
    /// What it said before → gates.
    said: Linear,
    bias: Vec<f32>,
}

impl Segmentation {
    /// Reads `model.safetensors`.
    pub fn load(path: &Path, threads: usize) -> Result<Self, Error> {
        load(path, threads, Self::from_tensors)
    }

    fn from_tensors(file: &SafeTensors<'_>, pool: rayon::ThreadPool) -> Result<Self, String> {
        let numbers = |name: &str, shape: &[usize]| -> Result<Vec<f32>, String> {
            let view = file.tensor(name).map_err(|error| error.to_string())?;
            if view.shape() != shape || view.dtype() != Dtype::F32 {
                return Err(format!("`{name}` has another shape than {shape:?}"));
            }
            let (numbers, _) = view.data().as_chunks::<4>();
            Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        };
        let products = Products::default();
        let packed = |weight: &[f32], outputs: usize| {
            products.pack(NdTensorView::from_data([outputs, weight.len() / outputs], weight).transposed())
        };
        let dense = |weight: &str, inputs: usize, bias: Vec<f32>| {
            let shape = [bias.len(), inputs];
            let weight = numbers(weight, &shape)?;
            let weight = NdTensorView::from_data(shape, weight.as_slice());
            Ok::<_, String>(Linear::exact(&products, weight.transposed(), bias))
        };
        let linear = |name: &str, inputs: usize, outputs: usize| {
            let bias = numbers(&format!("{name}.bias"), &[outputs])?;
            dense(&format!("{name}.weight"), inputs, bias)
        };
        let convolution = |name: &str, inputs: usize| {
            let stored = numbers(&format!("{name}.weight"), &[FILTERS, inputs, SEEN])?;
            Ok::<_, String>(Convolution {
                weight: packed(&matrix::places_first(&stored, inputs, SEEN), FILTERS),
                bias: numbers(&format!("{name}.bias"), &[FILTERS])?,
                inputs,
            })
        };
        let affine = |name: &str, width: usize| {
            Ok::<_, String>(Affine {
                weight: numbers(&format!("{name}.weight"), &[width])?,
                bias: numbers(&format!("{name}.bias"), &[width])?,
            })
        };
        let layer = |index: usize, direction: &str| {
            let inputs = if index == 0 { FILTERS } else { BOTH };
            let matrix = |name: &str, inputs: usize| {
                let weight = format!("lstm.weight_{name}_l{index}{direction}");
                dense(&weight, inputs, vec![0.0; GATES])
            };
            let bias = |name: &str| numbers(&format!("lstm.bias_{name}_l{index}{direction}"), &[GATES]);
            let sum = bias("ih")?.into_iter().zip(bias("hh")?).map(|(one, other)| one + other);
            Ok::<_, String>(Layer {
                told: matrix("ih", inputs)?,
                said: matrix("hh", WIDTH)?,
                bias: sum.collect(),
            })
        };
        let wave = affine("sincnet.wav_norm1d", 1)?;
        Ok(Self {
            wave: [wave.weight[0], wave.bias[0]],
            bank: packed(&numbers("sincnet.filters", &[BANK, TAPS])?, BANK),
            convolutions: [
                convolution("sincnet.conv1d.1", BANK)?,
                convolution("sincnet.conv1d.2", FILTERS)?,
            ],
            norms: [
                affine("sincnet.norm1d.0", BANK)?,
                affine("sincnet.norm1d.1", FILTERS)?,
                affine("sincnet.norm1d.2", FILTERS)?,
            ],
            layers: (0..LAYERS)
                .map(|index| Ok([layer(index, "")?, layer(index, "_reverse")?]))
                .collect::<Result<_, String>>()?,
            linear: [linear("linear.0", BOTH, WIDTH)?, linear("linear.1", WIDTH, WIDTH)?],
            classes: linear("classifier", WIDTH, CLASSES)?,
            pool,
        })
    }

    /// Where two speak at once, in samples of the track, in order. `speech`: where anybody speaks. `go_on` may stop the work.
    pub fn overlaps(
        &self,
        track: &Track<'_>,
        speech: &[Range<usize>],
        unreadable: &dyn Fn(io::Error) -> Error,
        go_on: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Vec<Range<usize>>, Error> {
        let spoken = |from: &usize| {
            let next = speech.partition_point(|range| range.end <= *from);
            speech.get(next).is_some_and(|range| range.start < from + WINDOW)
        };
        let starts: Vec<usize> = (0..track.samples()).step_by(WINDOW).filter(spoken).collect();
        let mut found = Vec::new();
        for starts in starts.chunks(BATCH) {
            go_on()?;
            let mut windows = Vec::with_capacity(starts.len());
            for from in starts {
                let mut samples = track.read(*from..from + WINDOW).map_err(unreadable)?;
                samples.resize(WINDOW, 0.0);
                windows.push(samples);
            }
            for (from, chances) in starts.iter().zip(self.chances(windows)) {
                found.extend(places(&chances).map(|place| from + place.start..from + place.end));
            }
        }
        Ok(within(joined(found), speech))
    }

    /// How likely it is that two speak, at each place of each window of ten seconds. What comes of one does not depend on the others.
    pub fn chances(&self, mut windows: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        self.pool.install(|| {
            let heard: Vec<Vec<f32>> = windows.par_iter_mut().map(|window| self.hear(window)).collect();
            let count = heard.len();
            // Place by place, the windows beside each other.
            let mut rows = Vec::with_capacity(count * heard.first().map_or(0, Vec::len));
            for place in 0..PLACES[2] {
                for window in &heard {
                    rows.extend_from_slice(&window[place * FILTERS..(place + 1) * FILTERS]);
                }
            }
            drop(heard);
            for [forward, backward] in &self.layers {
                let (there, back) =
                    rayon::join(|| forward.run(&rows, count, false), || backward.run(&rows, count, true));
                let both = there.chunks_exact(WIDTH).zip(back.chunks_exact(WIDTH));
                rows = both
                    .flat_map(|(there, back)| there.iter().chain(back).copied())
                    .collect();
            }
            let mut products = Products::default();
            for linear in &self.linear {
                let mut out = vec![0.0; PLACES[2] * count * WIDTH];
                linear.set(&mut products, &rows, &mut out);
                out.iter_mut().for_each(leak);
                rows = out;
            }
            let mut classes = vec![0.0; PLACES[2] * count * CLASSES];
            self.classes.set(&mut products, &rows, &mut classes);
            let mut chances = vec![Vec::with_capacity(PLACES[2]); count];
            for places in classes.chunks_exact_mut(count * CLASSES) {
                for (chances, row) in chances.iter_mut().zip(places.chunks_exact_mut(CLASSES)) {
                    matrix::softmax(row);
                    chances.push(row[PAIRS].iter().sum());
                }
            }
            chances
        })
    }

    /// Places × filters of a window.
    fn hear(&self, window: &mut [f32]) -> Vec<f32> {
        let products = Products::default();
        let mean = matrix::sum(window) / window.len() as f32;
        let variance = matrix::sum_of_squares(window, mean) / window.len() as f32;
        let scale = self.wave[0] / (variance + EPSILON as f32).sqrt();
        window
            .iter_mut()
            .for_each(|sample| *sample = (*sample - mean) * scale + self.wave[1]);
        let mut rows = Vec::with_capacity(PLACES[0] * BANK);
        let mut block = vec![0.0; BLOCK * POOL * BANK];
        for from in (0..PLACES[0]).step_by(BLOCK) {
            let count = BLOCK.min(PLACES[0] - from) * POOL;
            let sound = &window[from * POOL * STRIDE..];
            let seen = NdTensorView::from_slice_with_strides([count, TAPS], sound, [STRIDE, 1]);
            let block = &mut block[..count * BANK];
            products.set(
                seen.expect("a window holds its places"),
                GemmInputB::Packed(&self.bank),
                1.0,
                block,
            );
            block.iter_mut().for_each(|number| *number = number.abs());
            pooled(block, BANK, &mut rows);
        }
        self.norms[0].apply(&mut rows);
        for (at, convolution) in self.convolutions.iter().enumerate() {
            let count = PLACES[at + 1] * POOL;
            let shape = [count, SEEN * convolution.inputs];
            let seen = NdTensorView::from_slice_with_strides(shape, &rows, [convolution.inputs, 1]);
            let mut out = vec![0.0; count * FILTERS];
            products.set(
                seen.expect("as many places"),
                GemmInputB::Packed(&convolution.weight),
                1.0,
                &mut out,
            );
            rows.clear();
            pooled(&out, FILTERS, &mut rows);
            for row in rows.chunks_exact_mut(FILTERS) {
                let biases = row.iter_mut().zip(&convolution.bias);
                biases.for_each(|(number, bias)| *number += bias);
            }
            self.norms[at + 1].apply(&mut rows);
        }
        rows
    }
}

/// The largest of each few rows.
fn pooled(rows: &[f32], width: usize, to: &mut Vec<f32>) {
    for rows in rows.chunks_exact(POOL * width) {
        let from = to.len();
        to.extend_from_slice(&rows[..width]);
        for row in rows[width..].chunks_exact(width) {
            let most = to[from..].iter_mut().zip(row);
            most.for_each(|(most, number)| *most = most.max(*number));
        }
    }
}

const fn leak(number: &mut f32) {
    if *number < 0.0 {
        *number *= LEAK;
    }
}

impl Affine {
    /// Each filter to mean 0 and variance 1 over its places, then scaled; of what is negative little is left.
    fn apply(&self, rows: &mut [f32]) {
        let width = self.weight.len();
        let count = (rows.len() / width) as f64;
        let mut means = vec![0.0_f64; width];
        for row in rows.chunks_exact(width) {
            means
                .iter_mut()
                .zip(row)
                .for_each(|(sum, number)| *sum += f64::from(*number));
        }
        means.iter_mut().for_each(|sum| *sum /= count);
        let mut variances = vec![0.0_f64; width];
        for row in rows.chunks_exact(width) {
            for ((sum, number), mean) in variances.iter_mut().zip(row).zip(&means) {
                let off = f64::from(*number) - mean;
                *sum += off * off;
            }
        }
        let scales: Vec<[f32; 2]> = (0..width)
            .map(|at| {
                let scale = f64::from(self.weight[at]) / (variances[at] / count + EPSILON).sqrt();
                [scale as f32, (f64::from(self.bias[at]) - means[at] * scale) as f32]
            })
            .collect();
        for row in rows.chunks_exact_mut(width) {
            for (number, [scale, summand]) in row.iter_mut().zip(&scales) {
                *number = *number * scale + summand;
                leak(number);
            }
        }
    }
}

impl Layer {
    /// What it says at each place, of so many windows beside each other.
    fn run(&self, rows: &[f32], windows: usize, backward: bool) -> Vec<f32> {
        let mut products = Products::default();
        let places = PLACES[2];
        let mut gates = vec![0.0; places * windows * GATES];
        self.told.set(&mut products, rows, &mut gates);
        let mut all = vec![0.0; places * windows * WIDTH];
        let (mut said, mut cells) = (vec![0.0; windows * WIDTH], vec![0.0; windows * WIDTH]);
        for step in 0..places {
            let place = if backward { places - 1 - step } else { step };
            let gates = &mut gates[place * windows * GATES..(place + 1) * windows * GATES];
            self.said.add(&mut products, &said, gates);
            let each = gates.chunks_exact(GATES).zip(cells.chunks_exact_mut(WIDTH));
            for ((gates, cells), said) in each.zip(said.chunks_exact_mut(WIDTH)) {
                gates::open::<WIDTH>(gates, &self.bias, cells, said);
            }
            all[place * windows * WIDTH..(place + 1) * windows * WIDTH].copy_from_slice(&said);
        }
        all
    }
}

/// Runs of likely places, in samples of the window. Its ends belong to its outer places.
fn places(chances: &[f32]) -> impl Iterator<Item = Range<usize>> {
    let last = chances.len();
    let border = move |at: usize| match at {
        0 => 0,
        at if at == last => WINDOW,
        at => at * STEP + MIDDLE - STEP / 2,
    };
    let mut at = 0;
    chances
        .chunk_by(|one, next| (*one >= LIKELY) == (*next >= LIKELY))
        .filter_map(move |run| {
            let from = at;
            at += run.len();
            (run[0] >= LIKELY).then(|| border(from)..border(at))
        })
}

/// Overlaps that are hardly apart become one.
fn joined(overlaps: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(overlaps.len());
    for overlap in overlaps {
        match joined.last_mut() {
            Some(last) if overlap.start <= last.end + GAP => last.end = overlap.end,
            _ => joined.push(overlap),
        }
    }
    joined
}

/// What both have of one another; what is very short of it is left out.
pub fn within(one: Vec<Range<usize>>, other: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for range in one {
        let first = other.partition_point(|other| other.end <= range.start);
        let common = other[first..].iter().take_while(|other| other.start < range.end);
        found.extend(common.map(|other| range.start.max(other.start)..range.end.min(other.end)));
    }
    found.retain(|common| common.len() >= SHORTEST);
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_where_the_layers_have_them() {
        assert_eq!(PLACES, [5325, 1773, 589]);
        assert_eq!((STEP, MIDDLE), (270, 495));
    }

    #[test]
    fn likely_places_are_stretches_of_sound() {
        let mut chances = vec![0.1; PLACES[2]];
        chances[..10].fill(0.9);
        chances[100..120].fill(0.6);
        chances[588] = 0.8;
        let found: Vec<Range<usize>> = places(&chances).collect();
        assert_eq!(found, [0..3060, 27_360..32_760, 159_120..WINDOW]);
    }

    #[test]
    fn overlaps_go_on_over_the_end_of_a_window_and_short_ones_do_not_count() {
        let found = joined(vec![0..8_000, 159_000..160_000, 160_500..164_000, 200_000..201_000]);
        assert_eq!(found, [0..8_000, 159_000..164_000, 200_000..201_000]);
        let speech = [4_000..163_000, 199_000..300_000];
        assert_eq!(within(found, &speech), [4_000..8_000, 159_000..163_000]);
    }

    proptest! {
        #[test]
        fn what_both_have_is_in_order_and_in_both(
            one in prop::collection::vec((1_usize..20_000, 1_usize..50_000), 0..20),
            other in prop::collection::vec((1_usize..20_000, 1_usize..50_000), 0..20),
        ) {
            let ranges = |steps: &[(usize, usize)]| -> Vec<Range<usize>> {
                let mut at = 0;
                steps
                    .iter()
                    .map(|(pause, length)| {
                        let start = at + pause;
                        at = start + length;
                        start..at
                    })
                    .collect()
            };
            let (one, other) = (ranges(&one), ranges(&other));
            let common = within(one.clone(), &other);
            prop_assert!(common.windows(2).all(|pair| pair[0].end <= pair[1].start));
            let inside = |range: &Range<usize>, all: &[Range<usize>]| {
                all.iter().any(|outer| outer.start <= range.start && range.end <= outer.end)
            };
            prop_assert!(common.iter().all(|range| inside(range, &one) && inside(range, &other)));
            prop_assert_eq!(common, within(other, &one));
        }
    }
}
