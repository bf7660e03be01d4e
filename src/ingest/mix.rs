//! More than two channels: those of two speakers, or all in one.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::{Sound, distinct_channels};

/// One or two channels stay what they are. Of more, the silent and the repeated are dropped; two that are left are a speaker
/// each (a recorder with more inputs than people), and others are mixed down (a film's sound from all sides).
pub fn mixed(sound: Arc<dyn Sound>) -> io::Result<Arc<dyn Sound>> {
    if sound.channels() <= 2 {
        return Ok(sound);
    }
    let of = match distinct_channels(sound.as_ref())? {
        none if none.is_empty() => vec![vec![0]],
        two if two.len() == 2 => two.into_iter().map(|channel| vec![channel]).collect(),
        all => vec![all],
    };
    Ok(Arc::new(Mixed { sound, of }))
}

#[derive(Debug)]
struct Mixed {
    sound: Arc<dyn Sound>,
    /// Channels of the sound that each of these is the mean of.
    of: Vec<Vec<usize>>,
}

impl Sound for Mixed {
    fn channels(&self) -> usize {
        self.of.len()
    }

    fn samples(&self) -> usize {
        self.sound.samples()
    }

    fn read(&self, channel: usize, range: Range<usize>) -> io::Result<Vec<f32>> {
        let of = &self.of[channel];
        let mut sum = self.sound.read(of[0], range.clone())?;
        for other in &of[1..] {
            for (sum, sample) in sum.iter_mut().zip(self.sound.read(*other, range.clone())?) {
                *sum += sample;
            }
        }
        let share = 1.0 / of.len() as f32;
        sum.iter_mut().for_each(|sample| *sample *= share);
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32) -> Vec<f32> {
        (0..16_000)
            .map(|n| 0.3 * (n as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin())
            .collect()
    }

    fn channels(hertz: &[f32]) -> Vec<Vec<f32>> {
        let sound = hertz.iter().map(|hertz| tone(*hertz)).collect::<Vec<_>>();
        let mixed = mixed(Arc::new(sound)).expect("in memory");
        let read = |channel| mixed.read(channel, 0..mixed.samples()).expect("in memory");
        (0..mixed.channels()).map(read).collect()
    }

    #[test]
    fn two_live_channels_of_many_are_two_speakers() {
        assert_eq!(
            channels(&[0.0, 0.0, 200.0, 0.0, 310.0, 200.0]),
            [tone(200.0), tone(310.0)]
        );
        assert_eq!(channels(&[0.0, 0.0, 200.0]), [tone(200.0)]);
        assert_eq!(channels(&[0.0, 0.0, 0.0]), [tone(0.0)]);
        // No more than two: as they are.
        assert_eq!(channels(&[200.0, 0.0]), [tone(200.0), tone(0.0)]);
    }

    #[test]
    fn more_are_one_track() {
        let mixed = channels(&[200.0, 310.0, 0.0, 450.0]);
        let mean = |n: usize| (tone(200.0)[n] + tone(310.0)[n] + tone(450.0)[n]) / 3.0;
        assert_eq!(mixed.len(), 1);
        assert!((0..16_000).step_by(997).all(|n| (mixed[0][n] - mean(n)).abs() < 1e-6));
    }
}
