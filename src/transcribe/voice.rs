//! Where somebody speaks, on each track.

use std::io;
use std::ops::Range;

use earshot::Detector;

use super::channels::Track;
use super::judge::{self, Judge};
use super::levels::{Echoes, is_echo};
use super::{Error, unreadable};

/// Samples of one frame of the detector: 16 ms.
pub const FRAME: usize = 256;

/// Score from which speech begins, and under which it ends: two values, so that a voice near the line does not flutter.
pub const ON: f32 = 0.5;
pub const OFF: f32 = 0.35;
/// Frames of silence that end an utterance (0.35 s); shorter ones are pauses between words.
pub const HANG: usize = 22;
/// Shorter sounds (0.16 s) are clicks and breaths.
pub const SHORTEST: usize = 10;
/// Frames kept around speech (0.16 s): the detector is late on soft consonants.
pub const MARGIN: usize = 10;
/// Energy under which nothing is speech (−70 dB of full scale): the rounding noise of µ-law lies at −75 dB, and the
/// detector takes its crackle for a voice.
pub const FAINTEST: f32 = 1e-7;
/// A voice is less than this much (40 dB as a ratio of energies) under the loud frames of its own track.
pub const BELOW_LOUD: f32 = 1e-4;
/// Share of the frames that are not louder than a loud one: a click or two does not set the level.
pub const LOUD: f32 = 0.99;

/// Frames on each side that the energy of a frame is smoothed over: an echo is a few milliseconds late.
pub const SMOOTH: usize = 3;

/// Samples that are read at a time: 4 s.
const BLOCK: usize = 256 * FRAME;

/// What is known of each frame of a track.
struct Frames {
    /// How sure the detector is of a voice, 0–1.
    scores: Vec<f32>,
    energies: Vec<f32>,
}

/// How utterances are cut, in frames.
struct Cut {
    /// Silence that ends one.
    hang: usize,
    /// Kept around one.
    margin: usize,
    /// Shorter ones are dropped.
    shortest: usize,
}

const UTTERANCES: Cut = Cut {
    hang: HANG,
    margin: MARGIN,
    shortest: SHORTEST,
};
/// People answer each other after a tenth of a second: voices are told apart in speech cut at every such pause.
const PHRASES: Cut = Cut {
    hang: 8,
    margin: 2,
    shortest: 6,
};

/// Speech of each track, in samples, in order.
pub struct Voices {
    pub utterances: Vec<Vec<Range<usize>>>,
    /// The same, cut at shorter pauses and closer to the voice.
    pub phrases: Vec<Vec<Range<usize>>>,
}

/// Samples before speech that the second judge hears it with (0.5 s): it is unsure of the first moments.
const LEAD: usize = 16 * judge::FRAME;
/// A frame stays speech where the second judge is sure of a voice within so many of its own frames (0.5 s): it is unsure of
/// moments within words too.
const NEAR: usize = 16;
/// Samples that the second judge hears at a time (65 s): music may go on for an hour.
const JUDGED: usize = 16 * BLOCK;

/// `source` names the recording in errors.
pub fn speech(tracks: &[Track<'_>], judge: &Judge, source: &str) -> Result<Voices, Error> {
    let unreadable = |cause| unreadable(source, cause);
    let mut frames = (tracks.iter())
        .map(|track| frames(track).map_err(unreadable))
        .collect::<Result<Vec<_>, _>>()?;
    for Frames { scores, energies } in &mut frames {
        mute_faint(scores, energies);
    }
    mute_echoes(&mut frames);
    for (Frames { scores, .. }, track) in frames.iter_mut().zip(tracks) {
        for utterance in utterances(scores, track.samples(), &UTTERANCES) {
            for from in utterance.clone().step_by(JUDGED) {
                let to = utterance.end.min(from + JUDGED);
                let lead = from.min(LEAD);
                let heard = track.read(from - lead..to).map_err(unreadable)?;
                let judged = judge.scores(&heard).map_err(|cause| Error::Recogniser {
                    at_s: super::seconds(from),
                    cause: cause.into(),
                })?;
                let frames = from / FRAME..scores.len().min(to.div_ceil(FRAME));
                mute_other_sounds(&mut scores[frames], lead, &judged);
            }
        }
    }
    let cut = |cut: &Cut| {
        let each = frames.iter().zip(tracks);
        each.map(|(frames, track)| utterances(&frames.scores, track.samples(), cut))
            .collect()
    };
    Ok(Voices {
        utterances: cut(&UTTERANCES),
        phrases: cut(&PHRASES),
    })
}

fn frames(track: &Track<'_>) -> io::Result<Frames> {
    let mut detector = Box::new(Detector::default());
    let (mut scores, mut energies) = (Vec::new(), Vec::new());
    for from in (0..track.samples()).step_by(BLOCK) {
        for frame in track.read(from..from + BLOCK)?.chunks_exact(FRAME) {
            scores.push(detector.predict_f32(frame));
            energies.push(frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32);
        }
    }
    Ok(Frames {
        scores,
        energies: smooth(&energies),
    })
}

/// Each the mean of its neighbours.
fn smooth(plain: &[f32]) -> Vec<f32> {
    (0..plain.len())
        .map(|at| {
            let around = &plain[at.saturating_sub(SMOOTH)..(at + SMOOTH + 1).min(plain.len())];
            around.iter().sum::<f32>() / around.len() as f32
        })
        .collect()
}

fn mute_faint(scores: &mut [f32], energies: &[f32]) {
    let mut sorted = energies.to_vec();
    sorted.sort_by(f32::total_cmp);
    let loud = sorted.get(((sorted.len() as f32 * LOUD) as usize).min(sorted.len().saturating_sub(1)));
    let faintest = loud.map_or(FAINTEST, |loud| (loud * BELOW_LOUD).max(FAINTEST));
    for (score, energy) in scores.iter_mut().zip(energies) {
        if *energy < faintest {
            *score = 0.0;
        }
    }
}

/// `scores` of frames from sample `from` of what the second judge heard.
fn mute_other_sounds(scores: &mut [f32], from: usize, judged: &[f32]) {
    for (at, score) in scores.iter_mut().enumerate() {
        let place = (from + at * FRAME) / judge::FRAME;
        let near = place.saturating_sub(NEAR)..(place + NEAR + 1).min(judged.len());
        if !judged[near.start.min(near.end)..near.end]
            .iter()
            .any(|sure| *sure >= judge::VOICE)
        {
            *score = 0.0;
        }
    }
}

fn mute_echoes(tracks: &mut [Frames]) {
    let mut echoes = Echoes::new(tracks.len());
    let count = tracks.iter().map(|frames| frames.scores.len()).min().unwrap_or(0);
    for at in 0..count {
        let frame: Vec<(f32, f32)> = tracks
            .iter()
            .map(|frames| (frames.scores[at], frames.energies[at]))
            .collect();
        echoes.hear(&frame);
    }
    let levels = echoes.levels();
    for at in 0..count {
        let energies: Vec<f32> = tracks.iter().map(|frames| frames.energies[at]).collect();
        for (track, frames) in tracks.iter_mut().enumerate() {
            if is_echo(track, &energies, &levels) {
                frames.scores[at] = 0.0;
            }
        }
    }
}

fn utterances(scores: &[f32], samples: usize, cut: &Cut) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut begin = None;
    let mut last_voice = 0;
    for (at, &score) in scores.iter().enumerate() {
        match begin {
            None if score >= ON => {
                begin = Some(at);
                last_voice = at;
            }
            Some(_) if score >= OFF => last_voice = at,
            Some(from) if at - last_voice > cut.hang => {
                found.push(from..last_voice + 1);
                begin = None;
            }
            _ => {}
        }
    }
    found.extend(begin.map(|from| from..last_voice + 1));
    found.retain(|frames| frames.len() >= cut.shortest);
    let mut padded: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for frames in found {
        let start = frames.start.saturating_sub(cut.margin) * FRAME;
        let end = ((frames.end + cut.margin) * FRAME).min(samples);
        match padded.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            _ => padded.push(start..end),
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pauses_do_not_cut_and_clicks_do_not_count() {
        let mut scores = vec![0.0; 400];
        scores[50..100].fill(0.9);
        scores[110..150].fill(0.9);
        scores[250..253].fill(0.9);
        let found = utterances(&scores, 400 * FRAME, &UTTERANCES);
        assert_eq!(found.as_slice(), std::slice::from_ref(&(40 * FRAME..160 * FRAME)));
    }

    #[test]
    fn speech_up_to_the_end_is_kept() {
        let scores = vec![0.9; 100];
        let found = utterances(&scores, 100 * FRAME + 17, &UTTERANCES);
        assert_eq!(found.as_slice(), std::slice::from_ref(&(0..100 * FRAME + 17)));
    }

    #[test]
    fn a_noise_far_under_the_voice_is_muted() {
        let mut scores = vec![0.9; 100];
        let mut energies = vec![1e-3; 100];
        energies[..50].fill(2e-8);
        mute_faint(&mut scores, &energies);
        assert_eq!((scores[10], scores[60]), (0.0, 0.9));
        // Nobody speaks on this track at all.
        let mut scores = vec![0.9; 100];
        mute_faint(&mut scores, &[2e-8; 100]);
        assert!(scores.iter().all(|score| *score == 0.0));
    }

    #[test]
    fn what_the_second_judge_hears_no_voice_in_is_muted() {
        // Two seconds, a voice in the first half of the second one.
        let mut judged = vec![0.1; 62];
        judged[31..46].fill(0.9);
        let mut scores = vec![0.9; 125];
        mute_other_sounds(&mut scores, 0, &judged);
        let kept: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] > 0.0).collect();
        assert_eq!((kept.first(), kept.last()), (Some(&30), Some(&123)));
        assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1));
        // The beginning of what was heard is before the first frame.
        let mut scores = vec![0.9; 10];
        mute_other_sounds(&mut scores, 30 * judge::FRAME, &judged);
        assert!(scores.iter().all(|score| *score > 0.0));
        mute_other_sounds(&mut scores, 0, &[]);
        assert!(scores.iter().all(|score| *score == 0.0));
    }

    #[test]
    fn an_echo_is_muted_and_double_talk_is_not() {
        let track = |energies: [f32; 2]| Frames {
            scores: vec![0.9, 0.9],
            energies: energies.to_vec(),
        };
        let mut tracks = [track([1e-6, 0.01]), track([0.01, 0.02])];
        mute_echoes(&mut tracks);
        assert_eq!(tracks[0].scores, [0.0, 0.9]);
        assert_eq!(tracks[1].scores, [0.9, 0.9]);
    }
}
