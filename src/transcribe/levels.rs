//! How loud the voices are on each track, so that tracks that were recorded at unlike levels can be compared.

use super::voice::{HANG, LOUD, ON};

/// How much louder the other track must be for this one to be only its echo (13 dB as a ratio of energies).
const ECHO: f32 = 20.0;
/// A strong voice is less than this (10 dB as a ratio of energies) under the loud frames of its track.
const STRONG: f32 = 10.0;
/// Frames of a voice that give its level (1 s).
const ENOUGH: u32 = 62;
/// Of the strong frames of a track's own speaker the others are silent in at least one of so many; of what leaks into it, in
/// next to none.
const OWN: u32 = 4;

/// How often each level was heard.
pub struct Levels {
    counts: Vec<u32>,
    total: u32,
}

/// Steps of the scale: half a decibel from −120 to 0.
const STEPS: usize = 240;

impl Levels {
    pub fn new() -> Self {
        Self {
            counts: vec![0; STEPS + 1],
            total: 0,
        }
    }

    pub fn add(&mut self, energy: f32) {
        let decibels = 10.0 * energy.max(1e-12).log10();
        let step = ((decibels + 120.0) * 2.0).clamp(0.0, STEPS as f32) as usize;
        self.counts[step] += 1;
        self.total += 1;
    }

    /// Energy of a loud frame.
    pub fn loud(&self) -> f32 {
        let mut left = (self.total as f32 * (1.0 - LOUD)) as u32;
        for (step, &count) in self.counts.iter().enumerate().rev() {
            if count > left {
                return 10_f32.powf((step as f32 / 2.0 - 120.0) / 10.0);
            }
            left -= count;
        }
        0.0
    }
}

/// Tells the voice of another track from one of this track's own.
pub struct Echoes {
    tracks: Vec<Heard>,
}

struct Heard {
    /// Levels of all voices on it.
    voices: Levels,
    /// Levels of strong voices while nobody speaks on another track.
    alone: Levels,
    /// Frames of strong voices.
    strong: u32,
    /// Frames since somebody spoke.
    silent: usize,
}

impl Heard {
    const fn is_speaking(&self) -> bool {
        self.silent <= HANG
    }
}

impl Echoes {
    pub fn new(tracks: usize) -> Self {
        let heard = || Heard {
            voices: Levels::new(),
            alone: Levels::new(),
            strong: 0,
            silent: usize::MAX,
        };
        Self {
            tracks: (0..tracks).map(|_| heard()).collect(),
        }
    }

    /// Takes the next frame of all tracks: scores of the detector, and energies.
    pub fn hear(&mut self, frame: &[(f32, f32)]) {
        let mut strong = vec![false; frame.len()];
        for ((track, &(score, energy)), strong) in self.tracks.iter_mut().zip(frame).zip(&mut strong) {
            track.silent = track.silent.saturating_add(1);
            if score < ON {
                continue;
            }
            track.voices.add(energy);
            let loud = track.voices.loud();
            // What leaks from a track at an equal level is quieter.
            if energy * ECHO >= loud {
                track.silent = 0;
            }
            *strong = energy * STRONG >= loud;
        }
        let speaking = self.tracks.iter().filter(|track| track.is_speaking()).count();
        for ((track, (_, energy)), strong) in self.tracks.iter_mut().zip(frame).zip(strong) {
            if strong {
                track.strong += 1;
                if speaking == 1 {
                    track.alone.add(*energy);
                }
            }
        }
    }

    /// Level of the voice that belongs to each track, where one was heard.
    pub fn levels(&self) -> Vec<Option<f32>> {
        let level = |heard: &Heard| {
            let known = heard.alone.total >= ENOUGH && heard.alone.total >= heard.strong / OWN;
            known.then(|| heard.alone.loud())
        };
        self.tracks.iter().map(level).collect()
    }
}

/// What is heard on `track`, in a frame with these energies, is the voice of another one. Energies are compared as they are
/// until the levels of both voices are known.
pub fn is_echo(track: usize, energies: &[f32], levels: &[Option<f32>]) -> bool {
    let gain = |other: usize| match (levels[track], levels[other]) {
        (Some(own), Some(other)) => own / other,
        _ => 1.0,
    };
    let least = ECHO * energies[track].max(1e-10);
    (0..energies.len()).any(|other| other != track && energies[other] * gain(other) > least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_that_of_the_loud_frames() {
        let mut levels = Levels::new();
        for _ in 0..1000 {
            levels.add(1e-6);
        }
        for _ in 0..5 {
            levels.add(0.5);
        }
        assert!((levels.loud().log10() + 6.0).abs() < 0.1, "{}", levels.loud());
        for _ in 0..20 {
            levels.add(0.01);
        }
        assert!(levels.loud() > 5e-3, "{}", levels.loud());
    }

    /// Turns of 2 s by turns, each followed by a pause of 0.5 s: the frames of the near side, then those of the far side.
    fn talk(near: [(f32, f32); 2], far: [(f32, f32); 2]) -> Echoes {
        let mut echoes = Echoes::new(2);
        for _ in 0..10 {
            for (turn, frames) in [(near, 125), ([(0.0, 1e-9); 2], 31), (far, 125), ([(0.0, 1e-9); 2], 31)] {
                (0..frames).for_each(|_| echoes.hear(&turn));
            }
        }
        echoes
    }

    #[test]
    fn a_quiet_far_side_is_no_echo_of_a_loud_near_one() {
        // 26 dB quieter, and under the noise of the room of the near side.
        let levels = talk([(0.9, 1e-2), (0.1, 1e-8)], [(0.1, 6e-4), (0.9, 2.5e-5)]).levels();
        let far_speaks = [6e-4, 2.5e-5];
        assert!(is_echo(1, &far_speaks, &[None, None]), "as the two were recorded");
        assert!(!is_echo(1, &far_speaks, &levels), "{levels:?}");
        // Both at once.
        let both = [1e-2, 2.5e-5];
        assert!(!is_echo(0, &both, &levels) && !is_echo(1, &both, &levels), "{levels:?}");
    }

    #[test]
    fn a_voice_that_leaks_is_an_echo() {
        // At equal levels.
        let levels = talk([(0.9, 1e-2), (0.8, 1e-4)], [(0.8, 1e-4), (0.9, 1e-2)]).levels();
        assert!(is_echo(1, &[1e-2, 1e-4], &levels) && is_echo(0, &[1e-4, 1e-2], &levels));
        // The quiet far side is heard in a loud near microphone, raw 6 dB louder than on its own track, and speaks itself.
        let levels = talk([(0.9, 1e-2), (0.1, 1e-8)], [(0.8, 1e-4), (0.9, 2.5e-5)]).levels();
        assert!(is_echo(0, &[1e-4, 2.5e-5], &levels), "{levels:?}");
        assert!(!is_echo(1, &[1e-4, 2.5e-5], &levels), "{levels:?}");
    }

    #[test]
    fn a_track_with_nothing_but_what_leaks_has_no_level() {
        // Noises that are taken for a voice do not change that.
        let mut echoes = talk([(0.9, 1e-2), (0.8, 1e-4)], [(0.0, 1e-8), (0.0, 1e-8)]);
        (0..120).for_each(|_| echoes.hear(&[(0.0, 1e-8), (0.9, 1e-6)]));
        let levels = echoes.levels();
        assert_eq!(levels[1], None);
        assert!(is_echo(1, &[1e-2, 1e-4], &levels), "{levels:?}");
    }
}
