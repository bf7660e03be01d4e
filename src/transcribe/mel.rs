//! Sound → bands of the mel scale, as the recogniser and the voice encoder were trained on: power, not its logarithm; 25 ms every
//! 10 ms.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples between two frames.
pub const HOP: usize = 160;
/// Samples of a frame; its middle lies at its number times [`HOP`].
const WINDOW: usize = 400;
const BINS: usize = WINDOW / 2 + 1;

pub struct Mel {
    fourier: Arc<dyn RealToComplex<f32>>,
    /// Fades a frame in and out.
    fade: Vec<f32>,
    /// Of each band its first frequency and the weights from there on.
    filters: Vec<(usize, Vec<f32>)>,
}

impl Mel {
    /// `filters`: for each band the weight of each frequency; None where their number is wrong.
    pub fn new(filters: &[f32], bands: usize) -> Option<Self> {
        if filters.len() != bands * BINS {
            return None;
        }
        let filters = filters.chunks_exact(BINS).map(|row| {
            let first = row.iter().position(|weight| *weight > 0.0).unwrap_or(0);
            let end = row
                .iter()
                .rposition(|weight| *weight > 0.0)
                .map_or(first, |last| last + 1);
            (first, row[first..end].to_vec())
        });
        let turn = |at: usize| (at as f32 * std::f32::consts::TAU / WINDOW as f32).cos();
        Some(Self {
            fourier: RealFftPlanner::new().plan_fft_forward(WINDOW),
            fade: (0..WINDOW).map(|at| 0.5 - 0.5 * turn(at)).collect(),
            filters: filters.collect(),
        })
    }

    /// Bands of the frames, frame by frame. `read` gives samples, fewer behind the end of the sound; around it is silence.
    pub fn frames(
        &self,
        read: impl Fn(Range<usize>) -> io::Result<Vec<f32>>,
        frames: Range<usize>,
    ) -> io::Result<Vec<f32>> {
        let from = frames.start * HOP;
        let before = WINDOW / 2;
        let missing = before.saturating_sub(from);
        let mut samples = vec![0.0; missing];
        samples.extend(read(from + missing - before..frames.end * HOP + WINDOW / 2)?);
        samples.resize(frames.len() * HOP + WINDOW, 0.0);
        let mut bands = Vec::with_capacity(frames.len() * self.filters.len());
        let (mut input, mut scratch) = (self.fourier.make_input_vec(), self.fourier.make_scratch_vec());
        let mut spectrum: Vec<Complex<f32>> = self.fourier.make_output_vec();
        let mut power = [0.0; BINS];
        for at in 0..frames.len() {
            let frame = &samples[at * HOP..at * HOP + WINDOW];
            for ((input, sample), fade) in input.iter_mut().zip(frame).zip(&self.fade) {
                *input = sample * fade;
            }
            self.fourier
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .map_err(io::Error::other)?;
            for (power, frequency) in power.iter_mut().zip(&spectrum) {
                *power = frequency.norm_sqr();
            }
            bands.extend(self.filters.iter().map(|(first, weights)| -> f32 {
                weights
                    .iter()
                    .zip(&power[*first..])
                    .map(|(weight, power)| weight * power)
                    .sum()
            }));
        }
        Ok(bands)
    }
}
