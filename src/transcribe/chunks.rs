//! Utterances of a track → chunks that a recogniser hears at once, and times in a chunk → times in the recording.
//!
//! Every chunk costs the recogniser a fixed margin, so short utterances of one track are heard together, with what is left
//! of the pause between them. Where turns begin and end is *not* here: a chunk may hold words of several.

use std::ops::Range;

use crate::domain::SAMPLE_RATE;

const SECOND: usize = SAMPLE_RATE as usize;
/// A chunk of this length takes no further utterance: longer ones cost less a second, and are worth it up to here.
const FULL: usize = 20 * SECOND;
/// The recogniser's window is 30 s.
pub const LONGEST: usize = 28 * SECOND;
/// What is left of a longer pause: words on both sides keep apart.
const PAUSE: usize = SECOND / 2;
/// A long utterance is cut in the quietest place of the last so many seconds that it may have.
const SEARCH: usize = 8 * SECOND;
/// Sound of one place: 20 ms, of which the middle of the quietest five is cut.
const STEP: usize = SECOND / 50;

/// Stretches of one track, heard as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub track: usize,
    /// In order, without overlap.
    pub parts: Vec<Part>,
}

/// One of them, with what is heard behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Samples of the track.
    pub sound: Range<usize>,
    /// Samples at its beginning that are the end of a pause.
    lead: usize,
    /// Samples at its end that are the beginning of a pause.
    pause: usize,
    /// Samples of silence behind it, where the track has somebody else who is not to be heard.
    pub silence: usize,
}

impl Part {
    pub const fn new(sound: Range<usize>) -> Self {
        Self {
            sound,
            lead: 0,
            pause: 0,
            silence: 0,
        }
    }

    fn len(&self) -> usize {
        self.sound.len() + self.silence
    }
}

impl Chunk {
    /// Samples to hear.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Where the speech of its last part ends.
    fn end(&self) -> usize {
        self.parts.last().map_or(0, |part| part.sound.end)
    }

    /// Where a word of the chunk is in the recording: whole in the speech of the part that has most of it. Between two parts is a pause,
    /// into which the alignment lets words reach from both sides, and over it.
    pub fn place(&self, word: Range<usize>) -> (usize, usize) {
        let mut before = 0;
        for (at, part) in self.parts.iter().enumerate() {
            let end = before + part.sound.len() - part.pause;
            let is_here = self.parts.get(at + 1).is_none_or(|next| {
                let own = word.end.min(end).saturating_sub(word.start);
                own > 0 && own >= word.end.saturating_sub(before + part.len() + next.lead)
            });
            if is_here {
                let speech = part.sound.start + part.lead..part.sound.end - part.pause;
                let place =
                    |sample: usize| (part.sound.start + sample.saturating_sub(before)).clamp(speech.start, speech.end);
                return (place(word.start), place(word.end));
            }
            before += part.len();
        }
        (word.start, word.end)
    }

    fn takes(&self, range: &Range<usize>) -> bool {
        let pause = range.start.saturating_sub(self.end());
        self.len() < FULL && self.len() + pause.min(PAUSE) + range.len() <= LONGEST
    }

    /// `all` are the utterances of the track.
    fn join(&mut self, range: Range<usize>, all: &[Range<usize>]) {
        let end = self.end();
        let next = all.partition_point(|other| other.start < end);
        let mut between = all[next..].iter().take_while(|other| other.end <= range.start);
        let first = between.next();
        let last = between.last().or(first);
        let Some(part) = self.parts.last_mut() else {
            return;
        };
        if first.is_none() && range.start.saturating_sub(end) <= PAUSE {
            part.sound.end = range.end;
            return;
        }
        // A pause as between utterances of one speaker, with nothing in it of what others say.
        let room = |from: usize, to: usize| (PAUSE / 2).min((to - from) / 2);
        part.pause = room(end, first.map_or(range.start, |other| other.start));
        part.sound.end += part.pause;
        let lead = room(last.map_or(end, |other| other.end), range.start);
        part.silence = PAUSE - part.pause - lead;
        self.parts.push(Part {
            lead,
            ..Part::new(range.start - lead..range.end)
        });
    }
}

/// Chunks of some utterances of one track, which has `all` these; both in order. `samples` reads it, to find where a long one may be
/// cut.
pub fn lay_out<E>(
    track: usize,
    utterances: &[Range<usize>],
    all: &[Range<usize>],
    samples: &mut dyn FnMut(Range<usize>) -> Result<Vec<f32>, E>,
) -> Result<Vec<Chunk>, E> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for utterance in utterances {
        for range in cut(utterance, samples)? {
            match chunks.last_mut() {
                Some(chunk) if chunk.takes(&range) => chunk.join(range, all),
                _ => chunks.push(Chunk {
                    track,
                    parts: vec![Part::new(range)],
                }),
            }
        }
    }
    Ok(chunks)
}

/// An utterance in parts that fit the recogniser's window, cut where it is quietest.
fn cut<E>(
    utterance: &Range<usize>,
    samples: &mut dyn FnMut(Range<usize>) -> Result<Vec<f32>, E>,
) -> Result<Vec<Range<usize>>, E> {
    let mut parts = Vec::new();
    let mut from = utterance.start;
    while utterance.end - from > LONGEST {
        let search = from + LONGEST - SEARCH..from + LONGEST;
        let to = search.start + quietest(&samples(search)?);
        parts.push(from..to);
        from = to;
    }
    parts.push(from..utterance.end);
    Ok(parts)
}

/// The middle of the quietest tenth of a second of a sound.
pub fn quietest(sound: &[f32]) -> usize {
    let energies: Vec<f32> = sound
        .chunks_exact(STEP)
        .map(|step| step.iter().map(|sample| sample * sample).sum())
        .collect();
    let quietest = energies
        .windows(5)
        .enumerate()
        .min_by(|(_, a), (_, b)| a.iter().sum::<f32>().total_cmp(&b.iter().sum()));
    quietest.map_or(sound.len() / 2, |(at, _)| at * STEP + STEP * 5 / 2)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn chunks(utterances: &[Range<usize>]) -> Vec<Chunk> {
        let mut silence = |range: Range<usize>| Ok::<_, Infallible>(vec![0.0; range.len()]);
        lay_out(0, utterances, utterances, &mut silence).unwrap_or_else(|never| match never {})
    }

    #[test]
    fn short_utterances_are_heard_together_with_little_of_their_pauses() {
        let found = chunks(&[
            SECOND..3 * SECOND,
            3 * SECOND + 100..4 * SECOND,
            9 * SECOND..11 * SECOND,
        ]);
        let expected = [SECOND..4 * SECOND + PAUSE / 2, 9 * SECOND - PAUSE / 2..11 * SECOND];
        assert_eq!(found.len(), 1);
        let sounds: Vec<Range<usize>> = found[0].parts.iter().map(|part| part.sound.clone()).collect();
        assert_eq!(sounds, expected);
        let first = expected[0].len();
        assert_eq!(found[0].place(0..SECOND), (SECOND, 2 * SECOND));
        // The alignment lets a word end behind the pause that follows it, and begin before the one that it follows.
        assert_eq!(
            found[0].place(first - SECOND..first + SECOND),
            (3 * SECOND + PAUSE / 2, 4 * SECOND)
        );
        assert_eq!(
            found[0].place(first - PAUSE / 2 - SECOND / 10..first + SECOND),
            (9 * SECOND, 10 * SECOND - PAUSE / 2)
        );
        // What lies in the pause alone is the first word behind it.
        assert_eq!(
            found[0].place(first - PAUSE / 4..first + PAUSE / 4),
            (9 * SECOND, 9 * SECOND)
        );
        assert_eq!(found[0].place(first..100 * SECOND), (9 * SECOND, 11 * SECOND));
    }

    #[test]
    fn nothing_of_what_others_say_is_heard_between_utterances() {
        let all = [
            0..2 * SECOND,
            2 * SECOND + 2_000..5 * SECOND,
            5 * SECOND + 1_000..7 * SECOND,
        ];
        let own = [all[0].clone(), all[2].clone()];
        let mut silence = |range: Range<usize>| Ok::<_, Infallible>(vec![0.0; range.len()]);
        let found = lay_out(0, &own, &all, &mut silence).unwrap_or_else(|never| match never {});
        let sounds: Vec<Range<usize>> = found[0].parts.iter().map(|part| part.sound.clone()).collect();
        assert_eq!(sounds, [0..2 * SECOND + 1_000, 5 * SECOND + 500..7 * SECOND]);
        // As long as the pause that is left between utterances of one speaker.
        assert_eq!(found[0].parts[0].silence, PAUSE - 1_500);
        assert_eq!(found[0].len(), 4 * SECOND + PAUSE - 1_000);
        // The second one begins behind all that.
        let begin = 2 * SECOND + PAUSE;
        assert_eq!(
            found[0].place(begin..begin + 100),
            (5 * SECOND + 1_000, 5 * SECOND + 1_100)
        );
        assert_eq!(found[0].place(begin - 2_000..begin).0, 5 * SECOND + 1_000);
        assert_eq!(found[0].place(SECOND..2 * SECOND), (SECOND, 2 * SECOND));
    }

    #[test]
    fn a_long_utterance_is_cut_where_it_is_quiet() {
        let mut sound = |range: Range<usize>| {
            let quiet = 25 * SECOND..25 * SECOND + SECOND / 5;
            Ok::<_, Infallible>(range.map(|at| if quiet.contains(&at) { 0.01 } else { 0.3 }).collect())
        };
        let utterance = std::slice::from_ref(&(0..40 * SECOND));
        let found = lay_out(0, utterance, utterance, &mut sound).unwrap_or_else(|never| match never {});
        let end = found[0].parts[0].sound.end as f64 / SECOND as f64;
        assert!((25.0..25.2).contains(&end), "{end}");
    }

    proptest! {
        /// Every sample of speech is heard once, in order, and no chunk is too long.
        #[test]
        fn no_speech_is_lost(steps in proptest::collection::vec((8_000_usize..200_000, 5_121_usize..700_000), 1..30)) {
            let mut at = 0;
            let mut utterances = Vec::new();
            for (pause, length) in steps {
                utterances.push(at + pause..at + pause + length);
                at += pause + length;
            }
            let found = chunks(&utterances);
            let parts = found.iter().flat_map(|chunk| &chunk.parts);
            let heard: Vec<Range<usize>> = parts.map(|part| part.sound.clone()).collect();
            prop_assert!(heard.windows(2).all(|pair| pair[0].end <= pair[1].start));
            prop_assert!(found.iter().all(|chunk| chunk.len() <= LONGEST + PAUSE));
            for utterance in utterances {
                let covered: usize = heard
                    .iter()
                    .map(|part| part.end.min(utterance.end).saturating_sub(part.start.max(utterance.start)))
                    .sum();
                prop_assert_eq!(covered, utterance.len());
            }
        }
    }
}
