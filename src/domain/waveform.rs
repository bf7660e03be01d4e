//! How loud a recording is from moment to moment: what a page draws.

use std::io;

use serde::{Deserialize, Serialize};

use super::{Recording, SAMPLE_RATE, Sound};

const PER_SECOND: u32 = 10;
/// Peaks for which sound is read at a time.
const AT_ONCE: usize = 50;
/// Full scale.
const LOUDEST: f32 = 255.0;

/// Peaks of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Waveform {
    /// Seconds.
    pub duration_s: f64,
    /// Peaks of each second.
    pub per_second: u32,
    /// One list a channel, of peaks from 0 to 255 (full scale).
    pub channels: Vec<Vec<u8>>,
}

impl Waveform {
    /// Fails where the sound cannot be read.
    pub fn of(recording: &Recording) -> io::Result<Self> {
        let sound = &recording.sound;
        let channels = (0..sound.channels()).map(|channel| peaks(sound.as_ref(), channel));
        Ok(Self {
            duration_s: (recording.duration_s * 1000.0).round() / 1000.0,
            per_second: PER_SECOND,
            channels: channels.collect::<io::Result<_>>()?,
        })
    }
}

fn peaks(sound: &dyn Sound, channel: usize) -> io::Result<Vec<u8>> {
    let samples = (SAMPLE_RATE / PER_SECOND).max(1) as usize;
    let peak = |part: &[f32]| {
        let peak = part.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        (peak.min(1.0) * LOUDEST).round() as u8
    };
    let mut peaks = Vec::with_capacity(sound.samples().div_ceil(samples));
    for from in (0..sound.samples()).step_by(samples * AT_ONCE) {
        let piece = sound.read(channel, from..from + samples * AT_ONCE)?;
        peaks.extend(piece.chunks(samples).map(peak));
    }
    Ok(peaks)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_tenth_of_a_second_has_its_peak() {
        let tenth = 1600;
        let mut left = vec![0.0; tenth * 70 + 1];
        left[tenth] = -0.5;
        left[tenth * 70] = 1.7;
        let right = vec![f32::NAN; left.len()];
        let recording = Recording {
            source: String::new(),
            duration_s: left.len() as f64 / 16_000.0,
            sound: Arc::new(vec![left, right]),
        };
        let waveform = Waveform::of(&recording).expect("in memory");
        let mut peaks = vec![0; 71];
        (peaks[1], peaks[70]) = (128, 255);
        assert_eq!(waveform.channels, [peaks, vec![0; 71]]);
        assert_eq!((waveform.duration_s, waveform.per_second), (7.0, 10));
    }
}
