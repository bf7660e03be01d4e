//! One channel to 16 kHz, piece by piece; its delay is taken out, so that times stay what they were.

use audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use crate::domain::SAMPLE_RATE;

/// Samples that go through at once.
const CHUNK: usize = 1024;

pub struct Resampler {
    /// None where the rate is right already.
    fft: Option<Fft<f32>>,
    rate: u32,
    waiting: Vec<f32>,
    out: Vec<f32>,
    /// Samples that came in.
    taken: usize,
    /// Samples that [`Self::take`] gave away.
    given: usize,
    /// Output samples still to drop at the beginning.
    delay: usize,
}

impl Resampler {
    pub fn new(rate: u32) -> Result<Self, String> {
        let fft = if rate == SAMPLE_RATE {
            None
        } else {
            let fft = Fft::new(rate as usize, SAMPLE_RATE as usize, CHUNK, 1, FixedSync::Input);
            Some(fft.map_err(|error| error.to_string())?)
        };
        let delay = fft.as_ref().map_or(0, rubato::Resampler::output_delay);
        Ok(Self {
            fft,
            rate,
            waiting: Vec::new(),
            out: Vec::new(),
            taken: 0,
            given: 0,
            delay,
        })
    }

    pub fn push(&mut self, samples: &[f32]) -> Result<(), String> {
        self.taken += samples.len();
        if self.fft.is_none() {
            self.out.extend_from_slice(samples);
            return Ok(());
        }
        self.waiting.extend_from_slice(samples);
        self.drain(false)
    }

    /// Runs whole chunks; with `all` also what is left, filled up with silence.
    fn drain(&mut self, all: bool) -> Result<(), String> {
        let Some(fft) = &mut self.fft else { return Ok(()) };
        let mut from = 0;
        loop {
            let needed = fft.input_frames_next();
            let left = self.waiting.len() - from;
            if left < needed && !(all && left > 0) {
                break;
            }
            let take = left.min(needed);
            let mut chunk = self.waiting[from..from + take].to_vec();
            chunk.resize(needed, 0.0);
            from += take;
            let input = [chunk];
            let input = SequentialSliceOfVecs::new(&input, 1, needed).map_err(|error| error.to_string())?;
            let room = fft.output_frames_next();
            let mut output = [vec![0.0; room]];
            let mut adapter =
                SequentialSliceOfVecs::new_mut(&mut output, 1, room).map_err(|error| error.to_string())?;
            let (_, made) = fft
                .process_into_buffer(&input, &mut adapter, None::<&Indexing>)
                .map_err(|error| error.to_string())?;
            let skip = self.delay.min(made);
            self.delay -= skip;
            self.out.extend_from_slice(&output[0][skip..made]);
        }
        self.waiting.drain(..from);
        Ok(())
    }

    /// What is ready, for sound that is used while it comes.
    pub fn take(&mut self) -> Vec<f32> {
        self.given += self.out.len();
        std::mem::take(&mut self.out)
    }

    /// The rest: in all exactly as many samples as the time that came in holds.
    pub fn finish(mut self) -> Result<Vec<f32>, String> {
        let wanted = (self.taken as u64 * u64::from(SAMPLE_RATE)).div_ceil(u64::from(self.rate)) as usize;
        let wanted = wanted.saturating_sub(self.given);
        if self.fft.is_some() {
            self.drain(true)?;
            // What is still inside comes out behind silence.
            while self.out.len() < wanted {
                self.waiting.resize(CHUNK, 0.0);
                self.drain(true)?;
            }
        }
        self.out.truncate(wanted);
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f32, seconds: f32) -> Vec<f32> {
        (0..(rate as f32 * seconds) as usize)
            .map(|n| (n as f32 * hertz * std::f32::consts::TAU / rate as f32).sin() * 0.5)
            .collect()
    }

    #[test]
    fn every_rate_keeps_pitch_length_and_place() {
        for rate in [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            let mut resampler = Resampler::new(rate).expect("a resampler");
            for piece in tone(rate, 440.0, 1.5).chunks(777) {
                resampler.push(piece).expect("pushed");
            }
            let out = resampler.finish().expect("finished");
            assert!(out.len().abs_diff(24_000) <= 1, "{rate}: {}", out.len());
            let expected = tone(16_000, 440.0, 1.5);
            // The delay is a whole number of samples: the place is right to one of them.
            let off = |shift: usize| {
                let pairs = out[1600..22_000].iter().zip(&expected[1599 + shift..21_999 + shift]);
                (pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>() / 20_400.0).sqrt()
            };
            let least = off(0).min(off(1)).min(off(2));
            assert!(least < 0.03, "{rate}: off by {least}");
        }
    }
}
