//! Speech of a track that people share → that of each of them, to be heard by itself.
//!
//! A recogniser passes over what somebody says quietly between sentences of somebody loud. Where all are about as loud it hears them better
//! as they speak, one behind the other, so that is left as it is.

use std::io;
use std::ops::Range;

use super::super::channels::Track;
use super::super::chunks::quietest;
use super::{BLOCK, Stretch};
use crate::domain::SAMPLE_RATE;

/// Somebody is loud beside somebody else: 6 dB as a ratio of energies.
const LOUDER: f64 = 4.0;
/// Shorter speech of a speaker within an utterance is heard with what is beside it: 2 s.
const SHORTEST: usize = 2 * SAMPLE_RATE as usize;
/// An utterance is cut in the quietest place so near to where the speaker changes: 0.3 s.
const NEAR: usize = 3 * SAMPLE_RATE as usize / 10;

/// Utterances of each speaker; none where all are about as loud.
pub fn apart(
    track: &Track<'_>,
    utterances: &[Range<usize>],
    stretches: &[Stretch],
) -> io::Result<Vec<Vec<Range<usize>>>> {
    let levels = levels(track, stretches)?;
    let spoken = || levels.iter().copied().filter(|level| *level > 0.0);
    if spoken().fold(0.0, f64::max) < LOUDER * spoken().fold(f64::INFINITY, f64::min) {
        return Ok(Vec::new());
    }
    let mut own = vec![Vec::new(); levels.len()];
    for utterance in utterances {
        let mut from = utterance.start;
        let runs = runs(utterance, stretches);
        for (at, (speaker, run)) in runs.iter().enumerate() {
            let to = match runs.get(at + 1) {
                Some((_, next)) => {
                    let change = usize::midpoint(run.end, next.start);
                    let near = change - NEAR..change + NEAR;
                    near.start + quietest(&track.read(near)?)
                }
                None => utterance.end,
            };
            own[*speaker].push(from..to);
            from = to;
        }
    }
    Ok(own)
}

/// Mean energy of each speaker's speech; 0 where there is none.
fn levels(track: &Track<'_>, stretches: &[Stretch]) -> io::Result<Vec<f64>> {
    let count = stretches.iter().map(|stretch| stretch.speaker + 1).max().unwrap_or(0);
    let mut sums = vec![(0.0, 0); count];
    for Stretch { speech, speaker, .. } in stretches {
        let (energy, samples) = &mut sums[*speaker];
        for from in speech.clone().step_by(BLOCK) {
            let sound = track.read(from..speech.end.min(from + BLOCK))?;
            *energy += sound.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
            *samples += sound.len();
        }
    }
    Ok(sums
        .into_iter()
        .map(|(energy, samples)| energy / samples.max(1) as f64)
        .collect())
}

/// Who speaks in an utterance, in order; each for long enough, but where it is one speaker's. At least one.
fn runs(utterance: &Range<usize>, stretches: &[Stretch]) -> Vec<(usize, Range<usize>)> {
    let first = stretches.partition_point(|stretch| stretch.speech.end <= utterance.start);
    let inside = stretches[first..]
        .iter()
        .take_while(|stretch| stretch.speech.start < utterance.end);
    let mut all: Vec<(usize, Range<usize>)> = Vec::new();
    for Stretch { speech, speaker, .. } in inside {
        match all.last_mut() {
            Some((last, run)) if last == speaker => run.end = speech.end,
            _ => all.push((*speaker, speech.clone())),
        }
    }
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for (speaker, run) in all {
        match runs.last_mut() {
            Some((last, before)) if *last == speaker || run.len() < SHORTEST => before.end = run.end,
            Some((last, before)) if before.len() < SHORTEST => {
                *last = speaker;
                before.end = run.end;
            }
            _ => runs.push((speaker, run)),
        }
    }
    if runs.is_empty() {
        // Too short to tell: who spoke last.
        let near = stretches.get(first.saturating_sub(1));
        runs.push((near.map_or(0, |stretch| stretch.speaker), utterance.clone()));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::super::channels;
    use super::*;

    const SECOND: usize = SAMPLE_RATE as usize;

    fn stretches(told: &[(Range<usize>, usize)]) -> Vec<Stretch> {
        told.iter()
            .map(|(seconds, speaker)| Stretch {
                speech: seconds.start * SECOND..seconds.end * SECOND,
                speaker: *speaker,
                confidence: 0.9,
            })
            .collect()
    }

    /// A second of each loudness, with a hole of a tenth of a second after the first tenth of each.
    fn sound(loudness: &[f32]) -> Vec<Vec<f32>> {
        let second = |loud: &f32| {
            (0..SECOND)
                .map(|at| if (1_600..3_200).contains(&at) { 0.0 } else { *loud })
                .collect::<Vec<_>>()
        };
        vec![loudness.iter().flat_map(second).collect()]
    }

    fn told(loudness: &[f32], utterances: &[Range<usize>], stretches: &[Stretch]) -> Vec<Vec<Range<usize>>> {
        let sound = sound(loudness);
        let tracks = channels::tracks(&sound).expect("in memory");
        apart(&tracks[0], utterances, stretches).expect("in memory")
    }

    #[test]
    fn a_quiet_speaker_beside_a_loud_one_is_heard_apart() {
        let speakers = stretches(&[(0..3, 0), (3..6, 1), (6..7, 0), (7..9, 1), (10..12, 0)]);
        let utterances = [0..9 * SECOND, 10 * SECOND..12 * SECOND];
        let quiet = [0.3, 0.3, 0.3, 0.1, 0.1, 0.1, 0.3, 0.1, 0.1, 0.0, 0.3, 0.3];
        // Cut where it is quiet; a word in between does not count.
        let change = 3 * SECOND + 2_400;
        let own = told(&quiet, &utterances, &speakers);
        assert_eq!(own[0], [0..change, utterances[1].clone()]);
        assert_eq!(own[1], std::slice::from_ref(&(change..9 * SECOND)));
        let even = [0.3, 0.3, 0.3, 0.2, 0.2, 0.2, 0.3, 0.2, 0.2, 0.0, 0.3, 0.3];
        assert!(told(&even, &utterances, &speakers).is_empty());
        assert!(told(&quiet, &utterances, &[]).is_empty());
    }

    #[test]
    fn every_utterance_is_somebodys() {
        let speakers = stretches(&[(0..1, 1), (1..4, 0), (6..9, 1)]);
        let runs = |seconds: Range<usize>| runs(&(seconds.start * SECOND..seconds.end * SECOND), &speakers);
        assert_eq!(runs(0..4), [(0, 0..4 * SECOND)]);
        assert_eq!(runs(4..5), [(0, 4 * SECOND..5 * SECOND)]);
        assert_eq!(runs(10..11), [(1, 10 * SECOND..11 * SECOND)]);
    }
}
