//! Which channels carry a speaker of their own.
//!
//! Two channels are two speakers, unless both carry the same sound ("dual mono", as many recorders write) or one is
//! silent; then it is one track on which everybody speaks.

use std::io;
use std::ops::Range;

use crate::domain::{Sound, distinct_channels};

/// Sound with the speakers on it.
pub struct Track<'a> {
    sound: &'a dyn Sound,
    channel: usize,
    pub speaker: &'static str,
}

impl Track<'_> {
    pub fn samples(&self) -> usize {
        self.sound.samples()
    }

    pub fn read(&self, range: Range<usize>) -> io::Result<Vec<f32>> {
        self.sound.read(self.channel, range)
    }
}

pub fn tracks(sound: &dyn Sound) -> io::Result<Vec<Track<'_>>> {
    let track = |channel, speaker| Track {
        sound,
        channel,
        speaker,
    };
    if sound.channels() == 1 {
        return Ok(vec![track(0, "S1")]);
    }
    Ok(match distinct_channels(sound)?.as_slice() {
        [left, right] => vec![track(*left, "left"), track(*right, "right")],
        channels => vec![track(channels.first().copied().unwrap_or(0), "S1")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, gain: f32) -> Vec<f32> {
        (0..16_000)
            .map(|n| gain * (n as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin())
            .collect()
    }

    fn speakers(channels: Vec<Vec<f32>>) -> Vec<(usize, &'static str)> {
        let tracks = tracks(&channels).expect("in memory");
        tracks.iter().map(|track| (track.channel, track.speaker)).collect()
    }

    #[test]
    fn two_voices_are_two_speakers() {
        let both = vec![tone(200.0, 0.3), tone(310.0, 0.3)];
        assert_eq!(speakers(both), [(0, "left"), (1, "right")]);
    }

    #[test]
    fn dual_mono_is_one_track_even_at_other_loudness() {
        assert_eq!(speakers(vec![tone(200.0, 0.3), tone(200.0, 0.1)]), [(0, "S1")]);
    }

    #[test]
    fn a_silent_channel_is_no_speaker() {
        assert_eq!(speakers(vec![tone(200.0, 0.0), tone(200.0, 0.1)]), [(1, "S1")]);
        assert_eq!(speakers(vec![tone(200.0, 0.1), tone(200.0, 0.0)]), [(0, "S1")]);
        assert_eq!(speakers(vec![tone(200.0, 0.0), tone(200.0, 0.0)]), [(0, "S1")]);
        assert_eq!(speakers(vec![tone(200.0, 0.1)]), [(0, "S1")]);
    }
}
