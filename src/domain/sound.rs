//! Sound, wherever it lies: it is read piece by piece, because hours of it are more than a program should hold.

use std::fmt::Debug;
use std::io;
use std::ops::Range;

/// Samples at [`SAMPLE_RATE`](super::SAMPLE_RATE), in −1…1; every channel has as many.
pub trait Sound: Debug + Send + Sync {
    fn channels(&self) -> usize;

    /// Samples of each channel.
    fn samples(&self) -> usize;

    /// Samples of one channel; what `range` names behind the end is left out.
    fn read(&self, channel: usize, range: Range<usize>) -> io::Result<Vec<f32>>;
}

/// In memory, channel by channel.
impl Sound for Vec<Vec<f32>> {
    fn channels(&self) -> usize {
        self.len()
    }

    fn samples(&self) -> usize {
        self.first().map_or(0, Vec::len)
    }

    fn read(&self, channel: usize, range: Range<usize>) -> io::Result<Vec<f32>> {
        let end = range.end.min(self.samples());
        Ok(self[channel][range.start.min(end)..end].to_vec())
    }
}

/// Samples that are read at a time: 4 s.
const PIECE: usize = 1 << 16;
/// Loudness (root mean square) under which a channel is silent: −60 dB.
const SILENT: f64 = 1e-3;
/// Share of the energy that may differ between channels with the same sound, each brought to the same loudness: codecs
/// treat the two of "dual mono" a little differently.
const SAME: f64 = 0.02;

/// Channels with sound of their own, in order: neither silent nor the same as one before.
pub fn distinct_channels(sound: &dyn Sound) -> io::Result<Vec<usize>> {
    let channels = sound.channels();
    let samples = sound.samples();
    // Of each channel with itself and with those before it.
    let mut products = vec![vec![0.0_f64; channels]; channels];
    for from in (0..samples).step_by(PIECE) {
        let pieces = (0..channels)
            .map(|channel| sound.read(channel, from..from + PIECE))
            .collect::<io::Result<Vec<_>>>()?;
        for (one, products) in products.iter_mut().enumerate() {
            for (other, product) in products.iter_mut().enumerate().take(one + 1) {
                let pairs = pieces[one].iter().zip(&pieces[other]);
                *product += pairs.map(|(a, b)| f64::from(a * b)).sum::<f64>();
            }
        }
    }
    let loudness = |channel: usize| (products[channel][channel] / samples.max(1) as f64).sqrt();
    // Energy of the difference: 1 + 1 − twice the correlation.
    let same = |one: usize, other: usize| {
        let correlation = products[one][other] / samples.max(1) as f64 / (loudness(one) * loudness(other));
        2.0 - 2.0 * correlation < SAME
    };
    let mut found: Vec<usize> = Vec::new();
    for channel in 0..channels {
        if loudness(channel) >= SILENT && !found.iter().any(|&before| same(channel, before)) {
            found.push(channel);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, gain: f32) -> Vec<f32> {
        (0..100_000)
            .map(|n| gain * (n as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin())
            .collect()
    }

    fn distinct(channels: Vec<Vec<f32>>) -> Vec<usize> {
        distinct_channels(&channels).expect("in memory")
    }

    #[test]
    fn silent_and_repeated_channels_are_none_of_their_own() {
        assert_eq!(distinct(vec![tone(200.0, 0.3), tone(310.0, 0.3)]), [0, 1]);
        assert_eq!(distinct(vec![tone(200.0, 0.3), tone(200.0, 0.1)]), [0]);
        assert_eq!(distinct(vec![tone(200.0, 0.0), tone(200.0, 0.1)]), [1]);
        assert_eq!(distinct(vec![tone(200.0, 1e-3), tone(310.0, 1e-3)]), [0_usize; 0]);
        let eight = [0.0, 200.0, 0.0, 310.0, 200.0, 0.0, 310.0, 0.0];
        let eight = eight.map(|hertz| tone(hertz, 0.2)).to_vec();
        assert_eq!(distinct(eight), [1, 3]);
    }

    #[test]
    fn what_lies_behind_the_end_is_left_out() {
        let sound = vec![vec![1.0, 2.0, 3.0]];
        assert_eq!(sound.read(0, 1..9).expect("in memory"), [2.0, 3.0]);
        assert!(sound.read(0, 7..9).expect("in memory").is_empty());
    }
}
