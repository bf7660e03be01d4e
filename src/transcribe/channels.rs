//! Which channels carry a speaker of their own.
//!
//! Two channels are two speakers, unless both carry the same sound ("dual mono", as many recorders write) or one is
//! silent; then it is one track on which everybody speaks.

use std::borrow::Cow;

use crate::domain::Recording;

/// Sound with the speakers on it.
pub struct Track<'a> {
    pub samples: Cow<'a, [f32]>,
    pub speaker: &'static str,
}

/// Loudness (root mean square) under which a channel is silent: −60 dB.
const SILENT: f32 = 1e-3;
/// Share of the energy that may differ between the channels of dual mono: codecs treat them a little differently.
const SAME: f64 = 0.02;

pub fn tracks(recording: &Recording) -> Vec<Track<'_>> {
    match recording.channels.as_slice() {
        [left, right] if same_sound(left, right) || loudness(right) < SILENT => one(left),
        [left, right] if loudness(left) < SILENT => one(right),
        [left, right] => vec![
            Track {
                samples: Cow::Borrowed(left),
                speaker: "left",
            },
            Track {
                samples: Cow::Borrowed(right),
                speaker: "right",
            },
        ],
        channels => channels.iter().take(1).flat_map(|channel| one(channel)).collect(),
    }
}

fn one(samples: &[f32]) -> Vec<Track<'_>> {
    vec![Track {
        samples: Cow::Borrowed(samples),
        speaker: "S1",
    }]
}

fn loudness(samples: &[f32]) -> f32 {
    let energy: f64 = samples.iter().map(|sample| f64::from(sample * sample)).sum();
    (energy / samples.len().max(1) as f64).sqrt() as f32
}

/// The difference of the channels, each brought to the same loudness, holds next to no energy.
fn same_sound(left: &[f32], right: &[f32]) -> bool {
    let (a, b) = (loudness(left), loudness(right));
    if a < SILENT || b < SILENT {
        return false;
    }
    let difference: f64 = left
        .iter()
        .zip(right)
        .map(|(l, r)| f64::from(l / a - r / b).powi(2))
        .sum();
    difference / (left.len().max(1) as f64) < SAME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, gain: f32) -> Vec<f32> {
        (0..16_000)
            .map(|n| gain * (n as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin())
            .collect()
    }

    fn speakers(channels: Vec<Vec<f32>>) -> Vec<&'static str> {
        let recording = Recording {
            source: String::new(),
            channels,
            duration_s: 1.0,
        };
        tracks(&recording).iter().map(|track| track.speaker).collect()
    }

    #[test]
    fn two_voices_are_two_speakers() {
        assert_eq!(speakers(vec![tone(200.0, 0.3), tone(310.0, 0.3)]), ["left", "right"]);
    }

    #[test]
    fn dual_mono_is_one_track_even_at_other_loudness() {
        assert_eq!(speakers(vec![tone(200.0, 0.3), tone(200.0, 0.1)]), ["S1"]);
    }

    #[test]
    fn a_silent_channel_is_no_speaker() {
        assert_eq!(speakers(vec![tone(200.0, 0.0), tone(200.0, 0.1)]), ["S1"]);
        assert_eq!(speakers(vec![tone(200.0, 0.1), tone(200.0, 0.0)]), ["S1"]);
        assert_eq!(speakers(vec![tone(200.0, 0.1)]), ["S1"]);
    }
}
