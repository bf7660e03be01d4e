//! How loud a recording is from moment to moment: what a page draws.

use serde::{Deserialize, Serialize};

use super::{Recording, SAMPLE_RATE};

const PER_SECOND: u32 = 10;
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
    pub fn of(recording: &Recording) -> Self {
        let samples = (SAMPLE_RATE / PER_SECOND).max(1) as usize;
        let peak = |part: &[f32]| {
            let peak = part.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            (peak.min(1.0) * LOUDEST).round() as u8
        };
        let peaks = |channel: &Vec<f32>| channel.chunks(samples).map(peak).collect();
        Self {
            duration_s: (recording.duration_s * 1000.0).round() / 1000.0,
            per_second: PER_SECOND,
            channels: recording.channels.iter().map(peaks).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenth_of_a_second_has_its_peak() {
        let tenth = 1600;
        let mut left = vec![0.0; tenth * 2 + 1];
        left[tenth] = -0.5;
        left[tenth * 2] = 1.7;
        let recording = Recording {
            source: String::new(),
            duration_s: left.len() as f64 / 16_000.0,
            channels: vec![left, vec![f32::NAN; tenth]],
        };
        let waveform = Waveform::of(&recording);
        assert_eq!(waveform.channels, [vec![0, 128, 255], vec![0]]);
        assert_eq!((waveform.duration_s, waveform.per_second), (0.2, 10));
    }
}
