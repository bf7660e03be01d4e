//! The checkpoint of pyannote's segmentation 3.0 (who speaks when, for up to three voices at once) → safetensors, with the filters that
//! it listens through.
//!
//! A checkpoint holds two frequencies for each pair of filters; the filters are computed here, with plain arithmetic that is the same on
//! every machine.

use std::f64::consts::TAU;

use super::Error;
use super::torch::{Checkpoint, Tensor, lstm, write};

const WHAT: &str = "pytorch_model.bin";
const STATE: &str = "state_dict";
const SAMPLE_RATE: f64 = 16_000.0;
/// Filters in pairs: one even, one odd.
const PAIRS: usize = 40;
/// Samples of a filter: so many on both sides of its middle.
const HALF: usize = 125;
const TAPS: usize = 2 * HALF + 1;
/// Hz that no filter begins under, and no band is narrower than.
const LOWEST: f64 = 50.0;
const NARROWEST: f64 = 50.0;
/// Filters of the other two convolutions, and their samples.
const FILTERS: usize = 60;
const WIDE: usize = 5;
/// Width of a layer, of one direction, and of what it says in both.
const WIDTH: usize = 128;
const BOTH: usize = 2 * WIDTH;
const LAYERS: usize = 4;
/// Nobody, each of three voices, each pair of them.
const CLASSES: usize = 7;

/// One file, from `pytorch_model.bin`.
pub fn to_safetensors(checkpoint: &[u8]) -> Result<Vec<u8>, Error> {
    let checkpoint = Checkpoint::read(WHAT, checkpoint)?;
    let mut expected: Vec<(String, Vec<usize>)> = Vec::new();
    let mut affine = |name: &str, shape: &[usize]| {
        expected.push((format!("{name}.weight"), shape.to_vec()));
        expected.push((format!("{name}.bias"), shape[..1].to_vec()));
    };
    affine("sincnet.wav_norm1d", &[1]);
    affine("sincnet.conv1d.1", &[FILTERS, 2 * PAIRS, WIDE]);
    affine("sincnet.conv1d.2", &[FILTERS, FILTERS, WIDE]);
    affine("sincnet.norm1d.0", &[2 * PAIRS]);
    affine("sincnet.norm1d.1", &[FILTERS]);
    affine("sincnet.norm1d.2", &[FILTERS]);
    affine("linear.0", &[WIDTH, BOTH]);
    affine("linear.1", &[WIDTH, WIDTH]);
    affine("classifier", &[CLASSES, WIDTH]);
    for layer in 0..LAYERS {
        let inputs = if layer == 0 { FILTERS } else { BOTH };
        for direction in ["", "_reverse"] {
            expected.extend(lstm(&format!("{layer}{direction}"), inputs, WIDTH));
        }
    }
    let bank = ["low_hz_", "band_hz_", "window_"].map(|name| format!("sincnet.conv1d.0.filterbank.{name}"));
    let shapes = [vec![PAIRS, 1], vec![PAIRS, 1], vec![HALF]];
    let bank = checkpoint.tensors(STATE, bank.into_iter().zip(shapes).collect())?;
    let mut tensors = vec![(
        "sincnet.filters".to_owned(),
        Tensor {
            shape: vec![2 * PAIRS, TAPS],
            values: filters(&bank[0].1.values, &bank[1].1.values, &bank[2].1.values),
        },
    )];
    tensors.extend(checkpoint.tensors(STATE, expected)?);
    write(WHAT, &tensors)
}

/// The even filter of each pair, then the odd ones: what lies between two frequencies, under a window whose first half is given.
fn filters(low: &[f32], band: &[f32], window: &[f32]) -> Vec<f32> {
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    for (low, band) in low.iter().zip(band) {
        let low = LOWEST + f64::from(low.abs());
        let high = (low + NARROWEST + f64::from(band.abs())).min(SAMPLE_RATE / 2.0);
        let (lows, highs) = (circle(TAU * low / SAMPLE_RATE), circle(TAU * high / SAMPLE_RATE));
        // From the middle on.
        let tap = |at: usize, difference: f64| {
            let time = TAU * at as f64 / SAMPLE_RATE;
            (difference * 2.0 / time * f64::from(window[HALF - at]) / (2.0 * (high - low))) as f32
        };
        let right = |part: fn(&(f64, f64)) -> f64| -> Vec<f32> {
            let taps = (1..=HALF).map(|at| tap(at, part(&highs[at]) - part(&lows[at])));
            taps.collect()
        };
        let (cosines, sines) = (right(|(_, sine)| *sine), right(|(cosine, _)| *cosine));
        even.extend(cosines.iter().rev());
        even.push(1.0);
        even.extend(&cosines);
        odd.extend(sines.iter().rev());
        odd.push(0.0);
        odd.extend(sines.iter().map(|tap| -tap));
    }
    even.into_iter().chain(odd).collect()
}

/// Cosine and sine of 0, 1, … [`HALF`] times an angle under π.
fn circle(angle: f64) -> Vec<(f64, f64)> {
    // By the series, of a part so small that few terms do, doubled back to the angle.
    const HALVINGS: u32 = 6;
    let small = angle / f64::from(1 << HALVINGS);
    let square = small * small;
    let series = |first: f64, from: u32| {
        let mut terms = vec![first];
        for n in 0..8_u32 {
            let next = f64::from(from + 2 * n) * f64::from(from + 2 * n + 1);
            terms.push(-terms[terms.len() - 1] * square / next);
        }
        terms.iter().rev().sum::<f64>()
    };
    let turn = |(a, b): (f64, f64), (c, d): (f64, f64)| (a * c - b * d, a * d + b * c);
    let mut step = (series(1.0, 1), series(small, 2));
    for _ in 0..HALVINGS {
        step = turn(step, step);
    }
    let mut places = vec![(1.0, 0.0)];
    for at in 0..HALF {
        places.push(turn(places[at], step));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_checkpoint_is_refused() {
        let error = to_safetensors(&super::super::torch::tests::checkpoint()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pytorch_model.bin: tensor `sincnet.conv1d.0.filterbank.low_hz_` is missing"
        );
    }

    #[test]
    fn a_filter_lets_its_band_through_and_nothing_far_from_it() {
        let window = vec![1.0; HALF];
        let filters = filters(&[950.0], &[950.0], &window);
        // 1,000 to 2,000 Hz.
        let power = |hertz: f64| {
            let strength = |filter: &[f32], wave: fn(f64) -> f64| {
                let taps = filter.iter().enumerate();
                taps.map(|(at, tap)| f64::from(*tap) * wave(TAU * hertz * (at as f64 - HALF as f64) / SAMPLE_RATE))
                    .sum::<f64>()
            };
            let (even, odd) = filters.split_at(TAPS);
            (strength(even, f64::cos).abs(), strength(odd, f64::sin).abs())
        };
        let (inside, outside) = (power(1500.0), power(4000.0));
        assert!(
            inside.0 > 20.0 * outside.0 && inside.1 > 20.0 * outside.1,
            "{inside:?} {outside:?}"
        );
        assert!((inside.0 / inside.1 - 1.0).abs() < 0.05, "{inside:?}");
    }

    #[test]
    fn places_on_the_circle_are_those_of_the_platform() {
        for angle in [0.02_f64, 0.4, 1.6, 3.1] {
            for (at, (cosine, sine)) in circle(angle).into_iter().enumerate() {
                let (expected_sine, expected_cosine) = (angle * at as f64).sin_cos();
                assert!((cosine - expected_cosine).abs() < 1e-12 && (sine - expected_sine).abs() < 1e-12);
            }
        }
    }
}
